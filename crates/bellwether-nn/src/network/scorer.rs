//! Scoring: fixed weights, any number of windows, any number of threads, the same bits.

use std::sync::{Mutex, PoisonError};

use super::architecture::Architecture;
use super::compiled::{AnySpace, Compiled};
use super::score::SCORE_ROWS;
use super::weights::Weights;
use crate::crew::Crew;
use crate::kernels::{Aligned, FlushToZero, Kernels};

/// A network that answers.
#[derive(Debug)]
pub struct Scorer {
    compiled: Compiled,
    weights: Aligned,
    crew: Crew,
    /// Workspaces not in use; a call takes one and puts it back.
    spaces: Mutex<Vec<AnySpace>>,
}

impl Scorer {
    /// Packs `weights` for `kernels`, once.
    ///
    /// # Panics
    /// Where the weights are of another architecture.
    pub fn new(
        architecture: &Architecture,
        weights: &Weights,
        kernels: &'static Kernels,
        n_threads: usize,
    ) -> Self {
        let compiled = Compiled::new(architecture, kernels);
        let weights = compiled.pack(weights);
        Self {
            compiled,
            weights,
            crew: Crew::new(n_threads),
            spaces: Mutex::default(),
        }
    }

    /// The kernels that it runs on.
    pub(crate) fn kernels(&self) -> &'static Kernels {
        self.compiled.kernels()
    }

    /// Answers for `out.len() / per_window` windows: `fill(window, step, inputs)` writes each sample,
    /// `emit(window, answer, outputs, out)` takes each answer into the window's own part of `out`.
    ///
    /// # Shapes
    /// `inputs: [n_inputs]`, `outputs: [n_outputs]`, `out: [n_windows, per_window]`.
    pub fn run<T: Send>(
        &self,
        out: &mut [T],
        per_window: usize,
        fill: impl Fn(usize, usize, &mut [f32]) + Sync,
        emit: impl Fn(usize, usize, &[f32], &mut [T]) + Sync,
    ) {
        let piece = |(piece, out): (usize, &mut [T])| {
            let _guard = FlushToZero::set();
            let mut space = self.take();
            let first = piece * SCORE_ROWS;
            space.run(
                &self.compiled,
                &self.weights,
                out.len() / per_window,
                |row, step, inputs| fill(first + row, step, inputs),
                |row, answer, outputs| {
                    emit(
                        first + row,
                        answer,
                        outputs,
                        &mut out[row * per_window..(row + 1) * per_window],
                    );
                },
            );
            self.spaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(space);
        };
        self.crew
            .each(out.chunks_mut(SCORE_ROWS * per_window).enumerate(), piece);
    }

    fn take(&self) -> AnySpace {
        let space = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        space.unwrap_or_else(|| AnySpace::new(&self.compiled))
    }
}
