//! The execution log: one row for each call. Rows outlive what they tell of.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

pub use entity::Model as ExecutionLog;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::{Conn, DbError, Page, PageRequest, Tx, Whole};
use crate::domain::ids::{CallId, ServerId, ToolId, VersionId};

/// Rows in one statement: SQLite takes 32,766 values in one, and a row has 21.
const ROWS_PER_STATEMENT: usize = 500;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{CallId, DateTime, ServerId, ToolId, Utc, VersionId, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tool_execution_logs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CallId,
        pub server_id: ServerId,
        pub tool_id: ToolId,
        pub version_id: VersionId,
        /// The gateway name that was called.
        pub tool_name: String,
        pub caller: String,
        pub request_id: String,
        /// Whether an author tried the tool out.
        pub is_test: bool,
        /// JSON, redacted, maybe cut.
        pub arguments: String,
        /// Redacted, maybe cut.
        pub result: Option<String>,
        pub error: Option<String>,
        pub stdout: String,
        /// `Outcome::label`, or why the call never began.
        pub outcome: String,
        pub success: bool,
        pub fuel: Whole,
        pub peak_memory_bytes: Whole,
        pub duration_us: Whole,
        pub http_requests: Whole,
        pub http_sent_bytes: Whole,
        pub http_received_bytes: Whole,
        pub started_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl ExecutionLog {
    pub fn duration_ms(&self) -> f64 {
        self.duration_us.0 as f64 / 1_000.0
    }
}

/// Appends rows; their U+0000 become U+FFFD, because a guest may print what PostgreSQL cannot keep.
pub async fn insert_many(tx: &Tx, rows: Vec<ExecutionLog>) -> Result<(), DbError> {
    let mut rows = rows.into_iter().map(|mut row| {
        let texts = [&mut row.arguments, &mut row.stdout, &mut row.caller, &mut row.request_id];
        texts.into_iter().chain(&mut row.result).chain(&mut row.error).for_each(make_storable);
        entity::ActiveModel::from(row)
    });
    loop {
        let some: Vec<_> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        if some.is_empty() {
            return Ok(());
        }
        let done = Entity::insert_many(some).exec_without_returning(tx.inner()).await;
        done.map(drop).writing("append to the execution log", "an execution log row", "tool")?;
    }
}

pub async fn by_id(db: &impl Conn, id: CallId) -> Result<Option<ExecutionLog>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing("read the execution log")
}

/// All calls, newest first.
pub async fn list(db: &impl Conn, page: &PageRequest) -> Result<Page<ExecutionLog>, DbError> {
    load(Entity::find().order_by_desc(Column::Id), &db.on(), page, "read the execution log").await
}

/// The calls of a tool, newest first.
pub async fn of_tool(db: &impl Conn, tool_id: ToolId, page: &PageRequest) -> Result<Page<ExecutionLog>, DbError> {
    let query = Entity::find().filter(Column::ToolId.eq(tool_id)).order_by_desc(Column::Id);
    load(query, &db.on(), page, "read the execution log of a tool").await
}

/// The calls of a server's tools, newest first.
pub async fn of_server(db: &impl Conn, server_id: ServerId, page: &PageRequest) -> Result<Page<ExecutionLog>, DbError> {
    let query = Entity::find().filter(Column::ServerId.eq(server_id)).order_by_desc(Column::Id);
    load(query, &db.on(), page, "read the execution log of a server").await
}

/// Deletes up to `limit` of the oldest rows that began before `before`, and says how many: zero when
/// none is left. Small batches keep the turn to write short.
pub async fn delete_older_than(tx: &Tx, before: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut oldest = Query::select();
    oldest
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::StartedAt.lt(before))
        .order_by(Column::StartedAt, sea_orm::Order::Asc)
        .limit(limit);
    let done = Entity::delete_many().filter(Column::Id.in_subquery(oldest)).exec(tx.inner()).await;
    Ok(done.doing("delete old rows of the execution log")?.rows_affected)
}

