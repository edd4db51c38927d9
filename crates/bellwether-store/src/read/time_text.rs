//! Times that come as numbers of a time type, in words: there is no text of them that answers could repeat.
//!
//! `2024-03-09 14:15:16.500`, which is UTC: what data frames write of the same column. Where the type names a zone,
//! `2024-03-09T14:15:16.500Z`. Decimals go by threes.

use std::io::Write as _;

const SECOND: i64 = 1_000_000_000;
const DAY_SECS: i64 = 86_400;

/// Writes times. Neighbouring rows mostly share their date, so the last one is kept.
#[derive(Debug, Clone)]
pub(super) struct TimeText {
    has_zone: bool,
    day: i64,
    date: Vec<u8>,
}

impl TimeText {
    /// For times whose type names a zone, or does not.
    pub(super) fn new(has_zone: bool) -> Self {
        Self {
            has_zone,
            day: 0,
            date: b"1970-01-01".to_vec(),
        }
    }

    /// Appends the instant `nanos` after 1970.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, nanos: i64) {
        let (secs, part) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
        let (day, of_day) = (secs.div_euclid(DAY_SECS), secs.rem_euclid(DAY_SECS));
        if day != self.day {
            self.day = day;
            self.date.clear();
            push_date(&mut self.date, day);
        }
        out.extend_from_slice(&self.date);
        out.push(if self.has_zone { b'T' } else { b' ' });
        let digits = |n: i64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        let ([h1, h2], [m1, m2], [s1, s2]) = (
            digits(of_day / 3600),
            digits(of_day / 60 % 60),
            digits(of_day % 60),
        );
        out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
        push_decimals(out, part);
        if self.has_zone {
            out.push(b'Z');
        }
    }
}

/// Appends the date `day` days after 1970.
pub(super) fn push_date(out: &mut Vec<u8>, day: i64) {
    let epoch = jiff::civil::date(1970, 1, 1);
    let date = jiff::Span::new()
        .try_days(day)
        .and_then(|span| epoch.checked_add(span));
    let written = match date {
        Ok(date) => write!(out, "{date}"),
        // Beyond what is a time here; it is refused where it is read.
        Err(_) => write!(out, "day {day}"),
    };
    written.expect("a vector takes any bytes");
}

fn push_decimals(out: &mut Vec<u8>, nanos: i64) {
    let written = match nanos {
        0 => Ok(()),
        _ if nanos % 1_000_000 == 0 => write!(out, ".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => write!(out, ".{:06}", nanos / 1_000),
        _ => write!(out, ".{nanos:09}"),
    };
    written.expect("a vector takes any bytes");
}

#[cfg(test)]
mod tests {
    use super::super::time_format::parse_time;
    use super::*;
    use bellwether_core::time::Timestamp;
    use proptest::prelude::*;

    fn text(nanos: i64, has_zone: bool) -> String {
        let mut out = Vec::new();
        TimeText::new(has_zone).push(&mut out, nanos);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_data_frames_write_them() {
        let check = |nanos: i64, expect: &str| assert_eq!(text(nanos, false), expect);
        check(0, "1970-01-01 00:00:00");
        check(1_709_993_716_500_000_000, "2024-03-09 14:15:16.500");
        check(1_709_993_716_000_001_000, "2024-03-09 14:15:16.000001");
        check(-1, "1969-12-31 23:59:59.999999999");
        check(i64::MAX, "2262-04-11 23:47:16.854775807");
    }

    proptest! {
        #[test]
        fn a_written_time_is_read_back(nanos in -9_000_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(parse_time(&text(nanos, false)), Some(time));
            prop_assert_eq!(text(nanos, true), time.to_string());
        }
    }
}
