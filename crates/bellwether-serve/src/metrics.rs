//! Figures for Prometheus.

use axum::http::{Method, StatusCode};

pub(crate) fn answered(method: &Method, route: &str, status: StatusCode, seconds: f64) {
    let _ = (method, route, status, seconds);
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
