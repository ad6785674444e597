//! The activity log: messages of clients and their answers, and what the host did by itself. Rows outlive
//! what they tell of, and hold no argument, no result and no secret.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

pub use entity::Model as ActivityLog;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::page::load;
use super::rows::{Cell, Many};
use super::{Address, Appending, Conn, DbError, Page, PageRequest, Search, Tx, Whole};
use crate::domain::activity::LogType;
use crate::domain::ids::{ActivityId, ServerId};
use crate::domain::outcome::LogLevel;
use crate::domain::text::Text;

/// Ids that are looked for in one statement.
const IDS_PER_STATEMENT: usize = 1_000;
/// How many of the newest rows a search looks at.
const SEARCHED: u64 = 10_000;
const DOING: &str = "read the activity log";
/// What nearly all rows are. The others have an index of their own, which is found by these words.
const USUAL_LEVEL: LogLevel = LogLevel::Info;
const OTHER_LEVEL: &str = r#""level" <> 'info'"#;
const USUAL_TYPE: LogType = LogType::McpResponse;
const OTHER_TYPE: &str = r#""log_type" <> 'mcp_response'"#;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{ActivityId, Address, DateTime, LogLevel, LogType, ServerId, Text, Utc, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "activity_logs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ActivityId,
        pub at: DateTime<Utc>,
        pub log_type: LogType,
        pub level: LogLevel,
        /// One line.
        pub message: Text,
        /// A JSON object of facts.
        pub details: Text,
        /// Of the protocol.
        pub method: Option<Text>,
        pub server_id: Option<ServerId>,
        /// As `Caller` prints itself.
        pub caller: Option<Text>,
        /// The first characters of the digest of a session's id, which itself is as good as a key.
        pub session: Option<Text>,
        pub from_address: Option<Address>,
        pub request_id: Option<Text>,
        pub duration_us: Option<Whole>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many rows there are of a type and a level.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct TypeCount {
    pub log_type: LogType,
    pub level: LogLevel,
    pub rows: Whole,
}

static APPEND: Many<13> = Many::appended(
    "activity_logs",
    [
        "id",
        "at",
        "log_type",
        "level",
        "message",
        "details",
        "method",
        "server_id",
        "caller",
        "session",
        "from_address",
        "request_id",
        "duration_us",
    ],
    ["append to the activity log", "an activity row", "server"],
);

static ANSWER: Many<6> = Many::over(
    "activity_logs",
    ["id", "log_type", "level", "message", "details", "duration_us"],
    ["uuid", "text", "text", "text", "text", "bigint"],
    ["write that requests are answered", "an activity row", "server"],
);

/// Appends rows.
///
/// # Errors
/// [`DbError::Conflict`] when one of them is there already; the transaction is of no use then.
pub async fn append<'a>(
    to: &mut Appending,
    rows: impl ExactSizeIterator<Item = &'a ActivityLog> + Send,
) -> Result<(), DbError> {
    let cells = |row: &ActivityLog| -> [Cell; 13] {
        [
            Cell::Id(Some(row.id.0)),
            Cell::Time(row.at),
            Cell::Text(Some(row.log_type.as_str().into())),
            Cell::Text(Some(row.level.as_str().into())),
            (&row.message).into(),
            (&row.details).into(),
            Cell::Text(row.method.clone()),
            Cell::Id(row.server_id.map(|id| id.0)),
            Cell::Text(row.caller.clone()),
            Cell::Text(row.session.clone()),
            Cell::Address(row.from_address),
            Cell::Text(row.request_id.clone()),
            Cell::Number(row.duration_us.map(Whole::stored)),
        ]
    };
    APPEND.rows(to, rows.map(cells)).await
}

/// Writes over what rows said of requests what is known now that they are answered. Rows that are gone stay so.
pub async fn answer<'a>(
    to: &mut Appending,
    rows: impl ExactSizeIterator<Item = &'a ActivityLog> + Send,
) -> Result<(), DbError> {
    let cells = |row: &ActivityLog| -> [Cell; 6] {
        [
            Cell::Id(Some(row.id.0)),
            Cell::Text(Some(row.log_type.as_str().into())),
            Cell::Text(Some(row.level.as_str().into())),
            (&row.message).into(),
            (&row.details).into(),
            Cell::Number(row.duration_us.map(Whole::stored)),
        ]
    };
    ANSWER.rows(to, rows.map(cells)).await
}

