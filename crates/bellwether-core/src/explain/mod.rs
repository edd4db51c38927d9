//! Why a stretch of time was judged as it was: a file per question.
//!
//! [`shares`]: which channels made the scores, and when, exactly. [`onset`]: which moved first. [`deviation`]: how far
//! each was from what was expected of it, and [`sentence`] says it in words.
//!
//! All of it looks back: rows behind the stretch count where they help, in either mode, but the scores that are explained
//! are those of the mode.

pub mod deviation;
pub mod onset;
pub mod sentence;
pub mod shares;
pub mod unit;

use std::ops::Range;

pub use deviation::{Deviation, Side};
pub use onset::Onset;
pub use shares::ShareMap;

use crate::detect::{DetectError, Detector, Expected, Mode};
use crate::event::{Event, EventId};
use crate::frame::Frame;

/// What is to be explained: neighbouring rows of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Not empty.
    pub rows: Range<usize>,
    /// The event that it is, if it is one.
    pub event: Option<EventId>,
}

impl Stretch {
    /// The rows of an event of this frame; `None` where it holds no row of the event.
    pub fn of_event(frame: &Frame, event: &Event) -> Option<Self> {
        let first = frame.time().partition_point(|at| *at < event.start);
        let end = frame.time().partition_point(|at| *at <= event.end);
        (first < end).then_some(Self {
            rows: first..end,
            event: Some(event.id),
        })
    }

    /// The row at `row_idx` with those before it in the longest window of the detector: what its score is made of, no
    /// event.
    pub fn of_row(detector: &Detector, row_idx: usize) -> Self {
        Self {
            rows: (row_idx + 1).saturating_sub(detector.window_len())..row_idx + 1,
            event: None,
        }
    }
}

/// Why a stretch was judged as it was. Rows are those of the frame, channels those of the pipeline, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What is explained.
    pub stretch: Stretch,
    /// The row with the highest score in it, the first of equals; its first row where none has a score.
    pub peak_idx: usize,
    /// That score; NaN where there is none.
    pub peak_score: f64,
    /// Exact shares, channels × time.
    pub shares: ShareMap,
    /// Channels by their part in it, largest first, `[n_channels]`.
    pub ranking: Vec<usize>,
    /// Channels that moved, first movers first.
    pub onsets: Vec<Onset>,
    /// What was expected in the stretch and around it.
    pub expected: Expected,
    /// What was measured in the rows of `expected`, in the channels' units, `[rows, n_channels]`; NaN is missing.
    pub values: Vec<f64>,
    /// The largest deviation of each channel in the stretch, `[n_channels]`.
    pub deviations: Vec<Option<Deviation>>,
}

/// Rows before a stretch in which a change is sought, in longest windows: a slow one is seen late.
const SEARCH_WINDOWS: usize = 4;

/// The same, for long stretches: as many rows as the stretch has, up to this.
const SEARCH_ROWS_MAX: usize = 1024;

/// Rows before the search that say what a channel does anyway.
const REFERENCE_ROWS: usize = 512;

/// Rows shown on either side of a stretch at most.
const MARGIN_ROWS_MAX: usize = 256;

/// Explains a stretch of a frame.
///
/// # Errors
/// [`DetectError`] where the frame does not fit, has no such rows, or a model gives no answer.
pub fn explain(
    detector: &Detector,
    frame: &Frame,
    stretch: &Stretch,
    mode: Mode,
) -> Result<Explanation, DetectError> {
    let case = Case::new(detector, frame, stretch, mode)?;
    let n = detector.pipeline().n_channels();
    let shares = ShareMap::of(detector, &case.frame, case.rows.clone(), mode)?;
    let peak = shares::ranked(&shares.score).into_iter().find(|&at| !shares.score[at].is_nan());
    let onsets = case.onsets()?;
    let view = case.view();
    let expected = detector.expected(&case.frame, view.clone(), mode)?;
    let values = case.values(view);
    let deviations = (0..n).map(|channel_idx| deviation::largest(&values, &expected, case.rows.clone(), channel_idx));
    let deviations: Vec<Option<Deviation>> = deviations.collect();
    let ranking = shares::ranked(&shares.of_channels());
    Ok(Explanation {
        stretch: stretch.clone(),
        peak_idx: stretch.rows.start + peak.unwrap_or(0),
        peak_score: peak.map_or(f64::NAN, |at| shares.score[at]),
        ranking,
        shares,
        onsets,
        expected,
        values,
        deviations,
    }
    .moved(case.first))
}

