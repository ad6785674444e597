//! The execution log: one row for each call. Rows outlive what they tell of.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbBackend, EntityTrait as _, Order, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

pub use entity::Model as ExecutionLog;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::rows::{Cell, Many};
use super::{Appending, Conn, DbError, Page, PageRequest, Texts, Tx, Whole};
use crate::domain::ids::{CallId, ServerId, ToolId, VersionId};
use crate::domain::text::Text;

/// Ids that are looked for in one statement.
const IDS_PER_STATEMENT: usize = 500;
/// How many of the newest failures a search looks at.
const SEARCHED: u64 = 10_000;
const DOING: &str = "read the execution log";
/// The outcome of nearly all calls. Those with another one have an index of their own, which is found by these
/// words.
const RETURNED: &str = "returned";
const NOT_RETURNED: &str = r#""outcome" <> 'returned'"#;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{CallId, DateTime, ServerId, Text, Texts, ToolId, Utc, VersionId, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tool_execution_logs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CallId,
        pub server_id: ServerId,
        pub tool_id: ToolId,
        pub version_id: VersionId,
        pub version_number: i32,
        /// The gateway name that was called.
        pub tool_name: Text,
        pub caller: Text,
        pub request_id: Text,
        /// Whether an author tried the tool out.
        pub is_test: bool,
        /// JSON, redacted, maybe cut.
        pub arguments: Text,
        /// Redacted, maybe cut.
        pub result: Option<Text>,
        pub error: Option<Text>,
        pub stdout: Text,
        /// Sizes of the whole, also where less was kept.
        pub arguments_bytes: Whole,
        pub result_bytes: Whole,
        pub stdout_bytes: Whole,
        /// The names of what was not kept whole.
        pub cut: Texts,
        /// `Outcome::label`, or why the call never began.
        pub outcome: Text,
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

static APPEND: Many<26> = Many::appended(
    "tool_execution_logs",
    [
        "id",
        "server_id",
        "tool_id",
        "version_id",
        "version_number",
        "tool_name",
        "caller",
        "request_id",
        "is_test",
        "arguments",
        "result",
        "error",
        "stdout",
        "arguments_bytes",
        "result_bytes",
        "stdout_bytes",
        "cut",
        "outcome",
        "success",
        "fuel",
        "peak_memory_bytes",
        "duration_us",
        "http_requests",
        "http_sent_bytes",
        "http_received_bytes",
        "started_at",
    ],
    ["append to the execution log", "an execution log row", "tool"],
);

/// Appends rows; their U+0000 become U+FFFD, because a guest may print what PostgreSQL cannot keep.
pub async fn append(to: &mut Appending, rows: &[ExecutionLog]) -> Result<(), DbError> {
    let cells = |row: &ExecutionLog| -> [Cell; 26] {
        [
            Cell::Id(Some(row.id.0)),
            Cell::Id(Some(row.server_id.0)),
            Cell::Id(Some(row.tool_id.0)),
            Cell::Id(Some(row.version_id.0)),
            Cell::Small(row.version_number),
            (&row.tool_name).into(),
            storable(&row.caller),
            storable(&row.request_id),
            Cell::Flag(row.is_test),
            storable(&row.arguments),
            row.result.as_ref().map_or(Cell::Text(None), storable),
            row.error.as_ref().map_or(Cell::Text(None), storable),
            storable(&row.stdout),
            row.arguments_bytes.into(),
            row.result_bytes.into(),
            row.stdout_bytes.into(),
            (&row.cut).into(),
            (&row.outcome).into(),
            Cell::Flag(row.success),
            row.fuel.into(),
            row.peak_memory_bytes.into(),
            row.duration_us.into(),
            row.http_requests.into(),
            row.http_sent_bytes.into(),
            row.http_received_bytes.into(),
            Cell::Time(row.started_at),
        ]
    };
    APPEND.rows(to, rows.iter().map(cells)).await
}

/// Which of these calls have a row.
pub async fn known(db: &impl Conn, ids: &[CallId]) -> Result<Vec<CallId>, DbError> {
    let mut known = Vec::new();
    for some in ids.chunks(IDS_PER_STATEMENT) {
        let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(some.iter().copied()));
        known.extend(query.into_tuple::<CallId>().all(&db.on()).await.doing(DOING)?);
    }
    Ok(known)
}

