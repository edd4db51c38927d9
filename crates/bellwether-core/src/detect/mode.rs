//! The two ways to look at a row.

use std::fmt;
use std::str::FromStr;

use crate::score::{CausalSmoother, Smoothing, TwoSidedSmoother};

/// What a row's score may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Rows up to its own: the score a stream gives at that moment.
    #[default]
    Causal,
    /// Rows after it as well, for looking back: the error of a row is its mean over all windows that hold it.
    Retrospective,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Causal => "causal",
            Self::Retrospective => "retrospective",
        })
    }
}

/// The text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mode {text:?}: wanted causal or retrospective")]
pub struct ModeError {
    /// What was given.
    pub text: String,
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Causal, Self::Retrospective]
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| ModeError {
                text: text.to_owned(),
            })
    }
}

/// The smoother of either mode: rows go in by segments, and come out in order.
#[derive(Debug)]
pub(super) enum RowSmoother {
    Causal(CausalSmoother),
    TwoSided(TwoSidedSmoother),
}

impl RowSmoother {
    pub(super) fn new(mode: Mode, smoothing: Smoothing, prior: &[f64]) -> Self {
        match mode {
            Mode::Causal => Self::Causal(CausalSmoother::new(smoothing, prior)),
            Mode::Retrospective => Self::TwoSided(TwoSidedSmoother::new(smoothing, prior)),
        }
    }

    pub(super) fn push(&mut self, row: Option<&[f64]>, emit: &mut dyn FnMut(Option<&[f64]>)) {
        match self {
            Self::Causal(smoother) => emit(smoother.push(row)),
            Self::TwoSided(smoother) => smoother.push(row, emit),
        }
    }

    pub(super) fn end_segment(&mut self, emit: &mut dyn FnMut(Option<&[f64]>)) {
        match self {
            Self::Causal(smoother) => smoother.restart(),
            Self::TwoSided(smoother) => smoother.finish(emit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_by_name() {
        assert_eq!("causal".parse(), Ok(Mode::Causal));
        assert_eq!("retrospective".parse(), Ok(Mode::Retrospective));
        assert!("Causal".parse::<Mode>().is_err());
    }
}
