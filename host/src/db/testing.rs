//! Databases for tests: a fresh one each, gone afterwards.
//!
//! SQLite in a temporary folder, or, when `MCPBOX_TEST_DATABASE_URL` names a PostgreSQL database, a
//! schema of its own in there, so that the same tests run on both.

use std::ops::Deref;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryTrait};
use uuid::Uuid;

use super::connection::on::On as _;
use super::execution_logs::ExecutionLog;
use super::servers::Server;
use super::tools::Tool;
use super::versions::Version;
use super::{
    Database, Exports, Location, PageRequest, Texts, Tx, Whole, blobs, migrate, servers, tool_names, tools, versions,
};
use crate::domain::digest::Digest;
use crate::domain::ids::{CallId, ServerId, ToolId, VersionId};
use crate::domain::tool::{ApprovalStatus, ChangeSource, ServerStatus, ToolKind};
use crate::limits::Limits;

pub(crate) struct TestDatabase {
    db: Database,
    _place: Place,
}

enum Place {
    Folder(#[expect(dead_code, reason = "held to be deleted")] tempfile::TempDir),
    Schema { server: Location, name: String },
}

impl Deref for TestDatabase {
    type Target = Database;
    fn deref(&self) -> &Database {
        &self.db
    }
}

/// An empty database with the current schema.
pub(crate) async fn fresh() -> TestDatabase {
    let database = bare(&Limits::default()).await;
    migrate::up(&database).await.expect("the schema is applied");
    database
}

/// A database without any table.
pub(crate) async fn bare(limits: &Limits) -> TestDatabase {
    let (location, place) = place().await;
    let db = Database::connect(&location, limits).await.expect("the database opens");
    TestDatabase { db, _place: place }
}

async fn place() -> (Location, Place) {
    #[expect(clippy::disallowed_methods, reason = "test code, which has no settings")]
    let url = std::env::var("MCPBOX_TEST_DATABASE_URL");
    let Ok(url) = url else {
        let folder = tempfile::tempdir().expect("a temporary folder");
        return (Location::Sqlite(folder.path().join("mcpbox.db")), Place::Folder(folder));
    };
    let server: Location = url.parse().expect("MCPBOX_TEST_DATABASE_URL is an address");
    let name = format!("test_{}", Uuid::now_v7().simple());
    execute(&server, &[format!("CREATE SCHEMA {name}")]).await;
    let Location::Postgres(mut url) = server.clone() else { panic!("MCPBOX_TEST_DATABASE_URL is for PostgreSQL") };
    url.query_pairs_mut().append_pair("options[search_path]", &name).append_pair("application_name", &name);
    (Location::Postgres(url), Place::Schema { server, name })
}

async fn execute(server: &Location, statements: &[String]) {
    let limits = Limits { db_connections: 1, ..Limits::default() };
    let db = Database::connect(server, &limits).await.expect("the test server answers");
    for statement in statements {
        db.on().execute_unprepared(statement).await.expect("the statement is executed");
    }
    db.close().await.expect("the connection is closed");
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self::Schema { server, name } = self else { return };
        // The test's own connections may still be inside a transaction: its runtime, which would end
        // that, stands still while this runs. Hence another one, on a thread of its own.
        let statements = [
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"),
            format!("DROP SCHEMA {name} CASCADE"),
        ];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(execute(server, &statements));
            });
        });
    }
}

/// How SQLite goes about a query, in its own words; none on PostgreSQL, which decides by what is in its tables.
pub(crate) async fn plan(db: &TestDatabase, query: &impl QueryTrait) -> Option<String> {
    if db.on().get_database_backend() == DbBackend::Postgres {
        return None;
    }
    let mut statement = query.build(DbBackend::Sqlite);
    statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
    let steps = db.on().query_all_raw(statement).await.expect("a plan");
    let details = steps.iter().map(|step| step.try_get::<String>("", "detail").expect("a detail"));
    Some(details.collect::<Vec<_>>().join("; "))
}

