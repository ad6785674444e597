//! Rows of the execution log and the counts that statistics are made of: written in one transaction,
//! so that they cannot differ.

use super::writer::{Fate, Store};
use crate::db::execution_logs::{self, ExecutionLog as Row};
use crate::db::{Database, DbError, execution_durations, execution_scope_durations, execution_statistics};
use crate::events::{Change, Events, Execution};
use crate::telemetry::metrics;

pub(super) struct ExecutionRows {
    pub(super) db: Database,
    pub(super) events: Events,
}

impl Store for ExecutionRows {
    type Made = Row;
    type Row = Row;

    fn row(&self, made: Row) -> Row {
        made
    }

    async fn commit(&self, rows: &[Row]) -> Result<(), DbError> {
        let mut tx = self.db.begin_appending().await?;
        execution_logs::append(&mut tx, rows).await?;
        execution_statistics::add(&mut tx, execution_statistics::tallies(rows)).await?;
        execution_durations::add(&mut tx, execution_durations::tallies(rows)).await?;
        execution_scope_durations::add(&mut tx, execution_scope_durations::tallies(rows)).await?;
        tx.commit().await
    }

    async fn lacking(&self, rows: &[Row]) -> Result<Vec<Row>, DbError> {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let known = execution_logs::known(&self.db, &ids).await?;
        Ok(rows.iter().filter(|row| !known.contains(&row.id)).cloned().collect())
    }

    fn id(&self, row: &Row) -> String {
        row.id.to_string()
    }

    fn count(&self, fate: Fate, rows: u64) {
        metrics::execution_log_rows(fate.word(), rows);
    }

    fn tell(&self, rows: &[Row]) {
        for row in rows {
            self.events.tell(Change::Execution(Execution {
                call_id: row.id,
                server_id: row.server_id,
                tool_id: row.tool_id,
                tool_name: row.tool_name.clone(),
                caller: row.caller.clone(),
                request_id: row.request_id.clone(),
                is_test: row.is_test,
                outcome: row.outcome.clone(),
                success: row.success,
                duration_ms: row.duration_ms(),
            }));
        }
    }
}
