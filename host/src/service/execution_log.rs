//! Rows of the execution log and the counts that statistics are made of: written in one transaction,
//! so that they cannot differ.

use super::writer::Store;
use crate::db::execution_logs::{self, ExecutionLog as Row};
use crate::db::{Database, DbError, execution_durations, execution_statistics};
use crate::telemetry::metrics;

pub(super) struct ExecutionRows(pub(super) Database);

impl Store for ExecutionRows {
    type Row = Row;

    async fn write(&self, batch: &[Row]) -> Result<(), DbError> {
        match self.commit(batch).await {
            // Some are there already: they were committed and the answer got lost.
            Err(DbError::Conflict { .. }) => {
                let ids: Vec<_> = batch.iter().map(|row| row.id).collect();
                let known = execution_logs::known(&self.0, &ids).await?;
                let rest: Vec<Row> = batch.iter().filter(|row| !known.contains(&row.id)).cloned().collect();
                self.commit(&rest).await
            }
            done => done,
        }
    }

    fn count(&self, written: bool, rows: u64) {
        metrics::execution_log_rows(written, rows);
    }
}

impl ExecutionRows {
    async fn commit(&self, rows: &[Row]) -> Result<(), DbError> {
        let tx = self.0.begin_rows().await?;
        execution_logs::insert_many(&tx, rows.to_vec()).await?;
        execution_statistics::add(&tx, execution_statistics::tallies(rows)).await?;
        execution_durations::add(&tx, execution_durations::tallies(rows)).await?;
        tx.commit().await
    }
}
