//! How devices and events look in JSON, wherever they are told.

use bellwether_core::event::{EventId, EventKind, severity};
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use bellwether_store::database::{AlertState, EventWithAlert, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::board::{Entry, State};
use crate::wire::Time;

/// A device as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// Its name.
    #[schema(example = "pump-01")]
    pub(crate) device: String,
    /// The model version that judges it.
    #[schema(example = "pump@3")]
    model: Option<String>,
    /// How it is.
    state: State,
    /// When its last sample was measured.
    last_time: Option<Time>,
    /// When that came.
    last_seen: Option<Time>,
    /// Of its last sample; 1 is the threshold.
    score: Option<f64>,
    /// The highest score of late.
    worst: Option<Worst>,
    /// 60 slots, oldest first: the highest score of each.
    sparkline: Vec<Option<f64>>,
    /// The event that goes on.
    open_event: Option<String>,
}

/// A score, and when it was.
#[derive(Debug, Serialize, ToSchema)]
struct Worst {
    score: Option<f64>,
    time: Time,
}

impl Device {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            device: entry.name.to_string(),
            model: entry.model.as_ref().map(ToString::to_string),
            state: entry.state(),
            last_time: entry.last_time.map(Time),
            last_seen: entry.last_seen.map(Time),
            score: finite(entry.score),
            worst: entry.worst().map(|peak| Worst {
                score: finite(peak.score),
                time: Time(peak.time),
            }),
            sparkline: entry
                .sparkline()
                .into_iter()
                .map(|score| score.and_then(finite))
                .collect(),
            open_event: entry.open.as_ref().map(|(id, _)| id.to_string()),
        }
    }
}

/// A stretch of time that was not normal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// Its name for ever.
    #[schema(example = "0123456789ab")]
    id: String,
    /// Whose it is.
    device: String,
    /// The model version that found it.
    model: String,
    /// The first sample of it.
    start: Time,
    /// The last sample of it, so far.
    end: Time,
    /// When the score was highest.
    peak_time: Time,
    /// The highest score; 1 is the threshold.
    peak_score: Option<f64>,
    /// How far beyond normal, from 0 to 100.
    severity: f64,
    /// Samples from start to end.
    n_samples: u64,
    /// It goes on.
    is_open: bool,
    /// What kind of trouble it is, as far as it is known: spike, level-shift, drift, stuck, noise, dropout,
    /// correlation-break or out-of-range; null for events from before kinds were kept.
    #[schema(example = "level-shift")]
    kind: Option<&'static str>,
    /// Whether one sensor or the device is at fault, as far as that is known: sensor or device.
    #[schema(example = "sensor")]
    fault: Option<&'static str>,
    /// How far the members of the model agree, from 0 to 1; null for events from before this was kept.
    confidence: Option<f64>,
    /// What its channels say, largest share first.
    channels: Vec<Channel>,
    /// What each member of the model says, and last the training ranges; shares sum to 1.
    members: Vec<Member>,
    /// The alert that it made, where it made one.
    alert: Option<AlertOfEvent>,
    /// What was last said of it.
    verdict: Option<VerdictWord>,
}

/// What a channel has to do with an event.
#[derive(Debug, Serialize, ToSchema)]
struct Channel {
    /// Its name.
    channel: String,
    /// Its share of the score; all shares sum to 1.
    share: Option<f64>,
    /// What was measured at the peak.
    actual: Option<f64>,
    /// What the model would have expected there.
    expected: Option<f64>,
}

/// What a member of a model has to do with an event.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    /// Its name; `ranges` for the training ranges.
    #[schema(example = "pca")]
    member: String,
    /// Its share of the score.
    share: Option<f64>,
}

/// The alert of an event.
#[derive(Debug, Serialize, ToSchema)]
struct AlertOfEvent {
    /// Its name for ever.
    id: String,
    /// Where it is in its life.
    state: AlertWord,
    /// Who took it on,
    acknowledged_by: Option<String>,
    /// and when.
    acknowledged_at: Option<Time>,
    /// Why nobody is told.
    suppressed_by: Option<String>,
}

impl From<&EventWithAlert> for Event {
    fn from(found: &EventWithAlert) -> Self {
        let event = &found.event;
        Self {
            id: event.id.to_string(),
            device: event.series.to_string(),
            model: event.model.clone(),
            start: Time(event.start),
            end: Time(event.end),
            peak_time: Time(event.peak_time),
            peak_score: finite(event.peak_score),
            severity: severity(event.peak_score),
            n_samples: event.n_samples,
            is_open: event.is_open,
            kind: event.kind.map(EventKind::name),
            fault: event.fault.map(Fault::name),
            confidence: event.confidence.and_then(finite),
            members: event
                .members
                .iter()
                .map(|note| Member {
                    member: note.member.clone(),
                    share: finite(note.share),
                })
                .collect(),
            channels: event
                .channels
                .iter()
                .map(|note| Channel {
                    channel: note.channel.clone(),
                    share: finite(note.share),
                    actual: note.actual.and_then(finite),
                    expected: note.expected.and_then(finite),
                })
                .collect(),
            alert: found.alert.as_ref().map(|alert| AlertOfEvent {
                id: alert.id.clone(),
                state: alert.state.into(),
                acknowledged_by: alert.acknowledged_by.clone(),
                acknowledged_at: alert.acknowledged_at.map(Time),
                suppressed_by: alert.suppressed_by.clone(),
            }),
            verdict: found.verdict.map(VerdictWord::from),
        }
    }
}

/// What somebody says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VerdictWord {
    /// There was nothing.
    FalseAlarm,
    /// There was something.
    Real,
    /// Somebody worked on the device.
    Maintenance,
    /// The device has changed for good.
    NewNormal,
}

impl From<Verdict> for VerdictWord {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::FalseAlarm => Self::FalseAlarm,
            Verdict::Real => Self::Real,
            Verdict::Maintenance => Self::Maintenance,
            Verdict::NewNormal => Self::NewNormal,
        }
    }
}

impl From<VerdictWord> for Verdict {
    fn from(word: VerdictWord) -> Self {
        match word {
            VerdictWord::FalseAlarm => Self::FalseAlarm,
            VerdictWord::Real => Self::Real,
            VerdictWord::Maintenance => Self::Maintenance,
            VerdictWord::NewNormal => Self::NewNormal,
        }
    }
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertWord {
    /// Nobody knows of it yet.
    Pending,
    /// It is told, again and again.
    Firing,
    /// Somebody takes care.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl From<AlertState> for AlertWord {
    fn from(state: AlertState) -> Self {
        match state {
            AlertState::Pending => Self::Pending,
            AlertState::Firing => Self::Firing,
            AlertState::Acknowledged => Self::Acknowledged,
            AlertState::Resolved => Self::Resolved,
        }
    }
}

impl From<AlertWord> for AlertState {
    fn from(word: AlertWord) -> Self {
        match word {
            AlertWord::Pending => Self::Pending,
            AlertWord::Firing => Self::Firing,
            AlertWord::Acknowledged => Self::Acknowledged,
            AlertWord::Resolved => Self::Resolved,
        }
    }
}

/// JSON has no word for other numbers.
pub(crate) fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// Milliseconds since the Unix epoch.
pub(crate) fn millis(time: Timestamp) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// The id of an event in an address.
pub(crate) fn event_id(text: &str) -> Option<EventId> {
    EventId::from_hex(text)
}
