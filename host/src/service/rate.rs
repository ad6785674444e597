//! How often a caller may ask: so many MCP requests in a minute, counted for each caller in this
//! process. Another rate by policy begins to count anew.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{Error, Service};
use crate::domain::caller::{Caller, Who};
use crate::limits::Limits;

pub(super) struct Rates {
    mcp: RwLock<Arc<Rate>>,
}

struct Rate {
    per_minute: NonZeroU32,
    callers: DefaultKeyedRateLimiter<Who>,
    /// Requests that were counted.
    counted: AtomicU64,
}

/// Requests after which callers that have been quiet are forgotten.
const REQUESTS: u64 = 10_000;

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { mcp: RwLock::new(Rate::new(of_limit(limits))) }
    }

    /// The rate in force.
    fn mcp(&self, per_minute: NonZeroU32) -> Arc<Rate> {
        let rate = Arc::clone(&self.mcp.read().unwrap_or_else(PoisonError::into_inner));
        if rate.per_minute == per_minute {
            return rate;
        }
        let mut kept = self.mcp.write().unwrap_or_else(PoisonError::into_inner);
        if kept.per_minute != per_minute {
            *kept = Rate::new(per_minute);
        }
        Arc::clone(&kept)
    }
}

impl Rate {
    fn new(per_minute: NonZeroU32) -> Arc<Self> {
        let callers = RateLimiter::keyed(Quota::per_minute(per_minute));
        Arc::new(Self { per_minute, callers, counted: AtomicU64::new(0) })
    }

    /// Forgets quiet callers now and then. How many are known is not asked: that costs more than to count a request.
    fn tidy(&self) {
        if self.counted.fetch_add(1, Ordering::Relaxed) % REQUESTS == REQUESTS - 1 {
            self.callers.retain_recent();
        }
    }
}

fn of_limit(limits: &Limits) -> NonZeroU32 {
    let per_minute = u32::try_from(limits.mcp_requests_per_minute).unwrap_or(u32::MAX);
    NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN)
}

impl Service {
    /// Counts one MCP request of this caller.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when it is one too many.
    pub async fn rate_count(&self, caller: &Caller) -> Result<(), Error> {
        let set = self.policy().await?.mcp_rate_limit_rpm;
        let per_minute = set.and_then(|rate| NonZeroU32::new(rate.into()));
        let rate = self.0.rates.mcp(per_minute.unwrap_or_else(|| of_limit(self.limits())));
        rate.tidy();
        rate.callers.check_key(&caller.who).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1));
            Error::RateLimited {
                retry_after: wait,
                message: format!(
                    "more than {} requests in a minute; try again in {} s",
                    rate.per_minute,
                    wait.as_secs_f64().ceil()
                ),
            }
        })
    }
}
