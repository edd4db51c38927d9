//! Figures of the models in service, and of what the monitors of drift saw last.

use std::collections::HashSet;
use std::sync::Arc;

use bellwether_core::detect::Mode;
use bellwether_core::drift::{Drift, Severity};
use bellwether_core::time::Timestamp;
use bellwether_stream::live::Served;

use super::gathered::Gathered;
use super::page::{Kind, Page};
use crate::drift::Found;

/// Models told of at most.
const MODELS_MAX: usize = 8;

/// Channels of drift at most.
const DRIFTING_MAX: usize = 8;

/// What is told of a model version in service.
#[derive(Debug, Clone)]
pub(super) struct ModelFigures {
    model: Arc<str>,
    threshold: f64,
    age_s: Option<f64>,
    budget_ratio: Option<f64>,
}

/// A channel that may have moved, and how far it did.
struct Moved<'a> {
    channel: &'a str,
    severity: Severity,
    effect: f64,
    tests: [(&'static str, f64); 4],
}

pub(super) fn figures<'a>(
    served: impl Iterator<Item = &'a Arc<Served>>,
    gathered: &Gathered,
    now: Timestamp,
) -> Vec<ModelFigures> {
    let of = |served: &Arc<Served>| ModelFigures {
        model: Arc::clone(&served.reference),
        threshold: served.detector.threshold(Mode::Causal).error(),
        age_s: served.made_at.map(|made_at| now.since(made_at).as_secs_f64()),
        budget_ratio: served
            .alarms_per_week
            .map(|alarms| gathered.budget_ratio(&served.reference, alarms)),
    };
    served.map(of).collect()
}

pub(super) fn put(page: &mut Page, models: &[ModelFigures]) {
    let models = &models[..models.len().min(MODELS_MAX)];
    let mut threshold = page.family(
        "bellwether_model_threshold",
        Kind::Gauge,
        "The error at which a score is 1, by model version in service.",
    );
    for of in models {
        threshold.value(&[("model", &of.model)], of.threshold);
    }
    let mut age = page.family(
        "bellwether_model_age_seconds",
        Kind::Gauge,
        "How long ago a model version in service was made.",
    );
    for of in models {
        if let Some(seconds) = of.age_s {
            age.value(&[("model", &of.model)], seconds);
        }
    }
    let mut ratio = page.family(
        "bellwether_false_alarm_budget_ratio",
        Kind::Gauge,
        "Events of the last 7 days over the alarms that the budget of the model allows its devices.",
    );
    for of in models {
        if let Some(spent) = of.budget_ratio {
            ratio.value(&[("model", &of.model)], spent);
        }
    }
}

/// What the monitors of drift saw last. Of what could not be judged nothing is said.
pub(super) fn put_drift(page: &mut Page, latest: &[Arc<Found>]) {
    let latest = &latest[..latest.len().min(MODELS_MAX)];
    let compared = latest
        .iter()
        .filter_map(|found| Some((&*found.model, found.drift.as_ref()?)));
    let judged: Vec<(&str, &Drift)> = compared
        .filter(|(_, drift)| drift.is_judged() || drift.is_drift())
        .collect();
    let mut verdict = page.family(
        "bellwether_drift",
        Kind::Gauge,
        "1 where recent rows no longer look as in training, else 0, by model version.",
    );
    for (model, drift) in &judged {
        verdict.value(&[("model", model)], f64::from(u8::from(drift.is_drift())));
    }
    let mut share = page.family(
        "bellwether_drift_channel_share_ratio",
        Kind::Gauge,
        "Share of the channels whose recent rows no longer look as in training, by model version.",
    );
    for (model, drift) in &judged {
        share.value(&[("model", model)], drift.share_of_channels());
    }
    let mut score = page.family(
        "bellwether_drift_score",
        Kind::Gauge,
        "How far the recent rows of a channel are from those of training; the 8 channels that moved most.",
    );
    for moved in most_moved(judged.iter().map(|(_, drift)| *drift)) {
        for (test, value) in moved.tests {
            if !value.is_nan() {
                score.value(&[("sensor", moved.channel), ("test", test)], value);
            }
        }
    }
    let mut scores = page.family(
        "bellwether_score_drift_psi",
        Kind::Gauge,
        "Population stability index of recent scores against those of held-out rows of the training, by model version.",
    );
    for found in latest {
        if let Some(drift) = found.scores.as_ref().filter(|scores| scores.is_judged()) {
            scores.value(&[("model", &found.model)], drift.psi);
        }
    }
}

