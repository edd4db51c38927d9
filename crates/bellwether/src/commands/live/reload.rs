//! The wish, from within the process, that configuration and models be read again.

use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// Wishes that wait at most: whoever wishes waits for the answer.
const WISHES_MAX: usize = 16;

/// A wish, and whom to tell.
#[derive(Debug)]
pub(crate) struct Reload(oneshot::Sender<Result<(), NotReloaded>>);

/// Why the old stays in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotReloaded {
    /// What was read cannot be put in force, in words for people.
    #[error("{0}")]
    Refused(String),
    /// Nothing is put in force any more.
    #[error("the system is stopping")]
    Stopping,
}

/// Makes the live system read configuration and registry again.
#[derive(Debug, Clone)]
pub(crate) struct Reloader(mpsc::Sender<Reload>);

impl Reloader {
    pub(super) fn new() -> (Self, mpsc::Receiver<Reload>) {
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        (Self(wishes), wished)
    }

    /// Reads all again and puts it in force; a mistake leaves the old in force.
    ///
    /// # Errors
    /// Why that is so.
    pub(crate) async fn reload(&self) -> Result<(), NotReloaded> {
        let (told, answer) = oneshot::channel();
        let asked = self.0.send(Reload(told)).await;
        asked.map_err(|_| NotReloaded::Stopping)?;
        answer.await.map_err(|_| NotReloaded::Stopping)?
    }
}

impl Reload {
    pub(super) fn answer(self, done: Result<(), Failure>) {
        // Who wished may have gone.
        let _ = self
            .0
            .send(done.map_err(|failure| NotReloaded::Refused(failure.text())));
    }
}
