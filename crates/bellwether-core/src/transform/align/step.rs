//! The grid row by row: what a batch and a stream have in common.

use std::collections::VecDeque;

use super::{Align, AlignError, Fill, Join};
use crate::time::Timestamp;

/// Brings samples to a grid as they come.
///
/// A grid instant is told once a sample behind it has come, or one that lies on it: nothing before it can come any
/// more. [`Fill::Linear`] waits for the next value of each channel as well, at most as long as a value may be filled.
#[derive(Debug, Clone)]
pub struct Aligner {
    align: Align,
    cadence: i64,
    max_fill: i64,
    /// How far behind a sample there may be values.
    reach: i64,
    /// The instant that the step of the last sample ends with, where more samples of it may come.
    open: Option<i64>,
    /// The last instant whose step is over.
    over: Option<i64>,
    /// Time of the last sample.
    last: Option<i64>,
    /// Instants whose steps are over and that wait for what follows.
    pending: VecDeque<i64>,
    columns: Vec<Column>,
    /// The row being told.
    values: Vec<f64>,
    filled: Vec<bool>,
}

/// A sample on the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridRow<'a> {
    /// The grid instant.
    pub time: Timestamp,
    /// `[n_channels]`, NaN where missing.
    pub values: &'a [f64],
    /// Which of them were filled in and not measured within the step, `[n_channels]`.
    pub filled: &'a [bool],
}

/// What a grid remembers between samples that were measured, so that it can go on where it was.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignerMemory {
    /// The instant that the step of the last sample ends with, where more samples of it may come.
    pub open: Option<Timestamp>,
    /// The last instant whose step is over.
    pub over: Option<Timestamp>,
    /// Time of the last sample.
    pub last: Option<Timestamp>,
    /// Instants whose steps are over and that wait for what follows, in order.
    pub pending: Vec<Timestamp>,
    /// `[n_channels]`.
    pub columns: Vec<ColumnMemory>,
}

/// What a grid remembers of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnMemory {
    /// The step that values were counted in last, by the instant it ends with.
    pub step: Timestamp,
    /// How many they are.
    pub n: u64,
    /// Their sum.
    pub sum: f64,
    /// The last value taken into a step.
    pub last: Option<Point>,
    /// Values behind the instants that wait, in order.
    pub ahead: Vec<Point>,
}

/// A value of a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub time: Timestamp,
    /// The value.
    pub value: f64,
}

/// A value, and whether it was filled in before.
#[derive(Debug, Clone, Copy)]
struct Value {
    time: i64,
    value: f64,
    is_filled: bool,
}

/// What is known of one channel.
#[derive(Debug, Clone, Default)]
struct Column {
    /// The instant that ends the step which these count in.
    step: i64,
    n: u64,
    sum: f64,
    is_measured: bool,
    /// The last value at or before that instant, and the last that was measured.
    last: Option<Value>,
    measured: Option<Value>,
    /// Values behind the instants that wait.
    ahead: VecDeque<Value>,
}

/// What a channel is at an instant.
type Cell = (f64, bool);

const NOTHING: Cell = (f64::NAN, false);

/// Takes grid rows; false: no more are wanted.
type EachRow<'f> = dyn FnMut(GridRow<'_>) -> bool + 'f;

impl Aligner {
    /// A grid without samples.
    ///
    /// # Errors
    /// [`AlignError::Cadence`].
    pub fn new(align: &Align, n_channels: usize) -> Result<Self, AlignError> {
        let cadence = i64::try_from(align.cadence.as_nanos())
            .ok()
            .filter(|nanos| *nanos > 0);
        let cadence = cadence.ok_or(AlignError::Cadence)?;
        let max_fill = i64::try_from(align.max_fill.as_nanos()).unwrap_or(i64::MAX);
        Ok(Self {
            align: *align,
            cadence,
            max_fill,
            reach: match align.fill {
                Fill::Previous | Fill::Linear => max_fill.saturating_add(cadence),
                Fill::Mean | Fill::Last | Fill::None => 0,
            },
            open: None,
            over: None,
            last: None,
            pending: VecDeque::new(),
            columns: vec![Column::default(); n_channels],
            values: vec![f64::NAN; n_channels],
            filled: vec![false; n_channels],
        })
    }

    /// The grid instant that a step with this instant in it ends with.
    pub(super) fn step_of(&self, nanos: i64) -> i64 {
        end_of_step(nanos, self.cadence)
    }

    /// The last instant whose step is over: samples at or before it come too late.
    pub fn over(&self) -> Option<Timestamp> {
        self.over.map(Timestamp::from_nanos)
    }

