//! How much may go on at once, and when it ends.

use std::sync::Arc;

use bellwether_stream::problem::Problem;
use bellwether_stream::source::Stop;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error;

/// Streams at once at most.
const STREAMS_MAX: usize = 1000;

/// Exports at once at most.
const EXPORTS_MAX: usize = 8;

/// Reads of the history at once at most: each takes a thread that waits for disks or asks a model.
const READS_MAX: usize = 4;

/// How much may go on at once, and when it ends.
#[derive(Debug, Clone)]
pub struct Room {
    streams: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    stop: Stop,
}

impl Room {
    /// Room until `stop` is told.
    pub fn new(stop: Stop) -> Self {
        Self {
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            stop,
        }
    }

    /// Told when all that goes on is to end.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// A place among the streams.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| error::busy(format!("{STREAMS_MAX} streams are open; try again later")))
    }

    /// A place among the exports.
    pub(crate) fn export(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| error::busy(format!("{EXPORTS_MAX} exports are under way; try again later")))
    }

    /// A place among the reads of the history, as soon as there is one.
    pub(crate) async fn read(&self) -> OwnedSemaphorePermit {
        let place = Arc::clone(&self.reads).acquire_owned().await;
        place.expect("the places are never closed")
    }
}
