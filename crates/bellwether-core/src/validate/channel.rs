//! What is kept of one channel while its rows go by.

use super::extremes::Extremes;
use super::profile::Bin;
use super::stretch::{Longest, Open};
use super::{Case, Cases};
use crate::time::Timestamp;
use crate::transform::scale::DISCRETE_VALUES_MAX;

/// Bins of the picture of a channel at most: a power of two.
const N_BINS_MAX: usize = 256;

/// Rows of a block in which steps are added up.
pub(super) const BLOCK_ROWS: u64 = 64;

/// Blocks with the largest steps that are kept.
const N_BLOCKS: usize = 6;

/// A block of rows in which a channel took large steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) first: (u64, Timestamp),
    pub(super) last: (u64, Timestamp),
    /// Root mean square of the steps of every channel in it, `[n_channels]`.
    pub(super) rms: Vec<f64>,
    pub(super) own: f64,
}

#[derive(Debug, Clone)]
pub(super) struct ChannelState {
    pub(super) n_values: u64,
    pub(super) infinite: Cases,
    pub(super) not_numbers: Cases,
    pub(super) n_missing: u64,
    missing: Option<Open>,
    pub(super) missing_runs: Longest,
    /// NaN: none, or the row before had none.
    last: f64,
    /// The row before the one at hand.
    before: Option<(u64, Timestamp)>,
    same: Option<Open>,
    /// Runs of one value, of two rows and more.
    pub(super) same_runs: Longest,
    pub(super) n_steps: u64,
    pub(super) n_repeats: u64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) n_at_min: u64,
    pub(super) n_at_max: u64,
    pub(super) highest: Extremes,
    /// Of the values with their signs turned.
    pub(super) lowest: Extremes,
    pub(super) steepest: Extremes,
    pub(super) max_rate: f64,
    /// The distinct values as long as they are few.
    distinct: [f64; DISCRETE_VALUES_MAX],
    n_distinct: usize,
    /// The picture: smallest and largest value of so many rows each.
    pub(super) bins: Vec<Bin>,
    bin_rows: u64,
    n_binned: u64,
    /// Squares of the steps in the block at hand, and how many.
    pub(super) squares: f64,
    pub(super) n_squares: u32,
    pub(super) blocks: Vec<Block>,
}

/// What most channels of a series did in the rows before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shared {
    /// Rows in which they had no value.
    pub(super) n_missing: u64,
    /// Rows in which those that can move did not.
    pub(super) n_still: u64,
    /// There are several channels.
    pub(super) has_others: bool,
}

/// What a row did to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Did {
    Miss,
    Begin,
    Repeat,
    Move,
}

impl ChannelState {
    pub(super) fn new() -> Self {
        Self {
            n_values: 0,
            infinite: Cases::default(),
            not_numbers: Cases::default(),
            n_missing: 0,
            missing: None,
            missing_runs: Longest::default(),
            last: f64::NAN,
            before: None,
            same: None,
            same_runs: Longest::default(),
            n_steps: 0,
            n_repeats: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            n_at_min: 0,
            n_at_max: 0,
            highest: Extremes::new(),
            lowest: Extremes::new(),
            steepest: Extremes::new(),
            max_rate: 0.0,
            distinct: [f64::NAN; DISCRETE_VALUES_MAX],
            n_distinct: 0,
            bins: Vec::new(),
            bin_rows: 1,
            n_binned: 0,
            squares: 0.0,
            n_squares: 0,
            blocks: Vec::new(),
        }
    }

    /// Whether it had more distinct values than states have.
    #[inline]
    pub(super) fn is_continuous(&self) -> bool {
        self.n_distinct > DISCRETE_VALUES_MAX
    }

    /// The distinct values where they are few.
    pub(super) fn states(&self) -> Option<Vec<f64>> {
        let mut states = self.distinct[..self.n_distinct.min(DISCRETE_VALUES_MAX)].to_vec();
        states.sort_by(f64::total_cmp);
        (!self.is_continuous()).then_some(states)
    }

