//! Why a stretch of time was judged as it was: a file per question.
//!
//! [`shares`]: which channels made the scores, and when, exactly. [`onset`]: which moved first. [`deviation`]: how far
//! each was from what was expected of it, [`pairs`]: which relations broke, [`gradients`] and [`shapley`]: where the error of
//! the window at the peak comes from, [`counterfactual`]: what would have been normal, [`similar`]: which events looked like
//! it. [`sentence`] says it in words.
//!
//! All of it looks back: rows behind the stretch count where they help, in either mode, but the scores that are explained
//! are those of the mode.

pub mod counterfactual;
pub mod deviation;
pub mod gradients;
pub mod onset;
pub mod pairs;
pub mod remedy;
pub mod sentence;
pub mod shapley;
pub mod shares;
pub mod similar;
mod trial;
pub mod unit;
mod window;

use std::ops::Range;

pub use counterfactual::{Change, Counterfactual};
pub use deviation::{Deviation, Side};
pub use gradients::Gradients;
pub use onset::Onset;
pub use pairs::BrokenPair;
pub use remedy::Remedy;
pub use shapley::ShapleyValue;
pub use shares::ShareMap;

use crate::detect::{DetectError, Detector, Expected, Mode};
use crate::drift::Baseline;
use crate::event::{Event, EventId};
use crate::frame::{Frame, SeriesId};
use trial::Trial;
use window::LastWindow;

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
    /// What single channels account for, those that account for most first.
    pub remedies: Vec<Remedy>,
    /// All channels, the likeliest cause first: by what they account for, then by share. `[n_channels]`
    pub ranking: Vec<usize>,
    /// Channels that moved, first movers first: the likeliest cause, and those that move still with that put right.
    pub onsets: Vec<Onset>,
    /// What was expected in the stretch and around it.
    pub expected: Expected,
    /// What was measured in the rows of `expected`, in the channels' units, `[rows, n_channels]`; NaN is missing.
    pub values: Vec<f64>,
    /// The largest deviation of each channel in the stretch, `[n_channels]`.
    pub deviations: Vec<Option<Deviation>>,
    /// Pairs whose relation broke, those that changed most first; empty without a baseline.
    pub pairs: Vec<BrokenPair>,
    /// Where the error of the window that ends with the peak comes from; `None` where no window ends there without a gap,
    /// or where it has too many cells.
    pub gradients: Option<Gradients>,
    /// The same error shared out among the channels, `[n_channels]`: a channel is absent where its values are the expected
    /// ones. Empty where there is no such window.
    pub shapley: Vec<ShapleyValue>,
    /// The least change that would have been normal; `None` where the stretch is too long to ask.
    pub counterfactual: Option<Counterfactual>,
}

/// How much work an explanation is worth.
#[derive(Debug, Clone, Copy)]
pub struct Effort<'a> {
    /// What training rows looked like, for pairs of channels.
    pub baseline: Option<&'a Baseline>,
    /// Orders sampled for Shapley values, each with its reverse.
    pub n_orders: usize,
    /// The same seed samples the same orders.
    pub seed: u64,
}

/// Rows before a stretch in which a change is sought, in longest windows: a slow one is seen late.
const SEARCH_WINDOWS: usize = 4;

/// The same, for long stretches: as many rows as the stretch has, up to this.
const SEARCH_ROWS_MAX: usize = 1024;

/// Rows before the search that say what a channel does anyway, at least and at most.
const REFERENCE_ROWS: (usize, usize) = (512, 4096);

/// Stretches of the same length that pairs are compared with.
const N_BEFORE: usize = 4;

/// Rows shown on either side of a stretch at most.
const MARGIN_ROWS_MAX: usize = 256;

/// All channels, the likeliest cause of a stretch first: the ranking of [`explain`] without the rest.
///
/// # Errors
/// As [`explain`].
pub fn ranking(
    detector: &Detector,
    frame: &Frame,
    stretch: &Stretch,
    mode: Mode,
) -> Result<Vec<usize>, DetectError> {
    let case = Case::new(detector, frame, stretch, mode)?;
    let shares = ShareMap::of(detector, &case.frame, case.rows.clone(), mode)?.of_channels();
    let trial = case.trial(&case.onsets(&case.frame, &case.quiet()?)?);
    let remedies = remedy::remedies(&trial, &shares, &case.missing())?;
    Ok(remedy::ranking(&remedies, &shares))
}

