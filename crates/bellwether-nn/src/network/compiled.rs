//! The two ways to compute a network: stacks of LSTM layers by kernels made for them, anything else layer by layer.

use super::architecture::Architecture;
use super::block::{Block, Found, Slot};
use super::layers::block::{LayerBlock, LayerSpace};
use super::layers::{Net, Noise};
use super::loss::Loss;
use super::score::{SCORE_ROWS, ScoreSpace};
use super::weights::{Layout, Weights};
use crate::crew::Crew;
use crate::kernels::{Aligned, Kernels};

/// A network cut for one table of kernels.
#[derive(Debug)]
pub(crate) enum Compiled {
    Stacks(Layout),
    Layers(Net),
}

impl Compiled {
    pub(crate) fn new(architecture: &Architecture, kernels: &'static Kernels) -> Self {
        match architecture.plan() {
            Some(plan) => Self::Layers(Net::new(plan, kernels)),
            None => Self::Stacks(Layout::new(architecture, kernels)),
        }
    }

    pub(crate) fn kernels(&self) -> &'static Kernels {
        match self {
            Self::Stacks(layout) => layout.kernels,
            Self::Layers(net) => net.kernels,
        }
    }

    /// Packed weights in all.
    pub(crate) fn n_weights(&self) -> usize {
        match self {
            Self::Stacks(layout) => layout.n_weights,
            Self::Layers(net) => net.n_weights,
        }
    }

    /// Those that gradients move; statistics stand behind them.
    pub(crate) fn n_trained(&self) -> usize {
        match self {
            Self::Stacks(layout) => layout.n_weights,
            Self::Layers(net) => net.n_trained,
        }
    }

    pub(crate) fn n_transposed(&self) -> usize {
        match self {
            Self::Stacks(layout) => layout.n_transposed,
            Self::Layers(net) => net.n_transposed,
        }
    }

    /// Outputs of an answer.
    pub(crate) fn n_outputs(&self) -> usize {
        match self {
            Self::Stacks(layout) => layout.head.n_outputs,
            Self::Layers(net) => net.n_outputs(),
        }
    }

    /// # Panics
    /// Where the weights are of another architecture.
    pub(crate) fn pack(&self, weights: &Weights) -> Aligned {
        match self {
            Self::Stacks(layout) => layout.pack(weights),
            Self::Layers(net) => {
                let mut packed = Aligned::zeroed(net.n_weights);
                let mut n = 0;
                net.each_weight(|tensor, at, to| {
                    packed[to] = weights.tensors()[tensor].values[at];
                    n += 1;
                });
                let n_given: usize = weights.tensors().iter().map(|tensor| tensor.values.len()).sum();
                assert_eq!(n, n_given, "weights of another architecture");
                packed
            }
        }
    }

    pub(crate) fn unpack(&self, packed: &[f32], weights: &mut Weights) {
        match self {
            Self::Stacks(layout) => layout.unpack(packed, weights),
            Self::Layers(net) => net.each_weight(|tensor, at, from| {
                weights.tensors_mut()[tensor].values[at] = packed[from];
            }),
        }
    }

    /// Rebuilds the copies that the way back multiplies by.
    pub(crate) fn transpose(&self, crew: &Crew, packed: &[f32], transposed: &mut [f32]) {
        match self {
            Self::Stacks(layout) => layout.transpose(crew, packed, transposed),
            Self::Layers(net) => net.transpose(crew, packed, transposed),
        }
    }

    /// Takes what a mini-batch has found into the statistics; `gradient` holds the sums of its blocks.
    pub(crate) fn renew_statistics(&self, weights: &mut [f32], gradient: &[f32], n_windows: usize) {
        if let Self::Layers(net) = self {
            net.renew_statistics(weights, gradient, n_windows);
        }
    }
}

/// Room for one block of windows of a mini-batch after the other.
#[derive(Debug)]
pub(crate) enum AnyBlock {
    Stacks(Block),
    Layers(LayerBlock),
}

impl AnyBlock {
    pub(crate) fn new(compiled: &Compiled, rows: usize) -> Self {
        match compiled {
            Compiled::Stacks(layout) => Self::Stacks(Block::new(layout, rows)),
            Compiled::Layers(net) => Self::Layers(LayerBlock::new(net, rows)),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Stacks(block) => block.rows(),
            Self::Layers(block) => block.rows(),
        }
    }

    /// Numbers that it has room for.
    pub(crate) fn n_floats(&self) -> usize {
        match self {
            Self::Stacks(block) => block.n_floats(),
            Self::Layers(block) => block.n_floats(),
        }
    }

    /// Takes in windows, and finds their loss and its gradient; `fill(row, slot)` writes one of them.
    ///
    /// # Panics
    /// Where the block was made for the other kind.
    pub(crate) fn differentiate(
        &mut self,
        compiled: &Compiled,
        weights: &[f32],
        transposed: &[f32],
        fill: impl Fn(usize, &mut Slot<'_>),
        loss: Loss,
        noise: Noise,
        found: &mut Found,
    ) {
        match (self, compiled) {
            (Self::Stacks(block), Compiled::Stacks(layout)) => {
                block.fill(layout, fill);
                block.forward(layout, weights);
                block.backward(layout, transposed, loss, found);
            }
            (Self::Layers(block), Compiled::Layers(net)) => {
                block.fill(net, fill);
                block.differentiate(net, weights, transposed, loss, noise, found);
            }
            _ => unreachable!("blocks are made for the compiled that uses them"),
        }
    }

    /// Gradient of the summed loss with respect to the inputs of one window at `step`, after
    /// [`AnyBlock::differentiate`], `[n_inputs]`.
    ///
    /// # Panics
    /// Where the block was made for the other kind.
    pub(crate) fn input_gradient(
        &self,
        compiled: &Compiled,
        weights: &[f32],
        row: usize,
        step: usize,
        out: &mut [f32],
    ) {
        match (self, compiled) {
            (Self::Stacks(block), Compiled::Stacks(layout)) => {
                block.input_gradient(layout, weights, row, step, out);
            }
            (Self::Layers(block), Compiled::Layers(_)) => {
                out.copy_from_slice(block.input_gradient(step, row))
            }
            _ => unreachable!("blocks are made for the compiled that uses them"),
        }
    }
}

/// Workspace for scoring up to [`SCORE_ROWS`] windows.
#[derive(Debug)]
pub(crate) enum AnySpace {
    Stacks(ScoreSpace),
    Layers(LayerSpace),
}

impl AnySpace {
    pub(crate) fn new(compiled: &Compiled) -> Self {
        match compiled {
            Compiled::Stacks(layout) => Self::Stacks(ScoreSpace::new(layout)),
            Compiled::Layers(net) => Self::Layers(LayerSpace::new(net, SCORE_ROWS)),
        }
    }

    /// Scores `rows` windows: `fill(row, step, inputs)` writes each sample, `emit(row, answer, outputs)` takes each
    /// answer. The bits of a row are the same whatever `rows` is.
    ///
    /// # Panics
    /// Where the space was made for the other kind.
    pub(crate) fn run(
        &mut self,
        compiled: &Compiled,
        weights: &[f32],
        rows: usize,
        fill: impl FnMut(usize, usize, &mut [f32]),
        emit: impl FnMut(usize, usize, &[f32]),
    ) {
        match (self, compiled) {
            (Self::Stacks(space), Compiled::Stacks(layout)) => space.run(layout, weights, rows, fill, emit),
            (Self::Layers(space), Compiled::Layers(net)) => space.run(net, weights, rows, fill, emit),
            _ => unreachable!("spaces are made for the compiled that uses them"),
        }
    }
}
