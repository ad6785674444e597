//! The way of an execution log row to the database.
//!
//! Rows are written in batches, at most 100 ms after they were made: kill -9 loses no more than that,
//! and an orderly stop loses nothing, because it waits until the last batch is written. When the
//! database does not take a batch it is tried again; rows are never thrown away, so a call waits when
//! too many are queued.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::execution_logs::{self, ExecutionLog as Row};
use crate::db::{Database, DbError};
use crate::limits::Limits;
use crate::telemetry::metrics;

/// How long a row may wait for others.
const GATHER: Duration = Duration::from_millis(100);
/// Rows in one batch.
const BATCH: usize = 200;
/// Between attempts to write a batch, at first and at most.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);

pub(super) struct ExecutionLog {
    rows: mpsc::Sender<Row>,
    closing: CancellationToken,
    writer: TaskTracker,
}

impl ExecutionLog {
    pub(super) fn start(db: Database, limits: &Limits) -> Self {
        let (rows, queue) = mpsc::channel(Limits::size(limits.log_queue_rows));
        let closing = CancellationToken::new();
        let writer = TaskTracker::new();
        writer.spawn(write(db, queue, closing.clone()));
        writer.close();
        Self { rows, closing, writer }
    }

    /// Writes what is queued and ends. Nothing may be pushed afterwards.
    pub(super) async fn finish(&self) {
        self.closing.cancel();
        self.writer.wait().await;
    }

    /// Hands a row over; waits when the queue is full.
    pub(super) async fn push(&self, row: Row) {
        if self.rows.send(row).await.is_err() {
            // Calls end before the writer does; this would be a fault in the order of stopping.
            tracing::error!("the writer of the execution log is gone; a row is lost");
            metrics::execution_log_rows(false, 1);
        }
    }
}

async fn write(db: Database, mut rows: mpsc::Receiver<Row>, closing: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let first = tokio::select! {
            first = rows.recv() => first,
            () = closing.cancelled(), if !rows.is_closed() => {
                rows.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        batch.push(first);
        let until = tokio::time::Instant::now() + GATHER;
        while batch.len() < BATCH {
            match tokio::time::timeout_at(until, rows.recv()).await {
                Ok(Some(row)) => batch.push(row),
                Ok(None) | Err(_) => break,
            }
        }
        store(&db, &batch).await;
        batch.clear();
    }
}

/// Writes a batch, however long it takes.
async fn store(db: &Database, batch: &[Row]) {
    let mut pause = PAUSE;
    loop {
        match attempt(db, batch).await {
            Ok(()) => {
                metrics::execution_log_rows(true, batch.len() as u64);
                return;
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    rows = batch.len(),
                    "execution log rows could not be written; trying again"
                );
                metrics::execution_log_rows(false, batch.len() as u64);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn attempt(db: &Database, batch: &[Row]) -> Result<(), DbError> {
    let tx = db.begin().await?;
    execution_logs::insert_many(&tx, batch.to_vec()).await?;
    tx.commit().await
}
