//! Time zones by name, from a database that is part of the program: no file of the machine is read.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::time::Timestamp;

/// A time zone such as `Europe/Berlin`, or UTC.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When clocks on the wall show a time, given as seconds that would be since the epoch in UTC.
    pub fn shown(&self, local_secs: i64) -> Shown {
        let Ok(as_utc) = jiff::Timestamp::from_second(local_secs) else {
            return Shown::Never;
        };
        let civil = jiff::tz::Offset::UTC.to_datetime(as_utc);
        let secs = |offset: jiff::tz::Offset| i64::from(offset.seconds());
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => Shown::Once(secs(offset)),
            AmbiguousOffset::Fold { before, after } => Shown::Twice(secs(before), secs(after)),
            AmbiguousOffset::Gap { .. } => Shown::Never,
        }
    }

    /// Nanoseconds since the epoch that clocks on the wall show at an instant.
    pub fn local_nanos(&self, time: Timestamp) -> i64 {
        let nanos = time.as_nanos();
        // Every instant of ours lies within what jiff knows.
        let offset = jiff::Timestamp::from_nanosecond(i128::from(nanos))
            .map_or(0, |instant| self.zone.to_offset(instant).seconds());
        nanos.saturating_add(i64::from(offset) * 1_000_000_000)
    }
}

/// The instants at which clocks on the wall show a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Once, so many seconds after UTC.
    Once(i64),
    /// Twice, because clocks were put back: the offsets of the first and the second time.
    Twice(i64, i64),
    /// Never, because clocks were put forward.
    Never,
}

/// The text names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no time zone: wanted a name such as Europe/Berlin or UTC")]
pub struct ZoneError {
    /// What was given.
    pub name: String,
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let unknown = || ZoneError {
            name: text.chars().take(80).collect(),
        };
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        let zone = TimeZoneDatabase::bundled().get(text).map_err(|_| unknown())?;
        let name = zone.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, zone })
    }
}

/// Zones are the same where their names are.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_put_forward_and_back() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        // 2024-03-31 and 2024-10-27, seconds of the day added.
        let (spring, autumn) = (1_711_843_200, 1_729_987_200);
        let check = |local_secs: i64, expect: Shown| assert_eq!(berlin.shown(local_secs), expect);
        check(spring + 7199, Shown::Once(3600));
        check(spring + 7200, Shown::Never);
        check(spring + 10_799, Shown::Never);
        check(spring + 10_800, Shown::Once(7200));
        check(autumn + 7199, Shown::Once(7200));
        check(autumn + 7200, Shown::Twice(7200, 3600));
        check(autumn + 10_800, Shown::Once(3600));
        let noon = Timestamp::from_secs(autumn + 12 * 3600);
        assert_eq!(berlin.local_nanos(noon) - noon.as_nanos(), 3_600_000_000_000);
    }

    #[test]
    fn zones_are_known_by_name() {
        assert_eq!("utc".parse(), Ok(Zone::utc()));
        assert_eq!("Asia/Kolkata".parse::<Zone>().unwrap().name(), "Asia/Kolkata");
        let error = "Mars/Base".parse::<Zone>().unwrap_err().to_string();
        assert!(error.contains("\"Mars/Base\" is no time zone"), "{error}");
    }
}
