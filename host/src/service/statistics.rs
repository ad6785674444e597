//! Calls counted: how many, how many failed, how long they took; over time, by tool, by server.
//!
//! Read from the counts that are written with the rows of the execution log. What authors try out is
//! not among them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, Service};
use crate::db::execution_scope_durations::{self as scopes, DAY_S, ScopeId, Stretch};
use crate::db::execution_statistics::{self as rows, FIVE_MINUTES_S, HOUR_S, MINUTE_S, Span, ToolCount};
use crate::db::{Whole, execution_durations};
use crate::domain::caller::Caller;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::latency::Histogram;

/// Tools of one component whose durations are put together.
const TOOLS_OF_A_COMPONENT: u64 = 500;

/// How far back to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Period {
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "6h")]
    SixHours,
    #[default]
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Period {
    /// The grain of the counts, the length of a step of its chart, and how many steps it has.
    fn chart(self) -> (i32, i64, i64) {
        match self {
            Self::Hour => (MINUTE_S, 60, 60),
            Self::SixHours => (FIVE_MINUTES_S, 300, 72),
            Self::Day => (HOUR_S, 3_600, 24),
            Self::Week => (HOUR_S, 7_200, 84),
        }
    }
}

/// A period that ends with the step that runs now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) span: Span,
    pub(super) step_s: i64,
}

impl Window {
    pub(super) fn of(period: Period, now: DateTime<Utc>) -> Self {
        let (grain_s, step_s, steps) = period.chart();
        let now_s = now.timestamp();
        let to_s = now_s - now_s.rem_euclid(step_s) + step_s;
        let span = Span { grain_s, from_s: to_s - step_s * steps, to_s, server_id: None, tool_id: None };
        Self { span, step_s }
    }

    /// The window in as few counts of tools and servers as there can be: whole days, at the ends hours, and at
    /// their ends five minutes. It begins with the five minutes in which the window does.
    fn stretches(&self) -> Vec<Stretch> {
        let Span { from_s, to_s, .. } = self.span;
        let mut stretches = Vec::new();
        cover(
            from_s - from_s.rem_euclid(FIVE_MINUTES_S.into()),
            to_s,
            &[DAY_S, HOUR_S, FIVE_MINUTES_S],
            &mut stretches,
        );
        stretches
    }

    pub(super) fn from(&self) -> DateTime<Utc> {
        time(self.span.from_s)
    }

    pub(super) fn to(&self) -> DateTime<Utc> {
        time(self.span.to_s)
    }
}

/// Covers a stretch of time with spans of the coarsest grain that fits, then both of its ends.
fn cover(from_s: i64, to_s: i64, grains_s: &[i32], stretches: &mut Vec<Stretch>) {
    let Some((grain_s, finer)) = grains_s.split_first() else { return };
    let grain = i64::from(*grain_s);
    let first = from_s + (-from_s).rem_euclid(grain);
    let last = match finer {
        // Of the finest grain a span that has only begun counts too: the window ends with now.
        [] => to_s,
        _ => to_s - to_s.rem_euclid(grain),
    };
    if first >= last {
        return cover(from_s, to_s, finer, stretches);
    }
    stretches.push(Stretch { grain_s: *grain_s, from_s: first, to_s: last });
    for (from_s, to_s) in [(from_s, first), (last, to_s)] {
        if from_s < to_s {
            cover(from_s, to_s, finer, stretches);
        }
    }
}

/// How long calls took, in milliseconds; none when there were no calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Durations {
    pub mean: Option<f64>,
    /// Percentiles are told from classes: at most a quarter off. Those of tools and servers are of whole five
    /// minutes.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// Some calls together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Counts {
    pub requests: u64,
    pub errors: u64,
    /// Errors among all, from 0 to 1; 0 without requests.
    pub error_rate: f64,
}

