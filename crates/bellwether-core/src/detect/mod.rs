//! A detector: pipeline, model, calibration, threshold and event rule as one thing that scores rows.
//!
//! [`Detector::calibrate`] makes one from held-out normal rows, [`Detector::from_parts`] from stored numbers.
//! [`Detector::score`] judges a frame; [`crate::session`] judges a stream, with the same bits.

mod blocks;
mod calibrate;
mod expected;
mod mode;
mod scores;

use std::sync::Arc;

pub(crate) use blocks::BLOCK_WINDOWS;
pub use calibrate::{CalibrateError, CalibrationReport, CalibrationSpec, ModeReport};
pub use expected::Expected;
pub use mode::{Calibrated, Mode, ModeError, Top};
pub(crate) use mode::{finish_row, top_share};
pub use scores::{ScoredRow, Scores, Unscored};

use crate::event::EventRule;
use crate::frame::{Frame, SeriesId};
use crate::model::{Model, ModelError};
use crate::score::CalibrationError;
use crate::transform::{ApplyError, Pipeline};

/// Everything of a detector but its model, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorParts {
    /// From raw rows to prepared ones.
    pub pipeline: Pipeline,
    /// From errors to causal scores.
    pub causal: Calibrated,
    /// From errors to retrospective scores.
    pub retrospective: Calibrated,
    /// From scores to events.
    pub events: EventRule,
}

/// Judges rows of one kind of machine. Nothing in it changes with what it judges; one serves many threads.
#[derive(Debug, Clone)]
pub struct Detector {
    parts: DetectorParts,
    model: Arc<dyn Model>,
}

impl Detector {
    /// A detector of stored numbers and a model.
    ///
    /// # Errors
    /// [`PartsError`] where they do not belong together or are not usable.
    pub fn from_parts(parts: DetectorParts, model: Arc<dyn Model>) -> Result<Self, PartsError> {
        check_model(&parts.pipeline, &*model)?;
        for (mode, calibrated) in [
            (Mode::Causal, &parts.causal),
            (Mode::Retrospective, &parts.retrospective),
        ] {
            let n_channels = parts.pipeline.n_channels();
            calibrated
                .calibration
                .check(n_channels)
                .map_err(|source| PartsError::Calibration { mode, source })?;
            if !calibrated.smoothing.is_valid() {
                return Err(PartsError::Smoothing {
                    mode,
                    span: calibrated.smoothing.span,
                });
            }
        }
        Ok(Self { parts, model })
    }

    /// All but the model, as plain data.
    pub fn parts(&self) -> &DetectorParts {
        &self.parts
    }

    /// From raw rows to prepared ones.
    pub fn pipeline(&self) -> &Pipeline {
        &self.parts.pipeline
    }

    /// What knows normal windows.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// From errors to scores of that mode.
    pub fn calibrated(&self, mode: Mode) -> &Calibrated {
        match mode {
            Mode::Causal => &self.parts.causal,
            Mode::Retrospective => &self.parts.retrospective,
        }
    }

    /// Rows in a window of the model.
    pub fn window_len(&self) -> usize {
        self.model.window().len.get()
    }

    /// Rows that a causal score depends on, its own included: a file cut with `context_len() - 1` rows before the
    /// first one wanted gives the same bits as the whole.
    ///
    /// A score joins `memory` windows; the first of these may hold values carried forward from before it.
    pub fn context_len(&self) -> usize {
        self.window_len() + self.parts.causal.smoothing.memory() - 1 + self.pipeline().parts().fill_len_max
    }

    /// Scores a frame of `series`, in memory little above the frame's own.
    ///
    /// # Errors
    /// [`DetectError`] where the frame does not fit or the model gives no answer.
    pub fn score(&self, series: &SeriesId, frame: Frame, mode: Mode) -> Result<Scores, DetectError> {
        self.score_with(series, frame, mode, &mut |_| {})
    }

    /// As [`Detector::score`], and shows each scored row with the shares of all channels as it comes.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score_with(
        &self,
        series: &SeriesId,
        frame: Frame,
        mode: Mode,
        visit: &mut dyn FnMut(ScoredRow<'_>),
    ) -> Result<Scores, DetectError> {
        let prepared = self.pipeline().apply(frame)?;
        Ok(scores::score_rows(
            self,
            series,
            prepared,
            mode,
            blocks::BLOCK_WINDOWS,
            visit,
        )?)
    }
}

/// Whether the model's windows are the pipeline's rows.
fn check_model(pipeline: &Pipeline, model: &dyn Model) -> Result<(), PartsError> {
    if pipeline.n_channels() == model.n_channels() {
        return Ok(());
    }
    Err(PartsError::Channels {
        pipeline: pipeline.n_channels(),
        model: model.n_channels(),
    })
}

/// Why parts make no [`Detector`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// Pipeline and model are of different machines.
    #[error("the pipeline has {pipeline} channels, the model {model}: they do not belong together")]
    Channels {
        /// Channels of the pipeline.
        pipeline: usize,
        /// Channels of the model.
        model: usize,
    },
    /// A calibration does not fit or holds unusable numbers.
    #[error("the {mode} calibration is not usable")]
    Calibration {
        /// Which.
        mode: Mode,
        /// What is wrong with it.
        source: CalibrationError,
    },
    /// A span is out of range.
    #[error("the {mode} smoothing span {span} is not usable: wanted 1 to 1000000 samples")]
    Smoothing {
        /// Which.
        mode: Mode,
        /// The span.
        span: f64,
    },
}

/// Why a frame gets no scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The data do not fit the pipeline.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The model gave no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Rows were asked for that are not there.
    #[error("rows {start} to {end} were asked for; the data have {n_samples}")]
    NoSuchRows {
        /// First row.
        start: usize,
        /// Row after the last.
        end: usize,
        /// Rows there are.
        n_samples: usize,
    },
}

#[cfg(test)]
pub(crate) mod tests;
