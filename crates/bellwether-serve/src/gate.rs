//! How much is judged on demand at once: what would wait for too long is turned away at once.

use std::sync::Arc;

use bellwether_stream::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error;

/// Rows that are judged or wait for it at most. A core judges some 20,000 rows a second with a default model: what is
/// let in is answered within about half a second.
const ROWS_WAITING_MAX: usize = 16_384;

/// Rows that a request counts for at least: reading and answering it costs something, too.
const ROWS_MIN: usize = 32;

/// Lets in as much as can be done in time.
#[derive(Debug, Clone)]
pub struct Gate {
    rows: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            rows: Arc::new(Semaphore::new(ROWS_WAITING_MAX)),
            running: Arc::new(Semaphore::new(n_cores)),
        }
    }
}

/// A place at the gate: held as long as the work lasts.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Gate {
    /// A place for that many rows. One request may be larger than all that waits; it is let in where nothing else is.
    ///
    /// # Errors
    /// 503 where too much waits already.
    pub(crate) fn place(&self, n_rows: usize) -> Result<Place, Problem> {
        let rows = u32::try_from(n_rows.clamp(ROWS_MIN, ROWS_WAITING_MAX)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.rows).try_acquire_many_owned(rows);
        permit.map(Place).map_err(|_| {
            error::busy("more is asked to be judged than can be; nothing of this request was done")
        })
    }

    /// A core to work on, in the order of asking.
    pub(crate) async fn core(&self) -> OwnedSemaphorePermit {
        let core = Arc::clone(&self.running).acquire_owned().await;
        core.expect("the gate is never closed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_wait_for_too_long_is_turned_away() {
        let gate = Gate::default();
        let large = gate.place(1_000_000).unwrap();
        assert!(gate.place(1).is_err());
        drop(large);
        let small: Vec<Place> = (0..ROWS_WAITING_MAX / ROWS_MIN)
            .map(|_| gate.place(1).unwrap())
            .collect();
        assert!(gate.place(1).is_err());
        drop(small);
        assert!(gate.place(1).is_ok());
    }
}
