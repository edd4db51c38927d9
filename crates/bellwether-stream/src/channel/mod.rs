//! Where alerts go: a file per channel. A channel sends one message and says whether it arrived.

pub mod alertmanager;
pub mod email;
mod http;
mod labels;
pub mod mqtt;
mod text;
pub mod webhook;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::alert::Notice;

/// Something that tells people or programs of alerts.
pub trait Channel: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// How often a firing alert is told again; `None`: as the alert rules say. Alertmanager forgets what it is not
    /// told about.
    fn repeat(&self) -> Option<Duration> {
        None
    }

    /// Sends one notice; over when the other side has taken it.
    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), SendError>>;
}

/// Why a notice was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct SendError {
    /// What happened.
    pub problem: String,
    /// Trying again can help: the other side was not there, or asked to wait. Otherwise it refused the message.
    pub is_passing: bool,
}

impl SendError {
    /// Trying again can help.
    pub(crate) fn passing(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            is_passing: true,
        }
    }

    /// The other side has refused this message, and would again.
    pub(crate) fn refused(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            is_passing: false,
        }
    }
}

/// A channel cannot work as it is specified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("channel {channel}: {key}: {problem}")]
pub struct SpecProblem {
    /// Name of the channel.
    pub channel: String,
    /// What of the specification is wrong: the name of its field.
    pub key: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl SpecProblem {
    fn at(channel: &str, key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            channel: channel.to_owned(),
            key,
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bellwether_core::event::EventKind;
    use bellwether_core::time::Timestamp;
    use bellwether_store::database::{AlertKind, ChannelNote};

    use super::*;

    /// A notice as channels are told.
    pub(crate) fn notice() -> Notice {
        let link = |verdict: &str| {
            let url = format!("https://bellwether.plant.example/alerts/a1b2/feedback/{verdict}");
            (verdict.to_owned(), url)
        };
        let note = |channel: &str, share, actual, expected| ChannelNote {
            channel: channel.to_owned(),
            share,
            actual,
            expected,
        };
        Notice {
            id: "a1b2".to_owned(),
            kind: AlertKind::Event,
            is_firing: true,
            device: "pump-7".to_owned(),
            model: "pump@3".to_owned(),
            start: Timestamp::from_secs(1_700_000_000),
            end: None,
            peak_score: 3.2,
            severity: 68.75,
            channels: vec![
                note("temperature", 0.61, Some(84.249), Some(71.0)),
                note("vibration", 0.39, None, Some(0.5)),
            ],
            links: vec![link("false-alarm"), link("real")],
            event_kind: Some(EventKind::LevelShift),
            confidence: Some(0.8),
            fault: None,
            is_test: false,
        }
    }
}
