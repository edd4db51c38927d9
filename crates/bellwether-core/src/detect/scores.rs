//! Scores of a frame: one row each, the events they make, and how the rows got there.

use std::ops::Range;
use std::sync::Arc;

use super::Detector;
use super::combination::Buckets;
use super::joined::{Joined, Top, finish_members, finish_row, top_share};
use super::member::{Reach, for_each_smoothed};
use super::mode::Mode;
use crate::event::{Event, EventChange, EventId, EventTracker, JudgedRow};
use crate::frame::{Channel, SeriesId};
use crate::model::{Answers, ModelError};
use crate::threshold::{Level, Threshold};
use crate::time::Timestamp;
use crate::transform::{Outside, Pipeline, Prepared};

/// What a detector says about each row of a frame. All columns are `[n_samples]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Which rows each score could use.
    pub mode: Mode,
    /// When each row was measured.
    pub time: Vec<Timestamp>,
    /// At least 0, 1.0 is the threshold; NaN where a row has none, see [`Scores::unscored`].
    pub score: Vec<f64>,
    /// The channel with the largest share of the score; `None` where there is no score.
    pub top: Vec<Option<Top>>,
    /// The event a row lies in: in causal mode as known at the row, else the event's whole extent.
    pub event: Vec<Option<EventId>>,
    /// All events, in order; the last may be open.
    pub events: Vec<Event>,
    /// Why rows have no score.
    pub unscored: Unscored,
    /// Why a row does not count as operation: it has no score, and no window reaches across it. Empty where every row
    /// counts.
    pub outside: Vec<Option<Outside>>,
    /// Channels of the data that the detector does not know and left out.
    pub ignored: Vec<Channel>,
}

impl Scores {
    /// Whether the row's score is at or above the threshold; `None` where it has none.
    pub fn is_anomaly(&self, row_idx: usize) -> Option<bool> {
        let score = self.score[row_idx];
        (!score.is_nan()).then_some(score >= 1.0)
    }

    /// Rows at which whoever counts events begins anew: the first, those after gaps, rows that do not count, and those
    /// after them.
    pub fn segment_starts(&self, pipeline: &Pipeline) -> Vec<usize> {
        let mut starts = pipeline.segment_starts(&self.time);
        let is_outside = |row: usize| self.outside.get(row).is_some_and(Option::is_some);
        starts.extend(
            (0..self.outside.len()).filter(|&row| is_outside(row) || (row > 0 && is_outside(row - 1))),
        );
        starts.sort_unstable();
        starts.dedup();
        starts
    }
}

/// Counts of rows without a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unscored {
    /// The first window since the start, or since a gap, was not full yet.
    pub n_filling: usize,
    /// Too little was observed for every member: less than half of the row's cells, and for those that look at windows as a
    /// whole, causally, less than half of its window's.
    pub n_missing: usize,
    /// The machine was not in operation.
    pub n_outside: usize,
}

/// One scored row, with the shares of all channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRow<'a> {
    /// Position in the frame.
    pub row_idx: usize,
    /// When it was measured.
    pub time: Timestamp,
    /// Its score.
    pub score: f64,
    /// Each channel's share of the score, `[n_channels]`, summing to 1.
    pub shares: &'a [f64],
}

