//! Whether calls need the machine now. What is only done ahead of calls waits until they do not.
//!
//! Calls need it while enough guests compute to fill half the threads that guests have, and for a short
//! while after each call began or ended: who has just called may call again at once. A guest that
//! waits (for an answer, for a timer) needs nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// After this long without the beginning or end of a call there is time for other things. A client
/// that calls again sooner would meet the preparations for its next call at work, and both would be
/// slower than without them.
const QUIET: Duration = Duration::from_millis(5);
/// The longest pause between two looks while there is no quiet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Pressure {
    base: Instant,
    /// Microseconds from `base` to the last beginning or end of a call.
    last_us: AtomicU64,
    /// Guests of calls that compute at this moment.
    computing: AtomicUsize,
    /// As many of them are pressure.
    many: usize,
}

/// Notes the end of a call, however it comes.
struct Ending<'a>(&'a Pressure);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.touch();
    }
}

/// Counts a guest that computes.
struct Computing<'a>(&'a AtomicUsize);

impl<'a> Computing<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pressure {
    /// For guests on so many threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            base: Instant::now(),
            last_us: AtomicU64::new(0),
            computing: AtomicUsize::new(0),
            many: (threads / 2).max(1),
        }
    }

    /// Runs a call, seen as one.
    pub(super) async fn call<T>(&self, work: impl Future<Output = T>) -> T {
        self.touch();
        let _ending = Ending(self);
        tokio::pin!(work);
        std::future::poll_fn(|context| {
            let _computing = Computing::new(&self.computing);
            work.as_mut().poll(context)
        })
        .await
    }

    /// Waits until calls need nothing. Under lasting load that is for ever, at little cost.
    pub(super) async fn quiet(&self) {
        let mut pause = QUIET;
        while let Some(left) = self.left(Instant::now()) {
            tokio::time::sleep(left.max(pause)).await;
            pause = (pause * 2).min(LOOK_AGAIN);
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.left(Instant::now()).is_none()
    }

    /// How long it takes at least until it is quiet.
    fn left(&self, now: Instant) -> Option<Duration> {
        let last = self.base + Duration::from_micros(self.last_us.load(Ordering::Relaxed));
        let left = (last + QUIET).saturating_duration_since(now);
        (!left.is_zero() || self.computing.load(Ordering::Relaxed) >= self.many).then_some(left)
    }

    fn touch(&self) {
        let now_us = u64::try_from(self.base.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.fetch_max(now_us, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn it_is_quiet_a_while_after_the_last_call() {
        let pressure = Pressure::new(2);
        pressure.touch();
        let now = Instant::now();
        assert!(pressure.left(now).is_some());
        assert!(pressure.left(now + QUIET).is_none());
    }

    #[test]
    fn a_guest_that_computes_is_pressure_and_one_that_waits_is_none() {
        let pressure = Pressure::new(2);
        let later = || Instant::now() + QUIET;
        let mut polls = 0;
        {
            let guest = std::future::poll_fn(|_| {
                assert!(pressure.left(later()).is_some(), "it computes");
                polls += 1;
                if polls < 2 { Poll::Pending } else { Poll::Ready(()) }
            });
            let call = std::pin::pin!(pressure.call(guest));
            let mut call = call;
            let mut context = Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
            assert!(pressure.left(later()).is_none(), "it waits");
            assert!(call.as_mut().poll(&mut context).is_ready());
        }
        assert!(pressure.left(later()).is_none(), "it has ended");
        assert_eq!(polls, 2);
    }

    #[test]
    fn one_busy_guest_of_many_threads_leaves_room() {
        let pressure = Pressure::new(4);
        let later = Instant::now() + QUIET * 2;
        let first = Computing::new(&pressure.computing);
        assert!(pressure.left(later).is_none());
        let second = Computing::new(&pressure.computing);
        assert!(pressure.left(later).is_some());
        drop((first, second));
    }
}
