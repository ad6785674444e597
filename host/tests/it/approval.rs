//! What a person approved is what runs: whoever changes the database behind the host's back makes a
//! tool that nobody can call, through any door.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Admin, Host, Model};

const SOURCE: &str = "def main() -> str:\n    return 'approved'\n";

/// SQL for the bytes of a text, in the words of the database in use.
fn bytes(text: &str) -> String {
    if std::env::var("MCPBOX_TEST_DATABASE_URL").is_ok_and(|url| !url.is_empty()) {
        format!("convert_to('{text}', 'UTF8')")
    } else {
        format!("CAST('{text}' AS BLOB)")
    }
}

/// The tool is refused in every door, and nothing ran that is not in the log already.
async fn refused_everywhere(admin: &Admin<'_>, model: &Model<'_>, tool: &str, words: &str) {
    let before = calls(admin, tool).await;
    let told = model.failed("vault__open", json!({})).await;
    assert!(told.contains(words), "{told}");
    let told = model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert!(told.contains(words), "{told}");
    let (status, answer) = admin.refused(Method::POST, "/api/tools/test-code", Some(json!({"tool_id": tool}))).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{answer}");
    assert_eq!(calls(admin, tool).await, before, "nothing ran");
}

async fn calls(admin: &Admin<'_>, tool: &str) -> u64 {
    let logs = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    logs["total"].as_u64().expect("a number")
}

/// A host with an approved tool that has been called, so that everything about it is warm; then the
/// statements run, and the tool is refused.
async fn after(statements: &[&str], words: &str) {
    let mut host = Host::start().await;
    let token = {
        let (admin, model) = (host.admin().await, host.model());
        admin.tool("vault", "open", SOURCE).await;
        assert_eq!(model.done("vault__open", json!({})).await, json!({"result": "approved"}));
        admin.token
    };
    // The row of that call is written when the host has stopped.
    host.restart().await;
    let (admin, model) = (Admin { host: &host, token }, host.model());
    let tools = admin.ask(Method::GET, "/api/execution-logs", None).await;
    let tool = tools["items"][0]["tool_id"].as_str().expect("an id").to_owned();
    for statement in statements {
        host.tamper(statement).await;
    }
    refused_everywhere(&admin, &model, &tool, words).await;
}

#[tokio::test]
async fn a_source_that_was_changed_does_not_run() {
    let evil = bytes("def main() -> str: return ''evil''");
    after(&[&format!("UPDATE blobs SET bytes = {evil}")], "was changed; it does not run").await;
}

#[tokio::test]
async fn a_version_that_was_changed_does_not_run() {
    for change in ["description = 'harmless'", "timeout_ms = 300000", "hosts = '[\"evil.example\"]'", "name = 'other'"]
    {
        after(&[&format!("UPDATE tool_versions SET {change}")], "not what was approved").await;
    }
}

#[tokio::test]
async fn a_digest_that_was_changed_lets_nothing_run() {
    let other = format!("'{}'", "ab".repeat(32));
    after(&[&format!("UPDATE tools SET live_digest = {other}")], "not what was approved").await;
    after(&[&format!("UPDATE tool_versions SET digest = {other}")], "not what was approved").await;
    let both =
        [format!("UPDATE tools SET live_digest = {other}"), format!("UPDATE tool_versions SET digest = {other}")];
    after(&[&both[0], &both[1]], "not what was approved").await;
    after(&["UPDATE tools SET live_digest = NULL"], "not what was approved").await;
}

#[tokio::test]
async fn a_draft_that_was_made_live_behind_the_hosts_back_does_not_run() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("vault", "open", SOURCE).await;
    let evil = SOURCE.replace("approved", "evil");
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": evil})).await;
    host.tamper("UPDATE tools SET live_version_id = (SELECT id FROM tool_versions WHERE number = 2)").await;
    host.tamper("UPDATE tool_versions SET approval_status = 'approved' WHERE number = 2").await;
    refused_everywhere(&admin, &model, &tool, "not what was approved").await;
    host.tamper("UPDATE tools SET live_version_id = (SELECT id FROM tool_versions WHERE number = 1)").await;
    assert_eq!(
        model.done("vault__open", json!({})).await,
        json!({"result": "approved"}),
        "what was approved still runs"
    );
}

#[tokio::test]
async fn a_changed_version_cannot_be_approved() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = model.make("vault", "open", SOURCE).await;
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    host.tamper("UPDATE tool_versions SET description = 'harmless'").await;
    let path = format!("/api/approvals/tools/{tool}/action");
    let (status, answer) = admin.refused(Method::POST, &path, Some(json!({"action": "approve"}))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{answer}");
    assert!(!model.tools().await.contains(&"vault__open".to_owned()));
}
