//! The times of a series: spacing, gaps, repetitions, rows that come late, clocks that were set.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Case, Cases};
use crate::time::Timestamp;

/// So many of the longest gaps are kept.
const N_GAPS: usize = 16;

/// So many rows in a row that go on from an earlier time, or from one in the future, are no slip: the clock was set.
const IN_A_ROW: u32 = 3;

/// A spacing longer than so many cadences is a gap.
const GAP_CADENCES: f64 = 1.5;

/// Two neighbouring rows that lie further apart than they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The row before it, from 1.
    pub row: u64,
    /// Time of that row.
    pub from: Timestamp,
    /// Time of the next.
    pub to: Timestamp,
}

impl Gap {
    /// How long.
    pub fn span(&self) -> Duration {
        self.to.since(self.from)
    }
}

/// Where the times of a series go on from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSetBack {
    /// The first row after it.
    pub row: u64,
    /// The latest time before it.
    pub from: Timestamp,
    /// The time of the first row after it.
    pub to: Timestamp,
}

/// What the times of a series are like.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeProfile {
    /// Rows with a time.
    pub n_rows: u64,
    /// The earliest time.
    pub first: Option<Timestamp>,
    /// The last time in order.
    pub last: Option<Timestamp>,
    /// Of them, those that cadence and jitter are of.
    n_rows_of_cadence: u64,
    /// Median spacing, `None` with fewer than two instants. Exact where few spacings differ, else within 3 %.
    pub cadence: Option<Duration>,
    /// Median absolute deviation of spacings from the cadence, as a share of it.
    pub jitter: f64,
    /// How far a spacing that is no gap is off the cadence at most, as a share of it.
    pub off_beat_max: f64,
    /// The longest spacing.
    pub longest: Duration,
    /// Spacings of more than one and a half cadences.
    pub n_gaps: u64,
    /// The longest of them, in the order of time.
    pub gaps: Vec<Gap>,
    pub(crate) repeated: Cases,
    pub(crate) late: Cases,
    pub(crate) future: Cases,
    /// Clocks set back, the first of them.
    pub set_back: Vec<ClockSetBack>,
    /// How many there were.
    pub n_set_back: u64,
}

impl TimeProfile {
    /// These times and those of other rows of the same series, which come by themselves: of spacings, the cadence of
    /// the more rows counts.
    pub(super) fn join(&mut self, other: Self) {
        if other.n_rows > self.n_rows_of_cadence {
            self.n_rows_of_cadence = other.n_rows;
            self.cadence = other.cadence;
            self.jitter = other.jitter;
            self.off_beat_max = other.off_beat_max;
        }
        self.n_rows += other.n_rows;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.longest = self.longest.max(other.longest);
        self.n_gaps += other.n_gaps;
        self.gaps.extend(other.gaps);
        self.gaps.sort_by_key(|gap| std::cmp::Reverse(gap.span()));
        self.gaps.truncate(N_GAPS);
        self.gaps.sort_by_key(|gap| gap.row);
        self.repeated.join(other.repeated);
        self.late.join(other.late);
        self.future.join(other.future);
        self.set_back.extend(other.set_back);
        self.set_back.sort_by_key(|back| back.row);
        self.set_back.truncate(super::N_CASES);
        self.n_set_back += other.n_set_back;
    }
}

/// What a row is by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The next instant: so much later than the one before, where there was one.
    Next(Option<Duration>),
    /// Its time is past, or in the future: its values are not looked at.
    Aside,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    n_rows: u64,
    first: Option<Timestamp>,
    /// The latest instant, and its row.
    latest: Option<(Timestamp, u64)>,
    /// Rows in a row that lie behind the latest instant and rise, and the first of them.
    behind: u32,
    behind_from: Option<(Timestamp, u64)>,
    behind_last: Option<Timestamp>,
    /// Rows in a row that lie in the future and rise.
    ahead: u32,
    ahead_last: Option<Timestamp>,
    spacings: BTreeMap<u16, Bucket>,
    gaps: Vec<Gap>,
    repeated: Cases,
    late: Cases,
    future: Cases,
    set_back: Vec<ClockSetBack>,
    n_set_back: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    count: u64,
    min: u64,
    max: u64,
}