/// Explains a stretch of a frame.
///
/// # Errors
/// [`DetectError`] where the frame does not fit, has no such rows, or a model gives no answer.
pub fn explain(
    detector: &Detector,
    frame: &Frame,
    stretch: &Stretch,
    mode: Mode,
    effort: &Effort<'_>,
) -> Result<Explanation, DetectError> {
    let case = Case::new(detector, frame, stretch, mode)?;
    let n = detector.pipeline().n_channels();
    let shares = ShareMap::of(detector, &case.frame, case.rows.clone(), mode)?;
    let scored = |at: &usize| !shares.score[*at].is_nan();
    let peak = shares::ranked(&shares.score).into_iter().find(scored);
    let peak_idx = case.rows.start + peak.unwrap_or(0);
    let is_quiet = case.quiet()?;
    let seen = case.onsets(&case.frame, &is_quiet)?;
    let view = case.view();
    let expected = detector.expected(&case.frame, view.clone(), mode)?;
    let values = case.values(view);
    let deviation = |channel_idx| deviation::largest(&values, &expected, case.rows.clone(), channel_idx);
    let deviations: Vec<Option<Deviation>> = (0..n).map(deviation).collect();
    let window = LastWindow::ending_with(detector, &case.frame, peak_idx, &expected)?;
    let trial = case.trial(&seen);
    let of_channels = shares.of_channels();
    let remedies = remedy::remedies(&trial, &of_channels, &case.missing())?;
    let ranking = remedy::ranking(&remedies, &of_channels);
    let counterfactual = counterfactual::counterfactual(&trial, ranking[0])?;
    let trial_first = case.trial_first(&seen);
    let counterfactual = counterfactual.map(|of| of.moved(trial_first));
    let onsets = match remedies.first() {
        Some(likeliest) => case.own_onsets(seen, &trial, likeliest, &is_quiet)?,
        None => seen,
    };
    Ok(Explanation {
        stretch: stretch.clone(),
        peak_idx: peak_idx + case.first,
        peak_score: peak.map_or(f64::NAN, |at| shares.score[at]),
        ranking,
        remedies,
        pairs: effort
            .baseline
            .map_or_else(Vec::new, |baseline| case.broken_pairs(baseline)),
        gradients: match &window {
            Some(window) => gradients::gradients(window)?,
            None => None,
        },
        shapley: match &window {
            Some(window) => window.shapley(effort)?,
            None => Vec::new(),
        },
        counterfactual,
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
        self.counterfactual = self.counterfactual.map(|of| of.moved(by));
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
        let before = before + search_len(detector, end - start) + reference_len(end - start);
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
        let margin = self.rows.len().clamp(
            self.detector.window_len(),
            MARGIN_ROWS_MAX.max(self.detector.window_len()),
        );
        self.rows.start.saturating_sub(margin)..(self.rows.end + margin).min(self.frame.n_samples())
    }

    /// What was measured in `rows`, and features of it, in the pipeline's order of channels.
    fn values(&self, rows: Range<usize>) -> Vec<f64> {
        let n = self.detector.pipeline().n_channels();
        match self.detector.pipeline().derive(&self.frame) {
            Ok(derived) => derived.frame.values()[rows.start * n..rows.end * n].to_vec(),
            // It was judged, so it fits.
            Err(_) => vec![f64::NAN; rows.len() * n],
        }
    }

    /// Pairs are compared with stretches of the same length that end where the search for changes begins.
    fn broken_pairs(&self, baseline: &Baseline) -> Vec<BrokenPair> {
        let n = self.detector.pipeline().n_channels();
        let values = self.values(0..self.frame.n_samples());
        let column = |channel_idx: usize| values.iter().skip(channel_idx).step_by(n).copied().collect();
        let columns: Vec<Vec<f64>> = (0..n).map(column).collect();
        let channels = self.detector.pipeline().schema().channels();
        let names: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
        let len = self.rows.len();
        let last = self.rows.start.saturating_sub(search_len(self.detector, len));
        let before = (1..=N_BEFORE).filter_map(|back| {
            let first = last.checked_sub(back * len)?;
            Some(first..first + len)
        });
        let before: Vec<Range<usize>> = before.collect();
        pairs::broken_pairs(baseline, &names, &columns, self.rows.clone(), &before)
    }

    /// The share of the stretch in which each channel was not measured, `[n_channels]`.
    fn missing(&self) -> Vec<f64> {
        let n = self.detector.pipeline().n_channels();
        let mut missing = vec![0.0; n];
        for (cell, value) in self.values(self.rows.clone()).iter().enumerate() {
            if value.is_nan() {
                missing[cell % n] += 1.0 / self.rows.len() as f64;
            }
        }
        missing
    }

    /// The first row of what is judged again: only rows that the scores of the stretch depend on.
    fn trial_first(&self, onsets: &[Onset]) -> usize {
        let (before, _) = self.detector.surroundings(self.mode);
        self.set(onsets)
            .start
            .saturating_sub(before + self.detector.window_len())
    }

    /// Rows in which channels are set: from where the first of them moved, and a window before, to the last that scores of
    /// the stretch depend on.
    fn set(&self, onsets: &[Onset]) -> Range<usize> {
        let moved = onsets.first().map_or(self.rows.start, |first| first.row_idx);
        let first = moved
            .min(self.rows.start)
            .saturating_sub(self.detector.window_len());
        let (_, after) = self.detector.surroundings(self.mode);
        first..(self.rows.end + after).min(self.frame.n_samples())
    }

    fn trial(&self, onsets: &[Onset]) -> Trial<'_> {
        let first = self.trial_first(onsets);
        let set = self.set(onsets);
        let frame = self.frame.slice(first..set.end);
        Trial {
            detector: self.detector,
            frame: frame.expect("a stretch has a row, and it lies in the frame"),
            set: set.start - first..set.end - first,
            judged: self.rows.start - first..self.rows.end - first,
            mode: self.mode,
        }
    }

    /// Rows whose score is no alarm.
    fn quiet(&self) -> Result<Vec<bool>, DetectError> {
        let mut is_quiet = vec![false; self.frame.n_samples()];
        // The name only makes ids of events, which nobody sees here.
        let series = SeriesId::new("");
        self.detector
            .score_with(&series, self.frame.clone(), self.mode, &mut |row| {
                is_quiet[row.row_idx] = row.score < 1.0;
            })?;
        Ok(is_quiet)
    }

    /// The channels that moved in a frame that is this one, or this one with some channels put right.
    fn onsets(&self, frame: &Frame, is_quiet: &[bool]) -> Result<Vec<Onset>, DetectError> {
        let n = self.detector.pipeline().n_channels();
        let errors = self.detector.unsmoothed_errors(frame.clone())?;
        let before = search_len(self.detector, self.rows.len());
        let search = self.rows.start.saturating_sub(before)..self.rows.end;
        let stretch = self.rows.start.saturating_sub(self.detector.window_len())..self.rows.end;
        Ok(onset::onsets(&errors, n, is_quiet, search, stretch))
    }

    /// Of the channels seen to move, those that move by themselves: where the likeliest cause is put right, what the models
    /// wrongly expected of the others because of it is gone.
    fn own_onsets(
        &self,
        seen: Vec<Onset>,
        trial: &Trial<'_>,
        likeliest: &Remedy,
        is_quiet: &[bool],
    ) -> Result<Vec<Onset>, DetectError> {
        let channel_idx = likeliest.channel_idx;
        let Some(column) = trial.place(channel_idx).filter(|_| likeliest.cured > 0.0) else {
            return Ok(seen);
        };
        let n_columns = self.frame.n_channels();
        let first = self.trial_first(&seen) + trial.set.start;
        let right = trial.values(&trial.with(&[channel_idx])?.frame, channel_idx);
        let mut values = self.frame.values().to_vec();
        for (offset, value) in right.into_iter().enumerate() {
            values[(first + offset) * n_columns + column] = value;
        }
        let still = self.onsets(&self.frame.with_values(values), is_quiet)?;
        let of_others = still.into_iter().filter(|onset| onset.channel_idx != channel_idx);
        let its_own = seen.into_iter().filter(|onset| onset.channel_idx == channel_idx);
        let mut own: Vec<Onset> = its_own.chain(of_others).collect();
        onset::sort(&mut own);
        Ok(own)
    }
}

/// Rows before the search for a stretch of so many rows.
fn reference_len(n_rows: usize) -> usize {
    (N_BEFORE * n_rows).clamp(REFERENCE_ROWS.0, REFERENCE_ROWS.1)
}

/// Rows before a stretch of so many rows in which a change is sought.
fn search_len(detector: &Detector, n_rows: usize) -> usize {
    (SEARCH_WINDOWS * detector.window_len()).max(n_rows.min(SEARCH_ROWS_MAX))
}

#[cfg(test)]
mod tests;
