//! The threads on which guests compute: one queue for all of them, first come, first served.
//!
//! A task that yields goes to the end of the queue, so each gets its turn however many compute without end.
//! A task wakes one thread at most. tokio's threads, which serve many small tasks, wake a second one with each
//! that they find, in case there are more; a call of a guest is one task, and to wake a thread for nothing costs
//! a third of what a short guest computes. Timers and files are tokio's.
//!
//! Nothing here is cut short: a thread that computes gives its guest back when that yields, and only then is
//! a task that was stopped dropped.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Handle, Runtime};

/// How much these threads step back behind the others (`nice(2)`, per thread on Linux).
const NICE: i32 = 5;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The threads, as long as this lives; ended without waiting, because it may be dropped from async code.
pub(super) struct Threads {
    pool: Arc<Pool>,
    count: usize,
    /// Timers, and the threads that wait for files.
    driver: Option<Runtime>,
}

struct Pool {
    queue: Mutex<Queue>,
    more: Condvar,
}

struct Queue {
    tasks: VecDeque<Arc<Task>>,
    /// Threads that wait.
    idle: usize,
    /// Those of them that were called.
    called: usize,
    open: bool,
}

struct Task {
    pool: Arc<Pool>,
    place: Mutex<Place>,
}

/// Where a task stands.
struct Place {
    /// Not while it runs, nor when it is over.
    work: Option<Work>,
    standing: Standing,
    is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waits,
    Queued,
    Runs,
    /// Woken while it runs.
    RunsAgain,
    Over,
}

