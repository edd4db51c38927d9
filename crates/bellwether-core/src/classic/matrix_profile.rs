//! Left matrix profile: how far the shape of a window lies from the nearest shape that training has shown.
//!
//! Each channel of a window is made to mean 0 and population standard deviation 1 (a channel that does not move within
//! the window becomes 0) and compared with all remembered training windows of the same channel. The errors are the squared
//! differences from the nearest one, cell by cell; with all cells observed they sum per channel to the squared z-normalised
//! Euclidean distance, the matrix profile (Yeh et al. 2016) of the test rows joined with the training rows alone. All that
//! is looked at lies before the row that is judged, hence left.

use super::fit::{FitClassicError, Training, centre_into, check_finite, drawn, gather, places};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_len};
use super::parts::{Parts, Tensor};
use super::product::Panels;
use crate::model::Answers;

/// Most windows remembered, drawn without replacement.
const MEMORY_MAX: usize = 600;
/// A channel moves less than this within a window, in units of its scale: it stands still.
const STILL: f64 = 1e-6;

#[derive(Debug)]
pub(super) struct MatrixProfile {
    /// z-normalised windows by channel, `[n_active, n_windows, len]`.
    memory: Vec<f32>,
    channels: Vec<Shapes>,
}

/// What is remembered of one channel.
#[derive(Debug)]
struct Shapes {
    /// `[len, n_windows]`
    products: Panels,
    /// Half the squared length of each: half a window, or 0 where it stood still.
    half_squares: Vec<f64>,
}

impl MatrixProfile {
    fn new(memory: Vec<f32>, layout: &Layout<'_>) -> Self {
        let len = layout.len;
        let n_windows = memory.len() / layout.n_cells();
        let shapes = |memory: &[f32]| {
            let square = |shape: &[f32]| {
                shape
                    .iter()
                    .map(|&value| f64::from(value) * f64::from(value))
                    .sum::<f64>()
            };
            Shapes {
                products: Panels::new(len, n_windows, |row, at| f64::from(memory[at * len + row])),
                half_squares: memory
                    .chunks_exact(len)
                    .map(|shape| square(shape) / 2.0)
                    .collect(),
            }
        };
        let channels = memory.chunks_exact(n_windows * len).map(shapes).collect();
        Self { memory, channels }
    }

    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let (len, n_active) = (layout.len, layout.active.len());
        let places = drawn(places(training.windows, layout)?, MEMORY_MAX, training.seed);
        let mut cells = gather(training.windows, layout, &places);
        check_finite(&cells)?;
        let (mut means, mut spreads) = (vec![0.0; n_active], vec![0.0; n_active]);
        let mut memory = vec![0.0; cells.len()];
        for (at, cells) in cells.chunks_exact_mut(layout.n_cells()).enumerate() {
            normalise(cells, &mut means, &mut spreads);
            for (row, cells) in cells.chunks_exact(n_active).enumerate() {
                for (channel, &cell) in cells.iter().enumerate() {
                    memory[(channel * places.len() + at) * len + row] = cell as f32;
                }
            }
        }
        Ok(Self::new(memory, layout))
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let wrong = |name, at, why| Err(PartsError::Value { name, at, why });
        let memory = parts.f32s_of_any_len("memory")?;
        let n_windows = parts.setting("n_windows")?;
        if n_windows == 0 {
            return wrong("n_windows", 0, "0: there is nothing to compare with");
        }
        check_len("memory", memory.len(), n_windows.saturating_mul(layout.n_cells()))?;
        // A normalised value is at most the root of the window's length.
        let most = 1.001 * (layout.len as f32).sqrt();
        match memory
            .iter()
            .position(|value| value.is_nan() || value.abs() > most)
        {
            None => Ok(Self::new(memory, layout)),
            Some(at) => wrong("memory", at, "not part of a window of deviation 1"),
        }
    }

    /// Calls `answer(window_idx, channel_idx, shape, nearest)` for each channel of each window, after `seen(window_idx,
    /// means, spreads)`.
    fn each(&self, layout: &Layout<'_>, cells: &[f64], mut answer: impl FnMut(usize, usize, Seen<'_>)) {
        let (len, n_active) = (layout.len, layout.active.len());
        let n = cells.len() / layout.n_cells();
        let mut cells = cells.to_vec();
        let (mut means, mut spreads) = (vec![0.0; n * n_active], vec![0.0; n * n_active]);
        for (at, cells) in cells.chunks_exact_mut(layout.n_cells()).enumerate() {
            let of_window = at * n_active..(at + 1) * n_active;
            normalise(cells, &mut means[of_window.clone()], &mut spreads[of_window]);
        }
        let mut rows = vec![0.0; n * len];
        let n_windows = self.memory.len() / layout.n_cells();
        let mut products = vec![0.0; n * n_windows];
        for (channel, shapes) in self.channels.iter().enumerate() {
            for (row, value) in rows.iter_mut().enumerate() {
                *value = cells[row * n_active + channel];
            }
            shapes.products.product(&rows, &mut products);
            for (at, products) in products.chunks_exact(n_windows).enumerate() {
                let mut best = (f64::NEG_INFINITY, 0);
                for (idx, (product, half_square)) in products.iter().zip(&shapes.half_squares).enumerate() {
                    if product - half_square > best.0 {
                        best = (product - half_square, idx);
                    }
                }
                let first = (channel * n_windows + best.1) * len;
                answer(
                    at,
                    channel,
                    Seen {
                        shape: &rows[at * len..(at + 1) * len],
                        nearest: &self.memory[first..first + len],
                        mean: means[at * n_active + channel],
                        spread: spreads[at * n_active + channel],
                    },
                );
            }
        }
    }
}

