//! One training step at a time: blocks in parallel, gradients summed in order, the weights moved.

use std::sync::{Mutex, PoisonError};

use super::architecture::Architecture;
use super::block::{BLOCK_ROWS, Found, Slot};
use super::compiled::{AnyBlock, AnySpace, Compiled};
use super::layers::Noise;
use super::loss::Loss;
use super::optimiser::{Descent, Moved, Optimiser};
use super::score::SCORE_ROWS;
use super::weights::Weights;
use crate::crew::Crew;
use crate::kernels::{Aligned, FlushToZero, Kernels};

/// Weights of one piece of the update: big enough to pay for handing it out.
const UPDATE_LEN: usize = 8_192;

/// A network in training: weights, what the optimiser remembers, workspaces.
#[derive(Debug)]
pub struct Trainer {
    architecture: Architecture,
    compiled: Compiled,
    optimiser: Optimiser,
    noise_seed: u64,
    weights: Aligned,
    weights_t: Aligned,
    first: Aligned,
    second: Aligned,
    gradient: Aligned,
    n_updates: i32,
    /// What the blocks of a mini-batch have found.
    found: Vec<Found>,
    /// Workspaces of each thread: for full blocks, and for shorter ones of one length. One block after the other in the same room
    /// stays in the cache, where each in its own does not.
    blocks: Vec<Vec<AnyBlock>>,
    /// Workspaces of validation that are not in use.
    spaces: Mutex<Vec<AnySpace>>,
    crew: Crew,
}

/// What one step found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss over the observed values, before the update.
    pub loss: f64,
    /// Norm of the gradient of that mean, before clipping.
    pub gradient_norm: f64,
}

/// How a step moves the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Learning rate.
    pub learning_rate: f32,
    /// Gradients of a larger norm are scaled down to it.
    pub clip_norm: Option<f64>,
}

impl Trainer {
    /// Starts from `weights` with `n_threads` threads.
    ///
    /// # Panics
    /// Where the weights are of another architecture.
    pub fn new(
        architecture: Architecture,
        weights: &Weights,
        kernels: &'static Kernels,
        n_threads: usize,
    ) -> Self {
        let compiled = Compiled::new(&architecture, kernels);
        let packed = compiled.pack(weights);
        let mut weights_t = Aligned::zeroed(compiled.n_transposed());
        let crew = Crew::new(n_threads);
        compiled.transpose(&crew, &packed, &mut weights_t);
        let zeros = || Aligned::zeroed(compiled.n_trained());
        Self {
            weights: packed,
            weights_t,
            first: zeros(),
            second: zeros(),
            gradient: Aligned::zeroed(compiled.n_weights()),
            optimiser: Optimiser::Adam,
            noise_seed: 0,
            n_updates: 0,
            found: Vec::new(),
            blocks: (0..crew.n_threads()).map(|_| Vec::new()).collect(),
            spaces: Mutex::default(),
            crew,
            architecture,
            compiled,
        }
    }

    /// Moves the weights by another rule than Adam's.
    #[must_use]
    pub fn with_optimiser(self, optimiser: Optimiser) -> Self {
        Self { optimiser, ..self }
    }

    /// Seeds what layers draw in training: what is dropped, noise.
    #[must_use]
    pub fn with_noise(self, seed: u64) -> Self {
        Self {
            noise_seed: seed,
            ..self
        }
    }

    /// The weights as they stand.
    pub fn weights(&self) -> Weights {
        let mut weights = Weights::zeroed(&self.architecture);
        self.compiled.unpack(&self.weights, &mut weights);
        weights
    }

