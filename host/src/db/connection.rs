//! Connections and transactions.
//!
//! SQLite has one writer. Here writers queue for a turn inside this process, first come first
//! served, and begin with `BEGIN IMMEDIATE`; so none of them ever meets a busy database in the middle
//! of its work. Against another process (the command line beside a running host) the busy timeout
//! stands. `synchronous=FULL`: what was committed outlives kill -9 and a power failure, at the price
//! of one fsync for each transaction, which is small beside what a change by a person costs, and
//! which the execution log shares among all rows of a batch.
//!
//! Connections are opened as they are needed, `db_connections` and `db_overflow` of them; of those
//! that come back, so many stay open as `db_connections` says, until they are `db_recycle_s` old.
//!
//! PostgreSQL has to keep text as UTF-8. It runs at READ COMMITTED: what must not change between reading and
//! writing is locked ([`tools::lock`](super::tools::lock), [`Tx::lock`]) or written on condition.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction,
    DbBackend, DbErr, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::audit::Act;
use super::error::{DbError, Doing};
use super::location::Location;
use super::rows::{Appending, of_driver};
use crate::limits::Limits;

/// After this long without use a connection to PostgreSQL is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(30);

/// A connection over the number that stays is used for at least this long before it is closed: while more are
/// needed all the time, they must not be opened for each query.
const WORTH_OPENING: Duration = Duration::from_secs(1);

const BEGIN: &str = "begin a transaction";

/// The open database. Clones share its connections.
#[derive(Clone)]
pub struct Database {
    pool: Arc<DatabaseConnection>,
    location: Location,
    /// The turn to write, where there is one writer.
    turn: Option<Arc<Semaphore>>,
    wait: Duration,
    writes: Arc<AtomicU64>,
    hears: Arc<OnceLock<Hears>>,
}

/// Hears of the acts whose audit rows were committed, in their order.
type Hears = Box<dyn Fn(Vec<Act>) + Send + Sync>;

/// Judges connections that come back: as many stay open as `keep` says.
#[derive(Clone)]
struct Surplus {
    keep: usize,
    /// Empty until the pool is open; weak, because the pool owns this.
    pool: Arc<OnceLock<Weak<DatabaseConnection>>>,
}

/// Several reads and writes that become visible together. Dropped without [`Tx::commit`], nothing
/// of it has happened.
///
/// A task holds at most one: a second one would wait for the turn or the connection of the first.
pub struct Tx {
    inner: DatabaseTransaction,
    acts: Mutex<Vec<Act>>,
    hears: Arc<OnceLock<Hears>>,
    /// Counted after the transaction's end, whatever it was: fields are dropped in order.
    write: Option<Write>,
    /// Given back after it.
    turn: Option<OwnedSemaphorePermit>,
}

/// Counts a write when it is over.
struct Write(Arc<AtomicU64>);

impl Drop for Write {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Where a read runs: on any free connection ([`Database`]), or inside a transaction ([`Tx`]).
pub trait Conn: on::On {}

pub(super) mod on {
    /// What only the files of this room can do with a [`Conn`](super::Conn).
    pub trait On: Sync {
        fn on(&self) -> sea_orm::DatabaseExecutor<'_>;
    }
}

/// Work that one process at a time may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    Migrations,
    FirstAdmin,
}

