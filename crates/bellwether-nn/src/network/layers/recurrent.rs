//! Recurrent layers: one cell that goes through the steps, or two that go opposite ways.

use super::gru::GruCell;
use super::lstm::LstmCell;
use super::sequence::{Back, Layer, Noise, Pass, Seq, draw_mask};
use crate::kernels::Aligned;
use crate::network::plan::SeqShape;

/// A cell, whatever is in it.
#[derive(Debug)]
pub(super) enum Cell {
    Lstm(LstmCell),
    Gru(GruCell),
}

/// A layer of one or two cells.
#[derive(Debug)]
pub(super) struct Recurrence {
    /// The second, if there is one, goes from the last step to the first.
    pub cells: Vec<Cell>,
    pub n_units: usize,
    /// Gives the states after the last step of each cell only.
    pub is_last: bool,
    pub dropout: RecurrentDropout,
    /// Of what enters.
    pub shape: SeqShape,
}

/// Units that hear nothing of the step before.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecurrentDropout {
    pub rate: f64,
    /// Place of the layer, for a stream of random numbers of its own.
    pub layer: usize,
}

impl RecurrentDropout {
    /// Factors of the states of `n_rows` windows, `[rows][width]`, for a cell.
    fn draw(self, noise: Noise, n_rows: usize, n_units: usize, width: usize, cell: usize, mask: &mut [f32]) {
        for row in 0..n_rows {
            let mut rng = noise.rng(self.layer + cell * usize::from(u16::MAX), row);
            draw_mask(&mut rng, self.rate, &mut mask[row * width..][..n_units]);
        }
    }
}

/// A walk of a cell through the steps of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    pub n_steps: usize,
    pub rows: usize,
    pub is_reversed: bool,
    /// Whether states of the step before are multiplied by a mask.
    pub is_masked: bool,
}

impl Walk {
    /// Time of the `nth` step that is taken.
    pub(super) fn time(&self, nth: usize) -> usize {
        if self.is_reversed {
            self.n_steps - 1 - nth
        } else {
            nth
        }
    }
}

/// `to = from · mask`, all `[rows][width]`.
pub(super) fn masked(from: &[f32], mask: &[f32], to: &mut [f32]) {
    for ((to, from), mask) in to.iter_mut().zip(from).zip(mask) {
        *to = from * mask;
    }
}

/// Buffers of a cell that all kinds have, before their own: states `[steps + 1][rows][width]` in the order of the walk, the
/// mask `[rows][width]`, masked states `[steps][rows][width]`, and gradients of the states from above, as the states but the first.
pub(super) const H: usize = 0;
pub(super) const MASK: usize = 1;
pub(super) const MASKED: usize = 2;
pub(super) const DH: usize = 3;
/// Buffers before those of a kind.
pub(super) const N_SHARED: usize = 4;

impl Cell {
    /// Units padded to whole registers.
    fn width(&self) -> usize {
        match self {
            Self::Lstm(cell) => cell.layout.width,
            Self::Gru(cell) => cell.hidden.in_width,
        }
    }

    fn own(&self, n_steps: usize, rows: usize) -> Vec<usize> {
        match self {
            Self::Lstm(cell) => cell.kept(n_steps, rows),
            Self::Gru(cell) => cell.kept(n_steps, rows),
        }
    }

    fn forward(&self, pass: &Pass<'_>, walk: Walk, x: &Seq, kept: &mut [Aligned]) {
        match self {
            Self::Lstm(cell) => cell.forward(pass, walk, x, kept),
            Self::Gru(cell) => cell.forward(pass, walk, x, kept),
        }
    }

    /// Adds to `dx`.
    fn backward(
        &self,
        pass: &Pass<'_>,
        walk: Walk,
        x: &Seq,
        dx: &mut Seq,
        kept: &mut [Aligned],
        gradient: &mut [f32],
    ) {
        match self {
            Self::Lstm(cell) => cell.backward(pass, walk, x, dx, kept, gradient),
            Self::Gru(cell) => cell.backward(pass, walk, x, dx, kept, gradient),
        }
    }
}

impl Recurrence {
    fn walk(&self, cell: usize, rows: usize, is_training: bool) -> Walk {
        Walk {
            n_steps: self.shape.steps,
            rows,
            is_reversed: cell == 1,
            is_masked: is_training && self.dropout.rate > 0.0,
        }
    }

    /// Step of the walk whose states are those of `step` of what the layer gives.
    fn nth(&self, walk: Walk, step: usize) -> usize {
        if self.is_last {
            self.shape.steps - 1
        } else {
            // A walk backwards is its own inverse.
            walk.time(step)
        }
    }

    /// The buffers of each cell.
    fn each<'a>(
        &'a self,
        kept: &'a mut [Aligned],
    ) -> impl Iterator<Item = (usize, &'a Cell, &'a mut [Aligned])> {
        let n = kept.len() / self.cells.len();
        let cells = self.cells.iter().zip(kept.chunks_exact_mut(n)).enumerate();
        cells.map(|(idx, (cell, kept))| (idx, cell, kept))
    }
}

impl Layer for Recurrence {
    fn kept(&self, rows: usize) -> Vec<usize> {
        let steps = self.shape.steps;
        let of_cell = |cell: &Cell| {
            let state = rows * cell.width();
            let is_masked = usize::from(self.dropout.rate > 0.0);
            let shared = [
                (steps + 1) * state,
                is_masked * state,
                is_masked * steps * state,
                steps * state,
            ];
            shared
                .into_iter()
                .chain(cell.own(steps, rows))
                .collect::<Vec<_>>()
        };
        self.cells.iter().flat_map(of_cell).collect()
    }

    fn forward(&self, pass: &Pass<'_>, x: &Seq, y: &mut Seq, kept: &mut [Aligned]) {
        for (idx, cell, kept) in self.each(kept) {
            let walk = self.walk(idx, x.rows, pass.noise.is_some());
            let width = cell.width();
            if let (true, Some(noise)) = (walk.is_masked, pass.noise) {
                let mask = &mut kept[MASK];
                self.dropout.draw(noise, x.rows, self.n_units, width, idx, mask);
            }
            cell.forward(pass, walk, x, kept);
            for step in 0..y.shape.steps {
                let states = &kept[H][(self.nth(walk, step) + 1) * x.rows * width..];
                for row in 0..x.rows {
                    let to = &mut y.line_mut(step, row)[idx * self.n_units..][..self.n_units];
                    to.copy_from_slice(&states[row * width..][..self.n_units]);
                }
            }
        }
    }

    fn backward(&self, pass: &Pass<'_>, back: Back<'_>, dx: &mut Seq) {
        let rows = back.x.rows;
        for line in dx.lines_mut() {
            line.fill(0.0);
        }
        let (y_steps, dy, gradient) = (back.y.shape.steps, back.dy, back.gradient);
        for (idx, cell, kept) in self.each(back.kept) {
            let walk = self.walk(idx, rows, true);
            let width = cell.width();
            kept[DH][..self.shape.steps * rows * width].fill(0.0);
            for step in 0..y_steps {
                let to = &mut kept[DH][self.nth(walk, step) * rows * width..];
                for row in 0..rows {
                    let from = &dy.line(step, row)[idx * self.n_units..][..self.n_units];
                    to[row * width..][..self.n_units].copy_from_slice(from);
                }
            }
            cell.backward(pass, walk, back.x, dx, kept, gradient);
        }
    }
}
