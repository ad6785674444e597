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
        DateTime::from_timestamp_micros(self.moment().micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The same without its date.
    pub fn moment(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Moment { micros: micros.saturating_add(self.turned.load(Ordering::Relaxed)) }
    }

    /// Turns this clock and its clones forward. For tests.
    pub fn turn(&self, by: TimeDelta) {
        self.turned.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// A moment of a [`Clock`], for those who only ask how long ago something was: its date costs more than the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Since 1970.
    micros: i64,
}

impl Moment {
    /// How long before this one `earlier` was; less than nothing after a clock was set back.
    pub fn since(self, earlier: Self) -> TimeDelta {
        TimeDelta::microseconds(self.micros.saturating_sub(earlier.micros))
    }
}

impl From<DateTime<Utc>> for Moment {
    fn from(date: DateTime<Utc>) -> Self {
        Self { micros: date.timestamp_micros() }
    }
}
