//! How good an answer was: labelled truth against scores and predictions, one file per metric.
//!
//! [`ranking`] (AUC-PR, AUC-ROC, best point F1) and [`vus`] judge the *scores*, whatever the threshold;
//! [`point`], [`event`], [`range`] and [`affiliation`] judge *predictions*; [`delay`] says what an operator
//! feels: how late, how many missed, how many false alarms a week, and [`operation`] how much warning there was and how long
//! the alarm stood. [`sweep`] finds the best threshold for a metric of predictions, [`cost`] the cheapest. [`evaluate`]
//! gives all of them at once. [`causes`] judges rankings of channels where the cause is known. [`bootstrap`] and [`interval`] say how far a figure could be off by luck.
//!
//! Without labels there are [`injected`] faults to be found and the [`stability`] of scores. [`point_adjusted`] is kept to
//! compare with papers.
//!
//! The definitions are those of TSB-AD (Liu and Paparrizos, "The Elephant in the Room", NeurIPS 2024) and
//! scikit-learn, so that figures compare with published ones; the tests hold every metric to 1e-9 of them.
//! Higher is better everywhere but in [`delay`].
//!
//! # Edges
//! - No samples, lengths that differ, time that does not rise: an error.
//! - No labelled sample: an error; precision and recall of nothing have no value. ([`delay::false_alarms`] works.)
//! - Every sample labelled: an error where a metric needs normal samples (ranking, VUS, false alarms, [`evaluate`]).
//! - A NaN score is an unscored sample: it ranks below every score, tied with −∞, and no finite threshold marks it.
//! - Equal scores are one step of every curve; constant scores rank nothing and give the chance level.
//! - Nothing predicted: precision, recall and F1 are 0.

use std::ops::Range;
use std::time::Duration;

use thiserror::Error;

use crate::time::Timestamp;

pub mod affiliation;
pub mod bootstrap;
pub mod causes;
pub mod cost;
pub mod delay;
pub mod event;
pub mod injected;
pub mod interval;
pub mod operation;
pub mod point;
pub mod point_adjusted;
pub mod range;
pub mod ranking;
pub mod stability;
pub mod sweep;
pub mod vus;

/// Every metric of one labelled series. Ratios lie in [0, 1]; higher is better but for the last two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Volume under the precision–recall surface over buffers of 0 to `vus_window` samples: the one to rank by.
    pub vus_pr: f64,
    /// Volume under the ROC surface over the same buffers.
    pub vus_roc: f64,
    /// Average precision.
    pub auc_pr: f64,
    /// Area under the ROC curve; 0.5 is chance.
    pub auc_roc: f64,
    /// Point F1 at the threshold that suits the labels best: an upper bound, no one gets it in service.
    pub f1_best: f64,
    /// Point F1 of the predictions.
    pub f1: f64,
    /// F1 of event recall and point precision of the predictions.
    pub event_f1: f64,
    /// Range-based F1 of the predictions.
    pub range_f1: f64,
    /// Affiliation F1 of the predictions; random predictions reach about 0.7.
    pub affiliation_f1: f64,
    /// Mean time from the start of an event to its first predicted sample, over detected events, in seconds;
    /// `None` where no event was detected.
    pub detection_delay_s: Option<f64>,
    /// Predicted runs that touch no labelled sample, per week of unlabelled time.
    pub false_alarms_per_week: f64,
}

/// What a judged prediction is worth; each in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F1 {
    /// How much of what was predicted is right; 0 where nothing was predicted.
    pub precision: f64,
    /// How much of the truth was found.
    pub recall: f64,
    /// Harmonic mean of the two; 0 where both are 0.
    pub f1: f64,
}

impl F1 {
    const ZERO: Self = Self {
        precision: 0.0,
        recall: 0.0,
        f1: 0.0,
    };

    fn new(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        let f1 = if sum > 0.0 {
            2.0 * precision * recall / sum
        } else {
            0.0
        };
        Self {
            precision,
            recall,
            f1,
        }
    }
}