    /// Bytes that it holds: weights and copies of them, what the optimiser remembers, gradients, and workspaces as far as mini-batches
    /// have asked for them.
    pub fn bytes(&self) -> usize {
        let of_weights = [
            &self.weights,
            &self.weights_t,
            &self.first,
            &self.second,
            &self.gradient,
        ];
        let of_weights = of_weights.map(|numbers| numbers.len()).iter().sum::<usize>();
        let found: usize = self.found.iter().map(|found| found.gradient.len()).sum();
        let blocks: usize = self.blocks.iter().flatten().map(AnyBlock::n_floats).sum();
        (of_weights + found + blocks) * size_of::<f32>()
    }

    /// What of it has to be kept so that another may go on: weights and the optimiser's two memories, as the kernels want them,
    /// and the number of updates.
    pub(crate) fn kept(&self) -> (&[f32], &[f32], &[f32], i32) {
        (&self.weights, &self.first, &self.second, self.n_updates)
    }

    /// Goes on from what was [kept](Self::kept); whether it was of such a network.
    pub(crate) fn restore(&mut self, kept: (&[f32], &[f32], &[f32], i32)) -> bool {
        let (weights, first, second, n_updates) = kept;
        let lens = [weights.len(), first.len(), second.len()];
        if lens != [self.weights.len(), self.first.len(), self.second.len()] {
            return false;
        }
        self.weights.copy_from_slice(weights);
        self.first.copy_from_slice(first);
        self.second.copy_from_slice(second);
        self.n_updates = n_updates;
        self.compiled
            .transpose(&self.crew, &self.weights, &mut self.weights_t);
        true
    }

