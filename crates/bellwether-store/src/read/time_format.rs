//! Times as people write them: RFC 3339 and its looser relatives, and counts since the Unix epoch.
//!
//! A civil time without an offset is taken as UTC, or as that of the zone that the caller names. Day and month are never guessed: `03/04/2024` is refused.

use bellwether_core::time::Timestamp;
use bellwether_core::zone::{Shown, Zone};

/// The forms that are read, for messages.
pub(super) const WANTED_TIMES: &str = "2024-03-09T14:15:16Z, 2024-03-09 14:15:16 (UTC), 2024-03-09, or seconds, \
     milliseconds, microseconds or nanoseconds since 1970";

const SECOND: i64 = 1_000_000_000;

/// Unit of a count since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochUnit {
    /// Seconds, with or without decimals.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl EpochUnit {
    /// The unit that puts a count of this size nearest to our days: below 10^11 seconds (until the year 5138), below
    /// 10^14 milliseconds, below 10^17 microseconds, else nanoseconds.
    pub fn of_magnitude(count: i64) -> Self {
        match count.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Millis,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    /// Units in one second.
    pub(super) const fn per_second(self) -> i64 {
        SECOND / self.nanos()
    }

    /// Nanoseconds of `count` units; `None` where they lie outside the years 1678 to 2261.
    pub(super) fn in_nanos(self, count: i64) -> Option<i64> {
        count.checked_mul(self.nanos())
    }

    /// Nanoseconds in one unit.
    const fn nanos(self) -> i64 {
        match self {
            Self::Seconds => SECOND,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

/// How the times of one column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// Year, month, day, and mostly a time of day: `2024-03-09T14:15:16.5+01:00`.
    Civil,
    /// A count since the Unix epoch.
    Epoch(EpochUnit),
}

impl TimeFormat {
    /// The format `text` is written in, if it reads as a time at all.
    pub fn of(text: &[u8]) -> Option<Self> {
        if TimeParser::new(Self::Civil).parse(text).is_some() {
            return Some(Self::Civil);
        }
        let (count, _) = count_and_fraction(text.trim_ascii())?;
        Some(Self::Epoch(EpochUnit::of_magnitude(count)))
    }
}

/// A time in any of the forms, for options such as `--until`; `None` where it is in none of them.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    TimeParser::new(TimeFormat::of(text.as_bytes())?).parse(text.as_bytes())
}

/// Reads the times of one column. Neighbouring rows mostly share their date, so the last one is kept.
#[derive(Debug, Clone)]
pub struct TimeParser {
    format: TimeFormat,
    /// Whose clocks times without an offset are of; `None`: UTC.
    zone: Option<Zone>,
    /// Seconds of the last instant of a zone: tells which of two a time is that clocks showed twice.
    last_secs: i64,
    date_text: [u8; 10],
    date_secs: i64,
}

impl TimeParser {
    /// For times written in `format`.
    pub fn new(format: TimeFormat) -> Self {
        Self {
            format,
            zone: None,
            last_secs: i64::MIN,
            date_text: *b"1970-01-01",
            date_secs: 0,
        }
    }

    /// The same for clocks of a zone.
    ///
    /// A time that clocks showed twice, because they were put back, is the first of the two unless that lies before the
    /// time read last; one that they never showed is none.
    #[must_use]
    pub fn in_zone(self, zone: Option<Zone>) -> Self {
        Self { zone, ..self }
    }

    /// The zone, where `text` is a time that its clocks never showed.
    pub(super) fn skipped_in(&self, text: &[u8]) -> Option<&Zone> {
        let mut in_utc = Self::new(self.format);
        let is_time = self.format == TimeFormat::Civil && in_utc.parse(text).is_some();
        self.zone.as_ref().filter(|_| is_time)
    }

    /// The instant; `None` where `text` is not in this format or lies outside the years 1678 to 2261.
    pub fn parse(&mut self, text: &[u8]) -> Option<Timestamp> {
        let text = text.trim_ascii();
        let nanos = match self.format {
            TimeFormat::Civil => self.civil(text)?,
            TimeFormat::Epoch(unit) => epoch(text, unit)?,
        };
        Some(Timestamp::from_nanos(nanos))
    }

    /// Nanoseconds since the epoch of `YYYY-MM-DD[(T| )HH:MM[:SS[.fff]][ ][Z|UTC|±HH[[:]MM]]]`.
    fn civil(&mut self, text: &[u8]) -> Option<i64> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        if *date != self.date_text {
            self.date_secs = date_secs(date)?;
            self.date_text = *date;
        }
        let (of_day, fraction, rest) = match rest {
            [b'T' | b't' | b' ', clock @ ..] => clock_time(clock)?,
            [] => (0, 0, rest),
            _ => return None,
        };
        let local_secs = self.date_secs + of_day;
        let secs = match &self.zone {
            Some(zone) if rest.trim_ascii_start().is_empty() => {
                let secs = match zone.shown(local_secs) {
                    Shown::Once(offset) => local_secs - offset,
                    Shown::Twice(first, second) if local_secs - first < self.last_secs => local_secs - second,
                    Shown::Twice(first, _) => local_secs - first,
                    Shown::Never => return None,
                };
                self.last_secs = secs;
                secs
            }
            _ => local_secs - offset_secs(rest)?,
        };
        secs.checked_mul(SECOND)?.checked_add(fraction)
    }
}

