//! The activity log, as a person reads it over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use mcpbox::limits::Limits;

use crate::harness::{Admin, Host, Wishes};
use crate::mcp_client::{Client, PATIENCE};

const GREET: &str = "def main(name: str) -> str:\n    return 'hello ' + name\n";

/// Waits until the log has at least `count` rows of this kind, which follow what they tell of within a
/// moment; answers them, newest first.
async fn rows(admin: &Admin<'_>, query: &str, count: u64) -> Vec<Value> {
    let path = format!("/api/activity/logs?{query}");
    let there = async {
        loop {
            let page = admin.ask(Method::GET, &path, None).await;
            if page["total"].as_u64() >= Some(count) {
                return page["items"].as_array().expect("items").clone();
            }
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("the rows come")
}

fn messages(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["message"].as_str()).collect()
}

#[tokio::test]
async fn a_call_and_its_end_are_told_in_one_row_without_what_was_said() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, _) = admin.tool("greetings", "greet", GREET).await;
    model.done("greetings__greet", json!({"name": "hunter2 of ada"})).await;
    model.failed("greetings__greet", json!({"name": 7})).await;
    model.request("tools/call", json!({"name": "mbx_key_of_somebody", "arguments": {}})).await;

    let of_server = rows(&admin, &format!("server_id={server}&log_types=mcp_response"), 2).await;
    assert_eq!(
        messages(&of_server),
        ["tools/call greetings__greet: answered with an error", "tools/call greetings__greet: answered"]
    );
    let done = &of_server[1];
    assert_eq!((&done["log_type"], &done["level"]), (&json!("mcp_response"), &json!("info")));
    assert_eq!((&done["method"], &done["caller"]), (&json!("tools/call"), &json!("local")));
    assert_eq!((&done["details"]["outcome"], &done["from_address"]), (&json!("returned"), &json!("127.0.0.1")));
    assert!(done["duration_ms"].as_f64() > Some(0.0), "{done}");
    assert!(done["details"]["arguments_bytes"].as_u64() > Some(10));

    let unknown = rows(&admin, "search=NOT%20there:&levels=warning", 1).await;
    assert_eq!(messages(&unknown), ["tools/call of a tool that is not there: its parameters do not fit"]);
    let all = rows(&admin, "page_size=100", 5).await;
    let text = Value::from(all).to_string();
    assert!(!text.contains("hunter2") && !text.contains("mbx_key_of_somebody") && !text.contains("hello"), "{text}");

    let one =
        admin.ask(Method::GET, &format!("/api/activity/logs/{}", done["id"].as_str().expect("an id")), None).await;
    assert_eq!(one, *done);
    let request = done["request_id"].as_str().expect("a request");
    let path = format!("/api/activity/request/{request}");
    // The two logs are written side by side.
    let both = async {
        loop {
            let whole = admin.ask(Method::GET, &path, None).await;
            if whole["executions"].as_array().is_some_and(|calls| !calls.is_empty()) {
                return whole;
            }
        }
    };
    let whole = tokio::time::timeout(PATIENCE, both).await.expect("the call has its row");
    assert_eq!((&whole["logs"]["total"], &whole["logs"]["items"][0]), (&json!(1), done));
    assert_eq!(whole["executions"][0]["id"], done["details"]["call_id"]);
}

#[tokio::test]
async fn a_call_that_takes_long_is_told_while_it_runs_and_its_row_says_later_how_it_ended() {
    // Long enough that its row is due long before it ends.
    let limits = Limits { call_time_ms: 3_000, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, _) = admin.tool("slow", "wait", "def main() -> None:\n    while True: pass\n").await;
    let of_server = |log_type: &str| format!("server_id={server}&log_types={log_type}");
    let asked = of_server("mcp_request");
    let (running, _) = tokio::join!(rows(&admin, &asked, 1), model.failed("slow__wait", json!({})));
    assert_eq!(messages(&running), ["tools/call slow__wait"]);
    assert_eq!((&running[0]["duration_ms"], &running[0]["level"]), (&Value::Null, &json!("info")));
    let done = rows(&admin, &of_server("mcp_response"), 1).await;
    assert_eq!(messages(&done), ["tools/call slow__wait: answered with an error"]);
    assert_eq!((&done[0]["id"], &done[0]["at"]), (&running[0]["id"], &running[0]["at"]));
    assert_eq!((&done[0]["details"]["outcome"], &done[0]["level"]), (&json!("stopped_time"), &json!("warning")));
    assert!(done[0]["duration_ms"].as_f64() > Some(1_000.0), "{done:?}");
    assert_eq!(rows(&admin, &asked, 0).await, Vec::<Value>::new(), "it is one row");
}

