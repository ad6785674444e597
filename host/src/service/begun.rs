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

/// Work that was begun.
pub struct Begun {
    /// None: it has ended, or goes on by itself.
    work: Option<BoxFuture<'static, ()>>,
    tracker: TaskTracker,
    /// The process waits for it, in whichever task.
    _counted: TaskTrackerToken,
}

impl Begun {
    /// Begins nothing yet. Who waits for the tracker waits for this too.
    pub fn of(work: impl Future<Output = ()> + Send + 'static, tracker: TaskTracker) -> Self {
        // The panic hook has logged it.
        let work = AssertUnwindSafe(work).catch_unwind().map(drop);
        Self { work: Some(work.boxed()), _counted: tracker.token(), tracker }
    }

    /// Does the work for as long as this is waited for.
    pub async fn ended(&mut self) {
        if let Some(work) = &mut self.work {
            work.await;
            self.work = None;
        }
    }

    /// Has it go on by itself.
    pub fn go_on(&mut self) {
        // Without a runtime there is nothing left to go on for.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.tracker.spawn_on(work, &runtime);
        }
    }
}

impl Drop for Begun {
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
        let (tell, told) = oneshot::channel();
        let mut begun = Begun::of(async { tell.send(task::try_id()).expect("it listens") }, TaskTracker::new());
        begun.ended().await;
        assert_eq!(told.await, Ok(task::try_id()));
        begun.ended().await;
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
        begun.ended().await;
    }

    #[test]
    fn work_is_dropped_where_nothing_can_run() {
        drop(Begun::of(async {}, TaskTracker::new()));
    }
}
