//! The life of an alert: pending, firing, acknowledged, resolved; and what is told to whom.
//!
//! [`lifecycle`] says how an alert moves by itself. [`Notifier`] moves all of them, and sends what is to be told, a
//! `lane` for each channel. [`feedback`] and [`suppressions`] are what people decide.

pub mod feedback;
mod lane;
pub mod lifecycle;
mod notice;
mod notifier;
mod pause;
pub mod rules;
pub mod suppressions;
#[cfg(test)]
mod tests;
mod trial;

use bellwether_core::event::EventKind;
use bellwether_core::time::Timestamp;
use bellwether_core::validate::Fault;
use bellwether_store::database::{AlertKind, ChannelNote};

pub use notifier::{Clock, Notifier};
pub use trial::{Trial, try_channels};

/// What is told of an alert, by every channel in its own form.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The alert: the same id in every message about it.
    pub id: String,
    /// Why there is an alert.
    pub kind: AlertKind,
    /// Whether it goes on.
    pub is_firing: bool,
    /// The device.
    pub device: String,
    /// The model version that judged it.
    pub model: String,
    /// When it began, by the clock of the data.
    pub start: Timestamp,
    /// When its cause ended.
    pub end: Option<Timestamp>,
    /// The highest score so far; 1 is the threshold.
    pub peak_score: f64,
    /// From 0 to 100.
    pub severity: f64,
    /// Channels with shares, measured and expected values; largest share first.
    pub channels: Vec<ChannelNote>,
    /// Where to say what it was: `("false-alarm", url)` … Empty where no address is configured.
    pub links: Vec<(String, String)>,
    /// What kind of trouble the event is, as far as it is known; `None` for silence.
    pub event_kind: Option<EventKind>,
    /// How far the members of the model agree, in [0, 1].
    pub confidence: Option<f64>,
    /// Whether one sensor or the device is at fault, as far as that is known.
    pub fault: Option<Fault>,
    /// A test, and no real alert.
    pub is_test: bool,
}
