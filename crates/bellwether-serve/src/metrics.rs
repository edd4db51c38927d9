//! Figures for Prometheus. What the live system counts is read when somebody asks; only requests are counted as they
//! happen.
//!
//! Names are those of bellwether's own figures, and a few that older dashboards ask for. Nothing is told of single
//! devices: the number of series does not grow with the fleet.

use std::sync::{LazyLock, OnceLock};

use axum::http::{Method, StatusCode};
use bellwether_stream::live::Snapshot;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::app::App;

/// Where figures are kept; one for all of the process.
static RECORDER: LazyLock<PrometheusRecorder> = LazyLock::new(recorder);
static HANDLE: LazyLock<PrometheusHandle> = LazyLock::new(|| RECORDER.handle());

/// Upper ends of the buckets of durations, in seconds.
const BUCKETS_S: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Models told of at most.
const MODELS_MAX: usize = 16;

fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets(&BUCKETS_S).expect("there are buckets");
    builder.build_recorder()
}

/// Names that older dashboards ask for, and the counter of ours that each stands for.
const OLDER: [(&str, &str, fn(&Snapshot) -> u64); 3] = [
    (
        "ml_anomalies_detected_total",
        "Events that opened; bellwether_anomalies_detected_total under its older name.",
        |live| live.opened,
    ),
    (
        "data_points_processed_total",
        "Samples judged; bellwether_windows_scored_total under its older name.",
        |live| live.judged,
    ),
    (
        "data_ingestion_errors_total",
        "Messages that could not be decoded; under its older name.",
        |live| live.quarantined,
    ),
];

fn describe() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        describe_gauge!(
            "bellwether_build_info",
            Unit::Count,
            "Always 1; the label says the version."
        );
        describe_counter!("bellwether_samples_received_total", Unit::Count, "Samples taken.");
        describe_counter!(
            "bellwether_samples_rejected_total",
            Unit::Count,
            "Samples not taken, by the reason."
        );
        describe_counter!("bellwether_windows_scored_total", Unit::Count, "Samples judged.");
        describe_counter!(
            "bellwether_anomalies_detected_total",
            Unit::Count,
            "Events that opened."
        );
        describe_counter!(
            "bellwether_commits_total",
            Unit::Count,
            "Commits to the database."
        );
        describe_counter!(
            "bellwether_commits_failed_total",
            Unit::Count,
            "Commits that failed and were tried again."
        );
        describe_counter!(
            "bellwether_rows_shed_total",
            Unit::Count,
            "Rows that an output could not take in time."
        );
        describe_gauge!(
            "bellwether_queue_depth",
            Unit::Count,
            "Batches of samples that wait."
        );
        describe_gauge!("bellwether_devices", Unit::Count, "Devices in memory.");
        describe_gauge!(
            "bellwether_end_to_end_latency_quantile_seconds",
            Unit::Seconds,
            "From the arrival of a sample to a durable verdict, by quantile, since the start."
        );
        describe_gauge!(
            "bellwether_uptime_seconds",
            Unit::Seconds,
            "How long the process runs."
        );
        describe_gauge!(
            "bellwether_ready",
            Unit::Count,
            "1 where samples are being made durable, else 0."
        );
        describe_gauge!(
            "bellwether_model_threshold",
            Unit::Count,
            "The error at which a score is 1, by model version."
        );
        describe_gauge!(
            "bellwether_drift",
            Unit::Count,
            "1 where recent rows no longer look as in training, else 0, by model version."
        );
        describe_gauge!(
            "bellwether_drift_channel_share",
            Unit::Count,
            "Share of the channels that drift or are gone, by model version."
        );
        describe_gauge!(
            "bellwether_training_loss",
            Unit::Count,
            "Loss of the last epoch of the last training, by the part of the data."
        );
        describe_counter!(
            "http_requests_total",
            Unit::Count,
            "Requests answered, by method, group of routes and status."
        );
        describe_histogram!(
            "http_request_duration_seconds",
            Unit::Seconds,
            "How long answers took."
        );
        describe_gauge!(
            "process_resident_memory_bytes",
            Unit::Bytes,
            "Memory that the process holds."
        );
        describe_gauge!(
            "process_start_time_seconds",
            Unit::Seconds,
            "When the process started, since 1970."
        );
        for (name, text, _) in OLDER {
            describe_counter!(name, Unit::Count, text);
        }
        describe_gauge!(
            "data_processing_queue_size",
            Unit::Count,
            "bellwether_queue_depth under its older name."
        );
    });
}

/// Counts a request. Its route is told as its group, its status by its first digit: few series for many routes.
pub(crate) fn answered(method: &Method, route: &str, status: StatusCode, seconds: f64) {
    let group = group_of(route);
    let method = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let status = match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    };
    metrics::with_local_recorder(&*RECORDER, || {
        counter!("http_requests_total", "method" => method, "route" => group, "status" => status)
            .increment(1);
        histogram!("http_request_duration_seconds", "route" => group).record(seconds);
    });
}

