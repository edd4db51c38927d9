//! The rows of one series, taken one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::channel::{BLOCK_ROWS, Block, ChannelState, Did, Shared};
use super::clock::{Clock, Order};
use super::contract::Contract;
use super::profile::{SeriesProfile, Usual, channel_profile, usual_rms};
use super::relation::Relations;
use super::sample::RowSample;
use super::terms::Breaches;
use super::{Case, Cases};
use crate::frame::{Channel, SeriesId};
use crate::time::Timestamp;

/// A row that comes after more than so many times the usual spacing follows no other: no step leads to it.
const PART_TIMES: f64 = 4.0;

/// The usual spacing moves by that part of what a spacing differs from it.
const SPACING_SHARE: f64 = 0.125;

/// Where there are more channels, blocks with large steps do not keep what the others did.
const N_CHANNELS_COMPARED: usize = 256;

/// One row as it stands in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// Its number among all rows of the input, from 1.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// A value per channel: NaN is missing, an infinite one is told of. `[n_channels]`
    pub values: &'a [f64],
    /// Positions of channels whose cell holds no number; their values are NaN.
    pub not_numbers: &'a [usize],
}

/// Looks at one series in one pass.
///
/// # Memory
/// A few kilobytes per channel and a [sample of rows](RowSample), however many rows go by.
#[derive(Debug, Clone)]
pub struct SeriesCheck {
    series: SeriesId,
    channels: Arc<[Channel]>,
    now: Timestamp,
    n_rows: u64,
    unreadable: Cases,
    clock: Clock,
    /// The usual spacing of the last rows, in seconds.
    spacing: Option<f64>,
    states: Vec<ChannelState>,
    /// Values, and behind them the steps that led to them.
    sample: RowSample,
    last: Vec<f64>,
    values: Vec<f64>,
    shared: Shared,
    block_rms: RowSample,
    block: Option<(u64, Timestamp)>,
    n_in_block: u64,
    breaches: Option<Breaches>,
}

impl SeriesCheck {
    /// For rows of these channels, at `now`.
    pub fn new(
        series: SeriesId,
        channels: impl Into<Arc<[Channel]>>,
        contract: Option<&Contract>,
        now: Timestamp,
    ) -> Self {
        let channels = channels.into();
        let n = channels.len();
        Self {
            series,
            now,
            n_rows: 0,
            unreadable: Cases::default(),
            clock: Clock::default(),
            spacing: None,
            states: vec![ChannelState::new(); n],
            sample: RowSample::new(2 * n),
            last: vec![f64::NAN; n],
            values: vec![f64::NAN; n],
            shared: Shared {
                has_others: n > 1,
                ..Shared::default()
            },
            block_rms: RowSample::new(n),
            block: None,
            n_in_block: 0,
            breaches: contract.map(|contract| Breaches::new(contract, &channels)),
            channels,
        }
    }

    /// The channels.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// A row of this series that cannot be read at all.
    pub fn push_unreadable(&mut self, number: u64) {
        self.n_rows += 1;
        let case = Case {
            row: number,
            time: None,
            value: None,
            until: None,
        };
        self.unreadable.push(case, 0.0);
    }

    /// A cell that holds no finite number; `infinite` where it holds an infinite one.
    pub(super) fn count_bad_cell(
        &mut self,
        channel_idx: usize,
        number: u64,
        time: Timestamp,
        infinite: Option<f64>,
    ) {
        self.states[channel_idx].count_bad(Case {
            row: number,
            time: Some(time),
            value: infinite,
            until: None,
        });
    }

    /// Takes the next row.
    ///
    /// # Panics
    /// Where it has not one value per channel: the caller's mistake.
    pub fn push(&mut self, row: Row<'_>) {
        assert_eq!(row.values.len(), self.channels.len(), "one value per channel");
        self.n_rows += 1;
        self.count_bad(row);
        let Order::Next(since) = self.clock.push(row.number, row.time, self.now) else {
            return;
        };
        let follows = since.filter(|since| self.follows(*since));
        if let Some(breaches) = &mut self.breaches {
            if since.is_some() && follows.is_none() {
                breaches.space(row.number, row.time, since.unwrap_or_default());
            }
            breaches.push(row.number, row.time, follows, &self.values);
        }
        if follows.is_none() {
            self.part();
        }
        let per_second = follows.map_or(f64::NAN, |since| 1.0 / since.as_secs_f64());
        self.take(row.number, row.time, per_second);
    }

