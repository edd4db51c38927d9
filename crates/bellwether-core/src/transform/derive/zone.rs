//! Time zones by name, from a database that is part of the program: no file of the machine is read.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{TimeZone, TimeZoneDatabase};

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

    /// The zone itself.
    pub fn time_zone(&self) -> &TimeZone {
        &self.zone
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

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
