//! The way of log rows to the database: bounded, in batches, in order.
//!
//! A batch is written at most 50 ms after its first row was made, or when the one before it is done: kill -9
//! loses these 50 ms and the time of one write, or of two where they take longer. An orderly stop loses
//! nothing that the database takes in time, because it waits until the last batch is written. When the
//! database does not take a batch it is tried again; rows are not thrown away, so whoever makes them waits
//! when too many are queued. The one exception is a row that the database refuses for what it holds: it would
//! be refused for ever, so it is told of and left out, and those beside it are written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// A database that is there and refuses a batch so often, for whatever reason, gets its halves.
const REFUSALS: u32 = 3;
/// Rows that are not written after so long do not get through.
const STUCK: Duration = Duration::from_secs(5);

/// What became of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// They will be tried again.
    Failed,
    /// Nobody will ever read them.
    Lost,
}

impl Fate {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

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

    /// By what name a row is known elsewhere.
    fn id(&self, row: &Self::Row) -> String;

    /// Takes note of what became of so many rows.
    fn count(&self, fate: Fate, rows: u64);

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
    in_hand: Arc<InHand>,
    closing: CancellationToken,
    task: TaskTracker,
}

/// What is being written: how many rows, and since when.
#[derive(Default)]
struct InHand(Mutex<Option<(usize, Instant)>>);

impl InHand {
    fn set(&self, rows: usize) {
        *self.kept() = (rows > 0).then(|| (rows, Instant::now()));
    }

    fn kept(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Store> Writer<S> {
    /// `queue` rows may be on their way.
    pub(super) fn start(store: S, queue: usize) -> Self {
        let (rows, queued) = mpsc::channel(queue.max(1));
        let closing = CancellationToken::new();
        let task = TaskTracker::new();
        let (store, full, in_hand) = (Arc::new(store), Arc::new(Notify::new()), Arc::<InHand>::default());
        task.spawn(write(Arc::clone(&store), queued, Arc::clone(&full), Arc::clone(&in_hand), closing.clone()));
        task.close();
        Self { rows, full, store, in_hand, closing, task }
    }

    /// Whether rows get to the database.
    pub(super) fn flows(&self) -> bool {
        self.in_hand.kept().is_none_or(|(_, since)| since.elapsed() < STUCK)
    }

    /// How many rows are on their way.
    pub(super) fn on_the_way(&self) -> usize {
        let in_hand = self.in_hand.kept().map_or(0, |(rows, _)| rows);
        in_hand + self.rows.max_capacity() - self.rows.capacity()
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
            self.store.count(Fate::Lost, 1);
        }
    }
}

async fn write<S: Store>(
    store: Arc<S>,
    mut rows: mpsc::Receiver<(Instant, S::Made)>,
    full: Arc<Notify>,
    in_hand: Arc<InHand>,
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
        store_whole(&*store, &batch, &in_hand).await;
        batch.clear();
    }
}

/// Writes a batch, however long it takes; in halves, and those in halves, when it is refused, so that what cannot
/// be written holds up nothing else.
async fn store_whole<S: Store>(store: &S, batch: &[S::Row], in_hand: &InHand) {
    let mut left = vec![batch];
    while let Some(rows) = left.pop() {
        in_hand.set(rows.len() + left.iter().map(|rows| rows.len()).sum::<usize>());
        let Err(error) = store_some(store, rows).await else { continue };
        match rows {
            [row] => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    row = store.id(row),
                    "the database refuses a log row for what it holds; it is lost"
                );
                store.count(Fate::Lost, 1);
            }
            _ => {
                store.count(Fate::Failed, rows.len() as u64);
                let (first, second) = rows.split_at(rows.len() / 2);
                left.extend([second, first]);
            }
        }
    }
    in_hand.set(0);
}

