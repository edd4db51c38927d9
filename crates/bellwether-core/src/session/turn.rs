//! Samples of many devices judged together: one call of the model for hundreds of windows.

use std::sync::Arc;

use super::{PushError, Session, Verdict};
use crate::detect::{BLOCK_WINDOWS, finish_row, top_share};
use crate::event::EventChange;
use crate::frame::Sample;
use crate::model::{Model, ModelError};
use crate::score::window_errors;
use crate::transform::ChannelScale;
use crate::window::Windows;

/// Samples of one device that wait to be judged, in order.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The device's session.
    pub session: &'a mut Session,
    /// Its next samples.
    pub samples: &'a [Sample<'a>],
}

/// The answer to one sample of a turn.
#[derive(Debug)]
pub struct Judged<'a> {
    /// Position of the turn in the call.
    pub turn_idx: usize,
    /// Position of the sample in its turn.
    pub sample_idx: usize,
    /// As from [`Session::push`].
    pub answer: Result<Option<Verdict>, PushError>,
    /// The session, with the shares of this sample; it has taken the rows of the whole turn already.
    pub session: &'a Session,
    /// The window that ends with the sample, prepared, where it is full.
    window: Option<Windows<'a>>,
}

impl Judged<'_> {
    /// What was expected of the sample, `[n_channels]` in the channels' units, NaN where nothing is known; `None` while
    /// the window fills.
    ///
    /// # Errors
    /// [`ModelError`] where the model gives no answer.
    pub fn expected(&self) -> Result<Option<Vec<f64>>, ModelError> {
        let Some(window) = self.window else {
            return Ok(None);
        };
        let detector = self.session.detector();
        let mut expected = vec![0.0; window.window_len() * window.n_channels()];
        detector.model().expected(window, &mut expected)?;
        let last_row = &expected[expected.len() - window.n_channels()..];
        let original = |(scale, value): (&ChannelScale, &f64)| {
            if scale.is_unseen() {
                f64::NAN
            } else {
                scale.original(*value)
            }
        };
        Ok(Some(
            detector
                .pipeline()
                .scales()
                .iter()
                .zip(last_row)
                .map(original)
                .collect(),
        ))
    }
}

/// Memory that a call works in, kept from call to call to spare allocations.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Rows of all turns, `[n_rows, n_channels]`: what each session had, then what came.
    values: Vec<f64>,
    observed: Vec<bool>,
    steps: Vec<Step>,
    /// Where the windows that are due begin.
    starts: Vec<usize>,
    /// The model's errors for a block of windows, `[n_windows, len, n_channels]`.
    errors: Vec<f64>,
    row: Vec<f64>,
    parts: Vec<f64>,
}

/// What the row step made of a sample.
#[derive(Debug)]
enum Step {
    Refused(PushError),
    Row { starts_segment: bool, is_due: bool },
}

/// Judges samples of many devices, in order of turns and of samples within a turn. What a sample is told does not
/// depend on what else is in the call.
///
/// # Panics
/// Where the sessions do not share one detector: the caller's mistake.
pub fn judge(turns: &mut [Turn<'_>], scratch: &mut Scratch, visit: &mut dyn FnMut(Judged<'_>)) {
    let Some(detector) = turns.first().map(|turn| Arc::clone(&turn.session.detector)) else {
        return;
    };
    let is_shared = |turn: &Turn<'_>| Arc::ptr_eq(&turn.session.detector, &detector);
    assert!(
        turns.iter().all(is_shared),
        "sessions of one call share one detector"
    );
    scratch.clear();
    for turn in turns.iter_mut() {
        scratch.take_rows(turn);
    }
    let Scratch {
        values,
        observed,
        steps,
        starts,
        errors,
        row,
        parts,
    } = scratch;
    let n = detector.pipeline().n_channels();
    let mut blocks = Blocks {
        model: detector.model(),
        values,
        observed: Some(&observed[..]).filter(|marks| marks.contains(&false)),
        starts,
        len: detector.window_len(),
        n_channels: n,
        errors,
        block: 0..0,
        is_whole: true,
    };
    row.resize(n, 0.0);
    parts.resize(n, 0.0);
    let mut next_step = steps.drain(..);
    let mut window_idx = 0;
    for (turn_idx, turn) in turns.iter_mut().enumerate() {
        for (sample_idx, sample) in turn.samples.iter().enumerate() {
            let mut window = None;
            let answer = match next_step.next().expect("a step for each sample of each turn") {
                Step::Row {
                    starts_segment,
                    is_due,
                } => {
                    let errors = is_due.then(|| blocks.errors(window_idx));
                    let answer = turn.session.answer(*sample, starts_segment, errors, row, parts);
                    if is_due {
                        window = Some(blocks.window(window_idx));
                        window_idx += 1;
                    }
                    answer
                }
                Step::Refused(error) => Err(error),
            };
            visit(Judged {
                turn_idx,
                sample_idx,
                answer,
                session: turn.session,
                window,
            });
        }
    }
}

impl Scratch {
    fn clear(&mut self) {
        self.values.clear();
        self.observed.clear();
        self.steps.clear();
        self.starts.clear();
    }