/// A task that is stopped when this is dropped.
pub(super) struct Running(Arc<Task>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Threads {
    /// As many as the machine has processors.
    ///
    /// # Errors
    /// When the machine gives no threads.
    pub(super) fn start() -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let driver = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("guest-timers")
            .enable_all()
            .build()?;
        let queue = Queue { tasks: VecDeque::new(), idle: 0, called: 0, open: true };
        let pool = Arc::new(Pool { queue: Mutex::new(queue), more: Condvar::new() });
        // Made first: if a thread cannot be started, those before it end with this.
        let threads = Self { pool, count, driver: Some(driver) };
        for _ in 0..count {
            let (pool, timers) = (Arc::clone(&threads.pool), threads.driver.as_ref().map(Runtime::handle).cloned());
            std::thread::Builder::new().name("guest".to_owned()).spawn(move || pool.run_tasks(timers.as_ref()))?;
        }
        Ok(threads)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` to its end, or until the answer is dropped. When it panics it is over.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Running {
        let task = Task::new(&self.pool, Box::pin(work));
        self.pool.push(Arc::clone(&task));
        Running(task)
    }

    /// Runs `work` to its end, or to that of the threads.
    pub(super) fn spawn_alone(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.pool.push(Task::new(&self.pool, Box::pin(work)));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.pool.queue();
            queue.open = false;
            std::mem::take(&mut queue.tasks)
        };
        self.pool.more.notify_all();
        // Not under the lock: what ends may wake others.
        left.iter().for_each(|task| drop(task.take()));
        if let Some(driver) = self.driver.take() {
            driver.shutdown_background();
        }
    }
}

impl Pool {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a task and calls one thread, if one waits.
    fn push(&self, task: Arc<Task>) {
        let mut queue = self.queue();
        if !queue.open {
            drop(queue);
            drop(task.take());
            return;
        }
        queue.tasks.push_back(task);
        if queue.idle > queue.called {
            queue.called += 1;
            drop(queue);
            self.more.notify_one();
        }
    }

    /// The next task; none when there will be no more.
    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.queue();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            if !queue.open {
                return None;
            }
            queue.idle += 1;
            while queue.called == 0 && queue.open {
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.called = queue.called.saturating_sub(1);
            queue.idle -= 1;
        }
    }

    fn run_tasks(&self, timers: Option<&Handle>) {
        let _entered = timers.map(Handle::enter);
        // The threads that serve come first. Failing to step back costs only latency.
        let _ = rustix::process::nice(NICE);
        while let Some(task) = self.next() {
            task.run();
        }
    }
}

impl Task {
    /// One that is to be queued at once.
    fn new(pool: &Arc<Pool>, work: Work) -> Arc<Self> {
        let place = Place { work: Some(work), standing: Standing::Queued, is_stopped: false };
        Arc::new(Self { pool: Arc::clone(pool), place: Mutex::new(place) })
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, unless it runs.
    fn take(&self) -> Option<Work> {
        let mut place = self.place();
        let work = place.work.take()?;
        place.standing = Standing::Over;
        Some(work)
    }

    /// One turn.
    fn run(self: Arc<Self>) {
        let mut work = {
            let mut place = self.place();
            let Some(work) = place.work.take() else { return };
            place.standing = if place.is_stopped { Standing::Over } else { Standing::Runs };
            work
        };
        let waker = Waker::from(Arc::clone(&self));
        // A panic is the end of the task, and not of the thread; the hook has told of it.
        let turn = std::panic::catch_unwind(AssertUnwindSafe(move || {
            if self.place().standing == Standing::Over {
                return drop(work);
            }
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(()) => {
                    self.place().standing = Standing::Over;
                    drop(work);
                }
                Poll::Pending => self.wait(work),
            }
        }));
        drop(turn);
    }

    /// Behind a turn that was not the last.
    fn wait(self: Arc<Self>, work: Work) {
        let mut place = self.place();
        if place.is_stopped {
            place.standing = Standing::Over;
            drop(place);
            return drop(work);
        }
        let again = place.standing == Standing::RunsAgain;
        place.standing = if again { Standing::Queued } else { Standing::Waits };
        place.work = Some(work);
        drop(place);
        if again {
            let pool = Arc::clone(&self.pool);
            pool.push(self);
        }
    }

    /// Has a thread drop it, or whoever runs it when its turn is over.
    fn stop(self: &Arc<Self>) {
        self.place().is_stopped = true;
        self.wake_by_ref();
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        {
            let mut place = self.place();
            match place.standing {
                Standing::Waits => place.standing = Standing::Queued,
                Standing::Runs => {
                    place.standing = Standing::RunsAgain;
                    return;
                }
                Standing::Queued | Standing::RunsAgain | Standing::Over => return,
            }
        }
        self.pool.push(Arc::clone(self));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    /// Says when it is dropped.
    struct Told(Option<oneshot::Sender<()>>);

    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().map(|told| told.send(()));
        }
    }

    fn told() -> (Told, oneshot::Receiver<()>) {
        let (send, receive) = oneshot::channel();
        (Told(Some(send)), receive)
    }

    #[tokio::test]
    async fn tasks_that_yield_without_end_leave_the_others_their_turns() {
        let threads = Threads::start().expect("threads");
        let turns = Arc::new(AtomicUsize::new(0));
        let endless: Vec<_> = (0..16)
            .map(|_| {
                let turns = Arc::clone(&turns);
                threads.spawn(async move {
                    loop {
                        turns.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            let (send, answer) = oneshot::channel();
            let _running = threads.spawn(async move {
                tokio::task::yield_now().await;
                let _ = send.send(());
            });
            answer.await.expect("it has its turn");
        }
        assert!(turns.load(Ordering::Relaxed) > 0);
        drop(endless);
    }

    #[tokio::test]
    async fn a_task_waits_for_timers_and_for_others_and_is_woken_once_for_both() {
        let threads = Threads::start().expect("threads");
        let (send, wanted) = oneshot::channel::<u8>();
        let (answer, answered) = oneshot::channel();
        let _running = threads.spawn(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let number = wanted.await.unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let _ = answer.send(number);
        });
        send.send(7).expect("it waits");
        assert_eq!(answered.await, Ok(7));
    }

    #[tokio::test]
    async fn a_task_that_is_stopped_is_dropped_whether_it_waits_or_runs() {
        let threads = Threads::start().expect("threads");
        let (waits, was_waiting) = told();
        let running = threads.spawn(async move {
            let _waits = waits;
            std::future::pending::<()>().await;
        });
        drop(running);
        was_waiting.await.expect("dropped");
        let (computes, was_computing) = told();
        let (begun, has_begun) = oneshot::channel();
        let running = threads.spawn(async move {
            let _computes = computes;
            let _ = begun.send(());
            loop {
                tokio::task::yield_now().await;
            }
        });
        has_begun.await.expect("it computes");
        drop(running);
        was_computing.await.expect("dropped");
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_no_thread() {
        let threads = Threads::start().expect("threads");
        for _ in 0..2 * threads.count() {
            let (holds, was_dropped) = told();
            let _running = threads.spawn(async move {
                let _holds = holds;
                panic!("on purpose");
            });
            was_dropped.await.expect("dropped");
        }
        let (send, answer) = oneshot::channel();
        let _running = threads.spawn(async move {
            let _ = send.send(());
        });
        answer.await.expect("the threads are still there");
    }

    #[tokio::test]
    async fn what_waits_in_the_queue_ends_with_the_threads() {
        let threads = Threads::start().expect("threads");
        let (queued, was_dropped) = told();
        let pool = Arc::clone(&threads.pool);
        drop(threads);
        pool.push(Task::new(&pool, Box::pin(async move { drop(queued) })));
        was_dropped.await.expect("dropped");
        assert!(pool.queue().tasks.is_empty());
    }
}
