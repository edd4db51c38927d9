//! Stretches of rows in which something goes on, and the longest of them.

use std::time::Duration;

use super::Case;
use crate::time::Timestamp;

/// So many of the longest are kept.
const N_STRETCHES: usize = 8;

/// Rows in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// The first row, from 1.
    pub first_row: u64,
    /// The last row.
    pub last_row: u64,
    /// Time of the first row.
    pub from: Timestamp,
    /// Time of the last row.
    pub to: Timestamp,
    /// How many rows.
    pub n_rows: u64,
    /// The value that goes on, NaN where there is none.
    pub value: f64,
    /// Whether the other channels did something else meanwhile; `None` where nothing tells.
    pub is_alone: Option<bool>,
}

impl Stretch {
    /// As the case of a finding.
    pub(crate) fn case(&self) -> Case {
        Case {
            row: self.first_row,
            time: Some(self.from),
            value: (!self.value.is_nan()).then_some(self.value),
            until: Some((self.last_row, self.to)),
        }
    }
}

/// A stretch that may go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Open {
    first_row: u64,
    last_row: u64,
    from: Timestamp,
    to: Timestamp,
    pub(crate) n_rows: u64,
    value: f64,
    /// Rows that the others shared, counted before it began.
    n_shared_before: u64,
}

impl Open {
    pub(crate) fn new(row: u64, time: Timestamp, value: f64, n_shared: u64) -> Self {
        Self {
            first_row: row,
            last_row: row,
            from: time,
            to: time,
            n_rows: 1,
            value,
            n_shared_before: n_shared,
        }
    }

    #[inline]
    pub(crate) fn extend(&mut self, row: u64, time: Timestamp) {
        self.last_row = row;
        self.to = time;
        self.n_rows += 1;
    }

    /// Its end; `n_shared`: rows counted so far in which the others did the same.
    pub(crate) fn close(&self, n_shared: u64, has_others: bool) -> Stretch {
        let shared = n_shared.saturating_sub(self.n_shared_before);
        Stretch {
            first_row: self.first_row,
            last_row: self.last_row,
            from: self.from,
            to: self.to,
            n_rows: self.n_rows,
            value: self.value,
            is_alone: has_others.then_some(2 * shared < self.n_rows),
        }
    }
}

/// The longest stretches of one kind, longest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Longest {
    pub(crate) kept: Vec<Stretch>,
    /// How many there were, and their rows.
    pub(crate) count: u64,
    pub(crate) n_rows: u64,
    /// The longest by time.
    pub(crate) longest_time: Duration,
}

impl Longest {
    #[inline]
    pub(crate) fn push(&mut self, open: &Open, n_shared: u64, has_others: bool) {
        self.count += 1;
        self.n_rows += open.n_rows;
        self.longest_time = self.longest_time.max(open.to.since(open.from));
        let is_full = self.kept.len() == N_STRETCHES;
        if !is_full || self.kept[N_STRETCHES - 1].n_rows < open.n_rows {
            self.insert(open.close(n_shared, has_others));
        }
    }

    #[inline(never)]
    fn insert(&mut self, stretch: Stretch) {
        let at = self.kept.partition_point(|kept| kept.n_rows >= stretch.n_rows);
        self.kept.insert(at, stretch);
        self.kept.truncate(N_STRETCHES);
    }
}
