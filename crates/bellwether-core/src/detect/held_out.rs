//! Normal rows that models were not fitted on, and what one model makes of them.

use std::ops::Range;
use std::sync::Arc;

use super::PartsError;
use super::blocks::{Block, RowErrors, for_each_block};
use super::calibrate::{CalibrateError, Candidate};
use super::member::{Calibrated, Reach};
use super::mode::{Mode, RowSmoother};
use super::ruled::ruled;
use crate::model::{Model, ModelError};
use crate::quantile::sorted_finite;
use crate::score::{Calibration, ChannelRule, Norm, Ranges, Smoothing, Tail, ruled_weights};
use crate::transform::{ChannelKind, Pipeline, Prepared};
use crate::window::Windows;

/// A model under the rules of channels.
type UnderRules<'a> = &'a dyn Fn(&Arc<dyn Model>) -> Arc<dyn Model>;

/// The prepared rows of all folds, one after the other.
pub(super) struct HeldOutRows<'a> {
    n_channels: usize,
    /// How much each channel counts, `[n_channels]`.
    weights: Vec<f64>,
    /// One for each channel, or none.
    rules: &'a [ChannelRule],
    /// Its fold, its first row, its rows.
    frames: Vec<(usize, usize, Prepared)>,
    n_rows: usize,
}

/// What one candidate makes of the rows, in one mode.
pub(super) struct Judged {
    pub(super) calibrated: Calibrated,
    /// Of each row, `[n_rows]`; NaN where it has none.
    pub(super) surprise: Vec<f64>,
}

