//! The schema: where it stands, forward, back.
//!
//! A host serves only a database whose schema it knows: behind and ahead are both refused, with the
//! command that helps.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mcpbox_migrations::{Migrator, MigratorTrait as _, seaql_migrations};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryOrder as _, Statement};

use super::error::Doing as _;
use super::{Conn, Database, DbError, Lock, Tx};

/// One change of the schema and when it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    /// To the second; none while it waits.
    pub applied_at: Option<DateTime<Utc>>,
}

/// A change that waits, and the statements that it will execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    pub name: &'static str,
    pub statements: Vec<String>,
}

/// Where the schema stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The changes that this release knows, oldest first.
    pub changes: Vec<Change>,
    /// Applied changes that this release does not know: a later release was here.
    pub unknown: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database lacks {pending} changes of its schema; run `mcpbox migrate up`")]
    Behind { pending: usize },
    #[error(
        "the database has changes of a later release ({}); run that release, or take them back with its \
         `mcpbox migrate down`",
        unknown.join(", ")
    )]
    Ahead { unknown: Vec<String> },
    #[error("there is no applied change `{name}`; `mcpbox migrate history` lists them")]
    NoSuchChange { name: String },
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How far back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// So many of the newest applied changes.
    Steps(u32),
    /// Everything that was applied after this change.
    To(String),
    /// Everything.
    All,
}

impl Status {
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.applied_at.is_none())
    }

    pub fn is_current(&self) -> bool {
        self.unknown.is_empty() && self.pending().next().is_none()
    }
}

/// Reads where the schema stands and changes nothing: an empty database stays empty.
pub async fn status(db: &impl Conn) -> Result<Status, DbError> {
    let applied = applied(db).await?;
    let known: BTreeSet<&str> = mcpbox_migrations::names().collect();
    let unknown = applied.iter().map(|row| &row.version).filter(|name| !known.contains(name.as_str()));
    let changes = mcpbox_migrations::names().map(|name| {
        let row = applied.iter().find(|row| row.version == name);
        Change { name: name.to_owned(), applied_at: row.and_then(|row| DateTime::from_timestamp(row.applied_at, 0)) }
    });
    Ok(Status { unknown: unknown.cloned().collect(), changes: changes.collect() })
}

/// # Errors
/// [`MigrateError::Behind`] and [`MigrateError::Ahead`], which name the command that helps.
pub async fn ensure_current(db: &impl Conn) -> Result<(), MigrateError> {
    let status = status(db).await?;
    if !status.unknown.is_empty() {
        return Err(MigrateError::Ahead { unknown: status.unknown });
    }
    match status.pending().count() {
        0 => Ok(()),
        pending => Err(MigrateError::Behind { pending }),
    }
}

/// The statements that [`up`] would execute.
pub async fn dry_run(db: &Database) -> Result<Vec<PendingChange>, DbError> {
    let status = status(db).await?;
    let waiting: BTreeSet<&str> = status.pending().map(|change| change.name.as_str()).collect();
    let changes = mcpbox_migrations::names().filter(|name| waiting.contains(name)).map(|name| PendingChange {
        name,
        statements: mcpbox_migrations::statements(name, db.backend()).unwrap_or_default(),
    });
    Ok(changes.collect())
}

/// Applies all changes that wait, in one transaction; of several processes that try, one does it and
/// the others find it done. The names of what was applied.
///
/// # Errors
/// [`MigrateError::Ahead`]: nothing is applied on top of changes that this release does not know.
pub async fn up(db: &Database) -> Result<Vec<String>, MigrateError> {
    let tx = db.begin().await?;
    tx.lock(Lock::Migrations).await?;
    let status = known(&tx).await?;
    Migrator::up(tx.inner(), None).await.doing("apply the changes of its schema")?;
    tx.commit().await?;
    Ok(status.pending().map(|change| change.name.clone()).collect())
}

/// Takes changes back, newest first, with everything that their tables hold, in one transaction.
/// The names of what was taken back.
///
/// # Errors
/// [`MigrateError::Ahead`], and [`MigrateError::NoSuchChange`] when the one to go back to is not
/// applied.
pub async fn down(db: &Database, back: &Back) -> Result<Vec<String>, MigrateError> {
    let tx = db.begin().await?;
    tx.lock(Lock::Migrations).await?;
    let status = known(&tx).await?;
    let mut applied: Vec<String> =
        status.changes.into_iter().filter(|change| change.applied_at.is_some()).map(|change| change.name).collect();
    applied.reverse();
    let steps = match back {
        Back::Steps(steps) => *steps as usize,
        Back::To(name) => applied
            .iter()
            .position(|applied| applied == name)
            .ok_or_else(|| MigrateError::NoSuchChange { name: name.clone() })?,
        Back::All => applied.len(),
    };
    applied.truncate(steps);
    let steps = u32::try_from(applied.len()).unwrap_or(u32::MAX);
    Migrator::down(tx.inner(), Some(steps)).await.doing("take back changes of its schema")?;
    tx.commit().await?;
    Ok(applied)
}

async fn known(tx: &Tx) -> Result<Status, MigrateError> {
    let status = status(tx).await?;
    if status.unknown.is_empty() { Ok(status) } else { Err(MigrateError::Ahead { unknown: status.unknown }) }
}

/// The applied changes by name; none when the table that lists them is not there.
async fn applied(db: &impl Conn) -> Result<Vec<seaql_migrations::Model>, DbError> {
    let doing = "read where its schema stands";
    let on = db.on();
    let backend = on.get_database_backend();
    let present = match backend {
        sea_orm::DbBackend::Postgres => {
            "SELECT 1 AS found FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = 'seaql_migrations'"
        }
        _ => "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
    };
    if on.query_one_raw(Statement::from_string(backend, present)).await.doing(doing)?.is_none() {
        return Ok(Vec::new());
    }
    let query = seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version);
    query.all(&on).await.doing(doing)
}
