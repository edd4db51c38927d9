//! How far a figure could be off by luck: block bootstrap of one series, and of several.
//!
//! Scores of neighbouring samples say much the same, so samples are drawn in blocks (Carlstein 1986, non-overlapping).
//! How long a block must be, the scores' own autocorrelation tells ([`block_len`]). A block never cuts an event, and cuts
//! no alarm where that can be had: half an event would have neither a start nor its length. Blocks are hence not all of one length.
//!
//! A mean over several series is resampled in two stages: which series, and for each of them which blocks.

use std::ops::Range;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::{EvalError, check_len, check_time};
use crate::time::{Spacing, Timestamp};

/// Resamples where nobody asks for another number.
pub const N_RESAMPLES: usize = 200;

/// Fewer blocks than this say nothing about chance.
const N_BLOCKS_MIN: usize = 8;

/// One series as it was judged: the truth, the scores, and what was predicted; all `[n_samples]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Ground truth.
    pub labels: Vec<bool>,
    /// Scores; NaN for samples without one.
    pub scores: Vec<f64>,
    /// What an operator was told.
    pub predicted: Vec<bool>,
    /// Instants, strictly rising.
    pub time: Vec<Timestamp>,
}

/// A judged series cut into blocks that can be drawn.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    judged: &'a Judged,
    blocks: Vec<Range<usize>>,
    /// Time that each sample stands for.
    steps: Vec<Duration>,
}

impl<'a> Blocks<'a> {
    /// Cuts `judged` into blocks of [`block_len`] samples of the ranked scores, or as few more as keep events whole.
    /// `None` where that gives fewer than eight blocks.
    ///
    /// # Errors
    /// Lengths that differ, no samples, or time that does not rise.
    pub fn new(judged: &'a Judged) -> Result<Option<Self>, EvalError> {
        let Judged {
            labels,
            scores,
            predicted,
            time,
        } = judged;
        check_len(labels, "scores", scores.len())?;
        check_len(labels, "predicted", predicted.len())?;
        check_time(labels, time)?;
        let Some(cadence) = Spacing::infer(time).map(|spacing| spacing.cadence) else {
            return Ok(None);
        };
        let len = block_len(&ranks(scores)).round().max(1.0) as usize;
        let blocks = cut(labels, predicted, len);
        if blocks.len() < N_BLOCKS_MIN {
            return Ok(None);
        }
        let steps = (0..time.len()).map(|idx| {
            let step = time.get(idx + 1).map_or(cadence, |next| next.since(time[idx]));
            if step > cadence + cadence / 2 {
                cadence
            } else {
                step
            }
        });
        Ok(Some(Self {
            judged,
            blocks,
            steps: steps.collect(),
        }))
    }

    /// How many blocks there are.
    pub fn n(&self) -> usize {
        self.blocks.len()
    }

    /// The resample at `resample_idx` of `seed`: as many blocks, drawn with replacement, one behind the other.
    pub fn resample(&self, seed: u64, resample_idx: usize) -> Judged {
        let mut draw = Draw::new(seed, resample_idx);
        let mut out = Judged {
            labels: Vec::with_capacity(self.judged.labels.len()),
            scores: Vec::with_capacity(self.judged.labels.len()),
            predicted: Vec::with_capacity(self.judged.labels.len()),
            time: Vec::with_capacity(self.judged.labels.len()),
        };
        let mut at = Timestamp::from_secs(0);
        for _ in &self.blocks {
            let block = self.blocks[draw.below(self.blocks.len())].clone();
            out.labels.extend_from_slice(&self.judged.labels[block.clone()]);
            out.scores.extend_from_slice(&self.judged.scores[block.clone()]);
            out.predicted
                .extend_from_slice(&self.judged.predicted[block.clone()]);
            for step in &self.steps[block] {
                out.time.push(at);
                at = at.plus(*step);
            }
        }
        out
    }
}

/// Means over series that were drawn with replacement, column by column; what is NaN does not count.
///
/// `replicates` holds for each series the figures of each of its resamples; a series that could not be resampled has one entry, its
/// figures as they are. The result has `n` entries, those of the only series where there is but one.
///
/// # Panics
/// Where a series has no entry: a bug of the caller.
pub fn resampled_means<const N: usize>(replicates: &[Vec<[f64; N]>], n: usize, seed: u64) -> Vec<[f64; N]> {
    let drawn = |resample_idx: usize| {
        // Streams of their own, apart from those that draw blocks.
        let mut draw = Draw::new(!seed, resample_idx);
        let (mut sums, mut counts) = ([0.0; N], [0_usize; N]);
        for _ in replicates {
            let of_series = &replicates[draw.below(replicates.len())];
            let figures = &of_series[draw.below(of_series.len())];
            for ((sum, count), figure) in sums.iter_mut().zip(&mut counts).zip(figures) {
                if !figure.is_nan() {
                    *sum += figure;
                    *count += 1;
                }
            }
        }
        // 0 of 0 is NaN: not defined in this draw.
        std::array::from_fn(|column| sums[column] / counts[column] as f64)
    };
    match replicates {
        [] => Vec::new(),
        [only] => only.clone(),
        _ => (0..n).map(drawn).collect(),
    }
}

