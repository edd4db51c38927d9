//! How much may go on at once, and when it ends.

use std::sync::Arc;
use std::time::Duration;

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

/// How long a read may wait for its place.
const READ_WAIT_MAX: Duration = Duration::from_millis(300);

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
    ///
    /// # Errors
    /// 503 `busy` where there is none for [`READ_WAIT_MAX`].
    pub(crate) async fn read(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.reads).acquire_owned();
        match tokio::time::timeout(READ_WAIT_MAX, place).await {
            Ok(place) => Ok(place.expect("the places are never closed")),
            Err(_) => Err(error::busy(format!(
                "{READS_MAX} others read the history; try again later"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_waits_for_a_while_and_is_then_refused() {
        let room = Room::new(Stop::new().1);
        let mut places = Vec::new();
        for _ in 0..READS_MAX {
            places.push(room.read().await.unwrap());
        }
        assert_eq!(room.read().await.unwrap_err().status(), 503);
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.read().await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        places.pop();
        waiting.await.unwrap().unwrap();
    }
}
