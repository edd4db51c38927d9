//! Receipts become acknowledgements, in the order in which the messages came.

use tokio::sync::mpsc;

use super::gather::Handed;
use super::intake::Load;
use crate::mqtt::link::Client;

/// Why no more is acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SettleEnd {
    /// All that was handed over is durable and acknowledged.
    Done,
    /// A batch will never be durable: the live system has stopped.
    NoReceipt,
    /// The connection is over.
    Over,
}

/// Acknowledges each batch when it is durable, until no more are handed over.
pub(super) async fn settle(mut handed: mpsc::Receiver<Handed>, client: &Client, load: &Load) -> SettleEnd {
    while let Some(Handed { receipt, acks, bytes }) = handed.recv().await {
        if let Some(receipt) = receipt
            && receipt.await.is_err()
        {
            return SettleEnd::NoReceipt;
        }
        for ack in acks {
            if client.acknowledge(ack).await.is_err() {
                return SettleEnd::Over;
            }
        }
        load.release(bytes);
    }
    SettleEnd::Done
}