pub async fn by_id(db: &impl Conn, id: CallId) -> Result<Option<ExecutionLog>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing(DOING)
}

/// What a list is narrowed to; what is none, is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub server_id: Option<ServerId>,
    pub tool_id: Option<ToolId>,
    pub caller: Option<String>,
    pub outcome: Option<String>,
    pub success: Option<bool>,
    pub is_test: Option<bool>,
    pub request_id: Option<String>,
    /// Began then or later.
    pub from: Option<DateTime<Utc>>,
    /// Began before.
    pub to: Option<DateTime<Utc>>,
    /// Stands in the error, in small letters or large; looked for in the newest 10,000 failures that
    /// fit the rest.
    pub error_has: Option<String>,
}

/// Calls, newest first.
pub async fn list(db: &impl Conn, filter: &Filter, page: &PageRequest) -> Result<Page<ExecutionLog>, DbError> {
    let on = db.on();
    let wanted = conditions(filter, on.get_database_backend());
    let total: Option<i64> = counted(wanted.clone()).into_tuple().one(&on).await.doing(DOING)?;
    let query = newest_first(Entity::find().filter(wanted)).offset(page.offset()).limit(page.size());
    let items = query.all(&on).await.doing(DOING)?;
    Ok(page.of(items, total.and_then(|total| total.try_into().ok()).unwrap_or(0)))
}

/// The newest calls that failed, tests left out.
pub async fn newest_failures(db: &impl Conn, limit: u64) -> Result<Vec<ExecutionLog>, DbError> {
    let failed = Condition::all().add(failed()).add(Column::IsTest.eq(false));
    newest_first(Entity::find().filter(failed)).limit(limit).all(&db.on()).await.doing(DOING)
}

/// Without the rows themselves, so that an index is enough.
fn counted(wanted: Condition) -> sea_orm::Select<Entity> {
    Entity::find().select_only().expr(Expr::col(Column::Id).count()).filter(wanted)
}

fn newest_first(query: sea_orm::Select<Entity>) -> sea_orm::Select<Entity> {
    query.order_by_desc(Column::StartedAt).order_by_desc(Column::Id)
}

