//! Data mended: nothing is changed without being told, cell by cell, and nothing is reshaped.
//!
//! In this order:
//! 1. Rows without a time that can be read are left out.
//! 2. Rows are sorted by time; rows of one instant keep their order.
//! 3. Of the rows of one instant the first stays, as it does when data are read.
//! 4. Cells that hold no number or an infinite one are emptied, and those that the contract says cannot be: outside of
//!    the range, or none of the states.
//! 5. Runs of at most [`RepairSpec::fill_rows`] empty cells between two values are filled: on the straight line between
//!    the two by time, or with the value before where the channel has few values. Longer runs stay empty, and so do
//!    cells at a gap of the rows, at the beginning and at the end.
//!
//! [`RawSeries`] are rows with a value of each channel, [`NamedSeries`] rows that name the channels of their values.

use super::check::Check;
use super::contract::{ChannelTerms, Contract};
use crate::frame::Channel;
use crate::time::{Spacing, Timestamp};
use crate::transform::scale::DISCRETE_VALUES_MAX;

mod named;

pub use named::{NamedRow, NamedSeries};

/// A spacing of more than so many cadences is a gap, over which nothing is filled.
const GAP_CADENCES: f64 = 1.5;

/// How data are mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairSpec {
    /// So many empty cells in a row are filled.
    pub fill_rows: usize,
}

impl Default for RepairSpec {
    fn default() -> Self {
        Self { fill_rows: 3 }
    }
}

/// The rows of one series as they stand in the input.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSeries {
    /// The channels.
    pub channels: Vec<Channel>,
    /// The rows.
    pub rows: Vec<RawRow>,
    /// Their values, `[n_rows, n_channels]`: NaN where a cell is empty or holds no number.
    pub values: Vec<f64>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRow {
    /// Its number among all rows of the input, from 1.
    pub number: u64,
    /// Its time; `None` where it cannot be read.
    pub time: Option<Timestamp>,
    /// Cells that hold no number: position of the channel, and what stands there.
    pub not_numbers: Vec<(usize, String)>,
}

/// One thing that was mended.
#[derive(Debug, Clone, PartialEq)]
pub struct Repaired {
    /// The row as it was numbered in the input.
    pub row: u64,
    /// Its time.
    pub time: Option<Timestamp>,
    /// The position of the channel; `None`: the row as a whole.
    pub channel_idx: Option<usize>,
    /// What stood there: `None` is an empty cell, or a row.
    pub was: Option<String>,
    /// What stands there now; `None` is an empty cell, or a row that was left out or moved.
    pub now: Option<f64>,
    /// Why.
    pub why: Why,
}

/// Why something was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The row was left out or moved, or the cell emptied, for what a check would have found.
    Check(Check),
    /// The cell was filled on the straight line between its neighbours.
    Interpolated,
    /// The cell was filled with the value before.
    Previous,
}

impl Why {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check(check) => check.name(),
            Self::Interpolated => "interpolated",
            Self::Previous => "previous",
        }
    }
}

impl RawSeries {
    /// Mends the series as a contract wants it, and says what was done: first rows, then cells, in the order of the
    /// channels and of time.
    pub fn repair(&mut self, contract: Option<&Contract>, spec: RepairSpec) -> Vec<Repaired> {
        let mut done = Vec::new();
        self.order(&mut done);
        let time: Vec<Timestamp> = self.rows.iter().filter_map(|row| row.time).collect();
        let cadence = Spacing::infer(&time).map_or(0.0, |spacing| spacing.cadence.as_secs_f64());
        for idx in 0..self.channels.len() {
            let terms = contract.and_then(|contract| contract.channel(self.channels[idx].name()));
            self.empty(idx, terms, &mut done);
            self.fill(idx, &time, cadence, spec, &mut done);
        }
        for row in &mut self.rows {
            row.not_numbers.clear();
        }
        done
    }

