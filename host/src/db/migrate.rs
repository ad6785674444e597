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

    /// Whether no change was ever applied: an empty database.
    pub fn is_untouched(&self) -> bool {
        self.unknown.is_empty() && self.changes.iter().all(|change| change.applied_at.is_none())
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

#[cfg(test)]
mod tests {
    use super::super::connection::on::On as _;
    use super::super::testing::{bare, fresh};
    use super::*;
    use crate::limits::Limits;

    /// Every column and index of the schema, as the database tells it.
    async fn schema(db: &Database) -> Vec<String> {
        let query = match db.backend() {
            sea_orm::DbBackend::Postgres => {
                "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name) AS line \
                 FROM information_schema.columns WHERE table_schema = current_schema() \
                 UNION ALL SELECT replace(indexdef, current_schema(), '') FROM pg_indexes \
                 WHERE schemaname = current_schema() \
                 UNION ALL SELECT conrelid::regclass::text || ' ' || replace(pg_get_constraintdef(oid), current_schema(), '') \
                 FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1"
            }
            _ => "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master ORDER BY 1",
        };
        let rows = db.on().query_all_raw(Statement::from_string(db.backend(), query)).await.expect("the schema");
        rows.iter().map(|row| row.try_get("", "line").expect("a line")).collect()
    }

    #[tokio::test]
    async fn every_change_has_a_way_back_and_forward_again() -> Result<(), MigrateError> {
        let db = bare(&Limits::default()).await;
        assert_eq!(schema(&db).await, [""; 0]);
        let names: Vec<_> = mcpbox_migrations::names().map(str::to_owned).collect();
        assert_eq!(up(&db).await?, names);
        assert_eq!(up(&db).await?, [""; 0]);
        let whole = schema(&db).await;
        assert_eq!(down(&db, &Back::All).await?, names.iter().rev().cloned().collect::<Vec<_>>());
        let left = schema(&db).await;
        assert!(left.iter().all(|line| line.contains("seaql_migrations")), "{left:?}");
        assert_eq!(up(&db).await?, names);
        assert_eq!(schema(&db).await, whole);
        for steps in 1..=names.len() {
            let gone = down(&db, &Back::Steps(steps as u32)).await?;
            assert_eq!(gone, names.iter().rev().take(steps).cloned().collect::<Vec<_>>());
            let left = schema(&db).await;
            for name in &gone {
                // m0001_servers: the table `servers`.
                let table = &name["m0001_".len()..];
                // A later change to a table that an earlier one made leaves that table.
                if names[..names.len() - steps].iter().any(|kept| kept["m0001_".len()..] == *table) {
                    continue;
                }
                let is_of_table = |line: &&String| line.split([' ', '"', '.', '(']).any(|word| word == table);
                assert_eq!(left.iter().find(is_of_table), None, "{name} left something behind");
            }
            assert_eq!(up(&db).await?.len(), steps);
            assert_eq!(schema(&db).await, whole);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_schema_that_is_behind_is_refused_with_the_command_that_helps() -> Result<(), MigrateError> {
        let db = bare(&Limits::default()).await;
        let error = ensure_current(&*db).await.expect_err("nothing is applied");
        let names: Vec<_> = mcpbox_migrations::names().collect();
        let lacking = format!("the database lacks {} changes of its schema; run `mcpbox migrate up`", names.len());
        assert_eq!(error.to_string(), lacking);
        assert!(status(&*db).await?.is_untouched());
        assert_eq!(schema(&db).await, [""; 0], "asking changes nothing");
        up(&db).await?;
        ensure_current(&*db).await?;
        let [kept @ .., before_last, last] = names.as_slice() else { panic!("there are changes") };
        let to = kept.last().expect("there are more changes than two");
        assert_eq!(down(&db, &Back::To((*to).to_owned())).await?, [*last, *before_last]);
        assert!(matches!(ensure_current(&*db).await, Err(MigrateError::Behind { pending: 2 })));
        let status = status(&*db).await?;
        assert_eq!(status.pending().map(|change| change.name.as_str()).collect::<Vec<_>>(), [*before_last, *last]);
        assert!(!status.is_current() && !status.is_untouched());
        let absent = down(&db, &Back::To((*last).to_owned())).await.expect_err("it is not applied");
        assert!(matches!(absent, MigrateError::NoSuchChange { .. }));
        Ok(())
    }

    #[tokio::test]
    async fn a_schema_of_a_later_release_is_left_alone() -> Result<(), MigrateError> {
        let db = fresh().await;
        let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)";
        db.on().execute_unprepared(later).await.expect("inserted");
        let before = schema(&db).await;
        let error = ensure_current(&*db).await.expect_err("a later release was here");
        assert!(error.to_string().contains("m9999_later"), "{error}");
        assert!(matches!(up(&db).await, Err(MigrateError::Ahead { .. })));
        assert!(matches!(down(&db, &Back::All).await, Err(MigrateError::Ahead { .. })));
        assert_eq!(schema(&db).await, before);
        Ok(())
    }

    #[tokio::test]
    async fn a_dry_run_prints_what_a_run_executes() -> Result<(), MigrateError> {
        let (dry, wet) = (bare(&Limits::default()).await, fresh().await);
        let changes = dry_run(&dry).await?;
        assert_eq!(
            changes.iter().map(|change| change.name).collect::<Vec<_>>(),
            mcpbox_migrations::names().collect::<Vec<_>>()
        );
        assert_eq!(schema(&dry).await, [""; 0], "a dry run changes nothing");
        for statement in changes.iter().flat_map(|change| &change.statements) {
            dry.on().execute_unprepared(statement).await.expect(statement);
        }
        let is_ours = |line: &String| !line.contains("seaql_migrations");
        let (dry_schema, wet_schema) = (schema(&dry).await, schema(&wet).await);
        let ours: Vec<_> = wet_schema.into_iter().filter(is_ours).collect();
        assert_eq!(dry_schema, ours);
        assert_eq!(dry_run(&wet).await?, []);
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn processes_that_migrate_at_once_do_it_once() -> Result<(), MigrateError> {
        let db = bare(&Limits::default()).await;
        let others = [Database::connect(db.location(), &Limits::default()).await?, (*db).clone()];
        let done = futures_util::future::join_all(others.iter().map(up)).await;
        let mut counts = Vec::new();
        for applied in done {
            counts.push(applied?.len());
        }
        counts.sort_unstable();
        assert_eq!(counts, [0, mcpbox_migrations::names().count()]);
        ensure_current(&*db).await
    }

    #[tokio::test]
    async fn a_change_is_dated() -> Result<(), MigrateError> {
        let db = fresh().await;
        for change in status(&*db).await?.changes {
            let applied_at = change.applied_at.expect("it is applied");
            assert!(applied_at > DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000), "{applied_at}");
        }
        Ok(())
    }
}
