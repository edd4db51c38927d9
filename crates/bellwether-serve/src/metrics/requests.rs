//! Figures of requests and of what they need, counted as they happen; one count for all of the process.
//!
//! What is counted has a bounded number of places, whatever is asked, and grows with nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use bellwether_stream::live::{DurationCounts, Durations};
use moka::notification::RemovalCause;

use super::page::{Kind, Page};

static REQUESTS: LazyLock<Requests> = LazyLock::new(Requests::default);

/// Methods, groups and statuses told apart at most; what comes after them is counted under `other`.
const ASKED_MAX: usize = 125;

/// Statuses, by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What durations of answers are told apart by.
const KINDS: [&str; 5] = ["ingest", "judge", "read", "change", "other"];

/// Caches there are.
const CACHES: [&str; 2] = ["models", "answers"];

/// A method, a group of routes and a class of statuses.
type Asked = (&'static str, &'static str, &'static str);

#[derive(Debug, Default)]
struct Requests {
    answered: Mutex<BTreeMap<Asked, u64>>,
    durations: [Durations; KINDS.len()],
    n_busy: AtomicU64,
    caches: [CacheCounts; CACHES.len()],
    n_windows: AtomicU64,
    judging: Durations,
}

#[derive(Debug, Default)]
struct CacheCounts {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    bytes: AtomicU64,
}

/// Counts a request. Its route is told as its group, its status by its first digit: few series for many routes.
pub(crate) fn answered(method: &Method, route: &str, status: StatusCode, seconds: f64) {
    let group = group_of(route);
    let kind = kind_of(method, group);
    if let Some(kind) = KINDS.iter().position(|known| *known == kind) {
        REQUESTS.durations[kind].add(Duration::try_from_secs_f64(seconds).unwrap_or_default(), 1);
    }
    let asked = (method_of(method, status), group, class_of(status));
    let mut answered = REQUESTS.answered.lock().unwrap_or_else(PoisonError::into_inner);
    count(&mut answered, asked);
}

/// A request was turned away because too much goes on.
pub(crate) fn busy() {
    add(&REQUESTS.n_busy, 1);
}

/// A cache was asked.
pub(crate) fn cache_asked(cache: &'static str, is_hit: bool) {
    if let Some(counts) = cache_of(cache) {
        add(if is_hit { &counts.hits } else { &counts.misses }, 1);
    }
}

/// Something left a cache; what was replaced or taken out by hand does not count.
pub(crate) fn cache_evicted(cache: &'static str, cause: RemovalCause) {
    if let Some(counts) = cache_of(cache).filter(|_| cause.was_evicted()) {
        add(&counts.evictions, 1);
    }
}

/// Bytes in a cache.
pub(crate) fn cache_holds(cache: &'static str, bytes: u64) {
    if let Some(counts) = cache_of(cache) {
        counts.bytes.store(bytes, Ordering::Relaxed);
    }
}

/// Windows were judged for a request.
pub(crate) fn scored(n_windows: usize, duration: Duration) {
    add(&REQUESTS.n_windows, n_windows as u64);
    REQUESTS.judging.add(duration, 1);
}

/// Windows judged for requests so far, and how long that took for each.
pub(super) fn judged() -> (u64, DurationCounts) {
    (get(&REQUESTS.n_windows), REQUESTS.judging.counts())
}

/// The figures of requests and caches. They are there before anything happens: a rate needs a beginning.
pub(super) fn put(page: &mut Page) {
    put_all(page, &REQUESTS);
}

fn put_all(page: &mut Page, requests: &Requests) {
    let mut answered = page.family(
        "http_requests_total",
        Kind::Counter,
        "Requests answered, by method, group of routes and class of status.",
    );
    let counts = requests
        .answered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for ((method, route, status), n) in counts {
        answered.value(
            &[("method", method), ("route", route), ("status", status)],
            n as f64,
        );
    }
    let mut durations = page.family(
        "http_request_duration_seconds",
        Kind::Histogram,
        "How long answers took, by what was asked for.",
    );
    for (kind, counted) in KINDS.iter().zip(&requests.durations) {
        durations.coarse_durations(&[("kind", kind)], &counted.counts());
    }
    page.counter(
        "bellwether_busy_total",
        "Requests that were turned away because too much was going on.",
        get(&requests.n_busy),
    );
    type Count = fn(&CacheCounts) -> &AtomicU64;
    let families: [(_, _, _, Count); 4] = [
        (
            "bellwether_cache_hits_total",
            Kind::Counter,
            "Requests that found in a cache what they need.",
            |counts| &counts.hits,
        ),
        (
            "bellwether_cache_misses_total",
            Kind::Counter,
            "Requests that did not.",
            |counts| &counts.misses,
        ),
        (
            "bellwether_cache_evictions_total",
            Kind::Counter,
            "Entries that left a cache to make room.",
            |counts| &counts.evictions,
        ),
        (
            "bellwether_cache_bytes",
            Kind::Gauge,
            "Bytes in a cache, about.",
            |counts| &counts.bytes,
        ),
    ];
    for (name, kind, help, of) in families {
        let mut family = page.family(name, kind, help);
        for (cache, counts) in CACHES.iter().zip(&requests.caches) {
            family.value(&[("cache", cache)], get(of(counts)) as f64);
        }
    }
}

/// Counts in a place of its own, as long as there is one.
fn count(answered: &mut BTreeMap<Asked, u64>, asked: Asked) {
    // The places of what comes after all others are kept free.
    let is_told_apart = answered.contains_key(&asked) || answered.len() < ASKED_MAX - CLASSES.len();
    let place = if is_told_apart {
        asked
    } else {
        ("other", "other", asked.2)
    };
    *answered.entry(place).or_default() += 1;
}

fn cache_of(cache: &str) -> Option<&'static CacheCounts> {
    let place = CACHES.iter().position(|known| *known == cache)?;
    Some(&REQUESTS.caches[place])
}

