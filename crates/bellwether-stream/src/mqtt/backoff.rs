//! How long to wait before connecting again: twice as long each time, up to a bound.

use std::time::Duration;

/// The first wait.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits between attempts to connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: WAIT_MIN }
    }

    /// How long to wait after an attempt whose connection `lasted` that long.
    ///
    /// Only a connection that lasted makes waits short again: two clients of one name throw each other out as soon as
    /// they connect.
    pub(crate) fn wait(&mut self, lasted: Duration) -> Duration {
        if lasted > 2 * WAIT_MAX {
            self.next = WAIT_MIN;
        }
        let wait = self.next;
        self.next = (2 * wait).min(WAIT_MAX);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_start_anew_after_a_lasting_connection() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..8).map(|_| backoff.wait(WAIT_MAX).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.wait(Duration::from_secs(11)), WAIT_MIN);
    }
}
