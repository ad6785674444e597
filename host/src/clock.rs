//! The time, handed in.
//!
//! Nothing else asks the machine for the wall clock (a lint sees to it), so that a test can turn the
//! clock that expiries, rates and log rows read. Deadlines of running calls are not wall-clock time:
//! they are the runtime's own monotonic timers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time; clones tell the same.
#[derive(Clone)]
pub struct Clock {
    /// Microseconds that a test has added.
    turned: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { turned: Arc::new(AtomicI64::new(0)) }
    }

    /// Now, in UTC, to the microsecond (what both databases keep).
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let turned = micros.saturating_add(self.turned.load(Ordering::Relaxed));
        DateTime::from_timestamp_micros(turned).unwrap_or_default()
    }

    /// Turns this clock and its clones forward. For tests.
    pub fn turn(&self, by: TimeDelta) {
        self.turned.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}