    /// One step on a mini-batch of `n_windows` windows; `fill(window, slot)` writes each of them, from any thread.
    ///
    /// A loss that is not finite has spoilt the weights: go back to ones kept before.
    ///
    /// # Panics
    /// Where `n_windows` is zero.
    pub fn step(
        &mut self,
        n_windows: usize,
        fill: impl Fn(usize, &mut Slot<'_>) + Sync,
        loss: Loss,
        update: Update,
    ) -> StepReport {
        let report = self.differentiate(n_windows, fill, loss);
        let n_observed = self.n_observed();
        let clip = update
            .clip_norm
            .map_or(1.0, |most| (most / (report.gradient_norm + 1e-6)).min(1.0));
        self.n_updates = self.n_updates.saturating_add(1);
        let step = Descent {
            rate: update.learning_rate,
            gradient_scale: (clip / n_observed) as f32,
            n_updates: self.n_updates,
        };
        let kernels = self.compiled.kernels();
        let n_trained = self.compiled.n_trained();
        let (weights, gradient) = (&mut self.weights[..n_trained], &self.gradient[..n_trained]);
        let (first, second) = (&mut self.first, &mut self.second);
        let pieces = weights.chunks_mut(UPDATE_LEN).zip(gradient.chunks(UPDATE_LEN));
        let moments = first.chunks_mut(UPDATE_LEN).zip(second.chunks_mut(UPDATE_LEN));
        let optimiser = self.optimiser;
        self.crew
            .each(pieces.zip(moments), |((weights, gradient), (first, second))| {
                let _guard = FlushToZero::set();
                let moved = Moved {
                    weights,
                    first,
                    second,
                    gradient,
                };
                optimiser.descend(kernels, moved, step);
            });
        self.compiled
            .renew_statistics(&mut self.weights, &self.gradient, n_windows);
        self.compiled
            .transpose(&self.crew, &self.weights, &mut self.weights_t);
        report
    }

    /// Loss and gradient of a mini-batch at the weights as they stand, and leaves them so: what [`Trainer::step`]
    /// would follow.
    ///
    /// The gradient is that of the mean loss over the observed values, before clipping.
    pub fn gradient(
        &mut self,
        n_windows: usize,
        fill: impl Fn(usize, &mut Slot<'_>) + Sync,
        loss: Loss,
    ) -> (StepReport, Weights) {
        let report = self.differentiate(n_windows, fill, loss);
        let scale = (1.0 / self.n_observed()) as f32;
        let mut gradient = Weights::zeroed(&self.architecture);
        let mut found = self.gradient.clone();
        // Statistics have none: what stands there is what was found for them.
        found[self.compiled.n_trained()..].fill(0.0);
        self.compiled.unpack(&found, &mut gradient);
        for value in gradient
            .tensors_mut()
            .iter_mut()
            .flat_map(|tensor| &mut tensor.values)
        {
            *value *= scale;
        }
        (report, gradient)
    }

    /// How the summed (not averaged) loss of each window changes with its inputs, at the weights as they stand; leaves them so.
    /// Marks of [`Slot::observed`] may be any weights that are not negative.
    ///
    /// # Shapes
    /// Returns `[n_windows, n_seen, n_inputs]`.
    pub fn input_gradient(
        &mut self,
        n_windows: usize,
        fill: impl Fn(usize, &mut Slot<'_>) + Sync,
        loss: Loss,
    ) -> Vec<f32> {
        let (n_steps, n_inputs) = (self.architecture.n_seen(), self.architecture.n_inputs());
        let mut gradient = vec![0.0; n_windows * n_steps * n_inputs];
        let of_block = gradient.chunks_mut(BLOCK_ROWS * n_steps * n_inputs);
        self.each_block(
            n_windows,
            fill,
            loss,
            of_block,
            |block, compiled, weights, of_block| {
                for (cell, out) in of_block.chunks_exact_mut(n_inputs).enumerate() {
                    block.input_gradient(compiled, weights, cell / n_steps, cell % n_steps, out);
                }
            },
        );
        gradient
    }

    /// Observed values of the mini-batch; 1 where there is none, so that a mean of nothing is zero.
    fn n_observed(&self) -> f64 {
        let n: f64 = self.found.iter().map(|found| found.n_observed).sum();
        n.max(1.0)
    }

    /// Loss and gradient of a mini-batch; the gradient of the *summed* loss stays in `self.gradient`.
    fn differentiate(
        &mut self,
        n_windows: usize,
        fill: impl Fn(usize, &mut Slot<'_>) + Sync,
        loss: Loss,
    ) -> StepReport {
        let nothing = std::iter::repeat_n((), n_windows.div_ceil(BLOCK_ROWS));
        self.each_block(n_windows, fill, loss, nothing, |_, _, _, ()| ());
        let kernels = self.compiled.kernels();
        let (trained, beyond) = self.gradient.split_at_mut(self.compiled.n_trained());
        let found = &self.found;
        let parts = |from: usize, n: usize| -> Vec<&[f32]> {
            let parts = found.iter().map(|found| &found.gradient[from..from + n]);
            parts.collect()
        };
        let mut squares = vec![0.0; trained.len().div_ceil(UPDATE_LEN)];
        let pieces = trained.chunks_mut(UPDATE_LEN).enumerate().zip(&mut squares);
        self.crew.each(pieces, |((idx, sums), squares)| {
            let _guard = FlushToZero::set();
            *squares = kernels.sum(sums, &parts(idx * UPDATE_LEN, sums.len()));
        });
        kernels.sum(beyond, &parts(trained.len(), beyond.len()));
        let norm = squares.iter().sum::<f64>().sqrt();
        let n_observed = self.n_observed();
        let loss: f64 = self.found.iter().map(|found| found.loss).sum();
        StepReport {
            loss: loss / n_observed,
            gradient_norm: norm / n_observed,
        }
    }

    /// Finds loss and gradient of each block of a mini-batch, and hands the block, while it still holds everything, to `then` with
    /// what comes for it.
    fn each_block<T: Send>(
        &mut self,
        n_windows: usize,
        fill: impl Fn(usize, &mut Slot<'_>) + Sync,
        loss: Loss,
        comes: impl ExactSizeIterator<Item = T> + Send,
        then: impl Fn(&AnyBlock, &Compiled, &[f32], T) + Sync,
    ) {
        assert!(n_windows > 0, "a mini-batch has a window");
        let (compiled, weights, weights_t) = (&self.compiled, &self.weights, &self.weights_t);
        let (seed, update) = (self.noise_seed, u64::from(self.n_updates.unsigned_abs()));
        self.found.resize_with(n_windows.div_ceil(BLOCK_ROWS), || {
            Found::new(compiled.n_weights())
        });
        let pieces = self.found.iter_mut().enumerate().zip(comes);
        self.crew
            .each_with(&mut self.blocks, pieces, |blocks, ((idx, found), comes)| {
                let _guard = FlushToZero::set();
                let first = idx * BLOCK_ROWS;
                let block = block_of(blocks, BLOCK_ROWS.min(n_windows - first), compiled);
                let noise = Noise {
                    seed,
                    update,
                    first_window: first as u64,
                };
                let fill = |row: usize, slot: &mut Slot<'_>| fill(first + row, slot);
                block.differentiate(compiled, weights, weights_t, fill, loss, noise, found);
                then(block, compiled, weights, comes);
            });
    }

    /// What each window loses at the weights as they stand, with the kernels that scoring uses unless it is told to use tiles.
    ///
    /// `fill(window, step, inputs)` writes a window's sample, `target(window, answer, target, marks)` what an answer is
    /// held against.
    pub fn losses(
        &self,
        n_windows: usize,
        fill: impl Fn(usize, usize, &mut [f32]) + Sync,
        target: impl Fn(usize, usize, &mut [f32], &mut [f32]) + Sync,
        loss: Loss,
    ) -> Vec<WindowLoss> {
        let (compiled, weights) = (&self.compiled, &self.weights);
        let n_outputs = compiled.n_outputs();
        let mut found = vec![WindowLoss::default(); n_windows];
        let piece = |(piece, found): (usize, &mut [WindowLoss])| {
            let _guard = FlushToZero::set();
            let space = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut space = space.unwrap_or_else(|| AnySpace::new(compiled));
            let first = piece * SCORE_ROWS;
            let (mut want, mut observed) = (vec![0.0; n_outputs], vec![0.0; n_outputs]);
            space.run(
                compiled,
                weights,
                found.len(),
                |row, step, inputs| fill(first + row, step, inputs),
                |row, answer, outputs| {
                    target(first + row, answer, &mut want, &mut observed);
                    for ((output, want), observed) in outputs.iter().zip(&want).zip(&observed) {
                        if *observed > 0.0 {
                            found[row].sum += f64::from(observed * loss.of(output - want));
                            found[row].n_observed += f64::from(*observed);
                        }
                    }
                },
            );
            self.spaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(space);
        };
        self.crew.each(found.chunks_mut(SCORE_ROWS).enumerate(), piece);
        found
    }
}

/// The one for so many windows among the workspaces of a thread.
fn block_of<'b>(blocks: &'b mut Vec<AnyBlock>, rows: usize, compiled: &Compiled) -> &'b mut AnyBlock {
    let known = blocks.iter().position(|block| block.rows() == rows);
    let idx = known.unwrap_or_else(|| {
        // Mini-batches leave as many over again and again: other lengths are of the past.
        blocks.retain(|block| block.rows() == BLOCK_ROWS);
        blocks.push(AnyBlock::new(compiled, rows));
        blocks.len() - 1
    });
    &mut blocks[idx]
}

/// What a window loses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WindowLoss {
    /// Summed over its observed values.
    pub sum: f64,
    /// How many those are.
    pub n_observed: f64,
}

impl WindowLoss {
    /// Mean over the observed values of windows, in their order; 0 where there is none.
    pub fn mean<'a>(losses: impl IntoIterator<Item = &'a Self>) -> f64 {
        let (mut sum, mut n_observed) = (0.0, 0.0_f64);
        for loss in losses {
            sum += loss.sum;
            n_observed += loss.n_observed;
        }
        sum / n_observed.max(1.0)
    }
}

#[cfg(test)]
mod tests;
