//! What the live system has done so far, for people, metrics and the end of the program.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bellwether_store::database::JudgedBlock;
use hdrhistogram::Histogram;

use super::durations::{DurationCounts, Durations};

/// Counters since the start; one for the whole live system.
#[derive(Debug)]
pub struct Stats {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    late: AtomicU64,
    quarantined: AtomicU64,
    judged: AtomicU64,
    scored: AtomicU64,
    opened: AtomicU64,
    commits: AtomicU64,
    failed_commits: AtomicU64,
    rows_shed: AtomicU64,
    devices: AtomicU64,
    waiting: AtomicU64,
    /// From arrival to a durable verdict, in microseconds.
    lag: Mutex<Histogram<u64>>,
    end_to_end: Durations,
    judging: Durations,
    notifications: Mutex<Notifications>,
}

/// Attempts to tell of alerts, by channel and what became of them.
pub type Notifications = BTreeMap<(String, NotificationResult), u64>;

/// What became of an attempt to tell of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationResult {
    /// The other side has it.
    Sent,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    Dead,
}

impl NotificationResult {
    const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Dead];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
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
    /// Those of them that got a score.
    pub scored: u64,
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
            scored: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            failed_commits: AtomicU64::new(0),
            rows_shed: AtomicU64::new(0),
            devices: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            lag: Mutex::new(lag),
            end_to_end: Durations::default(),
            judging: Durations::default(),
            notifications: Mutex::default(),
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
        self.end_to_end.add(lag, n);
    }

    /// The samples of a commit were judged in that time.
    pub(super) fn judged_in(&self, duration: Duration) {
        self.judging.add(duration, 1);
    }

    /// A channel is told of alerts from now on: its counts are there before its first message.
    pub(crate) fn tells(&self, channel: &str) {
        for result in NotificationResult::ALL {
            self.count_notification(channel, result, 0);
        }
    }

    /// An attempt to tell a channel of an alert has ended.
    pub(crate) fn notified(&self, channel: &str, result: NotificationResult) {
        self.count_notification(channel, result, 1);
    }

    fn count_notification(&self, channel: &str, result: NotificationResult, n: u64) {
        let mut counts = self.notifications.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((channel.to_owned(), result)).or_default() += n;
    }

    pub(super) fn commit(&self, n_judged: usize, n_opened: usize, n_devices: usize, n_waiting: usize) {
        add(&self.commits, 1);
        add(&self.judged, n_judged as u64);
        add(&self.opened, n_opened as u64);
        self.devices.store(n_devices as u64, Ordering::Relaxed);
        self.waiting.store(n_waiting as u64, Ordering::Relaxed);
    }

    /// Samples of these blocks are judged; while a window fills they have no score.
    pub(super) fn scored(&self, blocks: &[JudgedBlock]) {
        let scores = blocks.iter().flat_map(|block| &block.score);
        add(
            &self.scored,
            scores.filter(|score| !score.is_nan()).count() as u64,
        );
    }

    pub(super) fn failed_commit(&self) {
        add(&self.failed_commits, 1);
    }

    /// Rows that an output could not take in time.
    pub fn shed(&self, n_rows: usize) {
        add(&self.rows_shed, n_rows as u64);
    }

    /// From arrival to a durable verdict, each message taken.
    pub fn end_to_end(&self) -> DurationCounts {
        self.end_to_end.counts()
    }

    /// How long judging took, each commit.
    pub fn judging(&self) -> DurationCounts {
        self.judging.counts()
    }

    /// Attempts to tell of alerts.
    pub fn notifications(&self) -> Notifications {
        let counts = self.notifications.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
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
            scored: get(&self.scored),
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
