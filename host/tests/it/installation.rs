//! What a dashboard asks first: the installation, its parts, and whether a server is at work.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::Host;
use crate::mcp_client::ECHO;

#[tokio::test]
async fn the_first_steps_are_noted_once() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let before = admin.ask(Method::GET, "/api/config", None).await;
    assert_eq!((&before["onboarding_completed"], &before["mcp_path"]), (&json!(false), &json!("/mcp")));
    assert_eq!(before["languages"], json!(["python", "javascript"]));
    for _ in 0..2 {
        let after = admin.ask(Method::POST, "/api/settings/onboarding-complete", None).await;
        assert_eq!(after["onboarding_completed"], json!(true));
    }
    assert_eq!(admin.ask(Method::GET, "/api/config", None).await["onboarding_completed"], json!(true));
    assert_eq!(admin.ask(Method::GET, "/api/audit?action=setting.set", None).await["total"], json!(1));
}

#[tokio::test]
async fn each_part_of_the_host_tells_of_itself() {
    let host = Host::start().await;
    let (status, _, told) = host.send(Method::GET, "/health/services", None, &[], None).await;
    assert_eq!((status, &told["status"]), (StatusCode::OK, &json!("healthy")));
    for part in ["database", "sandbox"] {
        assert_eq!(told["services"][part], json!({"status": "connected", "healthy": true}));
    }
}

#[tokio::test]
async fn a_server_tells_what_it_offers_and_is_started_anew() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, _) = admin.tool("s", "echo", ECHO).await;
    let of = |what: &str| format!("/api/sandbox/servers/{server}/{what}");
    let status = admin.ask(Method::GET, &of("status"), None).await;
    assert_eq!((&status["status"], &status["tools"]), (&json!("running"), &json!(["s__echo"])));
    admin.ask(Method::POST, &of("stop"), None).await;
    let status = admin.ask(Method::GET, &of("status"), None).await;
    assert_eq!((&status["status"], &status["tool_count"]), (&json!("stopped"), &json!(0)));
    for _ in 0..2 {
        let status = admin.ask(Method::POST, &of("restart"), None).await;
        assert_eq!((&status["status"], &status["tool_count"]), (&json!("running"), &json!(1)));
        model.done("s__echo", json!({"text": "x"})).await;
    }
    assert_eq!(admin.ask(Method::GET, "/api/audit?action=server.restart", None).await["total"], json!(2));
    let logs = admin.ask(Method::GET, &of("logs?log_types=mcp_response"), None).await;
    assert!(logs["items"].as_array().expect("items").iter().all(|row| row["server_id"] == json!(server)), "{logs}");
    let unknown = "/api/sandbox/servers/01990000-0000-7000-8000-000000000001";
    for (method, what) in [(Method::GET, "status"), (Method::GET, "logs"), (Method::POST, "restart")] {
        assert_eq!(admin.refused(method, &format!("{unknown}/{what}"), None).await.0, StatusCode::NOT_FOUND, "{what}");
    }
}
