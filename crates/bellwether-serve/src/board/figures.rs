//! Sums over the fleet.

use std::collections::HashMap;
use std::sync::Arc;

use super::Board;

/// Sums over the fleet.
#[derive(Debug, Default)]
pub(crate) struct FleetFigures {
    /// Devices with an event that goes on.
    pub(crate) n_open: usize,
    /// How old the last sample of a device was at most when it was judged, in seconds, for these shares of the
    /// devices; empty without devices.
    pub(crate) lag_s: Vec<(&'static str, f64)>,
    /// Devices by the model version that judged them last.
    pub(crate) n_by_model: HashMap<Arc<str>, usize>,
}

impl Board {
    /// Looks at every device.
    pub(crate) fn figures(&self) -> FleetFigures {
        let mut figures = FleetFigures::default();
        let mut lags = Vec::new();
        for entry in self.all() {
            figures.n_open += usize::from(entry.open.is_some());
            if let Some(model) = &entry.model {
                *figures.n_by_model.entry(Arc::clone(model)).or_default() += 1;
            }
            if let (Some(seen), Some(time)) = (entry.last_seen, entry.last_time) {
                lags.push((seen.as_nanos() as f64 - time.as_nanos() as f64) / 1e9);
            }
        }
        lags.sort_unstable_by(f64::total_cmp);
        if let Some(last) = lags.len().checked_sub(1) {
            let at = |quantile: f64| lags[(quantile * last as f64).round() as usize];
            figures.lag_s = vec![("p50", at(0.5)), ("p99", at(0.99)), ("all", at(1.0))];
        }
        figures
    }
}
