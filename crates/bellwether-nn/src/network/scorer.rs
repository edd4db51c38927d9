//! Scoring: fixed weights, any number of windows, any number of threads, the same bits.

use std::sync::{Mutex, PoisonError};

use super::architecture::Architecture;
use super::compiled::{AnySpace, Compiled};
use super::score::SCORE_ROWS;
use super::tiled::{Tiled, TiledSpace};
use super::weights::Weights;
use crate::crew::Crew;
use crate::kernels::{Aligned, FlushToZero, Kernels};

/// A network that answers.
#[derive(Debug)]
pub struct Scorer {
    compiled: Compiled,
    weights: Aligned,
    /// Of a stack, where the kernels have tiles.
    tiled: Option<Tiled>,
    crew: Crew,
    /// Workspaces not in use; a call takes one and puts it back.
    spaces: Mutex<Vec<Space>>,
}

#[derive(Debug)]
enum Space {
    Any(AnySpace),
    Tiled(TiledSpace),
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
        let tiled = match &compiled {
            Compiled::Stacks(layout) => Tiled::new(layout, &weights),
            Compiled::Layers(_) => None,
        };
        Self {
            compiled,
            weights,
            tiled,
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
            let rows = out.len() / per_window;
            let fill = |row: usize, step: usize, inputs: &mut [f32]| fill(first + row, step, inputs);
            let emit = |row: usize, answer: usize, outputs: &[f32]| {
                let out = &mut out[row * per_window..(row + 1) * per_window];
                emit(first + row, answer, outputs, out);
            };
            match (&mut space, &self.compiled, &self.tiled) {
                (Space::Tiled(space), Compiled::Stacks(layout), Some(tiled)) => {
                    space.run(layout, (&self.weights, tiled), rows, fill, emit);
                }
                (Space::Any(space), compiled, _) => space.run(compiled, &self.weights, rows, fill, emit),
                _ => unreachable!("spaces are made for the network that uses them"),
            }
            self.spaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(space);
        };
        self.crew
            .each(out.chunks_mut(SCORE_ROWS * per_window).enumerate(), piece);
    }

    fn take(&self) -> Space {
        let space = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        space.unwrap_or_else(|| match (&self.compiled, &self.tiled) {
            (Compiled::Stacks(layout), Some(_)) => Space::Tiled(TiledSpace::new(layout)),
            (compiled, _) => Space::Any(AnySpace::new(compiled)),
        })
    }
}