    /// Whether samples have come that no row has told of yet.
    pub fn is_waiting(&self) -> bool {
        self.open.is_some() || !self.pending.is_empty()
    }

    /// Takes a sample, and gives the rows that it completes to `each`, in order; false where `each` wants no more. A
    /// sample that is not behind the one before, and behind the last step that is over, is passed over.
    ///
    /// # Shapes
    /// `values: [n_channels]`, NaN where missing; `filled: [n_channels]` or empty where all were measured.
    pub fn push(&mut self, time: Timestamp, values: &[f64], filled: &[bool], each: &mut EachRow<'_>) -> bool {
        let time = time.as_nanos();
        if self.last.max(self.over).is_some_and(|before| time <= before) {
            return true;
        }
        let step = self.step_of(time);
        let open = loop {
            let instant = match (self.open.take(), self.over) {
                (Some(open), _) => open,
                (None, Some(over)) => self.next_instant(over, step),
                (None, None) => step,
            };
            if instant >= time {
                break instant;
            }
            self.over = Some(instant);
            self.pending.push_back(instant);
            // Told at once where nothing is waited for, so that long stretches are not kept.
            if !self.tell(false, each) {
                return false;
            }
        };
        let waits = !self.pending.is_empty();
        for (idx, (column, &value)) in self.columns.iter_mut().zip(values).enumerate() {
            if value.is_nan() {
                continue;
            }
            let is_filled = filled.get(idx) == Some(&true);
            let value = Value {
                time,
                value,
                is_filled,
            };
            if waits {
                column.ahead.push_back(value);
            } else {
                column.take(value, open, self.cadence);
            }
        }
        self.last = Some(time);
        if open == time {
            self.over = Some(open);
            self.pending.push_back(open);
        } else {
            self.open = Some(open);
        }
        self.tell(false, each)
    }

    /// No more samples will come: gives the last rows to `each`.
    pub fn finish(&mut self, each: &mut EachRow<'_>) -> bool {
        if let Some(open) = self.open.take() {
            self.over = Some(open);
            self.pending.push_back(open);
        }
        self.tell(true, each)
    }

    /// The first instant behind `over` at which there may be a value, where the next sample is of `step`. A long gap is
    /// passed over at once.
    fn next_instant(&self, over: i64, step: i64) -> i64 {
        let one_on = over.saturating_add(self.cadence);
        let last = self.last.unwrap_or(over);
        if one_on > over && one_on.saturating_sub(last) <= self.reach {
            one_on.min(step)
        } else {
            step
        }
    }

    /// Tells of the instants that wait for nothing any more.
    fn tell(&mut self, is_end: bool, each: &mut EachRow<'_>) -> bool {
        while let Some(&instant) = self.pending.front() {
            for column in &mut self.columns {
                column.advance(instant, self.cadence);
            }
            let now = self.last.unwrap_or(instant);
            let is_known = |column: &Column| column.is_known(instant, now, self.max_fill);
            if !is_end && self.align.fill == Fill::Linear && !self.columns.iter().all(is_known) {
                return true;
            }
            self.pending.pop_front();
            let cells = self.values.iter_mut().zip(&mut self.filled);
            for (column, (value, is_filled)) in self.columns.iter().zip(cells) {
                let cell = column.cell(self.align.fill, instant, self.cadence, self.max_fill);
                (*value, *is_filled) = cell;
            }
            let is_sample = match self.align.join {
                Join::Inner => self.values.iter().all(|value| !value.is_nan()),
                Join::Outer => self.values.iter().any(|value| !value.is_nan()),
            };
            let row = GridRow {
                time: Timestamp::from_nanos(instant),
                values: &self.values,
                filled: &self.filled,
            };
            if is_sample && !each(row) {
                return false;
            }
        }
        // Nothing waits: what has come belongs to the open step.
        if let Some(open) = self.open {
            for column in &mut self.columns {
                column.advance(open, self.cadence);
            }
        }
        true
    }

    /// What is to be kept, of samples that were all measured.
    pub fn memory(&self) -> AlignerMemory {
        let at = Timestamp::from_nanos;
        let point = |value: &Value| Point {
            time: at(value.time),
            value: value.value,
        };
        let column = |column: &Column| ColumnMemory {
            step: at(column.step),
            n: column.n,
            sum: column.sum,
            last: column.last.as_ref().map(point),
            ahead: column.ahead.iter().map(point).collect(),
        };
        AlignerMemory {
            open: self.open.map(at),
            over: self.over.map(at),
            last: self.last.map(at),
            pending: self.pending.iter().copied().map(at).collect(),
            columns: self.columns.iter().map(column).collect(),
        }
    }

