//! What can be said of a detector where nobody knows the truth: alarms to expect, how stable its scores are, and whether it would
//! have seen faults that are put into copies of the data.

use bellwether_core::eval::injected::{Injected, InjectedRecall, InjectionSpec, injected};
use bellwether_core::eval::interval::{self, Interval};
use bellwether_core::eval::stability::{self, Agreement, Stretch, agreement, shaken};
use bellwether_core::frame::Frame;
use bellwether_core::synth::AnomalyKind;
use serde_json::{Value, json};

use super::Judge;
use super::figures::interval_json;
use crate::failure::Failure;

/// One detector on one series without labels.
#[derive(Debug)]
pub(crate) struct Unlabelled {
    pub(crate) model: String,
    pub(crate) series: String,
    /// Alarms raised in the data as they are, and the weeks of scored data that they came in.
    n_alarms: usize,
    weeks: f64,
    stretches: Vec<Stretch>,
    /// Scores as they are against scores of data that shake a little.
    shaken: Agreement,
    injected: Injected,
}

/// Stretches that the data are cut into.
const N_STRETCHES: usize = 10;

/// Standard deviation of the added noise, as a share of each channel's own.
const SHAKE: f64 = 0.01;

/// Columns of the figures in tables, in the order of [`Unlabelled::figures`].
pub(crate) const UNLABELLED_KEYS: [&str; 20] = [
    "alarms_per_week",
    "alarms_low",
    "alarms_high",
    "injected_recall",
    "injected_vus_pr",
    "injected_delay_s",
    "spike",
    "level_shift",
    "drift",
    "stuck",
    "noise",
    "dropout",
    "correlation_break",
    "frequency_change",
    "contextual",
    "collective",
    "degradation",
    "shaken_rank_correlation",
    "shaken_alarms_kept",
    "most_anomalous_tenth",
];

/// Judges the rows of `frame` from `from` on.
pub(crate) fn unlabelled(
    model: &str,
    series: &str,
    judge: &Judge<'_>,
    frame: &Frame,
    from: usize,
    seed: u64,
) -> Result<Unlabelled, Failure> {
    let scores = judge.score(series, frame, from)?;
    let n_scored = scores.iter().filter(|score| !score.is_nan()).count();
    let weeks = n_scored as f64 * frame.schema().cadence().as_secs_f64() / (7.0 * 86_400.0);
    let others = judge.score(series, &shaken(frame, SHAKE, seed)?, from)?;
    // The same rows for all detectors, so that all look for the same faults, and none in what was learnt from.
    let rows = frame.slice(from..frame.n_samples())?;
    let spec = InjectionSpec {
        grace: judge.window_len(),
        seed,
        ..InjectionSpec::default()
    };
    Ok(Unlabelled {
        model: model.to_owned(),
        series: series.to_owned(),
        n_alarms: judge.n_alarms(&scores, &frame.time()[from..]),
        weeks,
        stretches: stability::stretches(&scores, N_STRETCHES),
        shaken: agreement(&scores, &others)?,
        injected: injected(&rows, &spec, |copy| judge.score(series, &copy, 0))?,
    })
}

impl Unlabelled {
    fn rate(&self) -> f64 {
        self.n_alarms as f64 / self.weeks
    }

    /// Where the rate may lie; not known where no sample has a score.
    fn rate_interval(&self) -> Option<Interval> {
        let mean = interval::poisson_mean(self.n_alarms);
        (self.weeks > 0.0).then(|| Interval {
            low: mean.low / self.weeks,
            high: mean.high / self.weeks,
        })
    }

    /// Faults of the usual strength of a kind, or of all kinds.
    fn usual(&self, kind: Option<AnomalyKind>) -> impl Iterator<Item = &InjectedRecall> {
        self.injected.recall.iter().filter(move |entry| {
            let is_usual = entry.magnitude == entry.kind.default_magnitude();
            is_usual && kind.is_none_or(|kind| entry.kind == kind)
        })
    }

