//! Channels of different cadence, and events at any time, brought to one grid of instants.
//!
//! Grid instants are the multiples of the cadence since 1970, so that the grid is the same wherever data begin, and what
//! lies on it already stays as it is. A sample belongs to the step that ends with its grid instant: after the instant
//! before it, up to and with its own.
//!
//! What is put in where nothing was measured within the step is *filled*: it is marked, counts as missing for models,
//! and is counted.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::frame::Frame;
use crate::time::Timestamp;

/// Grid samples of one frame at most: a grid may be much finer than the data.
const SAMPLES_MAX: usize = 50_000_000;

/// What a channel is at a grid instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// The value that stood last, of this step or an earlier one.
    #[default]
    Previous,
    /// On the straight line between the values before and after the instant. It looks ahead.
    Linear,
    /// The mean of the values within the step; none where there is none.
    Mean,
    /// The last of the values within the step; none where there is none.
    Last,
    /// What was measured at the instant itself, and nothing else.
    None,
}

impl Fill {
    const ALL: [Self; 5] = [Self::Previous, Self::Linear, Self::Mean, Self::Last, Self::None];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Linear => "linear",
            Self::Mean => "mean",
            Self::Last => "last",
            Self::None => "none",
        }
    }
}

/// Which grid instants are samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// Those at which every channel has a value.
    Inner,
    /// Those at which any channel has one.
    #[default]
    Outer,
}

impl Join {
    const ALL: [Self; 2] = [Self::Inner, Self::Outer];

    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Outer => "outer",
        }
    }
}

/// A name is none of those there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: wanted {wanted}")]
pub struct AlignNameError {
    found: String,
    wanted: &'static str,
}

impl FromStr for Fill {
    type Err = AlignNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|fill| fill.name() == text);
        found.ok_or_else(|| AlignNameError {
            found: text.to_owned(),
            wanted: "previous, linear, mean, last or none",
        })
    }
}

impl FromStr for Join {
    type Err = AlignNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|join| join.name() == text);
        found.ok_or_else(|| AlignNameError {
            found: text.to_owned(),
            wanted: "inner or outer",
        })
    }
}

/// How samples are brought to a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Align {
    /// Spacing of the grid, above zero.
    pub cadence: Duration,
    /// What a channel is at a grid instant.
    pub fill: Fill,
    /// How far what is filled may lie from what was measured: for [`Fill::Previous`] from the end of its step, for
    /// [`Fill::Linear`] the spacing of the two values.
    pub max_fill: Duration,
    /// Which grid instants are samples.
    pub join: Join,
}

/// Steps that a value may be filled over where nobody says how many.
pub const MAX_FILL_STEPS: u32 = 10;

impl Align {
    /// As where nobody says more than the cadence.
    pub fn every(cadence: Duration) -> Self {
        Self {
            cadence,
            fill: Fill::default(),
            max_fill: cadence.saturating_mul(MAX_FILL_STEPS),
            join: Join::default(),
        }
    }