    /// Takes the value of a row, finite or NaN. `per_second`: the reciprocal of the time since the row before.
    #[inline]
    pub(super) fn push(
        &mut self,
        row: u64,
        time: Timestamp,
        per_second: f64,
        value: f64,
        shared: Shared,
    ) -> Did {
        self.picture(value);
        if value.is_nan() {
            self.miss(row, time, shared);
            return Did::Miss;
        }
        self.n_values += 1;
        if let Some(open) = self.missing.take() {
            self.missing_runs.push(&open, shared.n_missing, shared.has_others);
        }
        if value >= self.max {
            self.n_at_max = if value > self.max { 1 } else { self.n_at_max + 1 };
            self.max = value;
        }
        if value <= self.min {
            self.n_at_min = if value < self.min { 1 } else { self.n_at_min + 1 };
            self.min = value;
        }
        self.highest.push(value, row, time, value);
        self.lowest.push(-value, row, time, value);
        let step = value - self.last;
        let did = if step.is_nan() {
            self.note_distinct(value);
            Did::Begin
        } else if step == 0.0 {
            self.n_steps += 1;
            self.n_repeats += 1;
            self.n_squares += 1;
            let (first_row, from) = self.before.unwrap_or((row, time));
            let same = self
                .same
                .get_or_insert_with(|| Open::new(first_row, from, value, shared.n_still));
            same.extend(row, time);
            Did::Repeat
        } else {
            self.n_steps += 1;
            self.n_squares += 1;
            self.squares += step * step;
            self.steepest.push(step.abs(), row, time, step);
            self.max_rate = self.max_rate.max(step.abs() * per_second);
            if !self.is_continuous() {
                self.note_distinct(value);
            }
            if let Some(open) = self.same.take() {
                self.same_runs.push(&open, shared.n_still, shared.has_others);
            }
            Did::Move
        };
        self.last = value;
        self.before = Some((row, time));
        did
    }

    fn miss(&mut self, row: u64, time: Timestamp, shared: Shared) {
        self.n_missing += 1;
        match &mut self.missing {
            Some(open) => open.extend(row, time),
            None => self.missing = Some(Open::new(row, time, f64::NAN, shared.n_missing)),
        }
        if let Some(open) = self.same.take() {
            self.same_runs.push(&open, shared.n_still, shared.has_others);
        }
        self.last = f64::NAN;
    }

    /// The next row does not follow the one before.
    pub(super) fn part(&mut self, shared: Shared) {
        if let Some(open) = self.missing.take() {
            self.missing_runs.push(&open, shared.n_missing, shared.has_others);
        }
        if let Some(open) = self.same.take() {
            self.same_runs.push(&open, shared.n_still, shared.has_others);
        }
        self.last = f64::NAN;
    }

    fn note_distinct(&mut self, value: f64) {
        let known = &self.distinct[..self.n_distinct.min(DISCRETE_VALUES_MAX)];
        if self.is_continuous() || known.contains(&value) {
            return;
        }
        if let Some(place) = self.distinct.get_mut(self.n_distinct) {
            *place = value;
        }
        self.n_distinct += 1;
    }

    #[inline]
    fn picture(&mut self, value: f64) {
        if self.n_binned == 0 {
            if self.bins.len() == N_BINS_MAX {
                self.halve();
            }
            self.bins.push(Bin::EMPTY);
        }
        // A full picture was halved, or the bin was begun: there is one.
        if let Some(bin) = self.bins.last_mut() {
            bin.low = bin.low.min(value as f32);
            bin.high = bin.high.max(value as f32);
        }
        self.n_binned += 1;
        if self.n_binned >= self.bin_rows {
            self.n_binned = 0;
        }
    }

    /// Makes one bin of two.
    fn halve(&mut self) {
        for idx in 0..N_BINS_MAX / 2 {
            let (one, other) = (self.bins[2 * idx], self.bins[2 * idx + 1]);
            self.bins[idx] = Bin {
                low: one.low.min(other.low),
                high: one.high.max(other.high),
            };
        }
        self.bins.truncate(N_BINS_MAX / 2);
        self.bin_rows *= 2;
    }

    /// A cell that holds no finite number.
    pub(super) fn count_bad(&mut self, case: Case) {
        let cases = match case.value {
            Some(_) => &mut self.infinite,
            None => &mut self.not_numbers,
        };
        cases.push(case, 0.0);
    }

    /// Root mean square of the steps of the block at hand, which ends.
    pub(super) fn end_block(&mut self) -> f64 {
        let rms = (self.squares / f64::from(self.n_squares.max(1))).sqrt();
        let is_known = 2 * u64::from(self.n_squares) > BLOCK_ROWS;
        self.squares = 0.0;
        self.n_squares = 0;
        if is_known { rms } else { f64::NAN }
    }

    /// Whether a block with such steps is one of the largest.
    pub(super) fn is_large(&self, rms: f64) -> bool {
        rms > 0.0 && (self.blocks.len() < N_BLOCKS || self.blocks[N_BLOCKS - 1].own < rms)
    }

    pub(super) fn keep_block(&mut self, block: Block) {
        let at = self.blocks.partition_point(|kept| kept.own >= block.own);
        self.blocks.insert(at, block);
        self.blocks.truncate(N_BLOCKS);
    }
}
