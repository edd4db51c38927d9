//! What a detector learns from held-out normal rows: what is ordinary, how errors are joined, where alarms begin.

use std::ops::Range;
use std::sync::Arc;

use super::blocks::BLOCK_WINDOWS;
use super::held_out::{HeldOutRows, Judged};
use super::member::{MemberParts, Reach};
use super::{Combination, Detector, DetectorParts, PartsError, Rarity};
use crate::event::{EventRule, EventWish};
use crate::model::{Model, ModelError};
use crate::quantile::{quantile_sorted, sorted_finite};
use crate::score::{ChannelRule, Ranges, Tail};
use crate::threshold::{FittedThreshold, HeldOut, ThresholdError, ThresholdRule, drifting};
use crate::transform::{Pipeline, Prepared};

/// The threshold is learnt from the folds that members of this share of the weight judge unseen. They make up for the others,
/// as they do for a row that a member has no answer for: four times the rows know their tail far better.
const PRESENT_MIN: f64 = 0.5;

/// What is to be decided at calibration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalibrationSpec {
    /// How the threshold is chosen.
    pub threshold: ThresholdRule,
    /// How the surprises of members become one.
    pub combination: Combination,
    /// What makes an event, where that is not to be as by default: [`EventRule::for_window`] of the longest window, with a
    /// clear ratio above ordinary scores of the held-out rows.
    pub events: EventWish,
    /// What all channels far outside of their training ranges add to a score, beside the weights of the members.
    pub range_weight: f64,
    /// What people know of the channels beforehand: one for each channel of the pipeline, or none at all.
    ///
    /// What is ordinary for a channel is learnt from all its residuals; tails and threshold from those that count.
    /// Values outside of what is valid do not move the threshold.
    pub rules: Vec<ChannelRule>,
    /// Which held-out rows are known to be anomalous, fold after fold and frame after frame, `[n_rows]`; only a
    /// threshold rule that says so looks at them. `None`: nobody knows.
    pub labels: Option<Vec<bool>>,
}

/// A model on its way to become a member of a detector.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// How much its surprise is to count beside that of the others, above zero.
    pub weight: f64,
    /// The model that will judge.
    pub model: Arc<dyn Model>,
    /// For each fold of the normal rows, a model of the same kind that was not fitted on it; `None`: there is none.
    pub held_out: Vec<Option<Arc<dyn Model>>>,
}

impl Candidate {
    /// The only member, for rows that it was not fitted on.
    pub fn alone(model: Arc<dyn Model>) -> Self {
        Self {
            weight: 1.0,
            held_out: vec![Some(Arc::clone(&model))],
            model,
        }
    }
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
    /// Median, 99 % quantile and largest of the joined errors.
    pub errors: [f64; 3],
}

/// Why a detector cannot be calibrated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The model gave no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The threshold rule is not usable, or wants labels.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// Pipeline and model do not belong together.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// No row got a score.
    #[error(
        "none of {n_rows} held-out rows has a score: the longest window takes {window_len} rows without a gap, at least half \
         of them observed; hold out more rows, or shorten the window"
    )]
    NothingScored {
        /// Held-out rows.
        n_rows: usize,
        /// Rows in the longest window.
        window_len: usize,
    },
    /// Not one label for each row.
    #[error("{n_labels} labels for {n_rows} held-out rows: wanted one for each, or none at all")]
    Labels {
        /// Labels given.
        n_labels: usize,
        /// Held-out rows.
        n_rows: usize,
    },
    /// No fold of the normal rows is unseen by models of half the weight.
    #[error("no normal rows are left that models were not fitted on: hold some out")]
    NoFold,
}

