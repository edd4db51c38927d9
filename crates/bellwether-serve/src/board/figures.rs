//! Sums over the fleet.

use std::collections::HashMap;
use std::sync::Arc;

use bellwether_core::time::Timestamp;

use super::{Board, Counts};

/// Sums over the fleet.
#[derive(Debug, Default)]
pub(crate) struct FleetFigures {
    /// Devices by state.
    pub(crate) counts: Counts,
    /// How old the last sample of a device was at most when it was judged, in seconds, for these shares of the
    /// devices; empty without devices.
    pub(crate) lag_s: Vec<(&'static str, f64)>,
    /// How long nothing has come from a device at most, in the same way: one that is dead is seen here, its last lag
    /// stays as it was.
    pub(crate) silence_s: Vec<(&'static str, f64)>,
    /// Devices by the model version that judged them last.
    pub(crate) n_by_model: HashMap<Arc<str>, usize>,
}

impl Board {
    /// Looks at every device.
    pub(crate) fn figures(&self, now: Timestamp) -> FleetFigures {
        let mut figures = FleetFigures::default();
        let (mut lags, mut silences) = (Vec::new(), Vec::new());
        let seconds = |from: Timestamp, to: Timestamp| (to.as_nanos() as f64 - from.as_nanos() as f64) / 1e9;
        for entry in self.all() {
            figures.counts.add(entry.state());
            if let Some(model) = &entry.model {
                *figures.n_by_model.entry(Arc::clone(model)).or_default() += 1;
            }
            if let (Some(seen), Some(time)) = (entry.last_seen, entry.last_time) {
                lags.push(seconds(time, seen));
                silences.push(seconds(seen, now).max(0.0));
            }
        }
        figures.lag_s = of_shares(lags);
        figures.silence_s = of_shares(silences);
        figures
    }
}

/// What half of the devices, 99 of 100, and all do not exceed; nothing without devices.
fn of_shares(mut values: Vec<f64>) -> Vec<(&'static str, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return Vec::new();
    };
    let at = |share: f64| values[(share * last as f64).round() as usize];
    vec![("p50", at(0.5)), ("p99", at(0.99)), ("all", at(1.0))]
}
