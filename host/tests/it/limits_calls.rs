//! The bounds of one call, gone past through MCP.

use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};
use crate::mcp_client::{Client, outcome_of_last_call};

const MIB: u64 = 1 << 20;

fn usual() -> Limits {
    Wishes::default().limits
}

async fn host_with(limits: Limits) -> Host {
    Host::with(Wishes { limits, ..Wishes::default() }).await
}

/// A host with these limits and the approved tool `s__tool`; what its call answers when it fails.
async fn failure(limits: Limits, source: &str, arguments: Value) -> String {
    let host = host_with(limits).await;
    host.admin().await.tool("s", "tool", source).await;
    host.model().failed("s__tool", arguments).await
}

/// The same, for a tool that succeeds: what a test of it shows of the call.
async fn execution(limits: Limits, source: &str) -> Value {
    let host = host_with(limits).await;
    let (_, tool) = host.admin().await.tool("s", "tool", source).await;
    let tested = host.model().done("mcpbox_test_code", json!({"tool_id": tool})).await;
    tested["execution"].clone()
}

const SPIN: &str = "def main():\n    while True: pass\n";

/// Holds: call_time_ms.
#[tokio::test]
async fn a_call_ends_at_its_time() {
    let told = failure(Limits { call_time_ms: 300, ..usual() }, SPIN, json!({})).await;
    assert!(told.contains("longer than its 0.3 s"), "{told}");
}

/// Holds: call_time_max_ms.
#[tokio::test]
async fn no_tool_has_more_time_than_the_most() {
    let host = host_with(Limits { call_time_max_ms: 1_000, ..usual() }).await;
    let (admin, model) = (host.admin().await, host.model());
    let server = model.done("mcpbox_create_server", json!({"name": "s"})).await;
    let tool =
        |ms: u64| json!({"server_id": server["id"], "name": format!("t{ms}"), "python_code": SPIN, "timeout_ms": ms});
    let told = model.failed("mcpbox_create_tool", tool(1_001)).await;
    assert!(told.contains("1000 ms"), "{told}");
    model.done("mcpbox_create_tool", tool(1_000)).await;
    // The usual time is longer, and is held to it.
    admin.another_tool(server["id"].as_str().expect("an id"), "usual", SPIN).await;
    let told = model.failed("s__usual", json!({})).await;
    assert!(told.contains("longer than its 1.0 s"), "{told}");
}

/// Holds: call_cpu_s, fuel_per_cpu_second.
#[tokio::test]
async fn a_call_ends_when_its_cpu_time_is_used_up() {
    for (seconds, rate) in [(1, 700_000_000), (2, 500_000_000)] {
        let limits = Limits { call_cpu_s: seconds, fuel_per_cpu_second: rate, ..usual() };
        let told = failure(limits, SPIN, json!({})).await;
        assert!(told.contains(&format!("used up its {} units of fuel", seconds * rate)), "{told}");
    }
}

/// Holds: call_memory_bytes.
#[tokio::test]
async fn a_call_gets_no_more_memory_than_it_may_have() {
    let host = host_with(Limits { call_memory_bytes: 128 * MIB, ..usual() }).await;
    host.admin().await.tool("s", "hold", "def main(size: int) -> int:\n    return len(bytearray(size))\n").await;
    assert_eq!(host.model().done("s__hold", json!({"size": 20_000_000})).await, json!({"result": 20_000_000}));
    let told = host.model().failed("s__hold", json!({"size": 128 * MIB})).await;
    assert!(told.starts_with("MemoryError"), "{told}");
}

/// Holds: call_host_calls.
#[tokio::test]
async fn a_call_asks_the_host_only_so_often() {
    let source = "def main():\n    for _ in range(2_000): print('x', flush=True)\n";
    let told = failure(Limits { call_host_calls: 1_000, ..usual() }, source, json!({})).await;
    assert!(told.contains("asked the host more than 1000 times"), "{told}");
}