/// Why an answer could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// There is not one value for each label.
    #[error("{what}: found {found} values for {wanted} labels: pass one for each sample")]
    LengthMismatch {
        /// Which argument: `scores`, `predicted` or `time`.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The number of labels.
        wanted: usize,
    },
    /// There are no samples at all.
    #[error("labels: no samples: pass at least one labelled and one normal sample")]
    Empty,
    /// Nothing is labelled anomalous, so nothing could have been found.
    #[error("labels: none of {n_samples} samples is anomalous: evaluate on a part that holds an event")]
    NoEvent {
        /// The number of samples.
        n_samples: usize,
    },
    /// Everything is labelled anomalous, so nothing could have been a false alarm.
    #[error(
        "labels: all {n_samples} samples are anomalous: evaluate on a part that holds normal samples too"
    )]
    NothingNormal {
        /// The number of samples.
        n_samples: usize,
    },
    /// The work of the volume metrics grows with the square of the window, so it is bounded.
    #[error(
        "vus_window: {window} samples, but at most {window_max} are computed: choose about an event's length"
    )]
    WindowTooLong {
        /// The window asked for.
        window: usize,
        /// [`vus::WINDOW_MAX`].
        window_max: usize,
    },
    /// A sample is not later than the one before it.
    #[error("time: sample {sample_idx} at {time} is not after {before}: sort by time, without duplicates")]
    TimeNotRising {
        /// Index of the sample.
        sample_idx: usize,
        /// Its time.
        time: Timestamp,
        /// The time of the sample before it.
        before: Timestamp,
    },
}

/// Judges one series by every metric.
///
/// # Shapes
/// `labels`, `scores`, `predicted` and `time`: `[n_samples]`, in time order. `predicted` is what an operator was
/// told at the threshold in use; `scores` may hold NaN for samples that no window covers.
///
/// # Units
/// `vus_window` counts samples: the widest buffer round an event in which a near miss still earns something
/// ([`vus::default_window`] where the caller has none).
///
/// # Errors
/// Lengths that differ, no samples, no labelled or no normal sample, time that does not rise, or a window
/// longer than [`vus::WINDOW_MAX`].
pub fn evaluate(
    labels: &[bool],
    scores: &[f64],
    predicted: &[bool],
    time: &[Timestamp],
    vus_window: usize,
) -> Result<Metrics, EvalError> {
    let ranking = ranking::Ranking::new(labels, scores)?;
    let volume = vus::vus(labels, scores, vus_window)?;
    let delay = delay::detection_delay(labels, predicted, time)?;
    let false_alarms_per_week =
        delay::false_alarms(labels, predicted, time)?
            .per_week()
            .ok_or(EvalError::NothingNormal {
                n_samples: labels.len(),
            })?;
    Ok(Metrics {
        vus_pr: volume.pr,
        vus_roc: volume.roc,
        auc_pr: ranking.auc_pr(),
        auc_roc: ranking.auc_roc(),
        f1_best: ranking.best_f1().f1,
        f1: point::point_f1(labels, predicted)?.f1,
        event_f1: event::event_f1(labels, predicted)?.f1,
        range_f1: range::range_f1(labels, predicted)?.f1,
        affiliation_f1: affiliation::affiliation_f1(labels, predicted)?.f1,
        detection_delay_s: delay.mean_s,
        false_alarms_per_week,
    })
}

/// The maximal runs of `true`, in order, as half-open index ranges.
pub fn runs(flags: &[bool]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = None;
    for (idx, &flag) in flags.iter().enumerate() {
        match (flag, start) {
            (true, None) => start = Some(idx),
            (false, Some(first)) => {
                runs.push(first..idx);
                start = None;
            }
            _ => {}
        }
    }
    runs.extend(start.map(|first| first..flags.len()));
    runs
}

/// At least one sample, and `len` values of `what` for them.
fn check_len(labels: &[bool], what: &'static str, len: usize) -> Result<(), EvalError> {
    if labels.is_empty() {
        return Err(EvalError::Empty);
    }
    if len != labels.len() {
        return Err(EvalError::LengthMismatch {
            what,
            found: len,
            wanted: labels.len(),
        });
    }
    Ok(())
}

/// What every metric of predictions needs: equal lengths and something to find.
fn check_predicted(labels: &[bool], predicted: &[bool]) -> Result<(), EvalError> {
    check_len(labels, "predicted", predicted.len())?;
    check_event(labels)
}

