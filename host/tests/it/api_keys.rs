//! Keys for MCP clients, made and taken back over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::Host;

#[tokio::test]
async fn a_key_is_shown_once_opens_mcp_and_is_taken_back() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let made = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "laptop"}))).await;
    let key = made["key"].as_str().expect("a key").to_owned();
    assert!(key.starts_with(made["prefix"].as_str().expect("a prefix")), "{made}");
    let listed = admin.ask(Method::GET, "/api/api-keys", None).await;
    assert_eq!((&listed["total"], &listed["items"][0]["name"]), (&json!(1), &json!("laptop")));
    assert_eq!(listed["items"][0]["created_by"], json!("admin:ada"));
    assert!(!listed.to_string().contains(&key));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let headers = [("accept", "application/json, text/event-stream")];
    let mcp = async || host.send(Method::POST, "/mcp", Some(&key), &headers, Some(&ping)).await.0;
    assert_eq!(mcp().await, StatusCode::OK);
    let (status, _, problem) = host.send(Method::GET, "/api/api-keys", Some(&key), &[], None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a key does not open the API: {problem}");
    let path = format!("/api/api-keys/{}", made["id"].as_str().expect("an id"));
    let revoked = admin.ask(Method::DELETE, &path, None).await;
    assert!(revoked["revoked_at"].is_string() && revoked.get("key").is_none(), "{revoked}");
    assert_eq!(mcp().await, StatusCode::UNAUTHORIZED);
    assert_eq!(admin.refused(Method::DELETE, &path, None).await.0, StatusCode::CONFLICT);
    let rows = admin.ask(Method::GET, "/api/audit", None).await;
    let acts: Vec<_> = rows["items"].as_array().expect("rows").iter().map(|row| row["action"].clone()).collect();
    assert_eq!(acts[..2], [json!("api_key.revoke"), json!("api_key.create")]);
    assert!(!rows.to_string().contains(&key));
}

#[tokio::test]
async fn a_name_is_given_to_one_key_and_breaks_no_rule() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "ci"}))).await;
    let (status, _) = admin.refused(Method::POST, "/api/api-keys", Some(json!({"name": "ci"}))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, problem) = admin.refused(Method::POST, "/api/api-keys", Some(json!({"name": "a b"}))).await;
    assert_eq!(problem["errors"][0]["pointer"], json!("/name"));
    let unknown = "/api/api-keys/01990000-0000-7000-8000-000000000001";
    assert_eq!(admin.refused(Method::DELETE, unknown, None).await.0, StatusCode::NOT_FOUND);
}
