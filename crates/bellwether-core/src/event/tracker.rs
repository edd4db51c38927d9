//! The tracker: follows the rows of one series and says when events open and close, and what they are.

use std::collections::VecDeque;
use std::sync::Arc;

use super::kind::classify;
use super::rule::{Gate, Move};
use super::sensor::event_fault;
use super::state::TrackedRow;
use super::trace::{Context, Trace, Watched};
use super::{Event, EventChange, EventId, EventKind, EventRule};
use crate::frame::SeriesId;
use crate::time::Timestamp;

/// A row as it was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedRow<'a> {
    /// When it was measured.
    pub time: Timestamp,
    /// NaN where it has none; its shares, members and agreement do not matter then.
    pub score: f64,
    /// Each channel's share of the score, `[n_channels]`.
    pub shares: &'a [f64],
    /// Each member's share of the score, and last that of the training ranges, `[n_members + 1]`.
    pub members: &'a [f64],
    /// How far the members agree that the row is not normal, in [0, 1].
    pub agreement: f64,
    /// Its values, scaled, `[n_channels]`.
    pub values: &'a [f64],
    /// Which of them were observed; `None`: all.
    pub observed: Option<&'a [bool]>,
}

/// Follows the scores of one series and says when events open and close.
///
/// The confidence of an event is the mean agreement of its samples at or above the clear ratio, each counted by its
/// score, so that those about the peak count most.
#[derive(Debug, Clone)]
pub struct EventTracker {
    pub(super) gate: Gate,
    pub(super) series: SeriesId,
    watched: Arc<Watched>,
    /// The last m rows, for events that start before they are known.
    pub(super) recent: VecDeque<TrackedRow>,
    /// The rows before an event that starts now.
    pub(super) context: Context,
    /// The event that builds up or is open.
    pub(super) current: Option<Building>,
}

impl EventTracker {
    /// A tracker that has seen nothing.
    pub fn new(rule: EventRule, series: SeriesId, watched: Arc<Watched>) -> Self {
        Self {
            gate: Gate::new(rule),
            series,
            recent: VecDeque::with_capacity(rule.m()),
            context: Context::new(&watched, &rule),
            watched,
            current: None,
        }
    }

