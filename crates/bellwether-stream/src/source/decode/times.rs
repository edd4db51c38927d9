//! Times of messages, as tables have them.

use std::fmt::{self, Write as _};

use bellwether_core::time::Timestamp;
use bellwether_core::zone::Zone;
use bellwether_store::read::time_format::{TimeFormat, TimeParser, parse_time};

/// Bytes of a time at most.
pub(super) const TIME_BYTES_MAX: usize = 64;

/// Reads times; neighbouring messages mostly share their date, so the last one is kept.
#[derive(Debug)]
pub(super) struct Times {
    civil: TimeParser,
}

impl Times {
    /// Times without an offset are of clocks in `zone`; `None`: UTC.
    pub(super) fn new(zone: Option<Zone>) -> Self {
        Self {
            civil: TimeParser::new(TimeFormat::Civil).in_zone(zone),
        }
    }

    /// The instant; `None` where `text` is none.
    pub(super) fn read(&mut self, text: &str) -> Option<Timestamp> {
        if text.len() > TIME_BYTES_MAX {
            return None;
        }
        let time = self.civil.parse(text.as_bytes());
        // What clocks of the zone never showed is no time of UTC either.
        let is_civil = || TimeFormat::of(text.as_bytes()) == Some(TimeFormat::Civil);
        time.or_else(|| parse_time(text).filter(|_| !is_civil()))
            .or_else(|| with_exponent(text))
    }
}

/// A count such as `1.7e12`, as programs write large doubles.
#[cold]
fn with_exponent(text: &str) -> Option<Timestamp> {
    if !text.contains(['e', 'E']) {
        return None;
    }
    let count: f64 = text.trim_ascii().parse().ok()?;
    (count.abs() < 9e18).then(|| parse_time(&count.to_string()))?
}

/// The time as the sender wrote it, where that is not how bellwether writes it.
pub(super) fn as_written(time: Timestamp, text: &str) -> Option<Box<str>> {
    if is_whole_second_as_printed(text.as_bytes()) {
        return None;
    }
    let mut printed = Printed {
        bytes: [0; 40],
        len: 0,
    };
    let is_printed = write!(printed, "{time}").is_ok() && printed.bytes[..printed.len] == *text.as_bytes();
    (!is_printed).then(|| text.into())
}

/// Whether `text`, which reads as a time, is `2024-03-09T14:15:16Z` in form: then it prints the same. (A leap second
/// does not.) Told without printing, for most times are such.
fn is_whole_second_as_printed(text: &[u8]) -> bool {
    matches!(text, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', tens, _, b'Z'] if *tens != b'6')
}

/// A place to print a time without asking for memory: this is done for each message.
struct Printed {
    bytes: [u8; 40],
    len: usize,
}

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_an_offset_are_of_the_zone() {
        let mut berlin = Times::new(Some("Europe/Berlin".parse().unwrap()));
        let mut check = |text: &str, expect: Option<&str>| {
            let time = berlin.read(text).map(|time| time.to_string());
            assert_eq!(time.as_deref(), expect, "{text}");
        };
        check("2024-07-01 12:00:00", Some("2024-07-01T10:00:00Z"));
        check("2024-01-01T12:00:00", Some("2024-01-01T11:00:00Z"));
        check("2024-01-01T12:00:00Z", Some("2024-01-01T12:00:00Z"));
        check("1704110400", Some("2024-01-01T12:00:00Z"));
        // Clocks were put forward over it.
        check("2024-03-31 02:30:00", None);
        // It was shown twice: the first, and the second once a later time has gone by.
        check("2024-10-27 02:50:00", Some("2024-10-27T00:50:00Z"));
        check("2024-10-27 02:10:00", Some("2024-10-27T01:10:00Z"));
    }

    #[test]
    fn a_time_is_kept_as_written_where_it_prints_otherwise() {
        let check = |text: &str, is_kept: bool| {
            let time = Times::new(None).read(text).unwrap();
            assert_eq!(as_written(time, text).as_deref(), is_kept.then_some(text));
            assert_eq!(time.to_string() != text, is_kept, "{text}");
        };
        check("2024-03-09T14:15:16Z", false);
        check("2024-03-09T14:15:16.500Z", false);
        check("2024-03-09T14:15:16.5Z", true);
        check("2024-03-09T14:15:60Z", true);
        check("2024-03-09T14:15:16z", true);
        check("2024/03/09T14:15:16Z", true);
        check("2024-03-09 14:15:16Z", true);
        check("2024-03-09T14:15Z", true);
        check(" 2024-03-09T14:15:16Z", true);
    }
}
