//! Calls counted for each tool, by the minute, by five minutes and by the hour. Counts hold nothing of what
//! was said, and outlive the tools.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

pub use entity::Model as Tally;
use entity::{Column, Entity};

use super::counts::{self, total};
use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::{Appending, Conn, DbError, Tx, Whole};
use crate::domain::ids::{ServerId, ToolId};

/// The lengths of the spans in which calls are counted, one for each length of chart.
pub const MINUTE_S: i32 = 60;
pub const FIVE_MINUTES_S: i32 = 300;
pub const HOUR_S: i32 = 3_600;
pub const GRAINS_S: [i32; 3] = [MINUTE_S, FIVE_MINUTES_S, HOUR_S];

const DOING: &str = "read the statistics of calls";

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::{ServerId, ToolId, Whole};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "execution_statistics")]
    pub struct Model {
        /// Length of the span.
        #[sea_orm(primary_key, auto_increment = false)]
        pub grain_s: i32,
        /// Where the span begins: seconds since 1970, a multiple of the grain.
        #[sea_orm(primary_key, auto_increment = false)]
        pub start_s: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tool_id: ToolId,
        /// The gateway name that was called.
        #[sea_orm(primary_key, auto_increment = false)]
        pub tool_name: String,
        pub server_id: ServerId,
        pub calls: Whole,
        pub errors: Whole,
        /// Of all these calls together.
        pub duration_us: Whole,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Which counts: those of one grain that begin in a stretch of time, of all tools or of some.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub grain_s: i32,
    /// Seconds since 1970.
    pub from_s: i64,
    /// Not in it any more.
    pub to_s: i64,
    pub server_id: Option<ServerId>,
    pub tool_id: Option<ToolId>,
}

/// Calls of one stretch of a chart.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct StepCount {
    /// Seconds since 1970.
    pub step_start_s: i64,
    pub calls: Whole,
    pub errors: Whole,
    pub duration_us: Whole,
}

/// Calls of one tool under one name.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ToolCount {
    pub tool_id: ToolId,
    pub tool_name: String,
    pub server_id: ServerId,
    pub calls: Whole,
    pub errors: Whole,
    pub duration_us: Whole,
}

/// Calls of one server's tools.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ServerCount {
    pub server_id: ServerId,
    /// The name of one of its tools, which begins with its own.
    pub tool_name: String,
    pub calls: Whole,
    pub errors: Whole,
    pub duration_us: Whole,
}

/// The counts of some calls, in the order of their keys; tests are not counted.
pub fn tallies(calls: &[ExecutionLog]) -> Vec<Tally> {
    let empty = |calls: &counts::Alike<'_>, grain_s, start_s| {
        let (tool_id, server_id, tool_name) = (calls.tool_id, calls.server_id, calls.tool_name.to_owned());
        let [calls, errors, duration_us] = [Whole(0); 3];
        let key = (start_s, tool_id, tool_name.clone());
        [(key, Tally { grain_s, start_s, tool_id, tool_name, server_id, calls, errors, duration_us })]
    };
    counts::tallied(calls, &GRAINS_S, empty, |tally, calls| {
        counts::sum(calls, [&mut tally.calls, &mut tally.errors, &mut tally.duration_us]);
    })
}

/// Adds counts to those that are there. Give them in the order of their keys.
pub async fn add(to: &mut Appending, tallies: Vec<Tally>) -> Result<(), DbError> {
    let keys = [Column::GrainS, Column::StartS, Column::ToolId, Column::ToolName];
    let sums = [Column::Calls, Column::Errors, Column::DurationUs];
    counts::add::<Entity, _, entity::ActiveModel>(to, tallies, &keys, &sums).await
}

/// In steps of `step_s` seconds, a multiple of the grain; oldest first, steps without calls left out.
pub async fn by_step(db: &impl Conn, span: &Span, step_s: i64) -> Result<Vec<StepCount>, DbError> {
    let start = counts::step_of(Column::StartS, step_s);
    // By its name: to PostgreSQL two parameters of one value may be two values.
    let step = || Expr::col("step_start_s");
    let query = summed(span).expr_as(start, "step_start_s").group_by(step()).order_by_asc(step());
    query.into_model().all(&db.on()).await.doing(DOING)
}

/// The tools that were called most, most called first, at most `limit`.
pub async fn by_tool(db: &impl Conn, span: &Span, limit: u64) -> Result<Vec<ToolCount>, DbError> {
    let query = summed(span)
        .columns([Column::ToolId, Column::ToolName, Column::ServerId])
        .group_by(Column::ToolId)
        .group_by(Column::ToolName)
        .group_by(Column::ServerId)
        .order_by_desc(total(Column::Calls))
        .order_by_asc(Column::ToolName)
        .limit(limit);
    query.into_model().all(&db.on()).await.doing(DOING)
}