    /// Takes the next row.
    pub fn push(&mut self, row: JudgedRow<'_>) -> EventChange {
        let clear_ratio = self.gate.rule.clear_ratio();
        self.context.push(row.values, row.observed);
        if let Some(current) = &mut self.current {
            current.absorb(&row, clear_ratio);
            if let Some(last) = self.context.rows.back() {
                current.trace.push(last, &self.watched);
            }
        } else {
            self.remember(&row);
        }
        match self.gate.push(row.score) {
            Move::Quiet => EventChange::Quiet,
            Move::Started { n_back, opens } => {
                let current = self.begin(n_back);
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
                self.take();
                EventChange::Quiet
            }
            Move::Closed => match self.take() {
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
        self.context.keep(0);
        let current = self.current.take()?;
        was_open.then(|| current.finish(is_open))
    }

    /// The event that started with the last `n_back` rows.
    fn begin(&mut self, n_back: usize) -> Building {
        let clear_ratio = self.gate.rule.clear_ratio();
        let first = self.recent.len() - n_back;
        let rows = self.recent.range(first..);
        let n_channels = self.recent[first].shares.len();
        let mut shares = vec![0.0; n_channels];
        for row in rows.clone().filter(|row| row.score >= clear_ratio) {
            add(&mut shares, &row.shares);
        }
        let trace = Trace::new(&self.context, n_back, &self.watched, &shares);
        let start = self.recent[first].time;
        let n_members = self.recent[first].members.len();
        let id = EventId::new(&self.series, start);
        let mut current = Building::new(id, start, n_channels, n_members, trace);
        for row in rows {
            current.absorb(&row.judged(), clear_ratio);
        }
        self.recent.clear();
        current
    }

    /// The event is over: rows behind its end are what a next one begins from.
    fn take(&mut self) -> Option<Building> {
        self.context.keep(self.gate.rule.merge_gap());
        self.current.take()
    }

    /// The trace of an event of which nothing was kept.
    pub(super) fn trace_from_here(&self, shares: &[f64]) -> Trace {
        Trace::new(&self.context, 0, &self.watched, shares)
    }

    fn change(&self, change: fn(EventId) -> EventChange) -> EventChange {
        self.current
            .as_ref()
            .map_or(EventChange::Quiet, |current| change(current.event.id))
    }

    /// Keeps the last m rows, in the memory of those that go.
    fn remember(&mut self, row: &JudgedRow<'_>) {
        let is_full = self.recent.len() >= self.gate.rule.m();
        let gone = if is_full { self.recent.pop_front() } else { None };
        let (mut shares, mut members) = gone.map(|row| (row.shares, row.members)).unwrap_or_default();
        shares.clear();
        shares.extend_from_slice(row.shares);
        members.clear();
        members.extend_from_slice(row.members);
        self.recent.push_back(TrackedRow {
            time: row.time,
            score: row.score,
            shares,
            members,
            agreement: row.agreement,
        });
    }
}

/// An event as far as it is known: shares and confidence are sums still.
#[derive(Debug, Clone)]
pub(super) struct Building {
    pub(super) event: Event,
    /// Rows since the start, quiet ones at the end included.
    pub(super) n_rows: usize,
    /// Sum of the scores that `confidence` is a sum over.
    pub(super) score_sum: f64,
    pub(super) trace: Trace,
}

impl Building {
    fn new(id: EventId, start: Timestamp, n_channels: usize, n_members: usize, trace: Trace) -> Self {
        let event = Event {
            id,
            start,
            end: start,
            peak_time: start,
            peak_score: f64::NEG_INFINITY,
            n_samples: 0,
            is_open: true,
            shares: vec![0.0; n_channels],
            members: vec![0.0; n_members],
            confidence: 0.0,
            kind: EventKind::OutOfRange,
            fault: None,
        };
        Self {
            event,
            n_rows: 0,
            score_sum: 0.0,
            trace,
        }
    }

    fn absorb(&mut self, row: &JudgedRow<'_>, clear_ratio: f64) {
        self.n_rows += 1;
        if row.score >= clear_ratio {
            self.event.end = row.time;
            self.event.n_samples = self.n_rows;
            if row.score > self.event.peak_score {
                (self.event.peak_score, self.event.peak_time) = (row.score, row.time);
            }
            add(&mut self.event.shares, row.shares);
            add(&mut self.event.members, row.members);
            self.event.confidence += row.score * row.agreement;
            self.score_sum += row.score;
        }
    }

    pub(super) fn finish(mut self, is_open: bool) -> Event {
        self.event.kind = classify(&self.trace, self.event.n_samples, &self.event.shares);
        self.event.fault = event_fault(self.event.kind, &self.trace, &self.event.shares);
        for shares in [&mut self.event.shares, &mut self.event.members] {
            let total: f64 = shares.iter().sum();
            for share in shares.iter_mut().filter(|_| total > 0.0) {
                *share /= total;
            }
        }
        if self.score_sum > 0.0 {
            self.event.confidence = (self.event.confidence / self.score_sum).clamp(0.0, 1.0);
        }
        self.event.is_open = is_open;
        self.event
    }
}

fn add(sums: &mut [f64], shares: &[f64]) {
    for (sum, share) in sums.iter_mut().zip(shares) {
        *sum += share;
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

    fn tracker(rule: EventRule, n_channels: usize) -> EventTracker {
        EventTracker::new(
            rule,
            SeriesId::new("pump"),
            Arc::new(Watched::unbounded(n_channels)),
        )
    }

    /// A row of zeros of two members, of which the first makes three quarters of the score.
    fn push(tracker: &mut EventTracker, secs: i64, score: f64, shares: &[f64]) -> EventChange {
        tracker.push(JudgedRow {
            time: Timestamp::from_secs(secs),
            score,
            shares,
            members: &[0.75, 0.25, 0.0],
            agreement: if score > 2.0 { 1.0 } else { 0.5 },
            values: &vec![0.0; shares.len()],
            observed: None,
        })
    }

    /// One letter a row (`.` quiet, `O` opened, `o` ongoing, `C` closed), and the events as `start-end:samples`,
    /// with a `+` where one is open at the end. Row i is at second i.
    fn run(rule: EventRule, scores: &[f64]) -> (String, String) {
        let mut tracker = tracker(rule, 2);
        let (mut letters, mut events) = (String::new(), Vec::new());
        for (idx, &score) in scores.iter().enumerate() {
            let change = push(&mut tracker, idx as i64, score, &[0.25, 0.75]);
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
    fn an_event_tells_its_peak_and_mean_shares() {
        let mut tracker = tracker(rule(2, 2, 2, 1), 2);
        let rows = [
            (1.0, [1.0, 0.0]),
            (4.0, [0.5, 0.5]),
            (0.5, [0.0, 1.0]),
            (0.9, [0.0, 1.0]),
            (0.0, [1.0, 0.0]),
        ];
        for (idx, (score, shares)) in rows.iter().enumerate() {
            push(&mut tracker, idx as i64, *score, shares);
        }
        let event = tracker.finish().unwrap();
        // Means over the rows at or above 0.8: the first, second and fourth.
        assert_close(event.shares[0], 0.5, 1e-12, "share");
        assert_close(event.shares[1], 0.5, 1e-12, "share");
        assert_eq!((event.peak_time, event.n_samples), (Timestamp::from_secs(1), 4));
        assert_close(event.severity(), 75.0, 1e-12, "severity");
        assert_eq!(event.members, [0.75, 0.25, 0.0]);
        // By score: (1 · 0.5 + 4 · 1 + 0.9 · 0.5) / 5.9.
        assert_close(event.confidence, 4.95 / 5.9, 1e-12, "confidence");
        assert_eq!(
            event.id,
            EventId::new(&SeriesId::new("pump"), Timestamp::from_secs(0))
        );
    }

    #[test]
    fn no_event_reaches_across_a_gap() {
        let mut tracker = tracker(rule(2, 2, 2, 1), 1);
        assert_eq!(push(&mut tracker, 0, 2.0, &[1.0]), EventChange::Quiet);
        assert_eq!(tracker.restart(), None);
        assert_eq!(push(&mut tracker, 9, 2.0, &[1.0]), EventChange::Quiet);
        assert!(matches!(
            push(&mut tracker, 10, 2.0, &[1.0]),
            EventChange::Opened(_)
        ));
        let event = tracker.restart().unwrap();
        assert!(!event.is_open && event.start == Timestamp::from_secs(9));
    }
}
