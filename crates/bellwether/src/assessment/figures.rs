//! The metrics under the names that are a contract.

use bellwether_core::eval::Metrics;
use bellwether_core::eval::interval::Interval;
use serde_json::{Map, Value, json};

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

/// Metrics in the order of [`METRIC_KEYS`]; NaN where one is not defined.
pub(crate) type Values = [f64; METRIC_KEYS.len()];

/// The metrics in the order of [`METRIC_KEYS`]; NaN where one is not defined.
pub(crate) fn metric_values(m: &Metrics) -> Values {
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
pub(crate) fn metrics_json(values: &Values) -> Value {
    by_key(values.iter().map(|value| json!(value)))
}

/// `{"vus_pr": [low, high], …}`; null where there is no interval.
pub(crate) fn intervals_json(intervals: &[Option<Interval>; METRIC_KEYS.len()]) -> Value {
    by_key(intervals.iter().map(|interval| interval_json(*interval)))
}

/// `[low, high]`, or null.
pub(super) fn interval_json(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |interval| json!([interval.low, interval.high]))
}

fn by_key(values: impl Iterator<Item = Value>) -> Value {
    let pairs = METRIC_KEYS
        .iter()
        .zip(values)
        .map(|(key, value)| ((*key).to_owned(), value));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Means of the columns; what is not defined for a row does not count.
pub(crate) fn column_means(rows: &[Values]) -> Values {
    std::array::from_fn(|column| {
        let defined: Vec<f64> = rows
            .iter()
            .map(|row| row[column])
            .filter(|value| !value.is_nan())
            .collect();
        defined.iter().sum::<f64>() / defined.len() as f64
    })
}