/// The servers whose tools were called most, most called first, at most `limit`.
pub async fn by_server(db: &impl Conn, span: &Span, limit: u64) -> Result<Vec<ServerCount>, DbError> {
    let query = summed(span)
        .column(Column::ServerId)
        .expr_as(Expr::col(Column::ToolName).max(), "tool_name")
        .group_by(Column::ServerId)
        .order_by_desc(total(Column::Calls))
        .order_by_asc(Column::ServerId)
        .limit(limit);
    query.into_model().all(&db.on()).await.doing(DOING)
}

/// Deletes some of the oldest counts of a grain that begin before `before_s`; false when none is left.
pub async fn delete_before(tx: &Tx, grain_s: i32, before_s: i64) -> Result<bool, DbError> {
    counts::delete_before::<Entity>(tx, (Column::GrainS, Column::StartS), grain_s, before_s).await
}

/// The rows of a span, with their sums and nothing else.
fn summed(span: &Span) -> sea_orm::Select<Entity> {
    let wanted = Condition::all()
        .add(Column::GrainS.eq(span.grain_s))
        .add(Column::StartS.gte(span.from_s))
        .add(Column::StartS.lt(span.to_s))
        .add_option(span.server_id.map(|id| Column::ServerId.eq(id)))
        .add_option(span.tool_id.map(|id| Column::ToolId.eq(id)));
    Entity::find()
        .filter(wanted)
        .select_only()
        .expr_as(total(Column::Calls), "calls")
        .expr_as(total(Column::Errors), "errors")
        .expr_as(total(Column::DurationUs), "duration_us")
}

#[cfg(test)]
mod tests {
    use super::super::testing::fresh;
    use super::*;

    const ALL: Span = Span { grain_s: 60, from_s: 0, to_s: 86_400, server_id: None, tool_id: None };

    fn tally(start_s: i64, tool: ToolId, server: ServerId, calls: u64) -> Tally {
        Tally {
            grain_s: 60,
            start_s,
            tool_id: tool,
            tool_name: format!("weather__{}", tool.0.as_bytes()[15] & 1),
            server_id: server,
            calls: calls.into(),
            errors: 1.into(),
            duration_us: (calls * 10).into(),
        }
    }

    async fn add_all(db: &super::super::Database, tallies: Vec<Tally>) -> Result<(), DbError> {
        let mut tx = db.begin_appending().await?;
        add(&mut tx, tallies).await?;
        tx.commit().await
    }

    #[tokio::test]
    async fn counts_of_the_same_key_add_up_and_are_told_in_every_grouping() -> Result<(), DbError> {
        let db = fresh().await;
        let (weather, tides) = (ServerId::new(), ServerId::new());
        let (one, two) = (ToolId::new(), ToolId::new());
        add_all(&db, vec![tally(60, one, weather, 3), tally(120, two, tides, 4)]).await?;
        add_all(&db, vec![tally(60, one, weather, 5), tally(360, one, weather, 1)]).await?;
        add_all(&db, vec![Tally { grain_s: 3_600, ..tally(0, one, weather, 99) }]).await?;

        let steps = by_step(&*db, &ALL, 300).await?;
        let steps: Vec<_> = steps.iter().map(|row| (row.step_start_s, row.calls.0, row.errors.0)).collect();
        assert_eq!(steps, [(0, 12, 3), (300, 1, 1)]);
        let tools = by_tool(&*db, &ALL, 10).await?;
        let tools: Vec<_> = tools.iter().map(|row| (row.tool_id, row.calls.0, row.duration_us.0)).collect();
        assert_eq!(tools, [(one, 9, 90), (two, 4, 40)]);
        assert_eq!(by_tool(&*db, &ALL, 1).await?.len(), 1);
        let servers = by_server(&*db, &ALL, 10).await?;
        assert_eq!(servers.iter().map(|row| row.server_id).collect::<Vec<_>>(), [weather, tides]);
        let narrow = Span { from_s: 120, to_s: 360, ..ALL };
        assert_eq!(by_tool(&*db, &narrow, 10).await?.iter().map(|row| row.tool_id).collect::<Vec<_>>(), [two]);
        let one_only = Span { tool_id: Some(one), server_id: Some(weather), ..ALL };
        assert_eq!(by_step(&*db, &one_only, 86_400).await?[0].calls, Whole(9));
        Ok(())
    }

    #[tokio::test]
    async fn old_counts_go_some_at_a_time_and_only_those_of_their_grain() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let mut tallies: Vec<_> = (0..130).map(|minute| tally(minute * 60, tool, server, 1)).collect();
        tallies.push(Tally { grain_s: 3_600, ..tally(0, tool, server, 1) });
        add_all(&db, tallies).await?;
        let mut left = Vec::new();
        loop {
            let tx = db.begin().await?;
            let again = delete_before(&tx, 60, 100 * 60).await?;
            tx.commit().await?;
            if !again {
                break;
            }
            left.push(by_tool(&*db, &ALL, 1).await?[0].calls.0);
        }
        assert_eq!(left, [70, 30]);
        assert_eq!(by_tool(&*db, &Span { grain_s: 3_600, ..ALL }, 9).await?.len(), 1);
        Ok(())
    }
}
