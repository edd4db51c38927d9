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
mod tests {
    use super::*;
    use crate::frame::Channel;
    use proptest::prelude::*;

    const NAN: f64 = f64::NAN;

    fn frame(names: &[&str], secs: &[i64], values: &[f64]) -> Frame {
        let channels: Vec<Channel> = names.iter().map(|&name| Channel::new(name)).collect();
        let time = secs.iter().map(|&s| Timestamp::from_secs(s)).collect();
        Frame::new(channels, time, values.to_vec()).unwrap()
    }

    fn align(fill: Fill, join: Join, max_fill: u64) -> Align {
        Align {
            fill,
            join,
            max_fill: Duration::from_secs(max_fill),
            ..Align::every(Duration::from_secs(10))
        }
    }

    /// Samples as `secs: values`, a filled value with a star.
    fn shown(aligned: &Aligned) -> String {
        let frame = &aligned.frame;
        let rows = (0..frame.n_samples()).map(|row| {
            let sample = frame.sample(row);
            let cells = sample.values.iter().enumerate().map(|(idx, value)| {
                let star = if frame.is_filled(row, idx) { "*" } else { "" };
                if value.is_nan() {
                    "-".to_owned()
                } else {
                    format!("{value}{star}")
                }
            });
            let secs = sample.time.as_nanos() / 1_000_000_000;
            format!("{secs}: {}", cells.collect::<Vec<_>>().join(" "))
        });
        rows.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_way_of_filling_by_hand() {
        // Channel a every 4 s or so, b rarely.
        let data = frame(
            &["a", "b"],
            &[0, 4, 8, 12, 30, 41],
            &[1.0, 5.0, 2.0, NAN, 3.0, 7.0, 4.0, NAN, 8.0, 9.0, 6.0, NAN],
        );
        let check = |fill, join, max_fill, expect: &str| {
            let aligned = align(fill, join, max_fill).apply(&data).unwrap();
            assert_eq!(shown(&aligned), expect, "{fill:?} {join:?}");
        };
        use Fill::{Last, Linear, Mean, Previous};
        check(
            Last,
            Join::Outer,
            10,
            "0: 1 5, 10: 3 7, 20: 4 -, 30: 8 9, 50: 6 -",
        );
        check(Last, Join::Inner, 10, "0: 1 5, 10: 3 7, 30: 8 9");
        check(
            Mean,
            Join::Outer,
            10,
            "0: 1 5, 10: 2.5 7, 20: 4 -, 30: 8 9, 50: 6 -",
        );
        check(Fill::None, Join::Outer, 10, "0: 1 5, 30: 8 9");
        check(
            Previous,
            Join::Outer,
            12,
            "0: 1 5, 10: 3 7, 20: 4 7*, 30: 8 9, 40: 8* 9*, 50: 6 -",
        );
        // 3 at 8 s and 4 at 12 s make 3.5 at 10 s; 4 and 8 at 30 s lie 18 s apart.
        check(Linear, Join::Outer, 10, "0: 1 5, 10: 3.5 -, 30: 8 9");
        check(
            Linear,
            Join::Outer,
            20,
            "0: 1 5, 10: 3.5 -, 20: 5.777777777777778 -, 30: 8 9, 40: 6.181818181818182* -",
        );
        let aligned = align(Previous, Join::Outer, 12).apply(&data).unwrap();
        assert_eq!(aligned.n_filled, [1, 2]);
        assert_eq!(aligned.sample_of, [0, 1, 1, 2, 3, 5]);
    }

    #[test]
    fn events_long_ago_are_passed_over_at_once() {
        let data = frame(&["a"], &[0, 1_000_000_000], &[1.0, 2.0]);
        let aligned = align(Fill::Previous, Join::Outer, 30).apply(&data).unwrap();
        assert_eq!(shown(&aligned), "0: 1, 10: 1*, 20: 1*, 30: 1*, 1000000000: 2");
        // Data that begin beside the grid.
        let data = frame(&["a"], &[-3, 5], &[1.0, 2.0]);
        assert_eq!(
            shown(&align(Fill::Last, Join::Outer, 0).apply(&data).unwrap()),
            "0: 1, 10: 2"
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let data = frame(&["a", "b"], &[0, 1], &[1.0, NAN, NAN, 2.0]);
        let refused = |align: Align| align.apply(&data).unwrap_err();
        assert_eq!(refused(Align::every(Duration::ZERO)), AlignError::Cadence);
        assert_eq!(refused(align(Fill::None, Join::Inner, 0)), AlignError::Empty);
        let names: Vec<Result<Fill, _>> = Fill::ALL.iter().map(|fill| fill.name().parse()).collect();
        assert_eq!(names, Fill::ALL.map(Ok));
        let error = "cubic".parse::<Fill>().unwrap_err().to_string();
        assert_eq!(error, "\"cubic\": wanted previous, linear, mean, last or none");
        assert_eq!("inner".parse(), Ok(Join::Inner));
    }

    fn any_align() -> impl Strategy<Value = Align> {
        let fill = prop::sample::select(Fill::ALL.to_vec());
        let join = prop::sample::select(Join::ALL.to_vec());
        (fill, join, 0_u64..60).prop_map(|(fill, join, max_fill)| align(fill, join, max_fill))
    }

    proptest! {
        #[test]
        fn to_align_what_is_aligned_changes_nothing(
            align in any_align(),
            steps in prop::collection::vec(1_i64..40, 1..60),
            missing in prop::collection::vec(any::<bool>(), 120),
        ) {
            let secs: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let values: Vec<f64> = (0..2 * secs.len())
                .map(|cell| if missing[cell] { NAN } else { (cell as f64 * 0.7).sin() })
                .collect();
            let data = frame(&["a", "b"], &secs, &values);
            let Ok(once) = align.apply(&data) else { return Ok(()) };
            let again = align.apply(&once.frame).unwrap();
            prop_assert_eq!(shown(&again), shown(&once));
            // No value is invented out of nothing: marked or measured within its step.
            for row in 0..once.frame.n_samples() {
                let end = once.frame.time()[row];
                for idx in 0..2 {
                    let is_there = !once.frame.sample(row).values[idx].is_nan();
                    let is_measured = (0..data.n_samples()).any(|of| {
                        let at = data.time()[of];
                        at <= end && end.since(at) < Duration::from_secs(10) && !data.sample(of).values[idx].is_nan()
                    });
                    if is_there && !once.frame.is_filled(row, idx) {
                        prop_assert!(is_measured, "row {} channel {}", row, idx);
                    }
                }
            }
        }

        #[test]
        fn what_looks_back_alone_does_not_depend_on_what_follows(
            steps in prop::collection::vec(1_i64..40, 4..40), cut in 2_usize..30,
        ) {
            let secs: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let values: Vec<f64> = (0..secs.len()).map(|row| row as f64).collect();
            let data = frame(&["a"], &secs, &values);
            let cut = cut.min(secs.len() - 1);
            for fill in [Fill::Previous, Fill::Last, Fill::Mean, Fill::None] {
                let align = align(fill, Join::Outer, 30);
                let Ok(part) = align.apply(&data.slice(0..cut).unwrap()) else { continue };
                let Ok(whole) = align.apply(&data) else { continue };
                // Steps that are over when the next row comes.
                let over = data.time()[cut];
                let until = |aligned: &Aligned| {
                    let n = aligned.frame.time().partition_point(|at| *at < over);
                    (0..n).map(|row| aligned.frame.sample(row).values[0].to_bits()).collect::<Vec<_>>()
                };
                let (part, whole) = (until(&part), until(&whole));
                prop_assert_eq!(&part[..], &whole[..part.len()], "{:?}", fill);
            }
        }
    }
}
