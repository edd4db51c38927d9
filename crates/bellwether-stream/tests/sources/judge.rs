//! The other end of a source's way in: takes batches, and acknowledges them or not.

use std::time::Duration;

use bellwether_stream::arrival::{Arrival, Batch, Inlet, Receipt};
use tokio::sync::mpsc::Receiver;

/// Longer than anything that is waited for takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Takes batches by hand.
pub(crate) struct Judge {
    batches: Receiver<Batch>,
    /// Position of the last batch that was acknowledged.
    pub(crate) position: Option<String>,
}

impl Judge {
    pub(crate) fn new(queue_len_max: usize) -> (Inlet, Self) {
        let (inlet, batches) = Inlet::new(queue_len_max);
        let position = None;
        (inlet, Self { batches, position })
    }

    /// The next batch; `None` where the source has ended.
    pub(crate) async fn take(&mut self) -> Option<Batch> {
        tokio::time::timeout(LONG, self.batches.recv())
            .await
            .expect("a batch comes in time")
    }

    /// Takes and acknowledges batches until there are `n` arrivals and entries in quarantine.
    pub(crate) async fn take_messages(&mut self, n: usize) -> (Vec<Arrival>, Vec<String>) {
        let (mut arrivals, mut quarantined) = (Vec::new(), Vec::new());
        while arrivals.len() + quarantined.len() < n {
            let batch = self.take().await.expect("more messages are to come");
            let (mut more, bad) = self.acknowledge(batch);
            arrivals.append(&mut more);
            quarantined.extend(bad);
        }
        assert_eq!(
            arrivals.len() + quarantined.len(),
            n,
            "{arrivals:?} {quarantined:?}"
        );
        (arrivals, quarantined)
    }

    /// Says that a batch is durable; gives what was in it.
    pub(crate) fn acknowledge(&mut self, batch: Batch) -> (Vec<Arrival>, Vec<String>) {
        let receipt = Receipt {
            accepted: batch.arrivals.len() as u64,
            quarantined: batch.quarantined.len() as u64,
            reasons: batch
                .quarantined
                .iter()
                .map(|entry| entry.detail.clone())
                .collect(),
            ..Receipt::default()
        };
        // A request may have given up waiting.
        let _ = batch.receipt.send(receipt);
        if batch.position.is_some() {
            self.position = batch.position;
        }
        let told =
            |entry: &bellwether_store::database::Quarantined| format!("{}: {}", entry.reason, entry.detail);
        (batch.arrivals, batch.quarantined.iter().map(told).collect())
    }
}
