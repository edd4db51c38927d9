//! Robust z: how far a value lies from the channel's training median, in robust standard deviations.
//!
//! z = (x − median) / (1.4826 · median absolute deviation), the error is z² (Iglewicz and Hoaglin 1993). Where more
//! than half of the training values are equal the population standard deviation stands for the spread, and 1 where
//! that is 0 as well: a channel that never moved counts in its own unit.

use super::baseline::centre_and_spread;
use super::fit::{FitClassicError, Training, columns, evenly, places};
use super::judge::{Judge, expect_level};
use super::kind::Kind;
use super::layout::{Layout, PartsError, check_least};
use super::parts::{Parts, Tensor};
use crate::quantile::sorted_finite;

/// Most rows to learn from, evenly spaced.
const ROWS_MAX: usize = 50_000;
/// Least spread, in units of the scale: less is rounding.
const SPREAD_LEAST: f64 = 1e-9;

#[derive(Debug)]
pub(super) struct RobustZ {
    /// `[n_active]` each.
    median: Vec<f64>,
    spread: Vec<f64>,
}

impl RobustZ {
    pub(super) fn fit(training: &Training<'_>, layout: &Layout<'_>) -> Result<Self, FitClassicError> {
        let places = evenly(places(training.windows, layout)?, ROWS_MAX);
        let centres = columns(training.windows, layout, &places)
            .into_iter()
            .map(|column| centre_and_spread(&sorted_finite(column)));
        // A channel without a value in these rows: nothing is known of it but its scale.
        let known = centres.map(|(median, spread)| {
            let median = if median.is_nan() { 0.0 } else { median };
            (median, spread.max(SPREAD_LEAST))
        });
        let (median, spread) = known.unzip();
        Ok(Self { median, spread })
    }

    pub(super) fn from_parts(layout: &Layout<'_>, parts: &Parts) -> Result<Self, PartsError> {
        let n_active = layout.active.len();
        let spread = parts.f64s("spread", n_active)?;
        check_least("spread", &spread, f64::MIN_POSITIVE, "not above zero")?;
        Ok(Self {
            median: parts.f64s("median", n_active)?,
            spread,
        })
    }
}

impl Judge for RobustZ {
    fn kind(&self) -> Kind {
        Kind::RobustZ
    }

    fn expected(&self, _layout: &Layout<'_>, _cells: &[f64], out: &mut [f64]) {
        expect_level(&self.median, out);
    }

    fn errors(&self, layout: &Layout<'_>, cells: &[f64], out: &mut [f64]) {
        let n_active = layout.active.len();
        let windows = cells.chunks_exact(layout.n_cells());
        for (cells, out) in windows.zip(out.chunks_exact_mut(n_active)) {
            let last = &cells[cells.len() - n_active..];
            for (idx, (error, value)) in out.iter_mut().zip(last).enumerate() {
                let z = (value - self.median[idx]) / self.spread[idx];
                *error = z * z;
            }
        }
    }

    fn tensors(&self) -> Vec<(&'static str, Tensor)> {
        vec![
            ("median", self.median.clone().into()),
            ("spread", self.spread.clone().into()),
        ]
    }
}
