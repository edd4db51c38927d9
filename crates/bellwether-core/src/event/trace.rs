//! What is kept of the rows before and during an event: enough to tell its kind, bounded however long it lasts.

use std::collections::VecDeque;

use super::EventRule;
use super::sensor::SensorTrace;
use crate::quantile::median_sorted;
use crate::score::Ranges;
use crate::transform::{ChannelKind, Pipeline};

/// Most rows before an event that tell what was usual.
const CONTEXT_LEN_MAX: usize = 32;

/// Of them, so many of the last count as part of the event where values are missing: scores may rise late.
const MISSING_BEFORE: usize = 16;

/// Channels that are followed: those that make most of the event when it begins.
const N_WATCHED: usize = 3;

/// Most bins that the rows of an event are kept in.
const N_BINS_MAX: usize = 32;

/// Steps before an event that are larger than this share of them are no usual ones.
const USUAL_SHARE: f64 = 0.9;

/// No usual step is smaller, scaled: what repeats a value takes no step at all.
const STEP_MIN: f64 = 1e-6;

/// What is known of the channels before any event.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// Smallest and largest training value, scaled; whether the channel is continuous. `[n_channels]`
    channels: Vec<(f64, f64, bool)>,
    /// Rows before an event that tell what was usual.
    context_len: usize,
}

impl Watched {
    /// The channels of a pipeline; of the rows before an event at most `reach` count.
    pub(crate) fn new(pipeline: &Pipeline, reach: usize) -> Self {
        let bounds = Ranges::bounds(pipeline).into_iter().zip(pipeline.scales());
        Self {
            channels: bounds
                .map(|((low, high), scale)| (low, high, scale.kind == ChannelKind::Continuous))
                .collect(),
            context_len: reach.min(CONTEXT_LEN_MAX),
        }
    }

    /// Continuous channels that nothing is outside of.
    #[cfg(test)]
    pub(super) fn unbounded(n_channels: usize) -> Self {
        Self {
            channels: vec![(f64::NEG_INFINITY, f64::INFINITY, true); n_channels],
            context_len: CONTEXT_LEN_MAX,
        }
    }

    /// The same, of which some have states.
    #[cfg(test)]
    pub(super) fn with_states(n_channels: usize, states: &[usize]) -> Self {
        let mut watched = Self::unbounded(n_channels);
        states.iter().for_each(|idx| watched.channels[*idx].2 = false);
        watched
    }

    /// How far a value lies outside of its training range; below zero inside.
    fn outside(&self, channel_idx: usize, value: f64) -> f64 {
        let (low, high, _) = self.channels[channel_idx];
        (value - high).max(low - value)
    }
}

/// The last rows of a series, oldest first: NaN where a value is missing, `[n_channels]` each.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) rows: VecDeque<Vec<f32>>,
    n_rows_max: usize,
}

impl Context {
    pub(super) fn new(watched: &Watched, rule: &EventRule) -> Self {
        Self {
            rows: VecDeque::new(),
            n_rows_max: watched.context_len + rule.m(),
        }
    }

    /// Takes the next row, scaled; `observed`: `None` where all values were.
    pub(super) fn push(&mut self, values: &[f64], observed: Option<&[bool]>) {
        let mut row = if self.rows.len() >= self.n_rows_max {
            self.rows.pop_front().unwrap_or_default()
        } else {
            Vec::with_capacity(values.len())
        };
        row.clear();
        row.extend(values.iter().enumerate().map(|(idx, value)| {
            if observed.is_none_or(|marks| marks[idx]) {
                *value as f32
            } else {
                f32::NAN
            }
        }));
        self.rows.push_back(row);
    }

    /// Keeps the last rows alone.
    pub(super) fn keep(&mut self, n_rows: usize) {
        let n_gone = self.rows.len().saturating_sub(n_rows);
        self.rows.drain(..n_gone);
    }

    /// Whether these rows may be those of a series of so many channels.
    pub(super) fn resume(&mut self, rows: Vec<Vec<f32>>, n_channels: usize) -> Option<()> {
        let fits = rows.len() <= self.n_rows_max
            && rows
                .iter()
                .all(|row| row.len() == n_channels && !row.iter().any(|value| value.is_infinite()));
        self.rows = rows.into();
        fits.then_some(())
    }
}

/// What an event left behind so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Runs of missing values, `[n_channels]`.
    pub missing: Vec<MissingRuns>,
    /// The channels that make most of the event, in their order.
    pub channels: Vec<ChannelTrace>,
    /// What tells whose fault it is, `[n_channels]`; empty where the event began before that was kept.
    pub sensors: Vec<SensorTrace>,
}

