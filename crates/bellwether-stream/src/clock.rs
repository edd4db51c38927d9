//! The one place where the live system reads the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use bellwether_core::time::Timestamp;

/// Now, by the clock of this machine; what lies outside 1970 to 2262 is the nearest of these.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "messages without a time are as old as their arrival"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
