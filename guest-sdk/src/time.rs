//! Time, which `std::time` does not have on WebAssembly without WASI: `Instant::now` and
//! `SystemTime::now` panic there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use crate::host;
use crate::task::reactor;

/// What `SystemTime::now` would answer.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + host::wall_time()
}

/// Time since some moment before the call; it never goes back.
pub fn monotonic() -> Duration {
    Duration::from_nanos(host::monotonic_ns())
}

/// Waits, while requests go on.
pub fn sleep(time: Duration) -> Sleep {
    Sleep { until: monotonic().saturating_add(time) }
}

/// The future of [`sleep`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if monotonic() >= self.until {
            return Poll::Ready(());
        }
        reactor::wake_at(self.until, monotonic, context.waker());
        Poll::Pending
    }
}

/// Waits for `future`, at most for `time`; none if that was not enough. What was under way is
/// dropped, which cancels its requests.
pub async fn timeout<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut sleep = std::pin::pin!(sleep(time));
    std::future::poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}
