//! The parts of a manifest that are records: plain facts for people.
//!
//! These types are the JSON of every format version so far: a field renamed here is a format changed.

use bellwether_core::detect::{CalibrationReport, ModeReport};
use bellwether_core::threshold::{Period, ThresholdRule};
use bellwether_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire::rfc_3339;

/// What a model learnt from, and how that went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// What [`super::fingerprint`] makes of the training frames.
    pub data_fingerprint: String,
    /// The series, in the order of training.
    pub series: Vec<SeriesRecord>,
    /// Samples of all series.
    pub n_samples: usize,
    /// Windows trained on in each epoch.
    pub n_train_windows: usize,
    /// Windows that judged the epochs.
    pub n_val_windows: usize,
    /// Every epoch in order.
    pub epochs: Vec<EpochRecord>,
    /// The epoch whose weights were kept.
    pub best_epoch: usize,
    /// Why training ended.
    pub end: String,
    /// Seed of weights and order.
    pub seed: u64,
    /// The flags as given.
    pub settings: serde_json::Value,
    /// What was typed behind `bellwether`, to be typed again; empty where no command line did it, and in bundles that
    /// were made before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The version that served under this name when training began, which this one may follow; `None` where there was
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRecord>,
    /// How long training took; `None` where nobody measured.
    pub seconds: Option<f64>,
}

/// Another version that a model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentRecord {
    /// `NAME@VERSION`.
    pub model: String,
    /// SHA-256 of its bundle file.
    pub sha256: String,
}

/// A training series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesRecord {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub n_samples: usize,
    /// Time of the first.
    #[serde(with = "rfc_3339")]
    pub start: Timestamp,
    /// Time of the last.
    #[serde(with = "rfc_3339")]
    pub end: Timestamp,
}

/// What an epoch of training achieved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// From 0.
    pub epoch: usize,
    /// Mean loss over the training windows.
    pub train_loss: f64,
    /// Loss on the validation windows.
    pub val_loss: f64,
    /// Learning rate at its end.
    pub learning_rate: f64,
}

/// How the thresholds were chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationRecord {
    /// The rule as text, such as `budget:1/week`.
    pub rule: String,
    /// For causal scores.
    pub causal: ModeRecord,
    /// For retrospective scores.
    pub retrospective: ModeRecord,
}

/// What was found on the held-out rows for one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeRecord {
    /// Held-out rows.
    pub n_rows: usize,
    /// Those with a score.
    pub n_scored: usize,
    /// Events that open on them.
    pub n_events: usize,
    /// Median of the smoothed errors.
    pub error_median: f64,
    /// Their 99 % quantile.
    pub error_q99: f64,
    /// The largest of them.
    pub error_max: f64,
    /// What the threshold rests on, as a sentence; `None` for rules that rest on nothing but the errors.
    pub support: Option<String>,
    /// Alarms per week and series that the threshold was chosen for; `None` for rules without a budget.
    pub alarms_per_week: Option<f64>,
    /// Alarms per week and series to be expected of rows like the held-out ones; `None` where the rule does not say, and
    /// in bundles that were made before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_per_week: Option<f64>,
    /// Why the threshold is not the rule's own, as a sentence; `None` where it is.
    pub fallback: Option<String>,
}

impl CalibrationRecord {
    /// The facts of `report` that are worth keeping.
    pub fn new(rule: &ThresholdRule, report: &CalibrationReport) -> Self {
        Self {
            rule: rule.to_string(),
            causal: ModeRecord::new(&report.causal),
            retrospective: ModeRecord::new(&report.retrospective),
        }
    }
}

impl ModeRecord {
    fn new(report: &ModeReport) -> Self {
        let [error_median, error_q99, error_max] = report.errors;
        let support = report.threshold.support;
        let week = Period::Week.duration();
        Self {
            n_rows: report.n_rows,
            n_scored: report.n_scored,
            n_events: report.n_events,
            error_median,
            error_q99,
            error_max,
            support: support.map(|support| support.to_string()),
            alarms_per_week: support.and_then(|support| support.supported_in(week)),
            predicted_per_week: support.and_then(|support| support.predicted_in(week)),
            fallback: report.threshold.fallback.map(|fallback| fallback.to_string()),
        }
    }
}