impl Detector {
    /// Makes a detector of a fitted pipeline and models by what they make of normal rows that they were not fitted on.
    ///
    /// `folds` are the parts that the normal rows were cut into, each with its frames of one or more series as `pipeline`
    /// prepared them. A candidate's channels and tail are learnt from every fold that one of its models has not seen; threshold and
    /// events from the folds that at least half of the candidates, by weight, can judge so.
    ///
    /// # Errors
    /// [`CalibrateError`] where pipeline, models and rows do not fit together, or no row gets a score.
    pub fn calibrate(
        pipeline: Pipeline,
        candidates: Vec<Candidate>,
        folds: Vec<Vec<Prepared>>,
        spec: &CalibrationSpec,
    ) -> Result<(Self, CalibrationReport), CalibrateError> {
        spec.threshold.check().map_err(ThresholdError::from)?;
        for candidate in &candidates {
            super::check_model(&pipeline, &*candidate.model)?;
        }
        let lens = candidates
            .iter()
            .map(|candidate| candidate.model.window().len.get());
        let reach = Reach {
            longest: lens.max().unwrap_or(1),
            windows_max: BLOCK_WINDOWS,
        };
        super::check_rules(&pipeline, &spec.rules)?;
        let rows = HeldOutRows::new(&pipeline, &spec.rules, folds)?;
        let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
        let is_common = |fold: usize| {
            let has_model = |of: &&Candidate| of.held_out.get(fold).is_some_and(Option::is_some);
            let judging = candidates.iter().filter(has_model);
            judging.map(|candidate| candidate.weight).sum::<f64>() >= PRESENT_MIN * total
        };
        let common = rows.common(&is_common);
        if common.is_empty() {
            return Err(CalibrateError::NoFold);
        }
        let mut causal = Errors::new(spec.combination, &rows);
        let mut retrospective = Errors::new(spec.combination, &rows);
        let mut members = Vec::with_capacity(candidates.len());
        for (member_idx, candidate) in candidates.iter().enumerate() {
            let [of_causal, of_retrospective] = rows.judge(candidate, &pipeline, reach)?;
            causal.add(member_idx, candidate.weight, &of_causal);
            retrospective.add(member_idx, candidate.weight, &of_retrospective);
            members.push(MemberParts {
                weight: candidate.weight,
                causal: of_causal.calibrated,
                retrospective: of_retrospective.calibrated,
            });
        }
        let ranges = rows.ranges(&pipeline, spec.range_weight);
        for errors in [&mut causal, &mut retrospective] {
            errors.complete(total, &rows, &ranges);
            errors.keep(&common);
        }
        // Without hysteresis events are most numerous: a budget that holds then holds for any clear ratio.
        let len = reach.longest;
        let rule = spec.events.over(EventRule::for_window(len).clearing_at(1.0));
        let starts = rows.starts_within(&common);
        let labels = match &spec.labels {
            Some(labels) if labels.len() != rows.n_rows() => {
                return Err(CalibrateError::Labels {
                    n_labels: labels.len(),
                    n_rows: rows.n_rows(),
                });
            }
            labels => labels.as_ref().map(|labels| kept(labels, &common)),
        };
        let learning = Learning {
            starts: &starts,
            labels: labels.as_deref(),
            pipeline: &pipeline,
            events: &rule,
            window_len: len,
        };
        let mut causal = causal.fit(&spec.threshold, &learning)?;
        let mut retrospective = retrospective.fit(&spec.threshold.looking_back(), &learning)?;
        let near = causal.ordinary_score().max(retrospective.ordinary_score());
        let events = match spec.events.clear_ratio() {
            Some(_) => rule,
            None => rule.clearing_at(clear_ratio_above(near)),
        };
        for fitted in [&mut causal, &mut retrospective] {
            fitted.report.n_events = fitted.count_events(&events, &starts);
        }
        let parts = DetectorParts {
            pipeline,
            members,
            combination: spec.combination,
            range_weight: spec.range_weight,
            causal: causal.report.threshold.threshold,
            retrospective: retrospective.report.threshold.threshold,
            drifting: causal.report.threshold.drifting,
            rarity: Some(Rarity {
                causal: causal.tail(),
                retrospective: retrospective.tail(),
            }),
            events,
            rules: spec.rules.clone(),
        };
        let report = CalibrationReport {
            scores: causal.scores(&starts),
            causal: causal.report,
            retrospective: retrospective.report,
        };
        let models = candidates.into_iter().map(|candidate| candidate.model).collect();
        Ok((Self::from_parts(parts, models)?, report))
    }
}

/// Where an event clears by default: 0.8, or higher where ordinary scores come close to the threshold, half way from
/// the highest ordinary one. An event that normal rows keep open would never end.
fn clear_ratio_above(ordinary_score: f64) -> f64 {
    (0.5 * (ordinary_score + 1.0)).clamp(0.8, 1.0)
}

/// The rows of those ranges put together.
fn kept<T: Copy>(of_rows: &[T], common: &[Range<usize>]) -> Vec<T> {
    let rows = common.iter().flat_map(|rows| &of_rows[rows.clone()]);
    rows.copied().collect()
}

/// What a threshold is learnt with, beside the errors.
struct Learning<'a> {
    starts: &'a [usize],
    labels: Option<&'a [bool]>,
    pipeline: &'a Pipeline,
    events: &'a EventRule,
    window_len: usize,
}

