//! Samples of many devices judged together: one call of each model for hundreds of windows.

use std::sync::Arc;

use super::{Judged, PushError, Session, Verdict};
use crate::detect::{
    BLOCK_WINDOWS, Buckets, Joined, Member, Mode, finish_members, finish_row, last_row_errors, top_share,
};
use crate::event::{EventChange, JudgedRow};
use crate::frame::Sample;
use crate::model::{Model, ModelError};
use crate::score::CausalSmoother;
use crate::transform::{Outside, RowStep};
use crate::window::Windows;

/// Samples of one device that wait to be judged, in order.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The device's session.
    pub session: &'a mut Session,
    /// Its next samples.
    pub samples: &'a [Sample<'a>],
    /// Which of their values were filled in on a grid and not measured: they count as missing. Empty: none; else
    /// `[n_samples, n_channels]`.
    pub filled: &'a [bool],
}

/// Memory that a call works in, kept from call to call to spare allocations.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Rows of all turns, `[n_rows, n_channels]`: what each session had, then what came.
    values: Vec<f64>,
    observed: Vec<bool>,
    steps: Vec<Step>,
    /// The rows after those that windows which are due end with.
    ends: Vec<usize>,
    /// For each member.
    asked: Vec<Asked>,
    row: RowScratch,
}

/// What a member is asked, and what its model answers.
#[derive(Debug, Default)]
struct Asked {
    /// Where the windows that are due begin.
    starts: Vec<usize>,
    /// The model's errors for a block of windows, `[n_windows, n_answers, n_channels]`.
    errors: Vec<f64>,
}

/// Memory for one row, `[n_channels]` each.
#[derive(Debug, Default)]
struct RowScratch {
    /// A member's channel errors.
    errors: Vec<f64>,
    /// Its contributions.
    contributions: Vec<f64>,
    /// What all members say, by channel.
    joined: Vec<f64>,
    /// What each member says, and the training ranges, `[n_members + 1]`.
    members: Vec<f64>,
    /// Members that speak for each other.
    buckets: Buckets,
}

/// What the row step made of a sample.
#[derive(Debug)]
enum Step {
    Refused(PushError),
    Outside(Outside),
    Row {
        starts_segment: bool,
        is_due: bool,
        row_idx: usize,
        /// Channels that have stopped there.
        stopped: Vec<usize>,
    },
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
        ends,
        asked,
        row,
    } = scratch;
    let n = detector.pipeline().n_channels();
    let observed = Some(&observed[..]).filter(|marks| marks.contains(&false));
    asked.resize_with(detector.members().len(), Asked::default);
    let members = detector.members().iter().zip(asked);
    let mut blocks: Vec<Blocks<'_>> = members
        .map(|(member, asked)| Blocks::new(member, asked, ends, values, observed, n))
        .collect();
    let lead = detector
        .members()
        .iter()
        .position(|member| std::ptr::eq(member, detector.lead()))
        .unwrap_or(0);
    for cells in [&mut row.errors, &mut row.contributions, &mut row.joined] {
        cells.resize(n, 0.0);
    }
    row.members.resize(detector.members().len() + 1, 0.0);
    row.buckets = Buckets::new(detector.parts().combination, 1, n);
    let mut next_step = steps.drain(..);
    let mut window_idx = 0;
    for (turn_idx, turn) in turns.iter_mut().enumerate() {
        for (sample_idx, sample) in turn.samples.iter().enumerate() {
            let mut window = None;
            let answer = match next_step.next().expect("a step for each sample of each turn") {
                Step::Row {
                    starts_segment,
                    is_due,
                    row_idx,
                    stopped,
                } => {
                    let cells = row_idx * n..(row_idx + 1) * n;
                    let prepared = (&values[cells.clone()], observed.map(|marks| &marks[cells]));
                    let due = is_due.then_some(Due {
                        blocks: &mut blocks,
                        window_idx,
                        stopped,
                    });
                    let answer = turn.session.answer(*sample, starts_segment, prepared, due, row);
                    if is_due {
                        window = Some(blocks[lead].window(window_idx));
                        window_idx += 1;
                    }
                    answer
                }
                Step::Outside(outside) => Ok(Some(turn.session.pass(*sample, outside))),
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
        self.ends.clear();
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
        let n_inputs = session.channels.len();
        for (sample_idx, sample) in turn.samples.iter().enumerate() {
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
            let starts_segment = match step {
                RowStep::Outside(outside) => {
                    // No window holds it, and none reaches across.
                    self.values.truncate(at);
                    self.observed.truncate(at);
                    segment_start = at / n;
                    self.steps.push(Step::Outside(outside));
                    continue;
                }
                RowStep::Inside { starts_segment, .. } => starts_segment,
            };
            if !turn.filled.is_empty() {
                let filled = &turn.filled[sample_idx * n_inputs..(sample_idx + 1) * n_inputs];
                let marks = &mut self.observed[at..];
                session.state.forget_filled(pipeline, filled, marks);
            }
            if starts_segment {
                segment_start = at / n;
            }
            let n_rows = at / n + 1 - segment_start;
            let is_due = n_rows >= len;
            if is_due {
                self.ends.push(at / n + 1);
            }
            self.steps.push(Step::Row {
                starts_segment,
                is_due,
                row_idx: at / n,
                stopped: session.state.stopped(pipeline).collect(),
            });
        }
        let n_rows = self.values.len() / n;
        let kept = segment_start.max(n_rows.saturating_sub(len)) * n;
        session
            .recent
            .replace(&self.values[kept..], &self.observed[kept..]);
    }
}

/// The windows that are due, put to the model of a member a block at a time.
struct Blocks<'a> {
    model: &'a dyn Model,
    values: &'a [f64],
    observed: Option<&'a [bool]>,
    starts: &'a [usize],
    len: usize,
    n_channels: usize,
    /// Cells of an answer.
    n_cells: usize,
    errors: &'a mut Vec<f64>,
    /// The windows whose errors are at hand.
    block: std::ops::Range<usize>,
    /// The model has answered the block as a whole; otherwise each window is asked for by itself.
    is_whole: bool,
}

