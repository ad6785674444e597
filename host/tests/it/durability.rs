//! What of the execution log outlives the process, however that ends.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::executable::admin;
use crate::program::{Installation, Serving};

const ECHO: &str = "def main(number: int) -> int: return number";

/// What kill -9 may take: the 50 ms in which rows are gathered, and the time of the two writes that a row can have to
/// wait for, on a disk shared with other tests.
const LOST: Duration = Duration::from_millis(50 + 950);

/// An installation with one approved tool, and a host that runs on it.
async fn published(place: &Installation) -> Serving {
    let mut serving = place.serve(&[("MCPBOX_MCP_REQUESTS_PER_MINUTE", "1000000")]).await;
    admin(&mut serving).await.tool("echo", "number", ECHO).await;
    serving
}

/// Calls the tool with numbers from `from` on; answers when each was answered.
async fn call(serving: &Serving, from: u64, many: u64) -> Vec<(u64, Instant)> {
    let mut answered = Vec::new();
    for number in from..from + many {
        let result = serving.door.model().done("echo__number", json!({"number": number})).await;
        assert_eq!(result, json!({"result": number}));
        answered.push((number, Instant::now()));
    }
    answered
}

/// How many calls the log has, and the first number behind the greatest among them.
fn logged(place: &Installation) -> (u64, u64) {
    let read = |what: &str| {
        let rows = r#"FROM tool_execution_logs WHERE arguments LIKE '{"number":%'"#;
        place.read(&format!("SELECT {what} {rows}")).parse().expect("a number")
    };
    let number = r#"CAST(REPLACE(REPLACE(arguments, '{"number":', ''), '}', '') AS INTEGER)"#;
    (read("COUNT(*)"), read(&format!("COALESCE(MAX({number}) + 1, 0)")))
}

/// How many rows of the activity log tell of calls with their answers, and how many without.
fn told(place: &Installation) -> (u64, u64) {
    let of_calls = "FROM activity_logs WHERE message LIKE 'tools/call echo__number%'";
    let read = |log_type: &str| {
        let query = format!("SELECT COUNT(*) {of_calls} AND log_type = '{log_type}'");
        place.read(&query).parse().expect("a number")
    };
    (read("mcp_response"), read("mcp_request"))
}

/// The calls that the statistics count.
fn counted(place: &Installation) -> u64 {
    place.read("SELECT COALESCE(SUM(calls), 0) FROM execution_statistics WHERE grain_s = 60").parse().expect("a number")
}

#[tokio::test]
async fn kill_9_takes_the_last_rows_of_the_logs_and_no_others() {
    let place = Installation::new().await;
    let mut serving = published(&place).await;
    let (mut next, mut rows, mut calls_told) = (0, 0, 0);
    for round in 1..=4 {
        let answered = call(&serving, next, 40 * round).await;
        let killed = Instant::now();
        serving.kill().await;
        let (count, end) = logged(&place);
        for (number, at) in &answered {
            assert!(*number < end || killed - *at <= LOST, "{number} was answered {:?} before", killed - *at);
        }
        // No hole: every number from the first of this round to the last that was kept.
        assert_eq!(count, rows + end.saturating_sub(next), "from {next} to {end}");
        assert_eq!(counted(&place), count, "rows and counts are written together");
        // Of the activity log the same: each call with its answer, up to where it was cut off.
        let settled = answered.iter().filter(|(_, at)| killed - *at > LOST).count() as u64;
        let (done, open) = told(&place);
        assert!(done >= calls_told + settled && open <= round, "{done} answered, {open} not, {settled} settled");
        calls_told = done;
        (next, rows) = (next + 40 * round, count);
        serving = place.serve(&[("MCPBOX_MCP_REQUESTS_PER_MINUTE", "1000000")]).await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn an_order_to_stop_loses_no_row_of_the_log() {
    let place = Installation::new().await;
    let serving = published(&place).await;
    call(&serving, 0, 150).await;
    serving.stop().await;
    assert_eq!(logged(&place), (150, 150));
    assert_eq!(told(&place), (150, 0), "each call is told with its answer");
    assert_eq!(counted(&place), 150);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_takes_no_other_with_it() {
    let place = Installation::new().await;
    let serving = published(&place).await;
    place.read(if place.is_sqlite() {
        r#"CREATE TRIGGER picky BEFORE INSERT ON tool_execution_logs WHEN NEW.arguments = '{"number":7}'
           BEGIN SELECT RAISE(ABORT, 'not this one'); END"#
    } else {
        r#"ALTER TABLE tool_execution_logs ADD CONSTRAINT picky CHECK (arguments <> '{"number":7}')"#
    });
    call(&serving, 0, 20).await;
    serving.stop().await;
    assert_eq!(logged(&place), (19, 20));
    assert_eq!(counted(&place), 19, "it is not counted either");
}
