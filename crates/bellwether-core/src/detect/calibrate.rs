//! What a detector learns from held-out normal rows: what is ordinary, how errors are joined, where alarms begin.

use std::ops::Range;
use std::sync::Arc;

use super::blocks::{BLOCK_WINDOWS, RowErrors, for_each_block};
use super::mode::{Calibrated, Mode, RowSmoother, row_error};
use super::{Detector, DetectorParts, PartsError};
use crate::event::EventRule;
use crate::frame::Frame;
use crate::model::{Model, ModelError};
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::score::{Calibration, Smoothing};
use crate::threshold::{FittedThreshold, HeldOut, ThresholdRule, ThresholdRuleError};
use crate::transform::{ApplyError, ChannelKind, Pipeline};
use crate::window::Windows;

/// What is to be decided at calibration.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationSpec {
    /// How the threshold is chosen.
    pub threshold: ThresholdRule,
    /// What makes an event; `None`: [`EventRule::for_window`] of the model, with a clear ratio above ordinary scores
    /// of the held-out rows.
    pub events: Option<EventRule>,
}

/// What was found on the held-out rows.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationReport {
    /// For causal scores.
    pub causal: ModeReport,
    /// For retrospective scores.
    pub retrospective: ModeReport,
    /// Causal scores of the held-out rows, a stretch without a gap after the other; NaN where a row has none.
    pub scores: Vec<Vec<f64>>,
}

/// What was found for one mode.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeReport {
    /// Held-out rows.
    pub n_rows: usize,
    /// Those with a score.
    pub n_scored: usize,
    /// The threshold, and what it rests on.
    pub threshold: FittedThreshold,
    /// Events that open on the held-out rows at that threshold.
    pub n_events: usize,
    /// Median, 99 % quantile and largest of the smoothed errors.
    pub errors: [f64; 3],
}

/// Why a detector cannot be calibrated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The held-out rows do not fit the pipeline.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The model gave no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The threshold rule is not usable.
    #[error(transparent)]
    Threshold(#[from] ThresholdRuleError),
    /// Pipeline and model do not belong together.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// No row got a score.
    #[error(
        "none of {n_rows} held-out rows has a score: a window takes {window_len} rows without a gap, at least half \
         of them observed; hold out more rows, or shorten the window"
    )]
    NothingScored {
        /// Held-out rows.
        n_rows: usize,
        /// Rows in a window.
        window_len: usize,
    },
}

impl Detector {
    /// Makes a detector of a fitted pipeline and model by what they make of `held_out`: normal rows, of one or more
    /// series, that the model was not fitted on.
    ///
    /// # Errors
    /// [`CalibrateError`] where pipeline, model and rows do not fit together, or no row gets a score.
    pub fn calibrate(
        pipeline: Pipeline,
        model: Arc<dyn Model>,
        held_out: Vec<Frame>,
        spec: &CalibrationSpec,
    ) -> Result<(Self, CalibrationReport), CalibrateError> {
        spec.threshold.check()?;
        super::check_model(&pipeline, &*model)?;
        let len = model.window().len.get();
        let rows = HeldOutRows::collect(&pipeline, &*model, held_out)?;
        // Without hysteresis events are most numerous: a budget that holds then holds for any clear ratio.
        let rule = spec
            .events
            .unwrap_or_else(|| EventRule::for_window(len).clearing_at(1.0));
        let mut causal = rows.calibrate(Mode::Causal, &pipeline, spec, &rule)?;
        let mut retrospective = rows.calibrate(Mode::Retrospective, &pipeline, spec, &rule)?;
        let near = causal.ordinary_score().max(retrospective.ordinary_score());
        let events = spec
            .events
            .unwrap_or_else(|| rule.clearing_at(clear_ratio_above(near)));
        for fitted in [&mut causal, &mut retrospective] {
            fitted.report.n_events = rows.count_events(&events, fitted);
        }
        let report = CalibrationReport {
            scores: rows.scores(&causal),
            causal: causal.report,
            retrospective: retrospective.report,
        };
        let parts = DetectorParts {
            pipeline,
            causal: causal.calibrated,
            retrospective: retrospective.calibrated,
            events,
        };
        Ok((Self::from_parts(parts, model)?, report))
    }
}