/// Holds: call_stdout_bytes, stdout_returned_bytes.
#[tokio::test]
async fn what_is_printed_is_kept_and_returned_up_to_a_bound() {
    let source = "def main():\n    print('x' * 4_999)\n";
    let kept = execution(Limits { call_stdout_bytes: 1_024, ..usual() }, source).await;
    assert_eq!(kept["stdout"].as_str().map(str::len), Some(1_024), "{kept}");
    assert_eq!(kept["notices"], json!(["standard output was cut: 3976 more bytes were printed"]));
    let returned = execution(Limits { stdout_returned_bytes: 100, ..usual() }, source).await;
    assert_eq!(returned["stdout"].as_str().map(str::len), Some(100), "{returned}");
    assert_eq!(returned["notices"], json!(["standard output was cut: 4900 more bytes were printed"]));
}

/// Holds: call_result_bytes.
#[tokio::test]
async fn a_result_that_is_too_large_is_not_returned() {
    let source = "def main():\n    return 'x' * 2_000\n";
    let told = failure(Limits { call_result_bytes: 1_024, ..usual() }, source, json!({})).await;
    assert!(told.contains("larger than 1024 bytes") && !told.contains("xxx"), "{told}");
}

/// Holds: call_log_lines, call_log_line_bytes.
#[tokio::test]
async fn log_lines_are_bounded_in_number_and_length() {
    let limits = Limits { call_log_lines: 3, call_log_line_bytes: 64, ..usual() };
    let host = host_with(limits).await;
    let source = "def main():\n    for _ in range(10): log.info('x' * 200)\n";
    let (_, tool) = host.admin().await.tool("s", "tool", source).await;
    let tested = host.model().done("mcpbox_test_code", json!({"tool_id": tool})).await;
    let notices = tested["execution"]["notices"].to_string();
    assert!(notices.contains("7 log lines"), "{notices}");

    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    client.ask(&session, "logging/setLevel", json!({"level": "info"})).await.result().await;
    let heard = client.ask(&session, "tools/call", json!({"name": "s__tool"})).await.messages().await;
    let lines: Vec<&Value> = heard.iter().filter(|message| message["method"] == "notifications/message").collect();
    assert_eq!(lines.len(), 3, "{heard:?}");
    for line in lines {
        let text = line["params"]["data"].to_string();
        assert!((50..=70).contains(&text.len()), "{line}");
    }
}

/// Holds: arguments_bytes.
#[tokio::test]
async fn arguments_are_bounded_in_size() {
    let host = host_with(Limits { arguments_bytes: 1_024, ..usual() }).await;
    host.admin().await.tool("s", "length", "def main(text: str) -> int:\n    return len(text)\n").await;
    assert_eq!(host.model().done("s__length", json!({"text": "x".repeat(900)})).await, json!({"result": 900}));
    let told = host.model().failed("s__length", json!({"text": "x".repeat(1_100)})).await;
    assert!(told.contains("more than 1024 bytes"), "{told}");
}

/// The row of the last call of a tool.
async fn last_row(host: &Host, admin: &Admin<'_>, tool: &str, outcome: &str) -> Value {
    assert_eq!(outcome_of_last_call(host, tool).await, outcome);
    let page = admin.ask(Method::GET, &format!("/api/execution-logs?tool_id={tool}"), None).await;
    page["items"][0].clone()
}

/// Holds: log_arguments_bytes, log_result_bytes, log_error_bytes, log_stdout_bytes.
#[tokio::test]
async fn a_row_of_the_execution_log_keeps_the_beginnings() {
    let limits =
        Limits { log_arguments_bytes: 20, log_result_bytes: 30, log_error_bytes: 40, log_stdout_bytes: 50, ..usual() };
    let host = host_with(limits).await;
    let admin = host.admin().await;
    let good = "def main(text: str) -> str:\n    print(text)\n    return text\n";
    let (server, good) = admin.tool("s", "good", good).await;
    let bad = admin.another_tool(&server, "bad", "def main(text: str):\n    raise ValueError(text)\n").await;
    let long = json!({"text": "x".repeat(500)});
    host.model().done("s__good", long.clone()).await;
    let row = last_row(&host, &admin, &good, "returned").await;
    let is_cut = |text: &Value, at: usize| {
        let text = text.as_str().unwrap_or_default();
        text.find('…') == Some(at) && text.ends_with(" more bytes)")
    };
    assert!(is_cut(&row["arguments"], 20) && is_cut(&row["result"], 30) && is_cut(&row["stdout"], 50), "{row}");
    host.model().failed("s__bad", long).await;
    let row = last_row(&host, &admin, &bad, "raised").await;
    assert!(is_cut(&row["error"], 40), "{row}");
}
