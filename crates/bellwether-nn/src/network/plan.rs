//! A network cut to its windows: the shape after each layer, what its numbers are, and what it costs.

use std::fmt;

use super::architecture::{ArchitectureError, SIZE_MAX, check};
use super::problem::LayerProblem;
use super::spec::{Head, LayerKind, LayerSpec, NetworkSpec};

/// Most layers of a network.
const LAYERS_MAX: usize = 128;
/// Most values of a window between two layers: what a thread keeps of 32 windows is then a few hundred megabytes at most.
const VALUES_MAX: usize = 1 << 19;
/// Most numbers of a window within a layer: states of a recurrent one, shares of attention, zeros around a convolution.
const INNER_MAX: usize = 1 << 22;
/// Most weights: beyond 256 MiB a typing error is likelier than a wish.
const WEIGHTS_MAX: usize = 1 << 26;
/// The name of what enters the first layer.
const INPUT: &str = "input";

/// Steps of a sequence, and numbers of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqShape {
    /// Steps.
    pub steps: usize,
    /// Numbers of a step.
    pub width: usize,
}

impl fmt::Display for SeqShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.steps, self.width)
    }
}

/// A network whose shapes are known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    spec: NetworkSpec,
    /// What enters, then what each layer gives.
    shapes: Vec<SeqShape>,
    /// Of each layer: the position in `shapes` of what it adds.
    added: Vec<Option<usize>>,
    answers: SeqShape,
}

/// How weights of a tensor are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// Evenly between plus and minus that.
    Uniform(f32),
    Zero,
    One,
}

/// A tensor that a layer has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TensorPlan {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub init: Init,
}

impl Plan {
    /// Infers the shape after each layer of a network for windows of `window_len` samples.
    ///
    /// # Errors
    /// [`ArchitectureError`] that names the first layer that cannot be, and the shapes.
    pub(crate) fn infer(
        spec: &NetworkSpec,
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
    ) -> Result<Self, ArchitectureError> {
        let enough = match spec.head {
            Head::Reconstruction => "window length",
            Head::Forecast | Head::Both { .. } => "samples before the one to foresee",
        };
        check(enough, spec.head.n_seen(window_len))?;
        if let Head::Both { forecast_weight } = spec.head
            && !(0.0 < forecast_weight && forecast_weight < 1.0)
        {
            return Err(ArchitectureError::ForecastWeight { got: forecast_weight });
        }
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        if spec.layers.is_empty() {
            return Err(ArchitectureError::NoLayer { what: "network" });
        }
        if spec.layers.len() > LAYERS_MAX {
            return Err(ArchitectureError::Layers {
                n: spec.layers.len(),
                most: LAYERS_MAX,
            });
        }
        let answers = SeqShape {
            steps: spec.head.n_answers(window_len),
            width: n_outputs,
        };
        let mut plan = Self {
            spec: spec.clone(),
            shapes: vec![SeqShape {
                steps: spec.head.n_seen(window_len),
                width: n_inputs,
            }],
            added: Vec::new(),
            answers,
        };
        for (idx, layer) in spec.layers.iter().enumerate() {
            let wrong = |problem| ArchitectureError::Layer {
                idx: idx + 1,
                kind: layer.kind.name(),
                problem,
            };
            let (shape, added) = plan.layer(idx, layer).map_err(wrong)?;
            if shape.width.saturating_mul(shape.steps) > VALUES_MAX {
                return Err(wrong(LayerProblem::Values {
                    got: shape,
                    most: VALUES_MAX,
                }));
            }
            plan.shapes.push(shape);
            plan.added.push(added);
        }
        let last = plan.last();
        if last.steps != answers.steps {
            return Err(ArchitectureError::Head {
                got: last,
                want: SeqShape {
                    steps: answers.steps,
                    width: last.width,
                },
                advice: match (last.steps, answers.steps) {
                    (1, _) => "give it a `repeat` or an `expand` layer",
                    (_, 1) => "give it a `last` layer at its end, or `last = true` in the last recurrent one",
                    _ => {
                        "it rebuilds what it sees and foresees one more: give it a bottleneck of one step and a `repeat` layer"
                    }
                },
            });
        }
        let n_weights = plan.n_weights();
        if n_weights > WEIGHTS_MAX {
            return Err(ArchitectureError::Weights {
                n: n_weights,
                most: WEIGHTS_MAX,
            });
        }
        Ok(plan)
    }