    /// Prepares the rows of a turn, behind those that its session still needs.
    fn take_rows(&mut self, turn: &mut Turn<'_>) {
        let session = &mut *turn.session;
        let pipeline = session.detector.pipeline();
        let (len, n) = (session.detector.window_len(), pipeline.n_channels());
        let mut segment_start = self.values.len() / n;
        let (values, observed) = session.recent.last(len - 1, n);
        self.values.extend_from_slice(values);
        self.observed.extend_from_slice(observed);
        for sample in turn.samples {
            if let Err(error) = session.check(*sample) {
                self.steps.push(Step::Refused(error));
                continue;
            }
            let at = self.values.len();
            self.values.resize(at + n, 0.0);
            self.observed.resize(at + n, true);
            let (row, marks) = (&mut self.values[at..], &mut self.observed[at..]);
            let step = session
                .state
                .step(pipeline, sample.time, sample.values, row, marks);
            if step.starts_segment {
                segment_start = at / n;
            }
            let n_rows = at / n + 1 - segment_start;
            let is_due = n_rows >= len;
            if is_due {
                self.starts.push(at / n + 1 - len);
            }
            self.steps.push(Step::Row {
                starts_segment: step.starts_segment,
                is_due,
            });
        }
        let n_rows = self.values.len() / n;
        let kept = segment_start.max(n_rows.saturating_sub(len)) * n;
        session
            .recent
            .replace(&self.values[kept..], &self.observed[kept..]);
    }
}

/// The windows that are due, put to the model a block at a time.
struct Blocks<'a> {
    model: &'a dyn Model,
    values: &'a [f64],
    observed: Option<&'a [bool]>,
    starts: &'a [usize],
    len: usize,
    n_channels: usize,
    errors: &'a mut Vec<f64>,
    /// The windows whose errors are at hand.
    block: std::ops::Range<usize>,
    /// The model has answered the block as a whole; otherwise each window is asked for by itself.
    is_whole: bool,
}

/// A window's errors, `[len, n_channels]`, and which of its cells were observed (`None`: all).
type Answer<'a> = Result<(&'a [f64], Option<&'a [bool]>), ModelError>;

impl Blocks<'_> {
    /// The window by itself.
    fn window(&self, window_idx: usize) -> Windows<'_> {
        let start = &self.starts[window_idx..window_idx + 1];
        Windows::new(self.values, self.observed, self.n_channels, self.len, start)
    }

    /// The model's errors for a window. Windows are asked for in order.
    fn errors(&mut self, window_idx: usize) -> Answer<'_> {
        let cells = self.len * self.n_channels;
        if !self.block.contains(&window_idx) {
            self.block = window_idx..self.starts.len().min(window_idx + BLOCK_WINDOWS);
            // One window without an answer must not cost the others theirs.
            self.is_whole = self.ask(self.block.clone()).is_ok();
        }
        let mut at = window_idx - self.block.start;
        if !self.is_whole {
            self.ask(window_idx..window_idx + 1)?;
            at = 0;
        }
        let first = self.starts[window_idx] * self.n_channels;
        let marks = self.observed.map(|marks| &marks[first..first + cells]);
        let marks = marks.filter(|marks| marks.contains(&false));
        Ok((&self.errors[at * cells..(at + 1) * cells], marks))
    }

    fn ask(&mut self, block: std::ops::Range<usize>) -> Result<(), ModelError> {
        let starts = &self.starts[block];
        self.errors.resize(starts.len() * self.len * self.n_channels, 0.0);
        let windows = Windows::new(self.values, self.observed, self.n_channels, self.len, starts);
        self.model.errors(windows, self.errors)?;
        if self.errors.iter().all(|error| error.is_finite()) {
            return Ok(());
        }
        Err(ModelError::NotFinite { window_idx: 0 })
    }
}

impl Session {
    /// From a window's errors to a verdict; `None`: the window is not full yet.
    fn answer(
        &mut self,
        sample: Sample<'_>,
        starts_segment: bool,
        errors: Option<Answer<'_>>,
        row: &mut [f64],
        parts: &mut [f64],
    ) -> Result<Option<Verdict>, PushError> {
        if starts_segment {
            self.smoother.restart();
            self.ended = self.tracker.restart();
        }
        let is_full = errors.is_some();
        let score = match errors {
            Some(Ok((errors, marks))) => self.score(errors, marks, row, parts),
            Some(Err(error)) => {
                self.smoother.push(None);
                return Err(error.into());
            }
            None => None,
        };
        let change = self
            .tracker
            .push(sample.time, score.unwrap_or(f64::NAN), &self.shares);
        let ended = self.ended.take();
        if !is_full && ended.is_none() && change == EventChange::Quiet {
            return Ok(None);
        }
        let top = score.and_then(|_| top_share(&self.shares));
        Ok(Some(Verdict {
            time: sample.time,
            score,
            top,
            change,
            ended,
        }))
    }

    /// The score of a window with these errors; its shares go to `self.shares`.
    fn score(
        &mut self,
        errors: &[f64],
        marks: Option<&[bool]>,
        row: &mut [f64],
        parts: &mut [f64],
    ) -> Option<f64> {
        let calibrated = &self.detector.parts().causal;
        let calibration = &calibrated.calibration;
        let is_scored = window_errors(errors, marks, &calibration.weights, row);
        if is_scored {
            calibration.contributions(row, parts);
        }
        let smoothed = self.smoother.push(is_scored.then_some(parts))?;
        Some(finish_row(smoothed, calibrated.threshold, &mut self.shares))
    }

    fn check(&self, sample: Sample<'_>) -> Result<(), PushError> {
        let time = sample.time;
        if sample.values.len() != self.channels.len() {
            return Err(PushError::Shape {
                n_values: sample.values.len(),
                n_channels: self.channels.len(),
            });
        }
        match self.state.last_time() {
            Some(last) if time == last => return Err(PushError::Duplicate { time }),
            Some(last) if time < last => return Err(PushError::Late { time, last }),
            _ => {}
        }
        if let Some(idx) = sample.values.iter().position(|value| value.is_infinite()) {
            let channel = self.channels[idx].name().to_owned();
            return Err(PushError::Infinite { channel, time });
        }
        Ok(())
    }
}