/// Joined errors of the held-out rows for one mode; NaN where a row has none.
struct Errors {
    combination: Combination,
    errors: Vec<f64>,
    /// Weight of the members that answered.
    present: Vec<f64>,
    /// The bucket under way,
    bucket: usize,
    /// and of each row the largest surprise in it, and the weight of those in it that answered.
    spoken: Vec<(f64, f64)>,
}

impl Errors {
    fn new(combination: Combination, rows: &HeldOutRows<'_>) -> Self {
        Self {
            combination,
            errors: vec![0.0; rows.n_rows()],
            present: vec![0.0; rows.n_rows()],
            bucket: 0,
            spoken: vec![(0.0, 0.0); rows.n_rows()],
        }
    }

    fn add(&mut self, member_idx: usize, weight: f64, judged: &Judged) {
        let bucket = self.combination.bucket(member_idx);
        if bucket != self.bucket {
            self.close();
            self.bucket = bucket;
        }
        let rows = self.spoken.iter_mut().zip(&judged.surprise);
        for ((largest, of_bucket), surprise) in rows.filter(|(_, surprise)| !surprise.is_nan()) {
            // Surprise is not below zero.
            *largest = surprise.max(*largest);
            *of_bucket += weight;
        }
    }

    /// Adds what the bucket under way says.
    fn close(&mut self) {
        let rows = self.errors.iter_mut().zip(&mut self.present);
        for ((error, present), spoken) in rows.zip(&mut self.spoken) {
            let (largest, weight) = std::mem::take(spoken);
            *error += weight * largest;
            *present += weight;
        }
    }

    fn complete(&mut self, total: f64, rows: &HeldOutRows<'_>, ranges: &[Ranges]) {
        self.close();
        let mut parts = Vec::new();
        for (row_idx, (error, present)) in self.errors.iter_mut().zip(&self.present).enumerate() {
            if *present <= 0.0 {
                *error = f64::NAN;
                continue;
            }
            let (fold, row, observed) = rows.row(row_idx);
            parts.clear();
            parts.resize(row.len(), 0.0);
            ranges[fold].add(row, observed, &mut parts);
            *error = *error * (total / present) + parts.iter().sum::<f64>();
        }
    }

    fn keep(&mut self, common: &[Range<usize>]) {
        self.errors = kept(&self.errors, common);
    }

    fn fit(self, rule: &ThresholdRule, from: &Learning<'_>) -> Result<Fitted, CalibrateError> {
        let errors = self.errors;
        let sorted = sorted_finite(errors.iter().copied());
        if sorted.is_empty() {
            return Err(CalibrateError::NothingScored {
                n_rows: errors.len(),
                window_len: from.window_len,
            });
        }
        let held_out = HeldOut {
            errors: &errors,
            segment_starts: from.starts,
            cadence: from.pipeline.parts().cadence,
            labels: from.labels,
        };
        let threshold = rule.fit(&held_out, from.events)?;
        let seen = threshold
            .drifting
            .map(|of| drifting::in_proportion(&held_out, of, threshold.threshold));
        let report = ModeReport {
            n_rows: errors.len(),
            n_scored: sorted.len(),
            n_events: 0,
            errors: [0.5, 0.99, 1.0].map(|share| quantile_sorted(&sorted, share)),
            threshold,
        };
        let errors = seen.unwrap_or(errors);
        Ok(Fitted { report, errors })
    }
}

/// What one mode has learnt, with what it learnt the threshold from.
struct Fitted {
    report: ModeReport,
    /// Joined error of each held-out row, in the proportion in which the threshold has moved there; NaN where it has none.
    errors: Vec<f64>,
}

impl Fitted {
    fn threshold(&self) -> f64 {
        self.report.threshold.threshold.error()
    }

    /// How often the rows reach an error.
    fn tail(&self) -> Tail {
        Tail::fit(&sorted_finite(self.errors.iter().copied()))
    }

    /// The score that 99 % of held-out rows stay below.
    fn ordinary_score(&self) -> f64 {
        self.report.errors[1] / self.threshold()
    }

    /// Scores of the rows of each segment.
    fn scores(&self, starts: &[usize]) -> Vec<Vec<f64>> {
        let n_rows = self.errors.len();
        let ends = starts.iter().skip(1).chain([&n_rows]);
        let score = |error: &f64| error / self.threshold();
        starts
            .iter()
            .zip(ends)
            .map(|(&start, &end)| self.errors[start..end].iter().map(score).collect())
            .collect()
    }

    fn count_events(&self, events: &EventRule, starts: &[usize]) -> usize {
        events.count(&self.errors, self.threshold(), |row| {
            starts.binary_search(&row).is_ok()
        })
    }
}