/// Which of these rows are there.
pub async fn known(db: &impl Conn, ids: &[ActivityId]) -> Result<Vec<ActivityId>, DbError> {
    let mut known = Vec::new();
    for some in ids.chunks(IDS_PER_STATEMENT) {
        let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(some.iter().copied()));
        known.extend(query.into_tuple::<ActivityId>().all(&db.on()).await.doing(DOING)?);
    }
    Ok(known)
}

pub async fn by_id(db: &impl Conn, id: ActivityId) -> Result<Option<ActivityLog>, DbError> {
    Entity::find_by_id(id).one(&db.on()).await.doing(DOING)
}

/// What a list is narrowed to; what is none or empty, is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub server_id: Option<ServerId>,
    pub log_types: Vec<LogType>,
    pub levels: Vec<LogLevel>,
    pub request_id: Option<String>,
    pub method: Option<String>,
    /// Happened then or later.
    pub from: Option<DateTime<Utc>>,
    /// Happened before.
    pub to: Option<DateTime<Utc>>,
    /// Stands in the message; looked for in the newest 10,000 rows that fit the rest.
    pub message_has: Option<String>,
}

/// Rows, newest first.
pub async fn list(db: &impl Conn, filter: &Filter, page: &PageRequest) -> Result<Page<ActivityLog>, DbError> {
    let on = db.on();
    let wanted = conditions(filter);
    let total: Option<i64> = counted(wanted.clone()).into_tuple().one(&on).await.doing(DOING)?;
    let query = newest_first(Entity::find().filter(wanted)).offset(page.offset()).limit(page.size());
    let items = query.all(&on).await.doing(DOING)?;
    Ok(page.of(items, total.and_then(|total| total.try_into().ok()).unwrap_or(0)))
}

/// The newest rows, without counting the others.
pub async fn newest(db: &impl Conn, filter: &Filter, limit: u64) -> Result<Vec<ActivityLog>, DbError> {
    newest_first(Entity::find().filter(conditions(filter))).limit(limit).all(&db.on()).await.doing(DOING)
}

/// The rows of one request, oldest first.
pub async fn of_request(db: &impl Conn, request_id: &str, page: &PageRequest) -> Result<Page<ActivityLog>, DbError> {
    let query = Entity::find().filter(Column::RequestId.eq(request_id));
    load(query.order_by_asc(Column::At).order_by_asc(Column::Id), &db.on(), page, DOING).await
}

/// How many rows there are of each type and level since `from`.
pub async fn counts(db: &impl Conn, from: DateTime<Utc>) -> Result<Vec<TypeCount>, DbError> {
    let query = Entity::find()
        .filter(Column::At.gte(from))
        .select_only()
        .columns([Column::LogType, Column::Level])
        .expr_as(Expr::col(Column::Id).count().cast_as("bigint"), "rows")
        .group_by(Column::LogType)
        .group_by(Column::Level)
        .order_by_asc(Column::LogType)
        .order_by_asc(Column::Level);
    query.into_model().all(&db.on()).await.doing("count the activity log")
}

/// Without the rows themselves, so that an index is enough.
fn counted(wanted: Condition) -> sea_orm::Select<Entity> {
    Entity::find().select_only().expr(Expr::col(Column::Id).count()).filter(wanted)
}

fn newest_first(query: sea_orm::Select<Entity>) -> sea_orm::Select<Entity> {
    query.order_by_desc(Column::At).order_by_desc(Column::Id)
}

