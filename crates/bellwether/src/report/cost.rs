//! What thresholds would have cost: the curve, and its two points of interest.

use serde::Serialize;

use super::wire;

/// Costs over thresholds, from the highest down.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CostTable {
    /// Price of a missed event.
    pub(crate) miss: f64,
    /// Price of a false alarm.
    pub(crate) false_alarm: f64,
    /// At the threshold in use.
    pub(crate) present: CostRow,
    /// Where it is least.
    pub(crate) cheapest: CostRow,
    pub(crate) curve: Vec<CostRow>,
}

/// One threshold.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CostRow {
    /// As a multiple of the one in use; null in JSON for no alarm at all.
    #[serde(serialize_with = "wire::number")]
    pub(crate) threshold: f64,
    pub(crate) n_missed: usize,
    pub(crate) n_false_alarms: usize,
    pub(crate) cost: f64,
}
