//! What a live system judged, kept for years: Parquet files, bucketed by device and sorted by device and time.
//!
//! Judged samples are first in the database, a block per commit. [`roll`] moves old blocks into files under
//! `FOLDER/MODEL/VERSION/bucket=NN/FIRST-LAST.parquet`: all samples of a device are in files of one of 16 buckets, so
//! that readers work on buckets side by side. A file is part of the history once the database lists it, in the same
//! transaction that drops its blocks: a crash at any step loses nothing and doubles nothing.
//!
//! Columns are `timestamp` (nanoseconds, UTC), `device`, one per channel, `score`, `event`, `top_channel` and
//! `top_share`; see [`column_name`] for channels of such a name. [`read`] gives the samples of one device back, out
//! of files and blocks alike; [`visit`] shows them one by one to who cannot keep them all.
//!
//! A folder belongs to one database and one tenant.

mod file;
mod layout;
mod read;
mod roll;
#[cfg(test)]
mod tests;
mod visit;

use std::path::PathBuf;

use crate::database::DatabaseError;
use crate::disk::DiskError;

pub use layout::column_name;
pub use read::{Row, read};
pub use roll::{RollSpec, Rolled, roll};
pub use visit::{first_time, last_row, visit};

/// The history cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The database fails.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk says no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Another process is rolling.
    #[error("another process is writing files of the history in {}; let it end", folder.display())]
    Busy {
        /// The folder of the history.
        folder: PathBuf,
    },
    /// A model version whose name cannot be part of a path.
    #[error("the model version {model:?} cannot have files: its name is not of the form NAME@VERSION")]
    ModelName {
        /// Its name.
        model: String,
    },
    /// A listed file is not as we wrote it.
    #[error("cannot read {} of the history: {problem}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The work on files was broken off.
    #[error("the work on files of the history was broken off")]
    BrokenOff,
}

impl HistoryError {
    /// Whether the same can succeed later without anybody changing the program, its configuration or the data.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(error) => error.is_passing(),
            Self::Disk(_) | Self::Busy { .. } | Self::BrokenOff => true,
            Self::ModelName { .. } | Self::Damaged { .. } => false,
        }
    }
}

/// Runs work on files beside the tasks that must not wait for a disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, HistoryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            // A bug there is a bug here.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(HistoryError::BrokenOff),
        },
    }
}
