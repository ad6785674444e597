//! Calls of each tool and of each server, counted for each class of duration (`domain::latency`) over five
//! minutes, an hour and a day.

use std::collections::HashMap;

use sea_orm::{ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

pub use entity::Model as Tally;
use entity::{Column, Entity};

use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::{Appending, Conn, DbError, Tx, Whole, counts};
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::latency::Histogram;

pub const FIVE_MINUTES_S: i32 = 300;
pub const HOUR_S: i32 = 3_600;
pub const DAY_S: i32 = 86_400;
pub const GRAINS_S: [i32; 3] = [FIVE_MINUTES_S, HOUR_S, DAY_S];

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    use super::Whole;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "execution_scope_durations")]
    pub struct Model {
        /// Length of the span.
        #[sea_orm(primary_key, auto_increment = false)]
        pub grain_s: i32,
        /// See `ScopeId`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope_id: Uuid,
        /// Where the span begins: seconds since 1970, a multiple of the grain.
        #[sea_orm(primary_key, auto_increment = false)]
        pub start_s: i64,
        /// See `domain::latency`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub duration_class: i32,
        pub calls: Whole,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Whose calls: a server's, or a tool's under the name that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(Uuid);

impl ScopeId {
    pub fn of_server(server: ServerId) -> Self {
        Self(server.0)
    }

    /// A component has several tools under one id; so the name goes into it too.
    pub fn of_tool(tool: ToolId, tool_name: &str) -> Self {
        let digest = Digest::of_parts([tool.0.as_bytes().as_slice(), tool_name.as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(&digest.as_bytes()[..16]);
        Self(Uuid::from_bytes(half))
    }
}

/// A stretch of time, in spans of one grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub grain_s: i32,
    /// Seconds since 1970.
    pub from_s: i64,
    /// Not in it any more.
    pub to_s: i64,
}

#[derive(FromQueryResult)]
struct ClassCount {
    scope_id: Uuid,
    duration_class: i32,
    calls: Whole,
}

/// The counts of some calls, in the order of their keys; tests are not counted.
pub fn tallies(calls: &[ExecutionLog]) -> Vec<Tally> {
    let empty = |calls: &counts::Alike<'_>, grain_s, start_s| {
        let duration_class = calls.duration_class;
        [ScopeId::of_server(calls.server_id), ScopeId::of_tool(calls.tool_id, calls.tool_name)].map(|scope| {
            let tally = Tally { grain_s, scope_id: scope.0, start_s, duration_class, calls: Whole(0) };
            ((scope, start_s, duration_class), tally)
        })
    };
    counts::tallied(calls, &GRAINS_S, empty, |tally, calls| tally.calls.0 += calls.calls)
}

/// Adds counts to those that are there. Give them in the order of their keys.
pub async fn add(to: &mut Appending, tallies: Vec<Tally>) -> Result<(), DbError> {
    let keys = [Column::GrainS, Column::ScopeId, Column::StartS, Column::DurationClass];
    counts::add::<Entity, _, entity::ActiveModel>(to, tallies, &keys, &[Column::Calls]).await
}

/// How long the calls of each of these scopes took, over all the stretches together.
pub async fn histograms(
    db: &impl Conn,
    scopes: &[ScopeId],
    stretches: &[Stretch],
) -> Result<HashMap<ScopeId, Histogram>, DbError> {
    let mut histograms: HashMap<ScopeId, Histogram> = HashMap::new();
    if scopes.is_empty() {
        return Ok(histograms);
    }
    for Stretch { grain_s, from_s, to_s } in stretches {
        let query = Entity::find()
            .filter(Column::GrainS.eq(*grain_s))
            .filter(Column::ScopeId.is_in(scopes.iter().map(|scope| scope.0)))
            .filter(Column::StartS.gte(*from_s))
            .filter(Column::StartS.lt(*to_s))
            .select_only()
            .columns([Column::ScopeId, Column::DurationClass])
            .expr_as(counts::total(Column::Calls), "calls")
            .group_by(Column::ScopeId)
            .group_by(Column::DurationClass);
        let rows: Vec<ClassCount> = query.into_model().all(&db.on()).await.doing("read the durations of calls")?;
        for ClassCount { scope_id, duration_class, calls } in rows {
            histograms.entry(ScopeId(scope_id)).or_default().add(duration_class, calls.0);
        }
    }
    Ok(histograms)
}

/// Deletes some of the oldest counts of a grain that begin before `before_s`; false when none is left.
pub async fn delete_before(tx: &Tx, grain_s: i32, before_s: i64) -> Result<bool, DbError> {
    counts::delete_before::<Entity>(tx, (Column::GrainS, Column::StartS), grain_s, before_s).await
}

#[cfg(test)]
mod tests {
    use super::super::testing::fresh;
    use super::*;

    #[tokio::test]
    async fn counts_of_a_scope_add_up_over_stretches_and_old_ones_go() -> Result<(), DbError> {
        let db = fresh().await;
        let (server, tool) = (ServerId::new(), ToolId::new());
        let (one, other) = (ScopeId::of_server(server), ScopeId::of_tool(tool, "s__one"));
        assert_ne!(other, ScopeId::of_tool(tool, "s__two"), "exports of a component are told apart");
        let tally = |scope: ScopeId, grain_s, start_s, calls| Tally {
            grain_s,
            scope_id: scope.0,
            start_s,
            duration_class: 7,
            calls: Whole(calls),
        };
        let mut tx = db.begin_appending().await?;
        add(&mut tx, vec![tally(one, 300, 0, 3), tally(one, 300, 300, 5), tally(other, 300, 0, 9)]).await?;
        add(&mut tx, vec![tally(one, 300, 0, 1), tally(one, 3_600, 3_600, 2)]).await?;
        tx.commit().await?;
        let tx = db.begin().await?;
        let stretches =
            [Stretch { grain_s: 300, from_s: 0, to_s: 300 }, Stretch { grain_s: 3_600, from_s: 3_600, to_s: 7_200 }];
        let read = histograms(&tx, &[one, ScopeId::of_tool(tool, "s__two")], &stretches).await?;
        let mut expected = Histogram::default();
        expected.add(7, 6);
        assert_eq!(read, HashMap::from([(one, expected)]));
        assert!(histograms(&tx, &[], &stretches).await?.is_empty());
        assert!(delete_before(&tx, 300, 300).await?);
        assert!(!delete_before(&tx, 300, 300).await?);
        let left = histograms(&tx, &[one, other], &[Stretch { grain_s: 300, from_s: 0, to_s: 900 }]).await?;
        assert_eq!(left.len(), 1);
        Ok(())
    }
}