    /// Whether a row so long after another one still follows it.
    fn follows(&mut self, since: Duration) -> bool {
        let since = since.as_secs_f64();
        let usual = self.spacing.unwrap_or(since);
        let limit = PART_TIMES * usual;
        self.spacing = Some(usual + SPACING_SHARE * (since.min(limit) - usual));
        since <= limit
    }

    /// Counts cells that hold no finite number, and takes the values of all others.
    fn count_bad(&mut self, row: Row<'_>) {
        self.values.copy_from_slice(row.values);
        let case = |value| Case {
            row: row.number,
            time: Some(row.time),
            value,
            until: None,
        };
        for &idx in row.not_numbers {
            self.states[idx].count_bad(case(None));
        }
        for (state, value) in self.states.iter_mut().zip(&mut self.values) {
            if value.is_infinite() {
                state.count_bad(case(Some(*value)));
                *value = f64::NAN;
            }
        }
    }

    fn part(&mut self) {
        for state in &mut self.states {
            state.part(self.shared);
        }
        self.last.fill(f64::NAN);
    }

    fn take(&mut self, row: u64, time: Timestamp, per_second: f64) {
        let n = self.states.len();
        let (mut n_missing, mut n_still, mut n_able) = (0, 0, 0);
        for (state, value) in self.states.iter_mut().zip(&self.values) {
            let did = state.push(row, time, per_second, *value, self.shared);
            let is_able = state.is_continuous();
            n_able += usize::from(is_able && did != Did::Miss);
            n_still += usize::from(is_able && did == Did::Repeat);
            n_missing += usize::from(did == Did::Miss);
        }
        // Three quarters, so that one channel of two does not speak for both.
        self.shared.n_missing += u64::from(4 * n_missing >= 3 * n);
        self.shared.n_still += u64::from(4 * n_still >= 3 * n_able.max(1));
        if self.sample.is_next() {
            let steps = self
                .values
                .iter()
                .zip(&self.last)
                .map(|(value, last)| value - last);
            let row = self.values.iter().copied().chain(steps);
            self.sample.push(row);
        }
        self.last.copy_from_slice(&self.values);
        self.add_to_block(row, time);
    }

    fn add_to_block(&mut self, row: u64, time: Timestamp) {
        let first = *self.block.get_or_insert((row, time));
        self.n_in_block += 1;
        if self.n_in_block < BLOCK_ROWS {
            return;
        }
        self.n_in_block = 0;
        self.block = None;
        let rms: Vec<f64> = self.states.iter_mut().map(ChannelState::end_block).collect();
        for (state, own) in self.states.iter_mut().zip(&rms) {
            if state.is_large(*own) {
                let is_kept = rms.len() <= N_CHANNELS_COMPARED;
                state.keep_block(Block {
                    first,
                    last: (row, time),
                    rms: if is_kept { rms.clone() } else { Vec::new() },
                    own: *own,
                });
            }
        }
        if self.block_rms.is_next() {
            self.block_rms.push(rms);
        }
    }

    /// What the rows were like.
    pub fn finish(mut self) -> SeriesProfile {
        self.part();
        if let Some(breaches) = &mut self.breaches {
            breaches.finish();
        }
        let usual: Vec<Usual> = (0..self.channels.len())
            .map(|idx| usual_rms(&self.block_rms, idx))
            .collect();
        // A channel that is the only one that can move has none to be compared with.
        let is_only = self.states.iter().filter(|state| state.is_continuous()).count() < 2;
        let relations = Relations::new(&self.channels, &self.sample);
        let states = self.channels.iter().zip(self.states).enumerate();
        let channels = states.map(|(idx, (channel, state))| {
            channel_profile(idx, channel, state, &self.sample, &usual, &relations, is_only)
        });
        SeriesProfile {
            channels: channels.collect(),
            series: self.series,
            n_rows: self.n_rows,
            time: self.clock.finish(),
            is_exact: self.sample.is_all(),
            unreadable: self.unreadable,
            breaches: self.breaches,
        }
    }
}
