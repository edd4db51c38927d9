//! What a reading noticed and did not refuse.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bellwether_core::time::humane;

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
                cadence,
            } => {
                let gaps = if *n_gaps == 1 { "gap" } else { "gaps" };
                write!(
                    f,
                    "{n_gaps} {gaps} in samples every {}, the longest {}",
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
            Self::ColumnLeftOut { column, reason } => write!(f, "column {column:?} is left out: {reason}"),
            Self::FileLeftOut { file } => {
                write!(f, "{} is left out: its format is not read", file.display())
            }
        }
    }
}
