//! The way of log rows to the database: bounded, in batches, nothing thrown away.
//!
//! A batch is written at most 50 ms after its first row was made, or when the one before it is done:
//! with the time of writing, kill -9 loses the last 100 ms. An orderly stop loses nothing, because it
//! waits until the last batch is written. When the database does not take a batch it is tried again;
//! rows are never thrown away, so whoever makes them waits when too many are queued.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::DbError;

/// How long a row may wait for others.
const GATHER: Duration = Duration::from_millis(50);
/// Rows in one batch: a full queue of the default size is one.
const BATCH: usize = 1_000;
/// Between attempts to write a batch, at first and at most.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Where the rows go.
pub(super) trait Store: Send + Sync + 'static {
    /// What is handed over.
    type Made: Send + 'static;
    /// What is made of it when its batch is written.
    type Row: Clone + Send + Sync + 'static;

    /// Called once for each, in the order in which they came.
    fn row(&self, made: Self::Made) -> Self::Row;

    /// Commits rows, or none of them.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when one of them is there already.
    fn commit(&self, rows: &[Self::Row]) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Those of the rows that are not there yet.
    fn lacking(&self, rows: &[Self::Row]) -> impl Future<Output = Result<Vec<Self::Row>, DbError>> + Send;

    /// Takes note of how many rows were written, or could not be for now.
    fn count(&self, written: bool, rows: u64);

    /// Tells those who listen of rows that are there now.
    fn tell(&self, rows: &[Self::Row]);

    /// Commits a batch, or nothing of it, and tells of it. The same batch may come again after an error,
    /// also when it was committed and only the answer got lost.
    fn write(&self, batch: &[Self::Row]) -> impl Future<Output = Result<(), DbError>> + Send {
        async move {
            match self.commit(batch).await {
                Err(DbError::Conflict { .. }) => self.commit(&self.lacking(batch).await?).await?,
                done => done?,
            }
            self.tell(batch);
            Ok(())
        }
    }
}

pub(super) struct Writer<S: Store> {
    rows: mpsc::Sender<(Instant, S::Made)>,
    /// Told when a row finds the queue full.
    full: Arc<Notify>,
    store: Arc<S>,
    closing: CancellationToken,
    task: TaskTracker,
}

impl<S: Store> Writer<S> {
    /// `queue` rows may be on their way.
    pub(super) fn start(store: S, queue: usize) -> Self {
        let (rows, queued) = mpsc::channel(queue.max(1));
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        let (store, full) = (Arc::new(store), Arc::new(Notify::new()));
        task.spawn(write(Arc::clone(&store), queued, Arc::clone(&full), closing.clone()));
        task.close();
        Self { rows, full, store, closing, task }
    }

    /// Writes what is queued and ends. Nothing may be pushed afterwards.
    pub(super) async fn finish(&self) {
        self.closing.cancel();
        self.task.wait().await;
    }

    /// Hands a row over; waits when the queue is full.
    pub(super) async fn push(&self, row: S::Made) {
        let row = match self.rows.try_send((Instant::now(), row)) {
            Ok(()) => return,
            Err(TrySendError::Full(row) | TrySendError::Closed(row)) => row,
        };
        self.full.notify_one();
        if self.rows.send(row).await.is_err() {
            // Those who make rows end before the writer does; this would be a fault in the order of
            // stopping.
            tracing::error!("the writer of a log is gone; a row is lost");
            self.store.count(false, 1);
        }
    }
}

async fn write<S: Store>(
    store: Arc<S>,
    mut rows: mpsc::Receiver<(Instant, S::Made)>,
    full: Arc<Notify>,
    closing: CancellationToken,
) {
    let mut batch = Vec::new();
    loop {
        let first = tokio::select! {
            first = rows.recv() => first,
            () = closing.cancelled(), if !rows.is_closed() => {
                rows.close();
                continue;
            }
        };
        let Some((made, first)) = first else { return };
        // Nobody is woken by the rows that come meanwhile. What was queued while the last batch was written
        // waits no more.
        tokio::select! {
            () = tokio::time::sleep_until(made + GATHER) => {}
            () = full.notified() => {}
            () = closing.cancelled() => {}
        }
        batch.push(store.row(first));
        while batch.len() < BATCH
            && let Ok((_, made)) = rows.try_recv()
        {
            batch.push(store.row(made));
        }
        store_whole(&*store, &batch).await;
        batch.clear();
    }
}

/// Writes a batch, however long it takes.
async fn store_whole<S: Store>(store: &S, batch: &[S::Row]) {
    let mut pause = PAUSE;
    loop {
        let rows = batch.len() as u64;
        match store.write(batch).await {
            Ok(()) => return store.count(true, rows),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    rows,
                    "log rows could not be written; trying again"
                );
                store.count(false, rows);
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Notes what is written, one batch for each permit, and refuses the first attempts.
    struct Notes {
        written: Mutex<Vec<Vec<u32>>>,
        told: Mutex<Vec<u32>>,
        begun: Semaphore,
        may: Semaphore,
        refusals: AtomicU32,
    }

    fn notes(batches: usize, refusals: u32) -> Arc<Notes> {
        let (begun, may) = (Semaphore::new(0), Semaphore::new(batches));
        let (written, told) = Default::default();
        Arc::new(Notes { written, told, begun, may, refusals: refusals.into() })
    }

    impl Store for Arc<Notes> {
        type Made = u32;
        type Row = u32;

        fn row(&self, made: u32) -> u32 {
            made
        }

        async fn commit(&self, batch: &[u32]) -> Result<(), DbError> {
            self.begun.add_permits(1);
            let refuse = self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if refuse.is_ok() {
                return Err(DbError::Unstorable);
            }
            self.may.acquire().await.expect("it is open").forget();
            self.written.lock().expect("no panic").push(batch.to_vec());
            Ok(())
        }

        async fn lacking(&self, rows: &[u32]) -> Result<Vec<u32>, DbError> {
            Ok(rows.to_vec())
        }

        fn count(&self, _: bool, _: u64) {}

        fn tell(&self, rows: &[u32]) {
            self.told.lock().expect("no panic").extend(rows);
        }
    }

    #[tokio::test]
    async fn a_row_is_written_though_none_follows_and_what_queued_meanwhile_goes_together() {
        let notes = notes(0, 0);
        let writer = Writer::start(Arc::clone(&notes), 10 * BATCH);
        writer.push(0).await;
        notes.begun.acquire().await.expect("it is open").forget();
        let last = 2 * u32::try_from(BATCH).expect("a small number") + 50;
        for row in 1..=last {
            writer.push(row).await;
        }
        notes.may.add_permits(100);
        writer.finish().await;
        let lengths: Vec<_> = notes.written.lock().expect("no panic").iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, BATCH, BATCH, 50]);
        let rows: Vec<u32> = notes.written.lock().expect("no panic").concat();
        assert_eq!(rows, (0..=last).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_batch_that_was_refused_is_written_later_and_keeps_its_place() {
        let notes = notes(1_000, 1);
        let writer = Writer::start(Arc::clone(&notes), 2);
        for row in 0..500 {
            writer.push(row).await;
        }
        writer.finish().await;
        let rows: Vec<u32> = notes.written.lock().expect("no panic").concat();
        assert_eq!(rows, (0..500).collect::<Vec<_>>());
        assert_eq!(*notes.told.lock().expect("no panic"), rows, "each is told once, when it is written");
    }

    #[test]
    fn gathering_leaves_as_much_time_for_writing() {
        assert!(GATHER * 2 <= Duration::from_millis(100));
    }
}