/// Rows in a row for which a channel had no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MissingRuns {
    /// Up to the last row.
    pub run: u32,
    /// The longest since shortly before the event.
    pub longest: u32,
    /// The longest before that; `u32::MAX` where the channel had no value at all before the event.
    pub usual: u32,
}

/// What a channel did in an event, in scaled units.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelTrace {
    /// Position of the channel.
    pub channel_idx: usize,
    /// The training rows have many values of it.
    pub is_continuous: bool,
    /// Median of the values before the event.
    pub base: f64,
    /// It lies outside of the training range.
    pub was_outside: bool,
    /// Root mean square of the usual steps from value to value before the event, above zero.
    pub step: f64,
    /// Values before the event.
    pub n_context: usize,
    /// The last value; NaN: none, or it is missing.
    pub last: f32,
    /// Steps between neighbouring values, before the event and in it,
    pub n_steps: u32,
    /// those of them that repeat a value,
    pub n_repeats: u32,
    /// the last ones that do without a break,
    pub run: u32,
    /// and the longest such run that the event has seen.
    pub longest_run: u32,
    /// Rows of a full bin: a power of two.
    pub stride: usize,
    /// The rows of the event, so many to a bin.
    pub bins: Vec<Bin>,
}

/// Rows of an event that follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// How many.
    pub n_rows: u32,
    /// Those with a value.
    pub n_observed: u32,
    /// Sum of the values.
    pub sum: f64,
    /// Steps between neighbouring values that end here,
    pub n_steps: u32,
    /// the sum of their squares,
    pub steps_squared: f64,
    /// and the largest of them.
    pub step_max: f64,
    /// How far values lie outside of the training range at most; below zero: all inside.
    pub outside: f64,
}

impl Trace {
    /// The trace of an event that begins with the last `n_back` rows of `context`; `share` says which channels make
    /// most of it.
    pub(super) fn new(context: &Context, n_back: usize, watched: &Watched, share: &[f64]) -> Self {
        let n_before = context.rows.len().saturating_sub(n_back);
        // The context may hold more: it has to reach behind the earliest start of an event.
        let from = n_before.saturating_sub(watched.context_len);
        let before: Vec<&[f32]> = context.rows.range(from..n_before).map(Vec::as_slice).collect();
        let mut order: Vec<usize> = (0..share.len()).collect();
        order.sort_by(|a, b| share[*b].total_cmp(&share[*a]));
        let mut top = order[..N_WATCHED.min(order.len())].to_vec();
        top.sort_unstable();
        let mut trace = Self {
            missing: (0..share.len())
                .map(|idx| MissingRuns::of(&before, idx))
                .collect(),
            channels: top
                .into_iter()
                .map(|idx| ChannelTrace::new(&before, idx, watched))
                .collect(),
            sensors: (0..share.len())
                .map(|idx| SensorTrace::new(before.iter().map(|row| row[idx]), watched.channels[idx].2))
                .collect(),
        };
        for row in context.rows.range(n_before..) {
            trace.push(row, watched);
        }
        trace
    }

    /// Takes the next row of the event.
    pub(super) fn push(&mut self, row: &[f32], watched: &Watched) {
        for (runs, value) in self.missing.iter_mut().zip(row) {
            runs.push(value.is_nan());
        }
        for (sensor, value) in self.sensors.iter_mut().zip(row) {
            sensor.push(*value);
        }
        for channel in &mut self.channels {
            channel.push(row[channel.channel_idx], watched);
        }
    }

    /// Nothing was kept.
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether this may be the trace of an event of so many channels.
    pub(super) fn fits(&self, n_channels: usize) -> bool {
        self.missing.len() == n_channels
            && (self.sensors.is_empty() || self.sensors.len() == n_channels)
            && self.sensors.iter().all(|of| of.usual_step >= 0.0)
            && self.channels.len() <= N_WATCHED
            && self.channels.iter().all(|of| {
                of.channel_idx < n_channels
                    && of.step > 0.0
                    && of.stride.is_power_of_two()
                    && of.bins.len() <= N_BINS_MAX
            })
    }
}

impl MissingRuns {
    fn of(before: &[&[f32]], channel_idx: usize) -> Self {
        let mut runs = Self::default();
        let (usual, recent) = before.split_at(before.len().saturating_sub(MISSING_BEFORE));
        for row in usual {
            runs.push(row[channel_idx].is_nan());
        }
        runs.usual = runs.longest;
        runs.longest = 0;
        for row in recent {
            runs.push(row[channel_idx].is_nan());
        }
        // Where nothing is known of the channel, or it has not been there at all, its absence is no news.
        if before.iter().all(|row| row[channel_idx].is_nan()) {
            runs.usual = u32::MAX;
        }
        runs
    }

