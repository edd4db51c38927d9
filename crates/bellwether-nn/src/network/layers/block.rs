//! A block of windows on its way through a list of layers, and back; and forward only, for scoring.

use super::Net;
use super::sequence::{Back, Layer as _, Noise, Pass, Seq};
use crate::kernels::Aligned;
use crate::network::block::{Found, Slot, sum};
use crate::network::loss::Loss;

/// What there is of every layer for up to so many windows.
#[derive(Debug)]
struct Space {
    /// What enters, then what each layer gives.
    given: Vec<Seq>,
    kept: Vec<Vec<Aligned>>,
    output: Seq,
}

impl Space {
    fn new(net: &Net, rows: usize) -> Self {
        let (input, others) = net.shapes.split_first().expect("what enters is there");
        let given = others.iter().map(|&shape| Seq::new(net.kernels, shape, rows));
        // What enters is written by callers, who know of no padding.
        let given = [Seq::with_stride(*input, rows, input.width)]
            .into_iter()
            .chain(given);
        let kept = net.layers.iter().map(|layer| {
            let lens = layer.as_ref().map_or_else(Vec::new, |layer| layer.kept(rows));
            lens.into_iter().map(Aligned::zeroed).collect()
        });
        Self {
            given: given.collect(),
            kept: kept.collect(),
            output: Seq::new(net.kernels, net.answers, rows),
        }
    }

    /// Uses the room for so many windows from now on.
    fn set_rows(&mut self, rows: usize) {
        self.given.iter_mut().for_each(|seq| seq.rows = rows);
        self.output.rows = rows;
    }

    fn forward(&mut self, net: &Net, pass: &Pass<'_>) {
        for (idx, layer) in net.layers.iter().enumerate() {
            let (below, above) = self.given.split_at_mut(idx + 1);
            let (x, y) = (&below[idx], &mut above[0]);
            match (layer, net.added[idx]) {
                (Some(layer), _) => layer.forward(pass, x, y, &mut self.kept[idx]),
                (None, from) => {
                    y.copy_from(x);
                    if let Some(from) = from {
                        y.add(&below[from]);
                    }
                }
            }
        }
        let last = self.given.last().expect("what enters is there");
        net.head.forward(pass, last, &mut self.output, &mut []);
    }
}

/// Room for one block of windows of a mini-batch after the other.
#[derive(Debug)]
pub(crate) struct LayerBlock {
    rows: usize,
    space: Space,
    /// Gradients of what enters and of what each layer gives.
    d_given: Vec<Seq>,
    /// What a layer sends back to a sequence that others have sent to before; `None` where there are no others.
    part: Vec<Option<Seq>>,
    target: Aligned,
    observed: Aligned,
    d_output: Seq,
}

