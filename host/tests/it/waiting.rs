//! What people decide while a call waits for its place holds for that call.

use std::pin::pin;

use futures_util::future::{Either, select};
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};

/// Says that it runs, and ends only when it is stopped.
const WAITS: &str = "import asyncio\n\nasync def main():\n    progress(1)\n    await asyncio.sleep(300)\n";

/// A host whose servers run one call at a time, for which one other may wait.
async fn narrow() -> Host {
    let limits = Limits {
        calls_at_once_per_server: 1,
        calls_waiting: 1,
        call_wait_ms: 300_000,
        mcp_requests_per_minute: 100_000,
        ..Limits::default()
    };
    Host::with(Wishes { limits, ..Wishes::default() }).await
}

/// Calls a tool whose server is busy with `s__waits`, does `meanwhile`, and lets the server go; answers what the
/// call is told.
async fn overtaken(host: &Host, tool: &str, arguments: Value, meanwhile: impl AsyncFnOnce()) -> Value {
    let model = host.model();
    let running = model.calling("s__waits", json!({})).await;
    let call = async || model.request("tools/call", json!({"name": tool, "arguments": arguments})).await.1;
    // Two ask: one waits, because the other one is told so.
    let (one, other) = (pin!(call()), pin!(call()));
    let (refused, waiting) = match select(one, other).await {
        Either::Left(ended) | Either::Right(ended) => ended,
    };
    assert!(refused.to_string().contains("1 calls are waiting already"), "{refused}");
    meanwhile().await;
    drop(running);
    waiting.await
}

#[tokio::test]
async fn a_version_that_is_approved_meanwhile_gets_no_arguments_that_it_does_not_take() {
    let host = narrow().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, _) = admin.tool("s", "waits", WAITS).await;
    let tool = admin.another_tool(&server, "echo", "def main(given: str) -> str:\n    return given\n").await;
    let newer = "def main(given: int) -> int:\n    return given\n";
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": newer})).await;
    let told = overtaken(&host, "s__echo", json!({"given": "x"}), async || admin.approve(&tool).await).await;
    assert_eq!(told["result"]["isError"], json!(true), "{told}");
    assert!(told.to_string().contains("/given"), "{told}");
    assert_eq!(model.done("s__echo", json!({"given": 7})).await, json!({"result": 7}));
}

#[tokio::test]
async fn a_test_runs_without_the_secret_that_is_deleted_meanwhile() {
    let host = narrow().await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("s", "waits", WAITS).await;
    let looks = "def main() -> list:\n    return sorted(secrets)\n";
    let tool = admin.another_tool(&server, "looks", looks).await;
    admin.secret(&server, "TOKEN", "hunter22-hunter22").await;
    let revoked = async || {
        admin.ask(Method::DELETE, &format!("/api/servers/{server}/secrets/TOKEN"), None).await;
    };
    let told = overtaken(&host, "mcpbox_test_code", json!({"tool_id": tool}), revoked).await;
    assert_eq!(told["result"]["structuredContent"]["result"], json!({"result": []}), "{told}");
}

#[tokio::test]
async fn a_test_runs_nothing_whose_approval_is_taken_back_meanwhile() {
    let host = narrow().await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("s", "waits", WAITS).await;
    let tool = admin.another_tool(&server, "one", "def main() -> int:\n    return 1\n").await;
    let revoked = async || {
        let body = json!({"action": "revoke", "tool_ids": [tool], "reason": "it leaks"});
        admin.ask(Method::POST, "/api/approvals/tools/bulk-action", Some(body)).await;
    };
    let told = overtaken(&host, "mcpbox_test_code", json!({"tool_id": tool}), revoked).await;
    assert!(told.to_string().contains("policy draft_tests"), "{told}");
}