    /// What the layer at `idx` gives, and what it adds.
    fn layer(&self, idx: usize, layer: &LayerSpec) -> Result<(SeqShape, Option<usize>), LayerProblem> {
        let x = self.last();
        if let Some(name) = &layer.name {
            let before = self.spec.layers[..idx]
                .iter()
                .any(|other| other.name.as_ref() == Some(name));
            if before || name == INPUT {
                return Err(LayerProblem::Name { name: name.clone() });
            }
        }
        let units = |name, units| match units {
            1..=SIZE_MAX => Ok(units),
            _ => Err(LayerProblem::Size { name, got: units }),
        };
        let share = |name, got: f64| match 0.0 <= got && got < 1.0 {
            true => Ok(()),
            false => Err(LayerProblem::Number {
                name,
                got,
                want: "at least 0 and below 1",
            }),
        };
        let not_negative = |name, got: f64| match 0.0 <= got && got.is_finite() {
            true => Ok(()),
            false => Err(LayerProblem::Number {
                name,
                got,
                want: "at least 0",
            }),
        };
        let one_step = |want| match x.steps {
            1 => Ok(()),
            _ => Err(LayerProblem::Shape { got: x, want }),
        };
        let within = |n| match n {
            0..=INNER_MAX => Ok(()),
            _ => Err(LayerProblem::Inner {
                got: x,
                n,
                most: INNER_MAX,
            }),
        };
        let of = |steps, width| Ok((SeqShape { steps, width }, None));
        match &layer.kind {
            LayerKind::Lstm(rnn) | LayerKind::Gru(rnn) => {
                share("recurrent_dropout", rnn.recurrent_dropout)?;
                let n = units("units", rnn.units)? * if rnn.bidirectional { 2 } else { 1 };
                within(x.steps.saturating_mul(4 * n))?;
                of(if rnn.last { 1 } else { x.steps }, n)
            }
            LayerKind::Dense { units: n, .. } => of(x.steps, units("units", *n)?),
            LayerKind::Conv(conv) => {
                units("kernel", conv.kernel)?;
                units("dilation", conv.dilation)?;
                let reach = (conv.kernel - 1).saturating_mul(conv.dilation);
                if reach > SIZE_MAX {
                    return Err(LayerProblem::Reach {
                        got: reach,
                        most: SIZE_MAX,
                    });
                }
                let n = units("units", conv.units)?;
                within((reach + x.steps).saturating_mul(n.max(x.width)))?;
                of(x.steps, n)
            }
            LayerKind::BatchNorm | LayerKind::LayerNorm | LayerKind::Activation(_) | LayerKind::Position => {
                Ok((x, None))
            }
            LayerKind::Dropout { rate } => {
                share("rate", *rate)?;
                Ok((x, None))
            }
            LayerKind::Residual { from } => {
                let at = self.named(idx, from)?;
                let other = self.shapes[at];
                if other != x {
                    return Err(LayerProblem::Unlike {
                        got: x,
                        from: from.clone(),
                        other,
                    });
                }
                Ok((x, Some(at)))
            }
            LayerKind::Attention { heads } => {
                let heads = units("heads", *heads)?;
                if !x.width.is_multiple_of(heads) {
                    return Err(LayerProblem::Heads { got: x, heads });
                }
                within(x.steps.saturating_mul(x.steps).saturating_mul(heads))?;
                Ok((x, None))
            }
            LayerKind::Last => of(1, x.width),
            LayerKind::Repeat => {
                one_step("[1, n]: put a `last` layer before it, or `last = true` in the recurrent one")?;
                of(self.answers.steps, x.width)
            }
            LayerKind::Flatten => of(1, x.steps.saturating_mul(x.width)),
            LayerKind::Expand { units: n, .. } => {
                one_step("[1, n]: put a `last` or a `flatten` layer before it")?;
                of(self.answers.steps, units("units", *n)?)
            }
            LayerKind::Latent { units: n, l1, l2, .. } => {
                not_negative("l1", *l1)?;
                not_negative("l2", *l2)?;
                of(x.steps, units("units", *n)?)
            }
            LayerKind::Variational { units: n, kl } => {
                not_negative("kl", *kl)?;
                of(x.steps, units("units", *n)?)
            }
        }
    }