/// Scores prepared rows, member by member, a block of windows at a time.
pub(super) fn score_rows(
    detector: &Detector,
    series: &SeriesId,
    prepared: Prepared,
    mode: Mode,
    windows_max: usize,
    visit: &mut dyn FnMut(ScoredRow<'_>),
) -> Result<Scores, ModelError> {
    let reach = Reach {
        longest: detector.window_len(),
        windows_max,
    };
    let mut said = Said::new(detector, &prepared, mode);
    for (member_idx, member) in detector.members().iter().enumerate() {
        let calibrated = member.calibrated(mode);
        let weight = member.parts().weight;
        let model = &**member.model();
        for_each_smoothed(
            model,
            calibrated,
            mode,
            &prepared,
            reach,
            &mut |row_idx, smoothed| {
                if let Some(smoothed) = smoothed {
                    said.of(row_idx).add(member_idx, weight, calibrated, smoothed);
                }
            },
        )?;
    }
    let mut sink = Sink::new(detector, series, &prepared, mode, visit);
    let mut next = 0;
    for segment in prepared.segments() {
        sink.pass(next..segment.start);
        next = segment.end;
        for row_idx in segment {
            let Some(mut joined) = said.of_scorable(row_idx) else {
                sink.begin(row_idx);
                sink.fill();
                continue;
            };
            sink.begin(row_idx);
            let said = joined.complete(detector.weight()).map(|agreement| {
                let stopped = prepared.stopped(row_idx);
                let threshold = sink.level.threshold();
                let plain = detector.add_outside(threshold, prepared.row(row_idx), stopped, &mut joined);
                (agreement, threshold, plain)
            });
            sink.row(row_idx, &joined, said);
        }
    }
    sink.pass(next..prepared.n_samples());
    let mut scores = sink.finish();
    scores.ignored = prepared.ignored().to_vec();
    (scores.time, scores.outside) = prepared.into_time();
    Ok(scores)
}

/// What members have said of each row so far.
struct Said {
    n_channels: usize,
    /// `[n_rows, n_channels]`
    parts: Vec<f64>,
    n_members: usize,
    /// `[n_rows, n_members + 1]`
    members: Vec<f64>,
    /// Weight of the members that answered, `[n_rows]`; below zero where no member is asked.
    present: Vec<f64>,
    /// Weight of those that agree, `[n_rows]`.
    agreeing: Vec<f64>,
    buckets: Buckets,
}

impl Said {
    fn new(detector: &Detector, prepared: &Prepared, mode: Mode) -> Self {
        let longest = detector.window_len();
        // Looking back, a reconstruction has something to say of the first row, a forecast of the last of its window.
        let first_said = detector
            .members()
            .iter()
            .map(|member| match member.model().answers() {
                Answers::Window => 0,
                Answers::LastRow => member.model().window().len.get() - 1,
            });
        let first_said = first_said.min().unwrap_or(0);
        let mut present = vec![-1.0; prepared.n_samples()];
        for segment in prepared.segments().filter(|segment| segment.len() >= longest) {
            let first = match mode {
                Mode::Causal => segment.start + longest - 1,
                Mode::Retrospective => segment.start + first_said,
            };
            present[first..segment.end].fill(0.0);
        }
        Self {
            n_channels: prepared.n_channels(),
            parts: vec![0.0; prepared.n_samples() * prepared.n_channels()],
            n_members: detector.members().len(),
            members: vec![0.0; prepared.n_samples() * (detector.members().len() + 1)],
            present,
            agreeing: vec![0.0; prepared.n_samples()],
            buckets: Buckets::new(
                detector.parts().combination,
                prepared.n_samples(),
                prepared.n_channels(),
            ),
        }
    }

    fn of(&mut self, row_idx: usize) -> Joined<'_> {
        let (n, n_said) = (self.n_channels, self.n_members + 1);
        Joined {
            parts: &mut self.parts[row_idx * n..(row_idx + 1) * n],
            members: &mut self.members[row_idx * n_said..(row_idx + 1) * n_said],
            present: &mut self.present[row_idx],
            agreeing: &mut self.agreeing[row_idx],
            bucket: self.buckets.of(row_idx),
        }
    }

    /// `None` where the first window was not full yet.
    fn of_scorable(&mut self, row_idx: usize) -> Option<Joined<'_>> {
        (self.present[row_idx] >= 0.0).then(|| self.of(row_idx))
    }
}

/// Takes joined rows in order and writes scores and events.
struct Sink<'a> {
    prepared: &'a Prepared,
    level: Level,
    tracker: EventTracker,
    visit: &'a mut dyn FnMut(ScoredRow<'_>),
    shares: Vec<f64>,
    members: Vec<f64>,
    scores: Scores,
}

