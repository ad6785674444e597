//! How often a caller may ask: so many MCP requests in a minute, counted for each caller in this
//! process.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{Error, Service};
use crate::domain::caller::Caller;
use crate::limits::Limits;

pub(super) struct Rates {
    mcp: DefaultKeyedRateLimiter<String>,
}

/// Callers after which those that have been quiet are forgotten.
const CALLERS: usize = 10_000;

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let per_minute = u32::try_from(limits.mcp_requests_per_minute).unwrap_or(u32::MAX);
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { mcp: RateLimiter::keyed(Quota::per_minute(per_minute)) }
    }
}

impl Service {
    /// Counts one MCP request of this caller.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when it is one too many.
    pub fn rate_count(&self, caller: &Caller) -> Result<(), Error> {
        let mcp = &self.0.rates.mcp;
        if mcp.len() > CALLERS {
            mcp.retain_recent();
        }
        mcp.check_key(&caller.key()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now()).max(Duration::from_secs(1));
            let per_minute = self.limits().mcp_requests_per_minute;
            Error::RateLimited {
                retry_after: wait,
                message: format!(
                    "more than {per_minute} requests in a minute; try again in {} s",
                    wait.as_secs_f64().ceil()
                ),
            }
        })
    }
}