/// A stream of random numbers for one resample.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(seed: u64, resample_idx: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(resample_idx as u64);
        Self(rng)
    }

    /// One of `0..n`, equally likely.
    fn below(&mut self, n: usize) -> usize {
        let scaled = (u128::from(self.0.next_u64()) * n as u128) >> 64;
        usize::try_from(scaled).expect("below n, which is a usize")
    }
}

/// Blocks of `len` samples or a few more: none ends within an event, nor within an alarm or at the edge of one, unless no other
/// place comes within another `len`.
fn cut(labels: &[bool], predicted: &[bool], len: usize) -> Vec<Range<usize>> {
    let n = labels.len();
    let is_marked = |idx: usize| labels[idx] || predicted[idx];
    let is_quiet = |at: &usize| !is_marked(at - 1) && !is_marked(*at);
    let is_possible = |at: &usize| !labels[at - 1] && !labels[*at];
    let mut blocks = Vec::new();
    let mut start = 0;
    while start < n {
        let first = (start + len).min(n);
        let quiet = (first..n.min(first + len)).find(is_quiet);
        let end = quiet.or_else(|| (first..n).find(is_possible)).unwrap_or(n);
        blocks.push(start..end);
        start = end;
    }
    // A remainder is no block of its own where it is short.
    if let [.., before, last] = blocks.as_mut_slice()
        && 2 * last.len() < len
    {
        before.end = last.end;
        blocks.pop();
    }
    blocks
}

/// The length of block that estimates the variance of a mean best, in samples; at least 1.
///
/// Politis and White (2004) with the correction of Patton, Politis and White (2009): b = (2 G² / D)^⅓ n^⅓, where G is
/// Σ λ(k/M) |k| R(k), D is 2 (Σ λ(k/M) R(k))², R the autocovariance and λ the flat-top window. M is twice the lag behind
/// which max(5, √log₁₀ n) correlations in a row are below 2 √(log₁₀ n / n). D is that of the stationary bootstrap, which is
/// that of non-overlapping blocks too (Lahiri 1999). At most 3 √n and n / 3. A series that does not vary needs no blocks: 1.
pub fn block_len(values: &[f64]) -> f64 {
    let n = values.len();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let varies = lowest < highest;
    if n < 4 || !varies {
        return 1.0;
    }
    let mean = values.iter().map(|value| value / n as f64).sum::<f64>();
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let log_n = libm::log10(n as f64);
    let n_small = (log_n.sqrt().ceil() as usize).max(5);
    let lag_max = ((n as f64).sqrt().ceil() as usize + n_small).min(n - 1);
    let covariance: Vec<f64> = (0..=lag_max)
        .map(|lag| {
            let pairs = deviations.iter().zip(&deviations[lag..]);
            pairs.map(|(a, b)| a * b).sum::<f64>() / n as f64
        })
        .collect();
    let is_small = |lag: usize| (covariance[lag] / covariance[0]).abs() < 2.0 * (log_n / n as f64).sqrt();
    let reach = (1..=lag_max.saturating_sub(n_small - 1))
        .find(|&first| (first..(first + n_small).min(lag_max + 1)).all(is_small))
        .map_or_else(
            || (1..=lag_max).rev().find(|&lag| !is_small(lag)).unwrap_or(1),
            |first| (first - 1).max(1),
        );
    let bandwidth = (2 * reach).min(lag_max);
    let (mut slope, mut level) = (0.0, covariance[0]);
    for (lag, covariance) in covariance.iter().enumerate().take(bandwidth + 1).skip(1) {
        let share = lag as f64 / bandwidth as f64;
        let weight = if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) };
        slope += 2.0 * weight * lag as f64 * covariance;
        level += 2.0 * weight * covariance;
    }
    let len = libm::cbrt(slope * slope / (level * level) * n as f64);
    let len_max = (3.0 * (n as f64).sqrt()).min(n as f64 / 3.0).ceil();
    // Where the level is 0 the quotient is not finite: nothing is known then, and the longest block is the safe one.
    if len.is_finite() {
        len.clamp(1.0, len_max)
    } else {
        len_max
    }
}

/// Ranks from 1 on, equal values with their mean rank; NaN ranks below all. One spike then weighs no more than its place.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let key = |idx: usize| super::ranked(values[idx]);
    order.sort_unstable_by(|&a, &b| key(a).total_cmp(&key(b)));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let mut end = first + 1;
        // Not above the first: equal to it.
        while end < order.len() && key(order[end]) <= key(order[first]) {
            end += 1;
        }
        let mean = f64::midpoint((first + 1) as f64, end as f64);
        for &idx in &order[first..end] {
            ranks[idx] = mean;
        }
        first = end;
    }
    ranks
}
