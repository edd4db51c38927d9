//! The clock of this machine: when something came in.
#![expect(
    clippy::disallowed_methods,
    reason = "what comes in live comes in at a time of this machine"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bellwether_core::time::Timestamp;

/// Now, for measuring how long something takes.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Now, as a date. A clock outside of the years 1677 to 2262 shows the nearest instant within.
pub(crate) fn now() -> Timestamp {
    let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    };
    Timestamp::from_nanos(nanos)
}