/// The channels that moved most, each once: those beyond chance and largest first.
fn most_moved<'a>(drifts: impl Iterator<Item = &'a Drift>) -> Vec<Moved<'a>> {
    let mut moved: Vec<Moved<'a>> = Vec::new();
    for drift in drifts {
        moved.extend(drift.missing_channels.iter().map(|channel| Moved {
            channel,
            severity: Severity::Critical,
            effect: f64::INFINITY,
            tests: [
                ("psi", f64::NAN),
                ("ks", f64::NAN),
                ("wasserstein", f64::NAN),
                ("missing", 1.0),
            ],
        }));
        let judged = drift
            .channels
            .iter()
            .filter(|channel| channel.is_judged() || channel.is_drift());
        moved.extend(judged.map(|channel| Moved {
            channel: &channel.channel,
            severity: channel.severity,
            effect: channel.effect,
            tests: [
                ("psi", channel.psi),
                ("ks", channel.ks),
                ("wasserstein", channel.wasserstein),
                ("missing", channel.missing_rise),
            ],
        }));
    }
    moved.sort_by(|a, b| b.severity.cmp(&a.severity).then(b.effect.total_cmp(&a.effect)));
    let mut names = HashSet::new();
    moved.retain(|moved| names.insert(moved.channel));
    moved.truncate(DRIFTING_MAX);
    moved
}

#[cfg(test)]
pub(super) mod tests {
    use bellwether_core::drift::{Baseline, compare, compare_scores};
    use bellwether_core::frame::{Channel, Frame};
    use std::time::Duration;

    use super::*;

    /// Columns that move by so much, with a memory of one row.
    fn found(model: &str, shifts: &[f64]) -> Found {
        let n = 400;
        let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 997) as f64 / 997.0;
        let channels: Vec<Channel> = (0..shifts.len()).map(|c| Channel::new(format!("c{c}"))).collect();
        let frame = |moves: bool| {
            let cell = |(row, column): (usize, usize)| {
                // The first is constant.
                let noise = if column == 0 { 5.0 } else { noise(row, column) };
                noise + if moves { shifts[column] } else { 0.0 }
            };
            let cells = (0..n).flat_map(|row| (0..shifts.len()).map(move |column| (row, column)));
            let time = (0..n as i64).map(Timestamp::from_secs).collect();
            Frame::new(channels.clone(), time, cells.map(cell).collect()).unwrap()
        };
        let scores: Vec<f64> = (0..n).map(|row| noise(row, 99)).collect();
        let baseline = Baseline::of(&[frame(false)]).with_scores(std::slice::from_ref(&scores));
        Found::of(
            model,
            Some(compare(&baseline, &[frame(true)]).unwrap()),
            compare_scores(&baseline, &[scores], Duration::from_secs(1)),
        )
    }

    /// All series that there can be.
    pub(in super::super) fn put_most(page: &mut Page) {
        let of = |model: usize| ModelFigures {
            model: format!("pump@{model}").into(),
            threshold: 1.0,
            age_s: Some(1.0),
            budget_ratio: Some(1.0),
        };
        put(page, &(0..100).map(of).collect::<Vec<_>>());
        let drifts = (0..100).map(|model| Arc::new(found(&format!("pump@{model}"), &[0.0; 20])));
        put_drift(page, &drifts.collect::<Vec<_>>());
    }

    #[test]
    fn channels_that_moved_come_before_those_that_have_no_scale() {
        let mut shifts = [0.0; 20];
        (shifts[13], shifts[17]) = (0.5, 3.0);
        let found = found("pump@1", &shifts);
        let moved = most_moved(found.drift.iter());
        assert_eq!(moved.len(), DRIFTING_MAX);
        let [first, second, ..] = moved.as_slice() else {
            panic!("eight channels")
        };
        assert_eq!([first.channel, second.channel], ["c17", "c13"]);
        let mut page = Page::default();
        put_drift(&mut page, &[Arc::new(found)]);
        let text = page.text();
        for line in [
            "bellwether_drift{model=\"pump@1\"} 1",
            "bellwether_drift_score{sensor=\"c17\",test=\"ks\"} 1",
            "bellwether_drift_score{sensor=\"c17\",test=\"missing\"} 0",
            "bellwether_score_drift_psi{model=\"pump@1\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn of_what_could_not_be_judged_nothing_is_said() {
        let frame = |n: i64| {
            let values = (0..n).map(|row| (row * 7919 % 97) as f64).collect();
            let time = (0..n).map(Timestamp::from_secs).collect();
            Frame::new(vec![Channel::new("a")], time, values).unwrap()
        };
        let few = compare(&Baseline::of(&[frame(400)]), &[frame(5)]).unwrap();
        assert!(!few.is_judged());
        let mut page = Page::default();
        put_drift(&mut page, &[Arc::new(Found::of("pump@1", Some(few), None))]);
        let text = page.text();
        assert!(!text.contains('{'), "{text}");
    }
}