/// Seconds since the epoch of midnight of `YYYY-MM-DD` (or with slashes), UTC.
fn date_secs(date: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, dash, m1, m2, dash_again, d1, d2] = *date;
    if !matches!(dash, b'-' | b'/') || dash != dash_again {
        return None;
    }
    let year = two_digits([y1, y2])? * 100 + two_digits([y3, y4])?;
    if !(1678..=2261).contains(&year) {
        return None;
    }
    let (month, day) = (two_digits([m1, m2])?, two_digits([d1, d2])?);
    // The casts hold: every part has at most four digits.
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    let days = date
        .since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1)))
        .ok()?
        .get_days();
    Some(i64::from(days) * 86_400)
}

/// Seconds and nanoseconds of the day of `HH:MM[:SS[.fff]]`, and what follows. A leap second (`:60`) is the first
/// second of the next minute.
fn clock_time(clock: &[u8]) -> Option<(i64, i64, &[u8])> {
    if let Some((whole, rest)) = clock.split_first_chunk()
        && !matches!(rest, [b'.' | b',', ..])
        && let Some(secs) = whole_clock(*whole)
    {
        return Some((secs, 0, rest));
    }
    let (hour_minute, mut rest) = clock.split_first_chunk::<5>()?;
    let [h1, h2, b':', m1, m2] = *hour_minute else {
        return None;
    };
    let (hour, minute) = (two_digits([h1, h2])?, two_digits([m1, m2])?);
    let (mut second, mut fraction) = (0, 0);
    if let [b':', s1, s2, after @ ..] = rest {
        second = two_digits([*s1, *s2])?;
        rest = after;
        if let [b'.' | b',', decimals @ ..] = rest {
            let n_digits = decimals.iter().take_while(|byte| byte.is_ascii_digit()).count();
            fraction = nanos_of_decimals(&decimals[..n_digits])?;
            rest = &decimals[n_digits..];
        }
    }
    (hour < 24 && minute < 60 && second <= 60).then_some((hour * 3600 + minute * 60 + second, fraction, rest))
}

/// Seconds of the day of `HH:MM:SS`, all bytes at once; `None` where it is not that, or an hour or second that needs more
/// thought.
#[inline]
fn whole_clock(clock: [u8; 8]) -> Option<i64> {
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);
    /// What takes each byte to its highest bit from just above its largest value on: `23:59:59` with its colons.
    const ROOM: u64 = u64::from_le_bytes([0x7d, 0x76, 0x7f, 0x7a, 0x76, 0x7f, 0x7a, 0x76]);
    // Digits become their values, colons nought.
    let bytes = u64::from_le_bytes(clock) ^ u64::from_le_bytes(*b"00:00:00");
    let above = ((bytes & !HIGHEST) + ROOM) | bytes;
    // Each byte and the next as a number of two digits.
    let pairs = bytes.wrapping_mul(10).wrapping_add(bytes >> 8);
    let at = |byte: u32| i64::from((pairs >> (8 * byte)) as u8);
    let (hour, minute, second) = (at(0), at(3), at(6));
    (above & HIGHEST == 0 && hour < 24).then_some(hour * 3600 + minute * 60 + second)
}

