//! A threshold that follows slow drift: DSPOT (Siffer, Fouque, Termier and Largouët, KDD 2017), with a memory that ends.
//!
//! The paper's rule, in its own words: M_i is the mean of the last d normal errors, X_i = e_i − M_i, and an alarm is an X_i above
//! z_q, the level of risk q of a generalised Pareto tail. Here too. Two things differ, and both are what makes it safe and
//! reproducible. The paper adds each new peak to the tail, for ever; here the tail is that of the held-out rows, so that
//! what a row says depends on the last d rows and on no others. And the paper believes its own verdicts when it chooses which
//! rows are normal; here a row that the threshold without drift would call anomalous is left out, and stands for an ordinary
//! one, so that the threshold cannot follow a fault further than to twice itself.

use std::collections::VecDeque;
use std::fmt;

use super::pot::{self, PotSupport};
use super::{Fallback, HeldOut, Threshold};
use crate::quantile::sorted_finite;

/// Rows that are averaged by default.
pub const DEPTH: usize = 1000;
/// Fewer say nothing of a level; more cost time and memory with each row.
pub const DEPTH_RANGE: std::ops::RangeInclusive<usize> = 10..=10_000;
/// How far the threshold may move, as multiples of the one without drift.
pub const BOUNDS: (f64, f64) = (0.5, 2.0);

/// How a threshold follows the level of the errors before a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drifting {
    depth: usize,
    usual: f64,
}

impl Drifting {
    /// Follows the mean of the last `depth` errors away from `usual`, that of the held-out rows; `None` unless `depth` is in
    /// 10..=10000 and `usual` is finite and not below zero.
    pub fn new(depth: usize, usual: f64) -> Option<Self> {
        let is_good = DEPTH_RANGE.contains(&depth) && usual.is_finite() && usual >= 0.0;
        is_good.then_some(Self { depth, usual })
    }

    /// Rows that the level is a mean over.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Mean error of the held-out rows.
    pub fn usual(&self) -> f64 {
        self.usual
    }
}

/// The threshold of the next row of a series: fixed, or with what it remembers of the rows before.
#[derive(Debug, Clone)]
pub struct Level {
    base: Threshold,
    drifting: Option<Drifting>,
    /// The last errors, oldest first; NaN for rows that do not count.
    recent: VecDeque<f64>,
}

impl Level {
    /// Nothing seen yet.
    pub fn new(base: Threshold, drifting: Option<Drifting>) -> Self {
        Self {
            base,
            drifting,
            recent: VecDeque::new(),
        }
    }

    /// Goes on with what [`Level::rows`] gave; `None` where it was not of such a level.
    pub fn resume(base: Threshold, drifting: Option<Drifting>, rows: Vec<f64>) -> Option<Self> {
        let len_max = drifting.map_or(0, |of| of.depth);
        let is_ours = |error: &f64| error.is_nan() || (0.0..base.error()).contains(error);
        let fits = rows.len() <= len_max && rows.iter().all(is_ours);
        fits.then(|| Self {
            base,
            drifting,
            recent: rows.into(),
        })
    }

    /// The threshold of the next row: T + Σ (e − usual) / depth over the last rows that count, within half and twice T.
    ///
    /// Rows that are not there yet or do not count stand for ordinary ones. The sum is made anew for each row, oldest first,
    /// so that it has the same bits wherever the rows began.
    pub fn threshold(&self) -> Threshold {
        let Some(drifting) = self.drifting else {
            return self.base;
        };
        let counted = self.recent.iter().filter(|error| !error.is_nan());
        let above: f64 = counted.map(|error| error - drifting.usual).sum();
        let base = self.base.error();
        let moved = base + above / drifting.depth as f64;
        Threshold(moved.clamp(BOUNDS.0 * base, BOUNDS.1 * base))
    }

