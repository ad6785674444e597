//! Transactions, writers and readers side by side, and how many connections stay open.

use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;

use super::super::testing::{all, bare, fresh, server};
use super::super::{migrate, servers, settings};
use super::*;
use crate::db::connection::on::On as _;
use crate::db::testing::at;

#[tokio::test]
async fn what_is_not_committed_has_not_happened() -> Result<(), DbError> {
    let db = fresh().await;
    let tx = db.begin().await?;
    servers::insert(&tx, server("dropped")).await?;
    assert!(servers::by_name(&tx, "dropped").await?.is_some());
    assert!(servers::by_name(&*db, "dropped").await?.is_none());
    drop(tx);
    let tx = db.begin().await?;
    servers::insert(&tx, server("kept")).await?;
    tx.commit().await?;
    let names: Vec<_> = servers::list(&*db, &all()).await?.items.into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["kept"]);
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_keep_every_character_is_refused() -> Result<(), DbError> {
    let db = fresh().await;
    // SQLite knows no other encoding.
    let Location::Postgres(mut url) = db.location().clone() else { return Ok(()) };
    let name = format!("latin_{}", uuid::Uuid::now_v7().simple());
    let run = async |statement: String| db.on().execute_unprepared(&statement).await.doing("try").map(drop);
    run(format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")).await?;
    url.set_path(&name);
    let refused = Database::connect(&Location::Postgres(url), &Limits::default()).await;
    run(format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    let Err(error) = refused else { panic!("it was opened") };
    assert!(matches!(&error, DbError::Encoding { encoding, .. } if encoding == "LATIN1"), "{error}");
    assert!(error.to_string().contains("ENCODING 'UTF8'"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_write_counts_when_it_is_over_and_rows_of_logs_do_not_count() -> Result<(), DbError> {
    let db = fresh().await;
    let before = db.writes();
    let tx = db.begin().await?;
    assert_eq!(db.writes(), before, "it is not over");
    tx.commit().await?;
    assert_eq!(db.writes(), before + 1);
    drop(db.begin().await?);
    assert_eq!(db.writes(), before + 2, "an end whose outcome nobody knows counts too");
    db.begin_rows().await?.commit().await?;
    assert_eq!(db.writes(), before + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_writers_at_once_all_succeed_and_lose_no_update() -> Result<(), DbError> {
    let db = fresh().await;
    // Each reads a number and writes the next one, which only works one after the other.
    let add_one = async |writer: usize| -> Result<(), DbError> {
        let tx = db.begin().await?;
        tx.lock(Lock::FirstAdmin).await?;
        let count = settings::get(&tx, "count").await?.map_or(0, |row| row.value.parse::<u32>().unwrap());
        let value = (count + 1).to_string();
        let row =
            settings::Setting { key: "count".to_owned(), value, updated_at: at(0), updated_by: writer.to_string() };
        settings::set(&tx, row).await?;
        servers::insert(&tx, server(&format!("server{writer}"))).await?;
        tx.commit().await
    };
    for done in join_all((0..50).map(add_one)).await {
        done?;
    }
    assert_eq!(settings::get(&*db, "count").await?.map(|row| row.value), Some("50".to_owned()));
    assert_eq!(servers::list(&*db, &all()).await?.total, 50);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_pools_on_one_file_wait_for_each_other() -> Result<(), DbError> {
    // As the command line does beside a running host.
    let db = fresh().await;
    let other = Database::connect(db.location(), &Limits::default()).await?;
    let insert = async |n: usize| -> Result<(), DbError> {
        let tx = if n.is_multiple_of(2) { db.begin().await? } else { other.begin().await? };
        servers::insert(&tx, server(&format!("server{n}"))).await?;
        tx.commit().await
    };
    for done in join_all((0..20).map(insert)).await {
        done?;
    }
    assert_eq!(servers::list(&other, &all()).await?.total, 20);
    other.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_and_readers_at_once_never_meet_a_locked_database() -> Result<(), DbError> {
    // Two processes' worth of connections that come and go, so that logs are folded into the file meanwhile.
    let limits = Limits { db_connections: 1, db_overflow: 4, db_wait_s: 120, ..Limits::default() };
    let db = bare(&limits).await;
    migrate::up(&db).await.expect("the schema is applied");
    let other = Database::connect(db.location(), &limits).await?;
    let round = async |n: usize| -> Result<(), DbError> {
        let db = if n.is_multiple_of(2) { &*db } else { &other };
        let tx = if n.is_multiple_of(3) { db.begin_rows().await? } else { db.begin().await? };
        // Reads first: a transaction that only then became one that writes would find that others wrote meanwhile.
        let there = servers::list(&tx, &all()).await?.total;
        servers::insert(&tx, server(&format!("server{n}"))).await?;
        let seen = servers::list(&tx, &all()).await?.total - there;
        // On PostgreSQL others write meanwhile.
        let alone = matches!(db.location(), Location::Sqlite(_));
        assert!(if alone { seen == 1 } else { seen >= 1 }, "it sees what it wrote: {seen}");
        match n % 7 {
            // Somebody who goes away in the middle.
            0 => drop(tx),
            _ => tx.commit().await?,
        }
        servers::list(db, &all()).await.map(drop)
    };
    for done in join_all((0..140).map(round)).await {
        done?;
    }
    assert_eq!(servers::list(&other, &all()).await?.total, 120);
    other.close().await
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() -> Result<(), DbError> {
    let db = fresh().await;
    let tx = db.begin().await?;
    servers::insert(&tx, server("pending")).await?;
    assert_eq!(servers::list(&*db, &all()).await?.total, 0);
    tx.commit().await
}

/// Holds: db_connections, db_overflow, db_wait_s.
#[tokio::test]
async fn connections_over_the_size_are_opened_up_to_the_overflow_and_closed_when_they_come_back() -> Result<(), DbError>
{
    let limits = Limits { db_connections: 2, db_overflow: 1, db_wait_s: 1, ..Limits::default() };
    let db = bare(&limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(db.pool.begin().await.doing("begin")?);
    }
    let began = std::time::Instant::now();
    assert!(matches!(db.ping().await, Err(DbError::Unavailable { .. })), "three are open, and all are in use");
    assert!(began.elapsed() >= Duration::from_secs(1));
    drop(held);
    // Connections come back behind the pool's back.
    let closed = async {
        while open_and_idle(&db.pool).0 > 2 {
            db.ping().await?;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("one of the three is closed")?;
    db.ping().await
}

/// Holds: db_recycle_s.
#[tokio::test]
async fn a_connection_that_is_too_old_is_replaced_once_nothing_uses_it() -> Result<(), DbError> {
    let limits = Limits { db_connections: 1, db_overflow: 0, db_recycle_s: 1, ..Limits::default() };
    let db = bare(&limits).await;
    let held = db.pool.begin().await.doing("begin")?;
    // Of this connection alone, and gone with it.
    held.execute_unprepared("CREATE TEMPORARY TABLE mark (n INTEGER)").await.doing("mark the connection")?;
    held.commit().await.doing("commit")?;
    let began = std::time::Instant::now();
    let replaced = async { while db.on().execute_unprepared("SELECT n FROM mark").await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), replaced).await.expect("it is replaced");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    db.ping().await
}

#[tokio::test]
async fn a_writer_that_gets_no_turn_in_time_is_told_so() -> Result<(), DbError> {
    let db = bare(&Limits { db_wait_s: 1, db_connections: 1, db_overflow: 0, ..Limits::default() }).await;
    let first = db.begin().await?;
    let error = db.begin().await.err().expect("there is one connection, and it is taken");
    assert!(matches!(error, DbError::Unavailable { .. }), "{error}");
    drop(first);
    Ok(())
}

#[tokio::test]
async fn a_closed_database_is_unavailable() -> Result<(), DbError> {
    let db = bare(&Limits::default()).await;
    db.ping().await?;
    db.close().await?;
    assert!(matches!(db.ping().await, Err(DbError::Unavailable { .. })));
    Ok(())
}

#[tokio::test]
async fn a_sqlite_database_is_private_and_durable() -> Result<(), DbError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcpbox.db");
    let db = Database::connect(&Location::Sqlite(path), &Limits::default()).await?;
    let tx = db.begin().await?;
    tx.inner().execute_unprepared("CREATE TABLE t (n INTEGER)").await.doing("create")?;
    tx.commit().await?;
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("entry")).collect();
    files.sort_by_key(|entry| entry.file_name());
    let modes: Vec<_> = files
        .iter()
        .map(|entry| (entry.file_name(), entry.metadata().expect("metadata").permissions().mode() & 0o777))
        .collect();
    let private = ["mcpbox.db", "mcpbox.db-shm", "mcpbox.db-wal"].map(|name| (name.into(), 0o600));
    assert_eq!(modes, private);
    for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
        let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {pragma}"));
        let row = db.on().query_one_raw(statement).await.doing("read a pragma")?.expect("a row");
        let value: String = row
            .try_get_by_index::<String>(0)
            .or_else(|_| row.try_get_by_index::<i64>(0).map(|number| number.to_string()))
            .expect("a value");
        assert_eq!(value, expected, "{pragma}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { db_wait_s: 1, ..Limits::default() };
    let absent = Location::Sqlite(folder.path().join("no/such/folder/mcpbox.db"));
    let error = Database::connect(&absent, &limits).await.err().expect("there is no such folder");
    assert!(matches!(error, DbError::File { .. }), "{error}");
    let address = format!("postgres://me:hunter2@localhost/box?host={}", folder.path().display());
    let nobody: Location = address.parse().expect("an address");
    let error = Database::connect(&nobody, &limits).await.err().expect("nobody listens there");
    assert!(matches!(error, DbError::Open { .. }), "{error}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
