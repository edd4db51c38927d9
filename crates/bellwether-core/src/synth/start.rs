//! Where an anomaly starts: a sample, a share of the data, or a time.

use std::fmt;

use crate::frame::Frame;
use crate::time::Timestamp;

/// Where an anomaly starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// At the sample of that index, from 0.
    Sample(usize),
    /// After that share of the samples, in [0, 1).
    Share(f64),
    /// At the first sample not before that time.
    Time(Timestamp),
}

impl Start {
    /// Index of the first affected sample in `frame`, `None` where it lies outside.
    pub(super) fn resolve(self, frame: &Frame) -> Option<usize> {
        let idx = match self {
            Self::Sample(idx) => idx,
            // The product rounds: 57 % of 100 samples is 57, not 56.999…, and a share below one stays inside.
            Self::Share(share) if (0.0..1.0).contains(&share) => {
                ((share * frame.n_samples() as f64 + 1e-6) as usize).min(frame.n_samples() - 1)
            }
            Self::Share(_) => return None,
            Self::Time(time) if time < frame.time()[0] => return None,
            Self::Time(time) => frame.time().partition_point(|&sampled| sampled < time),
        };
        (idx < frame.n_samples()).then_some(idx)
    }

    /// Reads `500`, `70%` or a time as of [`scan_time`]; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            let share = percent.parse::<f64>().ok()? / 100.0;
            return (0.0..1.0).contains(&share).then_some(Self::Share(share));
        }
        if let Some((time, len)) = scan_time(text) {
            return (len == text.len()).then_some(Self::Time(time));
        }
        text.parse().ok().map(Self::Sample)
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample(idx) => write!(f, "{idx}"),
            Self::Share(share) => write!(f, "{}%", (share * 1e12).round() / 1e10),
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

/// Reads a time from the beginning of `text`: `2024-01-05`, `2024-01-05T06:00`, `2024-01-05 06:00:00.25`, each
/// with `Z` or an offset such as `+02:00` behind the time of day; UTC without. Gives the length it took.
///
/// An offset always has two digits each side of a colon; that is what tells `+02:00` from a length of samples.
pub(super) fn scan_time(text: &str) -> Option<(Timestamp, usize)> {
    let mut scan = Scan {
        text: text.as_bytes(),
        at: 0,
    };
    let (year, month, day) = scan.triple(4, b'-')?;
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let mut secs = days_from_civil(year, month, day) * 86_400;
    let mut nanos = 0;
    let date_end = scan.at;
    if (scan.eat(b'T') || scan.eat(b' '))
        && let Some((of_day, fraction, offset)) = scan.time_of_day()
    {
        secs += of_day - offset;
        nanos = fraction;
    } else {
        scan.at = date_end;
    }
    let total = i128::from(secs) * 1_000_000_000 + i128::from(nanos);
    Some((Timestamp::from_nanos(i64::try_from(total).ok()?), scan.at))
}

/// A position in ASCII text. Each method takes what it reads only where it can read all of it.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Exactly `n` digits (18 at most).
    fn digits(&mut self, n: usize) -> Option<i64> {
        let digits = self.text.get(self.at..self.at + n)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.at += n;
        Some(
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + i64::from(digit - b'0')),
        )
    }

    /// `dddd-dd-dd`, the first of `n_first` digits.
    fn triple(&mut self, n_first: usize, mark: u8) -> Option<(i64, i64, i64)> {
        let first = self.digits(n_first)?;
        let second = self.eat(mark).then(|| self.digits(2))??;
        let third = self.eat(mark).then(|| self.digits(2))??;
        Some((first, second, third))
    }

    /// `06:00[:00[.25]][Z|±02:00]` as seconds of the day, nanoseconds, and offset in seconds.
    fn time_of_day(&mut self) -> Option<(i64, i64, i64)> {
        let hour = self.digits(2)?;
        let minute = self.eat(b':').then(|| self.digits(2))??;
        let mut second = 0;
        let mut nanos = 0;
        if self.eat(b':') {
            second = self.digits(2)?;
            if self.eat(b'.') {
                let n = self.text[self.at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                if !(1..=9).contains(&n) {
                    return None;
                }
                nanos = self.digits(n)? * 10_i64.pow(9 - n as u32);
            }
        }
        let in_range = hour < 24 && minute < 60 && second < 60;
        let offset = if self.eat(b'Z') { 0 } else { self.offset() };
        in_range.then_some((hour * 3600 + minute * 60 + second, nanos, offset))
    }

    /// `±02:00` in seconds; zero, and nothing taken, where there is none.
    fn offset(&mut self) -> i64 {
        let from = self.at;
        let sign = if self.eat(b'-') {
            -1
        } else {
            i64::from(self.eat(b'+'))
        };
        let read = |scan: &mut Self| {
            let hours = scan.digits(2)?;
            let minutes = scan.eat(b':').then(|| scan.digits(2))??;
            let ends = !scan.text.get(scan.at).is_some_and(u8::is_ascii_digit);
            (hours < 24 && minutes < 60 && ends).then_some(hours * 3600 + minutes * 60)
        };
        if sign != 0
            && let Some(secs) = read(self)
        {
            return sign * secs;
        }
        self.at = from;
        0
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Counts from 1 March of year 0, so that the leap day is the last of its year and months have the closed form
/// `(153 m + 2) / 5` (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2014).
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_read_as_documented() {
        let check = |text: &str, expect: Option<&str>| {
            let got = Start::parse(text).map(|start| start.to_string());
            assert_eq!(got.as_deref(), expect, "{text}");
        };
        check("0", Some("0"));
        check("500", Some("500"));
        check("70%", Some("70%"));
        check("12.5%", Some("12.5%"));
        check("57%", Some("57%"));
        check("2024-01-05", Some("2024-01-05T00:00:00Z"));
        check("2024-02-29T06:30", Some("2024-02-29T06:30:00Z"));
        check("2024-01-05 06:00:07.25", Some("2024-01-05T06:00:07.250Z"));
        check("2024-01-05T06:00:00+02:00", Some("2024-01-05T04:00:00Z"));
        check("2024-01-05T06:00-05:30", Some("2024-01-05T11:30:00Z"));
        check(
            "1969-12-31T23:59:59.999999999Z",
            Some("1969-12-31T23:59:59.999999999Z"),
        );
        for text in [
            "",
            "-1",
            "1.5",
            "x",
            "%",
            "100%",
            "-1%",
            "NaN%",
            "2024-13-01",
            "2023-02-29",
            "2024-01-05T25:00",
            "2024-01-05T06",
            "9999-01-01",
            "2024-01-05T06:00:60Z",
            "2024-01-05T06:00:00.Z",
            "2024-01-05T",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_scan_takes_the_time_and_no_more() {
        let check = |text: &str, expect: usize| assert_eq!(scan_time(text).unwrap().1, expect, "{text}");
        check("2024-01-05+30", 10);
        check("2024-01-05T06:00+30", 16);
        check("2024-01-05T06:00+30:flow", 16);
        check("2024-01-05T06:00Z+02:00", 17);
        check("2024-01-05T06:00+02:00:flow", 22);
        check("2024-01-05T06:00*3", 16);
    }

    #[test]
    fn dates_and_times_agree_with_the_printer() {
        for days in (-100_000..100_000).step_by(97) {
            let time = Timestamp::from_secs(days * 86_400 + 3_661);
            assert_eq!(scan_time(&time.to_string()), Some((time, 20)));
        }
    }
}
