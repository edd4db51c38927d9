//! What the live system has done so far, for people, metrics and the end of the program.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Counters since the start; one for the whole live system.
#[derive(Debug)]
pub struct Stats {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    late: AtomicU64,
    quarantined: AtomicU64,
    judged: AtomicU64,
    opened: AtomicU64,
    commits: AtomicU64,
    failed_commits: AtomicU64,
    rows_shed: AtomicU64,
    devices: AtomicU64,
    waiting: AtomicU64,
    /// From arrival to a durable verdict, in microseconds.
    lag: Mutex<Histogram<u64>>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Snapshot {
    /// Messages taken.
    pub accepted: u64,
    /// Messages of an instant that was taken already.
    pub duplicate: u64,
    /// Messages behind the lateness allowed.
    pub late: u64,
    /// Messages in quarantine.
    pub quarantined: u64,
    /// Samples judged.
    pub judged: u64,
    /// Events that opened.
    pub opened: u64,
    /// Commits.
    pub commits: u64,
    /// Commits that failed and were tried again.
    pub failed_commits: u64,
    /// Rows that an output could not take in time; they are in the database.
    pub rows_shed: u64,
    /// Devices in memory.
    pub devices: u64,
    /// Batches in the queue.
    pub waiting: u64,
    /// From arrival to a durable verdict: half of all messages were faster, in seconds.
    pub lag_p50_s: f64,
    /// 99 of 100 were faster.
    pub lag_p99_s: f64,
    /// The slowest.
    pub lag_max_s: f64,
}

impl Default for Stats {
    fn default() -> Self {
        // A minute is longer than anything worth telling apart; two digits are enough to judge by.
        let lag = Histogram::new_with_bounds(1, 60_000_000, 2).expect("bounds that fit each other");
        Self {
            accepted: AtomicU64::new(0),
            duplicate: AtomicU64::new(0),
            late: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            judged: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            failed_commits: AtomicU64::new(0),
            rows_shed: AtomicU64::new(0),
            devices: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            lag: Mutex::new(lag),
        }
    }
}

impl Stats {
    pub(super) fn batch(&self, receipt: &crate::arrival::Receipt, lag: Duration) {
        add(&self.accepted, receipt.accepted);
        add(&self.duplicate, receipt.duplicate);
        add(&self.late, receipt.late);
        add(&self.quarantined, receipt.quarantined);
        let n = receipt.accepted;
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        if let Ok(mut lags) = self.lag.lock() {
            lags.saturating_record_n(micros, n);
        }
    }

    pub(super) fn commit(&self, n_judged: usize, n_opened: usize, n_devices: usize, n_waiting: usize) {
        add(&self.commits, 1);
        add(&self.judged, n_judged as u64);
        add(&self.opened, n_opened as u64);
        self.devices.store(n_devices as u64, Ordering::Relaxed);
        self.waiting.store(n_waiting as u64, Ordering::Relaxed);
    }

    pub(super) fn failed_commit(&self) {
        add(&self.failed_commits, 1);
    }

    /// Rows that an output could not take in time.
    pub fn shed(&self, n_rows: usize) {
        add(&self.rows_shed, n_rows as u64);
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |micros: u64| micros as f64 / 1e6;
        let lags = self
            .lag
            .lock()
            .map(|lag| [lag.value_at_quantile(0.5), lag.value_at_quantile(0.99), lag.max()].map(seconds));
        let [lag_p50_s, lag_p99_s, lag_max_s] = lags.unwrap_or([f64::NAN; 3]);
        Snapshot {
            accepted: get(&self.accepted),
            duplicate: get(&self.duplicate),
            late: get(&self.late),
            quarantined: get(&self.quarantined),
            judged: get(&self.judged),
            opened: get(&self.opened),
            commits: get(&self.commits),
            failed_commits: get(&self.failed_commits),
            rows_shed: get(&self.rows_shed),
            devices: get(&self.devices),
            waiting: get(&self.waiting),
            lag_p50_s,
            lag_p99_s,
            lag_max_s,
        }
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