/// One step of the chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Step {
    /// Where it begins.
    pub at: DateTime<Utc>,
    pub requests: u64,
    pub errors: u64,
    pub mean_ms: Option<f64>,
}

/// One tool, under the name that was called.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ToolStatistics {
    pub tool_id: ToolId,
    pub server_id: ServerId,
    pub tool_name: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub duration_ms: Durations,
}

/// All calls of a period, of one tool, of one server's tools, or of all.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StatisticsView {
    pub period: Period,
    pub from: DateTime<Utc>,
    /// The end of the step that runs now.
    pub to: DateTime<Utc>,
    pub step_s: i64,
    #[serde(flatten)]
    pub counts: Counts,
    pub duration_ms: Durations,
    /// Oldest first, without gaps.
    pub series: Vec<Step>,
}

/// Of which calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub server_id: Option<ServerId>,
    pub tool_id: Option<ToolId>,
}

impl Counts {
    pub(super) fn of(calls: Whole, errors: Whole) -> Self {
        let error_rate = if calls.0 == 0 { 0.0 } else { errors.0 as f64 / calls.0 as f64 };
        Self { requests: calls.0, errors: errors.0, error_rate }
    }
}

impl Durations {
    pub(super) fn of(histogram: Option<&Histogram>, calls: u64, duration_us: u64) -> Self {
        let told = |percent| histogram?.percentile_us(percent).map(|us| us / 1e3);
        Self { mean: mean_ms(calls, duration_us), p50: told(50), p95: told(95), p99: told(99) }
    }
}

fn mean_ms(calls: u64, duration_us: u64) -> Option<f64> {
    (calls > 0).then(|| duration_us as f64 / calls as f64 / 1e3)
}

impl Service {
    /// Counts of a period; of a deleted tool or server too.
    pub async fn execution_statistics(
        &self,
        _caller: &Caller,
        period: Period,
        scope: Scope,
    ) -> Result<StatisticsView, Error> {
        let Scope { server_id, tool_id } = scope;
        let mut window = Window::of(period, self.clock().now());
        if scope == Scope::default() {
            return self.statistics_of_all(period, &window).await;
        }
        window.span = Span { server_id, tool_id, ..window.span };
        let steps = rows::by_step(self.db(), &window.span, window.step_s).await?;
        let mut sums = Sums::default();
        for step in steps {
            sums.add(step.step_start_s, [step.calls.0, step.errors.0, step.duration_us.0]);
        }
        let of = match (tool_id, server_id) {
            (None, Some(server)) => vec![ScopeId::of_server(server)],
            _ => {
                // Of a component, each of its tools that was called.
                let tools = rows::by_tool(self.db(), &window.span, TOOLS_OF_A_COMPONENT).await?;
                tools.iter().map(|tool| ScopeId::of_tool(tool.tool_id, &tool.tool_name)).collect()
            }
        };
        for histogram in self.histograms(&window, &of).await?.into_values() {
            sums.histogram.merge(&histogram);
        }
        Ok(sums.view(period, &window))
    }

    /// How long the calls of each of these took in a window.
    pub(super) async fn histograms(
        &self,
        window: &Window,
        of: &[ScopeId],
    ) -> Result<HashMap<ScopeId, Histogram>, Error> {
        Ok(scopes::histograms(self.db(), of, &window.stretches()).await?)
    }

    pub(super) async fn statistics_of_all(&self, period: Period, window: &Window) -> Result<StatisticsView, Error> {
        let counts = execution_durations::by_step(self.db(), &window.span, window.step_s).await?;
        let mut sums = Sums::default();
        for count in counts {
            sums.add(count.step_start_s, [count.calls.0, count.errors.0, count.duration_us.0]);
            sums.histogram.add(count.duration_class, count.calls.0);
        }
        Ok(sums.view(period, window))
    }

