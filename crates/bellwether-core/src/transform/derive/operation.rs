//! When a machine is in operation: rows outside are neither learnt from nor scored.

use std::fmt;

use crate::condition::Condition;
use crate::time::Timestamp;
use crate::transform::pipeline::FitError;

/// Rows of blanking at most, and rows that a value of the condition stands for.
pub const OPERATION_ROWS_MAX: usize = 100_000;

/// A stretch of time that does not count: from its start on, and up to its end without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// What for, in the words of who wrote it down; may be empty.
    pub reason: String,
}

/// Which rows count as operation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Operation {
    /// What holds while the machine is in operation; `None`: it always is.
    ///
    /// A missing value is taken from the row before, and so on for [`fill_len`](Self::fill_len) rows; a row of which the
    /// condition stays unknown does not count.
    pub when: Option<Condition>,
    /// Rows that the last known value of a channel stands for missing ones in the condition.
    pub fill_len: usize,
    /// The first rows of each stretch of operation that do not count, because the machine is starting. Data that begin,
    /// or go on after a gap, begin with a start: nobody saw how long it had been running.
    pub blank_len: usize,
    /// Stretches of time that do not count. Never stored with a model: what was planned for one year says nothing of
    /// the next.
    pub calendar: Vec<Interval>,
}

/// Why a row does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// The condition does not hold.
    Mode,
    /// The condition cannot be told.
    Unknown,
    /// The machine is starting.
    Start,
    /// A stretch of the calendar, by its position there.
    Calendar(usize),
}

impl Operation {
    /// The channels that the condition reads.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.when.iter().flat_map(Condition::channels)
    }

    /// Why a row does not count, in words for a table.
    pub fn reason(&self, outside: Outside) -> String {
        match outside {
            Outside::Mode => match &self.when {
                Some(when) => format!("not {when}"),
                None => "out of operation".to_owned(),
            },
            Outside::Unknown => "mode unknown".to_owned(),
            Outside::Start => "starting".to_owned(),
            Outside::Calendar(idx) => match self.calendar.get(idx) {
                Some(interval) if !interval.reason.is_empty() => interval.reason.clone(),
                _ => "excluded".to_owned(),
            },
        }
    }

    /// The stretch of the calendar that an instant lies in, the first where several overlap.
    pub(super) fn excluded(&self, time: Timestamp) -> Option<Outside> {
        let lies_in = |interval: &Interval| interval.start <= time && time < interval.end;
        self.calendar.iter().position(lies_in).map(Outside::Calendar)
    }

    pub(super) fn check(&self) -> Result<(), FitError> {
        let is_bounded = self.blank_len <= OPERATION_ROWS_MAX && self.fill_len <= OPERATION_ROWS_MAX;
        if is_bounded {
            return Ok(());
        }
        Err(FitError::Blanking {
            rows: self.blank_len.max(self.fill_len),
            rows_max: OPERATION_ROWS_MAX,
        })
    }
}

/// The condition, and what is blanked after a start.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            Some(when) => write!(f, "while {when}")?,
            None => f.write_str("always")?,
        }
        if self.blank_len > 0 {
            write!(f, ", but for {} rows after a start", self.blank_len)?;
        }
        Ok(())
    }
}
