//! Rows of the activity log on their way to the database.

use super::writer::Store;
use crate::db::activity_logs::{self, ActivityLog as Row};
use crate::db::{Database, DbError};
use crate::events::{Activity, Change, Events};
use crate::telemetry::metrics;

pub(super) struct ActivityRows {
    pub(super) db: Database,
    pub(super) events: Events,
}

impl Store for ActivityRows {
    type Row = Row;

    async fn commit(&self, rows: &[Row]) -> Result<(), DbError> {
        let tx = self.db.begin_rows().await?;
        activity_logs::insert_many(&tx, rows).await?;
        tx.commit().await
    }

    async fn lacking(&self, rows: &[Row]) -> Result<Vec<Row>, DbError> {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let known = activity_logs::known(&self.db, &ids).await?;
        Ok(rows.iter().filter(|row| !known.contains(&row.id)).cloned().collect())
    }

    fn count(&self, written: bool, rows: u64) {
        metrics::activity_log_rows(written, rows);
    }

    fn tell(&self, rows: &[Row]) {
        for row in rows {
            self.events.tell(Change::Activity(Activity {
                activity_id: row.id,
                log_type: row.log_type,
                level: row.level,
                message: row.message.clone(),
                method: row.method.clone(),
                server_id: row.server_id,
                caller: row.caller.clone(),
                request_id: row.request_id.clone(),
                duration_ms: row.duration_us.map(|us| us.0 as f64 / 1e3),
            }));
        }
    }
}
