//! Scores of a frame: one row each, the events they make, and how the rows got there.

use super::Detector;
use super::blocks::{RowErrors, for_each_block};
use super::mode::{Calibrated, Mode, RowSmoother, Top, finish_row, top_share};
use crate::event::{Event, EventId, EventTracker};
use crate::frame::{Channel, SeriesId};
use crate::model::ModelError;
use crate::time::Timestamp;
use crate::transform::Prepared;

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
    /// Channels of the data that the detector does not know and left out.
    pub ignored: Vec<Channel>,
}

impl Scores {
    /// Whether the row's score is at or above the threshold; `None` where it has none.
    pub fn is_anomaly(&self, row_idx: usize) -> Option<bool> {
        let score = self.score[row_idx];
        (!score.is_nan()).then_some(score >= 1.0)
    }
}

/// Counts of rows without a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unscored {
    /// The first window since the start, or since a gap, was not full yet.
    pub n_filling: usize,
    /// Less than half of the row's cells (causal: of its window's) were observed.
    pub n_missing: usize,
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

/// Scores prepared rows, a block of windows at a time.
pub(super) fn score_rows(
    detector: &Detector,
    series: &SeriesId,
    prepared: Prepared,
    mode: Mode,
    windows_max: usize,
    visit: &mut dyn FnMut(ScoredRow<'_>),
) -> Result<Scores, ModelError> {
    let calibrated = detector.calibrated(mode);
    let (len, n) = (detector.window_len(), prepared.n_channels());
    let calibration = &calibrated.calibration;
    let mut rows = RowErrors::new(mode, len, n);
    let mut smoother = RowSmoother::new(mode, calibrated.smoothing, &calibration.prior);
    let mut sink = Sink::new(detector, series, &prepared, calibrated, mode, visit);
    let mut parts = vec![0.0; n];
    let mut next_out = 0;
    let model = detector.model();
    let ask = |windows: crate::window::Windows<'_>, out: &mut [f64]| model.errors(windows, out);
    for_each_block(&ask, &prepared, len, windows_max, &mut |block| {
        if block.first == block.segment.start {
            next_out = match mode {
                Mode::Causal => block.first + len - 1,
                Mode::Retrospective => block.first,
            };
        }
        let mut emit = |smoothed: Option<&[f64]>| {
            sink.row(next_out, smoothed);
            next_out += 1;
        };
        rows.absorb(block, &prepared, &calibration.weights, &mut |row_idx, errors| {
            if let Some(errors) = errors {
                calibration.contributions(errors, &mut parts);
            }
            smoother.push(errors.map(|_| &parts[..]), &mut emit);
            if row_idx + 1 == block.segment.end {
                smoother.end_segment(&mut emit);
            }
        });
    })?;
    let mut scores = sink.finish();
    scores.ignored = prepared.ignored().to_vec();
    scores.time = prepared.into_time();
    Ok(scores)
}

/// Takes smoothed rows in order and writes scores and events; rows that are skipped have no score.
struct Sink<'a> {
    prepared: &'a Prepared,
    calibrated: &'a Calibrated,
    tracker: EventTracker,
    visit: &'a mut dyn FnMut(ScoredRow<'_>),
    shares: Vec<f64>,
    scores: Scores,
}

impl<'a> Sink<'a> {
    fn new(
        detector: &Detector,
        series: &SeriesId,
        prepared: &'a Prepared,
        calibrated: &'a Calibrated,
        mode: Mode,
        visit: &'a mut dyn FnMut(ScoredRow<'_>),
    ) -> Self {
        let n_rows = prepared.n_samples();
        Self {
            prepared,
            calibrated,
            tracker: EventTracker::new(detector.parts().events, series.clone()),
            visit,
            shares: vec![0.0; prepared.n_channels()],
            scores: Scores {
                mode,
                time: Vec::new(),
                score: Vec::with_capacity(n_rows),
                top: Vec::with_capacity(n_rows),
                event: Vec::with_capacity(n_rows),
                events: Vec::new(),
                unscored: Unscored::default(),
                ignored: Vec::new(),
            },
        }
    }

    fn row(&mut self, row_idx: usize, smoothed: Option<&[f64]>) {
        self.skip_to(row_idx);
        match smoothed {
            Some(smoothed) => {
                let score = finish_row(smoothed, self.calibrated.threshold, &mut self.shares);
                self.write(score, top_share(&self.shares));
                (self.visit)(ScoredRow {
                    row_idx,
                    time: self.prepared.time()[row_idx],
                    score,
                    shares: &self.shares,
                });
            }
            None => {
                self.scores.unscored.n_missing += 1;
                self.write(f64::NAN, None);
            }
        }
    }

    fn skip_to(&mut self, row_idx: usize) {
        while self.scores.score.len() < row_idx {
            self.scores.unscored.n_filling += 1;
            self.write(f64::NAN, None);
        }
    }

    fn write(&mut self, score: f64, top: Option<Top>) {
        let row_idx = self.scores.score.len();
        if self.prepared.starts_segment(row_idx) {
            self.scores.events.extend(self.tracker.restart());
        }
        let change = self
            .tracker
            .push(self.prepared.time()[row_idx], score, &self.shares);
        self.scores.score.push(score);
        self.scores.top.push(top);
        self.scores.event.push(change.event());
        if let crate::event::EventChange::Closed(event) = change {
            self.scores.events.push(event);
        }
    }

    fn finish(mut self) -> Scores {
        self.skip_to(self.prepared.n_samples());
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
