//! How often alarms are: what was asked for, what held-out rows predict, what the data at hand show, and what other
//! thresholds would give.

use std::time::Duration;

use bellwether_core::detect::Mode;
use bellwether_core::threshold::{AlarmBudget, Allowance, Period, Threshold, ThresholdRule};
use bellwether_core::time::humane;
use bellwether_store::bundle::manifest::Manifest;
use serde_json::{Value, json};

use crate::commands::judge::Judged;
use crate::failure::Failure;
use crate::output::{Output, Rows};
use crate::report::Sweep;

/// Alarms per week and series, side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// `None` where the rule names no rate.
    asked: Option<AlarmBudget>,
    /// Of rows like the held-out ones. `None` where their threshold is not the one in force.
    predicted: Option<f64>,
    n_events: usize,
    /// Scored time of all series together.
    watched: Duration,
}

impl Rates {
    /// `is_own`: the threshold in force is the one that the detector was calibrated with.
    pub(crate) fn new(manifest: &Manifest, mode: Mode, judged: &[Judged], is_own: bool) -> Self {
        let asked = match manifest.calibration.rule.parse() {
            Ok(ThresholdRule::Budget(budget) | ThresholdRule::Conformal(Allowance::Rate(budget))) => {
                Some(budget)
            }
            _ => None,
        };
        Self {
            asked: asked.filter(|_| is_own),
            predicted: is_own.then(|| predicted_per_week(manifest, mode)),
            n_events: judged.iter().map(|series| series.scores.events.len()).sum(),
            watched: judged.iter().map(watched).sum(),
        }
    }

    /// `asked 1/week, predicted 0.93/week, realised 4.5/week (2 events in 3.1 days)`.
    pub(crate) fn in_words(&self) -> String {
        let per = self.asked.map_or(Period::Week, |budget| budget.per());
        let rate = |per_week: f64| {
            let rate = per_week * per.duration().as_secs_f64() / WEEK.as_secs_f64();
            AlarmBudget::new(rate, per).map_or_else(|| format!("0/{}", per.name()), |rate| rate.to_string())
        };
        let mut text = String::new();
        if let Some(asked) = self.asked {
            text += &format!("asked {asked}, ");
        }
        if let Some(predicted) = self.predicted {
            text += &format!("predicted {}, ", rate(predicted));
        }
        let (n, plural) = (self.n_events, if self.n_events == 1 { "" } else { "s" });
        match self.realised() {
            Some(realised) => {
                let span = humane(self.watched);
                text + &format!(
                    "realised {} ({n} event{plural} in {span} of scored data)",
                    rate(realised)
                )
            }
            None => text + "realised unknown: nothing was scored",
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "asked_per_week": self.asked_per_week(),
            "predicted_per_week": self.predicted,
            "realised_per_week": self.realised(),
            "watched_s": self.watched.as_secs_f64(),
        })
    }

    fn asked_per_week(&self) -> Option<f64> {
        self.asked.map(|asked| asked.events_in(WEEK))
    }

    fn realised(&self) -> Option<f64> {
        let weeks = self.watched.as_secs_f64() / WEEK.as_secs_f64();
        (weeks > 0.0).then(|| self.n_events as f64 / weeks)
    }

    /// The curve for the report; `None` where nothing was scored.
    pub(crate) fn curve(&self, judged: &[Judged]) -> Option<Sweep> {
        const N_POINTS: i32 = 49;
        self.realised()?;
        // From a quarter to ten times the threshold, which is one of the points.
        let step = 40.0_f64.powf(1.0 / f64::from(N_POINTS - 1));
        let below = (4.0_f64.ln() / step.ln()).round() as i32;
        let thresholds: Vec<f64> = (0..N_POINTS).map(|idx| step.powi(idx - below)).collect();
        let weeks = self.watched.as_secs_f64() / WEEK.as_secs_f64();
        let per_week = |threshold: &f64| n_events(judged, *threshold) as f64 / weeks;
        Some(Sweep {
            alarms_per_week: thresholds.iter().map(per_week).collect(),
            thresholds,
            asked_per_week: self.asked_per_week(),
            predicted_per_week: self.predicted,
            weeks,
        })
    }
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What the record says, or in bundles and under rules that do not say, what was counted on held-out rows.
fn predicted_per_week(manifest: &Manifest, mode: Mode) -> f64 {
    let record = match mode {
        Mode::Causal => &manifest.calibration.causal,
        Mode::Retrospective => &manifest.calibration.retrospective,
    };
    let cadence = manifest.detector.pipeline.parts().cadence.as_secs_f64();
    let weeks = record.n_scored as f64 * cadence / WEEK.as_secs_f64();
    let counted = record.n_events as f64 / weeks.max(f64::MIN_POSITIVE);
    record.predicted_per_week.unwrap_or(counted)
}

/// Scored time of a series.
fn watched(series: &Judged) -> Duration {
    let n_scored = series.scores.score.iter().filter(|score| !score.is_nan()).count();
    series.recording.frame.schema().cadence().mul_f64(n_scored as f64)
}

/// The threshold that all series are judged by; `None` where each has its own.
pub(crate) fn common_threshold(judged: &[Judged]) -> Option<Threshold> {
    let first = judged.first()?.threshold;
    judged
        .iter()
        .all(|series| series.threshold == first)
        .then_some(first)
}

/// Events that open in all series at so many times the threshold.
fn n_events(judged: &[Judged], threshold: f64) -> usize {
    let of_series = judged.iter().map(|Judged { scores, detector, .. }| {
        let rule = &detector.parts().events;
        let starts = scores.segment_starts(detector.pipeline());
        rule.count(&scores.score, threshold, |row| starts.binary_search(&row).is_ok())
    });
    of_series.sum()
}

/// Thresholds of the sweep, as multiples of the stored one.
const SWEEP: [f64; 13] = [
    0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 3.0, 5.0, 10.0,
];

/// How many events each threshold would give.
pub(crate) fn sweep(rates: &Rates, judged: &[Judged], output: &Output) -> Result<(), Failure> {
    let weeks = rates.watched.as_secs_f64() / WEEK.as_secs_f64();
    let mut rows = Rows::new(&["threshold", "events", "events_per_week", "share_anomalous"]);
    for factor in SWEEP {
        let events = n_events(judged, factor);
        let scores = || judged.iter().flat_map(|series| &series.scores.score);
        let above = scores().filter(|&&score| score >= factor).count();
        let scored = scores().filter(|score| !score.is_nan()).count();
        rows.push(vec![
            json!(factor),
            json!(events),
            json!(events as f64 / weeks),
            json!(above as f64 / scored.max(1) as f64),
        ]);
    }
    output.note(&format!(
        "thresholds are multiples of the one in force, 1.0; alarms: {}",
        rates.in_words()
    ));
    let watched_s = rates.watched.as_secs_f64();
    let document = json!({ "sweep": rows.objects(), "watched_s": watched_s, "alarms": rates.json() });
    output.answer(&document, &rows)
}