/// Seconds east of UTC of nothing, `Z`, `UTC`, `+01:00`, `+0100` or `+01`.
fn offset_secs(text: &[u8]) -> Option<i64> {
    match text.trim_ascii_start() {
        [] | b"Z" | b"z" | b"UTC" => Some(0),
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let (hours, minutes) = match *digits {
                [h1, h2] => (two_digits([h1, h2])?, 0),
                [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two_digits([h1, h2])?, two_digits([m1, m2])?),
                _ => return None,
            };
            let secs = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -secs } else { secs })
        }
        _ => None,
    }
}

/// Nanoseconds since the epoch of a count of `unit`s, with decimals down to a nanosecond.
fn epoch(text: &[u8], unit: EpochUnit) -> Option<i64> {
    let (count, decimals) = count_and_fraction(text)?;
    let mut nanos = count.checked_mul(unit.nanos())?;
    if !decimals.is_empty() {
        let part = nanos_of_decimals(decimals)? / unit.per_second();
        nanos = if text[0] == b'-' {
            nanos.checked_sub(part)?
        } else {
            nanos.checked_add(part)?
        };
    }
    Some(nanos)
}

/// `-12.5` as (-12, "5"); `None` where it is not a plain decimal that fits.
pub(super) fn count_and_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let n_whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let decimals = match &digits[n_whole..] {
        [] => &[],
        [b'.', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => rest,
        _ => return None,
    };
    if n_whole == 0 {
        return None;
    }
    let mut count = 0_i64;
    for &byte in &digits[..n_whole] {
        count = count.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some((if negative { -count } else { count }, decimals))
}

/// Decimals of a second as nanoseconds; digits beyond the ninth are dropped, none at all is `None`.
fn nanos_of_decimals(decimals: &[u8]) -> Option<i64> {
    if decimals.is_empty() {
        return None;
    }
    let padded = decimals.iter().copied().chain(std::iter::repeat(b'0'));
    Some(
        padded
            .take(9)
            .fold(0, |nanos, byte| nanos * 10 + i64::from(byte - b'0')),
    )
}

/// Two ASCII digits as a number.
fn two_digits([tens, units]: [u8; 2]) -> Option<i64> {
    (tens.is_ascii_digit() && units.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(units - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clocks_of_a_zone_are_put_forward_and_back() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let mut parser = TimeParser::new(TimeFormat::Civil).in_zone(Some(berlin));
        let mut check = |text: &str, expect: Option<&str>| {
            let time = parser.parse(text.as_bytes()).map(|time| time.to_string());
            assert_eq!(time.as_deref(), expect, "{text}");
        };
        check("2024-03-31 01:59:59.5", Some("2024-03-31T00:59:59.500Z"));
        check("2024-03-31 02:30", None);
        check("2024-03-31 03:00", Some("2024-03-31T01:00:00Z"));
        check("2024-10-27 02:00:00", Some("2024-10-27T00:00:00Z"));
        check("2024-10-27 02:59:59", Some("2024-10-27T00:59:59Z"));
        // The hour a second time.
        check("2024-10-27 02:00:00", Some("2024-10-27T01:00:00Z"));
        check("2024-10-27 02:30:00", Some("2024-10-27T01:30:00Z"));
        check("2024-10-27 03:00:00", Some("2024-10-27T02:00:00Z"));
        // An offset says more than a zone.
        check("2024-10-27 03:00:00+00:00", Some("2024-10-27T03:00:00Z"));
        assert!(parser.skipped_in(b"2024-03-31 02:30").is_some());
        assert!(parser.skipped_in(b"no time").is_none());
    }

    #[test]
    fn times_are_read_in_every_form() {
        let check = |text: &str, expect: &str| {
            let time = parse_time(text).map(|time| time.to_string());
            assert_eq!(time.as_deref(), Some(expect), "{text:?}");
        };
        check("2024-03-09T14:15:16Z", "2024-03-09T14:15:16Z");
        check("2024-03-09t14:15:16z", "2024-03-09T14:15:16Z");
        check("2024-03-09 14:15:16", "2024-03-09T14:15:16Z");
        check(" 2024-03-09 14:15:16 ", "2024-03-09T14:15:16Z");
        check("2024-03-09 14:15", "2024-03-09T14:15:00Z");
        check("2024/03/09 14:15:16", "2024-03-09T14:15:16Z");
        check("2024-02-29", "2024-02-29T00:00:00Z");
        check("2024-03-09 14:15:16.5", "2024-03-09T14:15:16.500Z");
        check("2024-03-09 14:15:16,250", "2024-03-09T14:15:16.250Z");
        check(
            "2024-03-09T14:15:16.123456789999Z",
            "2024-03-09T14:15:16.123456789Z",
        );
        check("2024-03-09T14:15:16+01:00", "2024-03-09T13:15:16Z");
        check("2024-03-09T00:15:16+0130", "2024-03-08T22:45:16Z");
        check("2024-03-09 14:15:16-05", "2024-03-09T19:15:16Z");
        check("2024-03-09 14:15:16 UTC", "2024-03-09T14:15:16Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z");
        check("1700000000", "2023-11-14T22:13:20Z");
        check("1700000000.25", "2023-11-14T22:13:20.250Z");
        check("1700000000123", "2023-11-14T22:13:20.123Z");
        check("1700000000123.5", "2023-11-14T22:13:20.123500Z");
        check("1700000000123456", "2023-11-14T22:13:20.123456Z");
        check("1700000000123456789", "2023-11-14T22:13:20.123456789Z");
        check("-1.5", "1969-12-31T23:59:58.500Z");
        check("0", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let texts = [
            "",
            "noon",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-3-9",
            "03/04/2024",
            "2024-03/09",
            "2024-03-09T24:00:00",
            "2024-03-09T14:60:00",
            "2024-03-09T14:15:61",
            "2024-03-09T14:15:16.",
            "2024-03-09T14:15:16+1",
            "2024-03-09T14:15:16+25:00",
            "2024-03-09T14:15:16 CET",
            "2024-03-09x14:15",
            "1600-01-01",
            "2500-01-01",
            "99999999999999999999",
            "1e9",
            "1.5.2",
            ".5",
            "-",
            "１２",
        ];
        for text in texts {
            assert_eq!(parse_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_kept_date_does_not_leak_into_the_next_row() {
        let mut parser = TimeParser::new(TimeFormat::Civil);
        for day in [
            "2024-03-09",
            "2024-03-10",
            "2024-13-10",
            "2024-03-10",
            "2024-03-09",
        ] {
            let alone = parse_time(day);
            assert_eq!(parser.parse(day.as_bytes()), alone, "{day}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_instant_is_read_back(nanos in -9_000_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(parse_time(&time.to_string()), Some(time));
        }

        #[test]
        fn a_clock_read_at_once_is_one_read_digit_by_digit(
            text in "[0-2][0-9]:[0-6][0-9]:[0-6][0-9]|[0-9]{2}:[0-9]{2}:[0-9]{2}|[0-9:;/@p]{8}"
        ) {
            let part = |at: usize| text[at..at + 2].parse::<i64>().ok();
            let parts = part(0).zip(part(3)).zip(part(6)).filter(|_| text[2..3] == *":" && text[5..6] == *":");
            let expect = parts
                .filter(|((hour, minute), second)| *hour < 24 && *minute < 60 && *second < 60)
                .map(|((hour, minute), second)| hour * 3600 + minute * 60 + second);
            prop_assert_eq!(whole_clock(text.as_bytes().try_into().unwrap()), expect);
        }

        #[test]
        fn civil_times_agree_with_a_calendar_library(secs in -9_000_000_000_i64..9_000_000_000, hours in -14_i32..15) {
            let zoned = jiff::Timestamp::from_second(secs).unwrap()
                .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(hours as i8)));
            let text = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            prop_assert_eq!(parse_time(&text), Some(Timestamp::from_secs(secs)));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = TimeFormat::of(&bytes).and_then(|format| TimeParser::new(format).parse(&bytes));
        }
    }
}