    /// A grid as it was; `None` where the memory is not that of such a grid.
    pub fn resume(align: &Align, n_channels: usize, memory: AlignerMemory) -> Option<Self> {
        let fresh = Self::new(align, n_channels).ok()?;
        let is_on_grid = |at: &Timestamp| at.as_nanos().rem_euclid(fresh.cadence) == 0;
        let is_number = |point: &Point| point.value.is_finite();
        let are_numbers = memory
            .columns
            .iter()
            .all(|column| column.sum.is_finite() && column.last.iter().chain(&column.ahead).all(is_number));
        let instants = memory.open.iter().chain(&memory.over).chain(&memory.pending);
        if memory.columns.len() != n_channels || !are_numbers || !instants.clone().all(is_on_grid) {
            return None;
        }
        let value = |point: &Point| Value {
            time: point.time.as_nanos(),
            value: point.value,
            is_filled: false,
        };
        let column = |column: &ColumnMemory| {
            let last = column.last.as_ref().map(value);
            Column {
                step: column.step.as_nanos(),
                n: column.n,
                sum: column.sum,
                is_measured: column.n > 0,
                last,
                measured: last,
                ahead: column.ahead.iter().map(value).collect(),
            }
        };
        Some(Self {
            open: memory.open.map(Timestamp::as_nanos),
            over: memory.over.map(Timestamp::as_nanos),
            last: memory.last.map(Timestamp::as_nanos),
            pending: memory.pending.iter().map(|at| at.as_nanos()).collect(),
            columns: memory.columns.iter().map(column).collect(),
            ..fresh
        })
    }
}

impl Column {
    /// Takes the next value, which is of the step that ends with `step` or of one that was passed over before it.
    fn take(&mut self, value: Value, step: i64, cadence: i64) {
        self.count_in(step);
        if value.time > step.saturating_sub(cadence) {
            // Sums begin with -0, which adds nothing to any number.
            self.sum = if self.n == 0 { -0.0 } else { self.sum } + value.value;
            self.n += 1;
            self.is_measured |= !value.is_filled;
        }
        self.last = Some(value);
        if !value.is_filled {
            self.measured = Some(value);
        }
    }

    /// Values of other steps do not count in this one.
    fn count_in(&mut self, step: i64) {
        if self.step != step {
            (self.step, self.n, self.sum, self.is_measured) = (step, 0, 0.0, false);
        }
    }

    /// Takes the values that came while others waited, up to `step`.
    fn advance(&mut self, step: i64, cadence: i64) {
        self.count_in(step);
        while let Some(value) = self.ahead.front().copied().filter(|value| value.time <= step) {
            self.ahead.pop_front();
            self.take(value, step, cadence);
        }
    }

    /// Whether the value on a straight line is known: nothing lies before it, a value lies on it, the next has come, or
    /// would lie too far off by now.
    fn is_known(&self, instant: i64, now: i64, max_fill: i64) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        last.time == instant || !self.ahead.is_empty() || now.saturating_sub(last.time) >= max_fill
    }

    /// The channel at the instant that its values count for.
    fn cell(&self, fill: Fill, instant: i64, cadence: i64, max_fill: i64) -> Cell {
        let Some(last) = self.last else {
            return NOTHING;
        };
        let is_within = self.n > 0;
        match fill {
            Fill::None if last.time == instant => (last.value, last.is_filled),
            Fill::None => NOTHING,
            Fill::Last | Fill::Mean if !is_within => NOTHING,
            Fill::Last => (last.value, last.is_filled),
            Fill::Mean => (self.sum / self.n as f64, !self.is_measured),
            Fill::Previous if is_within => (last.value, last.is_filled),
            // Counted from the end of the step of what was measured: that is where it stands once it is aligned.
            Fill::Previous => match self.measured {
                Some(value) if instant.saturating_sub(end_of_step(value.time, cadence)) <= max_fill => {
                    (value.value, true)
                }
                _ => NOTHING,
            },
            Fill::Linear if last.time == instant => (last.value, last.is_filled),
            Fill::Linear => match self.ahead.front() {
                Some(next) if next.time.saturating_sub(last.time) <= max_fill => {
                    let share = (instant - last.time) as f64 / (next.time - last.time) as f64;
                    let value = last.value * (1.0 - share) + next.value * share;
                    (value, !self.is_measured)
                }
                _ => NOTHING,
            },
        }
    }
}

fn end_of_step(nanos: i64, cadence: i64) -> i64 {
    let over = nanos.rem_euclid(cadence);
    if over == 0 {
        nanos
    } else {
        nanos.saturating_add(cadence - over)
    }
}
