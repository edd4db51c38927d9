//! Why the live system cannot go on.

use bellwether_store::database::DatabaseError;
use bellwether_store::write::WriteError;

/// Why the live system cannot go on, or has to try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The database did not do what was asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A journal block cannot be read.
    #[error("commit {seq} of the journal: {problem}")]
    Journal {
        /// The commit.
        seq: i64,
        /// What is wrong.
        problem: String,
    },
    /// The state of a device cannot be used.
    #[error("device {device:?}: {problem}")]
    State {
        /// The device.
        device: String,
        /// What is wrong.
        problem: String,
    },
    /// Threads cannot be had.
    #[error("no threads to judge with")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Judged samples cannot be put out.
    #[error(transparent)]
    Output(WriteError),
}

impl LiveError {
    /// Whether nobody reads our stdout any more: then all is said.
    pub fn is_unread(&self) -> bool {
        matches!(
            self,
            Self::Output(WriteError::Table(error)) if error.kind() == std::io::ErrorKind::BrokenPipe
        )
    }

    /// Whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_passing())
    }
}