impl LayerBlock {
    pub(crate) fn new(net: &Net, rows: usize) -> Self {
        let seq = |&shape: &_| Seq::new(net.kernels, shape, rows);
        let is_shared = |at: usize| net.added.contains(&Some(at));
        let part = net.shapes.iter().enumerate();
        let part = part.map(|(at, shape)| is_shared(at).then(|| seq(shape)));
        Self {
            rows,
            space: Space::new(net, rows),
            d_given: net.shapes.iter().map(seq).collect(),
            part: part.collect(),
            target: Aligned::zeroed(net.cells() * rows),
            observed: Aligned::zeroed(net.cells() * rows),
            d_output: seq(&net.answers),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers that it has room for.
    pub(crate) fn n_floats(&self) -> usize {
        let Space { given, kept, output } = &self.space;
        let sequences = given
            .iter()
            .chain(&self.d_given)
            .chain(self.part.iter().flatten());
        let sequences = sequences.chain([output, &self.d_output]);
        let kept: usize = kept.iter().flatten().map(|kept| kept.len()).sum();
        let of_sequences: usize = sequences.map(|sequence| sequence.values.len()).sum();
        of_sequences + kept + self.target.len() + self.observed.len()
    }

    /// Takes in the windows: `fill(row, slot)` writes one of them.
    pub(crate) fn fill(&mut self, net: &Net, fill: impl Fn(usize, &mut Slot<'_>)) {
        self.observed.fill(1.0);
        for row in 0..self.rows {
            let mut slot = Slot {
                x: &mut self.space.given[0].values,
                target: &mut self.target,
                observed: &mut self.observed,
                rows: self.rows,
                row,
                n_inputs: net.shapes[0].width,
                n_outputs: net.answers.width,
            };
            fill(row, &mut slot);
        }
    }

    /// Loss of the windows taken in, and its gradient with respect to all that is learnt.
    pub(crate) fn differentiate(
        &mut self,
        net: &Net,
        weights: &[f32],
        transposed: &[f32],
        loss: Loss,
        noise: Noise,
        found: &mut Found,
    ) {
        let (trained, statistics) = weights.split_at(net.n_trained);
        let pass = Pass {
            kernels: net.kernels,
            weights: trained,
            statistics,
            transposed,
            noise: Some(noise),
            penalty_scale: net.cells() as f64,
        };
        self.space.forward(net, &pass);
        found.n_observed = sum(&self.observed);
        found.loss = self.lose(net, loss);
        found.gradient.fill(0.0);
        for (d, part) in self.d_given.iter_mut().zip(&self.part) {
            if part.is_some() {
                d.values.fill(0.0);
            }
        }
        let n_layers = net.layers.len();
        let (gradient, statistics) = found.gradient.split_at_mut(net.n_trained);
        let head = Back {
            x: &self.space.given[n_layers],
            y: &self.space.output,
            dy: &mut self.d_output,
            kept: &mut [],
            gradient,
            statistics,
        };
        net.head.backward(&pass, head, &mut self.d_given[n_layers]);
        let mut penalty = 0.0;
        for (idx, layer) in net.layers.iter().enumerate().rev() {
            let (below, above) = self.d_given.split_at_mut(idx + 1);
            let (dx, dy) = (&mut below[idx], &mut above[0]);
            let Some(layer) = layer else {
                // A sum sends back to both sides what comes.
                match &self.part[idx] {
                    Some(_) => dx.add(dy),
                    None => dx.copy_from(dy),
                }
                if let Some(from) = net.added[idx] {
                    below[from].add(dy);
                }
                continue;
            };
            let (y, kept) = (&self.space.given[idx + 1], &mut self.space.kept[idx]);
            penalty += layer.penalty(y, kept);
            let back = Back {
                x: &self.space.given[idx],
                y,
                dy,
                kept,
                gradient,
                statistics,
            };
            match &mut self.part[idx] {
                Some(part) => {
                    layer.backward(&pass, back, part);
                    dx.add(part);
                }
                None => layer.backward(&pass, back, dx),
            }
        }
        found.loss += penalty * pass.penalty_scale;
    }

    /// Gradients of the loss with respect to what the head gives; returns the loss.
    fn lose(&mut self, net: &Net, loss: Loss) -> f64 {
        let n = net.answers.width;
        self.d_output.copy_from(&self.space.output);
        let targets = self.target.chunks_exact(n).zip(self.observed.chunks_exact(n));
        loss.gradient(self.d_output.lines_mut().zip(targets))
    }

    /// Gradients of the summed loss with respect to what entered, `[step][row]`; after [`LayerBlock::differentiate`].
    pub(crate) fn input_gradient(&self, step: usize, row: usize) -> &[f32] {
        self.d_given[0].line(step, row)
    }
}

/// Workspace for scoring.
#[derive(Debug)]
pub(crate) struct LayerSpace(Space);

impl LayerSpace {
    /// For up to `rows` windows.
    pub(crate) fn new(net: &Net, rows: usize) -> Self {
        Self(Space::new(net, rows))
    }

    /// Scores `rows` windows: `fill(row, step, inputs)` writes each sample, `emit(row, answer, outputs)` takes each
    /// answer. The bits of a row are the same whatever `rows` is.
    pub(crate) fn run(
        &mut self,
        net: &Net,
        weights: &[f32],
        rows: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
        mut emit: impl FnMut(usize, usize, &[f32]),
    ) {
        let Self(space) = self;
        space.set_rows(rows);
        let input = &mut space.given[0];
        for step in 0..input.shape.steps {
            for row in 0..rows {
                fill(row, step, input.line_mut(step, row));
            }
        }
        let (trained, statistics) = weights.split_at(net.n_trained);
        let pass = Pass {
            kernels: net.kernels,
            weights: trained,
            statistics,
            transposed: &[],
            noise: None,
            penalty_scale: 0.0,
        };
        space.forward(net, &pass);
        for answer in 0..net.answers.steps {
            for row in 0..rows {
                emit(row, answer, space.output.line(answer, row));
            }
        }
    }
}
