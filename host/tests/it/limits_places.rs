//! Places for calls, and instances that are kept ready: how many there are at the same time.

use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Calling, Door, Host, Wishes};
use crate::mcp_client::{Client, ECHO, PATIENCE};
use crate::program::{Installation, Serving};

/// Says that it runs, and ends only when it is stopped.
const WAITS: &str = "import asyncio\n\nasync def main():\n    progress(1)\n    await asyncio.sleep(300)\n";

/// A host whose servers `a` and `b` have the tools `waits` and `echo`, with `a__waits` running.
async fn occupied(limits: Limits) -> Host {
    let limits = Limits { api_requests_per_minute: 100_000, mcp_requests_per_minute: 100_000, ..limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    for server in ["a", "b"] {
        let (id, _) = admin.tool(server, "waits", WAITS).await;
        admin.another_tool(&id, "echo", ECHO).await;
    }
    host
}

async fn waiting(host: &Host) -> Calling {
    host.model().calling("a__waits", json!({})).await
}

/// What a call is told that gets no place.
async fn refused(host: &Host, tool: &str) -> String {
    let (status, answer) = host.model().request("tools/call", json!({"name": tool, "arguments": {}})).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(503)), "{answer}");
    answer["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Calls until there is a place again.
async fn served_again(host: &Host, tool: &str) {
    let call = json!({"name": tool, "arguments": {}});
    let served = async { while host.model().request("tools/call", call.clone()).await.0 != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, served).await.expect("a place comes free");
}

/// Holds: calls_at_once, call_wait_ms.
#[tokio::test]
async fn a_call_over_the_number_in_all_waits_so_long_and_is_refused() {
    let host = occupied(Limits { calls_at_once: 1, call_wait_ms: 200, ..Limits::default() }).await;
    let running = waiting(&host).await;
    let began = std::time::Instant::now();
    let told = refused(&host, "b__echo").await;
    assert!(told.contains("no place became free in 200 ms"), "{told}");
    assert!(began.elapsed().as_millis() >= 200, "{:?}", began.elapsed());
    drop(running);
    served_again(&host, "b__echo").await;
}

/// Holds: calls_waiting.
#[tokio::test]
async fn a_call_that_may_not_wait_is_refused_at_once() {
    let limits = Limits { calls_at_once: 1, calls_waiting: 0, call_wait_ms: 300_000, ..Limits::default() };
    let host = occupied(limits).await;
    let _running = waiting(&host).await;
    let told = refused(&host, "b__echo").await;
    assert!(told.contains("0 calls are waiting already"), "{told}");
}

/// Holds: calls_at_once_per_server.
#[tokio::test]
async fn a_server_that_is_full_keeps_nobody_from_another() {
    let host = occupied(Limits { calls_at_once_per_server: 1, call_wait_ms: 100, ..Limits::default() }).await;
    let _running = waiting(&host).await;
    refused(&host, "a__echo").await;
    assert_eq!(host.model().done("b__echo", json!({"text": "x"})).await, json!({"text": "x"}));
}

/// Holds: calls_at_once_per_caller.
#[tokio::test]
async fn a_caller_that_is_busy_keeps_nobody_else_waiting() {
    let host = occupied(Limits { calls_at_once_per_caller: 1, call_wait_ms: 100, ..Limits::default() }).await;
    let _running = waiting(&host).await;
    refused(&host, "b__echo").await;
    let key = host.app().service().api_key_create(&Caller::operator(), "other").await.expect("a key").key;
    let bearer = format!("Bearer {key}");
    let call = json!({"name": "b__echo", "arguments": {}});
    let answer = Client::of(&host).modern(&[("authorization", &bearer)], "tools/call", call).await;
    assert_eq!(answer.result().await["isError"], json!(false));
}

/// How many prepared instances wait in a process.
async fn spares(door: &Door) -> u64 {
    let (.., text) = door.send(Method::GET, "/metrics", None, &[], None).await;
    let text = text.as_str().expect("text");
    text.lines().find_map(|line| line.strip_prefix("mcpbox_spares_ready ")?.parse().ok()).unwrap_or(0)
}

async fn until_spares(door: &Door, count: u64) {
    let met = async { while spares(door).await != count {} };
    tokio::time::timeout(PATIENCE, met).await.expect("so many wait");
}

/// A process of its own with these limits, with the tools `s__one` and `s__two`; it counts for itself.
async fn preparing(installation: &Installation, variables: &[(&str, &str)]) -> Serving {
    let serving = installation.serve(variables).await;
    let code = std::fs::read_to_string(installation.data_dir().join("setup-code")).expect("a setup code");
    let admin = serving.door.setup(code.trim()).await;
    let (server, _) = admin.tool("s", "one", ECHO).await;
    admin.another_tool(&server, "two", &format!("# Another source.\n{ECHO}")).await;
    serving
}

/// Calls both tools a few times; there are never more prepared instances than `most`.
async fn called(door: &Door, most: u64) {
    for _ in 0..10 {
        for tool in ["s__one", "s__two"] {
            let answer: Value = door.model().done(tool, json!({"text": "x"})).await;
            assert_eq!(answer, json!({"text": "x"}));
            let ready = spares(door).await;
            assert!(ready <= most, "{ready} wait, {most} may");
        }
    }
}

/// Holds: spares_per_tool, spare_idle_s.
#[tokio::test]
async fn so_many_instances_of_a_tool_are_kept_ready_and_for_so_long() {
    let installation = Installation::new().await;
    let serving = preparing(&installation, &[("MCPBOX_SPARES_PER_TOOL", "1"), ("MCPBOX_SPARE_IDLE_S", "1")]).await;
    called(&serving.door, 2).await;
    until_spares(&serving.door, 0).await;
    let none = Installation::new().await;
    let unprepared = preparing(&none, &[("MCPBOX_SPARES_PER_TOOL", "0")]).await;
    called(&unprepared.door, 0).await;
    unprepared.stop().await;
    serving.stop().await;
}

/// Holds: spares_total.
#[tokio::test]
async fn so_many_instances_are_kept_ready_in_all() {
    let installation = Installation::new().await;
    let serving = preparing(&installation, &[("MCPBOX_SPARES_TOTAL", "1")]).await;
    called(&serving.door, 1).await;
    until_spares(&serving.door, 1).await;
    serving.stop().await;
}