/// What every metric of scores needs: equal lengths, something to find and something to leave alone.
fn check_scores(labels: &[bool], scores: &[f64]) -> Result<(), EvalError> {
    check_len(labels, "scores", scores.len())?;
    check_event(labels)?;
    if labels.iter().all(|&label| label) {
        return Err(EvalError::NothingNormal {
            n_samples: labels.len(),
        });
    }
    Ok(())
}

fn check_event(labels: &[bool]) -> Result<(), EvalError> {
    if labels.iter().any(|&label| label) {
        Ok(())
    } else {
        Err(EvalError::NoEvent {
            n_samples: labels.len(),
        })
    }
}

/// One time per label, each after the one before.
fn check_time(labels: &[bool], time: &[Timestamp]) -> Result<(), EvalError> {
    check_len(labels, "time", time.len())?;
    match time.windows(2).position(|pair| pair[1] <= pair[0]) {
        None => Ok(()),
        Some(idx) => Err(EvalError::TimeNotRising {
            sample_idx: idx + 1,
            time: time[idx + 1],
            before: time[idx],
        }),
    }
}

/// Time that the samples of `is_counted` stand for: each reaches to the next sample, or one cadence where that is a gap (more
/// than one and a half cadences) or the end.
fn watched(time: &[Timestamp], cadence: Duration, is_counted: impl Fn(usize) -> bool) -> Duration {
    let mut watched = Duration::ZERO;
    for idx in (0..time.len()).filter(|&idx| is_counted(idx)) {
        let step = time.get(idx + 1).map_or(cadence, |next| next.since(time[idx]));
        watched = watched.saturating_add(if step > cadence + cadence / 2 {
            cadence
        } else {
            step
        });
    }
    watched
}

/// A score as it ranks: an unscored sample (NaN) lies below every score.
fn ranked(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

/// `a / b`, 0 where there is nothing to divide.
fn ratio(a: usize, b: usize) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_maximal_and_half_open() {
        let check = |flags: &str, expect: &[Range<usize>]| {
            let flags: Vec<bool> = flags.chars().map(|c| c == '1').collect();
            assert_eq!(runs(&flags), expect);
        };
        check("", &[]);
        check("000", &[]);
        check("1011", &[0..1, 2..4]);
        check("1011001", &[0..1, 2..4, 6..7]);
    }

    #[test]
    fn what_cannot_be_judged_is_an_error_that_says_why() {
        let secs = |n: i64| -> Vec<Timestamp> { (0..n).map(Timestamp::from_secs).collect() };
        let check = |labels: &[bool], n_scores: usize, n_pred: usize, time: &[Timestamp], w, expect: &str| {
            let got = evaluate(labels, &vec![0.5; n_scores], &vec![true; n_pred], time, w);
            assert_eq!(got.unwrap_err().to_string(), expect);
        };
        let mixed = [true, false, true];
        check(
            &[],
            0,
            0,
            &[],
            0,
            "labels: no samples: pass at least one labelled and one normal sample",
        );
        check(
            &mixed,
            2,
            3,
            &secs(3),
            0,
            "scores: found 2 values for 3 labels: pass one for each sample",
        );
        check(
            &mixed,
            3,
            4,
            &secs(3),
            0,
            "predicted: found 4 values for 3 labels: pass one for each sample",
        );
        check(
            &mixed,
            3,
            3,
            &secs(1),
            0,
            "time: found 1 values for 3 labels: pass one for each sample",
        );
        check(
            &[false; 3],
            3,
            3,
            &secs(3),
            0,
            "labels: none of 3 samples is anomalous: evaluate on a part that holds an event",
        );
        check(
            &[true; 3],
            3,
            3,
            &secs(3),
            0,
            "labels: all 3 samples are anomalous: evaluate on a part that holds normal samples too",
        );
        check(
            &mixed,
            3,
            3,
            &secs(3),
            10_001,
            "vus_window: 10001 samples, but at most 10000 are computed: choose about an event's length",
        );
        let still = [0, 5, 5].map(Timestamp::from_secs);
        check(
            &mixed,
            3,
            3,
            &still,
            0,
            "time: sample 2 at 1970-01-01T00:00:05Z is not after 1970-01-01T00:00:05Z: \
             sort by time, without duplicates",
        );
    }
}
