//! Slow work on threads of its own: what takes a processor for long must not hold up those who serve. It has a turn,
//! of which there are so many, and keeps it until it is done, also when nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;

/// Waits for a turn, so long.
///
/// # Errors
/// [`Error::Busy`] with `message` when none comes.
pub(super) async fn turn(
    turns: &Arc<Semaphore>,
    wait: Duration,
    message: &'static str,
) -> Result<OwnedSemaphorePermit, Error> {
    match tokio::time::timeout(wait, Arc::clone(turns).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(busy(wait, message)),
    }
}

/// For whom there was no turn in so long a time.
pub(super) fn busy(wait: Duration, message: &'static str) -> Error {
    Error::Busy { retry_after: wait.max(Duration::from_secs(1)), message: message.to_owned() }
}

/// Does `work` in its turn.
///
/// # Errors
/// When it panics.
pub(super) async fn apart<T: Send + 'static>(
    doing: &'static str,
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| Error::internal(doing, error))
}
