//! Where alerts go: a file per channel. A channel sends one message and says whether it arrived.

pub mod alertmanager;
pub mod email;
pub mod mqtt;
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
