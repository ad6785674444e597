//! Work that goes on whatever becomes of who waits for it: a legacy client that goes away has not cancelled, and a
//! cancelled call is still written down.
//!
//! It is done in the task of its connection, because most calls end before a task of their own had begun, and in
//! one of its own as soon as nobody waits there. A panic of it ends it, and nothing else.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::telemetry;

/// Work that was begun, and what comes of it.
pub struct Begun<T: Send + 'static = ()> {
    /// None: it has ended, or goes on by itself.
    work: Option<BoxFuture<'static, T>>,
    tracker: TaskTracker,
    /// The process waits for it, in whichever task.
    _counted: TaskTrackerToken,
}

impl<T: Send + 'static> Begun<T> {
    /// Begins nothing yet. Who waits for the tracker waits for this too.
    pub fn of(work: impl Future<Output = T> + Send + 'static, tracker: TaskTracker) -> Self {
        Self { work: Some(work.boxed()), _counted: tracker.token(), tracker }
    }

    /// Does the work for as long as this is waited for. None: it panicked, or is not here any more.
    pub async fn answer(&mut self) -> Option<T> {
        let work = self.work.as_mut()?;
        // The panic hook has logged it.
        let answer = AssertUnwindSafe(work).catch_unwind().await.ok();
        self.work = None;
        answer
    }

    /// The same, for those who do not want to know what came of it.
    pub async fn ended(&mut self) {
        self.answer().await;
    }

    /// Has it go on by itself, for the request that it was begun for.
    pub fn go_on(&mut self) {
        // Without a runtime there is nothing left to go on for.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let work = telemetry::carried(AssertUnwindSafe(work).catch_unwind().map(drop));
            self.tracker.spawn_on(work, &runtime);
        }
    }
}

impl<T: Send + 'static> Drop for Begun<T> {
    fn drop(&mut self) {
        self.go_on();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task;

    use super::*;

    #[tokio::test]
    async fn work_is_done_where_it_is_waited_for() {
        let mut begun = Begun::of(async { task::try_id() }, TaskTracker::new());
        assert_eq!(begun.answer().await, Some(task::try_id()));
        assert_eq!(begun.answer().await, None, "it has ended");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_goes_on_and_the_process_waits_for_it() {
        let tracker = TaskTracker::new();
        let (go, going) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let work = async {
            let _ = going.await;
            let _ = tell.send(());
        };
        let mut begun = Begun::of(work, tracker.clone());
        assert_eq!(begun.ended().now_or_never(), None, "it has not ended");
        tracker.close();
        assert_eq!(tracker.wait().now_or_never(), None, "it is waited for while it is inside another task");
        drop(begun);
        assert_eq!(tracker.wait().now_or_never(), None, "and in its own");
        go.send(()).expect("it listens");
        tracker.wait().await;
        assert_eq!(told.await, Ok(()));
    }

    #[tokio::test]
    async fn work_that_panics_has_ended_and_harms_nobody() {
        let mut begun = Begun::of(async { panic!("on purpose") }, TaskTracker::new());
        assert_eq!(begun.answer().await, None::<()>);
    }

    #[test]
    fn work_is_dropped_where_nothing_can_run() {
        drop(Begun::of(async {}, TaskTracker::new()));
    }
}
