//! How often one address may ask the API: so many requests in a minute, counted in this process. They
//! may come at once; afterwards one is given back at a time (the generic cell rate algorithm).

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::domain::address;

/// Addresses after which those that have been quiet are forgotten.
const ADDRESSES: usize = 10_000;

pub(super) struct Rate<C: Clock = DefaultClock> {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, StateInformationMiddleware>,
    clock: C,
    per_minute: NonZeroU32,
}

/// What an address has left, for its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u32,
    remaining: u32,
}

impl Rate {
    pub(super) fn new(per_minute: u64) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Rate<C> {
    fn with_clock(per_minute: u64, clock: C) -> Self {
        let per_minute = u32::try_from(per_minute).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let quota = Quota::per_minute(per_minute);
        let limiter =
            RateLimiter::<_, _, _, NoOpMiddleware<C::Instant>>::new(quota, DashMapStateStore::default(), clock.clone());
        let limiter = limiter.with_middleware();
        Self { limiter, clock, per_minute }
    }

    /// Counts one request of an address.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub(super) fn count(&self, from: IpAddr) -> Result<Left, (Duration, Left)> {
        if self.limiter.len() > ADDRESSES {
            self.limiter.retain_recent();
        }
        let left = |remaining| Left { limit: self.per_minute.get(), remaining };
        match self.limiter.check_key(&address::subscriber(from)) {
            Ok(state) => Ok(left(state.remaining_burst_capacity())),
            Err(until) => Err((until.wait_time_from(self.clock.now()), left(0))),
        }
    }
}

impl Left {
    pub(super) fn show(self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(self.limit));
        headers.insert(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(self.remaining));
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn an_address_has_so_many_requests_and_gets_them_back_one_by_one() {
        let clock = FakeRelativeClock::default();
        let rate = Rate::with_clock(3, clock.clone());
        let (one, other) = (IpAddr::from([203, 0, 113, 1]), IpAddr::from([203, 0, 113, 2]));
        for remaining in [2, 1, 0] {
            assert_eq!(rate.count(one), Ok(Left { limit: 3, remaining }));
        }
        let Err((wait, left)) = rate.count(one) else { panic!("it was one too many") };
        assert_eq!((wait, left.remaining), (Duration::from_secs(20), 0));
        assert!(rate.count(other).is_ok(), "another address has its own");
        clock.advance(Duration::from_secs(20));
        assert!(rate.count(one).is_ok());
        assert!(rate.count(one).is_err());
    }
}