impl Clock {
    pub(crate) fn push(&mut self, row: u64, time: Timestamp, now: Timestamp) -> Order {
        self.n_rows += 1;
        let case = Case {
            row,
            time: Some(time),
            value: None,
            until: None,
        };
        if time > now {
            self.future.push(case, time.since(now).as_secs_f64());
            let goes_on = self.ahead_last.is_some_and(|last| last < time);
            self.ahead = if goes_on { self.ahead + 1 } else { 1 };
            self.ahead_last = Some(time);
            if self.ahead < IN_A_ROW {
                return Order::Aside;
            }
        } else {
            self.ahead_last = None;
        }
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        let Some((latest, latest_row)) = self.latest else {
            self.latest = Some((time, row));
            return Order::Next(None);
        };
        if time == latest {
            self.repeated.push(case, 0.0);
            return Order::Aside;
        }
        if time < latest {
            return self.fall_back(case, time, latest);
        }
        self.behind = 0;
        self.behind_last = None;
        self.latest = Some((time, row));
        self.space(Gap {
            row: latest_row,
            from: latest,
            to: time,
        });
        Order::Next(Some(time.since(latest)))
    }

    /// A row before the latest instant.
    fn fall_back(&mut self, case: Case, time: Timestamp, latest: Timestamp) -> Order {
        if self.behind_last.is_none_or(|last| time <= last) {
            self.behind = 0;
            self.behind_from = Some((time, case.row));
        }
        self.behind += 1;
        self.behind_last = Some(time);
        self.late.push(case, latest.since(time).as_secs_f64());
        if self.behind < IN_A_ROW {
            return Order::Aside;
        }
        if let Some((to, row)) = self.behind_from {
            self.n_set_back += 1;
            if self.set_back.len() < super::N_CASES {
                let from = latest;
                self.set_back.push(ClockSetBack { row, from, to });
            }
        }
        self.behind = 0;
        self.behind_last = None;
        self.latest = Some((time, case.row));
        Order::Next(None)
    }

