//! What all tables of counts have in common: how calls become counts, how counts add up, how old ones go.
//! A count is of a stretch of time: of a grain in seconds, from a multiple of that on.

use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait as _, IntoColumnRef, OnConflict};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait as _, EntityTrait, IntoActiveModel, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};

use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::execution_statistics::MINUTE_S;
use super::{Appending, DbError, Tx, Whole};
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::latency;

/// Rows in one statement: SQLite takes 32,766 values in one, and a row has 8 at most.
const ROWS_PER_STATEMENT: usize = 1_000;
/// Spans that are deleted at once.
const SPANS_AT_ONCE: i64 = 60;

/// Calls of one tool that began in one minute and took about as long. Every count is made of these: there are
/// few of them however many calls there were, and all that follows is done for each of them in place of each
/// call.
pub(super) struct Alike<'a> {
    /// Seconds since 1970.
    minute_s: i64,
    pub(super) tool_id: ToolId,
    pub(super) tool_name: &'a str,
    pub(super) server_id: ServerId,
    pub(super) duration_class: i32,
    pub(super) calls: u64,
    errors: u64,
    duration_us: u64,
}

/// Groups calls. Tests are left out: they are an author's attempts, and say nothing about the service that
/// callers get.
fn alike(calls: &[ExecutionLog]) -> impl Iterator<Item = Alike<'_>> {
    let mut groups = HashMap::new();
    for call in calls.iter().filter(|call| !call.is_test) {
        let minute_s = start_of(call.started_at.timestamp(), MINUTE_S);
        let (tool_id, server_id, tool_name) = (call.tool_id, call.server_id, &*call.tool_name);
        let duration_class = latency::class(call.duration_us.0);
        let key = (minute_s, tool_id, tool_name, server_id, duration_class);
        let [calls, errors, duration_us] = [0; 3];
        let group = groups.entry(key).or_insert(Alike {
            minute_s,
            tool_id,
            tool_name,
            server_id,
            duration_class,
            calls,
            errors,
            duration_us,
        });
        group.calls += 1;
        group.errors += u64::from(!call.success);
        group.duration_us = group.duration_us.saturating_add(call.duration_us.0);
    }
    groups.into_values()
}

