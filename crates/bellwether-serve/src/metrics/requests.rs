//! Figures of requests and of what they need, counted as they happen; one count for all of the process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use bellwether_stream::live::{DurationCounts, Durations};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use moka::notification::RemovalCause;

static RECORDER: LazyLock<PrometheusRecorder> = LazyLock::new(recorder);
static HANDLE: LazyLock<PrometheusHandle> = LazyLock::new(|| RECORDER.handle());

static SCORED: LazyLock<Scored> = LazyLock::new(Scored::default);

/// Upper ends of the buckets of answers, in seconds: few, for there is a histogram for each group of routes.
const ANSWER_BOUNDS_S: [f64; 6] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Caches there are.
const CACHES: [&str; 2] = ["models", "answers"];

/// What was judged for requests.
#[derive(Debug, Default)]
struct Scored {
    n_windows: AtomicU64,
    durations: Durations,
}

fn recorder() -> PrometheusRecorder {
    let answers = Matcher::Full("http_request_duration_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(answers, &ANSWER_BOUNDS_S);
    let recorder = builder.expect("there are buckets").build_recorder();
    metrics::with_local_recorder(&recorder, describe);
    recorder
}

fn describe() {
    describe_counter!(
        "http_requests_total",
        "Requests answered, by method, group of routes and status."
    );
    describe_histogram!(
        "http_request_duration_seconds",
        "How long answers took, by group of routes."
    );
    describe_counter!(
        "bellwether_busy_total",
        "Requests that were turned away because too much was going on."
    );
    describe_counter!(
        "bellwether_cache_hits_total",
        "Requests that found in a cache what they need."
    );
    describe_counter!("bellwether_cache_misses_total", "Requests that did not.");
    describe_counter!(
        "bellwether_cache_evictions_total",
        "Entries that left a cache to make room, or for their age."
    );
    describe_gauge!("bellwether_cache_bytes", "Bytes in a cache, about.");
    // They are there before anything happens: a rate needs a beginning.
    counter!("bellwether_busy_total").increment(0);
    for cache in CACHES {
        counter!("bellwether_cache_hits_total", "cache" => cache).increment(0);
        counter!("bellwether_cache_misses_total", "cache" => cache).increment(0);
        counter!("bellwether_cache_evictions_total", "cache" => cache).increment(0);
        gauge!("bellwether_cache_bytes", "cache" => cache).set(0.0);
    }
}

fn record(record: impl FnOnce()) {
    metrics::with_local_recorder(&*RECORDER, record);
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
    record(|| {
        counter!("http_requests_total", "method" => method, "route" => group, "status" => status)
            .increment(1);
        histogram!("http_request_duration_seconds", "route" => group).record(seconds);
    });
}

/// A request was turned away because too much goes on.
pub(crate) fn busy() {
    record(|| counter!("bellwether_busy_total").increment(1));
}

/// A cache was asked.
pub(crate) fn cache_asked(cache: &'static str, is_hit: bool) {
    record(|| {
        if is_hit {
            counter!("bellwether_cache_hits_total", "cache" => cache).increment(1);
        } else {
            counter!("bellwether_cache_misses_total", "cache" => cache).increment(1);
        }
    });
}

/// Something left a cache; what was replaced or taken out by hand does not count.
pub(crate) fn cache_evicted(cache: &'static str, cause: RemovalCause) {
    if cause.was_evicted() {
        record(|| counter!("bellwether_cache_evictions_total", "cache" => cache).increment(1));
    }
}

/// Bytes in a cache.
pub(crate) fn cache_holds(cache: &'static str, bytes: u64) {
    record(|| gauge!("bellwether_cache_bytes", "cache" => cache).set(bytes as f64));
}

/// Windows were judged for a request.
pub(crate) fn scored(n_windows: usize, duration: Duration) {
    SCORED.n_windows.fetch_add(n_windows as u64, Ordering::Relaxed);
    SCORED.durations.add(duration, 1);
}

/// Windows judged for requests so far, and how long that took for each.
pub(super) fn judged() -> (u64, DurationCounts) {
    (
        SCORED.n_windows.load(Ordering::Relaxed),
        SCORED.durations.counts(),
    )
}

/// The figures of requests and caches as Prometheus reads them.
pub(super) fn render() -> String {
    HANDLE.run_upkeep();
    HANDLE.render()
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
