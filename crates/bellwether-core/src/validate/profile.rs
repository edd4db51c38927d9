//! What a series and its channels are like, once all rows have gone by.

use std::time::Duration;

use super::channel::{Block, ChannelState};
use super::clock::TimeProfile;
use super::relation::Relations;
use super::sample::RowSample;
use super::stretch::Stretch;
use super::terms::Breaches;
use super::{Case, Cases};
use crate::explain::unit::unit_of;
use crate::frame::{Channel, SeriesId};
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::transform::ChannelKind;

/// Smallest and largest value of some rows in a row; the one above the other where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Smallest.
    pub low: f32,
    /// Largest.
    pub high: f32,
}

impl Bin {
    pub(crate) const EMPTY: Self = Self {
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
    };

    /// Whether it has no value.
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }
}

/// Another channel that says the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Twin {
    /// Its name.
    pub channel: String,
    /// Correlation of the values, in the sample.
    pub of_values: f64,
    /// Correlation of the steps, in the sample.
    pub of_steps: f64,
}

/// The steps that a channel's values are multiples of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// In the unit of the channel.
    pub step: f64,
    /// How many such steps lie between the 1 % and the 99 % quantile.
    pub n_levels: f64,
}

/// What one channel is like.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelProfile {
    /// Its name.
    pub name: String,
    /// Its unit, as far as its name says.
    pub unit: Option<&'static str>,
    /// What kind of values it has.
    pub kind: ChannelKind,
    /// Its states, ascending, where it is no continuous channel.
    pub states: Option<Vec<f64>>,
    /// Rows that were looked at.
    pub n_rows: u64,
    /// Rows with a finite value.
    pub n_values: u64,
    /// Smallest value; NaN without values, like the next ones.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// The quantiles at 0.01, 0.25, 0.5, 0.75 and 0.99, of the sample.
    pub quantiles: [f64; 5],
    /// How finely it resolves, where its values are multiples of a step.
    pub resolution: Option<Resolution>,
    /// Rows at the smallest value, and at the largest.
    pub n_at_bounds: [u64; 2],
    /// Longest runs of rows without a value, longest first.
    pub missing: Vec<Stretch>,
    /// How many such runs there are.
    pub n_missing_runs: u64,
    /// Longest runs of one value, longest first.
    pub same: Vec<Stretch>,
    /// Steps from row to row, and those that repeat a value.
    pub n_steps: u64,
    /// Of them.
    pub n_repeats: u64,
    /// The largest step and its row.
    pub steepest: Option<Case>,
    /// The largest change per second from row to row.
    pub max_rate: f64,
    /// The longest time for which it repeats one value.
    pub longest_same: Duration,
    /// The 99 % quantile of steps without their sign, of the sample.
    pub step_usual: f64,
    /// Stretches in which it moves far more than it uses to, while the others do not.
    pub noisy: Vec<Stretch>,
    /// Its picture over all rows.
    pub bins: Vec<Bin>,
    /// An earlier channel that says the same.
    pub twin: Option<Twin>,
    pub(crate) outliers: Vec<Case>,
    pub(crate) jumps: Vec<Case>,
    pub(crate) infinite: Cases,
    pub(crate) not_numbers: Cases,
}

impl ChannelProfile {
    /// Share of the rows without a value, in [0, 1].
    pub fn missing_share(&self) -> f64 {
        share(self.n_rows - self.n_values, self.n_rows)
    }

    /// Cells that hold an infinite value, and cells that hold no number.
    pub fn n_unreadable(&self) -> u64 {
        self.infinite.count + self.not_numbers.count
    }
}

pub(crate) fn share(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

/// What one series is like.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesProfile {
    /// Which.
    pub series: SeriesId,
    /// All rows, those that cannot be read too.
    pub n_rows: u64,
    /// Its times.
    pub time: TimeProfile,
    /// Its channels.
    pub channels: Vec<ChannelProfile>,
    /// Whether every row was drawn into the sample, so that nothing of it is estimated.
    pub is_exact: bool,
    pub(crate) unreadable: Cases,
    pub(crate) breaches: Option<Breaches>,
}

impl SeriesProfile {
    /// How many rows cannot be read.
    pub fn n_unreadable(&self) -> u64 {
        self.unreadable.count
    }

    /// One profile of those of `groups` of channels whose rows come by themselves, and the rows of none that cannot be
    /// read. Cadence and jitter are those of the group with the most rows.
    ///
    /// # Panics
    /// Without a group: the caller's mistake.
    pub(super) fn joined(groups: Vec<Self>, unreadable: Cases) -> Self {
        let mut groups = groups.into_iter();
        let mut joined = groups.next().expect("a series has a group of channels");
        for group in groups {
            joined.n_rows += group.n_rows;
            joined.time.join(group.time);
            joined.channels.extend(group.channels);
            joined.is_exact &= group.is_exact;
            if let (Some(breaches), Some(other)) = (&mut joined.breaches, group.breaches) {
                breaches.join(other);
            }
        }
        joined.n_rows += unreadable.count;
        joined.unreadable.join(unreadable);
        joined
    }
}

/// Values further outside of the middle 98 % than so many times its width are outliers.
const OUTLIER_WIDTHS: f64 = 1.5;

/// Steps of more than so many times the usual largest ones are jumps.
const JUMP_TIMES: f64 = 8.0;

/// So many times the usual steps, in a block of rows, are noise.
const NOISE_TIMES: f64 = 4.0;

/// Fewer blocks do not tell what is usual.
const N_BLOCKS_MIN: usize = 16;

/// Fewer levels tell no step.
const N_LEVELS_MIN: usize = 6;