/// A method that a route does not have is `other`: nobody makes series by asking for all of them.
fn method_of(method: &Method, status: StatusCode) -> &'static str {
    match *method {
        _ if status == StatusCode::METHOD_NOT_ALLOWED => "other",
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class_of(status: StatusCode) -> &'static str {
    let class = usize::from(status.as_u16() / 100);
    CLASSES[class.clamp(1, CLASSES.len()) - 1]
}

fn kind_of(method: &Method, group: &str) -> &'static str {
    match group {
        "data" => "ingest",
        "detect" | "sessions" | "kserve" | "mlflow" | "legacy" => "judge",
        "health" | "other" => "other",
        _ if *method == Method::GET => "read",
        _ => "change",
    }
}

/// The part of the service that a route belongs to.
fn group_of(route: &str) -> &'static str {
    let path = route.strip_prefix("/api/v1/");
    let of_ours = path.is_some();
    let path = path.unwrap_or(route).trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    match (of_ours, first) {
        (true, "alerts") => "alerts",
        (true, "anomalies") => "anomalies",
        (true, "config") => "config",
        (true, "data") => "data",
        (true, "detect") => "detect",
        (true, "devices") => "devices",
        (true, "drift") => "drift",
        (true, "export") => "export",
        (true, "jobs") => "jobs",
        (true, "live") => "live",
        (true, "models") => "models",
        (true, "sessions") => "sessions",
        (true, "audit" | "keys" | "sign-in" | "sign-out" | "whoami") => "access",
        (true, "status") | (false, "health" | "metrics") => "health",
        (false, "v2") => "kserve",
        (false, "invocations" | "ping" | "version") => "mlflow",
        (false, "predict" | "model") => "legacy",
        _ => "other",
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn routes_are_told_by_their_group() {
        let check = |route: &str, expect: &str| assert_eq!(group_of(route), expect);
        check("/api/v1/devices/{device}/history", "devices");
        check("/api/v1/models/{name}", "models");
        check("/api/v1/sessions/{id}/samples", "sessions");
        check("/api/v1/whoami", "access");
        check("/health/ready", "health");
        check("/metrics", "health");
        check("/v2/models/{model}/infer", "kserve");
        check("/invocations", "mlflow");
        check("/model/predict/batch", "legacy");
        check("/devices", "other");
        check("other", "other");
        check("/api/v1/made-up", "other");
    }

    #[test]
    fn kinds_are_what_somebody_waits_for() {
        let check = |method: Method, route: &str, expect: &str| {
            let kind = kind_of(&method, group_of(route));
            assert_eq!(kind, expect);
            assert!(KINDS.contains(&kind));
        };
        check(Method::POST, "/api/v1/data/batch", "ingest");
        check(Method::POST, "/v2/models/{model}/infer", "judge");
        check(Method::GET, "/api/v1/devices", "read");
        check(Method::PUT, "/api/v1/config", "change");
        check(Method::GET, "/health", "other");
    }

    #[test]
    fn a_method_that_no_route_has_makes_no_series() {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        assert_eq!(method_of(&Method::DELETE, status), "other");
        assert_eq!(method_of(&Method::DELETE, StatusCode::OK), "DELETE");
        assert_eq!(class_of(status), "4xx");
    }

    const GROUPS: [&str; 12] = [
        "alerts",
        "anomalies",
        "config",
        "data",
        "detect",
        "devices",
        "drift",
        "export",
        "jobs",
        "kserve",
        "live",
        "models",
    ];

    /// Every method, group and status.
    fn count_all(answered: &mut BTreeMap<Asked, u64>) {
        for method in ["GET", "POST", "PUT"] {
            for group in GROUPS {
                for class in CLASSES {
                    count(answered, (method, group, class));
                }
            }
        }
    }

    /// All series that there can be.
    pub(in super::super) fn put_most(page: &mut Page) {
        let mut requests = Requests::default();
        count_all(requests.answered.get_mut().unwrap());
        put_all(page, &requests);
    }

    #[test]
    fn places_for_requests_are_bounded_and_no_request_is_lost() {
        let mut answered = BTreeMap::new();
        count_all(&mut answered);
        assert_eq!(answered.len(), ASKED_MAX);
        assert_eq!(answered.values().sum::<u64>(), 3 * 12 * 5);
    }
}
