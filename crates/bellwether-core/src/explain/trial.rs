//! The detector asked again, with some channels set to what is expected of them.
//!
//! An expectation depends on what stands beside it, the channel's own wrong values included, so it is asked again with the
//! set values in place. For a window PCA this is the iteration of expectation and maximisation that fills in missing
//! values (Dempster, Laird and Rubin 1977): it ends where the channel cannot be changed to any better effect, as in
//! reconstruction-based contribution (Alcala and Qin, Automatica 45, 2009).

use std::ops::Range;

use super::shares::ShareMap;
use crate::detect::{DetectError, Detector, Mode};
use crate::frame::Frame;

/// Times that an expectation is asked.
const N_ROUNDS: usize = 12;

/// A stretch and the rows that its scores depend on.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) detector: &'a Detector,
    pub(super) frame: Frame,
    /// Rows in which channels are set.
    pub(super) set: Range<usize>,
    /// Rows whose scores are asked for.
    pub(super) judged: Range<usize>,
    pub(super) mode: Mode,
}

/// What the detector says with some channels set.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) frame: Frame,
    pub(super) shares: ShareMap,
}

impl Answer {
    /// The highest score; 0 where there is none.
    pub(super) fn highest(&self) -> f64 {
        self.shares.score.iter().copied().fold(0.0, f64::max)
    }

    /// The sum of all scores.
    pub(super) fn sum(&self) -> f64 {
        self.shares.score.iter().filter(|score| !score.is_nan()).sum()
    }
}

impl Trial<'_> {
    /// Asks with the channels set.
    pub(super) fn with(&self, channels: &[usize]) -> Result<Answer, DetectError> {
        let mut frame = self.frame.clone();
        if !channels.is_empty() {
            for _ in 0..N_ROUNDS {
                frame = self.expecting(&frame, channels)?;
            }
        }
        Ok(Answer {
            shares: ShareMap::of(self.detector, &frame, self.judged.clone(), self.mode)?,
            frame,
        })
    }

    /// The frame with the channels set to what is expected of them in it, looking back.
    fn expecting(&self, frame: &Frame, channels: &[usize]) -> Result<Frame, DetectError> {
        let expected = self
            .detector
            .expected(frame, self.set.clone(), Mode::Retrospective)?;
        let n_columns = frame.n_channels();
        let mut values = frame.values().to_vec();
        for &channel_idx in channels {
            let Some(column) = self.place(channel_idx) else {
                continue;
            };
            for row in self.set.clone() {
                let wanted = expected.expected[(row - self.set.start) * expected.n_channels + channel_idx];
                if wanted.is_finite() {
                    values[row * n_columns + column] = wanted;
                }
            }
        }
        Ok(frame.with_values(values))
    }

    /// The values of a channel in the rows that are set; NaN where the frame lacks it.
    pub(super) fn values(&self, frame: &Frame, channel_idx: usize) -> Vec<f64> {
        let column = self.place(channel_idx);
        let value = |row: usize| column.map_or(f64::NAN, |column| frame.sample(row).values[column]);
        self.set.clone().map(value).collect()
    }

    /// Where a channel of the pipeline stands in the frame; `None` for a feature: it is worked out of others, and cannot
    /// be set.
    pub(super) fn place(&self, channel_idx: usize) -> Option<usize> {
        self.detector.pipeline().input_idx(channel_idx)?;
        let name = self.detector.pipeline().schema().channels()[channel_idx].name();
        self.frame.schema().channel_idx(name)
    }
}
