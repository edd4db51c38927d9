//! The wish, from within the process, that configuration and models be read again.

use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;

/// Wishes that wait at most: whoever wishes waits for the answer.
const WISHES_MAX: usize = 16;

/// A wish, and whom to tell.
#[derive(Debug)]
pub(crate) struct Reload(oneshot::Sender<Result<(), String>>);

/// Makes the live system read configuration and registry again.
#[derive(Debug, Clone)]
pub(crate) struct Reloader(mpsc::Sender<Reload>);

impl Reloader {
    pub(super) fn new() -> (Self, mpsc::Receiver<Reload>) {
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        (Self(wishes), wished)
    }

    /// Reads all again and puts it in force; a mistake leaves the old in force, and comes back as text.
    ///
    /// # Errors
    /// What is wrong, in words for people.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let stopping = || "the system is stopping".to_owned();
        let (told, answer) = oneshot::channel();
        self.0.send(Reload(told)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}

impl Reload {
    pub(super) fn answer(self, done: Result<(), Failure>) {
        // Who wished may have gone.
        let _ = self.0.send(done.map_err(|failure| failure.text()));
    }
}
