//! Calls counted: how many, how many failed, how long they took; over time, by tool, by server.
//!
//! Read from the counts that are written with the rows of the execution log. What authors try out is
//! not among them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, Service};
use crate::db::execution_statistics::{self as rows, FIVE_MINUTES_S, HOUR_S, MINUTE_S, Span, ToolCount};
use crate::db::{Whole, execution_durations};
use crate::domain::caller::Caller;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::latency::Histogram;

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

    pub(super) fn from(&self) -> DateTime<Utc> {
        time(self.span.from_s)
    }

    pub(super) fn to(&self) -> DateTime<Utc> {
        time(self.span.to_s)
    }
}

/// How long calls took, in milliseconds; none when there were no calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Durations {
    pub mean: Option<f64>,
    /// Percentiles are told of all tools together, from classes: at most a quarter off.
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
    pub mean_ms: Option<f64>,
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
    fn of(histogram: &Histogram, calls: u64, duration_us: u64) -> Self {
        let told = |percent| histogram.percentile_us(percent).map(|us| us / 1e3);
        Self { mean: mean_ms(calls, duration_us), p50: told(50), p95: told(95), p99: told(99) }
    }
}

pub(super) fn mean_ms(calls: u64, duration_us: u64) -> Option<f64> {
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
        Ok(sums.view(period, &window))
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
        let view = |tool: ToolCount| {
            let ToolCount { tool_id, tool_name, server_id, calls, errors, duration_us } = tool;
            let (counts, mean_ms) = (Counts::of(calls, errors), mean_ms(calls.0, duration_us.0));
            ToolStatistics { tool_id, server_id, tool_name, counts, mean_ms }
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
            duration_ms: Durations::of(&self.histogram, calls, duration_us),
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
