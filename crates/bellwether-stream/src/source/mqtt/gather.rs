//! Messages become batches: whatever is there, after a moment's wait for more.

use std::sync::Arc;
use std::time::Duration;

use bellwether_store::database::Quarantined;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info};

use super::intake::{Taken, cost};
use crate::arrival::{Arrival, Batch, Inlet, Receipt, Stopped};
use crate::clock;
use crate::mqtt::link::{Ack, Message};
use crate::source::BATCH_LEN_MAX;
use crate::source::decode::{Decoded, Decoder};

/// How long the first message of a batch waits for others: less than a commit takes.
const GATHER: Duration = Duration::from_millis(2);

/// Batches at most that are handed over and not durable.
pub(super) const HANDED_MAX: usize = 64;

/// A batch that the judge has.
#[derive(Debug)]
pub(super) struct Handed {
    /// Told once it is durable; `None`: there was nothing to judge.
    pub(super) receipt: Option<oneshot::Receiver<Receipt>>,
    /// What may be acknowledged then, in the order it came.
    pub(super) acks: Vec<Ack>,
    /// What is released then.
    pub(super) bytes: usize,
}

/// Why no more is handed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatherEnd {
    /// The live system has stopped.
    Stopped,
    /// Messages were let go.
    Full,
    /// The connection is over.
    Over,
    /// The broker refuses every topic.
    NoTopic(String),
}

/// Takes messages, decodes them and hands them over.
pub(super) struct Gatherer<'a> {
    pub(super) source: &'a Arc<str>,
    pub(super) topics: &'a [String],
    pub(super) decoder: &'a mut Decoder,
    pub(super) inlet: &'a Inlet,
    pub(super) handed: mpsc::Sender<Handed>,
    /// Set when the broker has taken our topics.
    pub(super) is_subscribed: &'a mut bool,
}

/// A batch in the making.
#[derive(Default)]
struct Draft {
    decoded: Decoded,
    acks: Vec<Ack>,
    bytes: usize,
}

impl Gatherer<'_> {
    /// Until the connection ends, or the live system does.
    pub(super) async fn run(mut self, mut take: mpsc::UnboundedReceiver<Taken>) -> GatherEnd {
        loop {
            let Some(first) = take.recv().await else {
                return GatherEnd::Over;
            };
            let mut draft = Draft::default();
            let mut end = self.add(&mut draft, first);
            let deadline = Instant::now() + GATHER;
            while end.is_none() && draft.has_room() {
                let next = match take.try_recv() {
                    Ok(next) => Some(next),
                    Err(TryRecvError::Disconnected) => None,
                    // A moment without messages; over the deadline ends the batch.
                    Err(TryRecvError::Empty) => timeout_at(deadline, take.recv()).await.unwrap_or_default(),
                };
                match next {
                    Some(next) => end = self.add(&mut draft, next),
                    None => break,
                }
            }
            if self.hand_over(draft).await.is_err() {
                return GatherEnd::Stopped;
            }
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Adds what came to the batch.
    fn add(&mut self, draft: &mut Draft, taken: Taken) -> Option<GatherEnd> {
        match taken {
            Taken::Message(message) => {
                self.decode(draft, &message);
                None
            }
            Taken::Full => Some(GatherEnd::Full),
            // Comes once, before all else.
            Taken::Connected { .. } => None,
            Taken::Subscribed(refusals) => self.note(&refusals),
        }
    }

    fn decode(&mut self, draft: &mut Draft, message: &Message) {
        draft.bytes += cost(message);
        draft.acks.extend(message.ack);
        // The broker may still hold subscriptions of an earlier configuration.
        if !self.topics.iter().any(|filter| is_match(filter, &message.topic)) {
            debug!(source = %self.source, topic = message.topic, "mqtt message of no topic of ours");
            return;
        }
        let (topic, payload) = (Some(message.topic.as_str()), &message.payload);
        self.decoder
            .message(topic, payload, clock::now(), &mut draft.decoded);
    }

    fn note(&mut self, refusals: &[Option<String>]) -> Option<GatherEnd> {
        let refused: Vec<_> = self
            .topics
            .iter()
            .zip(refusals)
            .filter_map(|(topic, refusal)| Some((topic, refusal.as_ref()?)))
            .collect();
        for (topic, reason) in &refused {
            error!(source = %self.source, topic, reason, "mqtt broker refuses a topic");
        }
        match refused.first() {
            Some((topic, reason)) if refused.len() == self.topics.len() => Some(GatherEnd::NoTopic(format!(
                "the broker refuses {topic}: {reason}"
            ))),
            _ => {
                *self.is_subscribed = true;
                info!(source = %self.source, n_topics = self.topics.len() - refused.len(), "mqtt subscribed");
                None
            }
        }
    }

    /// Hands a batch over; in several where one message holds more than a batch, the last of them with the
    /// acknowledgements.
    async fn hand_over(&self, draft: Draft) -> Result<(), Stopped> {
        let Draft { decoded, acks, bytes } = draft;
        let mut arrivals = decoded.arrivals;
        while arrivals.len() > BATCH_LEN_MAX {
            let rest = arrivals.split_off(BATCH_LEN_MAX);
            self.send(arrivals, Vec::new(), Vec::new(), 0).await?;
            arrivals = rest;
        }
        self.send(arrivals, decoded.quarantined, acks, bytes).await
    }

    async fn send(
        &self,
        arrivals: Vec<Arrival>,
        quarantined: Vec<Quarantined>,
        acks: Vec<Ack>,
        bytes: usize,
    ) -> Result<(), Stopped> {
        // The place comes first: a batch that is handed over is waited for.
        let place = self.handed.reserve().await.map_err(|_| Stopped)?;
        let receipt = if arrivals.is_empty() && quarantined.is_empty() {
            None
        } else {
            let arrived = clock::instant();
            let (batch, receipt) = Batch::new(Arc::clone(self.source), arrivals, quarantined, arrived);
            self.inlet.send(batch).await?;
            Some(receipt)
        };
        place.send(Handed { receipt, acks, bytes });
        Ok(())
    }
}

impl Draft {
    fn has_room(&self) -> bool {
        self.decoded.arrivals.len() < BATCH_LEN_MAX
            && self.decoded.quarantined.len() < BATCH_LEN_MAX
            && self.acks.len() < BATCH_LEN_MAX
    }
}

/// Whether a topic filter lets a topic through; shared subscriptions (`$share/group/filter`) by their filter.
fn is_match(filter: &str, topic: &str) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
        None => filter,
    };
    // What begins with a dollar is the broker's own, and matches only filters that begin so.
    if topic.starts_with('$') {
        return filter.starts_with('$');
    }
    rumqttc_v5::matches(topic, filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_forgotten_subscriptions_are_told_from_ours() {
        for (filter, topic, expect) in [
            ("plant/+/data", "plant/pump-1/data", true),
            ("plant/#", "plant/pump-1/data", true),
            ("plant/+/data", "plant/pump-1/state", false),
            ("$share/bellwether/plant/+/data", "plant/pump-1/data", true),
            ("#", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
        ] {
            assert_eq!(is_match(filter, topic), expect, "{filter} {topic}");
        }
    }
}
