//! Figures for Prometheus. What the live system counts is read when somebody asks, what takes long is gathered now and
//! then, and only requests are counted as they happen.
//!
//! Names are those of bellwether's own figures, and a few that older dashboards ask for. Nothing is told of single
//! devices: the number of series does not grow with the fleet.

mod fleet;
mod gathered;
mod models;
mod page;
mod process;
mod requests;

use bellwether_stream::clock;
use bellwether_stream::live::{Notifications, Snapshot, Stats};

use crate::app::App;
pub use gathered::Gatherer;
use page::{Kind, Page};
pub(crate) use process::resident_bytes;
pub(crate) use requests::{answered, busy, cache_asked, cache_evicted, cache_holds, scored};

/// Channels times results told of at most.
const NOTIFICATIONS_MAX: usize = 24;

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
    notifications(&mut page, app.stats.notifications());
    let gathered = app.gatherer.latest();
    fleet::put(&mut page, &gathered);
    let served = app.models.borrow().in_service();
    models::put(
        &mut page,
        &models::figures(served.values(), &gathered, clock::now()),
    );
    models::put_drift(&mut page, &app.drifts.latest());
    let uptime = clock::instant().saturating_duration_since(app.started);
    around(
        &mut page,
        uptime.as_secs_f64(),
        *app.is_ready.borrow(),
        app.jobs.last_loss(),
    );
    process::put(&mut page, app.started_at.as_nanos() as f64 / 1e9);
    requests::put(&mut page);
    page.text()
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
    let mut scored = page.family(
        "bellwether_windows_scored_total",
        Kind::Counter,
        "Windows that got a score, for the live system and for requests.",
    );
    scored.value(&[("way", "live")], live.scored as f64);
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

fn notifications(page: &mut Page, counts: Notifications) {
    let mut family = page.family(
        "bellwether_alert_notifications_total",
        Kind::Counter,
        "Attempts to tell of alerts, by channel and what became of them.",
    );
    for ((channel, result), n) in counts.into_iter().take(NOTIFICATIONS_MAX) {
        family.value(&[("channel", &channel), ("result", result.word())], n as f64);
    }
}

fn around(page: &mut Page, uptime_s: f64, is_ready: bool, last_loss: Option<(f64, f64)>) {
    page.family(
        "bellwether_build_info",
        Kind::Gauge,
        "Always 1; the label says the version.",
    )
    .value(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.gauge(
        "bellwether_uptime_seconds",
        "How long the process runs.",
        uptime_s,
    );
    page.gauge(
        "bellwether_ready",
        "1 where samples are being made durable, else 0.",
        f64::from(u8::from(is_ready)),
    );
    let mut loss = page.family(
        "bellwether_training_loss",
        Kind::Gauge,
        "Loss of the last epoch of the last training, by the part of the data.",
    );
    if let Some((train, val)) = last_loss {
        loss.value(&[("part", "train")], train);
        loss.value(&[("part", "validation")], val);
    }
}

#[cfg(test)]
mod tests {
    use bellwether_stream::live::NotificationResult;

    use super::*;

    /// Series that a scrape may have.
    const SERIES_MAX: usize = 400;

    #[test]
    fn no_use_of_the_service_makes_more_series_than_a_scrape_may_have() {
        let stats = Stats::default();
        let mut page = Page::default();
        counts(&mut page, &stats.snapshot());
        durations(&mut page, &stats);
        let result = NotificationResult::Sent;
        let many = (0..1000).map(|channel| ((channel.to_string(), result), 1));
        notifications(&mut page, many.collect());
        fleet::tests::put_most(&mut page);
        models::tests::put_most(&mut page);
        around(&mut page, 1.0, true, Some((0.1, 0.2)));
        process::put(&mut page, 0.0);
        requests::tests::put_most(&mut page);
        let text = page.text();
        let n_series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(n_series <= SERIES_MAX, "{n_series} series");
        // Enough of it is used that the bounds mean something.
        assert!(n_series > SERIES_MAX * 9 / 10, "{n_series} series");
    }
}