/// A time, `seconds` after a fixed one.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

/// A first page that is long enough for every test.
pub(crate) fn all() -> PageRequest {
    PageRequest::new(1, 100, 100)
}

pub(crate) fn server(name: &str) -> Server {
    Server {
        id: ServerId::new(),
        name: name.to_owned(),
        description: "Weather of the world".to_owned(),
        status: ServerStatus::Running,
        default_timeout_ms: Some(Whole(5_000)),
        created_by: "local".to_owned(),
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(crate) fn tool(server_id: ServerId, name: &str) -> Tool {
    Tool {
        id: ToolId::new(),
        server_id,
        name: name.to_owned(),
        enabled: true,
        disabled_exports: Texts::default(),
        latest_version: 1,
        live_version_id: None,
        live_digest: None,
        approved_at: None,
        approved_by: None,
        created_by: "local".to_owned(),
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A version whose source must have been put among the blobs.
pub(crate) fn version(tool_id: ToolId, number: i32, source_digest: Digest) -> Version {
    Version {
        id: VersionId::new(),
        tool_id,
        number,
        name: "forecast".to_owned(),
        description: "Tells the weather".to_owned(),
        kind: ToolKind::PythonCode,
        source_digest,
        timeout_ms: None,
        input_schema: r#"{"type":"object"}"#.to_owned(),
        output_schema: None,
        exports: Exports::default(),
        surface: None,
        hosts: Texts(vec!["api.example.com:443".to_owned()]),
        modules: Texts::default(),
        secret_names: Texts(vec!["API_KEY".to_owned()]),
        digest: Digest::of(b"what an approval covers"),
        approval_status: ApprovalStatus::Draft,
        publish_notes: None,
        submitted_at: None,
        submitted_by: None,
        reviewed_at: None,
        reviewed_by: None,
        rejection_reason: None,
        change_source: ChangeSource::Llm,
        change_summary: "first".to_owned(),
        created_by: "local".to_owned(),
        created_at: at(0),
    }
}

/// Keeps a server with one tool that has one version, and gives all three.
pub(crate) async fn furnish(tx: &Tx, server_name: &str, tool_name: &str) -> (Server, Tool, Version) {
    let server = match servers::by_name(tx, server_name).await.expect("read") {
        Some(server) => server,
        None => {
            let server = server(server_name);
            servers::insert(tx, server.clone()).await.expect("insert a server");
            server
        }
    };
    let tool = tool(server.id, tool_name);
    tools::insert(tx, tool.clone()).await.expect("insert a tool");
    tool_names::hold(tx, server.id, tool.id, &[tool_name.to_owned()]).await.expect("hold a name");
    let source = blobs::put(tx, b"def main(): return 1".to_vec(), at(0)).await.expect("put a blob");
    let version = version(tool.id, 1, source);
    versions::insert(tx, version.clone()).await.expect("insert a version");
    (server, tool, version)
}

/// A row of the execution log, of a call that began so many seconds after the fixed time.
pub(crate) fn call(server_id: ServerId, tool_id: ToolId, seconds: i64) -> ExecutionLog {
    ExecutionLog {
        id: CallId::new(),
        server_id,
        tool_id,
        version_id: VersionId::new(),
        version_number: 3,
        tool_name: "weather__forecast".into(),
        caller: "local".into(),
        request_id: "r1".into(),
        is_test: false,
        arguments: r#"{"city":"Oslo"}"#.into(),
        result: Some("rain".into()),
        error: None,
        stdout: "".into(),
        arguments_bytes: Whole(15),
        result_bytes: Whole(4),
        stdout_bytes: Whole(0),
        cut: Texts(vec!["result".to_owned()]),
        outcome: "returned".into(),
        success: true,
        fuel: Whole(u64::MAX),
        peak_memory_bytes: Whole(1 << 40),
        duration_us: Whole(1_500),
        http_requests: Whole(2),
        http_sent_bytes: Whole(0),
        http_received_bytes: Whole(7),
        started_at: at(seconds),
    }
}
