//! A member: a model, and all that makes its errors comparable to those of the other members.

use std::sync::Arc;

use super::PartsError;
use super::blocks::{RowErrors, for_each_block};
use super::joined::sum;
use super::mode::{Mode, RowSmoother};
use crate::model::{Model, ModelError};
use crate::score::{Calibration, Norm, Smoothing, Tail};
use crate::transform::Prepared;
use crate::window::Windows;

/// All that stands between a model's errors and its part of a score, for one mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// What is ordinary for each channel.
    pub calibration: Calibration,
    /// How neighbouring rows are joined.
    pub smoothing: Smoothing,
    /// How channels are joined; `None`: by their sum.
    pub norm: Option<Norm>,
    /// How surprising a smoothed error is; `None` in detectors of one member that were made before there was more than
    /// one: then the error stands for itself.
    pub tail: Option<Tail>,
}

impl Calibrated {
    /// The error of a row: its smoothed contributions, `[n_channels]`, joined.
    pub(super) fn error(&self, smoothed: &[f64]) -> f64 {
        match &self.norm {
            None => sum(smoothed),
            Some(norm) => norm.of(smoothed),
        }
    }
}

/// Everything of a member but its model, as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberParts {
    /// How much its surprise counts beside that of the others, above zero and at most a million.
    pub weight: f64,
    /// From errors to causal surprise.
    pub causal: Calibrated,
    /// From errors to retrospective surprise.
    pub retrospective: Calibrated,
}

impl MemberParts {
    /// From errors to surprise of that mode.
    pub fn calibrated(&self, mode: Mode) -> &Calibrated {
        match mode {
            Mode::Causal => &self.causal,
            Mode::Retrospective => &self.retrospective,
        }
    }

    /// Whether the numbers are usable for `n_channels` channels.
    pub(super) fn check(&self, member_idx: usize, n_channels: usize) -> Result<(), PartsError> {
        if !(self.weight > 0.0 && self.weight <= super::WEIGHT_MAX) {
            return Err(PartsError::Weight {
                member_idx,
                weight: self.weight,
            });
        }
        for mode in [Mode::Causal, Mode::Retrospective] {
            let calibrated = self.calibrated(mode);
            calibrated
                .calibration
                .check(n_channels)
                .map_err(|source| PartsError::Calibration {
                    member_idx,
                    mode,
                    source,
                })?;
            if !calibrated.smoothing.is_valid() {
                let span = calibrated.smoothing.span;
                return Err(PartsError::Smoothing {
                    member_idx,
                    mode,
                    span,
                });
            }
            let norm = calibrated.norm.as_ref();
            if !norm.is_none_or(|norm| norm.is_valid(n_channels)) {
                return Err(PartsError::Norm { member_idx, mode });
            }
            if !calibrated.tail.as_ref().is_none_or(Tail::is_valid) {
                return Err(PartsError::Tail { member_idx, mode });
            }
        }
        Ok(())
    }
}

/// One of the models of a detector.
#[derive(Debug, Clone)]
pub struct Member {
    pub(super) parts: MemberParts,
    pub(super) model: Arc<dyn Model>,
}

impl Member {
    /// All but the model, as plain data.
    pub fn parts(&self) -> &MemberParts {
        &self.parts
    }

    /// What knows normal windows.
    pub fn model(&self) -> &Arc<dyn Model> {
        &self.model
    }

    /// From errors to surprise of that mode.
    pub fn calibrated(&self, mode: Mode) -> &Calibrated {
        self.parts.calibrated(mode)
    }
}

/// Visits the smoothed contributions of each row for which a member has a say, in order; `None`: too little of the row
/// was observed. `longest` is the window of the member that looks back furthest: no causal score is there before its
/// window is full.
pub(super) fn for_each_smoothed(
    model: &dyn Model,
    calibrated: &Calibrated,
    mode: Mode,
    prepared: &Prepared,
    reach: Reach,
    visit: &mut dyn FnMut(usize, Option<&[f64]>),
) -> Result<(), ModelError> {
    let calibration = &calibrated.calibration;
    let mut rows = RowErrors::new(mode, model, prepared.n_channels());
    let mut smoother = RowSmoother::new(mode, calibrated.smoothing, &calibration.prior);
    let mut parts = vec![0.0; prepared.n_channels()];
    let mut next_out = 0;
    let ask = |windows: Windows<'_>, out: &mut [f64]| model.errors(windows, out);
    for_each_block(&ask, model, mode, prepared, reach, &mut |block| {
        if block.first == block.segment.start {
            next_out = rows.first_of(block);
        }
        let mut emit = |smoothed: Option<&[f64]>| {
            visit(next_out, smoothed);
            next_out += 1;
        };
        rows.absorb(block, prepared, &calibration.weights, &mut |row_idx, errors| {
            if let Some(errors) = errors {
                calibration.contributions(errors, &mut parts);
            }
            smoother.push(errors.map(|_| &parts[..]), &mut emit);
            if row_idx + 1 == block.segment.end {
                smoother.end_segment(&mut emit);
            }
        });
    })
}

/// How windows are put to a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// The longest window of all members: segments that are shorter have no score.
    pub(super) longest: usize,
    /// Windows asked for at a time.
    pub(super) windows_max: usize,
}