/// The counts of some calls, in the order of their keys. `empty` makes the counts in which calls belong, for a
/// grain (minutes make up each) and the start of its stretch; `count` adds calls to one.
pub(super) fn tallied<K: Ord, T, I: IntoIterator<Item = (K, T)>>(
    calls: &[ExecutionLog],
    grains_s: &[i32],
    empty: impl Fn(&Alike<'_>, i32, i64) -> I,
    count: impl Fn(&mut T, &Alike<'_>),
) -> Vec<T> {
    let mut tallies = BTreeMap::new();
    for group in alike(calls) {
        for grain_s in grains_s {
            for (key, tally) in empty(&group, *grain_s, start_of(group.minute_s, *grain_s)) {
                count(tallies.entry((*grain_s, key)).or_insert(tally), &group);
            }
        }
    }
    tallies.into_values().collect()
}

/// Adds calls to calls, errors and microseconds.
pub(super) fn sum(group: &Alike<'_>, [calls, errors, duration_us]: [&mut Whole; 3]) {
    calls.0 += group.calls;
    errors.0 += group.errors;
    duration_us.0 = duration_us.0.saturating_add(group.duration_us);
}

/// The start of the step of a chart in which a stretch lies: steps are of `step_s` seconds.
pub(super) fn step_of(start: impl IntoColumnRef + Copy, step_s: i64) -> Expr {
    Expr::col(start).sub(Expr::col(start).modulo(step_s))
}

/// Where the stretch of a time begins, both in seconds since 1970.
fn start_of(seconds: i64, grain_s: i32) -> i64 {
    seconds - seconds.rem_euclid(grain_s.into())
}

/// Adds counts to those that are there: the `sums` of those with the same `keys`. Give them in the order of
/// their keys: two processes that add at once then wait for each other and never in a circle.
pub(super) async fn add<E, M, A>(
    to: &mut Appending,
    tallies: Vec<M>,
    keys: &[E::Column],
    sums: &[E::Column],
) -> Result<(), DbError>
where
    E: EntityTrait,
    M: IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = E> + ActiveModelBehavior + Send,
{
    let mut known = OnConflict::columns(keys.iter().copied());
    for column in sums {
        let together = Expr::col((E::default(), *column)).add(Expr::col(("excluded", *column)));
        known.value(*column, together);
    }
    let mut rows = tallies.into_iter().map(IntoActiveModel::into_active_model);
    loop {
        let some: Vec<A> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        if some.is_empty() {
            return Ok(());
        }
        let counted = E::insert_many(some).on_conflict(known.clone()).build(to.backend());
        to.run("count calls", counted).await?;
    }
}

/// Deletes some of the oldest counts of a grain that begin before `before_s`; false when none is left.
pub(super) async fn delete_before<E: EntityTrait>(
    tx: &Tx,
    (grain, start): (E::Column, E::Column),
    grain_s: i32,
    before_s: i64,
) -> Result<bool, DbError> {
    let doing = "delete old counts";
    let mine = grain.eq(grain_s);
    let oldest = E::find().select_only().column(start).filter(mine.clone()).order_by_asc(start);
    let oldest: Option<i64> = oldest.into_tuple().one(tx.inner()).await.doing(doing)?;
    let Some(oldest) = oldest.filter(|oldest| *oldest < before_s) else { return Ok(false) };
    let end = Ord::min(before_s, oldest.saturating_add(SPANS_AT_ONCE * i64::from(grain_s)));
    E::delete_many().filter(mine).filter(start.lt(end)).exec(tx.inner()).await.doing(doing)?;
    Ok(true)
}

/// A sum as the whole number that it is: PostgreSQL widens it.
pub(super) fn total(column: impl IntoColumnRef) -> Expr {
    Expr::col(column).sum().cast_as("bigint")
}

#[cfg(test)]
mod tests {
    use super::super::execution_durations as durations;
    use super::super::execution_scope_durations as scopes;
    use super::super::execution_statistics as statistics;
    use super::super::testing::{at, call};
    use super::*;

    #[test]
    fn every_call_but_a_test_is_counted_once_in_each_stretch() {
        let (server, one, two) = (ServerId::new(), ToolId::new(), ToolId::new());
        // The fixed time of tests begins a day.
        let calls = [
            call(server, one, 0),
            call(server, one, 59),
            ExecutionLog { success: false, duration_us: Whole(50_000), ..call(server, one, 60) },
            ExecutionLog { tool_name: "weather__tides".into(), ..call(server, one, 60) },
            call(server, two, 3_600),
            ExecutionLog { is_test: true, ..call(server, two, 3_600) },
        ];
        let minutes = statistics::tallies(&calls);
        let minutes: Vec<_> = minutes
            .iter()
            .filter(|tally| tally.grain_s == MINUTE_S)
            .map(|tally| (tally.start_s - at(0).timestamp(), tally.calls.0, tally.errors.0, tally.duration_us.0))
            .collect();
        assert_eq!(minutes.len(), 4);
        assert_eq!([minutes[0], minutes[3]], [(0, 2, 0, 3_000), (3_600, 1, 0, 1_500)]);
        assert!(minutes.contains(&(60, 1, 1, 50_000)) && minutes.contains(&(60, 1, 0, 1_500)), "{minutes:?}");
        for grain_s in statistics::GRAINS_S {
            let of_grain = |all: &[(i32, u64)]| all.iter().filter(|one| one.0 == grain_s).map(|one| one.1).sum::<u64>();
            let tools: Vec<_> = statistics::tallies(&calls).iter().map(|one| (one.grain_s, one.calls.0)).collect();
            let classes: Vec<_> = durations::tallies(&calls).iter().map(|one| (one.grain_s, one.calls.0)).collect();
            assert_eq!((of_grain(&tools), of_grain(&classes)), (5, 5), "{grain_s}");
        }
        for grain_s in scopes::GRAINS_S {
            let of_grain = scopes::tallies(&calls).into_iter().filter(|one| one.grain_s == grain_s);
            assert_eq!(of_grain.map(|one| one.calls.0).sum::<u64>(), 10, "each for its tool and its server: {grain_s}");
        }
    }
}
