//! What is old is deleted, and nothing else.

use super::records::{call_of, execution_rows};
use super::*;
use crate::db::execution_durations;
use crate::db::execution_logs::Filter;
use crate::db::execution_statistics::{self, Span};
use crate::events::{Change, Heard};
use crate::service::sessions::Opening;
use crate::service::writer::Store as _;

/// Holds: log_retention_days.
/// Fault: 3.retention.
#[tokio::test]
async fn rows_go_when_the_clock_says_so_and_not_before() -> Done {
    let host = host_within(Limits { log_retention_days: 3, ..Limits::default() }).await;
    let server = host.server("weather").await?;
    let tool = host.approved(server.id, "forecast").await?;
    let now = host.clock().now();
    let age = |days: i64| now - TimeDelta::days(days);
    // More than one transaction deletes.
    let mut rows: Vec<_> =
        (0..1_201).map(|_| execution_logs::ExecutionLog { started_at: age(4), ..call_of(&tool) }).collect();
    let young = execution_logs::ExecutionLog { started_at: age(2), ..call_of(&tool) };
    rows.push(young.clone());
    execution_rows(&host).write(&rows).await?;
    let mut told = host.events().listen(None);
    let never = CancellationToken::new();
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert_eq!(host.logs_prune(&stopped).await?, 0, "a host that stops deletes nothing more");
    let writes = host.db.writes();
    assert_eq!(host.logs_prune(&never).await?, 1_201);
    assert_eq!(host.db.writes(), writes, "no call looks anything up again because of it");
    let left = execution_logs::list(&*host.db, &Filter::default(), &testing::all()).await?;
    assert_eq!(left.items.iter().map(|row| row.id).collect::<Vec<_>>(), [young.id]);
    // Counts by the minute are for charts of hours, those by the hour for charts of days.
    let counted = async |grain_s| -> Result<u64, Error> {
        let span = Span { grain_s, from_s: 0, to_s: i64::MAX, server_id: None, tool_id: None };
        let tools = execution_statistics::by_tool(&*host.db, &span, 9).await?;
        let durations = execution_durations::by_step(&*host.db, &span, 3_600).await?;
        let counted = tools.iter().map(|tool| tool.calls.0).sum();
        assert_eq!(durations.iter().map(|class| class.calls.0).sum::<u64>(), counted);
        Ok(counted)
    };
    assert_eq!((counted(60).await?, counted(300).await?, counted(3_600).await?), (0, 0, 1_202));

    host.clock().turn(TimeDelta::days(1));
    assert_eq!(host.logs_prune(&never).await?, 1);
    // Each time the activity log was told of it; those rows have their time too.
    for _ in 0..2 {
        loop {
            match told.next().await {
                Some(Heard::Event(event)) if matches!(event.change, Change::Activity(_)) => break,
                heard => assert!(heard.is_some(), "the row is written"),
            }
        }
    }
    host.clock().turn(TimeDelta::days(30));
    assert_eq!(host.logs_prune(&never).await?, 2);
    assert_eq!(counted(3_600).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_session_that_has_expired_is_deleted() -> Done {
    let host = host().await;
    let code = host.setup_code_open().await?.expect("nobody is there yet");
    host.admin_setup(None, "ada", "correct horse battery", code.reveal()).await?;
    host.login(Opening::default(), "ada", "correct horse battery").await?;
    let never = CancellationToken::new();
    assert_eq!(host.sessions_prune(&never).await?, 0);
    host.clock().turn(TimeDelta::days(31));
    assert_eq!(host.sessions_prune(&never).await?, 1);
    Ok(())
}
