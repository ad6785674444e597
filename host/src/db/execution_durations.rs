//! Calls of all tools together, counted for each class of duration (`domain::latency`) over the same
//! stretches of time as those of single tools.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _};

pub use entity::Model as Tally;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::execution_statistics::{GRAINS_S, Span};
use super::{Appending, Conn, DbError, Tx, Whole, counts};

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
pub fn tallies(calls: &[ExecutionLog]) -> Vec<Tally> {
    let empty = |calls: &counts::Alike<'_>, grain_s, start_s| {
        let duration_class = calls.duration_class;
        let [calls, errors, duration_us] = [Whole(0); 3];
        [((start_s, duration_class), Tally { grain_s, start_s, duration_class, calls, errors, duration_us })]
    };
    counts::tallied(calls, &GRAINS_S, empty, |tally, calls| {
        counts::sum(calls, [&mut tally.calls, &mut tally.errors, &mut tally.duration_us]);
    })
}

/// Adds counts to those that are there. Give them in the order of their keys.
pub async fn add(to: &mut Appending, tallies: Vec<Tally>) -> Result<(), DbError> {
    let keys = [Column::GrainS, Column::StartS, Column::DurationClass];
    let sums = [Column::Calls, Column::Errors, Column::DurationUs];
    counts::add::<Entity, _, entity::ActiveModel>(to, tallies, &keys, &sums).await
}

/// All tools, in steps of `step_s` seconds and by class. The span's own tool and server are not looked at.
pub async fn by_step(db: &impl Conn, span: &Span, step_s: i64) -> Result<Vec<StepClassCount>, DbError> {
    let query = Entity::find()
        .filter(Column::GrainS.eq(span.grain_s))
        .filter(Column::StartS.gte(span.from_s))
        .filter(Column::StartS.lt(span.to_s))
        .select_only()
        .expr_as(counts::step_of(Column::StartS, step_s), "step_start_s")
        .column(Column::DurationClass)
        .expr_as(counts::total(Column::Calls), "calls")
        .expr_as(counts::total(Column::Errors), "errors")
        .expr_as(counts::total(Column::DurationUs), "duration_us")
        // By its name: to PostgreSQL two parameters of one value may be two values.
        .group_by(Expr::col("step_start_s"))
        .group_by(Column::DurationClass);
    query.into_model().all(&db.on()).await.doing("read the durations of calls")
}

/// Deletes some of the oldest counts of a grain that begin before `before_s`; false when none is left.
pub async fn delete_before(tx: &Tx, grain_s: i32, before_s: i64) -> Result<bool, DbError> {
    counts::delete_before::<Entity>(tx, (Column::GrainS, Column::StartS), grain_s, before_s).await
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
        let mut tx = db.begin_appending().await?;
        add(&mut tx, vec![tally(60, 7, 3), tally(120, 7, 2), tally(360, 9, 4)]).await?;
        add(&mut tx, vec![tally(60, 7, 1), Tally { grain_s: 300, ..tally(0, 7, 99) }]).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
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