fn conditions(filter: &Filter) -> Condition {
    let Filter { server_id, log_types, levels, request_id, method, from, to, message_has } = filter;
    let some = |wanted: bool, condition: Expr| wanted.then_some(condition);
    let rare_types = !log_types.is_empty() && !log_types.contains(&USUAL_TYPE);
    let rare_levels = !levels.is_empty() && !levels.contains(&USUAL_LEVEL);
    let wanted = Condition::all()
        .add_option(server_id.map(|id| Column::ServerId.eq(id)))
        .add_option(some(!log_types.is_empty(), Column::LogType.is_in(log_types.iter().copied())))
        .add_option(some(rare_types, Expr::cust(OTHER_TYPE)))
        .add_option(some(!levels.is_empty(), Column::Level.is_in(levels.iter().copied())))
        .add_option(some(rare_levels, Expr::cust(OTHER_LEVEL)))
        .add_option(request_id.as_deref().map(|id| Column::RequestId.eq(id)))
        .add_option(method.as_deref().map(|method| Column::Method.eq(method)))
        .add_option(from.map(|from| Column::At.gte(from)))
        .add_option(to.map(|to| Column::At.lt(to)));
    let Some(text) = message_has else { return wanted };
    let mut newest = Query::select();
    newest
        .column(Column::Id)
        .from(Entity)
        .cond_where(wanted)
        .order_by(Column::At, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(SEARCHED);
    Condition::all().add(Column::Id.in_subquery(newest)).add(Search::new(text).within(Column::Message))
}

/// Deletes up to `limit` of the oldest rows from before `before`, and says how many: zero when none is left.
pub async fn delete_older_than(tx: &Tx, before: DateTime<Utc>, limit: u64) -> Result<u64, DbError> {
    let mut oldest = Query::select();
    oldest
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::At.lt(before))
        .order_by(Column::At, Order::Asc)
        .limit(limit);
    let done = Entity::delete_many().filter(Column::Id.in_subquery(oldest)).exec(tx.inner()).await;
    Ok(done.doing("delete old rows of the activity log")?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, at, fresh, plan};
    use super::*;

    fn row(log_type: LogType, level: LogLevel, seconds: i64) -> ActivityLog {
        ActivityLog {
            id: ActivityId::new(),
            at: at(seconds),
            log_type,
            level,
            message: "tools/call weather__forecast".into(),
            details: r#"{"arguments":1}"#.into(),
            method: Some("tools/call".into()),
            server_id: None,
            caller: Some("local".into()),
            session: None,
            from_address: Some(Address([127, 0, 0, 1].into())),
            request_id: Some("r1".into()),
            duration_us: Some(Whole(1_500)),
        }
    }

    #[tokio::test]
    async fn a_list_is_narrowed_by_everything_that_a_row_tells() -> Result<(), DbError> {
        let db = fresh().await;
        let server = ServerId::new();
        let asked = ActivityLog { server_id: Some(server), ..row(LogType::McpRequest, LogLevel::Info, 0) };
        let answered = ActivityLog { server_id: Some(server), ..row(LogType::McpResponse, LogLevel::Warning, 1) };
        let alert = ActivityLog {
            method: None,
            caller: None,
            from_address: None,
            request_id: None,
            duration_us: None,
            message: "a 100% refused Credential".into(),
            ..row(LogType::Alert, LogLevel::Warning, 2)
        };
        let rows = [asked, answered, alert];
        let mut tx = db.begin_appending().await?;
        append(&mut tx, rows.iter()).await?;
        assert!(matches!(append(&mut tx, rows[..1].iter()).await, Err(DbError::Conflict { .. })));
        drop(tx);
        let mut tx = db.begin_appending().await?;
        append(&mut tx, rows.iter()).await?;
        tx.commit().await?;
        let [asked, answered, alert] = rows;
        assert_eq!(by_id(&*db, asked.id).await?, Some(asked.clone()));
        assert_eq!(known(&*db, &[alert.id, ActivityId::new()]).await?, [alert.id]);
        let any = Filter::default();
        let text = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (any.clone(), vec![alert.id, answered.id, asked.id]),
            (Filter { server_id: Some(server), ..any.clone() }, vec![answered.id, asked.id]),
            (Filter { log_types: vec![LogType::Alert, LogType::McpRequest], ..any.clone() }, vec![alert.id, asked.id]),
            (Filter { levels: vec![LogLevel::Warning], ..any.clone() }, vec![alert.id, answered.id]),
            (Filter { request_id: text("r1"), ..any.clone() }, vec![answered.id, asked.id]),
            (Filter { method: text("tools/list"), ..any.clone() }, vec![]),
            (Filter { from: Some(at(1)), to: Some(at(2)), ..any.clone() }, vec![answered.id]),
            (Filter { message_has: text("100% REFUSED"), ..any.clone() }, vec![alert.id]),
            (Filter { message_has: text("100_"), ..any.clone() }, vec![]),
        ] {
            let found = list(&*db, &filter, &all()).await?;
            assert_eq!(found.items.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{filter:?}");
            assert_eq!(found.total, expected.len() as u64, "{filter:?}");
        }
        assert_eq!(newest(&*db, &any, 1).await?, [alert]);
        assert_eq!(of_request(&*db, "r1", &all()).await?.items, [asked, answered]);
        let counted = counts(&*db, at(1)).await?;
        let counted: Vec<_> = counted.iter().map(|row| (row.log_type, row.level, row.rows.0)).collect();
        let expected = [(LogType::Alert, LogLevel::Warning, 1), (LogType::McpResponse, LogLevel::Warning, 1)];
        assert_eq!(counted, expected);
        Ok(())
    }

    #[tokio::test]
    async fn the_rows_of_requests_say_later_how_they_were_answered() -> Result<(), DbError> {
        let db = fresh().await;
        // As many as take statements of several sizes.
        let asked = || ActivityLog { duration_us: None, ..row(LogType::McpRequest, LogLevel::Info, 0) };
        let asked: Vec<_> = std::iter::repeat_with(asked).take(86).collect();
        let answered: Vec<_> = (0..85)
            .map(|at| ActivityLog {
                log_type: LogType::McpResponse,
                level: LogLevel::Warning,
                message: format!("tools/call weather__forecast: error {at}").into(),
                details: r#"{"fuel":7}"#.into(),
                duration_us: (at != 0).then_some(Whole(at)),
                ..asked[at as usize].clone()
            })
            .collect();
        let gone = ActivityLog { id: ActivityId::new(), ..answered[0].clone() };
        let mut tx = db.begin_appending().await?;
        append(&mut tx, asked.iter()).await?;
        answer(&mut tx, answered.iter().chain([&gone]).collect::<Vec<_>>().into_iter()).await?;
        tx.commit().await?;
        for answered in answered {
            assert_eq!(by_id(&*db, answered.id).await?, Some(answered));
        }
        assert_eq!(by_id(&*db, asked[85].id).await?.as_ref(), Some(&asked[85]), "nobody answered it");
        assert_eq!(by_id(&*db, gone.id).await?, None);
        Ok(())
    }

    #[tokio::test]
    async fn each_list_is_read_and_counted_in_the_order_of_an_index() -> Result<(), DbError> {
        let db = fresh().await;
        let any = Filter::default();
        let types = |types: &[LogType]| Filter { log_types: types.to_vec(), ..Filter::default() };
        let levels = |levels: &[LogLevel]| Filter { levels: levels.to_vec(), ..Filter::default() };
        for (filter, index) in [
            (any.clone(), "at_id_log_type_level"),
            (types(&[LogType::McpRequest]), "other_type"),
            (types(&[LogType::McpResponse, LogType::Alert]), "at_id_log_type_level"),
            (types(&[LogType::Alert]), "other_type"),
            (levels(&[LogLevel::Info]), "at_id_log_type_level"),
            (levels(&[LogLevel::Error]), "rare_level"),
            (Filter { request_id: Some("r1".to_owned()), ..any.clone() }, "request_id_at_id"),
            (Filter { server_id: Some(ServerId::new()), ..any.clone() }, "of_server"),
        ] {
            let wanted = || conditions(&filter);
            let Some(read) = plan(&db, &newest_first(Entity::find().filter(wanted()))).await else { return Ok(()) };
            assert!(read.contains(&format!("INDEX activity_logs_{index}")), "{filter:?}: {read}");
            assert!(!read.contains("TEMP B-TREE"), "{filter:?}: {read}");
            let count = plan(&db, &counted(wanted())).await.unwrap_or_default();
            // All rows are counted by the smallest index.
            let covers = if filter == any { String::new() } else { format!("activity_logs_{index}") };
            assert!(count.contains("COVERING INDEX ") && count.contains(&covers), "{filter:?}: {count}");
        }
        // Of several rare kinds the newest are put in order, or the index by time is read.
        for filter in [types(&[LogType::Alert, LogType::System]), levels(&[LogLevel::Warning, LogLevel::Error])] {
            let read = plan(&db, &newest_first(Entity::find().filter(conditions(&filter)))).await.unwrap_or_default();
            assert!(read.contains("USING INDEX activity_logs_"), "{filter:?}: {read}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn old_rows_go_in_batches_oldest_first() -> Result<(), DbError> {
        let db = fresh().await;
        let rows: Vec<_> = (0..5).map(|second| row(LogType::System, LogLevel::Info, second)).collect();
        let mut tx = db.begin_appending().await?;
        append(&mut tx, rows.iter()).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        assert_eq!(delete_older_than(&tx, at(3), 2).await?, 2);
        assert_eq!(newest(&tx, &Filter::default(), 9).await?.last().map(|row| row.at), Some(at(2)));
        assert_eq!(delete_older_than(&tx, at(3), 2).await?, 1);
        assert_eq!(delete_older_than(&tx, at(3), 2).await?, 0);
        Ok(())
    }
}
