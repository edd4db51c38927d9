//! Where samples come from: a file per kind of source, `decode` for what their messages look like.
//!
//! A source reads, decodes and hands over batches of at most [`BATCH_LEN_MAX`] arrivals. It waits where the queue is
//! full. It acknowledges (or moves on) only when the receipt of a batch has come.

pub mod decode;
pub mod http;
pub mod mqtt;
pub mod text;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::arrival::Inlet;

/// Arrivals in a batch at most.
pub const BATCH_LEN_MAX: usize = 4096;

/// Bytes of a message at most: longer ones are quarantined.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Something that sends samples.
pub trait Source: Send {
    /// Its name: for counting, for its offset in the database, for messages to people.
    fn name(&self) -> Arc<str>;

    /// Reads until its input ends, or `stop` is told; reconnects by itself for ever where there is a connection.
    ///
    /// `resume` is the position of the last batch that is durable.
    fn run(
        self: Box<Self>,
        inlet: Inlet,
        resume: Option<String>,
        stop: Stop,
    ) -> BoxFuture<'static, Result<(), SourceError>>;
}

/// Tells tasks that they are to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A signal that has not been given, and what gives it.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (give, told) = watch::channel(false);
        (give, Self(told))
    }

    /// Whether it has been given.
    pub fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it; also over where who could give it is gone.
    pub async fn told(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// Why a source ended before its input did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Its input cannot be opened or read.
    #[error("{source_name}: cannot {action}")]
    Io {
        /// The source.
        source_name: Arc<str>,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What it was told to do cannot be done.
    #[error("{source_name}: {problem}")]
    Unusable {
        /// The source.
        source_name: Arc<str>,
        /// What is wrong and what to do.
        problem: String,
    },
}
