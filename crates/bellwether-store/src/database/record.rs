//! What the live system writes down, as plain data.

use std::sync::Arc;

use bellwether_core::event::{Event, EventId};
use bellwether_core::time::Timestamp;

/// Everything that one group commit writes, in one transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The arrivals of this commit, encoded by who replays them; empty: none.
    pub arrivals: Vec<u8>,
    /// Judged samples, at most one block per model version.
    pub judged: Vec<JudgedBlock>,
    /// States of devices as they are after this commit.
    pub checkpoints: Vec<Checkpoint>,
    /// Journal blocks before this commit are covered by checkpoints and go; `None`: all stay.
    pub journal_from: Option<i64>,
    /// Where sources go on: name and position.
    pub offsets: Vec<(String, String)>,
    /// Events that opened, grew or closed: the last state of each.
    pub events: Vec<EventRecord>,
    /// Alerts that begin (`pending`), each once: an alert that is there already stays as it is.
    pub alerts: Vec<NewAlert>,
    /// Alerts whose cause has ended, and when, by the clock of the data.
    pub ended: Vec<AlertEnd>,
    /// What could not be taken.
    pub quarantine: Vec<Quarantined>,
    /// Answers to remember.
    pub answers: Vec<Answer>,
    /// The clock of this machine.
    pub now: Timestamp,
}

impl Commit {
    /// A commit that writes nothing yet.
    pub fn at(now: Timestamp) -> Self {
        Self {
            arrivals: Vec::new(),
            judged: Vec::new(),
            checkpoints: Vec::new(),
            journal_from: None,
            offsets: Vec::new(),
            events: Vec::new(),
            alerts: Vec::new(),
            ended: Vec::new(),
            quarantine: Vec::new(),
            answers: Vec::new(),
            now,
        }
    }
}

/// Judged samples of one model version, in order of judgement; columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JudgedBlock {
    /// `pump@3`.
    pub model: String,
    /// Channels of the model.
    pub channels: Vec<String>,
    /// Device of each sample.
    pub series: Vec<Arc<str>>,
    /// When each was measured.
    pub time: Vec<Timestamp>,
    /// `[n_samples, n_channels]`, raw, NaN where missing.
    pub values: Vec<f64>,
    /// NaN: no score.
    pub score: Vec<f64>,
    /// The event each lies in.
    pub event: Vec<Option<EventId>>,
    /// Channel with the largest share, and that share.
    pub top: Vec<Option<(u32, f64)>>,
}

/// The state of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The device.
    pub series: Arc<str>,
    /// It holds samples that wait for their turn: a restart must not wait for the device to speak.
    pub is_waiting: bool,
    /// Encoded by who restores it.
    pub state: Vec<u8>,
}

/// An event as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// The event; `shares` of an open one are those so far.
    pub event: Event,
    /// The model version that found it.
    pub model: String,
    /// The device.
    pub series: Arc<str>,
    /// What its channels say, largest share first.
    pub channels: Vec<ChannelNote>,
    /// What each member of the model says, and last the training ranges.
    pub members: Vec<MemberNote>,
}

/// What a member of a model has to do with an event.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MemberNote {
    /// Its name: `pca`, `lstm-forecast`, …; `ranges` for the training ranges.
    pub member: String,
    /// Its share of the event, in [0, 1].
    pub share: f64,
}

/// What a channel has to do with an event.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ChannelNote {
    /// Its name.
    pub channel: String,
    /// Its share of the event, in [0, 1].
    pub share: f64,
    /// What was measured at the sample that tells; `None` where it was missing.
    pub actual: Option<f64>,
    /// What the model would have expected instead.
    pub expected: Option<f64>,
}

/// An alert that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlert {
    /// A hash of tenant, series, start and model version: a resend is recognised.
    pub id: String,
    /// Why.
    pub kind: AlertKind,
    /// The event, where that is why.
    pub event: Option<EventId>,
    /// The device.
    pub series: Arc<str>,
    /// The model version.
    pub model: String,
    /// When it began, by the clock of the data.
    pub start: Timestamp,
    /// Score so far; 0 for silence.
    pub peak_score: f64,
    /// What its channels say.
    pub channels: Vec<ChannelNote>,
}

/// Why there is an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// An event opened.
    Event,
    /// The device stopped sending.
    Silence,
}

/// The cause of an alert is over.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEnd {
    /// The alert.
    pub id: String,
    /// When, by the clock of the data.
    pub end: Timestamp,
    /// The highest score.
    pub peak_score: f64,
    /// What its channels say in the end; empty: as before.
    pub channels: Vec<ChannelNote>,
}

/// Something that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The source.
    pub source: Arc<str>,
    /// Which kind of trouble: one of a few words, for counting.
    pub reason: &'static str,
    /// What exactly, for who looks at it.
    pub detail: String,
    /// The bytes, at most [`QUARANTINED_BYTES_MAX`] of them.
    pub payload: Vec<u8>,
}

/// Bytes kept of something quarantined.
pub const QUARANTINED_BYTES_MAX: usize = 4096;

/// The answer to a request that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The key.
    pub key: String,
    /// SHA-256 of the body, hexadecimal.
    pub body_hash: String,
    /// What was answered.
    pub answer: String,
}
