//! The shape of a network: stacks of LSTM layers, which have kernels of their own, or any list of layers.

use std::fmt;

use bellwether_core::model::Answers;

use super::plan::{Plan, SeqShape};
use super::problem::LayerProblem;
use super::spec::{Head, NetworkSpec};

/// Most units of a layer, most samples of a window, most inputs: beyond these a typing error is likelier than a wish.
pub(super) const SIZE_MAX: usize = 4096;

/// An LSTM autoencoder: encoder stack → last hidden state, repeated → decoder stack → linear head per sample.
/// Or a forecaster, which has no decoder: encoder stack over all samples but the last → linear head on the last
/// hidden state. Or a network of any layers, [`Architecture::of_layers`]; it has no stacks.
///
/// # Shapes
/// Input `[n_windows, n_seen, n_inputs]`, output `[n_windows, n_answers, n_outputs]`. An autoencoder sees and answers
/// `window_len` samples, and its last encoder size is the bottleneck; a forecaster sees `window_len - 1` and answers
/// one.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    window_len: usize,
    n_inputs: usize,
    n_outputs: usize,
    encoder: Vec<usize>,
    decoder: Vec<usize>,
    plan: Option<Plan>,
}

impl Architecture {
    /// An autoencoder of those sizes.
    ///
    /// # Errors
    /// [`ArchitectureError`] where a stack is empty or a size is not in 1..=4096.
    pub fn new(
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
        encoder: &[usize],
        decoder: &[usize],
    ) -> Result<Self, ArchitectureError> {
        check("window length", window_len)?;
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        check_stack("encoder", encoder)?;
        check_stack("decoder", decoder)?;
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: encoder.to_vec(),
            decoder: decoder.to_vec(),
            plan: None,
        })
    }

    /// A forecaster of those sizes: the LSTM layers `stack` see all samples of a window but the last, and it answers for
    /// that one.
    ///
    /// # Errors
    /// [`ArchitectureError`] where the stack is empty, a size is not in 1..=4096, or `window_len` is not in 2..=4097.
    pub fn forecaster(
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
        stack: &[usize],
    ) -> Result<Self, ArchitectureError> {
        check("samples before the one to foresee", window_len.saturating_sub(1))?;
        check("number of inputs", n_inputs)?;
        check("number of outputs", n_outputs)?;
        check_stack("encoder", stack)?;
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: stack.to_vec(),
            decoder: Vec::new(),
            plan: None,
        })
    }

    /// A network of any layers for windows of `window_len` samples. One that is no more than stacks of LSTM layers is what
    /// [`Architecture::new`] or [`Architecture::forecaster`] makes of their sizes.
    ///
    /// # Errors
    /// [`ArchitectureError`] that names the first layer that cannot be, and the shapes.
    pub fn of_layers(
        spec: &NetworkSpec,
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
    ) -> Result<Self, ArchitectureError> {
        let layers = Self::as_layers(spec, window_len, n_inputs, n_outputs)?;
        match spec.as_stacks() {
            Some((encoder, decoder)) if decoder.is_empty() => {
                Self::forecaster(window_len, n_inputs, n_outputs, &encoder)
            }
            Some((encoder, decoder)) => Self::new(window_len, n_inputs, n_outputs, &encoder, &decoder),
            None => Ok(layers),
        }
    }

    /// The same, to be computed layer by layer whatever the layers are.
    pub(crate) fn as_layers(
        spec: &NetworkSpec,
        window_len: usize,
        n_inputs: usize,
        n_outputs: usize,
    ) -> Result<Self, ArchitectureError> {
        Ok(Self {
            window_len,
            n_inputs,
            n_outputs,
            encoder: Vec::new(),
            decoder: Vec::new(),
            plan: Some(Plan::infer(spec, window_len, n_inputs, n_outputs)?),
        })
    }

    /// The layers, where it is more than stacks of LSTM layers.
    pub fn spec(&self) -> Option<&NetworkSpec> {
        self.plan.as_ref().map(Plan::spec)
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// What it has to say of a window.
    pub fn head(&self) -> Head {
        match &self.plan {
            Some(plan) => plan.spec().head,
            None if self.decoder.is_empty() => Head::Forecast,
            None => Head::Reconstruction,
        }
    }

    /// Which samples of a window it answers for: all as an autoencoder, the last as a forecaster.
    pub fn answers(&self) -> Answers {
        self.head().answers()
    }

    /// Samples of a window that enter.
    pub fn n_seen(&self) -> usize {
        self.head().n_seen(self.window_len)
    }

    /// Samples of a window that it answers for.
    pub fn n_answers(&self) -> usize {
        self.head().n_answers(self.window_len)
    }

    /// Samples in a window, with the one to foresee.
    pub fn window_len(&self) -> usize {
        self.window_len
    }

    /// Values that enter per sample.
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// Values that leave per sample.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// Units of each encoder layer, first to last.
    pub fn encoder(&self) -> &[usize] {
        &self.encoder
    }

    /// Units of each decoder layer, first to last; none in a forecaster.
    pub fn decoder(&self) -> &[usize] {
        &self.decoder
    }

    /// Inputs and units of every layer of the LSTM stacks in order.
    pub fn layers(&self) -> Vec<(usize, usize)> {
        let mut n_inputs = self.n_inputs;
        let units = self.encoder.iter().chain(&self.decoder);
        units
            .map(|&n_units| (std::mem::replace(&mut n_inputs, n_units), n_units))
            .collect()
    }

    /// Units that the head reads.
    pub fn n_last(&self) -> usize {
        if let Some(plan) = &self.plan {
            return plan.last().width;
        }
        let stack = if self.decoder.is_empty() {
            &self.encoder
        } else {
            &self.decoder
        };
        stack[stack.len() - 1]
    }

    /// Number of trainable weights; of batch norm also the statistics.
    pub fn n_weights(&self) -> usize {
        if let Some(plan) = &self.plan {
            return plan.n_weights();
        }
        let lstm: usize = self
            .layers()
            .iter()
            .map(|(n_inputs, n_units)| 4 * n_units * (n_inputs + n_units + 1))
            .sum();
        lstm + self.n_outputs * (self.n_last() + 1)
    }

    /// What each layer of the specification that it was made of gives and costs; the last is the head.
    pub fn layer_costs(&self, spec: &NetworkSpec) -> Vec<LayerCost> {
        let plan = Plan::infer(spec, self.window_len, self.n_inputs, self.n_outputs);
        let costs = |plan: Plan| {
            let shapes = plan.shapes()[1..].iter().copied().chain([plan.answers()]);
            let cost = |(idx, shape)| LayerCost {
                shape,
                n_weights: plan.n_weights_of(idx),
                flops: plan.flops_of(idx),
            };
            shapes.enumerate().map(cost).collect()
        };
        plan.map(costs).unwrap_or_default()
    }

    /// Floating-point operations of the products of one window, forward; training takes about three times as many.
    /// The decoder's first input is constant over time and counted once.
    pub fn flops_per_window(&self) -> usize {
        if let Some(plan) = &self.plan {
            return plan.flops();
        }
        let mut per_window = 0;
        for (idx, (n_inputs, n_units)) in self.layers().into_iter().enumerate() {
            let input_steps = if idx == self.encoder.len() {
                1
            } else {
                self.n_seen()
            };
            per_window += 8 * n_units * (n_inputs * input_steps + n_units * self.n_seen());
        }
        per_window + 2 * self.n_answers() * self.n_outputs * self.n_last()
    }
}

