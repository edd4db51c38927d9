//! Alerts, messages about them, suppressions and feedback as plain data, with the words that stand for them in rows.

use bellwether_core::event::EventKind;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;

use super::record::{AlertKind, ChannelNote};

/// An alert as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its name for ever.
    pub id: String,
    /// Why there is an alert.
    pub kind: AlertKind,
    /// Id of the event, where that is why.
    pub event: Option<String>,
    /// The device.
    pub series: String,
    /// The model version that judged it.
    pub model: String,
    /// Where it is in its life.
    pub state: AlertState,
    /// When it began, by the clock of the data.
    pub start: Timestamp,
    /// When its cause ended, by the clock of the data.
    pub end: Option<Timestamp>,
    /// The highest score so far; 0 for silence.
    pub peak_score: f64,
    /// What its channels say, largest share first.
    pub channels: Vec<ChannelNote>,
    /// When it was written down, by the clock of this machine, like all below.
    pub created_at: Timestamp,
    /// When it began to be told.
    pub fired_at: Option<Timestamp>,
    /// When somebody took it on,
    pub acknowledged_at: Option<Timestamp>,
    /// and who.
    pub acknowledged_by: Option<String>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// When it was last told that it fires.
    pub notified_at: Option<Timestamp>,
    /// How often it was told that it fires.
    pub n_notified: i64,
    /// Why nobody is told now: id of the suppression, or `feedback`.
    pub suppressed_by: Option<String>,
    /// What kind of trouble the event is, as far as it is known; `None` for silence, and for events from before kinds
    /// were kept.
    pub event_kind: Option<EventKind>,
    /// How far the members of the model agree, in [0, 1]; `None` as above.
    pub confidence: Option<f64>,
    /// Whether one sensor or the device is at fault, as far as that is known.
    pub fault: Option<Fault>,
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Nobody knows of it yet.
    Pending,
    /// It is told, again and again.
    Firing,
    /// Somebody knows and takes care.
    Acknowledged,
    /// It is over.
    Resolved,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// The alert begins.
    Firing,
    /// The alert goes on.
    Repeat,
    /// The alert is over.
    Resolved,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It is still to be taken by the other side.
    Waiting,
    /// It was taken.
    Sent,
    /// It was refused, or not taken for too long; nobody tries any more.
    Dead,
}

/// A message about an alert to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The alert.
    pub alert: String,
    /// The channel.
    pub channel: String,
    /// Counts the messages of this alert to this channel from 1; sent in this order.
    pub n: i64,
    /// What it says.
    pub kind: DeliveryKind,
    /// Where it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub n_attempts: i64,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// When it was taken.
    pub sent_at: Option<Timestamp>,
    /// Why it was not taken the last time.
    pub error: Option<String>,
}

/// When nobody is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Its name: `shelf-7`.
    pub id: String,
    /// Why.
    pub kind: SuppressionKind,
    /// Pattern of device names: `pump-*`.
    pub devices: String,
    /// Where set, alerts of this model version alone.
    pub model: Option<String>,
    /// From when, by the clock of this machine.
    pub from: Timestamp,
    /// Until when; `None`: until it is taken back.
    pub until: Option<Timestamp>,
    /// What it is for.
    pub reason: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
}

/// Why nobody is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuppressionKind {
    /// The devices are worked on.
    Maintenance,
    /// Somebody wants to hear nothing of them for a while.
    Shelf,
    /// The devices have changed for good, and the model does not know yet.
    NewNormal,
}

/// What somebody says of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// There was nothing.
    FalseAlarm,
    /// There was something.
    Real,
    /// Somebody worked on the device.
    Maintenance,
    /// The device has changed for good.
    NewNormal,
}

/// A verdict that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The alert.
    pub alert: String,
    /// Counts the verdicts on this alert from 1.
    pub n: i64,
    /// What was said.
    pub verdict: Verdict,
    /// In words.
    pub note: String,
    /// By whom.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
}

/// Who changed what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Counts from 1.
    pub n: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What was done: `acknowledge`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// The rest, in words.
    pub detail: String,
}

/// The word for each value in rows, on the command line and in addresses.
macro_rules! words {
    ($type:ident { $($value:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }

            /// What the word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }
    };
}

pub(super) use words;

words!(AlertState { Pending => "pending", Firing => "firing", Acknowledged => "acknowledged", Resolved => "resolved" });
words!(DeliveryKind { Firing => "firing", Repeat => "repeat", Resolved => "resolved" });
words!(DeliveryState { Waiting => "waiting", Sent => "sent", Dead => "dead" });
words!(SuppressionKind { Maintenance => "maintenance", Shelf => "shelf", NewNormal => "new-normal" });
words!(Verdict {
    FalseAlarm => "false-alarm",
    Real => "real",
    Maintenance => "maintenance",
    NewNormal => "new-normal",
});
words!(AlertKind { Event => "event", Silence => "silence" });