impl Database {
    /// Opens the database; a SQLite file that is absent is made, readable only by this user. The
    /// schema is not looked at: see [`super::migrate`].
    ///
    /// # Errors
    /// [`DbError::Open`] when it cannot be reached within `db_wait_s`, [`DbError::File`] when the
    /// file cannot be made, [`DbError::Encoding`] when it does not keep every character.
    pub async fn connect(location: &Location, limits: &Limits) -> Result<Self, DbError> {
        let wait = Duration::from_secs(limits.db_wait_s);
        let fail = |source| DbError::Open { location: Box::new(location.clone()), source };
        // The address itself is handed to the driver by a closure: sea_orm would write the
        // options, password and all, into its trace.
        let surplus = Surplus { keep: Limits::size(limits.db_connections), pool: Arc::default() };
        let mut options = ConnectOptions::new(match location {
            Location::Sqlite(_) => "sqlite:mcpbox",
            Location::Postgres(_) => "postgres://mcpbox",
        });
        options
            .max_connections(u32::try_from(limits.db_connections + limits.db_overflow).unwrap_or(u32::MAX))
            .max_lifetime(Duration::from_secs(limits.db_recycle_s))
            .acquire_timeout(wait)
            .sqlx_logging(false);
        let turn = match location {
            Location::Sqlite(path) => {
                make_private(path).map_err(|source| DbError::File { location: Box::new(location.clone()), source })?;
                let driver = sqlite(path, wait);
                let surplus = surplus.clone();
                options
                    .test_before_acquire(false)
                    .map_sqlx_sqlite_opts(move |_| driver.clone())
                    .map_sqlx_sqlite_pool_opts(move |options| surplus.closed_by(options));
                Some(Arc::new(Semaphore::new(1)))
            }
            Location::Postgres(url) => {
                let driver: PgConnectOptions =
                    url.as_str().parse().map_err(|error| fail(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))))?;
                let is_named = url.query_pairs().any(|(key, _)| key == "application_name");
                let driver = if is_named { driver } else { driver.application_name("mcpbox") };
                let surplus = surplus.clone();
                options
                    .test_before_acquire_if_idle_for(TRUSTED_IDLE)
                    .map_sqlx_postgres_opts(move |_| driver.clone())
                    .map_sqlx_postgres_pool_opts(move |options| surplus.closed_by(options));
                None
            }
        };
        let pool = Arc::new(sea_orm::Database::connect(options).await.map_err(fail)?);
        if let Some(encoding) = foreign_encoding(&pool).await.doing("say how it keeps text")? {
            return Err(DbError::Encoding { location: Box::new(location.clone()), encoding });
        }
        // It is empty: nobody else knows it.
        let _ = surplus.pool.set(Arc::downgrade(&pool));
        let (writes, hears) = Default::default();
        Ok(Self { pool, location: location.clone(), turn, wait, writes, hears })
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when there is no turn or no connection within `db_wait_s`.
    pub async fn begin(&self) -> Result<Tx, DbError> {
        let begun = self.begin_rows().await?;
        Ok(Tx { write: Some(Write(Arc::clone(&self.writes))), ..begun })
    }

    /// Begins a transaction that writes rows of logs or sessions and nothing by which a call is decided: it is
    /// not counted in [`writes`](Self::writes).
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_rows(&self) -> Result<Tx, DbError> {
        let turn = match &self.turn {
            Some(turn) => Some(self.turn(turn).await?),
            None => None,
        };
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let inner = self.pool.begin_with_options(options).await.doing(BEGIN)?;
        let (acts, hears) = (Mutex::default(), Arc::clone(&self.hears));
        Ok(Tx { inner, acts, hears, write: None, turn })
    }

    /// Begins a transaction that writes many rows of logs.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_appending(&self) -> Result<Appending, DbError> {
        let Some(turn) = &self.turn else { return Ok(Appending::on_postgres(self.begin_rows().await?)) };
        let turn = self.turn(turn).await?;
        let begun = self.pool.get_sqlite_connection_pool().begin_with("BEGIN IMMEDIATE").await;
        Ok(Appending::on_sqlite(begun.map_err(of_driver).doing(BEGIN)?, turn))
    }

    /// Waits for the turn to write.
    async fn turn(&self, turn: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, DbError> {
        let failed =
            || DbError::Unavailable { doing: BEGIN, source: DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) };
        let taken = tokio::time::timeout(self.wait, Arc::clone(turn).acquire_owned()).await;
        taken.map_err(|_| failed())?.map_err(|_| failed())
    }

    /// From now on `hears` is told what was committed with an audit row, when it is. The first one stays.
    pub fn heard_by(&self, hears: impl Fn(Vec<Act>) + Send + Sync + 'static) {
        // There is one already: it goes on hearing everything.
        let _ = self.hears.set(Box::new(hears));
    }

    /// How many transactions of this process are over. What was read while this number was the same is still
    /// so, but for what other processes wrote.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.pool.execute_unprepared("SELECT 1").await.doing("answer a ping")?;
        Ok(())
    }

    /// Closes all connections after what runs on them; SQLite folds its log into the file.
    pub async fn close(&self) -> Result<(), DbError> {
        self.pool.close_by_ref().await.doing("close its connections")
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }
}

