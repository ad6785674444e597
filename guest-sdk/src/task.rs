//! Runs futures to their end: one thread, which sleeps in the host while requests are under way.
//!
//! `async` tools are run by it. Requests begin when their future is first polled, so several are
//! side by side when they are polled together: by [`join_all`], or by any crate's `join`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Runs a future to its end. May be called within itself.
///
/// # Panics
/// When the future waits for something that is neither a request nor a sleep and nobody is left to
/// wake it: it would wait for ever.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if !flag.0.swap(false, Ordering::Relaxed) {
            assert!(reactor::turn(), "the tool waits for something that will never happen");
        }
    }
}

/// Says that something awaited has happened.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for all of them; they run side by side, and their outputs come in the same order.
///
/// ```
/// use mcpbox_sdk::{http, task};
///
/// # async fn tool() -> mcpbox_sdk::Result<()> {
/// let cities = ["Oslo", "Rome"];
/// let requests = cities.map(|city| http::get("https://api.example/weather").query("q", city).send());
/// for response in task::join_all(requests).await {
///     println!("{}", response?.text()?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> JoinAll<F> {
    JoinAll { parts: futures.into_iter().map(|future| Part::Running(Box::pin(future))).collect() }
}

/// The future of [`join_all`].
#[must_use = "a future does nothing until it is awaited"]
pub struct JoinAll<F: Future> {
    parts: Vec<Part<F>>,
}

enum Part<F: Future> {
    Running(Pin<Box<F>>),
    Done(Option<F::Output>),
}

// Nothing in it is pinned in place: the futures are in boxes.
impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut is_done = true;
        for part in &mut self.parts {
            if let Part::Running(future) = part {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *part = Part::Done(Some(output)),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if !is_done {
            return Poll::Pending;
        }
        let parts = std::mem::take(&mut self.parts).into_iter();
        Poll::Ready(parts.filter_map(|part| if let Part::Done(output) = part { output } else { None }).collect())
    }
}

pub(crate) mod reactor {
    //! What this thread's futures wait for.

    use std::cell::RefCell;
    use std::task::Waker;
    use std::time::Duration;

    use crate::host;

    struct Request {
        id: u32,
        has_ended: bool,
        waker: Waker,
    }

    struct Timer {
        until: Duration,
        /// The clock. Here, so that a tool that never sleeps does not import it.
        now: fn() -> Duration,
        waker: Waker,
    }

    thread_local! {
        static REQUESTS: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
        static TIMERS: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
    }

    /// Whether request `id` has ended; otherwise `waker` hears when it has.
    pub(crate) fn has_ended(id: u32, waker: &Waker) -> bool {
        REQUESTS.with_borrow_mut(|requests| match requests.iter_mut().find(|request| request.id == id) {
            Some(request) if request.has_ended => true,
            Some(request) => {
                request.waker.clone_from(waker);
                false
            }
            None => {
                requests.push(Request { id, has_ended: false, waker: waker.clone() });
                false
            }
        })
    }

    /// Nobody waits for request `id` any more.
    pub(crate) fn forget(id: u32) {
        REQUESTS.with_borrow_mut(|requests| requests.retain(|request| request.id != id));
    }

    /// `waker` hears when `now` has come to `until`.
    pub(crate) fn wake_at(until: Duration, now: fn() -> Duration, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| {
            if !timers.iter().any(|timer| timer.until == until && timer.waker.will_wake(waker)) {
                timers.push(Timer { until, now, waker: waker.clone() });
            }
        });
    }

    /// Sleeps until something has happened, and wakes whom it concerns. False if there is nothing
    /// that could happen.
    pub(super) fn turn() -> bool {
        let ids: Vec<u32> = REQUESTS.with_borrow(|requests| {
            requests.iter().filter(|request| !request.has_ended).map(|request| request.id).collect()
        });
        let next = TIMERS.with_borrow(|timers| {
            timers.iter().min_by_key(|timer| timer.until).map(|timer| timer.until.saturating_sub((timer.now)()))
        });
        if ids.is_empty() && next.is_none() {
            return false;
        }
        // The host counts in milliseconds; a little late is better than too early and once more.
        let timeout_ms = next.map(|time| u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let ended = host::http_wait(&ids, timeout_ms);
        let mut woken: Vec<Waker> = Vec::new();
        REQUESTS.with_borrow_mut(|requests| {
            for request in requests.iter_mut().filter(|request| ended.contains(&request.id)) {
                request.has_ended = true;
                woken.push(request.waker.clone());
            }
        });
        TIMERS.with_borrow_mut(|timers| {
            timers.retain(|timer| {
                let is_over = (timer.now)() >= timer.until;
                if is_over {
                    woken.push(timer.waker.clone());
                }
                !is_over
            });
        });
        for waker in woken {
            waker.wake();
        }
        true
    }
}
