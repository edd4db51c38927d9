//! Answers on disk: files that are complete or not there, and tables in the formats that are read.

mod arrow;
mod atomic;
mod line_protocol;
mod packed;
mod parquet;
mod real;
mod table;
mod verdicts;

use std::io;
use std::path::PathBuf;

pub use atomic::AtomicFile;
pub use packed::{Packed, Packing};
pub use real::push_real;
pub use table::{Cell, Column, ColumnKind, TableFormat, TableWriter, packed_format};
pub use verdicts::{AppendedFile, VerdictColumns, VerdictRow, VerdictWriter};

use crate::disk::{DiskError, hint};

/// A table cannot be written. What broke is its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The name does not say which format is wanted.
    #[error("{}: the ending does not say the format; .csv, .tsv, .jsonl, .parquet, .arrow or .lp is wanted", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Rows cannot be added to a file of that format.
    #[error("{}: rows cannot be added to a file of this format; choose .csv or .jsonl", path.display())]
    NotAppendable {
        /// The file.
        path: PathBuf,
    },
    /// Rows are not added to what is no table of them.
    #[error("{}: the file holds something else than verdicts; move it away, or name another", path.display())]
    NotVerdicts {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be opened or made.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The output behind a table fails.
    #[error("the table cannot be written{}", hint(.0))]
    Table(#[source] io::Error),
}