/// The windows that end with a sample, one for each member.
struct Due<'a, 'b> {
    blocks: &'a mut [Blocks<'b>],
    window_idx: usize,
    /// Channels that have stopped at the sample.
    stopped: Vec<usize>,
}

/// A row's scaled values, and which of them were observed; `None`: all.
type PreparedRow<'a> = (&'a [f64], Option<&'a [bool]>);

/// What a model says of a window, `[n_answers, n_channels]`, and which cells of the window were observed (`None`: all).
type Answer<'a> = Result<(&'a [f64], Option<&'a [bool]>), ModelError>;

impl<'a> Blocks<'a> {
    fn new(
        member: &'a Member,
        asked: &'a mut Asked,
        ends: &[usize],
        values: &'a [f64],
        observed: Option<&'a [bool]>,
        n_channels: usize,
    ) -> Self {
        let model = &**member.model();
        let len = model.window().len.get();
        asked.starts.clear();
        asked.starts.extend(ends.iter().map(|end| end - len));
        Self {
            model,
            values,
            observed,
            starts: &asked.starts,
            len,
            n_channels,
            n_cells: model.n_answers() * n_channels,
            errors: &mut asked.errors,
            block: 0..0,
            is_whole: true,
        }
    }

    /// The window by itself.
    fn window(&self, window_idx: usize) -> Windows<'a> {
        let start = &self.starts[window_idx..window_idx + 1];
        Windows::new(self.values, self.observed, self.n_channels, self.len, start)
    }

    /// The model's errors for a window. Windows are asked for in order.
    fn errors(&mut self, window_idx: usize) -> Answer<'_> {
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
        let marks = self
            .observed
            .map(|marks| &marks[first..first + self.len * self.n_channels]);
        let marks = marks.filter(|marks| marks.contains(&false));
        Ok((&self.errors[at * self.n_cells..(at + 1) * self.n_cells], marks))
    }

    fn ask(&mut self, block: std::ops::Range<usize>) -> Result<(), ModelError> {
        let starts = &self.starts[block];
        self.errors.resize(starts.len() * self.n_cells, 0.0);
        let windows = Windows::new(self.values, self.observed, self.n_channels, self.len, starts);
        self.model.errors(windows, self.errors)?;
        if self.errors.iter().all(|error| error.is_finite()) {
            return Ok(());
        }
        Err(ModelError::NotFinite { window_idx: 0 })
    }
}

