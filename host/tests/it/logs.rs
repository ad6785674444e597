//! The execution log, the dashboard and the audit log, as a person reads them over HTTP.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};

const DIVIDE: &str = "\
def main(a: int, b: int, password: str = '') -> int:
    print('x' * 20000)
    return a // b
";

/// Waits until the log has `count` rows, which follow their answers within a moment.
async fn rows(admin: &Admin<'_>, path: &str, count: u64) -> Value {
    loop {
        let page = admin.ask(Method::GET, path, None).await;
        if page["total"].as_u64() >= Some(count) {
            assert_eq!(page["total"], json!(count), "{page}");
            return page;
        }
    }
}

#[tokio::test]
async fn a_call_is_found_by_everything_that_its_row_tells() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, tool) = admin.tool("numbers", "divide", DIVIDE).await;
    admin.secret(&server, "API_KEY", "hunter2 of ada").await;
    model.done("numbers__divide", json!({"a": 7, "b": 2, "password": "letmein please"})).await;
    model.failed("numbers__divide", json!({"a": 7, "b": 0, "password": "hunter2 of ada"})).await;
    admin
        .ask(Method::POST, "/api/tools/test-code", Some(json!({"tool_id": tool, "arguments": {"a": 1, "b": 1}})))
        .await;

    let all = rows(&admin, "/api/execution-logs", 3).await;
    let text = all.to_string();
    assert!(!text.contains("hunter2") && !text.contains("letmein"), "{text}");
    let [test, failed, done] = [0, 1, 2].map(|at| all["items"][at].clone());
    assert_eq!(
        (&done["success"], &done["outcome"], &done["version_number"]),
        (&json!(true), &json!("returned"), &json!(1))
    );
    assert_eq!((&done["stdout_bytes"], &done["cut"]), (&json!(20_001), &json!(["stdout"])), "{done}");
    assert!(done["arguments_bytes"].as_u64() > Some(30) && done["result_bytes"].as_u64() > Some(0), "{done}");
    assert!(done["stdout"].as_str().is_some_and(|text| text.ends_with("(10001 more bytes)")), "{done}");
    assert_eq!((&test["is_test"], &test["caller"]), (&json!(true), &json!("admin:ada")));

    let started = done["started_at"].as_str().expect("a time").replace('+', "%2B");
    for (query, expected) in [
        (format!("tool_id={tool}"), vec![&test, &failed, &done]),
        (format!("tool_id={tool}&server_id={server}&success=false"), vec![&failed]),
        ("outcome=raised".to_owned(), vec![&failed]),
        ("caller=local&success=true".to_owned(), vec![&done]),
        ("is_test=true".to_owned(), vec![&test]),
        ("search=zerodivision".to_owned(), vec![&failed]),
        ("search=no%25thing".to_owned(), vec![]),
        (format!("to={started}"), vec![]),
        (format!("from={started}"), vec![&test, &failed, &done]),
    ] {
        let page = admin.ask(Method::GET, &format!("/api/execution-logs?{query}"), None).await;
        let ids = |rows: &[&Value]| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
        let found: Vec<&Value> = page["items"].as_array().expect("items").iter().collect();
        assert_eq!((ids(&found), page["total"].as_u64()), (ids(&expected), Some(expected.len() as u64)), "{query}");
    }
    let one = admin.ask(Method::GET, &format!("/api/logs/{}", failed["id"].as_str().expect("an id")), None).await;
    assert_eq!(one, failed);
    let of_server = admin.ask(Method::GET, &format!("/api/servers/{server}/execution-logs?success=false"), None).await;
    assert_eq!(of_server["items"][0]["id"], failed["id"]);

    let unknown = uuid::Uuid::now_v7();
    for (path, status) in [
        (format!("/api/logs/{unknown}"), StatusCode::NOT_FOUND),
        (format!("/api/servers/{unknown}/execution-logs"), StatusCode::NOT_FOUND),
        (format!("/api/execution-logs?search={}", "x".repeat(201)), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("/api/execution-logs?from={started}&to={started}"), StatusCode::UNPROCESSABLE_ENTITY),
        ("/api/execution-logs?from=yesterday".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        ("/api/execution-logs/stats?period=1y".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        ("/api/dashboard?period=1y".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(admin.refused(Method::GET, &path, None).await.0, status, "{path}");
    }
}

/// Fault: 7.counts, 7.periods.
#[tokio::test]
async fn the_dashboard_tells_how_the_calls_of_its_period_went() {
    let host = Host::with(Wishes::default()).await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, tool) = admin.tool("numbers", "divide", DIVIDE).await;
    let (_, waiting) = model.make("more", "waits", "def main(): return 1").await;
    model.done("mcpbox_request_publish", json!({"tool_id": waiting})).await;
    for _ in 0..3 {
        model.done("numbers__divide", json!({"a": 7, "b": 2})).await;
    }
    model.failed("numbers__divide", json!({"a": 7, "b": 0})).await;
    rows(&admin, "/api/execution-logs", 4).await;
    for period in ["1h", "6h", "24h", "7d"] {
        let shown = admin.ask(Method::GET, &format!("/api/dashboard?period={period}"), None).await;
        assert_eq!((&shown["period"], &shown["requests"], &shown["errors"]), (&json!(period), &json!(4), &json!(1)));
        assert_eq!(shown["error_rate"], json!(0.25));
        assert!(shown["duration_ms"]["p50"].as_f64() <= shown["duration_ms"]["p99"].as_f64(), "{shown}");
        assert_eq!((&shown["servers"], &shown["tools"], &shown["pending"]["tools"]), (&json!(2), &json!(2), &json!(1)));
        assert_eq!(shown["top_tools"][0]["tool_id"], json!(tool));
        assert_eq!(shown["by_server"][0]["server_id"], json!(server));
        assert_eq!(shown["by_server"][0]["server_name"], json!("numbers"));
        assert_eq!(shown["recent_errors"].as_array().map(Vec::len), Some(1));
    }
    let stats = admin.ask(Method::GET, &format!("/api/execution-logs/stats?period=1h&server_id={server}"), None).await;
    assert_eq!((&stats["requests"], &stats["errors"]), (&json!(4), &json!(1)));
    // Later nothing of it is shown any more.
    host.clock.turn(TimeDelta::minutes(14));
    let shown = admin.ask(Method::GET, "/api/dashboard?period=1h", None).await;
    assert_eq!(shown["requests"], json!(4));
    host.clock.turn(TimeDelta::days(8));
    let again = Admin { host: &host, token: host.login("ada").await };
    let shown = again.ask(Method::GET, "/api/dashboard?period=7d", None).await;
    assert_eq!((&shown["requests"], &shown["top_tools"]), (&json!(0), &json!([])));
    assert_eq!(shown["duration_ms"], json!({"mean": null, "p50": null, "p95": null, "p99": null}));
}

#[tokio::test]
async fn the_audit_log_is_narrowed_by_who_and_what_and_when() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.tool("numbers", "divide", DIVIDE).await;
    let total = async |query: &str| admin.ask(Method::GET, &format!("/api/audit?{query}"), None).await["total"].clone();
    assert_eq!(total("action=tool.approve&actor=admin:ada").await, json!(1));
    assert_eq!(total("action=tool.approve&actor=local").await, json!(0));
    assert_eq!(total("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z").await, json!(0));
    assert_ne!(total("from=2000-01-01T00:00:00Z&actor=local").await, json!(0));
}
