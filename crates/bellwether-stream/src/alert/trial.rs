//! Whether channels work: a test notice to each, now.

use std::sync::Arc;
use std::time::Duration;

use bellwether_core::time::Timestamp;
use futures_util::future::join_all;

use super::Notice;
use crate::channel::{Channel, SendError};

/// Each channel has so much time.
const WAIT: Duration = Duration::from_secs(60);

/// What a channel made of the test.
#[derive(Debug)]
pub struct Trial {
    /// The channel.
    pub channel: String,
    /// Whether it was taken.
    pub sent: Result<(), SendError>,
}

/// Sends a notice that says that it is a test through every channel at once. Nothing is written down, and nothing is
/// tried again.
pub async fn try_channels(channels: &[Arc<dyn Channel>], now: Timestamp) -> Vec<Trial> {
    let notice = Notice::test(now);
    let trial = async |channel: &Arc<dyn Channel>| {
        let sent = tokio::time::timeout(WAIT, channel.send(&notice)).await;
        let no_answer = |_| {
            Err(SendError {
                problem: format!("no answer within {} s", WAIT.as_secs()),
                is_passing: true,
            })
        };
        Trial {
            channel: channel.name().to_owned(),
            sent: sent.unwrap_or_else(no_answer),
        }
    };
    join_all(channels.iter().map(trial)).await
}
