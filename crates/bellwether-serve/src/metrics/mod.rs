//! Figures for Prometheus. What the live system counts is read when somebody asks, what takes long is gathered now and
//! then, and only requests are counted as they happen.
//!
//! Names are those of bellwether's own figures, and a few that older dashboards ask for. Nothing is told of single
//! devices: the number of series does not grow with the fleet.

mod gathered;
mod page;
mod process;
mod requests;

use std::collections::HashSet;

use bellwether_store::database::Verdict;
use bellwether_stream::clock;
use bellwether_stream::live::{Snapshot, Stats};

use crate::app::App;
pub use gathered::Gatherer;
use page::{Kind, Page};
pub(crate) use requests::{answered, busy, cache_asked, cache_evicted, cache_holds, scored};

/// Models told of at most.
const MODELS_MAX: usize = 16;

/// Channels of drift at most.
const DRIFTING_MAX: usize = 16;

/// Channels times results told of at most.
const NOTIFICATIONS_MAX: usize = 48;

/// Counters of the live system: name, text and value.
type Counters = [(&'static str, &'static str, fn(&Snapshot) -> u64); 9];

const COUNTERS: Counters = [
    ("bellwether_samples_received_total", "Samples taken.", |live| {
        live.accepted
    }),
    (
        "bellwether_anomalies_detected_total",
        "Events that opened.",
        |live| live.opened,
    ),
    ("bellwether_commits_total", "Commits to the database.", |live| {
        live.commits
    }),
    (
        "bellwether_commits_failed_total",
        "Commits that failed and were tried again.",
        |live| live.failed_commits,
    ),
    (
        "bellwether_rows_shed_total",
        "Rows that an output could not take in time.",
        |live| live.rows_shed,
    ),
    // Names that older dashboards ask for.
    (
        "ml_anomalies_detected_total",
        "bellwether_anomalies_detected_total under its older name.",
        |live| live.opened,
    ),
    (
        "data_points_processed_total",
        "Samples of the live system that were judged; under its older name.",
        |live| live.judged,
    ),
    (
        "data_ingestion_errors_total",
        "Samples that could not be decoded; under its older name.",
        |live| live.quarantined,
    ),
    (
        "sensor_data_points_total",
        "bellwether_samples_received_total under its older name.",
        |live| live.accepted,
    ),
];

/// All figures as Prometheus reads them.
pub(crate) fn render(app: &App) -> String {
    let mut page = Page::default();
    counts(&mut page, &app.stats.snapshot());
    durations(&mut page, &app.stats);
    notifications(&mut page, &app.stats);
    fleet(&mut page, app);
    models(&mut page, app);
    around(&mut page, app);
    process::put(&mut page, app.started_at.as_nanos() as f64 / 1e9);
    page.text() + &requests::render()
}

fn counts(page: &mut Page, live: &Snapshot) {
    for (name, help, of) in COUNTERS {
        page.counter(name, help, of(live));
    }
    let mut rejected = page.family(
        "bellwether_samples_rejected_total",
        Kind::Counter,
        "Samples not taken, by the reason.",
    );
    for (reason, n) in [
        ("duplicate", live.duplicate),
        ("late", live.late),
        ("quarantined", live.quarantined),
    ] {
        rejected.value(&[("reason", reason)], n as f64);
    }
    let waiting = live.waiting as f64;
    page.gauge("bellwether_queue_depth", "Batches of samples that wait.", waiting);
    page.gauge(
        "data_processing_queue_size",
        "bellwether_queue_depth under its older name.",
        waiting,
    );
    page.gauge("bellwether_devices", "Devices in memory.", live.devices as f64);
    let mut scored = page.family(
        "bellwether_windows_scored_total",
        Kind::Counter,
        "Windows judged, for the live system and for requests.",
    );
    scored.value(&[("way", "live")], live.judged as f64);
    scored.value(&[("way", "request")], requests::judged().0 as f64);
}

fn durations(page: &mut Page, stats: &Stats) {
    page.family(
        "bellwether_end_to_end_latency_seconds",
        Kind::Histogram,
        "From the arrival of a sample to a durable verdict.",
    )
    .durations(&[], &stats.end_to_end());
    let (live, (_, request)) = (stats.judging(), requests::judged());
    let mut scoring = page.family(
        "bellwether_score_duration_seconds",
        Kind::Histogram,
        "How long judging took: for the live system each commit, else each request.",
    );
    scoring.durations(&[("way", "live")], &live);
    scoring.durations(&[("way", "request")], &request);
    page.family(
        "ml_prediction_duration_seconds",
        Kind::Histogram,
        "bellwether_score_duration_seconds under its older name, both ways together.",
    )
    .durations(&[], &(live + request));
}