impl Surplus {
    fn closed_by<DB: sea_orm::sqlx::Database>(&self, options: PoolOptions<DB>) -> PoolOptions<DB> {
        let surplus = self.clone();
        options.after_release(move |_, connection| {
            let stays = !surplus.has(connection.age);
            Box::pin(async move { Ok(stays) })
        })
    }

    /// Whether a connection of this age that comes back is one too many. Others that come back in the same
    /// moment are neither idle nor in use, so that the number of idle ones alone does not tell.
    fn has(&self, age: Duration) -> bool {
        let pool = self.pool.get().and_then(Weak::upgrade);
        pool.is_some_and(|pool| {
            let (open, idle) = open_and_idle(&pool);
            idle >= self.keep || (Limits::size(open.into()) > self.keep && age >= WORTH_OPENING)
        })
    }
}

/// How many connections are open, and how many of those nothing uses.
fn open_and_idle(pool: &DatabaseConnection) -> (u32, usize) {
    if pool.get_database_backend() == DbBackend::Postgres {
        let pool = pool.get_postgres_connection_pool();
        (pool.size(), pool.num_idle())
    } else {
        let pool = pool.get_sqlite_connection_pool();
        (pool.size(), pool.num_idle())
    }
}

impl Tx {
    /// Makes everything visible and durable, or nothing.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, acts, hears, write, turn } = self;
        inner.commit().await.doing("commit a transaction")?;
        // Whoever hears of it reads what it wrote.
        drop(write);
        drop(turn);
        let acts = acts.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(hears) = hears.get().filter(|_| !acts.is_empty()) {
            hears(acts);
        }
        Ok(())
    }

    /// Takes note of an act, to be told when it is committed.
    pub(super) fn note(&self, act: Act) {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }

    /// Waits until no other transaction holds the same lock, and holds it to the end of this one.
    /// On SQLite a transaction is alone anyhow.
    pub async fn lock(&self, lock: Lock) -> Result<(), DbError> {
        if self.inner.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        // Advisory locks are numbers shared by everyone in the database: ours begin with "mcpbox".
        let number = 0x6d63_7062_6f78_0000_i64
            + match lock {
                Lock::Migrations => 1,
                Lock::FirstAdmin => 2,
            };
        let statement = format!("SELECT pg_advisory_xact_lock({number})");
        self.inner.execute_unprepared(&statement).await.doing("wait for a lock")?;
        Ok(())
    }

    pub(super) fn inner(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

impl Conn for Database {}
impl Conn for Tx {}

impl on::On for Database {
    fn on(&self) -> DatabaseExecutor<'_> {
        DatabaseExecutor::Connection(&self.pool)
    }
}

impl on::On for Tx {
    fn on(&self) -> DatabaseExecutor<'_> {
        DatabaseExecutor::Transaction(&self.inner)
    }
}

/// How a PostgreSQL database keeps text, if that is not UTF-8. SQLite knows nothing but Unicode.
async fn foreign_encoding(pool: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    if pool.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let asked = Statement::from_string(DbBackend::Postgres, "SHOW server_encoding");
    let row = pool.query_one_raw(asked).await?;
    let encoding = row.map(|row| row.try_get_by_index::<String>(0)).transpose()?;
    Ok(encoding.filter(|encoding| encoding != "UTF8"))
}

fn sqlite(path: &Path, wait: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(wait)
}

/// Makes an empty file with mode 0600 when there is none; SQLite gives its log the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