/// Where an event clears by default: 0.8, or higher where ordinary scores come close to the threshold, half way from
/// the highest ordinary one. An event that normal rows keep open would never end.
fn clear_ratio_above(ordinary_score: f64) -> f64 {
    (0.5 * (ordinary_score + 1.0)).clamp(0.8, 1.0)
}

/// What one mode has learnt, with what it learnt the threshold from.
struct Fitted {
    calibrated: Calibrated,
    report: ModeReport,
    /// Smoothed error of each held-out row; NaN where it has none.
    smoothed: Vec<f64>,
}

impl Fitted {
    /// The score that 99 % of held-out rows stay below.
    fn ordinary_score(&self) -> f64 {
        self.report.errors[1] / self.calibrated.threshold.error()
    }
}

/// Channel errors of all held-out rows, one series after the other; NaN where there is none.
struct HeldOutRows {
    n_channels: usize,
    window_len: usize,
    segments: Vec<Range<usize>>,
    n_rows: usize,
    /// `[n_rows, n_channels]` each.
    causal: Vec<f64>,
    retrospective: Vec<f64>,
    /// Mean squared residual of the last rows of windows, `[n_channels]`.
    last_square: Vec<f64>,
}

impl HeldOutRows {
    /// One pass of the model over all windows serves both modes.
    fn collect(pipeline: &Pipeline, model: &dyn Model, held_out: Vec<Frame>) -> Result<Self, CalibrateError> {
        let (n, len) = (pipeline.n_channels(), model.window().len.get());
        let weights = pipeline.channel_weights();
        let n_rows = held_out.iter().map(Frame::n_samples).sum();
        let mut all = Self {
            n_channels: n,
            window_len: len,
            segments: Vec::new(),
            n_rows,
            causal: vec![f64::NAN; n_rows * n],
            retrospective: vec![f64::NAN; n_rows * n],
            last_square: vec![0.0; n],
        };
        let mut last_rows = ColumnMean::new(n);
        let mut offset = 0;
        for frame in held_out {
            let prepared = pipeline.apply(frame)?;
            let shifted = prepared
                .segments()
                .map(|rows| rows.start + offset..rows.end + offset);
            all.segments.extend(shifted);
            let mut causal = RowErrors::new(Mode::Causal, len, n);
            let mut retrospective = RowErrors::new(Mode::Retrospective, len, n);
            let ask = |windows: Windows<'_>, out: &mut [f64]| model.errors(windows, out);
            for_each_block(&ask, &prepared, len, BLOCK_WINDOWS, &mut |block| {
                for (idx, errors) in block.answers.chunks_exact(len * n).enumerate() {
                    let row = block.first + idx + len - 1;
                    let marks = prepared.observed().map(|mask| &mask[row * n..(row + 1) * n]);
                    last_rows.absorb(&errors[(len - 1) * n..], marks);
                }
                let keep = |into: &mut [f64], row_idx: usize, errors: Option<&[f64]>| {
                    if let Some(errors) = errors {
                        into[(offset + row_idx) * n..(offset + row_idx + 1) * n].copy_from_slice(errors);
                    }
                };
                causal.absorb(block, &prepared, &weights, &mut |row, errors| {
                    keep(&mut all.causal, row, errors)
                });
                retrospective.absorb(block, &prepared, &weights, &mut |row, errors| {
                    keep(&mut all.retrospective, row, errors)
                });
            })?;
            offset += prepared.n_samples();
        }
        all.last_square = last_rows.finish();
        Ok(all)
    }