pub(super) fn check(what: &'static str, size: usize) -> Result<(), ArchitectureError> {
    match size {
        1..=SIZE_MAX => Ok(()),
        _ => Err(ArchitectureError::Size { what, size }),
    }
}

/// What a layer gives, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerCost {
    /// What it gives.
    pub shape: SeqShape,
    /// Its weights.
    pub n_weights: usize,
    /// Floating-point operations of its products for one window, forward.
    pub flops: usize,
}

fn check_stack(what: &'static str, stack: &[usize]) -> Result<(), ArchitectureError> {
    if stack.is_empty() {
        return Err(ArchitectureError::NoLayer { what });
    }
    stack.iter().try_for_each(|&units| check(what, units))
}

/// `64-16 | 16-64` with the window and widths around it; `64` alone in a forecaster.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
        write!(f, "{}×{} → {}", self.n_seen(), self.n_inputs, join(&self.encoder))?;
        if let Some(plan) = &self.plan {
            let names: Vec<&str> = plan.spec().layers.iter().map(|layer| layer.kind.name()).collect();
            f.write_str(&names.join(" "))?;
        }
        if !self.decoder.is_empty() {
            write!(f, " | {}", join(&self.decoder))?;
        }
        write!(f, " → {}×{}", self.n_answers(), self.n_outputs)
    }
}

/// Why an [`Architecture`] cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A stack without a layer.
    #[error("the {what} has no layer; give at least one size, e.g. 64-16")]
    NoLayer {
        /// Which stack.
        what: &'static str,
    },
    /// A size out of range.
    #[error("{what}: {size} is not in 1..={SIZE_MAX}")]
    Size {
        /// Which size.
        what: &'static str,
        /// The value given.
        size: usize,
    },
    /// A layer that cannot be where it is.
    #[error("layer {idx} ({kind}): {problem}")]
    Layer {
        /// Its place, from 1.
        idx: usize,
        /// Its kind.
        kind: &'static str,
        /// Why.
        problem: LayerProblem,
    },
    /// Too many layers.
    #[error("{n} layers are more than {most}")]
    Layers {
        /// Layers given.
        n: usize,
        /// At most so many.
        most: usize,
    },
    /// The last layer does not give what the head reads.
    #[error("the last layer gives {got}, the head reads {want}: {advice}")]
    Head {
        /// What it gives.
        got: SeqShape,
        /// What is read.
        want: SeqShape,
        /// What to do.
        advice: &'static str,
    },
    /// The weight of the foreseen sample is no share.
    #[error("forecast_weight: {got} is out of range; wanted above 0 and below 1")]
    ForecastWeight {
        /// What it is.
        got: f64,
    },
    /// Too many weights.
    #[error("the network has {n} weights, which is more than {most}; use fewer units or a shorter window")]
    Weights {
        /// Weights.
        n: usize,
        /// At most so many.
        most: usize,
    },
}
