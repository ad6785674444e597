//! Failed logins, counted for the address that they come from and for the name that they try; so are
//! wrong setup codes and unknown refresh tokens, which have no name. At the limit both wait until a minute has passed over the oldest of them.
//!
//! An attempt counts as failed from its beginning and is taken back when it succeeds, so that many at
//! the same time are no way round the limit.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Error;
use crate::domain::address;
use crate::domain::names::Username;

const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Keys after which those without a recent failure are forgotten.
const KEYS: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    /// What cannot be a name is no account's, and has no place here however long it is.
    Name(Username),
}

pub(super) struct Lockout {
    per_minute: usize,
    failures: Mutex<HashMap<Key, VecDeque<DateTime<Utc>>>>,
}

/// An attempt under way; failed unless it is [taken back](Lockout::take_back).
#[must_use]
pub(super) struct Attempt {
    keys: Vec<Key>,
    at: DateTime<Utc>,
}

impl Lockout {
    pub(super) fn new(per_minute: u64) -> Self {
        Self { per_minute: usize::try_from(per_minute).unwrap_or(usize::MAX), failures: Mutex::default() }
    }

    /// Begins an attempt.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there were too many.
    pub(super) fn begin(&self, now: DateTime<Utc>, from: Option<IpAddr>, name: Option<&str>) -> Result<Attempt, Error> {
        let name = name.and_then(|name| name.parse().ok()).map(Key::Name);
        let keys: Vec<_> = name.into_iter().chain(from.map(|from| Key::Address(address::subscriber(from)))).collect();
        let mut failures = self.failures();
        if failures.len() > KEYS {
            failures.retain(|_, times| times.back().is_some_and(|at| is_recent(*at, now)));
        }
        let wait = keys.iter().filter_map(|key| self.wait(failures.get(key)?, now)).max();
        if let Some(wait) = wait {
            let message = format!("too many failed logins; try again in {} s", wait.as_secs());
            return Err(Error::RateLimited { retry_after: wait, message });
        }
        for key in &keys {
            let times = failures.entry(key.clone()).or_default();
            times.retain(|at| is_recent(*at, now));
            times.push_back(now);
        }
        Ok(Attempt { keys, at: now })
    }

    /// The attempt has not failed.
    pub(super) fn take_back(&self, attempt: Attempt) {
        let mut failures = self.failures();
        for key in &attempt.keys {
            let Some(times) = failures.get_mut(key) else { continue };
            if let Some(index) = times.iter().position(|at| *at == attempt.at) {
                times.remove(index);
            }
            if times.is_empty() {
                failures.remove(key);
            }
        }
    }

    /// How long until one more may be tried, in whole seconds; none: now.
    fn wait(&self, times: &VecDeque<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Duration> {
        let recent: Vec<_> = times.iter().filter(|at| is_recent(**at, now)).collect();
        let blocking = recent.len().checked_sub(self.per_minute)?;
        let until = **recent.get(blocking)? + WINDOW - now;
        Some(Duration::from_secs(until.as_seconds_f64().ceil().max(1.0) as u64))
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Key, VecDeque<DateTime<Utc>>>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Within the last minute. What lies ahead was counted before the clock was set back, and is old.
fn is_recent(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= now && now - at < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + s, 0).expect("a time")
    }

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, last]))
    }

    fn waits(result: Result<Attempt, Error>) -> Option<u64> {
        match result {
            Ok(_) => None,
            Err(Error::RateLimited { retry_after, .. }) => Some(retry_after.as_secs()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn at_the_limit_the_address_and_the_name_wait_for_the_oldest_failure() {
        let lockout = Lockout::new(3);
        for s in [0, 10, 20] {
            assert_eq!(waits(lockout.begin(second(s), address(1), Some("ada"))), None);
        }
        assert_eq!(waits(lockout.begin(second(30), address(1), Some("ada"))), Some(30));
        assert_eq!(waits(lockout.begin(second(30), address(1), Some("bob"))), Some(30), "the address waits");
        assert_eq!(waits(lockout.begin(second(30), address(2), Some("ada"))), Some(30), "the name waits");
        assert_eq!(waits(lockout.begin(second(30), address(2), Some("bob"))), None);
        assert_eq!(waits(lockout.begin(second(59), None, Some("ada"))), Some(1));
        assert_eq!(waits(lockout.begin(second(60), address(1), Some("ada"))), None);
        assert_eq!(waits(lockout.begin(second(60), address(1), Some("ada"))), Some(10));
    }

    #[test]
    fn what_succeeds_does_not_count() {
        let lockout = Lockout::new(1);
        for _ in 0..5 {
            let attempt = lockout.begin(second(0), address(1), Some("ada")).expect("not locked");
            lockout.take_back(attempt);
        }
        assert!(lockout.failures().is_empty(), "nothing is kept of what succeeded");
        let under_way = lockout.begin(second(0), address(1), Some("ada")).expect("not locked");
        assert_eq!(waits(lockout.begin(second(0), address(1), Some("ada"))), Some(60), "one at a time under way");
        lockout.take_back(under_way);
    }

    #[test]
    fn one_subscriber_does_not_get_more_by_changing_its_address() {
        let lockout = Lockout::new(1);
        let from = |text: &str| Some(text.parse().expect("an address"));
        assert_eq!(waits(lockout.begin(second(0), from("2001:db8::1"), Some("ada"))), None);
        assert_eq!(waits(lockout.begin(second(0), from("2001:db8::2"), Some("bob"))), Some(60));
        assert_eq!(waits(lockout.begin(second(0), from("203.0.113.1"), Some("cyd"))), None);
        assert_eq!(waits(lockout.begin(second(0), from("::ffff:203.0.113.1"), Some("dan"))), Some(60));
    }

    #[test]
    fn what_cannot_be_a_name_is_not_kept() {
        let lockout = Lockout::new(1);
        for name in ["", "a b", &"x".repeat(1_000_000)] {
            for _ in 0..2 {
                assert_eq!(waits(lockout.begin(second(0), None, Some(name))), None);
            }
        }
        assert!(lockout.failures().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let lockout = Lockout::new(1);
        assert_eq!(waits(lockout.begin(second(100), address(1), Some("ada"))), None);
        assert_eq!(waits(lockout.begin(second(0), address(1), Some("ada"))), None);
    }

    #[test]
    fn old_failures_are_forgotten_when_there_are_many() {
        let lockout = Lockout::new(1);
        for n in 0..=KEYS {
            assert_eq!(waits(lockout.begin(second(0), None, Some(&format!("name{n}")))), None);
        }
        assert_eq!(waits(lockout.begin(second(60), None, Some("ada"))), None);
        assert_eq!(lockout.failures().len(), 1);
    }
}
