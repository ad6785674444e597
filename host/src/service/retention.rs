//! What is deleted because it is old. Some rows at a time, so that nobody waits long for a turn to
//! write, and every step is committed for itself.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::activity::NewActivity;
use super::{Error, Service};
use crate::db::execution_scope_durations::DAY_S;
use crate::db::execution_statistics::{FIVE_MINUTES_S, HOUR_S, MINUTE_S};
use crate::db::{activity_logs, execution_durations, execution_logs, execution_scope_durations, execution_statistics};

/// Rows deleted in one transaction.
const AT_ONCE: u64 = 500;
/// How long counts of each grain are kept: longer than any chart.
const KEPT: [(i32, TimeDelta); 4] = [
    (MINUTE_S, TimeDelta::days(1)),
    (FIVE_MINUTES_S, TimeDelta::days(1)),
    (HOUR_S, TimeDelta::days(30)),
    (DAY_S, TimeDelta::days(30)),
];

impl Service {
    /// Deletes rows of logs that are older than they are kept, and counts that no chart shows.
    /// Answers how many rows of logs went. `stop` ends it after the step at hand.
    pub async fn logs_prune(&self, stop: &CancellationToken) -> Result<u64, Error> {
        let now = self.clock().now();
        let before = before(now, self.log_retention().await?);
        let mut deleted = 0;
        while !stop.is_cancelled() {
            let tx = self.db().begin_rows().await?;
            let calls = execution_logs::delete_older_than(&tx, before, AT_ONCE).await?;
            let messages = activity_logs::delete_older_than(&tx, before, AT_ONCE).await?;
            tx.commit().await?;
            deleted += calls + messages;
            if calls < AT_ONCE && messages < AT_ONCE {
                break;
            }
        }
        if deleted > 0 {
            let note = NewActivity::system("rows of logs that are older than they are kept were deleted");
            self.activity_add(note.with("rows", deleted)).await;
        }
        for (grain_s, kept) in KEPT {
            let before_s = self::before(now, kept).timestamp();
            while !stop.is_cancelled() {
                let tx = self.db().begin_rows().await?;
                let tools = execution_statistics::delete_before(&tx, grain_s, before_s).await?;
                let durations = execution_durations::delete_before(&tx, grain_s, before_s).await?;
                let scopes = execution_scope_durations::delete_before(&tx, grain_s, before_s).await?;
                tx.commit().await?;
                if !tools && !durations && !scopes {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// How long rows of logs are kept: as the policy says, or, while nobody has set that, the limit.
    async fn log_retention(&self) -> Result<TimeDelta, Error> {
        let decided = self.policy().await?.log_retention_days;
        let days = decided.map_or(self.limits().log_retention_days, |days| u32::from(days).into());
        Ok(TimeDelta::try_days(i64::try_from(days).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX))
    }

    /// Deletes sessions that have expired. Answers how many.
    pub async fn sessions_prune(&self, stop: &CancellationToken) -> Result<u64, Error> {
        let mut deleted = 0;
        while !stop.is_cancelled() {
            let rows = self.sessions_sweep(AT_ONCE).await?;
            deleted += rows;
            if rows < AT_ONCE {
                break;
            }
        }
        while !stop.is_cancelled() {
            match self.mcp_sessions_sweep().await? {
                0 => break,
                rows => deleted += rows,
            }
        }
        Ok(deleted)
    }
}

fn before(now: DateTime<Utc>, kept: TimeDelta) -> DateTime<Utc> {
    now.checked_sub_signed(kept).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
