//! The clock of this machine: the one place where the live system reads it.

use std::time::{Instant, SystemTime};

use bellwether_core::time::Timestamp;

/// Now, for what is written down.
#[expect(
    clippy::disallowed_methods,
    reason = "a live system lives in the time of its machine"
)]
pub fn now() -> Timestamp {
    let nanos = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    };
    Timestamp::from_nanos(nanos)
}

/// Now, for how long something takes; never runs backwards.
#[expect(
    clippy::disallowed_methods,
    reason = "a live system lives in the time of its machine"
)]
pub fn instant() -> Instant {
    Instant::now()
}
