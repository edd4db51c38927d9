//! Events: when scores become something a person is told of, and when that ends.
//!
//! [`EventRule`] says which runs of scores are one event; [`EventTracker`] follows it row by row, so that what a row
//! says about its event is what was known at that row.

mod rule;
mod state;

use std::collections::VecDeque;
use std::fmt;

pub use rule::{EventRule, EventRuleError};
use rule::{Gate, Move};
pub use state::{TrackedRow, TrackerState};

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

/// Follows the scores of one series and says when events open and close.
#[derive(Debug, Clone)]
pub struct EventTracker {
    gate: Gate,
    series: SeriesId,
    /// The last m rows, for events that start before they are known.
    recent: VecDeque<TrackedRow>,
    /// The event that builds up or is open.
    current: Option<Building>,
}

impl EventTracker {
    /// A tracker that has seen nothing.
    pub fn new(rule: EventRule, series: SeriesId) -> Self {
        Self {
            gate: Gate::new(rule),
            series,
            recent: VecDeque::with_capacity(rule.m),
            current: None,
        }
    }

    /// Takes the next row. NaN is a row without a score; its shares do not matter.
    pub fn push(&mut self, time: Timestamp, score: f64, shares: &[f64]) -> EventChange {
        let clear_ratio = self.gate.rule.clear_ratio;
        if let Some(current) = &mut self.current {
            current.absorb(time, score, shares, clear_ratio);
        } else {
            self.remember(time, score, shares);
        }
        match self.gate.push(score) {
            Move::Quiet => EventChange::Quiet,
            Move::Started { n_back, opens } => {
                let first = self.recent.len() - n_back;
                let start = self.recent[first].time;
                let mut current = Building::new(EventId::new(&self.series, start), start, shares.len());
                for row in self.recent.range(first..) {
                    current.absorb(row.time, row.score, &row.shares, clear_ratio);
                }
                self.recent.clear();
                let id = current.event.id;
                self.current = Some(current);
                if opens {
                    EventChange::Opened(id)
                } else {
                    EventChange::Quiet
                }
            }
            Move::Pending => EventChange::Quiet,
            Move::Opened => self.change(EventChange::Opened),
            Move::Ongoing => self.change(EventChange::Ongoing),
            Move::Dropped => {
                self.current = None;
                EventChange::Quiet
            }
            Move::Closed => match self.current.take() {
                Some(current) => EventChange::Closed(current.finish(false)),
                None => EventChange::Quiet,
            },
        }
    }

    /// The event that is open, as far as it is known.
    pub fn open_event(&self) -> Option<Event> {
        let current = self.current.as_ref().filter(|_| self.gate.is_open())?;
        Some(current.clone().finish(true))
    }

    /// A gap: no event reaches across. Returns the event it ends.
    pub fn restart(&mut self) -> Option<Event> {
        self.end(false)
    }

    /// The data end: returns the event that is open there.
    pub fn finish(&mut self) -> Option<Event> {
        self.end(true)
    }

    fn end(&mut self, is_open: bool) -> Option<Event> {
        let was_open = self.gate.reset();
        self.recent.clear();
        let current = self.current.take()?;
        was_open.then(|| current.finish(is_open))
    }

    fn change(&self, change: fn(EventId) -> EventChange) -> EventChange {
        self.current
            .as_ref()
            .map_or(EventChange::Quiet, |current| change(current.event.id))
    }

    /// Keeps the last m rows, in the memory of those that go.
    fn remember(&mut self, time: Timestamp, score: f64, shares: &[f64]) {
        let is_full = self.recent.len() >= self.gate.rule.m;
        let mut kept = if is_full {
            self.recent.pop_front().map(|row| row.shares)
        } else {
            None
        }
        .unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(shares);
        self.recent.push_back(TrackedRow {
            time,
            score,
            shares: kept,
        });
    }
}

/// An event as far as it is known.
#[derive(Debug, Clone)]
struct Building {
    event: Event,
    /// Rows since the start, quiet ones at the end included.
    n_rows: usize,
}

impl Building {
    fn new(id: EventId, start: Timestamp, n_channels: usize) -> Self {
        let event = Event {
            id,
            start,
            end: start,
            peak_time: start,
            peak_score: f64::NEG_INFINITY,
            n_samples: 0,
            is_open: true,
            shares: vec![0.0; n_channels],
        };
        Self { event, n_rows: 0 }
    }

    fn absorb(&mut self, time: Timestamp, score: f64, shares: &[f64], clear_ratio: f64) {
        self.n_rows += 1;
        if score >= clear_ratio {
            self.event.end = time;
            self.event.n_samples = self.n_rows;
            if score > self.event.peak_score {
                (self.event.peak_score, self.event.peak_time) = (score, time);
            }
            for (sum, share) in self.event.shares.iter_mut().zip(shares) {
                *sum += share;
            }
        }
    }