    /// The tools that were called most.
    pub(super) async fn top_tools(&self, window: &Window, limit: u64) -> Result<Vec<ToolStatistics>, Error> {
        let tools = rows::by_tool(self.db(), &window.span, limit).await?;
        let scope = |tool: &ToolCount| ScopeId::of_tool(tool.tool_id, &tool.tool_name);
        let histograms = self.histograms(window, &tools.iter().map(scope).collect::<Vec<_>>()).await?;
        let view = |tool: ToolCount| {
            let histogram = histograms.get(&scope(&tool));
            let ToolCount { tool_id, tool_name, server_id, calls, errors, duration_us } = tool;
            let (counts, duration_ms) = (Counts::of(calls, errors), Durations::of(histogram, calls.0, duration_us.0));
            ToolStatistics { tool_id, server_id, tool_name, counts, duration_ms }
        };
        Ok(tools.into_iter().map(view).collect())
    }
}

/// Calls, errors and microseconds, by the step in which they began.
#[derive(Default)]
struct Sums {
    steps: HashMap<i64, [u64; 3]>,
    histogram: Histogram,
}

impl Sums {
    fn add(&mut self, step_start_s: i64, numbers: [u64; 3]) {
        let sums = self.steps.entry(step_start_s).or_default();
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum = sum.saturating_add(number));
    }

    fn view(self, period: Period, window: &Window) -> StatisticsView {
        let Window { span, step_s } = *window;
        let step = usize::try_from(step_s).unwrap_or(usize::MAX);
        let series = (span.from_s..span.to_s).step_by(step).map(|start_s| {
            let [requests, errors, duration_us] = self.steps.get(&start_s).copied().unwrap_or_default();
            Step { at: time(start_s), requests, errors, mean_ms: mean_ms(requests, duration_us) }
        });
        let sum = |at: usize| self.steps.values().fold(0_u64, |sum, step| sum.saturating_add(step[at]));
        let [calls, errors, duration_us] = [sum(0), sum(1), sum(2)];
        StatisticsView {
            period,
            from: window.from(),
            to: window.to(),
            step_s,
            counts: Counts::of(calls.into(), errors.into()),
            duration_ms: Durations::of(Some(&self.histogram), calls, duration_us),
            series: series.collect(),
        }
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_covered_once_and_by_few_counts() {
        for now in [1_700_000_123, 1_700_006_400, 1_699_999_200, 1_700_092_800] {
            for (period, most) in [(Period::Hour, 13), (Period::SixHours, 18), (Period::Day, 25), (Period::Week, 54)] {
                let window = Window::of(period, time(now));
                let mut stretches = window.stretches();
                stretches.sort_by_key(|stretch| stretch.from_s);
                let spans: i64 = stretches
                    .iter()
                    .map(|stretch| {
                        let grain = i64::from(stretch.grain_s);
                        assert_eq!(stretch.from_s % grain, 0, "{stretch:?}");
                        (stretch.to_s - stretch.from_s + grain - 1) / grain
                    })
                    .sum();
                assert!(spans <= most, "{period:?}: {spans}");
                let (from, to) = (stretches[0].from_s, stretches[stretches.len() - 1].to_s);
                assert!(window.span.from_s - from < 300 && from <= window.span.from_s && to == window.span.to_s);
                assert!(stretches.windows(2).all(|two| two[0].to_s == two[1].from_s), "{stretches:?}");
            }
        }
    }

    #[test]
    fn a_window_ends_with_the_step_that_runs_and_begins_at_a_step() {
        let now = time(1_700_000_123);
        for (period, hours) in [(Period::Hour, 1), (Period::SixHours, 6), (Period::Day, 24), (Period::Week, 168)] {
            let window = Window::of(period, now);
            assert!(window.to() > now && window.span.to_s - window.step_s <= now.timestamp());
            assert_eq!(window.span.to_s - window.span.from_s, hours * 3_600);
            assert_eq!(window.span.from_s % window.step_s, 0);
            assert_eq!(window.step_s % i64::from(window.span.grain_s), 0);
        }
    }
}