#[tokio::test]
async fn a_session_is_told_by_what_stands_for_its_id() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-06-18").await;
    client.ask(&session, "tools/list", json!({})).await;
    let told = rows(&admin, "log_types=mcp_response", 2).await;
    assert_eq!((&told[0]["message"], &told[0]["session"]), (&json!("tools/list: answered"), &told[1]["session"]));
    let opened = told[1]["message"].as_str().unwrap_or_default();
    assert!(opened.starts_with("initialize by ") && opened.ends_with(": protocol version 2025-06-18"), "{opened}");
    let text = Value::from(rows(&admin, "page_size=100", 3).await).to_string();
    assert!(!text.contains(&session), "{text}");
}

#[tokio::test]
async fn who_is_turned_away_is_told_ten_times_a_minute() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let client = Client::of(&host);
    for _ in 0..25 {
        let wrong = [("authorization", "Bearer mbx_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
        assert_eq!(client.post(&wrong, &json!({})).await.status, 401);
    }
    assert_eq!(client.post(&[("origin", "https://evil.example")], &json!({})).await.status, 403);
    // What a known caller sends in pieces is counted by its rate, and told each time.
    assert_eq!(client.send("POST", &[("content-type", "application/json"), ("accept", "*/*")], "{").await.status, 400);
    let errors = rows(&admin, "log_types=error", 1).await;
    assert_eq!(messages(&errors), ["a message was not served: it is not JSON"]);
    let alerts = rows(&admin, "log_types=alert", 10).await;
    // After six seconds there is room for the next one.
    assert!(alerts.len() < 20, "{alerts:?}");
    let text = Value::from(alerts).to_string();
    assert!(text.contains("it shows no valid credential") && !text.contains("AAAA"), "{text}");
}

#[tokio::test]
async fn rows_are_counted_listed_and_cleaned_up() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    model.tools().await;
    rows(&admin, "log_types=mcp_response", 1).await;
    let system = rows(&admin, "log_types=system", 1).await;
    assert!(messages(&system)[0].ends_with(" starts"), "{system:?}");
    let recent = admin.ask(Method::GET, "/api/activity/recent?limit=1&levels=info,error", None).await;
    assert_eq!(recent["items"].as_array().map(Vec::len), Some(1));
    let counted = admin.ask(Method::GET, "/api/activity/stats?period=1h", None).await;
    assert_eq!((&counted["by_type"]["mcp_response"], &counted["by_level"]["error"]), (&json!(1), &json!(0)));
    for (method, path, status) in [
        (Method::GET, "/api/activity/logs?log_types=audit", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::GET, "/api/activity/logs?levels=loud", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::GET, "/api/activity/recent?limit=0", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::GET, "/api/activity/logs/01990000-0000-7000-8000-000000000001", StatusCode::NOT_FOUND),
        (Method::GET, "/api/activity/request/unheard-of", StatusCode::NOT_FOUND),
        (Method::DELETE, "/api/activity/logs", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::DELETE, "/api/activity/logs?older_than_days=0", StatusCode::UNPROCESSABLE_ENTITY),
        (Method::DELETE, "/api/activity/logs?older_than_days=36501", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(admin.refused(method, path, None).await.0, status, "{path}");
    }
    host.clock.turn(chrono::TimeDelta::days(2));
    let admin = Admin { host: &host, token: host.login("ada").await };
    let done = admin.ask(Method::DELETE, "/api/activity/logs?older_than_days=1", None).await;
    assert!(done["deleted"].as_u64() >= Some(2), "{done}");
    let acts = admin.ask(Method::GET, "/api/audit?action=activity.clean_up", None).await;
    assert_eq!(acts["items"][0]["after"]["older_than_days"], json!(1));
}