/// The part of the service that a route belongs to.
fn group_of(route: &str) -> &'static str {
    const GROUPS: [&str; 16] = [
        "alerts",
        "anomalies",
        "audit",
        "config",
        "data",
        "detect",
        "devices",
        "drift",
        "export",
        "jobs",
        "keys",
        "live",
        "models",
        "status",
        "sign-in",
        "whoami",
    ];
    let path = route
        .strip_prefix("/api/v1/")
        .unwrap_or(route)
        .trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    match first {
        "health" => "health",
        "metrics" => "metrics",
        first => GROUPS
            .into_iter()
            .find(|group| *group == first)
            .unwrap_or("other"),
    }
}

/// All figures as Prometheus reads them.
pub(crate) fn render(app: &App) -> String {
    metrics::with_local_recorder(&*RECORDER, || {
        describe();
        live(&app.stats.snapshot());
        around(app);
    });
    HANDLE.run_upkeep();
    HANDLE.render()
}

fn live(live: &Snapshot) {
    counter!("bellwether_samples_received_total").absolute(live.accepted);
    for (reason, n) in [
        ("duplicate", live.duplicate),
        ("late", live.late),
        ("quarantined", live.quarantined),
    ] {
        counter!("bellwether_samples_rejected_total", "reason" => reason).absolute(n);
    }
    counter!("bellwether_windows_scored_total").absolute(live.judged);
    counter!("bellwether_anomalies_detected_total").absolute(live.opened);
    counter!("bellwether_commits_total").absolute(live.commits);
    counter!("bellwether_commits_failed_total").absolute(live.failed_commits);
    counter!("bellwether_rows_shed_total").absolute(live.rows_shed);
    gauge!("bellwether_queue_depth").set(live.waiting as f64);
    gauge!("data_processing_queue_size").set(live.waiting as f64);
    gauge!("bellwether_devices").set(live.devices as f64);
    for (quantile, seconds) in [("0.5", live.lag_p50_s), ("0.99", live.lag_p99_s)] {
        gauge!("bellwether_end_to_end_latency_quantile_seconds", "quantile" => quantile).set(seconds);
    }
    for (name, _, of) in OLDER {
        counter!(name).absolute(of(live));
    }
}

fn around(app: &App) {
    gauge!("bellwether_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let uptime = bellwether_stream::clock::instant().saturating_duration_since(app.started);
    gauge!("bellwether_uptime_seconds").set(uptime.as_secs_f64());
    gauge!("process_start_time_seconds").set(app.started_at.as_nanos() as f64 / 1e9);
    gauge!("bellwether_ready").set(f64::from(u8::from(*app.is_ready.borrow())));
    if let Some(bytes) = resident_bytes() {
        gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Some((train, val)) = app.jobs.last_loss() {
        gauge!("bellwether_training_loss", "part" => "train").set(train);
        gauge!("bellwether_training_loss", "part" => "validation").set(val);
    }
    for found in app.drifts.latest().iter().take(MODELS_MAX) {
        if let Some(drift) = &found.drift {
            let model = found.model.to_string();
            let is_drift = f64::from(u8::from(drift.is_drift()));
            gauge!("bellwether_drift", "model" => model.clone()).set(is_drift);
            gauge!("bellwether_drift_channel_share", "model" => model).set(drift.share_of_channels());
        }
    }
    for served in app.models.borrow().iter().flatten().take(MODELS_MAX) {
        let threshold = served.detector.parts().causal.threshold.error();
        gauge!("bellwether_model_threshold", "model" => served.reference.to_string()).set(threshold);
    }
}

/// Memory that the process holds, where the system tells.
fn resident_bytes() -> Option<f64> {
    let status = bellwether_store::disk::read_bounded("/proc/self/status".as_ref(), 1 << 16).ok()?;
    let status = String::from_utf8(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_by_their_group() {
        let check = |route: &str, expect: &str| assert_eq!(group_of(route), expect);
        check("/api/v1/devices/{device}/history", "devices");
        check("/api/v1/models/{name}", "models");
        check("/health/ready", "health");
        check("/metrics", "metrics");
        check("other", "other");
        check("/api/v1/made-up", "other");
    }
}

/// A cache was asked.
pub(crate) fn cache_asked(cache: &'static str, is_hit: bool) {
    if is_hit {
        metrics::counter!("bellwether_cache_hits_total", "cache" => cache).increment(1);
    } else {
        metrics::counter!("bellwether_cache_misses_total", "cache" => cache).increment(1);
    }
}

/// Something left a cache; what was replaced or taken out by hand does not count.
pub(crate) fn cache_evicted(cache: &'static str, cause: moka::notification::RemovalCause) {
    if cause.was_evicted() {
        metrics::counter!("bellwether_cache_evictions_total", "cache" => cache).increment(1);
    }
}

/// Bytes in a cache.
pub(crate) fn cache_holds(cache: &'static str, bytes: u64) {
    metrics::gauge!("bellwether_cache_bytes", "cache" => cache).set(bytes as f64);
}

/// Windows were judged for a request.
pub(crate) fn scored(n_windows: usize, seconds: f64) {
    metrics::counter!("bellwether_windows_scored_total").increment(n_windows as u64);
    metrics::histogram!("bellwether_score_duration_seconds").record(seconds);
}