fn notifications(page: &mut Page, stats: &Stats) {
    let mut family = page.family(
        "bellwether_alert_notifications_total",
        Kind::Counter,
        "Attempts to tell of alerts, by channel and what became of them.",
    );
    for ((channel, result), n) in stats.notifications().into_iter().take(NOTIFICATIONS_MAX) {
        family.value(&[("channel", &channel), ("result", result.word())], n as f64);
    }
}

fn fleet(page: &mut Page, app: &App) {
    let gathered = app.gatherer.latest();
    page.gauge(
        "bellwether_episodes_open",
        "Devices with an event that goes on.",
        gathered.fleet.n_open as f64,
    );
    page.gauge(
        "bellwether_state_bytes",
        "Bytes that the states of all devices take in the database.",
        gathered.state_bytes as f64,
    );
    let mut lag = page.family(
        "bellwether_event_time_lag_seconds",
        Kind::Gauge,
        "How old the last sample of a device was when it was judged: for half of the devices, for 99 of 100, for all.",
    );
    for (devices, seconds) in &gathered.fleet.lag_s {
        lag.value(&[("devices", devices)], *seconds);
    }
    let mut said = page.family(
        "bellwether_feedback_alerts",
        Kind::Gauge,
        "Alerts that people said something of, by what they said last.",
    );
    for verdict in [
        Verdict::Real,
        Verdict::FalseAlarm,
        Verdict::Maintenance,
        Verdict::NewNormal,
    ] {
        said.value(&[("verdict", verdict.word())], gathered.n(verdict) as f64);
    }
    page.gauge(
        "bellwether_feedback_precision",
        "Of the alerts that people called real or false, the share of the real ones; NaN where there are none.",
        gathered.precision(),
    );
}

fn models(page: &mut Page, app: &App) {
    let served = app.models.borrow().in_service();
    let served: Vec<_> = served.into_values().take(MODELS_MAX).collect();
    drift(page, app);
    let mut threshold = page.family(
        "bellwether_model_threshold",
        Kind::Gauge,
        "The error at which a score is 1, by model version in service.",
    );
    for served in &served {
        let error = served.detector.parts().causal.threshold.error();
        threshold.value(&[("model", &served.reference)], error);
    }
    let now = clock::now();
    let mut age = page.family(
        "bellwether_model_age_seconds",
        Kind::Gauge,
        "How long ago a model version in service was made.",
    );
    for served in &served {
        if let Some(made_at) = served.made_at {
            age.value(&[("model", &served.reference)], now.since(made_at).as_secs_f64());
        }
    }
    let gathered = app.gatherer.latest();
    let mut ratio = page.family(
        "bellwether_false_alarm_budget_ratio",
        Kind::Gauge,
        "Events of the last 7 days over the alarms that the budget of the model allows its devices.",
    );
    for served in &served {
        if let Some(alarms) = served.alarms_per_week {
            let spent = gathered.budget_ratio(&served.reference, alarms);
            ratio.value(&[("model", &served.reference)], spent);
        }
    }
}

fn around(page: &mut Page, app: &App) {
    page.family(
        "bellwether_build_info",
        Kind::Gauge,
        "Always 1; the label says the version.",
    )
    .value(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let uptime = clock::instant().saturating_duration_since(app.started);
    page.gauge(
        "bellwether_uptime_seconds",
        "How long the process runs.",
        uptime.as_secs_f64(),
    );
    page.gauge(
        "bellwether_ready",
        "1 where samples are being made durable, else 0.",
        f64::from(u8::from(*app.is_ready.borrow())),
    );
    let mut loss = page.family(
        "bellwether_training_loss",
        Kind::Gauge,
        "Loss of the last epoch of the last training, by the part of the data.",
    );
    if let Some((train, val)) = app.jobs.last_loss() {
        loss.value(&[("part", "train")], train);
        loss.value(&[("part", "validation")], val);
    }
}

/// What the monitors of drift saw last: the channels that moved most, for a label each.
fn drift(page: &mut Page, app: &App) {
    let latest = app.drifts.latest();
    let judged = latest
        .iter()
        .take(MODELS_MAX)
        .filter_map(|found| Some((&*found.model, found.drift.as_ref()?)));
    let judged: Vec<_> = judged.collect();
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
    let mut channels: Vec<_> = judged.iter().flat_map(|(_, drift)| &drift.channels).collect();
    channels.sort_by(|a, b| b.wasserstein.total_cmp(&a.wasserstein));
    let mut names = HashSet::new();
    channels.retain(|channel| names.insert(channel.channel.as_str()));
    let mut score = page.family(
        "bellwether_drift_score",
        Kind::Gauge,
        "How far the recent rows of a channel are from those of training; the 16 channels that moved most.",
    );
    for channel in channels.into_iter().take(DRIFTING_MAX) {
        for (test, value) in [
            ("psi", channel.psi),
            ("ks", channel.ks),
            ("wasserstein", channel.wasserstein),
        ] {
            score.value(&[("sensor", &channel.channel), ("test", test)], value);
        }
    }
}
