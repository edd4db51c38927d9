//! The metrics table of an evaluation: a row per detector, and what each number means.

use serde::Serialize;

use super::wire;

/// Detection quality of one or more detectors on the same data.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MetricsTable {
    metrics: Vec<Metric>,
    rows: Vec<MetricsRow>,
}

/// One detector's numbers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MetricsRow {
    /// Name of the detector.
    pub(crate) model: String,
    /// Whether it stands there to compare with.
    pub(crate) is_baseline: bool,
    /// One number per metric, NaN where it is not defined on this data.
    #[serde(serialize_with = "wire::numbers")]
    pub(crate) values: Vec<f64>,
    /// 95 % intervals of the numbers, where there are any.
    pub(crate) intervals: Vec<Option<[f64; 2]>>,
}

/// What a number measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Metric {
    /// Key in the JSON output.
    pub(crate) key: &'static str,
    /// Heading.
    pub(crate) label: &'static str,
    /// What it means, in a line.
    pub(crate) meaning: &'static str,
    /// Whether more is better.
    pub(crate) higher_is_better: bool,
    /// How to print it.
    pub(crate) unit: Unit,
}

/// Unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// A share, in [0, 1].
    Ratio,
    /// Seconds.
    Seconds,
    /// A number per week.
    PerWeek,
    /// A plain number.
    Plain,
}

impl MetricsTable {
    /// A table of `rows` under the metrics of these keys; a key that nobody knows is its own heading.
    ///
    /// # Panics
    /// Where a row has not one value per key: a bug of the caller.
    pub(crate) fn new(keys: &[&'static str], rows: Vec<MetricsRow>) -> Self {
        assert!(
            rows.iter()
                .all(|row| row.values.len() == keys.len() && row.intervals.len() == keys.len()),
            "one value and one interval per metric in every row"
        );
        Self {
            metrics: keys.iter().map(|&key| Metric::of(key)).collect(),
            rows,
        }
    }
}

impl Metric {
    /// The metric of that key.
    pub(crate) fn of(key: &'static str) -> Self {
        KNOWN
            .iter()
            .find(|metric| metric.key == key)
            .copied()
            .unwrap_or(Self {
                key,
                label: key,
                meaning: "",
                higher_is_better: true,
                unit: Unit::Plain,
            })
    }
}

/// A ratio of which more is better: nearly all of them.
const fn ratio(key: &'static str, label: &'static str, meaning: &'static str) -> Metric {
    Metric {
        key,
        label,
        meaning,
        higher_is_better: true,
        unit: Unit::Ratio,
    }
}

/// The metrics of `evaluate`, the most telling first.
const KNOWN: [Metric; 12] = [
    ratio(
        "vus_pr",
        "VUS-PR",
        "Quality over all thresholds and all tolerances at the edges of an event; needs no threshold, and rare events count.",
    ),
    ratio(
        "vus_roc",
        "VUS-ROC",
        "The same for hits against false alarms; flattering where anomalies are rare.",
    ),
    ratio(
        "auc_pr",
        "AUC-PR",
        "Precision averaged over all recalls, sample by sample; chance level is the share of anomalous samples.",
    ),
    ratio(
        "auc_roc",
        "AUC-ROC",
        "Probability that an anomalous sample scores above a normal one; chance level is 0.5.",
    ),
    ratio(
        "f1_best",
        "Best F1",
        "Sample-wise F1 at the best threshold in hindsight: an upper bound, not a promise.",
    ),
    ratio(
        "f1",
        "F1",
        "Sample-wise balance of precision and recall at the model's own threshold.",
    ),
    ratio(
        "f1_point_adjusted",
        "Adjusted F1",
        "F1 after one hit was taken for the whole event: inflated by design, shown only to compare with papers.",
    ),
    ratio(
        "event_f1",
        "Event F1",
        "Whole events counted once: found or missed, real or false, at the model's own threshold.",
    ),
    ratio(
        "range_f1",
        "Range F1",
        "Events weighed by how much of each was covered, in how many pieces.",
    ),
    ratio(
        "affiliation_f1",
        "Affiliation F1",
        "How near in time alarms and real events lie; a near miss is worth something.",
    ),
    Metric {
        key: "detection_delay_s",
        label: "Delay",
        meaning: "Mean time from the start of a real event to its first alarm.",
        higher_is_better: false,
        unit: Unit::Seconds,
    },
    Metric {
        key: "false_alarms_per_week",
        label: "False alarms / week",
        meaning: "Alarms in a week of operation with no real event behind them.",
        higher_is_better: false,
        unit: Unit::PerWeek,
    },
];
