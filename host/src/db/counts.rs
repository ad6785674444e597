//! What all tables of counts have in common: how calls become counts, how counts add up, how old ones go.
//! A count is of a stretch of time: of a grain in seconds, from a multiple of that on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, IntoColumnRef, OnConflict};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait as _, EntityTrait, IntoActiveModel, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::error::Doing as _;
use super::execution_logs::ExecutionLog;
use super::{DbError, Tx, Whole};

/// Rows in one statement: SQLite takes 32,766 values in one, and a row has 8 at most.
const ROWS_PER_STATEMENT: usize = 1_000;
/// Spans that are deleted at once.
const SPANS_AT_ONCE: i64 = 60;

/// The counts of some calls, in the order of their keys. Tests are not counted: they are an author's
/// attempts, and say nothing about the service that callers get. `empty` makes the counts in which a call
/// belongs, for a grain and the start of its stretch; `count` adds the call to one.
pub(super) fn tallied<K: Ord, T, I: IntoIterator<Item = (K, T)>>(
    calls: &[ExecutionLog],
    grains_s: &[i32],
    empty: impl Fn(&ExecutionLog, i32, i64) -> I,
    count: impl Fn(&mut T, &ExecutionLog),
) -> Vec<T> {
    let mut tallies = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.is_test) {
        for grain_s in grains_s {
            for (key, tally) in empty(call, *grain_s, start_of(call.started_at, *grain_s)) {
                count(tallies.entry((*grain_s, key)).or_insert(tally), call);
            }
        }
    }
    tallies.into_values().collect()
}

/// Adds one call to calls, errors and microseconds.
pub(super) fn sum(call: &ExecutionLog, [calls, errors, duration_us]: [&mut Whole; 3]) {
    calls.0 += 1;
    errors.0 += u64::from(!call.success);
    duration_us.0 = duration_us.0.saturating_add(call.duration_us.0);
}

/// The start of the step of a chart in which a stretch lies: steps are of `step_s` seconds.
pub(super) fn step_of(start: impl IntoColumnRef + Copy, step_s: i64) -> Expr {
    Expr::col(start).sub(Expr::col(start).modulo(step_s))
}

/// Where the stretch of a time begins, in seconds since 1970.
fn start_of(time: DateTime<Utc>, grain_s: i32) -> i64 {
    let seconds = time.timestamp();
    seconds - seconds.rem_euclid(grain_s.into())
}

/// Adds counts to those that are there: the `sums` of those with the same `keys`. Give them in the order of
/// their keys: two processes that add at once then wait for each other and never in a circle.
pub(super) async fn add<E, M, A>(
    tx: &Tx,
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
        let done = E::insert_many(some).on_conflict(known.clone()).exec_without_returning(tx.inner()).await;
        done.map(drop).doing("count calls")?;
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
