//! Whether data are fit to learn from and to be judged: every defect with its place, in one pass, in bounded memory.
//!
//! [`SeriesCheck`] takes the rows of one series as they stand in the input and keeps counts, the longest and worst
//! cases, and a sample of rows; [`SeriesCheck::finish`] says what it found. [`NamedCheck`] does it for rows that name
//! the channels of their values. What must hold can be written down as a
//! [`Contract`], or be learnt from good data ([`Contract::learn`]). [`repair`] mends what may be mended.
//!
//! # What is exact and what is not
//! Counts, extreme values, longest stretches, times, and everything that a contract says are exact. Quantiles,
//! correlations and resolutions come from a [sample of rows](RowSample): exact up to 4096 rows, beyond that each
//! share is off by less than 0.03 (with probability 0.999, by the inequality of Dvoretzky, Kiefer and Wolfowitz with
//! the constant of Massart 1990). Counts of outliers are exact up to sixteen on either side.
//!
//! # Rows whose time is past
//! A row at the time of the row before it, or at an earlier one, is counted, and its values are looked at no
//! further. Where three rows in a row go on from an earlier time, the clock was set back, and they count from the
//! third on. A time after `now` is in the future; it moves the clock where three in a row go on from there.

mod channel;
mod check;
mod clock;
mod contract;
mod extremes;
mod judge;
mod learn;
mod named;
mod profile;
mod relation;
pub mod repair;
mod sample;
mod series;
mod stretch;
mod terms;

#[cfg(test)]
mod tests;

pub use check::{Check, Fault, Finding, Level, Severity, Verdict};
pub use clock::{ClockSetBack, Gap, TimeProfile};
pub use contract::{ChannelTerms, Contract, ContractError, ContractRule, TimeTerms};
pub use learn::LearnError;
pub use named::{NamedCheck, NamedValue};
pub use profile::{Bin, ChannelProfile, Resolution, SeriesProfile, Twin};
pub use sample::RowSample;
pub use series::{Row, SeriesCheck};
pub use stretch::Stretch;

use crate::time::Timestamp;

/// One place in the data where something was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// Number of the row, from 1, the header not counted.
    pub row: u64,
    /// When; `None` where the row has no time that can be read.
    pub time: Option<Timestamp>,
    /// What was found, where it is a number.
    pub value: Option<f64>,
    /// The last row, where it is a stretch.
    pub until: Option<(u64, Timestamp)>,
}

/// So many first cases of a finding are kept.
const N_CASES: usize = 5;

/// Cases of one finding: how many, the first of them, and the worst.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Cases {
    pub(crate) count: u64,
    pub(crate) first: Vec<Case>,
    pub(crate) worst: Option<(f64, Case)>,
}

impl Cases {
    /// One more; of several the one that is `badness` most is the worst.
    pub(crate) fn push(&mut self, case: Case, badness: f64) {
        self.count += 1;
        if self.first.len() < N_CASES {
            self.first.push(case);
        }
        if self.worst.as_ref().is_none_or(|(worst, _)| badness > *worst) {
            self.worst = Some((badness, case));
        }
    }

    /// These and those of `other`, in the order of their rows.
    pub(crate) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.sort_by_key(|case| case.row);
        self.first.truncate(N_CASES);
        if let Some((badness, case)) = other.worst
            && self.worst.as_ref().is_none_or(|(worst, _)| badness > *worst)
        {
            self.worst = Some((badness, case));
        }
    }

    /// The first cases, and behind them the worst where it is none of them.
    pub(crate) fn shown(&self) -> Vec<Case> {
        let mut shown = self.first.clone();
        if let Some((_, worst)) = &self.worst
            && !shown.iter().any(|case| case.row == worst.row)
        {
            shown.push(*worst);
        }
        shown
    }
}