    /// Brings the samples of a frame to the grid.
    ///
    /// # Errors
    /// [`AlignError`] where the cadence is no spacing, or the grid would be too fine for the data.
    pub fn apply(&self, frame: &Frame) -> Result<Aligned, AlignError> {
        let cadence = i64::try_from(self.cadence.as_nanos())
            .ok()
            .filter(|nanos| *nanos > 0);
        let cadence = cadence.ok_or(AlignError::Cadence)?;
        let grid = Grid { cadence };
        let n_channels = frame.n_channels();
        let columns: Vec<Column> = (0..n_channels).map(|idx| Column::of(frame, idx)).collect();
        let mut at = vec![0; n_channels];
        let (mut time, mut values, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        let mut n_filled = vec![0; n_channels];
        let mut row = vec![Cell::default(); n_channels];
        let mut instants = Instants::new(self, grid, frame);
        while let Some(instant) = instants.next() {
            for ((cell, column), at) in row.iter_mut().zip(&columns).zip(&mut at) {
                *cell = column.cell(self, grid, instant, at);
            }
            let is_there = |cell: &Cell| !cell.value.is_nan();
            let is_sample = match self.join {
                Join::Inner => row.iter().all(is_there),
                Join::Outer => row.iter().any(is_there),
            };
            if !is_sample {
                continue;
            }
            if time.len() >= SAMPLES_MAX {
                return Err(AlignError::TooFine {
                    samples_max: SAMPLES_MAX,
                });
            }
            time.push(Timestamp::from_nanos(instant));
            for (idx, cell) in row.iter().enumerate() {
                values.push(cell.value);
                filled.push(cell.is_filled);
                n_filled[idx] += usize::from(cell.is_filled);
            }
        }
        if time.is_empty() {
            return Err(AlignError::Empty);
        }
        let sample_of = frame.time().iter().map(|at| {
            let instant = Timestamp::from_nanos(grid.step_of(at.as_nanos()));
            // Where the step of a row is no sample: the next one, or else the last.
            time.partition_point(|of| *of < instant).min(time.len() - 1)
        });
        let sample_of = sample_of.collect();
        let aligned =
            Frame::new(frame.schema().channels().to_vec(), time, values).map_err(|_| AlignError::Empty)?;
        Ok(Aligned {
            frame: aligned.with_filled(filled),
            sample_of,
            n_filled,
        })
    }
}

/// For people: `every 1 min, previous for at most 10 min, outer`.
impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::time::humane;
        write!(f, "every {}, {}", humane(self.cadence), self.fill.name())?;
        if matches!(self.fill, Fill::Previous | Fill::Linear) {
            write!(f, " for at most {}", humane(self.max_fill))?;
        }
        write!(f, ", {}", self.join.name())
    }
}

/// A frame on a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// The samples at grid instants; what was filled is marked.
    pub frame: Frame,
    /// For each sample that there was the one it belongs to now: that of its step.
    pub sample_of: Vec<usize>,
    /// Values filled, by channel, `[n_channels]`.
    pub n_filled: Vec<usize>,
}

/// Samples cannot be brought to a grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The cadence is zero or beyond what instants can count.
    #[error("the grid needs a spacing above zero")]
    Cadence,
    /// No grid instant is a sample.
    #[error(
        "no grid instant has the values that are wanted: fill more (--fill, --max-fill), or take the instants at which \
         any channel has a value (--join outer)"
    )]
    Empty,
    /// There would be too many samples.
    #[error("the grid has more than {samples_max} instants over the data: choose a wider spacing")]
    TooFine {
        /// Samples there may be.
        samples_max: usize,
    },
}

#[derive(Debug, Clone, Copy)]
struct Grid {
    cadence: i64,
}

impl Grid {
    /// The grid instant that a step with this instant in it ends with.
    fn step_of(self, nanos: i64) -> i64 {
        let over = nanos.rem_euclid(self.cadence);
        if over == 0 {
            nanos
        } else {
            nanos.saturating_add(self.cadence - over)
        }
    }
}

/// Grid instants at which a channel may have a value, in order: those of rows, and of the steps behind a row that filling
/// may reach. A long gap is passed over at once.
struct Instants<'a> {
    grid: Grid,
    time: &'a [Timestamp],
    /// How far behind a row there may be values.
    reach: i64,
    row: usize,
    next: Option<i64>,
}

impl<'a> Instants<'a> {
    fn new(align: &Align, grid: Grid, frame: &'a Frame) -> Self {
        let reach = match align.fill {
            Fill::Previous | Fill::Linear => i64::try_from(align.max_fill.as_nanos())
                .unwrap_or(i64::MAX)
                .saturating_add(grid.cadence),
            Fill::Mean | Fill::Last | Fill::None => 0,
        };
        Self {
            grid,
            time: frame.time(),
            reach,
            row: 0,
            next: frame.time().first().map(|at| grid.step_of(at.as_nanos())),
        }
    }