/// A score, and how far the members agree that the row is not normal.
#[derive(Clone, Copy)]
struct Scored {
    score: f64,
    agreement: f64,
}

impl Session {
    /// A sample that does not count ends what is open.
    fn pass(&mut self, sample: Sample<'_>, outside: Outside) -> Verdict {
        let ended = self.tracker.restart();
        self.level.restart();
        Verdict {
            time: sample.time,
            score: None,
            top: None,
            change: EventChange::Quiet,
            ended: ended.or_else(|| self.ended.take()),
            outside: Some(outside),
        }
    }

    /// From what the models say to a verdict; `None`: the windows are not full yet.
    fn answer(
        &mut self,
        sample: Sample<'_>,
        starts_segment: bool,
        prepared: PreparedRow<'_>,
        due: Option<Due<'_, '_>>,
        row: &mut RowScratch,
    ) -> Result<Option<Verdict>, PushError> {
        if starts_segment {
            self.smoothers.iter_mut().for_each(CausalSmoother::restart);
            self.level.restart();
            self.ended = self.tracker.restart().or_else(|| self.ended.take());
        }
        let is_full = due.is_some();
        let scored = match due {
            Some(due) => self.score(due, prepared, row)?,
            None => {
                self.level.push(f64::NAN);
                None
            }
        };
        let score = scored.map(|scored| scored.score);
        let (values, observed) = prepared;
        let change = self.tracker.push(JudgedRow {
            time: sample.time,
            score: score.unwrap_or(f64::NAN),
            shares: &self.shares,
            members: &self.members,
            agreement: scored.map_or(0.0, |scored| scored.agreement),
            values,
            observed,
        });
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
            outside: None,
        }))
    }

    /// The score of the row that these windows end with; its shares go to `self.shares` and `self.members`.
    fn score(
        &mut self,
        due: Due<'_, '_>,
        prepared: PreparedRow<'_>,
        row: &mut RowScratch,
    ) -> Result<Option<Scored>, ModelError> {
        let Due {
            blocks,
            window_idx,
            stopped,
        } = due;
        let failed = blocks.iter_mut().find_map(|block| block.errors(window_idx).err());
        if let Some(error) = failed {
            for smoother in &mut self.smoothers {
                smoother.push(None);
            }
            self.level.push(f64::NAN);
            return Err(error);
        }
        row.joined.fill(0.0);
        row.members.fill(0.0);
        let mut joined = Joined {
            parts: &mut row.joined,
            members: &mut row.members,
            present: &mut 0.0,
            agreeing: &mut 0.0,
            bucket: row.buckets.of(0),
        };
        let members = self.detector.members().iter().zip(&mut self.smoothers);
        for (member_idx, ((member, smoother), block)) in members.zip(blocks.iter_mut()).enumerate() {
            let calibrated = member.calibrated(Mode::Causal);
            let calibration = &calibrated.calibration;
            let (errors, marks) = block.errors(window_idx)?;
            let answers = member.model().answers();
            let is_scored = last_row_errors(answers, errors, marks, &calibration.weights, &mut row.errors);
            if is_scored {
                calibration.contributions(&row.errors, &mut row.contributions);
            }
            if let Some(smoothed) = smoother.push(is_scored.then_some(&row.contributions)) {
                joined.add(member_idx, member.parts().weight, calibrated, smoothed);
            }
        }
        let Some(agreement) = joined.complete(self.detector.weight()) else {
            self.level.push(f64::NAN);
            return Ok(None);
        };
        let threshold = self.level.threshold();
        let stopped = stopped.iter().copied();
        let plain = self
            .detector
            .add_outside(threshold, prepared, stopped, &mut joined);
        self.level.push(plain);
        finish_members(&row.members, &mut self.members);
        Ok(Some(Scored {
            score: finish_row(&row.joined, threshold, &mut self.shares),
            agreement,
        }))
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