    /// Takes the error of the row; NaN where it has none, or is anomalous for another reason. Errors at or above the threshold
    /// without drift do not count.
    pub fn push(&mut self, error: f64) {
        let Some(drifting) = self.drifting else {
            return;
        };
        if self.recent.len() == drifting.depth {
            self.recent.pop_front();
        }
        let is_normal = error >= 0.0 && error < self.base.error();
        self.recent.push_back(if is_normal { error } else { f64::NAN });
    }

    /// A gap: what was before is forgotten.
    pub fn restart(&mut self) {
        self.recent.clear();
    }

    /// What it remembers, oldest first.
    pub fn rows(&self) -> Vec<f64> {
        self.recent.iter().copied().collect()
    }
}

/// What a drifting threshold rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftingSupport {
    /// The tail of what errors are above the level before them.
    pub pot: PotSupport,
    /// The level.
    pub drifting: Drifting,
    /// The threshold where the level is the usual one.
    pub base: Threshold,
}

/// One sentence, for people.
impl fmt::Display for DriftingSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.pot, in_words(&self.drifting, self.base))
    }
}

/// What everybody who uses such a threshold is told.
pub fn in_words(drifting: &Drifting, base: Threshold) -> String {
    format!(
        "the threshold follows the mean of the last {} normal rows, between {:.4} and {:.4}: a fault that grows slower than that \
         may be missed",
        drifting.depth,
        BOUNDS.0 * base.error(),
        BOUNDS.1 * base.error()
    )
}

/// Errors less how far the level before each of them was off the usual one.
fn levelled(held_out: &HeldOut<'_>, drifting: Drifting, base: Threshold) -> Vec<f64> {
    let mut level = Level::new(base, Some(drifting));
    let mut out = Vec::with_capacity(held_out.errors.len());
    for segment in held_out.segments() {
        level.restart();
        for &error in &held_out.errors[segment] {
            out.push(error - (level.threshold().error() - base.error()));
            level.push(error);
        }
    }
    out
}

/// Errors as the threshold sees them: in the proportion in which it has moved, so that each is held against `base`.
pub(crate) fn in_proportion(held_out: &HeldOut<'_>, drifting: Drifting, base: Threshold) -> Vec<f64> {
    let mut level = Level::new(base, Some(drifting));
    let mut out = Vec::with_capacity(held_out.errors.len());
    for segment in held_out.segments() {
        level.restart();
        for &error in &held_out.errors[segment] {
            out.push(error * base.error() / level.threshold().error());
            level.push(error);
        }
    }
    out
}

/// The level of risk `risk` of what errors are above the mean of the `depth` normal rows before them.
///
/// Which rows are normal depends on the threshold: it is chosen with all of them, and once more without those that it leaves out.
///
/// # Errors
/// [`Fallback`] where there is no tail to believe in.
pub(super) fn drifting_level(
    (risk, depth): (f64, usize),
    held_out: &HeldOut<'_>,
    apart: usize,
    sorted: &[f64],
) -> Result<(f64, DriftingSupport), Fallback> {
    let usual = sorted.iter().sum::<f64>() / sorted.len() as f64;
    let drifting = Drifting { depth, usual };
    let largest = sorted.last().copied().unwrap_or(0.0);
    // Above all errors, so that each of them counts, and so high that no bound is in the way.
    let mut base = Threshold(4.0 * largest.max(f64::MIN_POSITIVE));
    let mut pot = None;
    for _ in 0..2 {
        let levelled = levelled(held_out, drifting, base);
        let own = HeldOut {
            errors: &levelled,
            ..*held_out
        };
        let finite = levelled.iter().copied().filter(|error| error.is_finite());
        let (level, support) = pot::pot_level(risk, &own, apart, &sorted_finite(finite))?;
        base = Threshold::new(level).ok_or(Fallback::NoSpread)?;
        pot = Some(support);
    }
    let pot = pot.ok_or(Fallback::NoSpread)?;
    Ok((base.error(), DriftingSupport { pot, drifting, base }))
}

#[cfg(test)]
mod tests;
