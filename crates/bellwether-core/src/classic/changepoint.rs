//! Change point: how much better two normal distributions explain the halves of a window than one explains all of it.
//!
//! For each channel, with n rows in the window, variances v of all, v₁ of the earlier and v₂ of the later half (population)
//! and a floor f: n ln(v + f) − n₁ ln(v₁ + f) − n₂ ln(v₂ + f). That is the statistic of the likelihood ratio test for a
//! change of mean or variance at the middle (Chen and Gupta 2012, section 2.4), never below zero because the logarithm
//! is concave. The floor is a tenth of the channel's median variance in half a training window, at least 1e-6: it keeps
//! channels that mostly stand still from finding a change in every tremor.
//!
//! The change lies half a window before the row that is judged: it is told so much later.

use super::fit::{FitClassicError, Training, evenly, gather, places};
use super::judge::Judge;
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_least};
use super::parts::{Parts, Tensor};
use crate::quantile::{median_sorted, sorted_finite};

/// Most windows to learn from, evenly spaced.
const WINDOWS_MAX: usize = 5000;
const FLOOR_SHARE: f64 = 0.1;
const FLOOR_LEAST: f64 = 1e-6;
/// Rows that a window has to have.
const LEN_MIN: usize = 4;

#[derive(Debug)]
pub(super) struct ChangePoint {
    /// `[n_active]`
    floor: Vec<f64>,
}

impl ChangePoint {
    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        if layout.len < LEN_MIN {
            return Err(FitClassicError::TooShort {
                len: layout.len,
                what: "two halves with a variance",
                want: LEN_MIN,
            });
        }
        let places = evenly(places(training.windows, layout)?, WINDOWS_MAX);
        let cells = gather(training.windows, layout, &places);
        let n_active = layout.active.len();
        let half = layout.len / 2;
        let floors = (0..n_active).map(|channel| {
            let variances = cells
                .chunks_exact(layout.n_cells())
                .map(|cells| mean_variance(&cells[(layout.len - half) * n_active..], channel, n_active).1);
            FLOOR_LEAST.max(FLOOR_SHARE * median_sorted(&sorted_finite(variances)))
        });
        Ok(Self {
            floor: floors.collect(),
        })
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let floor = parts.f64s("floor", layout.active.len())?;
        check_least("floor", &floor, f64::MIN_POSITIVE, "not above zero")?;
        if layout.len < LEN_MIN {
            let (name, at, why) = ("window_len", 0, "too short for two halves");
            return Err(PartsError::Value { name, at, why });
        }
        Ok(Self { floor })
    }
}

/// Mean and population variance of one channel of some rows.
fn mean_variance(cells: &[f64], channel: usize, n_active: usize) -> (f64, f64) {
    let values = || cells.iter().skip(channel).step_by(n_active);
    let n = (cells.len() / n_active) as f64;
    let mean = values().sum::<f64>() / n;
    let squares = values().map(|value| (value - mean) * (value - mean));
    (mean, squares.sum::<f64>() / n)
}

impl Judge for ChangePoint {
    fn kind(&self) -> Kind {
        Kind::Changepoint
    }

    /// The mean of the earlier half.
    fn expected(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            for (channel, out) in out.iter_mut().enumerate() {
                *out = mean_variance(
                    &cells[..(layout.len - layout.len / 2) * n_active],
                    channel,
                    n_active,
                )
                .0;
            }
        }
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            let (earlier, later) = cells.split_at((layout.len - layout.len / 2) * n_active);
            for (channel, (error, floor)) in out.iter_mut().zip(&self.floor).enumerate() {
                let cost = |of: &[f64]| {
                    let (_, variance) = mean_variance(of, channel, n_active);
                    (of.len() / n_active) as f64 * libm::log(variance + floor)
                };
                let gain = cost(cells) - cost(earlier) - cost(later);
                // Rounding; NaN stays: it is refused as an answer.
                *error = if gain < 0.0 { 0.0 } else { gain };
            }
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![("floor", self.floor.clone().into())]
    }
}