    fn finish(mut self, is_open: bool) -> Event {
        let total: f64 = self.event.shares.iter().sum();
        for share in &mut self.event.shares {
            *share /= total;
        }
        self.event.is_open = is_open;
        self.event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_testkit::assert_close;

    const NAN: f64 = f64::NAN;

    fn rule(n: usize, m: usize, merge_gap: usize, len_min: usize) -> EventRule {
        EventRule::new(n, m, 0.8, merge_gap, len_min).unwrap()
    }

    /// One letter a row (`.` quiet, `O` opened, `o` ongoing, `C` closed), and the events as `start-end:samples`,
    /// with a `+` where one is open at the end. Row i is at second i.
    fn run(rule: EventRule, scores: &[f64]) -> (String, String) {
        let mut tracker = EventTracker::new(rule, SeriesId::new("pump"));
        let (mut letters, mut events) = (String::new(), Vec::new());
        for (idx, &score) in scores.iter().enumerate() {
            let change = tracker.push(Timestamp::from_secs(idx as i64), score, &[0.25, 0.75]);
            letters.push(match &change {
                EventChange::Quiet => '.',
                EventChange::Opened(_) => 'O',
                EventChange::Ongoing(_) => 'o',
                EventChange::Closed(_) => 'C',
            });
            if let EventChange::Closed(event) = change {
                events.push(event);
            }
        }
        events.extend(tracker.finish());
        let opened = letters.matches('O').count();
        assert_eq!(
            opened,
            rule.count(scores, 1.0, |_| false),
            "count and tracker agree"
        );
        assert_eq!(opened, events.len());
        let secs = |time: Timestamp| time.as_nanos() / 1_000_000_000;
        let text = |event: &Event| {
            let open = if event.is_open { "+" } else { "" };
            format!(
                "{}-{}:{}{open}",
                secs(event.start),
                secs(event.end),
                event.n_samples
            )
        };
        (letters, events.iter().map(text).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn events_open_merge_and_close_as_the_rule_says() {
        let check = |rule: EventRule, scores: &[f64], letters: &str, events: &str| {
            assert_eq!(
                run(rule, scores),
                (letters.to_owned(), events.to_owned()),
                "{scores:?}"
            );
        };
        // One of one: opens at once, closes after two quiet rows.
        check(rule(1, 1, 2, 1), &[0.0, 1.0, 0.0, 0.0, 0.0], ".OoC.", "1-1:1");
        // Just below the threshold is quiet, exactly on it is not.
        check(rule(1, 1, 1, 1), &[0.999, 1.0, 0.5], ".OC", "1-1:1");
        // Two of three: the start is the first exceedance, two rows back.
        check(rule(2, 3, 2, 1), &[1.5, 0.0, 2.0, 0.0, 0.0], "..OoC", "0-2:3");
        check(rule(2, 3, 2, 1), &[1.5, 0.0, 0.0, 2.0, 0.0], ".....", "");
        // Hysteresis: 0.8 keeps it open, 0.79 does not.
        check(rule(1, 1, 1, 1), &[1.0, 0.8, 0.9, 0.79, 0.9], "OooC.", "0-2:3");
        // Within the merge gap it is one event; the quiet rows between count as its samples.
        check(
            rule(1, 1, 3, 1),
            &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            "OoooooC",
            "0-3:4",
        );
        check(rule(1, 1, 2, 1), &[1.0, 0.0, 0.0, 1.0], "OoCO", "0-0:1 3-3:1+");
        // Too short is dropped; long enough opens when it is, with its start where it began.
        check(
            rule(1, 1, 1, 3),
            &[1.0, 1.0, 0.0, 1.0, 1.0, 0.9, 0.0],
            ".....OC",
            "3-5:3",
        );
        // A row without a score is quiet.
        check(rule(1, 1, 2, 1), &[1.0, NAN, NAN, NAN], "OoC.", "0-0:1");
        check(rule(2, 3, 2, 1), &[1.0, NAN, 1.0], "..O", "0-2:3+");
    }

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
    fn an_event_tells_its_peak_and_mean_shares() {
        let mut tracker = EventTracker::new(rule(2, 2, 2, 1), SeriesId::new("pump"));
        let rows = [
            (1.0, [1.0, 0.0]),
            (4.0, [0.5, 0.5]),
            (0.5, [0.0, 1.0]),
            (0.9, [0.0, 1.0]),
            (0.0, [1.0, 0.0]),
        ];
        for (idx, (score, shares)) in rows.iter().enumerate() {
            tracker.push(Timestamp::from_secs(idx as i64), *score, shares);
        }
        let event = tracker.finish().unwrap();
        // Means over the rows at or above 0.8: the first, second and fourth.
        assert_close(event.shares[0], 0.5, 1e-12, "share");
        assert_close(event.shares[1], 0.5, 1e-12, "share");
        assert_eq!((event.peak_time, event.n_samples), (Timestamp::from_secs(1), 4));
        assert_close(event.severity(), 75.0, 1e-12, "severity");
        assert_eq!(
            event.id,
            EventId::new(&SeriesId::new("pump"), Timestamp::from_secs(0))
        );
    }

    #[test]
    fn no_event_reaches_across_a_gap() {
        let mut tracker = EventTracker::new(rule(2, 2, 2, 1), SeriesId::new("pump"));
        assert_eq!(
            tracker.push(Timestamp::from_secs(0), 2.0, &[1.0]),
            EventChange::Quiet
        );
        assert_eq!(tracker.restart(), None);
        assert_eq!(
            tracker.push(Timestamp::from_secs(9), 2.0, &[1.0]),
            EventChange::Quiet
        );
        assert!(matches!(
            tracker.push(Timestamp::from_secs(10), 2.0, &[1.0]),
            EventChange::Opened(_)
        ));
        let event = tracker.restart().unwrap();
        assert!(!event.is_open && event.start == Timestamp::from_secs(9));
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