    /// Where what the layer `from` gives stands; the layer at `idx` asks for it.
    fn named(&self, idx: usize, from: &str) -> Result<usize, LayerProblem> {
        if from == INPUT {
            return Ok(0);
        }
        let layers = &self.spec.layers;
        match layers
            .iter()
            .position(|other| other.name.as_deref() == Some(from))
        {
            Some(at) if at < idx => Ok(at + 1),
            Some(at) => Err(LayerProblem::Cycle {
                from: from.to_owned(),
                layer: at + 1,
            }),
            None => {
                let above = layers[..idx].iter().filter_map(|other| other.name.as_deref());
                Err(LayerProblem::Unknown {
                    from: from.to_owned(),
                    known: above.chain([INPUT]).map(str::to_owned).collect(),
                })
            }
        }
    }

    pub(crate) fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// What enters, then what each layer gives.
    pub(crate) fn shapes(&self) -> &[SeqShape] {
        &self.shapes
    }

    pub(crate) fn added(&self) -> &[Option<usize>] {
        &self.added
    }

    /// What the head gives.
    pub(crate) fn answers(&self) -> SeqShape {
        self.answers
    }

    /// What the head reads.
    pub(crate) fn last(&self) -> SeqShape {
        *self.shapes.last().expect("what enters is there")
    }

    /// Tensors of the layer at `idx`; at the number of layers, those of the head. All but the statistics of batch norm are
    /// learnt.
    pub(crate) fn tensors(&self, idx: usize) -> Vec<TensorPlan> {
        let product = |n_out: usize, n_in: usize| {
            let init = Init::Uniform(1.0 / (n_in as f32).sqrt());
            vec![tensor("w", &[n_out, n_in], init), tensor("b", &[n_out], init)]
        };
        let Some(layer) = self.spec.layers.get(idx) else {
            let (n_out, n_in) = (self.answers.width, self.last().width);
            return vec![
                tensor("w", &[n_out, n_in], Init::Zero),
                tensor("b", &[n_out], Init::Zero),
            ];
        };
        let (x, y) = (self.shapes[idx], self.shapes[idx + 1]);
        match &layer.kind {
            LayerKind::Lstm(rnn) => {
                let (n, init) = (rnn.units, Init::Uniform(1.0 / (rnn.units as f32).sqrt()));
                let names = [["w_ih", "w_hh", "b"], ["back_w_ih", "back_w_hh", "back_b"]];
                let of = |names: [&'static str; 3]| {
                    [
                        tensor(names[0], &[4 * n, x.width], init),
                        tensor(names[1], &[4 * n, n], init),
                        tensor(names[2], &[4 * n], init),
                    ]
                };
                let n_directions = if rnn.bidirectional { 2 } else { 1 };
                names.into_iter().take(n_directions).flat_map(of).collect()
            }
            LayerKind::Gru(rnn) => {
                let (n, init) = (rnn.units, Init::Uniform(1.0 / (rnn.units as f32).sqrt()));
                let names = [
                    ["w_ih", "b_ih", "w_hh", "b_hh"],
                    ["back_w_ih", "back_b_ih", "back_w_hh", "back_b_hh"],
                ];
                let of = |names: [&'static str; 4]| {
                    [
                        tensor(names[0], &[3 * n, x.width], init),
                        tensor(names[1], &[3 * n], init),
                        tensor(names[2], &[3 * n, n], init),
                        tensor(names[3], &[3 * n], init),
                    ]
                };
                let n_directions = if rnn.bidirectional { 2 } else { 1 };
                names.into_iter().take(n_directions).flat_map(of).collect()
            }
            LayerKind::Dense { .. } | LayerKind::Latent { .. } => product(y.width, x.width),
            LayerKind::Expand { .. } => product(y.steps * y.width, x.width),
            LayerKind::Conv(conv) => {
                let init = Init::Uniform(1.0 / ((x.width * conv.kernel) as f32).sqrt());
                vec![
                    tensor("w", &[y.width, x.width, conv.kernel], init),
                    tensor("b", &[y.width], init),
                ]
            }
            LayerKind::BatchNorm => vec![
                tensor("w", &[x.width], Init::One),
                tensor("b", &[x.width], Init::Zero),
                tensor("mean", &[x.width], Init::Zero),
                tensor("variance", &[x.width], Init::One),
            ],
            LayerKind::LayerNorm => vec![
                tensor("w", &[x.width], Init::One),
                tensor("b", &[x.width], Init::Zero),
            ],
            LayerKind::Attention { .. } => {
                let init = Init::Uniform(1.0 / (x.width as f32).sqrt());
                let names = [("q_w", "q_b"), ("k_w", "k_b"), ("v_w", "v_b"), ("out_w", "out_b")];
                let of = |(w, b)| {
                    [
                        tensor(w, &[x.width, x.width], init),
                        tensor(b, &[x.width], Init::Zero),
                    ]
                };
                names.into_iter().flat_map(of).collect()
            }
            LayerKind::Variational { .. } => {
                let init = Init::Uniform(1.0 / (x.width as f32).sqrt());
                vec![
                    tensor("mean_w", &[y.width, x.width], init),
                    tensor("mean_b", &[y.width], init),
                    tensor("log_variance_w", &[y.width, x.width], init),
                    tensor("log_variance_b", &[y.width], init),
                ]
            }
            LayerKind::Dropout { .. }
            | LayerKind::Activation(_)
            | LayerKind::Residual { .. }
            | LayerKind::Position
            | LayerKind::Last
            | LayerKind::Repeat
            | LayerKind::Flatten => Vec::new(),
        }
    }