/// Calls that failed. They have an index of their own, which is found by these words.
fn failed() -> Expr {
    Column::Success.eq(false).and(Expr::cust(r#"NOT "success""#))
}

fn conditions(filter: &Filter, database: DbBackend) -> Condition {
    let wanted = Condition::all()
        .add_option(filter.server_id.map(|id| Column::ServerId.eq(id)))
        .add_option(filter.tool_id.map(|id| Column::ToolId.eq(id)))
        .add_option(filter.caller.as_deref().map(|caller| Column::Caller.eq(caller)))
        .add_option(filter.outcome.as_deref().map(|outcome| Column::Outcome.eq(outcome)))
        .add_option(filter.outcome.as_deref().filter(|outcome| *outcome != RETURNED).map(|_| Expr::cust(NOT_RETURNED)))
        .add_option(filter.success.map(|success| if success { Column::Success.eq(true) } else { failed() }))
        .add_option(filter.is_test.map(|is_test| Column::IsTest.eq(is_test)))
        .add_option(filter.request_id.as_deref().map(|id| Column::RequestId.eq(id)))
        .add_option(filter.from.map(|from| Column::StartedAt.gte(from)))
        .add_option(filter.to.map(|to| Column::StartedAt.lt(to)));
    let Some(text) = &filter.error_has else { return wanted };
    let mut newest = Query::select();
    newest
        .column(Column::Id)
        .from(Entity)
        .cond_where(wanted.add(failed()))
        .order_by(Column::StartedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(SEARCHED);
    let place = if database == DbBackend::Postgres { "strpos" } else { "instr" };
    let at = Func::cust(place).arg(Func::lower(Expr::col(Column::Error))).arg(Func::lower(Expr::val(text.as_str())));
    Condition::all().add(Column::Id.in_subquery(newest)).add(Expr::expr(at).gt(0))
}

/// Deletes up to `limit` of the oldest rows that began before `before`, and says how many: zero when
/// none is left. Small batches keep the turn to write short.
pub async fn delete_older_than(tx: &Tx, before: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut oldest = Query::select();
    oldest
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::StartedAt.lt(before))
        .order_by(Column::StartedAt, Order::Asc)
        .limit(limit);
    let done = Entity::delete_many().filter(Column::Id.in_subquery(oldest)).exec(tx.inner()).await;
    Ok(done.doing("delete old rows of the execution log")?.rows_affected)
}

fn storable(text: &Text) -> Cell {
    if text.contains('\0') { Cell::Text(Some(text.replace('\0', "\u{FFFD}").into())) } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, call as row, fresh, plan};
    use super::*;

    fn of_tool(tool_id: ToolId) -> Filter {
        Filter { tool_id: Some(tool_id), ..Filter::default() }
    }

    fn of_server(server_id: ServerId) -> Filter {
        Filter { server_id: Some(server_id), ..Filter::default() }
    }

    #[tokio::test]
    async fn a_row_is_read_as_it_was_appended_and_needs_no_tool() -> Result<(), DbError> {
        let db = fresh().await;
        let one = row(ServerId::new(), ToolId::new(), 0);
        let two =
            ExecutionLog { stdout: "a\0b".into(), error: Some("\0".into()), ..row(one.server_id, one.tool_id, 1) };
        let mut tx = db.begin_appending().await?;
        append(&mut tx, &[one.clone(), two.clone()]).await?;
        append(&mut tx, &[]).await?;
        tx.commit().await?;
        let one = ExecutionLog { fuel: Whole(i64::MAX as u64), ..one };
        assert!((one.duration_ms() - 1.5).abs() < f64::EPSILON);
        assert_eq!(by_id(&*db, one.id).await?, Some(one));
        let two = by_id(&*db, two.id).await?.expect("the row");
        assert_eq!((&*two.stdout, two.error.as_deref()), ("a\u{FFFD}b", Some("\u{FFFD}")));
        Ok(())
    }

    #[tokio::test]
    async fn more_rows_than_one_statement_takes_come_newest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool, other) = (ServerId::new(), ToolId::new(), ToolId::new());
        let rows: Vec<_> = (0..1_203).map(|n| row(server, if n % 3 == 0 { other } else { tool }, n)).collect();
        let mut tx = db.begin_appending().await?;
        append(&mut tx, &rows).await?;
        tx.commit().await?;
        let newest: Vec<_> = rows.iter().rev().filter(|row| row.tool_id == tool).take(20).map(|row| row.id).collect();
        let ids = |page: Page<ExecutionLog>| (page.total, page.items.iter().map(|row| row.id).collect::<Vec<_>>());
        let first = list(&*db, &of_tool(tool), &PageRequest::new(1, 10, 100)).await?;
        let second = list(&*db, &of_tool(tool), &PageRequest::new(2, 10, 100)).await?;
        assert_eq!(ids(first), (802, newest[..10].to_vec()));
        assert_eq!(ids(second), (802, newest[10..].to_vec()));
        assert_eq!(list(&*db, &of_server(server), &all()).await?.total, 1_203);
        assert_eq!(list(&*db, &of_server(ServerId::new()), &all()).await?.total, 0);
        assert_eq!(list(&*db, &Filter::default(), &all()).await?.items[0].id, rows[1_202].id);
        Ok(())
    }

    #[tokio::test]
    async fn a_list_is_narrowed_by_everything_that_a_row_tells() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let plain = row(server, tool, 0);
        let failed = ExecutionLog {
            error: Some("ValueError: no such City_1 %".into()),
            outcome: "raised".into(),
            success: false,
            caller: "key:ci".into(),
            ..row(server, tool, 1)
        };
        let test = ExecutionLog { is_test: true, ..row(ServerId::new(), ToolId::new(), 2) };
        let mut tx = db.begin_appending().await?;
        append(&mut tx, &[plain.clone(), failed.clone(), test.clone()]).await?;
        tx.commit().await?;
        let any = Filter::default();
        let text = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (any.clone(), vec![test.id, failed.id, plain.id]),
            (of_server(server), vec![failed.id, plain.id]),
            (of_tool(test.tool_id), vec![test.id]),
            (Filter { caller: text("key:ci"), ..any.clone() }, vec![failed.id]),
            (Filter { outcome: text("returned"), ..any.clone() }, vec![test.id, plain.id]),
            (Filter { success: Some(false), ..any.clone() }, vec![failed.id]),
            (Filter { is_test: Some(false), ..any.clone() }, vec![failed.id, plain.id]),
            (Filter { request_id: text("r1"), ..any.clone() }, vec![test.id, failed.id, plain.id]),
            (Filter { request_id: text("r2"), ..any.clone() }, vec![]),
            (Filter { from: Some(at(1)), ..any.clone() }, vec![test.id, failed.id]),
            (Filter { to: Some(at(1)), ..any.clone() }, vec![plain.id]),
            (Filter { error_has: text("no SUCH city_1 %"), ..any.clone() }, vec![failed.id]),
            (Filter { error_has: text("no_such"), ..any.clone() }, vec![]),
            (Filter { error_has: text("city"), success: Some(true), ..any.clone() }, vec![]),
        ] {
            let found = list(&*db, &filter, &all()).await?;
            assert_eq!(found.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
            assert_eq!(found.total, expected.len() as u64, "{filter:?}");
        }
        assert_eq!(newest_failures(&*db, 5).await?.iter().map(|row| row.id).collect::<Vec<_>>(), [failed.id]);
        assert_eq!(known(&*db, &[plain.id, CallId::new()]).await?, [plain.id]);
        Ok(())
    }

    #[tokio::test]
    async fn each_list_is_read_and_counted_in_the_order_of_an_index() -> Result<(), DbError> {
        let db = fresh().await;
        let any = Filter::default();
        let text = |text: &str| Some(text.to_owned());
        // And whether the same index is enough to count.
        for (filter, index, counts) in [
            (any.clone(), "started_at_id_success_outcome", false),
            (Filter { outcome: text("returned"), ..any.clone() }, "started_at_id_success_outcome", true),
            (Filter { success: Some(true), ..any.clone() }, "started_at_id_success_outcome", true),
            (Filter { from: Some(at(1)), success: Some(true), ..any.clone() }, "started_at_id_success_outcome", true),
            (Filter { outcome: text("trapped"), ..any.clone() }, "rare_outcome", true),
            (Filter { success: Some(false), ..any.clone() }, "failed", true),
            (Filter { caller: text("local"), ..any.clone() }, "caller_started_at_id", true),
            (Filter { request_id: text("r1"), ..any.clone() }, "request_id_started_at_id", true),
            (of_tool(ToolId::new()), "tool_id_started_at_id", true),
            (of_server(ServerId::new()), "server_id_started_at_id", true),
        ] {
            let wanted = || conditions(&filter, DbBackend::Sqlite);
            let Some(read) = plan(&db, &newest_first(Entity::find().filter(wanted()))).await else { return Ok(()) };
            assert!(read.contains(&format!("INDEX tool_execution_logs_{index}")), "{filter:?}: {read}");
            assert!(!read.contains("TEMP B-TREE"), "{filter:?}: {read}");
            let count = plan(&db, &counted(wanted())).await.unwrap_or_default();
            let covers = format!("COVERING INDEX tool_execution_logs_{index}");
            assert!(!counts || count.contains(&covers), "{filter:?}: {count}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn old_rows_go_in_batches_oldest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let mut tx = db.begin_appending().await?;
        append(&mut tx, &(0..10).map(|n| row(server, tool, n)).collect::<Vec<_>>()).await?;
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
            let oldest = list(&*db, &of_tool(tool), &all()).await?.items.last().map(|row| row.started_at);
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
        let rows = times.map(|started_at| ExecutionLog { started_at, ..row(server, tool, 0) });
        let mut tx = db.begin_appending().await?;
        append(&mut tx, &rows).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        for (index, time) in times.into_iter().enumerate() {
            assert_eq!(delete_older_than(&tx, time, 100).await?, u64::from(index > 0), "{time}");
            assert_eq!(list(&tx, &of_tool(tool), &all()).await?.items.last().map(|row| row.started_at), Some(time));
        }
        Ok(())
    }
}