impl<'a> Sink<'a> {
    fn new(
        detector: &Detector,
        series: &SeriesId,
        prepared: &'a Prepared,
        mode: Mode,
        visit: &'a mut dyn FnMut(ScoredRow<'_>),
    ) -> Self {
        let n_rows = prepared.n_samples();
        Self {
            prepared,
            level: detector.level(mode),
            tracker: EventTracker::new(
                detector.parts().events,
                series.clone(),
                Arc::clone(detector.watched()),
            ),
            visit,
            shares: vec![0.0; prepared.n_channels()],
            members: vec![0.0; detector.members().len() + 1],
            scores: Scores {
                mode,
                time: Vec::new(),
                score: Vec::with_capacity(n_rows),
                top: Vec::with_capacity(n_rows),
                event: Vec::with_capacity(n_rows),
                events: Vec::new(),
                unscored: Unscored::default(),
                outside: Vec::new(),
                ignored: Vec::new(),
            },
        }
    }

    /// What comes before the first row of a segment is over.
    fn begin(&mut self, row_idx: usize) {
        if self.prepared.starts_segment(row_idx) {
            self.scores.events.extend(self.tracker.restart());
            self.level.restart();
        }
    }

    /// `said`: how far members agree, the threshold, and the error that a level may follow; `None` where no member has answered.
    fn row(&mut self, row_idx: usize, joined: &Joined<'_>, said: Option<(f64, Threshold, f64)>) {
        match said {
            Some((agreement, threshold, plain)) => {
                self.level.push(plain);
                let score = finish_row(joined.parts, threshold, &mut self.shares);
                finish_members(joined.members, &mut self.members);
                self.write(score, top_share(&self.shares), agreement);
                (self.visit)(ScoredRow {
                    row_idx,
                    time: self.prepared.time()[row_idx],
                    score,
                    shares: &self.shares,
                });
            }
            None => {
                self.level.push(f64::NAN);
                self.scores.unscored.n_missing += 1;
                self.write(f64::NAN, None, 0.0);
            }
        }
    }

    /// A row before the first full window.
    fn fill(&mut self) {
        self.level.push(f64::NAN);
        self.scores.unscored.n_filling += 1;
        self.write(f64::NAN, None, 0.0);
    }

    /// Rows that do not count: what is open ends with the last before them.
    fn pass(&mut self, rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        self.scores.events.extend(self.tracker.restart());
        self.level.restart();
        self.scores.unscored.n_outside += rows.len();
        self.scores.score.resize(rows.end, f64::NAN);
        self.scores.top.resize(rows.end, None);
        self.scores.event.resize(rows.end, None);
    }

    fn write(&mut self, score: f64, top: Option<Top>, agreement: f64) {
        let row_idx = self.scores.score.len();
        let (values, observed) = self.prepared.row(row_idx);
        let change = self.tracker.push(JudgedRow {
            time: self.prepared.time()[row_idx],
            score,
            shares: &self.shares,
            members: &self.members,
            agreement,
            values,
            observed,
        });
        self.scores.score.push(score);
        self.scores.top.push(top);
        self.scores.event.push(change.event());
        if let EventChange::Closed(event) = change {
            self.scores.events.push(event);
        }
    }

    fn finish(mut self) -> Scores {
        self.scores.events.extend(self.tracker.finish());
        if self.scores.mode == Mode::Retrospective {
            mark_extents(&mut self.scores, self.prepared.time());
        }
        self.scores
    }
}

/// Gives each row from start to end of an event its id: looking back, the whole extent is known.
fn mark_extents(scores: &mut Scores, time: &[Timestamp]) {
    scores.event.fill(None);
    for event in &scores.events {
        let first = time.partition_point(|at| *at < event.start);
        let end = time.partition_point(|at| *at <= event.end);
        scores.event[first..end].fill(Some(event.id));
    }
}
