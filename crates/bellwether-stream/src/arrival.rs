//! What sources hand over: arrivals in bounded batches, and the receipt that comes back once they are durable.

use std::sync::Arc;
use std::time::Instant;

use bellwether_core::time::Timestamp;
use bellwether_store::database::{Answer, Quarantined};
use tokio::sync::{mpsc, oneshot};

/// The channels that a message carries, in the order of its values. Shared by all messages alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Names as sent.
    pub channels: Vec<String>,
}

/// One message of one device at one instant: all of a sample, or some channels of it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The device.
    pub series: Arc<str>,
    /// When it was measured.
    pub time: Timestamp,
    /// The time as the sender wrote it, where that is not how bellwether writes it.
    pub time_text: Option<Box<str>>,
    /// Which channels.
    pub layout: Arc<Layout>,
    /// One value for each, NaN where missing.
    pub values: Vec<f64>,
    /// Nothing more comes for this instant. Otherwise channels of one instant are put together, until a later
    /// instant arrives.
    pub is_whole: bool,
}

/// What a source took in one go; acknowledged as one.
#[derive(Debug)]
pub struct Batch {
    /// The source.
    pub source: Arc<str>,
    /// In the order they came.
    pub arrivals: Vec<Arrival>,
    /// What could not be decoded.
    pub quarantined: Vec<Quarantined>,
    /// Where the source goes on after this batch, if it can.
    pub position: Option<String>,
    /// Idempotency key and hash of the body of the request, if it had one.
    pub key: Option<(String, String)>,
    /// When it came in, by the clock of this machine.
    pub arrived: Instant,
    /// Told once the batch is durable.
    pub receipt: oneshot::Sender<Receipt>,
}

/// The batch is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// Arrivals taken.
    pub accepted: u64,
    /// Arrivals of an instant that was taken already; dropped.
    pub duplicate: u64,
    /// Arrivals behind what is allowed; dropped.
    pub late: u64,
    /// Arrivals in quarantine.
    pub quarantined: u64,
    /// The first few reasons, for who sent them.
    pub reasons: Vec<String>,
}

/// A source's way in: bounded, so that a source waits where judging does not keep up.
#[derive(Debug, Clone)]
pub struct Inlet {
    batches: mpsc::Sender<Batch>,
}

/// The live system has stopped taking batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the live system has stopped")]
pub struct Stopped;

/// Why a batch is not taken at once.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Every place in the queue is taken.
    #[error("the queue is full")]
    Full(Box<Batch>),
    /// The live system has stopped.
    #[error("the live system has stopped")]
    Stopped,
}

impl Inlet {
    /// A way in with room for `queue_len_max` batches, and its other end.
    pub fn new(queue_len_max: usize) -> (Self, mpsc::Receiver<Batch>) {
        let (batches, taken) = mpsc::channel(queue_len_max);
        (Self { batches }, taken)
    }

    /// Hands a batch over; waits while the queue is full.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn send(&self, batch: Batch) -> Result<(), Stopped> {
        self.batches.send(batch).await.map_err(|_| Stopped)
    }

    /// Hands a batch over if there is room now: for sources that cannot make their senders wait.
    ///
    /// # Errors
    /// [`Refused`] gives the batch back.
    pub fn try_send(&self, batch: Batch) -> Result<(), Refused> {
        self.batches.try_send(batch).map_err(|error| match error {
            mpsc::error::TrySendError::Full(batch) => Refused::Full(Box::new(batch)),
            mpsc::error::TrySendError::Closed(_) => Refused::Stopped,
        })
    }

    /// Batches that wait.
    pub fn n_waiting(&self) -> usize {
        self.batches.max_capacity() - self.batches.capacity()
    }
}

impl Batch {
    /// A batch and where its receipt will arrive. The receipt never comes where the live system stops first: then
    /// nothing may be acknowledged.
    pub fn new(
        source: Arc<str>,
        arrivals: Vec<Arrival>,
        quarantined: Vec<Quarantined>,
        arrived: Instant,
    ) -> (Self, oneshot::Receiver<Receipt>) {
        let (receipt, told) = oneshot::channel();
        let batch = Self {
            source,
            arrivals,
            quarantined,
            position: None,
            key: None,
            arrived,
            receipt,
        };
        (batch, told)
    }

    /// The answer to remember for its key.
    pub(crate) fn answer(&self, receipt: &Receipt) -> Option<Answer> {
        let (key, body_hash) = self.key.clone()?;
        let answer = serde_json::to_string(receipt).expect("a receipt is plain numbers and text");
        Some(Answer {
            key,
            body_hash,
            answer,
        })
    }
}