fn make_storable(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{FFFD}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh};
    use super::*;

    fn row(server_id: ServerId, tool_id: ToolId, seconds: i64) -> ExecutionLog {
        ExecutionLog {
            id: CallId::new(),
            server_id,
            tool_id,
            version_id: VersionId::new(),
            tool_name: "weather__forecast".to_owned(),
            caller: "local".to_owned(),
            request_id: "r1".to_owned(),
            is_test: false,
            arguments: r#"{"city":"Oslo"}"#.to_owned(),
            result: Some("rain".to_owned()),
            error: None,
            stdout: String::new(),
            outcome: "returned".to_owned(),
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

    #[tokio::test]
    async fn a_row_is_read_as_it_was_appended_and_needs_no_tool() -> Result<(), DbError> {
        let db = fresh().await;
        let one = row(ServerId::new(), ToolId::new(), 0);
        let two = ExecutionLog {
            stdout: "a\0b".to_owned(),
            error: Some("\0".to_owned()),
            ..row(one.server_id, one.tool_id, 1)
        };
        let tx = db.begin().await?;
        insert_many(&tx, vec![one.clone(), two.clone()]).await?;
        insert_many(&tx, Vec::new()).await?;
        tx.commit().await?;
        let one = ExecutionLog { fuel: Whole(i64::MAX as u64), ..one };
        assert!((one.duration_ms() - 1.5).abs() < f64::EPSILON);
        assert_eq!(by_id(&*db, one.id).await?, Some(one));
        let two = by_id(&*db, two.id).await?.expect("the row");
        assert_eq!((two.stdout.as_str(), two.error.as_deref()), ("a\u{FFFD}b", Some("\u{FFFD}")));
        Ok(())
    }

    #[tokio::test]
    async fn more_rows_than_one_statement_takes_come_newest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool, other) = (ServerId::new(), ToolId::new(), ToolId::new());
        let rows: Vec<_> = (0..1_203).map(|n| row(server, if n % 3 == 0 { other } else { tool }, n)).collect();
        let tx = db.begin().await?;
        insert_many(&tx, rows.clone()).await?;
        tx.commit().await?;
        let newest: Vec<_> = rows.iter().rev().filter(|row| row.tool_id == tool).take(20).map(|row| row.id).collect();
        let ids = |page: Page<ExecutionLog>| (page.total, page.items.iter().map(|row| row.id).collect::<Vec<_>>());
        let first = of_tool(&*db, tool, &PageRequest::new(1, 10, 100)).await?;
        let second = of_tool(&*db, tool, &PageRequest::new(2, 10, 100)).await?;
        assert_eq!(ids(first), (802, newest[..10].to_vec()));
        assert_eq!(ids(second), (802, newest[10..].to_vec()));
        assert_eq!(of_server(&*db, server, &all()).await?.total, 1_203);
        assert_eq!(of_server(&*db, ServerId::new(), &all()).await?.total, 0);
        assert_eq!(list(&*db, &all()).await?.items[0].id, rows[1_202].id);
        Ok(())
    }

    #[tokio::test]
    async fn old_rows_go_in_batches_oldest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let tx = db.begin().await?;
        insert_many(&tx, (0..10).map(|n| row(server, tool, n)).collect()).await?;
        tx.commit().await?;
        let mut deleted = Vec::new();
        loop {
            let tx = db.begin().await?;
            let count = delete_older_than(&tx, at(7), 3).await?;
            tx.commit().await?;
            deleted.push(count);
            if count == 0 {
                break;
            }
            let oldest = of_tool(&*db, tool, &all()).await?.items.last().map(|row| row.started_at);
            assert_eq!(oldest, Some(at(deleted.iter().sum::<u64>() as i64)));
        }
        assert_eq!(deleted, [3, 3, 1, 0]);
        Ok(())
    }

    #[tokio::test]
    async fn times_compare_in_the_database_as_they_do_here() -> Result<(), DbError> {
        use chrono::TimeDelta;
        // SQLite keeps times as text, with as many digits as they need.
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let micros = [0, 1, 999, 1_000, 1_001, 500_000, 999_999, 1_000_000, 1_000_001, 60_000_000];
        let times = micros.map(|micros| at(0) + TimeDelta::microseconds(micros));
        let tx = db.begin().await?;
        let rows = times.map(|started_at| ExecutionLog { started_at, ..row(server, tool, 0) });
        insert_many(&tx, rows.to_vec()).await?;
        for (index, time) in times.into_iter().enumerate() {
            assert_eq!(delete_older_than(&tx, time, 100).await?, u64::from(index > 0), "{time}");
            assert_eq!(of_tool(&tx, tool, &all()).await?.items.last().map(|row| row.started_at), Some(time));
        }
        Ok(())
    }
}