    fn next(&mut self) -> Option<i64> {
        let instant = self.next?;
        // The last row at or before the instant, and the step of the first one behind it.
        while self.row < self.time.len() && self.time[self.row].as_nanos() <= instant {
            self.row += 1;
        }
        let following = self.time.get(self.row).map(|at| self.grid.step_of(at.as_nanos()));
        let one_on = instant.saturating_add(self.grid.cadence);
        let last = self.time[self.row.saturating_sub(1)].as_nanos();
        let is_reached = one_on.saturating_sub(last) <= self.reach && one_on > instant;
        self.next = match following {
            Some(following) if is_reached => Some(one_on.min(following)),
            following => following,
        };
        Some(instant)
    }
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    value: f64,
    is_filled: bool,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            value: f64::NAN,
            is_filled: false,
        }
    }
}

/// The values that one channel has.
struct Column {
    time: Vec<i64>,
    values: Vec<f64>,
    /// Those that were filled before count as missing to whoever looks at them, and stay so.
    filled: Vec<bool>,
}

impl Column {
    fn of(frame: &Frame, channel_idx: usize) -> Self {
        let (mut time, mut values, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..frame.n_samples() {
            let sample = frame.sample(row);
            let value = sample.values[channel_idx];
            if !value.is_nan() {
                time.push(sample.time.as_nanos());
                values.push(value);
                filled.push(frame.is_filled(row, channel_idx));
            }
        }
        Self { time, values, filled }
    }

    /// The channel at a grid instant; instants come in order, and `at` goes along with them: the values up to the last.
    fn cell(&self, align: &Align, grid: Grid, instant: i64, at: &mut usize) -> Cell {
        let first = *at;
        while *at < self.time.len() && self.time[*at] <= instant {
            *at += 1;
        }
        let begin = instant.saturating_sub(grid.cadence);
        // Values of steps that were passed over lie before the step.
        let within = first + self.time[first..*at].partition_point(|time| *time <= begin)..*at;
        let is_measured = within.clone().any(|idx| !self.filled[idx]);
        let cell = |value: f64, is_filled: bool| Cell { value, is_filled };
        let max_fill = i64::try_from(align.max_fill.as_nanos()).unwrap_or(i64::MAX);
        let stands = at.checked_sub(1);
        match align.fill {
            Fill::None => match stands {
                Some(idx) if self.time[idx] == instant => cell(self.values[idx], self.filled[idx]),
                _ => Cell::default(),
            },
            Fill::Last | Fill::Mean if within.is_empty() => Cell::default(),
            Fill::Last => cell(self.values[within.end - 1], self.filled[within.end - 1]),
            Fill::Mean => {
                let n = within.len() as f64;
                cell(self.values[within].iter().sum::<f64>() / n, !is_measured)
            }
            Fill::Previous => match stands {
                Some(idx) if !within.is_empty() => cell(self.values[idx], self.filled[idx]),
                // Counted from the end of the step of what was measured: that is where it stands once it is aligned.
                Some(idx) => match (0..=idx).rev().find(|&idx| !self.filled[idx]) {
                    Some(idx) if instant.saturating_sub(grid.step_of(self.time[idx])) <= max_fill => {
                        cell(self.values[idx], true)
                    }
                    _ => Cell::default(),
                },
                None => Cell::default(),
            },
            Fill::Linear => match stands {
                Some(idx) if self.time[idx] == instant => cell(self.values[idx], self.filled[idx]),
                Some(idx) if idx + 1 < self.time.len() => {
                    let (from, to) = (self.time[idx], self.time[idx + 1]);
                    if to.saturating_sub(from) > max_fill {
                        return Cell::default();
                    }
                    let share = (instant - from) as f64 / (to - from) as f64;
                    let value = self.values[idx] * (1.0 - share) + self.values[idx + 1] * share;
                    cell(value, !is_measured)
                }
                _ => Cell::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
