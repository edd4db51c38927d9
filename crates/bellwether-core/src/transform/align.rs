//! Channels of different cadence, and events at any time, brought to one grid of instants.
//!
//! Grid instants are the multiples of the cadence since 1970, so that the grid is the same wherever data begin, and what
//! lies on it already stays as it is. A sample belongs to the step that ends with its grid instant: after the instant
//! before it, up to and with its own.
//!
//! What is put in where nothing was measured within the step is *filled*: it is marked, counts as missing for models,
//! and is counted.

mod step;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::frame::Frame;
use crate::time::Timestamp;

pub use step::{Aligner, AlignerMemory, ColumnMemory, GridRow, Point};

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
        let n_channels = frame.n_channels();
        let mut grid = Aligner::new(self, n_channels)?;
        let (mut time, mut values, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        let mut n_filled = vec![0; n_channels];
        let mut take = |row: GridRow<'_>| {
            if time.len() < SAMPLES_MAX {
                values.extend_from_slice(row.values);
                filled.extend_from_slice(row.filled);
                for (n_filled, is_filled) in n_filled.iter_mut().zip(row.filled) {
                    *n_filled += usize::from(*is_filled);
                }
            }
            time.push(row.time);
            time.len() <= SAMPLES_MAX
        };
        let mut is_going_on = true;
        for (row_idx, &at) in frame.time().iter().enumerate() {
            let marks = row_idx * n_channels..(row_idx + 1) * n_channels;
            let marks = frame.filled().get(marks).unwrap_or_default();
            is_going_on = grid.push(at, frame.sample(row_idx).values, marks, &mut take);
            if !is_going_on {
                break;
            }
        }
        if !(is_going_on && grid.finish(&mut take)) {
            return Err(AlignError::TooFine {
                samples_max: SAMPLES_MAX,
            });
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

#[cfg(test)]
mod tests;
