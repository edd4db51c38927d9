//! How long to wait after trouble with the database.

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
