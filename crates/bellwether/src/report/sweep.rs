//! How often alarms would be at other thresholds, as a curve.

use serde::Serialize;

use super::wire;

/// Alarms against thresholds, `[n_points]` each.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sweep {
    /// Multiples of the threshold in force, rising.
    #[serde(serialize_with = "wire::numbers")]
    pub(crate) thresholds: Vec<f64>,
    /// Alarms per week and series in the data of the report.
    #[serde(serialize_with = "wire::numbers")]
    pub(crate) alarms_per_week: Vec<f64>,
    /// What was asked for; none where no rate was.
    #[serde(serialize_with = "wire::maybe_number")]
    pub(crate) asked_per_week: Option<f64>,
    /// What held-out rows predict at the threshold in force.
    #[serde(serialize_with = "wire::maybe_number")]
    pub(crate) predicted_per_week: Option<f64>,
    /// Scored weeks of all series together.
    #[serde(serialize_with = "wire::number")]
    pub(crate) weeks: f64,
}
