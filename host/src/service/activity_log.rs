//! Rows of the activity log on their way to the database.

use super::activity::Made;
use super::writer::{Fate, Store};
use crate::db::activity_logs::{self, ActivityLog};
use crate::db::{Database, DbError};
use crate::events::{Activity, Change, Events};
use crate::telemetry::metrics;

pub(super) struct ActivityRows {
    pub(super) db: Database,
    pub(super) events: Events,
}

/// What is written.
#[derive(Clone)]
pub(super) enum Row {
    New(ActivityLog),
    /// Over what it said when its request was not answered yet.
    Answered(ActivityLog),
}

impl Row {
    fn log(&self) -> &ActivityLog {
        match self {
            Self::New(log) | Self::Answered(log) => log,
        }
    }

    fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }
}

impl Store for ActivityRows {
    type Made = Made;
    type Row = Row;

    fn row(&self, made: Made) -> Row {
        made.row()
    }

    async fn commit(&self, rows: &[Row]) -> Result<(), DbError> {
        let (new, answered): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_new());
        let mut tx = self.db.begin_appending().await?;
        activity_logs::append(&mut tx, new.into_iter().map(Row::log)).await?;
        activity_logs::answer(&mut tx, answered.into_iter().map(Row::log)).await?;
        tx.commit().await
    }

    async fn lacking(&self, rows: &[Row]) -> Result<Vec<Row>, DbError> {
        let ids: Vec<_> = rows.iter().filter(|row| row.is_new()).map(|row| row.log().id).collect();
        let known = activity_logs::known(&self.db, &ids).await?;
        Ok(rows.iter().filter(|row| !(row.is_new() && known.contains(&row.log().id))).cloned().collect())
    }

    fn id(&self, row: &Row) -> String {
        row.log().id.to_string()
    }

    fn count(&self, fate: Fate, rows: u64) {
        metrics::activity_log_rows(fate.word(), rows);
    }

    fn tell(&self, rows: &[Row]) {
        for log in rows.iter().map(Row::log) {
            self.events.tell(Change::Activity(Activity {
                activity_id: log.id,
                log_type: log.log_type,
                level: log.level,
                message: log.message.clone(),
                method: log.method.clone(),
                server_id: log.server_id,
                caller: log.caller.clone(),
                request_id: log.request_id.clone(),
                duration_ms: log.duration_us.map(|us| us.0 as f64 / 1e3),
            }));
        }
    }
}
