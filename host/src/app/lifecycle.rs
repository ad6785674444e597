//! Stopping, in two steps.
//!
//! The order to stop is soft: no new connections and no new calls, event streams end, running calls
//! may finish. After the grace, or at a second order, it is hard: running calls are ended, and still
//! leave their rows. Then the logs are written out and the database closed, in bounded time: what a database
//! that takes no write does not take by then is lost, and said to be.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tokens and trackers of one running host.
#[derive(Clone, Default)]
pub struct Lifecycle {
    /// No new work.
    pub stopping: CancellationToken,
    /// No running work.
    pub ending: CancellationToken,
    /// Running calls.
    pub calls: TaskTracker,
    /// Everything else that runs in the background and heeds `stopping`.
    pub tasks: TaskTracker,
    /// The listeners; they end when their connections have.
    pub servers: TaskTracker,
}

impl Lifecycle {
    /// Waits for running calls, at most for `grace`, then ends them.
    pub async fn drain(&self, grace: Duration) {
        self.stopping.cancel();
        self.calls.close();
        if tokio::time::timeout(grace, self.calls.wait()).await.is_err() {
            tracing::warn!(calls = self.calls.len(), "the grace is over; ending running calls");
        }
        self.ending.cancel();
    }

    /// Waits until calls that were ended have left their rows, and everything in the background has ended.
    pub async fn settle(&self) {
        self.calls.wait().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Listens to SIGTERM, SIGINT and SIGHUP from now on, so that they no longer end the process by
/// themselves; completes at the first.
///
/// # Errors
/// When a signal cannot be listened to.
pub fn order_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
