//! The largest of many numbers, with their places.

use super::Case;
use crate::time::Timestamp;

/// So many are kept.
pub(crate) const N_EXTREMES: usize = 16;

/// The largest numbers seen, largest first; of equal ones the first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extremes {
    kept: Vec<(f64, Case)>,
    /// What the next must exceed.
    floor: f64,
}

impl Extremes {
    pub(crate) fn new() -> Self {
        Self {
            kept: Vec::new(),
            floor: f64::NEG_INFINITY,
        }
    }

    /// Takes a number, and the value that it stands for.
    #[inline]
    pub(crate) fn push(&mut self, size: f64, row: u64, time: Timestamp, value: f64) {
        if size > self.floor {
            self.insert(size, row, time, value);
        }
    }

    #[inline(never)]
    fn insert(&mut self, size: f64, row: u64, time: Timestamp, value: f64) {
        let at = self.kept.partition_point(|(kept, _)| *kept >= size);
        let case = Case {
            row,
            time: Some(time),
            value: Some(value),
            until: None,
        };
        self.kept.insert(at, (size, case));
        self.kept.truncate(N_EXTREMES);
        if self.kept.len() == N_EXTREMES {
            self.floor = self.kept[N_EXTREMES - 1].0;
        }
    }

    /// Those above `limit`, largest first.
    pub(crate) fn above(&self, limit: f64) -> Vec<Case> {
        let is_above = |(size, _): &&(f64, Case)| *size > limit;
        self.kept
            .iter()
            .take_while(is_above)
            .map(|(_, case)| *case)
            .collect()
    }

    /// The largest.
    pub(crate) fn first(&self) -> Option<(f64, Case)> {
        self.kept.first().copied()
    }
}
