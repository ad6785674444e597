//! The dashboard's numbers are those of the rows.

use super::records::{call_of, execution_rows};
use super::*;
use crate::db::execution_logs::ExecutionLog;
use crate::service::statistics::{Period, Scope};
use crate::service::writer::Store as _;

#[tokio::test]
async fn the_dashboard_counts_what_was_called_in_its_period() -> Done {
    let host = host().await;
    let (weather, tides) = (host.server("weather").await?, host.server("tides").await?);
    let forecast = host.approved(weather.id, "forecast").await?;
    let height = host.approved(tides.id, "height").await?;
    host.tool_submit(&model(), host.draft(tides.id, "next").await?.id, None).await?;
    let now = host.clock().now();
    let call = |tool: &ToolView, minutes: i64, duration_us: u64| ExecutionLog {
        started_at: now - TimeDelta::minutes(minutes),
        duration_us: duration_us.into(),
        success: true,
        ..call_of(tool)
    };
    let mut rows: Vec<_> = (1..=100).map(|ms| call(&forecast, 5, ms * 1_000)).collect();
    rows.push(ExecutionLog { success: false, ..call(&height, 5, 500) });
    rows.push(ExecutionLog { is_test: true, success: false, ..call(&height, 1, 500) });
    rows.push(call(&height, 2 * 60, 500));
    rows.push(call(&height, 5 * 24 * 60, 500));
    execution_rows(&host).write(&rows).await?;

    assert!(is_forbidden(host.dashboard(&model(), Period::Hour).await));
    let shown = host.dashboard(&person(), Period::Hour).await?;
    assert_eq!((shown.servers, shown.tools), (2, 3));
    assert_eq!((shown.pending.tools, shown.pending.network, shown.pending.modules), (1, 0, 0));
    assert_eq!((shown.calls.counts.requests, shown.calls.counts.errors), (101, 1));
    assert_eq!(shown.calls.series.len(), 60);
    assert_eq!(shown.calls.series.iter().map(|step| step.requests).sum::<u64>(), 101);
    assert_eq!(shown.calls.series.iter().filter(|step| step.requests > 0).count(), 1, "a gap is a gap");
    let top = &shown.top_tools[0];
    assert_eq!((top.tool_id, top.tool_name.as_str(), top.counts.requests), (forecast.id, "weather__forecast", 100));
    let mean = top.duration_ms.mean.expect("calls");
    assert!((mean - 50.5).abs() < 0.001, "{mean}");
    for durations in [shown.calls.duration_ms, top.duration_ms, shown.by_server[0].duration_ms] {
        let p95 = durations.p95.expect("calls");
        assert!((p95 - 95.0).abs() < 12.0, "{p95}");
    }
    let p99 = shown.by_server[1].duration_ms.p99.expect("a call");
    assert!((p99 - 0.5).abs() < 0.1, "{p99}");
    let servers: Vec<_> = shown.by_server.iter().map(|server| (&*server.server_name, server.counts.requests)).collect();
    assert_eq!(servers, [("weather", 100), ("tides", 1)]);
    assert_eq!(shown.recent_errors.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[100].id]);

    for (period, requests, steps) in [(Period::SixHours, 102, 72), (Period::Day, 102, 24), (Period::Week, 103, 84)] {
        let shown = host.dashboard(&person(), period).await?;
        assert_eq!((shown.calls.counts.requests, shown.calls.series.len()), (requests, steps), "{period:?}");
        assert_eq!(shown.calls.series.iter().map(|step| step.requests).sum::<u64>(), requests, "{period:?}");
    }
    let scope = Scope { tool_id: Some(height.id), ..Scope::default() };
    let one = host.execution_statistics(&model(), Period::Week, scope).await?;
    assert_eq!((one.counts.requests, one.counts.errors), (3, 1));
    assert!(one.duration_ms.p50.is_some_and(|ms| (ms - 0.5).abs() < 0.1), "{one:?}");
    let scope = Scope { server_id: Some(weather.id), ..Scope::default() };
    let server = host.execution_statistics(&model(), Period::Hour, scope).await?;
    assert!(server.duration_ms.p50.is_some_and(|ms| (ms - 50.0).abs() < 12.0), "{server:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_stays_counted_under_the_name_it_had() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let row = ExecutionLog { started_at: host.clock().now(), ..call_of(&tool) };
    execution_rows(&host).write(&[row]).await?;
    host.server_delete(&person(), server.id).await?;
    let shown = host.dashboard(&person(), Period::Day).await?;
    assert_eq!(shown.by_server[0].server_name, "weather");
    assert_eq!(shown.top_tools[0].tool_name, "weather__forecast");
    Ok(())
}

#[tokio::test]
async fn a_batch_that_comes_again_is_not_counted_again() -> Done {
    let host = host().await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let row = || ExecutionLog { started_at: host.clock().now(), ..call_of(&tool) };
    let (one, two, three) = (row(), row(), row());
    let log = execution_rows(&host);
    log.write(&[one.clone(), two.clone()]).await?;
    log.write(&[one.clone(), two, three]).await?;
    log.write(&[one]).await?;
    let shown = host.dashboard(&person(), Period::Hour).await?;
    assert_eq!((shown.calls.counts.requests, shown.top_tools[0].counts.requests), (3, 3));
    Ok(())
}
