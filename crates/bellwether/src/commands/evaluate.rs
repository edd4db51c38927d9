//! `evaluate`: being written.
use bellwether_core::eval::Metrics;
use serde_json::{Map, Value, json};

use crate::cli::EvaluateArgs;
use crate::failure::Failure;
use crate::output::Output;

/// Keys of the metrics in JSON, in order.
pub(crate) const METRIC_KEYS: [&str; 11] = [
    "vus_pr",
    "vus_roc",
    "auc_pr",
    "auc_roc",
    "f1_best",
    "f1",
    "event_f1",
    "range_f1",
    "affiliation_f1",
    "detection_delay_s",
    "false_alarms_per_week",
];

/// The metrics in the order of [`METRIC_KEYS`]; NaN where one is not defined.
pub(crate) fn metric_values(m: &Metrics) -> [f64; METRIC_KEYS.len()] {
    [
        m.vus_pr,
        m.vus_roc,
        m.auc_pr,
        m.auc_roc,
        m.f1_best,
        m.f1,
        m.event_f1,
        m.range_f1,
        m.affiliation_f1,
        m.detection_delay_s.unwrap_or(f64::NAN),
        m.false_alarms_per_week,
    ]
}

/// The metrics as a JSON object; null where one is not defined.
pub(crate) fn metrics_json(values: &[f64; METRIC_KEYS.len()]) -> Value {
    let pairs = METRIC_KEYS
        .iter()
        .zip(values)
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

pub(crate) fn run(_args: &EvaluateArgs, _output: &Output) -> Result<(), Failure> {
    Err(Failure::message("evaluate is being written"))
}
