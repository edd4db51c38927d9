//! Messages between the connection and the batches: never more than a bound of bytes.
//!
//! The connection must be read all the time, or it dies. So where more comes than fits, messages are let go: the broker
//! still has them, for they are not acknowledged, and sends them again over the next connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tracing::warn;

use crate::mqtt::link::{Happening, Message};

/// Bytes of messages at most that are not acknowledged yet.
pub(super) const UNSETTLED_BYTES_MAX: usize = 64 << 20;

/// What a message takes beside its payload: its topic, its arrival, its place in queues.
const MESSAGE_BYTES: usize = 512;

/// What comes through, in the order it came.
#[derive(Debug)]
pub(super) enum Taken {
    /// The broker has taken us.
    Connected { has_session: bool },
    /// The broker has answered a subscription.
    Subscribed(Vec<Option<String>>),
    /// A message.
    Message(Message),
    /// From here on, messages were let go: a new connection brings them.
    Full,
}

/// The connection's side.
#[derive(Debug)]
pub(super) struct Intake {
    taken: mpsc::UnboundedSender<Taken>,
    load: Arc<Load>,
    bytes_max: usize,
    is_full: bool,
    source: Arc<str>,
}

/// How much is taken and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Load {
    bytes: AtomicUsize,
    /// Messages of quality of service 0 that were dropped: nobody sends them again.
    n_dropped: AtomicU64,
}

impl Intake {
    pub(super) fn new(
        source: Arc<str>,
        bytes_max: usize,
    ) -> (Self, mpsc::UnboundedReceiver<Taken>, Arc<Load>) {
        let (taken, take) = mpsc::unbounded_channel();
        let load = Arc::new(Load::default());
        let intake = Self {
            taken,
            load: Arc::clone(&load),
            bytes_max,
            is_full: false,
            source,
        };
        (intake, take, load)
    }

    /// Takes what happens on the connection; never waits.
    pub(super) fn put(&mut self, happening: Happening) {
        let taken = match happening {
            Happening::Connected { has_session } => Taken::Connected { has_session },
            Happening::Subscribed(refusals) => Taken::Subscribed(refusals),
            Happening::Message(message) => match self.admit(message) {
                Some(taken) => taken,
                None => return,
            },
            Happening::Other => return,
        };
        // Nobody takes anything any more where the source is stopping.
        let _ = self.taken.send(taken);
    }

    fn admit(&mut self, message: Message) -> Option<Taken> {
        let is_kept_by_broker = message.ack.is_some();
        if self.is_full && is_kept_by_broker {
            return None;
        }
        if self.load.add(cost(&message), self.bytes_max) {
            return Some(Taken::Message(message));
        }
        if is_kept_by_broker {
            self.is_full = true;
            return Some(Taken::Full);
        }
        let n_dropped = 1 + self.load.n_dropped.fetch_add(1, Ordering::Relaxed);
        if n_dropped.is_power_of_two() {
            warn!(source = %self.source, n_dropped, "mqtt messages of quality of service 0 dropped: publish with 1");
        }
        None
    }
}

impl Load {
    /// Whether there is room; alone, every message has room.
    fn add(&self, bytes: usize, bytes_max: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before == 0 || before + bytes <= bytes_max {
            return true;
        }
        self.release(bytes);
        false
    }

    /// Messages of so many bytes are acknowledged.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that a message counts for.
pub(super) fn cost(message: &Message) -> usize {
    message.payload.len() + message.topic.len() + MESSAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::link::Ack;

    fn message(n_bytes: usize, ack: Option<Ack>) -> Happening {
        Happening::Message(Message {
            topic: String::new(),
            payload: vec![0; n_bytes].into(),
            ack,
        })
    }

    #[test]
    fn what_does_not_fit_is_let_go_until_the_next_connection() {
        let (mut intake, mut take, load) = Intake::new("test".into(), UNSETTLED_BYTES_MAX);
        let half = UNSETTLED_BYTES_MAX / 2 - MESSAGE_BYTES;
        let some = Some(Ack::test(1));
        intake.put(message(half, some));
        intake.put(message(half, some));
        intake.put(message(0, None));
        intake.put(message(0, some));
        load.release(2 * half);
        intake.put(message(0, some));
        intake.put(message(0, None));
        drop(intake);
        let mut taken = Vec::new();
        while let Ok(one) = take.try_recv() {
            taken.push(match one {
                Taken::Message(message) if message.ack.is_some() => "message",
                Taken::Message(_) => "quality 0",
                Taken::Full => "full",
                _ => "other",
            });
        }
        assert_eq!(taken, ["message", "message", "full", "quality 0"]);
        assert_eq!(load.n_dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_message_larger_than_the_bound_is_taken_alone() {
        let (mut intake, mut take, _) = Intake::new("test".into(), UNSETTLED_BYTES_MAX);
        intake.put(message(2 * UNSETTLED_BYTES_MAX, None));
        assert!(matches!(take.try_recv(), Ok(Taken::Message(_))));
    }
}
