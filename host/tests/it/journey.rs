//! The main job, as the people and programs concerned do it: a model writes a tool, a person
//! approves it, everybody calls it.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Host, PASSWORD, Wishes};

const FORECAST: &str = r#"
from dataclasses import dataclass

@dataclass
class Forecast:
    city: str
    degrees: int

async def main(city: str, days: int = 1) -> Forecast:
    """Tells how warm it gets.

    Args:
        city: Where.
        days: How many days from now.
    """
    print("looking at", city)
    return Forecast(city, 20 + days)
"#;

const MANAGEMENT: [&str; 13] = [
    "mcpbox_create_server",
    "mcpbox_list_servers",
    "mcpbox_get_server",
    "mcpbox_create_tool",
    "mcpbox_update_tool",
    "mcpbox_list_tools",
    "mcpbox_get_tool",
    "mcpbox_validate_code",
    "mcpbox_test_code",
    "mcpbox_request_publish",
    "mcpbox_start_server",
    "mcpbox_stop_server",
    "mcpbox_get_tool_logs",
];

#[tokio::test]
async fn a_model_writes_a_tool_a_person_approves_it_and_it_answers() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let offered = model.tools().await;
    for name in MANAGEMENT {
        assert!(offered.iter().any(|tool| tool == name), "{name} is offered");
    }

    let checked = model.done("mcpbox_validate_code", json!({"code": FORECAST})).await;
    assert_eq!(checked["valid"], json!(true), "{checked}");
    let (server, tool) = model.make("weather", "forecast", FORECAST).await;
    let arguments = json!({"city": "Oslo"});

    // Nothing runs that nobody approved.
    assert!(!model.tools().await.contains(&"weather__forecast".to_owned()));
    let (_, answer) = model.request("tools/call", json!({"name": "weather__forecast", "arguments": arguments})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
    let told = model.failed("mcpbox_test_code", json!({"tool_id": tool, "arguments": arguments})).await;
    assert!(told.contains("mcpbox_request_publish"), "{told}");

    model.done("mcpbox_request_publish", json!({"tool_id": tool, "notes": "please"})).await;
    let pending = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(pending["items"][0]["gateway_name"], json!("weather__forecast"), "{pending}");
    let digest = pending["items"][0]["version"]["digest"].clone();
    assert!(digest.is_string(), "{pending}");
    let body = json!({"action": "approve", "digest": digest});
    admin.ask(Method::POST, &format!("/api/approvals/tools/{tool}/action"), Some(body)).await;

    assert!(model.tools().await.contains(&"weather__forecast".to_owned()));
    let result = model.call("weather__forecast", json!({"city": "Oslo", "days": 3})).await;
    assert_eq!(result["structuredContent"], json!({"city": "Oslo", "degrees": 23}), "{result}");
    assert_eq!(result["content"][0]["text"], json!(r#"{"city": "Oslo", "degrees": 23}"#));
    let told = model.failed("weather__forecast", json!({"town": "Oslo"})).await;
    assert!(told.contains("city"), "{told}");

    // An edit waits; what was approved goes on answering.
    let edited = FORECAST.replace("20 + days", "30 + days");
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": edited})).await;
    let result = model.done("weather__forecast", json!({"city": "Oslo"})).await;
    assert_eq!(result["degrees"], json!(21));
    admin.approve(&tool).await;
    let result = model.done("weather__forecast", json!({"city": "Oslo"})).await;
    assert_eq!(result["degrees"], json!(31));

    let tested = model.done("mcpbox_test_code", json!({"tool_id": tool, "arguments": {"city": "Bergen"}})).await;
    assert_eq!(tested["success"], json!(true), "{tested}");

    // Every call has left its row.
    let mut host = host;
    host.restart().await;
    let model = host.model();
    let logs = model.done("mcpbox_get_tool_logs", json!({"tool_id": tool, "limit": 50})).await;
    let rows = logs["logs"].as_array().expect("rows");
    assert_eq!(rows.len(), 4, "{logs}");
    let row = &rows[1];
    assert_eq!(row["caller"], json!("local"), "{row}");
    assert_eq!(row["outcome"], json!("returned"));
    assert_eq!(row["stdout"], json!("looking at Oslo\n"));
    assert!(row["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{row}");
    assert!(row["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{row}");
    assert_eq!(rows[0]["is_test"], json!(true), "{row}");

    // A stopped server offers nothing; a started one offers it again.
    model.done("mcpbox_stop_server", json!({"server_id": server})).await;
    assert!(!model.tools().await.contains(&"weather__forecast".to_owned()));
    model.done("mcpbox_start_server", json!({"server_id": server})).await;
    assert_eq!(model.done("weather__forecast", json!({"city": "Oslo"})).await["degrees"], json!(31));
    host.stop().await;
}

#[tokio::test]
async fn a_revoked_tool_is_refused() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (_, tool) = model.make("weather", "forecast", FORECAST).await;
    admin.approve(&tool).await;
    model.done("weather__forecast", json!({"city": "Oslo"})).await;
    let path = format!("/api/approvals/tools/{tool}/revoke");
    admin.ask(Method::POST, &path, Some(json!({"reason": "not any more"}))).await;
    let (_, answer) = model.request("tools/call", json!({"name": "weather__forecast", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
}

#[tokio::test]
async fn a_model_cannot_approve_its_own_tool() {
    let host = Host::start().await;
    let model = host.model();
    let (_, tool) = model.make("weather", "forecast", FORECAST).await;
    let path = format!("/api/approvals/tools/{tool}/action");
    let body = json!({"action": "approve"});
    let (status, _, answer) = host.send(Method::POST, &path, None, &[], Some(&body)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    let wrong = json!({"username": "model", "password": PASSWORD, "setup_code": "AAAA-AAAA-AAAA-AAAA"});
    let (status, _, answer) = host.send(Method::POST, "/auth/setup", None, &[], Some(&wrong)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
}

#[tokio::test]
async fn an_approval_of_something_else_than_what_was_seen_is_refused() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (_, tool) = model.make("weather", "forecast", FORECAST).await;
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    let seen = admin.ask(Method::GET, "/api/approvals/tools", None).await["items"][0]["version"]["digest"].clone();
    let edited = FORECAST.replace("20 + days", "66 + days");
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": edited})).await;
    let path = format!("/api/approvals/tools/{tool}/action");
    let (status, answer) = admin.refused(Method::POST, &path, Some(json!({"action": "approve", "digest": seen}))).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
}

#[tokio::test]
async fn an_error_of_a_tool_says_what_and_where() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let source = "def main(x: int) -> int:\n    y = x - 1\n    return 10 // y\n";
    let (_, tool) = model.make("sums", "divide", source).await;
    admin.approve(&tool).await;
    assert_eq!(model.done("sums__divide", json!({"x": 3})).await, json!({"result": 5}));
    let told = model.failed("sums__divide", json!({"x": 1})).await;
    assert!(told.starts_with("ZeroDivisionError"), "{told}");
    assert!(told.contains("line 3") && told.contains("return 10 // y"), "{told}");
}

#[tokio::test]
async fn a_tool_keeps_to_its_own_time_limit() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let made = model.done("mcpbox_create_server", json!({"name": "loops"})).await;
    let arguments = json!({
        "server_id": made["id"], "name": "spin", "timeout_ms": 300,
        "python_code": "def main():\n    print('begun', flush=True)\n    while True: pass",
    });
    let tool = model.done("mcpbox_create_tool", arguments).await;
    admin.approve(tool["id"].as_str().expect("an id")).await;
    let told = model.failed("loops__spin", json!({})).await;
    assert!(told.contains("longer than its 0.3 s") && told.contains("begun"), "{told}");
}

/// Holds: source_bytes.
#[tokio::test]
async fn a_source_over_the_limit_is_refused_with_the_number() {
    let limits = Limits { source_bytes: 2_000, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let model = host.model();
    let made = model.done("mcpbox_create_server", json!({"name": "long"})).await;
    let source = format!("def main(): pass\n# {}", "x".repeat(2_000));
    let arguments = json!({"server_id": made["id"], "name": "tool", "python_code": source});
    let told = model.failed("mcpbox_create_tool", arguments).await;
    assert!(told.contains("2000") || told.contains("2,000"), "{told}");
}
