//! Work that would hold up tasks, on threads that may wait and compute.

use tokio::task::JoinError;
use tracing::Span;

/// Does `work` on a thread beside the tasks. What it logs stands under the request that it is done for.
///
/// # Errors
/// Where it panics, or the process ends.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await
}
