//! Why the live system cannot go on.

use bellwether_store::database::DatabaseError;

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
    /// Nobody takes the judged samples any more.
    #[error("the output has ended")]
    Output(#[source] std::io::Error),
}

impl LiveError {
    /// Whether trying again can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_passing())
    }
}