    fn push(&mut self, is_missing: bool) {
        self.run = if is_missing { self.run.saturating_add(1) } else { 0 };
        self.longest = self.longest.max(self.run);
    }
}

impl ChannelTrace {
    fn new(before: &[&[f32]], channel_idx: usize, watched: &Watched) -> Self {
        let values: Vec<f32> = before.iter().map(|row| row[channel_idx]).collect();
        let mut sorted: Vec<f64> = values
            .iter()
            .filter(|value| !value.is_nan())
            .map(|value| f64::from(*value))
            .collect();
        sorted.sort_by(f64::total_cmp);
        let base = if sorted.is_empty() {
            0.0
        } else {
            median_sorted(&sorted)
        };
        let mut trace = Self {
            channel_idx,
            is_continuous: watched.channels[channel_idx].2,
            base,
            was_outside: watched.outside(channel_idx, base) > 0.0,
            step: usual_step(&values),
            n_context: sorted.len(),
            last: f32::NAN,
            n_steps: 0,
            n_repeats: 0,
            run: 0,
            longest_run: 0,
            stride: 1,
            bins: Vec::new(),
        };
        for value in values {
            trace.step_to(value);
        }
        trace.longest_run = trace.run;
        trace
    }

    /// The step that leads to that value; `None` where it or the one before is missing.
    fn step_to(&mut self, value: f32) -> Option<f64> {
        let step = (f64::from(value) - f64::from(self.last)).abs();
        self.last = value;
        if step.is_nan() {
            self.run = 0;
            return None;
        }
        self.n_steps = self.n_steps.saturating_add(1);
        if step > 0.0 {
            self.run = 0;
        } else {
            self.n_repeats = self.n_repeats.saturating_add(1);
            self.run = self.run.saturating_add(1);
            self.longest_run = self.longest_run.max(self.run);
        }
        Some(step)
    }

    fn push(&mut self, value: f32, watched: &Watched) {
        let step = self.step_to(value);
        let is_full = |bin: &Bin| bin.n_rows as usize >= self.stride;
        if self.bins.last().is_none_or(is_full) {
            if self.bins.len() >= N_BINS_MAX {
                self.halve();
            }
            self.bins.push(Bin::EMPTY);
        }
        let outside = watched.outside(self.channel_idx, f64::from(value));
        let Some(bin) = self.bins.last_mut() else { return };
        bin.n_rows += 1;
        if let Some(step) = step {
            bin.n_steps += 1;
            bin.steps_squared += step * step;
            bin.step_max = bin.step_max.max(step);
        }
        if !value.is_nan() {
            bin.n_observed += 1;
            bin.sum += f64::from(value);
            bin.outside = bin.outside.max(outside);
        }
    }

    /// Makes one bin of two.
    fn halve(&mut self) {
        let joined = self.bins.chunks(2).map(|pair| match pair {
            [first, second] => first.joined(second),
            _ => pair[0],
        });
        self.bins = joined.collect();
        self.stride *= 2;
    }
}

impl Bin {
    const EMPTY: Self = Self {
        n_rows: 0,
        n_observed: 0,
        sum: 0.0,
        n_steps: 0,
        steps_squared: 0.0,
        step_max: 0.0,
        outside: f64::NEG_INFINITY,
    };

    fn joined(&self, next: &Self) -> Self {
        Self {
            n_rows: self.n_rows + next.n_rows,
            n_observed: self.n_observed + next.n_observed,
            sum: self.sum + next.sum,
            n_steps: self.n_steps + next.n_steps,
            steps_squared: self.steps_squared + next.steps_squared,
            step_max: self.step_max.max(next.step_max),
            outside: self.outside.max(next.outside),
        }
    }
}

/// Root mean square of the steps between neighbouring values, the largest tenth left out.
fn usual_step(values: &[f32]) -> f64 {
    let mut steps: Vec<f64> = values
        .windows(2)
        .map(|pair| (f64::from(pair[1]) - f64::from(pair[0])).abs())
        .filter(|step| !step.is_nan())
        .collect();
    steps.sort_by(f64::total_cmp);
    steps.truncate(((steps.len() as f64 * USUAL_SHARE) as usize).max(1));
    let sum: f64 = steps.iter().map(|step| step * step).sum();
    (sum / steps.len().max(1) as f64).sqrt() + STEP_MIN
}