    fn space(&mut self, gap: Gap) {
        let step = u64::try_from(gap.span().as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.spacings.entry(bucket_of(step)).or_insert(Bucket {
            count: 0,
            min: step,
            max: step,
        });
        bucket.count += 1;
        bucket.min = bucket.min.min(step);
        bucket.max = bucket.max.max(step);
        let is_full = self.gaps.len() == N_GAPS;
        if !is_full || self.gaps[N_GAPS - 1].span() < gap.span() {
            let at = self.gaps.partition_point(|kept| kept.span() >= gap.span());
            self.gaps.insert(at, gap);
            self.gaps.truncate(N_GAPS);
        }
    }

    pub(crate) fn finish(self) -> TimeProfile {
        let cadence = self.median(|step| step);
        let of_cadence = |cadence: u64| {
            let deviation = self.median(|step| step.abs_diff(cadence));
            deviation.map_or(0.0, |deviation| deviation as f64 / cadence as f64)
        };
        let jitter = cadence.map_or(0.0, of_cadence);
        let limit = cadence.map_or(u64::MAX, |cadence| (cadence as f64 * GAP_CADENCES) as u64);
        let mut gaps: Vec<Gap> = self.gaps.clone();
        gaps.retain(|gap| gap.span().as_nanos() > u128::from(limit));
        gaps.sort_by_key(|gap| gap.row);
        TimeProfile {
            n_rows: self.n_rows,
            n_rows_of_cadence: self.n_rows,
            first: self.first,
            last: self.latest.map(|(latest, _)| latest),
            cadence: cadence.map(Duration::from_nanos),
            jitter,
            off_beat_max: cadence.map_or(0.0, |cadence| self.off_beat_max(cadence, limit)),
            longest: self.gaps.first().map_or(Duration::ZERO, Gap::span),
            n_gaps: self.n_above(limit).max(gaps.len() as u64),
            gaps,
            repeated: self.repeated,
            late: self.late,
            future: self.future,
            set_back: self.set_back,
            n_set_back: self.n_set_back,
        }
    }

    /// Upper median of what `of` makes of the spacings.
    fn median(&self, of: impl Fn(u64) -> u64) -> Option<u64> {
        let mut sizes: Vec<(u64, u64)> = Vec::with_capacity(2 * self.spacings.len());
        for bucket in self.spacings.values() {
            // Spacings of one bucket differ by at most a thirty-second: half of them count as its least.
            let low = bucket.count.div_ceil(2);
            sizes.push((of(bucket.min), low));
            sizes.push((of(bucket.max), bucket.count - low));
        }
        sizes.sort_unstable();
        let n: u64 = sizes.iter().map(|(_, count)| count).sum();
        let mut rank = n / 2;
        for (size, count) in sizes {
            if rank < count {
                return Some(size);
            }
            rank -= count;
        }
        None
    }

    fn off_beat_max(&self, cadence: u64, limit: u64) -> f64 {
        let in_beat = self.spacings.values().filter(|bucket| bucket.min <= limit);
        let off =
            in_beat.flat_map(|bucket| [bucket.min, bucket.max.min(limit)].map(|step| step.abs_diff(cadence)));
        off.max().unwrap_or(0) as f64 / cadence as f64
    }

    /// Spacings above `limit`; those of the bucket that it cuts count by their share.
    fn n_above(&self, limit: u64) -> u64 {
        let above = |bucket: &Bucket| {
            if bucket.min > limit {
                return bucket.count;
            }
            if bucket.max <= limit {
                return 0;
            }
            let share = (bucket.max - limit) as f64 / (bucket.max - bucket.min) as f64;
            (share * bucket.count as f64) as u64
        };
        self.spacings.values().map(above).sum()
    }
}

/// Thirty-two buckets to an octave.
fn bucket_of(step: u64) -> u16 {
    let bits = 64 - step.leading_zeros();
    let shift = bits.saturating_sub(6);
    (shift * 32) as u16 + (step >> shift) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(secs: &[i64], now: i64) -> TimeProfile {
        let mut clock = Clock::default();
        for (row, secs) in (1..).zip(secs) {
            clock.push(row, Timestamp::from_secs(*secs), Timestamp::from_secs(now));
        }
        clock.finish()
    }

    #[test]
    fn spacing_gaps_and_repetitions_are_told_exactly() {
        let of = told(&[0, 10, 20, 20, 30, 60, 70, 71, 80], 1000);
        assert_eq!(of.cadence, Some(Duration::from_secs(10)));
        assert_eq!((of.n_gaps, of.longest), (1, Duration::from_secs(30)));
        assert_eq!((of.gaps[0].row, of.gaps[0].from), (5, Timestamp::from_secs(30)));
        assert_eq!((of.repeated.count, of.repeated.first[0].row), (1, 4));
        assert_eq!((of.late.count, of.future.count, of.n_set_back), (0, 0, 0));
        assert_eq!(
            (of.first, of.last),
            (Some(Timestamp::from_secs(0)), Some(Timestamp::from_secs(80)))
        );
    }

    #[test]
    fn one_late_row_is_late_and_three_that_go_on_are_a_clock_set_back() {
        let of = told(&[0, 10, 20, 5, 30, 40], 1000);
        assert_eq!((of.late.count, of.late.first[0].row, of.n_set_back), (1, 4, 0));
        assert_eq!(of.n_gaps, 0);
        let of = told(&[3600, 3610, 3620, 30, 40, 50, 60, 70], 10_000);
        assert_eq!(of.n_set_back, 1);
        assert_eq!(
            of.set_back,
            [ClockSetBack {
                row: 4,
                from: Timestamp::from_secs(3620),
                to: Timestamp::from_secs(30)
            }]
        );
        assert_eq!(of.last, Some(Timestamp::from_secs(70)));
        // Rows in falling order set no clock.
        assert_eq!(told(&[50, 40, 30, 20, 10], 1000).n_set_back, 0);
    }

    #[test]
    fn a_time_in_the_future_moves_no_clock() {
        let of = told(&[0, 10, 5000, 20, 30], 1000);
        assert_eq!((of.future.count, of.future.first[0].row), (1, 3));
        assert_eq!((of.late.count, of.n_gaps), (0, 0));
        assert_eq!(of.last, Some(Timestamp::from_secs(30)));
        // Where all goes on there, the values are looked at all the same.
        let of = told(&[2000, 2010, 2020, 2030], 1000);
        assert_eq!((of.future.count, of.last), (4, Some(Timestamp::from_secs(2030))));
    }

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        let mut last = 0;
        for step in (0..4000_u64).chain((0..2000).map(|idx| 3_u64.saturating_pow(idx % 40) + 4000)) {
            let bucket = bucket_of(step);
            if step < 4000 {
                assert!(bucket == last || bucket == last + 1, "{step}");
                last = bucket;
            }
        }
        assert!(bucket_of(u64::MAX) < 2048);
    }

    #[test]
    fn irregular_times_have_a_cadence_within_three_percent() {
        // Spacings 1000, 1001, …: their median is 1500.
        let mut at = 0;
        let times: Vec<i64> = (0..=1000)
            .map(|step| {
                at += 1000 + step;
                at
            })
            .collect();
        let of = told(&times, i64::from(u32::MAX));
        let cadence = of.cadence.unwrap().as_secs_f64();
        assert!((cadence / 1500.0 - 1.0).abs() < 0.03, "{cadence}");
        assert!((of.jitter - 250.0 / 1500.0).abs() < 0.03, "{}", of.jitter);
    }
}