impl Explanation {
    /// Rows of a part of a frame become those of the frame.
    fn moved(mut self, by: usize) -> Self {
        for rows in [&mut self.shares.rows, &mut self.expected.rows] {
            *rows = rows.start + by..rows.end + by;
        }
        for onset in &mut self.onsets {
            onset.row_idx += by;
        }
        for deviation in self.deviations.iter_mut().flatten() {
            deviation.row_idx += by;
        }
        self
    }
}

/// A stretch with the rows around it that its explanation needs, and no others.
#[derive(Debug)]
struct Case<'a> {
    detector: &'a Detector,
    mode: Mode,
    /// The part of the frame.
    frame: Frame,
    /// Where it begins in the whole.
    first: usize,
    /// The stretch, in the part.
    rows: Range<usize>,
}

impl<'a> Case<'a> {
    fn new(
        detector: &'a Detector,
        frame: &Frame,
        stretch: &Stretch,
        mode: Mode,
    ) -> Result<Self, DetectError> {
        let Range { start, end } = stretch.rows;
        let no_such_rows = || DetectError::NoSuchRows {
            start,
            end,
            n_samples: frame.n_samples(),
        };
        if start >= end || end > frame.n_samples() {
            return Err(no_such_rows());
        }
        let (before, after) = detector.surroundings(mode);
        let (_, after_back) = detector.surroundings(Mode::Retrospective);
        let before = before + search_len(detector, end - start) + REFERENCE_ROWS;
        let after = after.max(after_back) + MARGIN_ROWS_MAX;
        let first = start.saturating_sub(before);
        let last = (end + after).min(frame.n_samples());
        Ok(Self {
            detector,
            mode,
            frame: frame.slice(first..last).map_err(|_| no_such_rows())?,
            first,
            rows: start - first..end - first,
        })
    }

    /// The stretch with a margin: as much again on both sides, within bounds.
    fn view(&self) -> Range<usize> {
        let margin = self
            .rows
            .len()
            .clamp(self.detector.window_len(), MARGIN_ROWS_MAX.max(self.detector.window_len()));
        self.rows.start.saturating_sub(margin)..(self.rows.end + margin).min(self.frame.n_samples())
    }

    /// What was measured in `rows`, in the pipeline's order of channels.
    fn values(&self, rows: Range<usize>) -> Vec<f64> {
        let schema = self.frame.schema();
        let channels = self.detector.pipeline().schema().channels();
        let places: Vec<Option<usize>> = channels.iter().map(|channel| schema.channel_idx(channel.name())).collect();
        rows.flat_map(|row| {
            let values = self.frame.sample(row).values;
            places.iter().map(|place| place.map_or(f64::NAN, |idx| values[idx]))
        })
        .collect()
    }

    fn onsets(&self) -> Result<Vec<Onset>, DetectError> {
        let n = self.detector.pipeline().n_channels();
        let errors = self.detector.unsmoothed_errors(self.frame.clone())?;
        let before = search_len(self.detector, self.rows.len());
        let search = self.rows.start.saturating_sub(before)..self.rows.end;
        let mut is_quiet = vec![false; self.frame.n_samples()];
        let series = crate::frame::SeriesId::new("");
        self.detector
            .score_with(&series, self.frame.clone(), self.mode, &mut |row| {
                is_quiet[row.row_idx] = row.score < 1.0;
            })?;
        let stretch = self.rows.start.saturating_sub(self.detector.window_len())..self.rows.end;
        Ok(onset::onsets(&errors, n, &is_quiet, search, stretch))
    }
}

/// Rows before a stretch of so many rows in which a change is sought.
fn search_len(detector: &Detector, n_rows: usize) -> usize {
    (SEARCH_WINDOWS * detector.window_len()).max(n_rows.min(SEARCH_ROWS_MAX))
}
