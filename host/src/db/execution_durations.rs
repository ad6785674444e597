//! Calls of all tools together, counted for each class of duration (`domain::latency`) over the same
//! stretches of time as those of single tools.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

pub use entity::Model as Tally;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::execution_statistics::{GRAINS_S, SPANS_AT_ONCE, Span, start_of};
use super::{Conn, DbError, Tx, Whole};
use crate::domain::latency;

/// Rows in one statement: SQLite takes 32,766 values in one, and a row has 6.
const ROWS_PER_STATEMENT: usize = 1_000;

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::Whole;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "execution_durations")]
    pub struct Model {
        /// Length of the span.
        #[sea_orm(primary_key, auto_increment = false)]
        pub grain_s: i32,
        /// Where the span begins: seconds since 1970, a multiple of the grain.
        #[sea_orm(primary_key, auto_increment = false)]
        pub start_s: i64,
        /// See `domain::latency`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub duration_class: i32,
        pub calls: Whole,
        pub errors: Whole,
        /// Of all these calls together.
        pub duration_us: Whole,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Calls of one class in one stretch of a chart.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct StepClassCount {
    /// Seconds since 1970.
    pub step_start_s: i64,
    pub duration_class: i32,
    pub calls: Whole,
    pub errors: Whole,
    pub duration_us: Whole,
}

/// The counts of some calls, in the order of their keys; tests are not counted.
pub fn tallies(rows: &[ExecutionLog]) -> Vec<Tally> {
    let mut tallies: BTreeMap<(i32, i64, i32), Tally> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.is_test) {
        for grain_s in GRAINS_S {
            let (start_s, duration_class) = (start_of(row.started_at, grain_s), latency::class(row.duration_us.0));
            let tally = tallies.entry((grain_s, start_s, duration_class)).or_insert_with(|| Tally {
                grain_s,
                start_s,
                duration_class,
                calls: 0.into(),
                errors: 0.into(),
                duration_us: 0.into(),
            });
            tally.calls.0 += 1;
            tally.errors.0 += u64::from(!row.success);
            tally.duration_us.0 = tally.duration_us.0.saturating_add(row.duration_us.0);
        }
    }
    tallies.into_values().collect()
}

/// Adds counts to those that are there. Give them in the order of their keys: two processes that add
/// at once then wait for each other and never in a circle.
pub async fn add(tx: &Tx, tallies: Vec<Tally>) -> Result<(), DbError> {
    let together = |column: Column| Expr::col((Entity, column)).add(Expr::col(("excluded", column)));
    let known = OnConflict::columns([Column::GrainS, Column::StartS, Column::DurationClass])
        .value(Column::Calls, together(Column::Calls))
        .value(Column::Errors, together(Column::Errors))
        .value(Column::DurationUs, together(Column::DurationUs))
        .to_owned();
    let mut rows = tallies.into_iter().map(entity::ActiveModel::from);
    loop {
        let some: Vec<_> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        if some.is_empty() {
            return Ok(());
        }
        let done = Entity::insert_many(some).on_conflict(known.clone()).exec_without_returning(tx.inner()).await;
        done.map(drop).doing("count durations of calls")?;
    }
}

/// All tools, in steps of `step_s` seconds and by class. The span's own tool and server are not looked at.
pub async fn by_step(db: &impl Conn, span: &Span, step_s: i64) -> Result<Vec<StepClassCount>, DbError> {
    let total = |column: Column| Expr::col(column).sum().cast_as("bigint");
    let start = Expr::col(Column::StartS).sub(Expr::col(Column::StartS).modulo(step_s));
    let query = Entity::find()
        .filter(Column::GrainS.eq(span.grain_s))
        .filter(Column::StartS.gte(span.from_s))
        .filter(Column::StartS.lt(span.to_s))
        .select_only()
        .expr_as(start, "step_start_s")
        .column(Column::DurationClass)
        .expr_as(total(Column::Calls), "calls")
        .expr_as(total(Column::Errors), "errors")
        .expr_as(total(Column::DurationUs), "duration_us")
        // By its name: to PostgreSQL two parameters of one value may be two values.
        .group_by(Expr::col("step_start_s"))
        .group_by(Column::DurationClass);
    query.into_model().all(&db.on()).await.doing("read the durations of calls")
}

/// Deletes some of the oldest counts of a grain that begin before `before_s`; false when none is left.
pub async fn delete_before(tx: &Tx, grain_s: i32, before_s: i64) -> Result<bool, DbError> {
    let doing = "delete old durations of calls";
    let mine = Column::GrainS.eq(grain_s);
    let oldest = Entity::find().select_only().column(Column::StartS).filter(mine.clone()).order_by_asc(Column::StartS);
    let oldest: Option<i64> = oldest.into_tuple().one(tx.inner()).await.doing(doing)?;
    let Some(oldest) = oldest.filter(|oldest| *oldest < before_s) else { return Ok(false) };
    let end = Ord::min(before_s, oldest.saturating_add(SPANS_AT_ONCE * i64::from(grain_s)));
    let done = Entity::delete_many().filter(mine).filter(Column::StartS.lt(end)).exec(tx.inner()).await;
    done.doing(doing)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::fresh;
    use super::*;

    const ALL: Span = Span { grain_s: 60, from_s: 0, to_s: 86_400, server_id: None, tool_id: None };

    fn tally(start_s: i64, duration_class: i32, calls: u64) -> Tally {
        let calls = Whole(calls);
        Tally { grain_s: 60, start_s, duration_class, calls, errors: 1.into(), duration_us: 10.into() }
    }

    #[tokio::test]
    async fn counts_add_up_by_step_and_class_and_old_ones_go() -> Result<(), DbError> {
        let db = fresh().await;
        let tx = db.begin().await?;
        add(&tx, vec![tally(60, 7, 3), tally(120, 7, 2), tally(360, 9, 4)]).await?;
        add(&tx, vec![tally(60, 7, 1), Tally { grain_s: 300, ..tally(0, 7, 99) }]).await?;
        let read = async |span: Span| -> Result<Vec<_>, DbError> {
            let mut rows = by_step(&tx, &span, 300).await?;
            rows.sort_by_key(|row| row.step_start_s);
            Ok(rows.iter().map(|row| (row.step_start_s, row.duration_class, row.calls.0, row.errors.0)).collect())
        };
        assert_eq!(read(ALL).await?, [(0, 7, 6, 3), (300, 9, 4, 1)]);
        assert_eq!(read(Span { from_s: 120, to_s: 360, ..ALL }).await?, [(0, 7, 2, 1)]);
        assert!(delete_before(&tx, 60, 360).await?);
        assert!(!delete_before(&tx, 60, 360).await?);
        assert_eq!(read(ALL).await?, [(300, 9, 4, 1)]);
        assert_eq!(read(Span { grain_s: 300, ..ALL }).await?, [(0, 7, 99, 1)]);
        Ok(())
    }
}