impl<'a> HeldOutRows<'a> {
    pub(super) fn new(
        pipeline: &Pipeline,
        rules: &'a [ChannelRule],
        folds: Vec<Vec<Prepared>>,
    ) -> Result<Self, PartsError> {
        let n_channels = pipeline.n_channels();
        let (mut frames, mut n_rows) = (Vec::new(), 0);
        for (fold, of_fold) in folds.into_iter().enumerate() {
            for prepared in of_fold {
                if prepared.n_channels() != n_channels {
                    return Err(PartsError::Channels {
                        pipeline: n_channels,
                        model: prepared.n_channels(),
                    });
                }
                let first = n_rows;
                n_rows += prepared.n_samples();
                frames.push((fold, first, prepared));
            }
        }
        Ok(Self {
            n_channels,
            weights: ruled_weights(pipeline, rules),
            rules,
            frames,
            n_rows,
        })
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The frames of the folds that are wanted, as ranges of rows.
    pub(super) fn common(&self, is_wanted: &dyn Fn(usize) -> bool) -> Vec<Range<usize>> {
        let wanted = self.frames.iter().filter(|(fold, _, _)| is_wanted(*fold));
        wanted
            .map(|(_, first, prepared)| *first..first + prepared.n_samples())
            .collect()
    }

    /// Where segments begin, counted within those ranges put together.
    pub(super) fn starts_within(&self, common: &[Range<usize>]) -> Vec<usize> {
        let (mut starts, mut n_before) = (Vec::new(), 0);
        for rows in common {
            let segments = self.segments().filter(|segment| rows.contains(&segment.start));
            starts.extend(segments.map(|segment| segment.start - rows.start + n_before));
            n_before += rows.len();
        }
        starts
    }

    /// For each fold, the ranges of all other folds: a value is never outside of what it is part of. A channel that no
    /// other fold has seen, or a fold that has no other, keeps the ranges of all.
    pub(super) fn ranges(&self, pipeline: &Pipeline, weight: f64) -> Vec<Ranges> {
        let n = self.n_channels;
        let n_folds = self.frames.iter().map(|(fold, _, _)| fold + 1).max().unwrap_or(0);
        let unseen = (f64::INFINITY, f64::NEG_INFINITY);
        let mut seen = vec![vec![unseen; n]; n_folds];
        for (fold, _, prepared) in &self.frames {
            let observed = prepared.observed();
            for (cell, &value) in prepared.values().iter().enumerate() {
                if observed.is_none_or(|marks| marks[cell]) {
                    let (low, high) = &mut seen[*fold][cell % n];
                    (*low, *high) = (low.min(value), high.max(value));
                }
            }
        }
        let of_all = Ranges::bounds(pipeline);
        let without = |fold: usize| {
            let others = || seen.iter().enumerate().filter(move |(idx, _)| *idx != fold);
            let bounds = (0..n).map(|channel| {
                let (low, high) = others().fold(unseen, |(low, high), (_, of)| {
                    (low.min(of[channel].0), high.max(of[channel].1))
                });
                if low <= high { (low, high) } else { of_all[channel] }
            });
            Ranges::between(pipeline, &self.weights, weight, &bounds.collect::<Vec<_>>())
        };
        (0..n_folds).map(without).collect()
    }

    /// A row's fold, scaled values and marks.
    pub(super) fn row(&self, row_idx: usize) -> (usize, &[f64], Option<&[bool]>) {
        let frame_idx = self.frames.partition_point(|(_, first, _)| *first <= row_idx) - 1;
        let (fold, first, prepared) = &self.frames[frame_idx];
        let cells = (row_idx - first) * self.n_channels..(row_idx - first + 1) * self.n_channels;
        let observed = prepared.observed().map(|marks| &marks[cells.clone()]);
        (*fold, &prepared.values()[cells], observed)
    }

    fn segments(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.frames.iter().flat_map(|(_, first, prepared)| {
            let segments = prepared.segments();
            segments.map(move |rows| rows.start + first..rows.end + first)
        })
    }

    /// What a candidate makes of the rows that it can judge unseen, causally and retrospectively.
    pub(super) fn judge(
        &self,
        candidate: &Candidate,
        pipeline: &Pipeline,
        reach: Reach,
    ) -> Result<[Judged; 2], CalibrateError> {
        let errors = self.errors(candidate, reach, &|model| Arc::clone(model))?;
        // What is ordinary is learnt from all residuals, what is surprising from those that count.
        let counted = if self.rules.iter().any(ChannelRule::drops_residuals) {
            let under_rules = |model: &Arc<dyn Model>| ruled(Arc::clone(model), pipeline, self.rules);
            Some(self.errors(candidate, reach, &under_rules)?)
        } else {
            None
        };
        let counted = counted.as_ref().unwrap_or(&errors);
        let answers = candidate.model.answers();
        let n_effective = pipeline.n_effective();
        let causal = Smoothing::causal(n_effective, answers);
        let retrospective = Smoothing::retrospective(n_effective);
        let judged = |mode, errors: &[f64], counted: &[f64], smoothing, mean_square: &[f64]| {
            let weights = self.weights.clone();
            let scales = pipeline.scales().iter();
            let is_constant: Vec<bool> = scales.map(|scale| scale.kind == ChannelKind::Constant).collect();
            let calibration =
                Calibration::fit(weights, &is_constant, errors, mean_square).starting_from(counted);
            let calibrated = Calibrated {
                calibration,
                smoothing,
                norm: None,
                tail: None,
            };
            let by_norm = candidate.model.sees_single_channels();
            self.surprise(mode, calibrated, by_norm, counted)
                .ok_or(CalibrateError::NothingScored {
                    n_rows: self.n_rows,
                    window_len: reach.longest,
                })
        };
        let mut mean = ColumnMean::new(self.n_channels);
        let rows = errors.retrospective.chunks_exact(self.n_channels);
        rows.for_each(|row| mean.absorb(row, None));
        Ok([
            judged(
                Mode::Causal,
                &errors.causal,
                &counted.causal,
                causal,
                &errors.last_square,
            )?,
            judged(
                Mode::Retrospective,
                &errors.retrospective,
                &counted.retrospective,
                retrospective,
                &mean.finish(),
            )?,
        ])
    }

    /// What is left to learn when channels and smoothing are known: the norm, where there is to be one, and the tail. `None`
    /// where no row has a score.
    fn surprise(
        &self,
        mode: Mode,
        mut calibrated: Calibrated,
        by_norm: bool,
        errors: &[f64],
    ) -> Option<Judged> {
        if by_norm {
            let norm = Norm::fit(self.n_channels, self.n_rows, |put| {
                self.for_each_smoothed(mode, &calibrated, errors, &mut |row| {
                    row.into_iter().for_each(&mut *put)
                });
            });
            calibrated.norm = Some(norm);
        }
        let mut surprise = Vec::with_capacity(self.n_rows);
        self.for_each_smoothed(mode, &calibrated, errors, &mut |row| {
            surprise.push(row.map_or(f64::NAN, |row| calibrated.error(row)));
        });
        let sorted = sorted_finite(surprise.iter().copied());
        if sorted.is_empty() {
            return None;
        }
        let tail = Tail::fit(&sorted);
        for error in surprise.iter_mut().filter(|error| !error.is_nan()) {
            *error = tail.surprise(*error);
        }
        calibrated.tail = Some(tail);
        Some(Judged { calibrated, surprise })
    }

    /// Channel errors of all rows by the models under rules; one pass over the windows serves both modes.
    fn errors(
        &self,
        candidate: &Candidate,
        reach: Reach,
        under_rules: UnderRules<'_>,
    ) -> Result<ChannelErrors, ModelError> {
        let n = self.n_channels;
        let weights = &self.weights;
        let mut all = ChannelErrors {
            causal: vec![f64::NAN; self.n_rows * n],
            retrospective: vec![f64::NAN; self.n_rows * n],
            last_square: Vec::new(),
        };
        let mut last_rows = ColumnMean::new(n);
        for (fold, offset, prepared) in &self.frames {
            let Some(Some(model)) = candidate.held_out.get(*fold) else {
                continue;
            };
            let model: &dyn Model = &*under_rules(model);
            let mut causal = RowErrors::new(Mode::Causal, model, n);
            let mut retrospective = RowErrors::new(Mode::Retrospective, model, n);
            let ask = |windows: Windows<'_>, out: &mut [f64]| model.errors(windows, out);
            for_each_block(&ask, model, Mode::Retrospective, prepared, reach, &mut |block| {
                if model.squares_residuals() {
                    last_rows.absorb_block(block, prepared, model, &|_, error| error);
                }
                let keep = |into: &mut [f64], row_idx: usize, errors: Option<&[f64]>| {
                    if let Some(errors) = errors {
                        into[(offset + row_idx) * n..(offset + row_idx + 1) * n].copy_from_slice(errors);
                    }
                };
                // A stream has no score before the longest window of all is full.
                let first_causal = block.segment.start + reach.longest - 1;
                causal.absorb(block, prepared, weights, &mut |row, errors| {
                    keep(&mut all.causal, row, errors.filter(|_| row >= first_causal));
                });
                retrospective.absorb(block, prepared, weights, &mut |row, errors| {
                    keep(&mut all.retrospective, row, errors);
                });
            })?;
            if !model.squares_residuals() {
                let ask = |windows: Windows<'_>, out: &mut [f64]| model.expected(windows, out);
                let square = |value: f64, expected: f64| (value - expected) * (value - expected);
                for_each_block(&ask, model, Mode::Retrospective, prepared, reach, &mut |block| {
                    last_rows.absorb_block(block, prepared, model, &square);
                })?;
            }
        }
        all.last_square = last_rows.finish();
        Ok(all)
    }

    /// Visits the smoothed contributions of each row, in order; `None`: it has none.
    fn for_each_smoothed(
        &self,
        mode: Mode,
        calibrated: &Calibrated,
        errors: &[f64],
        visit: &mut dyn FnMut(Option<&[f64]>),
    ) {
        let (n, calibration) = (self.n_channels, &calibrated.calibration);
        let mut smoother = RowSmoother::new(mode, calibrated.smoothing, &calibration.prior);
        let mut parts = vec![0.0; n];
        for segment in self.segments() {
            for row in errors[segment.start * n..segment.end * n].chunks_exact(n) {
                let is_scored = crate::score::calibration::is_scored(row);
                if is_scored {
                    calibration.contributions(row, &mut parts);
                }
                smoother.push(is_scored.then_some(&parts[..]), visit);
            }
            smoother.end_segment(visit);
        }
    }
}

/// Channel errors of all rows of one candidate; NaN where there is none.
struct ChannelErrors {
    /// `[n_rows, n_channels]` each.
    causal: Vec<f64>,
    retrospective: Vec<f64>,
    /// Mean squared residual of the last rows of windows, `[n_channels]`.
    last_square: Vec<f64>,
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

    /// What `square(value, answer)` makes of the last row of each window.
    fn absorb_block(
        &mut self,
        block: &Block<'_>,
        prepared: &Prepared,
        model: &dyn Model,
        square: &dyn Fn(f64, f64) -> f64,
    ) {
        let (n, n_answers) = (self.sums.len(), model.n_answers());
        let mut squares = vec![0.0; n];
        for (idx, answers) in block.answers.chunks_exact(n_answers * n).enumerate() {
            let row = block.first + idx + model.window().len.get() - 1;
            let cells = row * n..(row + 1) * n;
            let values = prepared.values()[cells.clone()].iter();
            let answers = values.zip(&answers[(n_answers - 1) * n..]);
            for (out, (&value, &answer)) in squares.iter_mut().zip(answers) {
                *out = square(value, answer);
            }
            self.absorb(&squares, prepared.observed().map(|mask| &mask[cells.clone()]));
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
