//! What the thresholds would have cost, over all series together.

use bellwether_core::eval::cost::{CostPoint, Prices, cheapest, cost_curve};
use serde_json::{Value, json};

use super::Assessed;
use crate::failure::Failure;
use crate::report::{CostRow, CostTable};

/// The curve with its two points of interest.
#[derive(Debug, Clone)]
pub(crate) struct Costs {
    pub(crate) prices: Prices,
    pub(crate) curve: Vec<CostPoint>,
    /// At the threshold in use.
    pub(crate) present: CostPoint,
    pub(crate) cheapest: CostPoint,
}

impl Costs {
    /// Of one detector on all its series.
    pub(crate) fn of(assessed: &[&Assessed], prices: Prices) -> Result<Self, Failure> {
        let series: Vec<(&[bool], &[f64])> = assessed
            .iter()
            .map(|one| (one.judged.labels.as_slice(), one.judged.scores.as_slice()))
            .collect();
        let curve = cost_curve(&series, prices, 1.0)?;
        let present = curve.iter().find(|point| point.threshold <= 1.0);
        let present = *present.expect("the threshold in use is on the curve");
        let cheapest = cheapest(&curve).expect("the curve holds the threshold in use");
        Ok(Self {
            prices,
            curve,
            present,
            cheapest,
        })
    }

    /// One sentence for people.
    pub(crate) fn sentence(&self) -> String {
        let said = |point: &CostPoint| {
            format!(
                "{} ({} missed, {} false alarms)",
                point.cost, point.n_missed, point.n_false_alarms
            )
        };
        let best = if self.cheapest.threshold.is_finite() {
            format!("{:.3} times that threshold", self.cheapest.threshold)
        } else {
            "no alarm at all".to_owned()
        };
        format!(
            "cost at the present threshold {}; the least, {}, with {best}, found with the labels in hand",
            said(&self.present),
            said(&self.cheapest)
        )
    }

    /// The same for the page.
    pub(crate) fn to_report(&self) -> CostTable {
        let row = |point: &CostPoint| CostRow {
            threshold: point.threshold,
            n_missed: point.n_missed,
            n_false_alarms: point.n_false_alarms,
            cost: point.cost,
        };
        CostTable {
            miss: self.prices.miss,
            false_alarm: self.prices.false_alarm,
            present: row(&self.present),
            cheapest: row(&self.cheapest),
            curve: self.curve.iter().map(row).collect(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let point = |point: &CostPoint| {
            json!({
                // Null is no alarm at all.
                "threshold": point.threshold.is_finite().then_some(point.threshold),
                "missed_events": point.n_missed,
                "false_alarms": point.n_false_alarms,
                "cost": point.cost,
            })
        };
        json!({
            "cost_miss": self.prices.miss,
            "cost_false_alarm": self.prices.false_alarm,
            "present": point(&self.present),
            "cheapest": point(&self.cheapest),
            "curve": self.curve.iter().map(point).collect::<Vec<_>>(),
        })
    }
}
