//! Instants and spacings. Core reads no clock: a [`Timestamp`] always comes from data or from a caller.

use std::fmt;
use std::time::Duration;

/// An instant: nanoseconds since the Unix epoch, UTC. Covers the years 1677 to 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the Unix epoch; saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Time since `earlier`, zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0).max(0).unsigned_abs()
    }

    /// This instant moved by `by`; saturates at the end of the range.
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)),
        )
    }
}

/// RFC 3339 in UTC, with as many fractional digits as the instant has (0, 3, 6 or 9).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        match nanos {
            0 => {}
            n if n % 1_000_000 == 0 => write!(f, ".{:03}", n / 1_000_000)?,
            n if n % 1_000 == 0 => write!(f, ".{:06}", n / 1_000)?,
            n => write!(f, ".{n:09}")?,
        }
        f.write_str("Z")
    }
}

/// Days since 1970-01-01 to (year, month, day) of the proleptic Gregorian calendar.
///
/// Counts from 1 March of year 0, so that the leap day is the last of its year and months have the closed form
/// `(153 m + 2) / 5` (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2014).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The spacing of samples as found in data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing {
    /// Median time between neighbouring samples: the inferred cadence.
    pub cadence: Duration,
    /// Median absolute deviation of the spacings from the cadence, as a share of it (0 = perfectly regular).
    pub jitter: f64,
    /// Number of spacings longer than one and a half cadences.
    pub n_gaps: usize,
    /// The longest spacing.
    pub longest: Duration,
}

impl Spacing {
    /// Infers the spacing of strictly rising `time`; `None` with fewer than two samples.
    pub fn infer(time: &[Timestamp]) -> Option<Self> {
        let mut steps: Vec<u64> = time.windows(2).map(|pair| pair[1].nanos_since(pair[0])).collect();
        let &first = steps.first()?;
        if steps.iter().fold(true, |all, &step| all & (step == first)) {
            let cadence = Duration::from_nanos(first);
            return Some(Self {
                cadence,
                jitter: 0.0,
                n_gaps: 0,
                longest: cadence,
            });
        }
        let cadence = median(&mut steps)?;
        let longest = steps.iter().copied().fold(0, u64::max);
        let long = cadence + cadence / 2;
        let n_gaps = steps.iter().filter(|&&step| step > long).count();
        for step in &mut steps {
            *step = step.abs_diff(cadence);
        }
        let deviation = median(&mut steps)?;
        let jitter = if cadence == 0 {
            0.0
        } else {
            deviation as f64 / cadence as f64
        };
        Some(Self {
            cadence: Duration::from_nanos(cadence),
            jitter,
            n_gaps,
            longest: Duration::from_nanos(longest),
        })
    }
}

/// The upper median, found without putting all in order; `None` of nothing.
fn median(values: &mut [u64]) -> Option<u64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

/// A duration as people say it: `1 h`, `2.5 days`, `300 ms`. For messages, not for parsing.
pub fn humane(duration: Duration) -> String {
    let secs = duration.as_secs_f64();
    let (value, unit) = match secs {
        s if s >= 172_800.0 => (s / 86_400.0, "days"),
        s if s >= 7_200.0 => (s / 3_600.0, "h"),
        s if s >= 120.0 => (s / 60.0, "min"),
        s if s >= 1.0 || s <= 0.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_rfc_3339() {
        let check = |nanos: i64, expect: &str| assert_eq!(Timestamp::from_nanos(nanos).to_string(), expect);
        check(0, "1970-01-01T00:00:00Z");
        check(1_700_000_000_000_000_000, "2023-11-14T22:13:20Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00Z");
        check(-1_000_000, "1969-12-31T23:59:59.999Z");
        check(1_500_000_000_000_001_000, "2017-07-14T02:40:00.000001Z");
        check(i64::MAX, "2262-04-11T23:47:16.854775807Z");
    }

    #[test]
    fn cadence_is_the_median_spacing_and_gaps_are_counted() {
        let time: Vec<_> = [0, 10, 20, 30, 50, 60].map(Timestamp::from_secs).to_vec();
        let spacing = Spacing::infer(&time).unwrap();
        assert_eq!(spacing.cadence, Duration::from_secs(10));
        assert_eq!((spacing.n_gaps, spacing.longest), (1, Duration::from_secs(20)));
        assert!(spacing.jitter.abs() < 1e-12);
        assert_eq!(Spacing::infer(&time[..1]), None);
    }

    #[test]
    fn spacings_are_those_of_steps_put_in_order() {
        // 200 steps of 0 to 96 ns, in no order.
        let time: Vec<_> = (0..201_i64)
            .scan(0, |at, idx| {
                *at += idx * idx * 31 % 97;
                Some(Timestamp::from_nanos(*at))
            })
            .collect();
        let mut steps: Vec<i64> = (1..201).map(|idx| idx * idx * 31 % 97).collect();
        steps.sort_unstable();
        let cadence = steps[100];
        let mut deviations: Vec<i64> = steps.iter().map(|step| (step - cadence).abs()).collect();
        deviations.sort_unstable();
        let expect = Spacing {
            cadence: Duration::from_nanos(cadence.unsigned_abs()),
            jitter: deviations[100] as f64 / cadence as f64,
            n_gaps: steps.iter().filter(|step| 2 * **step > 3 * cadence).count(),
            longest: Duration::from_nanos(steps[199].unsigned_abs()),
        };
        assert_eq!(Spacing::infer(&time), Some(expect));
    }
}
