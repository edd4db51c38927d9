//! Events: when scores become something a person is told of, and when that ends.
//!
//! [`EventRule`] says which runs of scores are one event; [`EventTracker`] follows it row by row, so that what a row
//! says about its event is what was known at that row. [`Trace`] keeps what tells the kind of an event, and whether
//! it is one sensor's.

mod kind;
mod rule;
mod sensor;
mod state;
mod trace;
mod tracker;
mod wish;

use std::fmt;

pub use kind::EventKind;
pub use rule::{EventRule, EventRuleError};
pub use sensor::{EventFault, SensorTrace};
pub use state::{Phase, TrackedRow, TrackerState};
pub use trace::{Bin, ChannelTrace, MissingRuns, Trace, Watched};
pub use tracker::{EventTracker, JudgedRow};
pub use wish::{EventWish, EventWishError};

use crate::frame::SeriesId;
use crate::time::Timestamp;

/// The name of an event: a hash of its series and its start, so that it does not depend on where a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u64);

impl EventId {
    /// The id of the event of `series` that starts at `start`.
    ///
    /// FNV-1a over the name, a 0xff byte that no name holds and the nanoseconds, mixed by the finaliser of
    /// SplitMix64 (Steele, Lea and Flood 2014) because FNV leaves the high bits of short input alike.
    pub fn new(series: &SeriesId, start: Timestamp) -> Self {
        let time = start.as_nanos().to_le_bytes();
        let bytes = series.as_str().bytes().chain([0xff]).chain(time);
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut mixed = hash;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)) >> 16)
    }

    /// As a number below 2⁴⁸.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The id of that number; `None` where it is none.
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits >> 48 == 0).then_some(Self(bits))
    }

    /// The id written as twelve hexadecimal digits; `None` where it is none.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self::from_bits(u64::from_str_radix(text, 16).ok().filter(|_| is_hex)?)
    }
}

/// Twelve hexadecimal digits.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// A stretch of time that was not normal.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// The first of the scores at or above 1 that opened it.
    pub start: Timestamp,
    /// The last sample at or above the clear ratio.
    pub end: Timestamp,
    /// The highest score, and its first time.
    pub peak_time: Timestamp,
    /// At least 1.
    pub peak_score: f64,
    /// Samples from start to end.
    pub n_samples: usize,
    /// It goes on where the data end.
    pub is_open: bool,
    /// Mean share of each channel over its samples at or above the clear ratio; sums to 1. `[n_channels]`
    pub shares: Vec<f64>,
    /// Mean share of each member over the same samples, and last that of the training ranges; sums to 1.
    /// `[n_members + 1]`
    pub members: Vec<f64>,
    /// How far the members agree that this is not normal, in [0, 1]: see [`EventTracker`].
    pub confidence: f64,
    /// What kind of trouble it is, as far as it is known.
    pub kind: EventKind,
    /// Whether one sensor or the device is at fault, as far as that is known.
    pub fault: Option<EventFault>,
}

impl Event {
    /// How far beyond normal, from 0 to 100: 100 · (1 − 1 / peak score).
    ///
    /// 0 at the threshold, 50 at twice, 90 at ten times; rises with the peak score alone, so that it compares events
    /// of different models and devices.
    pub fn severity(&self) -> f64 {
        severity(self.peak_score)
    }
}

/// See [`Event::severity`]; 0 for scores below 1.
pub fn severity(peak_score: f64) -> f64 {
    100.0 * (1.0 - 1.0 / peak_score.max(1.0))
}

/// The least peak score of that severity, in [0, 100]: the inverse of [`severity`], less what rounding may take.
pub fn peak_score(severity: f64) -> f64 {
    const ROUNDING: f64 = 1e-12;
    1.0 / (1.0 - severity.clamp(0.0, 100.0) / 100.0 + ROUNDING)
}

/// What a row did to the events of its series.
#[derive(Debug, Clone, PartialEq)]
pub enum EventChange {
    /// No event.
    Quiet,
    /// This row opened the event.
    Opened(EventId),
    /// The event goes on.
    Ongoing(EventId),
    /// The event was over some rows ago, which is certain now; this row is in none.
    Closed(Event),
}

impl EventChange {
    /// The event the row lies in, as known at the row.
    pub fn event(&self) -> Option<EventId> {
        match self {
            Self::Opened(id) | Self::Ongoing(id) => Some(*id),
            Self::Quiet | Self::Closed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    #[test]
    fn an_event_is_of_at_least_its_own_severity() {
        for peak in [1.0, 1.001, 2.0, 3.0, 7.0, 10.0, 1e3, 1e6, f64::INFINITY] {
            assert!(peak >= peak_score(severity(peak)), "{peak}");
        }
        for (least, more) in [(0.0, 1.001), (50.0, 2.001), (99.0, 100.1)] {
            assert_close(peak_score(least), 1.0 / (1.0 - least / 100.0), 1e-9, "peak score");
            assert!(more > peak_score(least), "{least}");
        }
        assert!(peak_score(75.0) > 3.999 && peak_score(400.0) > 1e9 && peak_score(-1.0) < 1.0);
    }

    #[test]
    fn ids_are_twelve_digits_that_depend_on_series_and_start() {
        let id =
            |series: &str, secs| EventId::new(&SeriesId::new(series), Timestamp::from_secs(secs)).to_string();
        assert_eq!(id("pump", 0).len(), 12);
        assert_eq!(id("pump", 7), id("pump", 7));
        let mut all: Vec<String> = (0..2000)
            .flat_map(|secs| [id("a", secs), id("b", secs)])
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