    /// Numbers in the tensors of the layer at `idx`, or of the head.
    pub(crate) fn n_weights_of(&self, idx: usize) -> usize {
        let len = |tensor: TensorPlan| {
            tensor
                .shape
                .iter()
                .fold(1_usize, |n, &side| n.saturating_mul(side))
        };
        self.tensors(idx)
            .into_iter()
            .map(len)
            .fold(0, usize::saturating_add)
    }

    pub(crate) fn n_weights(&self) -> usize {
        (0..=self.spec.layers.len())
            .map(|idx| self.n_weights_of(idx))
            .fold(0, usize::saturating_add)
    }

    /// Floating-point operations of the products of one window, forward, of the layer at `idx` or of the head.
    pub(crate) fn flops_of(&self, idx: usize) -> usize {
        let Some(layer) = self.spec.layers.get(idx) else {
            return 2 * self.answers.steps * self.answers.width * self.last().width;
        };
        let (x, y) = (self.shapes[idx], self.shapes[idx + 1]);
        let directions = |is_two| if is_two { 2 } else { 1 };
        match &layer.kind {
            LayerKind::Lstm(rnn) => {
                8 * rnn.units * (x.width + rnn.units) * x.steps * directions(rnn.bidirectional)
            }
            LayerKind::Gru(rnn) => {
                6 * rnn.units * (x.width + rnn.units) * x.steps * directions(rnn.bidirectional)
            }
            LayerKind::Dense { .. } | LayerKind::Latent { .. } | LayerKind::Expand { .. } => {
                2 * x.width * y.width * y.steps
            }
            LayerKind::Variational { .. } => 4 * x.width * y.width * x.steps,
            LayerKind::Conv(conv) => 2 * x.width * conv.kernel * y.width * x.steps,
            LayerKind::Attention { .. } => 8 * x.width * x.width * x.steps + 4 * x.steps * x.steps * x.width,
            LayerKind::BatchNorm
            | LayerKind::LayerNorm
            | LayerKind::Dropout { .. }
            | LayerKind::Activation(_)
            | LayerKind::Residual { .. }
            | LayerKind::Position
            | LayerKind::Last
            | LayerKind::Repeat
            | LayerKind::Flatten => 0,
        }
    }

    pub(crate) fn flops(&self) -> usize {
        (0..=self.spec.layers.len()).map(|idx| self.flops_of(idx)).sum()
    }
}

fn tensor(name: &'static str, shape: &[usize], init: Init) -> TensorPlan {
    TensorPlan {
        name,
        shape: shape.to_vec(),
        init,
    }
}
