//! What a reading noticed and did not refuse.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::{Timestamp, humane};
use bellwether_core::transform::Align;

/// Something in the data that its user should know of. Prints as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Rows at an instant that an earlier row of the series has already: the first row of an instant is its sample.
    RepeatedTimes {
        /// Rows that are not samples.
        n_rows: usize,
        /// Time of the first such row, as written.
        first: String,
    },
    /// Rows that came before a row of a later time were put behind it.
    Sorted {
        /// Rows that came too late.
        n_rows: usize,
        /// Time of the first of them.
        first: Timestamp,
    },
    /// Samples of times that have not come yet.
    Future {
        /// How many.
        n_samples: usize,
        /// Time of the last.
        last: Timestamp,
    },
    /// The spacing of samples varies.
    Jitter {
        /// Median absolute deviation of the spacings, as a share of the cadence.
        jitter: f64,
        /// Median spacing.
        cadence: Duration,
    },
    /// Spacings longer than one and a half cadences.
    Gaps {
        /// How many.
        n_gaps: usize,
        /// The longest spacing.
        longest: Duration,
        /// Time of the sample before the longest.
        since: Timestamp,
        /// Median spacing.
        cadence: Duration,
    },
    /// Samples without a value of a channel.
    MissingCells {
        /// The channel.
        channel: String,
        /// Samples without it.
        n_cells: usize,
        /// All samples.
        n_samples: usize,
    },
    /// Samples were brought to a grid.
    Aligned {
        /// Which.
        align: Align,
        /// Samples that there were.
        n_before: usize,
        /// Samples there are.
        n_samples: usize,
    },
    /// Samples with a value of a channel that nobody measured.
    FilledCells {
        /// The channel.
        channel: String,
        /// Samples with such a value.
        n_cells: usize,
        /// All samples.
        n_samples: usize,
    },
    /// A column that is neither time, label nor channel was left out.
    ColumnLeftOut {
        /// Its name, or its position where it has none.
        column: String,
        /// Why.
        reason: &'static str,
    },
    /// A file of the folder was not read.
    FileLeftOut {
        /// The file.
        file: PathBuf,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepeatedTimes { n_rows, first } => {
                let rows = if *n_rows == 1 {
                    "row repeats"
                } else {
                    "rows repeat"
                };
                write!(
                    f,
                    "{n_rows} {rows} the time of an earlier row (first: {first}); the first row of a time counts"
                )
            }
            Self::Sorted { n_rows, first } => {
                let rows = if *n_rows == 1 { "row was" } else { "rows were" };
                write!(
                    f,
                    "{n_rows} {rows} out of order and put in place (first: {first})"
                )
            }
            Self::Future { n_samples, last } => {
                let samples = if *n_samples == 1 {
                    "sample lies"
                } else {
                    "samples lie"
                };
                write!(
                    f,
                    "{n_samples} {samples} in the future, up to {last}: the clock that wrote them, or its time zone, is wrong"
                )
            }
            Self::Jitter { jitter, cadence } => {
                write!(
                    f,
                    "spacing varies by {:.0} % around {}",
                    jitter * 100.0,
                    humane(*cadence)
                )
            }
            Self::Gaps {
                n_gaps,
                longest,
                since,
                cadence,
            } => {
                let gaps = if *n_gaps == 1 { "gap" } else { "gaps" };
                write!(
                    f,
                    "{n_gaps} {gaps} in samples every {}, the longest {} after {since}",
                    humane(*cadence),
                    humane(*longest)
                )
            }
            Self::MissingCells {
                channel,
                n_cells,
                n_samples,
            } => {
                write!(
                    f,
                    "channel {channel:?} is missing in {n_cells} of {n_samples} samples"
                )
            }
            Self::Aligned {
                align,
                n_before,
                n_samples,
            } => write!(f, "{n_before} samples make {n_samples} {align}"),
            Self::FilledCells {
                channel,
                n_cells,
                n_samples,
            } => write!(
                f,
                "channel {channel:?} is filled in {n_cells} of {n_samples} samples: these values count as missing"
            ),
            Self::ColumnLeftOut { column, reason } => write!(f, "column {column:?} is left out: {reason}"),
            Self::FileLeftOut { file } => {
                write!(f, "{} is left out: its format is not read", file.display())
            }
        }
    }
}