/// The profile of the channel at `idx`; the sample holds values, and behind them steps. `is_only`: no other channel is
/// continuous.
pub(super) fn channel_profile(
    idx: usize,
    channel: &Channel,
    state: ChannelState,
    sample: &RowSample,
    usual_rms: &[Usual],
    relations: &Relations,
    is_only: bool,
) -> ChannelProfile {
    let n_channels = usual_rms.len();
    let values = sorted_finite(sample.column(idx));
    let steps = sorted_finite(sample.column(n_channels + idx).map(f64::abs));
    let quantiles = [0.01, 0.25, 0.5, 0.75, 0.99].map(|share| quantile_sorted(&values, share));
    let kind = if state.n_values == 0 || state.max <= state.min {
        ChannelKind::Constant
    } else if state.is_continuous() {
        ChannelKind::Continuous
    } else {
        ChannelKind::Discrete
    };
    let is_continuous = kind == ChannelKind::Continuous;
    let step_usual = quantile_sorted(&steps, 0.99);
    let width = quantiles[4] - quantiles[0];
    let mut outliers = Vec::new();
    if is_continuous && width > 0.0 {
        outliers = state.highest.above(quantiles[4] + OUTLIER_WIDTHS * width);
        outliers.extend(state.lowest.above(OUTLIER_WIDTHS * width - quantiles[0]));
        outliers.sort_by_key(|case| case.row);
    }
    let mut jumps = Vec::new();
    if is_continuous && step_usual > 0.0 {
        jumps = state.steepest.above(JUMP_TIMES * step_usual);
        jumps.sort_by_key(|case| case.row);
    }
    let mut same = state.same_runs.kept.clone();
    if is_only {
        same.iter_mut().for_each(|run| run.is_alone = None);
    }
    let found = |value: f64| if state.n_values > 0 { value } else { f64::NAN };
    ChannelProfile {
        name: channel.name().to_owned(),
        unit: unit_of(channel.name()),
        kind,
        states: state.states(),
        n_rows: state.n_values + state.n_missing,
        n_values: state.n_values,
        min: found(state.min),
        max: found(state.max),
        quantiles,
        resolution: resolution(&values, width).filter(|_| is_continuous),
        n_at_bounds: [state.n_at_min, state.n_at_max],
        n_missing_runs: state.missing_runs.count,
        n_steps: state.n_steps,
        n_repeats: state.n_repeats,
        steepest: state.steepest.first().map(|(_, case)| case),
        max_rate: state.max_rate,
        longest_same: state.same_runs.longest_time,
        step_usual,
        noisy: if is_continuous {
            noisy(idx, &state.blocks, usual_rms)
        } else {
            Vec::new()
        },
        twin: relations.twin(idx),
        outliers,
        jumps,
        missing: state.missing_runs.kept,
        same,
        bins: state.bins,
        infinite: state.infinite,
        not_numbers: state.not_numbers,
    }
}

/// What half of the blocks and nine tenths of them stay below, of the root mean square of steps; `None` where too few
/// tell, or half do not move at all.
pub(super) type Usual = Option<(f64, f64)>;

pub(super) fn usual_rms(block_rms: &RowSample, idx: usize) -> Usual {
    let sorted = sorted_finite(block_rms.column(idx));
    let usual = (quantile_sorted(&sorted, 0.5), quantile_sorted(&sorted, 0.9));
    (sorted.len() >= N_BLOCKS_MIN && usual.0 > 0.0).then_some(usual)
}

/// Blocks in which this channel alone moves far more than it uses to, neighbours joined.
fn noisy(idx: usize, blocks: &[Block], usual: &[Usual]) -> Vec<Stretch> {
    let Some((median, high)) = usual[idx] else {
        return Vec::new();
    };
    let mut found: Vec<Stretch> = Vec::new();
    let mut in_order: Vec<&Block> = blocks.iter().collect();
    in_order.sort_by_key(|block| block.first.0);
    for block in in_order {
        // Twice over what nine tenths of the blocks stay below, so that a busy tenth of the time is no noise.
        if block.own <= (NOISE_TIMES * median).max(2.0 * high) {
            continue;
        }
        let others = (0..block.rms.len()).filter(|other| *other != idx);
        let calm = others.filter_map(|other| {
            let (_, high) = usual[other]?;
            Some(block.rms[other] <= 2.0 * high)
        });
        let (n_calm, n_others) = calm.fold((0, 0), |(n_calm, n), is_calm| {
            (n_calm + usize::from(is_calm), n + 1)
        });
        let is_alone = (n_others > 0).then_some(4 * n_calm >= 3 * n_others);
        match found.last_mut() {
            Some(last) if last.last_row + 1 >= block.first.0 && last.is_alone == is_alone => {
                last.last_row = block.last.0;
                last.to = block.last.1;
                last.n_rows += block.last.0 + 1 - block.first.0;
            }
            _ => found.push(Stretch {
                first_row: block.first.0,
                last_row: block.last.0,
                from: block.first.1,
                to: block.last.1,
                n_rows: block.last.0 + 1 - block.first.0,
                value: f64::NAN,
                is_alone,
            }),
        }
    }
    found
}

/// The step that all sorted values are multiples of, counted from the first, as far as the digits of a number tell.
fn resolution(sorted: &[f64], width: f64) -> Option<Resolution> {
    let mut levels = sorted.to_vec();
    levels.dedup();
    if levels.len() < N_LEVELS_MIN || 2 * levels.len() > sorted.len() {
        return None;
    }
    let gaps = levels.windows(2).map(|pair| pair[1] - pair[0]);
    let step = gaps.clone().fold(f64::INFINITY, f64::min);
    let is_multiple = |gap: f64| {
        let times = gap / step;
        (times - times.round()).abs() < 1e-3 * times.max(1.0)
    };
    gaps.clone().all(is_multiple).then_some(Resolution {
        step,
        n_levels: width / step,
    })
}