    /// Mean over the kinds of the share found, at the usual strength; NaN where no fault could be put in.
    pub(crate) fn recall(&self) -> f64 {
        mean(self.usual(None).map(InjectedRecall::recall))
    }

    /// In the order of [`UNLABELLED_KEYS`]; NaN where one is not defined.
    pub(crate) fn figures(&self) -> [f64; UNLABELLED_KEYS.len()] {
        let rate = self.rate_interval();
        let of_kind = |kind: AnomalyKind| mean(self.usual(Some(kind)).map(InjectedRecall::recall));
        [
            self.rate(),
            rate.map_or(f64::NAN, |rate| rate.low),
            rate.map_or(f64::NAN, |rate| rate.high),
            self.recall(),
            self.injected.vus_pr.unwrap_or(f64::NAN),
            mean(self.usual(None).filter_map(|entry| entry.delay_s)),
            of_kind(AnomalyKind::Spike),
            of_kind(AnomalyKind::LevelShift),
            of_kind(AnomalyKind::Drift),
            of_kind(AnomalyKind::Stuck),
            of_kind(AnomalyKind::Noise),
            of_kind(AnomalyKind::Dropout),
            of_kind(AnomalyKind::CorrelationBreak),
            of_kind(AnomalyKind::FrequencyChange),
            of_kind(AnomalyKind::Contextual),
            of_kind(AnomalyKind::Collective),
            of_kind(AnomalyKind::Degradation),
            self.shaken.rank_correlation,
            self.shaken.alarms_kept,
            self.stretches
                .iter()
                .map(|stretch| stretch.share_anomalous)
                .fold(f64::NAN, f64::max),
        ]
    }

    /// An entry of `series` in JSON.
    pub(crate) fn json(&self, dataset: Option<&str>) -> Value {
        let injected = self.injected.recall.iter().map(|entry| {
            json!({
                "kind": entry.kind.name(),
                "magnitude": entry.magnitude,
                "faults": entry.n,
                "found": entry.n_found,
                "recall": entry.recall(),
                "interval": interval_json(entry.interval()),
                "delay_s": entry.delay_s,
            })
        });
        let stretches = self.stretches.iter().map(|stretch| {
            json!({
                "scored": stretch.n_scored,
                "share_anomalous": stretch.share_anomalous,
                "median_score": stretch.median_score,
            })
        });
        json!({
            "dataset": dataset,
            "series": self.series,
            "model": self.model,
            "alarms": self.n_alarms,
            "weeks": self.weeks,
            "alarms_per_week": self.rate(),
            "alarms_per_week_interval": interval_json(self.rate_interval()),
            "stability": {
                "stretches": stretches.collect::<Vec<_>>(),
                "shaken_rank_correlation": self.shaken.rank_correlation,
                "shaken_alarms_kept": self.shaken.alarms_kept,
            },
            "injected_recall": self.recall(),
            "injected_vus_pr": self.injected.vus_pr,
            "injected": injected.collect::<Vec<_>>(),
        })
    }
}

/// NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let known: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    known.iter().sum::<f64>() / known.len() as f64
}

/// Means over the series of one detector, rates by adding up; what is NaN does not count.
pub(crate) fn unlabelled_mean(of_model: &[&Unlabelled]) -> [f64; UNLABELLED_KEYS.len()] {
    let n_alarms = of_model.iter().map(|one| one.n_alarms).sum();
    let weeks: f64 = of_model.iter().map(|one| one.weeks).sum();
    let rate = interval::poisson_mean(n_alarms);
    let rows: Vec<_> = of_model.iter().map(|one| one.figures()).collect();
    let mut figures = std::array::from_fn(|column| mean(rows.iter().map(|row| row[column])));
    figures[0] = n_alarms as f64 / weeks;
    figures[1] = if weeks > 0.0 { rate.low / weeks } else { f64::NAN };
    figures[2] = if weeks > 0.0 { rate.high / weeks } else { f64::NAN };
    figures
}