    /// Sorts the rows, and leaves out what has no time, or that of another.
    fn order(&mut self, done: &mut Vec<Repaired>) {
        let told = |row: &RawRow, check| Repaired {
            row: row.number,
            time: row.time,
            channel_idx: None,
            was: None,
            now: None,
            why: Why::Check(check),
        };
        let mut order: Vec<usize> = Vec::with_capacity(self.rows.len());
        let mut latest = None;
        for (idx, row) in self.rows.iter().enumerate() {
            if row.time.is_none() {
                done.push(told(row, Check::UnreadableRow));
                continue;
            }
            if row.time < latest {
                done.push(told(row, Check::LateRow));
            }
            latest = latest.max(row.time);
            order.push(idx);
        }
        order.sort_by_key(|idx| self.rows[*idx].time);
        order.dedup_by(|later, first| {
            let is_repeated = self.rows[*later].time == self.rows[*first].time;
            if is_repeated {
                done.push(told(&self.rows[*later], Check::RepeatedTime));
            }
            is_repeated
        });
        let n = self.channels.len();
        let cells = order.iter().flat_map(|idx| &self.values[idx * n..(idx + 1) * n]);
        self.values = cells.copied().collect();
        self.rows = order.iter().map(|idx| self.rows[*idx].clone()).collect();
    }

    /// Empties the cells of a channel that cannot be.
    fn empty(&mut self, idx: usize, terms: Option<&ChannelTerms>, done: &mut Vec<Repaired>) {
        let n = self.channels.len();
        for (row, value) in self.rows.iter().zip(self.values.iter_mut().skip(idx).step_by(n)) {
            let text = row
                .not_numbers
                .iter()
                .find(|(channel_idx, _)| *channel_idx == idx);
            let (check, was) = match (text, terms) {
                (Some((_, text)), _) => (Check::NotANumber, text.clone()),
                _ if value.is_infinite() => (Check::Infinite, value.to_string()),
                (_, Some(terms)) if !value.is_nan() && !terms.is_state(*value) => {
                    (Check::State, value.to_string())
                }
                (_, Some(terms)) if !value.is_nan() && !terms.allows(*value) => {
                    (Check::Range, value.to_string())
                }
                _ => continue,
            };
            *value = f64::NAN;
            done.push(Repaired {
                row: row.number,
                time: row.time,
                channel_idx: Some(idx),
                was: Some(was),
                now: None,
                why: Why::Check(check),
            });
        }
    }

    /// Fills short runs of empty cells of a channel.
    fn fill(
        &mut self,
        idx: usize,
        time: &[Timestamp],
        cadence: f64,
        spec: RepairSpec,
        done: &mut Vec<Repaired>,
    ) {
        let n = self.channels.len();
        let is_discrete = self.has_few_values(idx);
        let mut last: Option<usize> = None;
        for row in 0..self.rows.len() {
            let value = self.values[row * n + idx];
            if value.is_nan() {
                continue;
            }
            let before = last.replace(row);
            let Some(first) = before.filter(|first| (2..=spec.fill_rows + 1).contains(&(row - first))) else {
                continue;
            };
            let secs = |idx: usize| time[idx].since(time[first]).as_secs_f64();
            let limit = GAP_CADENCES * cadence * (row - first) as f64;
            if secs(row) > limit {
                continue;
            }
            let start = self.values[first * n + idx];
            for empty in first + 1..row {
                let share = secs(empty) / secs(row);
                let now = if is_discrete {
                    start
                } else {
                    start * (1.0 - share) + value * share
                };
                self.values[empty * n + idx] = now;
                let row = &self.rows[empty];
                done.push(Repaired {
                    row: row.number,
                    time: row.time,
                    channel_idx: Some(idx),
                    was: None,
                    now: Some(now),
                    why: if is_discrete {
                        Why::Previous
                    } else {
                        Why::Interpolated
                    },
                });
            }
        }
    }

    fn has_few_values(&self, idx: usize) -> bool {
        let mut distinct: Vec<f64> = Vec::new();
        for value in self.values.iter().skip(idx).step_by(self.channels.len()) {
            if !value.is_nan() && !distinct.contains(value) {
                distinct.push(*value);
                if distinct.len() > DISCRETE_VALUES_MAX {
                    return false;
                }
            }
        }
        true
    }
}