/// One channel of a window.
struct Seen<'a> {
    /// Normalised.
    shape: &'a [f64],
    nearest: &'a [f32],
    mean: f64,
    spread: f64,
}

/// Makes each channel of a window mean 0 and population standard deviation 1; 0 where it stands still.
fn normalise(cells: &mut [f64], means: &mut [f64], spreads: &mut [f64]) {
    centre_into(cells, means);
    let n_rows = (cells.len() / means.len()) as f64;
    spreads.fill(0.0);
    for row in cells.chunks_exact(means.len()) {
        for (square, cell) in spreads.iter_mut().zip(row) {
            *square += cell * cell / n_rows;
        }
    }
    for spread in spreads.iter_mut() {
        *spread = if spread.sqrt() > STILL { spread.sqrt() } else { 0.0 };
    }
    for row in cells.chunks_exact_mut(means.len()) {
        for (cell, spread) in row.iter_mut().zip(spreads.iter()) {
            *cell = if *spread > 0.0 { *cell / spread } else { 0.0 };
        }
    }
}

impl Judge for MatrixProfile {
    fn kind(&self) -> Kind {
        Kind::MatrixProfile
    }

    fn answers(&self) -> Answers {
        Answers::Window
    }

    /// The nearest shape, with the window's own mean and spread.
    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let (n_cells, n_active) = (layout.n_cells(), layout.active.len());
        self.each(layout, cells, |at, channel, seen| {
            for (row, value) in seen.nearest.iter().enumerate() {
                out[at * n_cells + row * n_active + channel] = seen.mean + seen.spread * f64::from(*value);
            }
        });
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let (n_cells, n_active) = (layout.n_cells(), layout.active.len());
        self.each(layout, cells, |at, channel, seen| {
            for (row, (value, nearest)) in seen.shape.iter().zip(seen.nearest).enumerate() {
                let off = value - f64::from(*nearest);
                out[at * n_cells + row * n_active + channel] = off * off;
            }
        });
    }

    fn settings(&self) -> Vec<usize> {
        vec![
            self.channels
                .first()
                .map_or(0, |shapes| shapes.half_squares.len()),
        ]
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![("memory", self.memory.clone().into())]
    }
}
