//! The activity log, as a person reads it over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Host};
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
async fn a_call_is_told_when_it_begins_and_when_it_ends_and_without_what_was_said() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, _) = admin.tool("greetings", "greet", GREET).await;
    model.done("greetings__greet", json!({"name": "hunter2 of ada"})).await;
    model.failed("greetings__greet", json!({"name": 7})).await;
    model.request("tools/call", json!({"name": "mbx_key_of_somebody", "arguments": {}})).await;

    let of_server = rows(&admin, &format!("server_id={server}"), 4).await;
    assert_eq!(
        messages(&of_server),
        [
            "tools/call greetings__greet: answered with an error",
            "tools/call greetings__greet",
            "tools/call greetings__greet: answered",
            "tools/call greetings__greet",
        ]
    );
    let done = &of_server[2];
    assert_eq!((&done["log_type"], &done["level"]), (&json!("mcp_response"), &json!("info")));
    assert_eq!((&done["method"], &done["caller"]), (&json!("tools/call"), &json!("local")));
    assert_eq!((&done["details"]["outcome"], &done["from_address"]), (&json!("returned"), &json!("127.0.0.1")));
    assert!(done["duration_ms"].as_f64() > Some(0.0), "{done}");
    assert!(of_server[3]["details"]["arguments_bytes"].as_u64() > Some(10));

    let unknown = rows(&admin, "search=NOT%20there:&levels=warning", 1).await;
    assert_eq!(messages(&unknown), ["tools/call of a tool that is not there: its parameters do not fit"]);
    let all = rows(&admin, "page_size=100", 10).await;
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
    assert_eq!((&whole["logs"]["total"], &whole["logs"]["items"][1]), (&json!(2), done));
    assert_eq!(whole["executions"][0]["id"], done["details"]["call_id"]);
}

#[tokio::test]
async fn a_session_is_told_by_what_stands_for_its_id() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-06-18").await;
    client.ask(&session, "tools/list", json!({})).await;
    let asked = rows(&admin, "log_types=mcp_request", 2).await;
    assert_eq!((&asked[0]["message"], &asked[0]["session"]), (&json!("tools/list"), &asked[1]["session"]));
    assert!(asked[1]["message"].as_str().is_some_and(|text| text.starts_with("initialize by ")), "{asked:?}");
    let answered = rows(&admin, "method=initialize&log_types=mcp_response", 1).await;
    assert_eq!(messages(&answered), ["initialize: protocol version 2025-06-18"]);
    let text = Value::from(rows(&admin, "page_size=100", 4).await).to_string();
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
    assert_eq!((&counted["by_type"]["mcp_request"], &counted["by_level"]["error"]), (&json!(1), &json!(0)));
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
    assert!(done["deleted"].as_u64() >= Some(3), "{done}");
    let acts = admin.ask(Method::GET, "/api/audit?action=activity.clean_up", None).await;
    assert_eq!(acts["items"][0]["after"]["older_than_days"], json!(1));
}
