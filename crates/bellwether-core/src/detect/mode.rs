//! The two ways to look at a row, and what each has learnt from the held-out rows.

use std::fmt;
use std::str::FromStr;

use crate::score::{Calibration, CausalSmoother, Smoothing, TwoSidedSmoother};
use crate::threshold::Threshold;

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

/// All that stands between a model's errors and scores, for one mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// What is ordinary for each channel.
    pub calibration: Calibration,
    /// How neighbouring rows are joined.
    pub smoothing: Smoothing,
    /// The smoothed error at which the score is 1.
    pub threshold: Threshold,
}

/// The score of smoothed contributions, and each channel's share of it into `shares`: at least 0, summing to 1.
///
/// Where all contributions are zero no channel stands out, and all shares are alike.
pub(crate) fn finish_row(smoothed: &[f64], threshold: Threshold, shares: &mut [f64]) -> f64 {
    let error = row_error(smoothed);
    for (share, part) in shares.iter_mut().zip(smoothed) {
        *share = if error > 0.0 {
            part / error
        } else {
            1.0 / smoothed.len() as f64
        };
    }
    error / threshold.error()
}

/// The error of a row: the sum of its channels' contributions.
pub(super) fn row_error(smoothed: &[f64]) -> f64 {
    smoothed.iter().sum()
}

/// The channel with the largest share, the first of equals.
pub(crate) fn top_share(shares: &[f64]) -> Option<Top> {
    let mut top: Option<Top> = None;
    for (channel_idx, &share) in shares.iter().enumerate() {
        if top.is_none_or(|top| share > top.share) {
            top = Some(Top { channel_idx, share });
        }
    }
    top
}

/// The channel that a score is mostly made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// Position in the pipeline's channels.
    pub channel_idx: usize,
    /// Its share of the score, in [0, 1].
    pub share: f64,
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
    use bellwether_testkit::assert_close;

    #[test]
    fn shares_sum_to_one_and_the_first_of_equals_is_the_top() {
        let mut shares = [0.0; 3];
        let threshold = Threshold::new(4.0).unwrap();
        assert_close(
            finish_row(&[1.0, 4.0, 3.0], threshold, &mut shares),
            2.0,
            1e-12,
            "score",
        );
        for (share, want) in shares.iter().zip([0.125, 0.5, 0.375]) {
            assert_close(*share, want, 1e-12, "share");
        }
        assert_eq!(
            top_share(&shares),
            Some(Top {
                channel_idx: 1,
                share: 0.5
            })
        );
        assert_close(finish_row(&[0.0; 3], threshold, &mut shares), 0.0, 1e-12, "score");
        assert_eq!(top_share(&shares).map(|top| top.channel_idx), Some(0));
    }

    #[test]
    fn modes_are_read_by_name() {
        assert_eq!("causal".parse(), Ok(Mode::Causal));
        assert_eq!("retrospective".parse(), Ok(Mode::Retrospective));
        assert!("Causal".parse::<Mode>().is_err());
    }
}