    fn calibrate(
        &self,
        mode: Mode,
        pipeline: &Pipeline,
        spec: &CalibrationSpec,
        events: &EventRule,
    ) -> Result<Fitted, CalibrateError> {
        let n_effective = pipeline.n_effective();
        let (errors, smoothing) = match mode {
            Mode::Causal => (&self.causal, Smoothing::causal(n_effective)),
            Mode::Retrospective => (&self.retrospective, Smoothing::retrospective(n_effective)),
        };
        let mean_square = match mode {
            Mode::Causal => self.last_square.clone(),
            Mode::Retrospective => {
                let mut mean = ColumnMean::new(self.n_channels);
                errors
                    .chunks_exact(self.n_channels)
                    .for_each(|row| mean.absorb(row, None));
                mean.finish()
            }
        };
        let scales = pipeline.scales().iter();
        let is_constant: Vec<bool> = scales.map(|scale| scale.kind == ChannelKind::Constant).collect();
        let calibration = Calibration::fit(pipeline.channel_weights(), &is_constant, errors, &mean_square);
        let smoothed = self.smoothed_errors(mode, smoothing, &calibration, errors);
        let sorted = sorted_finite(smoothed.iter().copied());
        if sorted.is_empty() {
            return Err(CalibrateError::NothingScored {
                n_rows: self.n_rows,
                window_len: self.window_len,
            });
        }
        let starts: Vec<usize> = self.segments.iter().map(|segment| segment.start).collect();
        let held_out = HeldOut {
            errors: &smoothed,
            segment_starts: &starts,
            cadence: pipeline.parts().cadence,
        };
        let threshold = spec.threshold.fit(&held_out, events)?;
        let calibrated = Calibrated {
            calibration,
            smoothing,
            threshold: threshold.threshold,
        };
        let report = ModeReport {
            n_rows: self.n_rows,
            n_scored: sorted.len(),
            n_events: 0,
            errors: [0.5, 0.99, 1.0].map(|share| quantile_sorted(&sorted, share)),
            threshold,
        };
        Ok(Fitted {
            calibrated,
            report,
            smoothed,
        })
    }

    /// Scores of the rows of each segment.
    fn scores(&self, fitted: &Fitted) -> Vec<Vec<f64>> {
        let threshold = fitted.calibrated.threshold.error();
        let mut errors = fitted.smoothed.iter();
        let segment = |rows: &Range<usize>| {
            errors
                .by_ref()
                .take(rows.len())
                .map(|error| error / threshold)
                .collect()
        };
        self.segments.iter().map(segment).collect()
    }

    fn count_events(&self, events: &EventRule, fitted: &Fitted) -> usize {
        let starts: Vec<usize> = self.segments.iter().map(|segment| segment.start).collect();
        let threshold = fitted.calibrated.threshold.error();
        events.count(&fitted.smoothed, threshold, |row| {
            starts.binary_search(&row).is_ok()
        })
    }

    /// Smoothed error of each row; NaN where it has none.
    fn smoothed_errors(
        &self,
        mode: Mode,
        smoothing: Smoothing,
        calibration: &Calibration,
        errors: &[f64],
    ) -> Vec<f64> {
        let n = self.n_channels;
        let mut smoother = RowSmoother::new(mode, smoothing, &calibration.prior);
        let mut smoothed = Vec::with_capacity(self.n_rows);
        let mut emit = |row: Option<&[f64]>| smoothed.push(row.map_or(f64::NAN, row_error));
        let mut parts = vec![0.0; n];
        for segment in &self.segments {
            for row in errors[segment.start * n..segment.end * n].chunks_exact(n) {
                let is_scored = crate::score::calibration::is_scored(row);
                if is_scored {
                    calibration.contributions(row, &mut parts);
                }
                smoother.push(is_scored.then_some(&parts[..]), &mut emit);
            }
            smoother.end_segment(&mut emit);
        }
        smoothed
    }
}

/// Means of columns over the cells that are there.
struct ColumnMean {
    sums: Vec<f64>,
    counts: Vec<usize>,
}

impl ColumnMean {
    fn new(n_columns: usize) -> Self {
        Self {
            sums: vec![0.0; n_columns],
            counts: vec![0; n_columns],
        }
    }

    /// NaN and cells not marked are not there.
    fn absorb(&mut self, row: &[f64], marks: Option<&[bool]>) {
        for (idx, value) in row.iter().enumerate() {
            if !value.is_nan() && marks.is_none_or(|marks| marks[idx]) {
                self.sums[idx] += value;
                self.counts[idx] += 1;
            }
        }
    }

    fn finish(self) -> Vec<f64> {
        let means = self.sums.iter().zip(&self.counts);
        means.map(|(sum, count)| sum / (*count).max(1) as f64).collect()
    }
}
