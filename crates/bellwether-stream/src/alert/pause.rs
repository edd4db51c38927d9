//! How long to wait after trouble with the database, and what to log of it.

use std::error::Error;
use std::time::Duration;

use crate::source::Stop;

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits twice as long each time, until all is well again.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Duration>);

impl Pause {
    /// All is well.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// Waits, but not beyond `stop`.
    pub(super) async fn wait(&mut self, stop: &mut Stop) {
        let wait = self.0.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
        self.0 = Some(wait);
        tokio::select! {
            () = stop.told() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// An error and its causes in one line; a cause that its parent says already is not said twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let said = cause.to_string();
        if text.contains(&said) {
            text
        } else {
            format!("{text}: {said}")
        }
    })
}