/// Writes rows together.
///
/// # Errors
/// When a row of them is at fault, or when the database is there and refuses them again and again; then they are
/// more than one.
async fn store_some<S: Store>(store: &S, batch: &[S::Row]) -> Result<(), DbError> {
    let (mut pause, mut refused) = (PAUSE, 0);
    let rows = batch.len() as u64;
    loop {
        let error = match store.write(batch).await {
            Ok(()) => {
                store.count(Fate::Written, rows);
                return Ok(());
            }
            Err(error) => error,
        };
        refused += u32::from(!matches!(error, DbError::Unavailable { .. }));
        if error.is_of_rows() || (refused >= REFUSALS && rows > 1) {
            return Err(error);
        }
        tracing::error!(error = &error as &dyn std::error::Error, rows, "log rows could not be written; trying again");
        store.count(Fate::Failed, rows);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::db::Location;

    /// Notes what is written, one batch for each permit, and refuses the first attempts, and some rows always.
    struct Notes {
        written: Mutex<Vec<Vec<u32>>>,
        told: Mutex<Vec<u32>>,
        begun: Semaphore,
        may: Semaphore,
        refusals: AtomicU32,
        unstorable: Vec<u32>,
        lost: AtomicU64,
    }

    fn notes(batches: usize, refusals: u32, unstorable: &[u32]) -> Arc<Notes> {
        let (begun, may) = (Semaphore::new(0), Semaphore::new(batches));
        let (written, told, lost) = Default::default();
        Arc::new(Notes { written, told, begun, may, refusals: refusals.into(), unstorable: unstorable.to_vec(), lost })
    }

    impl Notes {
        fn rows(&self) -> Vec<u32> {
            self.written.lock().expect("no panic").concat()
        }
    }

    /// As a full disk does.
    fn no_fault_of_a_row() -> DbError {
        let location = Box::new(Location::Sqlite("full".into()));
        DbError::File { location, source: std::io::Error::other("full") }
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
                return Err(no_fault_of_a_row());
            }
            if batch.iter().any(|row| self.unstorable.contains(row)) {
                return Err(DbError::Unstorable);
            }
            self.may.acquire().await.expect("it is open").forget();
            self.written.lock().expect("no panic").push(batch.to_vec());
            Ok(())
        }

        async fn lacking(&self, rows: &[u32]) -> Result<Vec<u32>, DbError> {
            Ok(rows.to_vec())
        }

        fn id(&self, row: &u32) -> String {
            row.to_string()
        }

        fn count(&self, fate: Fate, rows: u64) {
            self.lost.fetch_add(if fate == Fate::Lost { rows } else { 0 }, Ordering::Relaxed);
        }

        fn tell(&self, rows: &[u32]) {
            self.told.lock().expect("no panic").extend(rows);
        }
    }

    #[tokio::test]
    async fn a_row_is_written_though_none_follows_and_what_queued_meanwhile_goes_together() {
        let notes = notes(0, 0, &[]);
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
        assert_eq!(notes.rows(), (0..=last).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_batch_that_was_refused_is_written_later_and_keeps_its_place() {
        // Once and it is written whole; more often, and its halves are.
        for (refusals, queue) in [(1, 2), (REFUSALS + 1, 1_000)] {
            let notes = notes(1_000, refusals, &[]);
            let writer = Writer::start(Arc::clone(&notes), queue);
            for row in 0..500 {
                writer.push(row).await;
            }
            writer.finish().await;
            let rows = notes.rows();
            assert_eq!(rows, (0..500).collect::<Vec<_>>());
            assert_eq!(*notes.told.lock().expect("no panic"), rows, "each is told once, when it is written");
            assert_eq!(notes.lost.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test]
    async fn a_row_that_is_refused_for_what_it_holds_is_lost_and_no_other() {
        let unstorable = [0, 1, 77, 499];
        let notes = notes(1_000, 0, &unstorable);
        let writer = Writer::start(Arc::clone(&notes), 1_000);
        for row in 0..500 {
            writer.push(row).await;
        }
        writer.finish().await;
        assert_eq!(notes.rows(), (0..500).filter(|row| !unstorable.contains(row)).collect::<Vec<_>>());
        assert_eq!(notes.lost.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn one_row_alone_is_tried_again_while_the_fault_is_not_its_own() {
        let notes = notes(1, REFUSALS + 1, &[]);
        let writer = Writer::start(Arc::clone(&notes), 1);
        writer.push(7).await;
        writer.finish().await;
        assert_eq!((notes.rows(), notes.lost.load(Ordering::Relaxed)), (vec![7], 0));
    }

    #[tokio::test]
    async fn rows_that_do_not_get_through_are_known() {
        let notes = notes(0, 0, &[]);
        let writer = Writer::start(Arc::clone(&notes), 10);
        assert!(writer.flows() && writer.on_the_way() == 0);
        writer.push(0).await;
        notes.begun.acquire().await.expect("it is open").forget();
        writer.push(1).await;
        assert!(writer.flows(), "it is not slow yet");
        assert_eq!(writer.on_the_way(), 2);
        let long_ago = Instant::now().checked_sub(STUCK).expect("the machine is up for longer");
        *writer.in_hand.kept() = Some((1, long_ago));
        assert!(!writer.flows());
        notes.may.add_permits(2);
        writer.finish().await;
        assert!(writer.flows() && writer.on_the_way() == 0);
    }
}
