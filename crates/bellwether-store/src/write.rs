//! Answers on disk: files that are complete or not there, and tables in three formats.

mod atomic;
mod parquet;
mod table;

use std::io;
use std::path::PathBuf;

pub use atomic::AtomicFile;
pub use table::{Cell, Column, ColumnKind, TableFormat, TableWriter, push_real};

/// A table cannot be written. What broke is its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The name does not say which format is wanted.
    #[error("{}: the ending does not say the format; .csv, .jsonl or .parquet is wanted", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The output behind a table fails.
    #[error("the table cannot be written")]
    Table(#[source] io::Error),
}
