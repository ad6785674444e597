//! Rules of the revisions' pages on transports and cancellation that no other test goes by. Each names its page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::desk;
use crate::harness::{Host, REVISION};
use crate::mcp_client::{Answer, Client, ECHO, PATIENCE, initialize, modern_params, offer, request};

/// Says something, works on, says something again.
const STEPS: &str = "import asyncio\n\nasync def main(name: str) -> str:\n    progress(1, message=name)\n    \
                     await asyncio.sleep(0.5)\n    progress(2, message=name)\n    return name\n";

/// The id of an event, and its message.
fn read(event: &str) -> (Option<String>, Value) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).filter(|text| !text.is_empty());
    let message = field("data: ").map(|data| serde_json::from_str(data).expect("JSON"));
    (field("id: ").map(str::to_owned), message.unwrap_or_default())
}

async fn rest(mut stream: Answer) -> Vec<(Option<String>, Value)> {
    let mut all = Vec::new();
    while let Some(event) = stream.event().await {
        all.push(read(&event));
    }
    all
}

/// 2025-11-25, "Resumability and Redelivery": ids are unique across all streams of a session, and what was said on
/// one stream is never said again on another.
#[tokio::test]
async fn an_event_id_is_of_one_event_and_a_stream_that_is_taken_up_says_nothing_of_others() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("steps", STEPS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let within = [("mcp-session-id", session.as_str())];
    let call = |id: u64, name: &str| {
        let params = json!({"name": "s__steps", "arguments": {"name": name}, "_meta": {"progressToken": name}});
        request(id, "tools/call", &params)
    };
    let mut broken = client.post(&within, &call(1, "one")).await;
    let other = client.post(&within, &call(2, "two")).await;
    let (primer, _) = read(&broken.event().await.expect("a primer"));
    drop(broken);
    let primer = primer.expect("it has an id");
    let resumed = rest(client.listen(&session, &[("last-event-id", &primer)]).await).await;
    let other = rest(other).await;
    for (stream, id, name) in [(&resumed, 1, "one"), (&other, 2, "two")] {
        let messages = stream.iter().map(|(_, message)| message).filter(|message| message.is_object());
        for message in messages {
            let its_own = message["params"]["progressToken"] == name || message["id"] == id;
            assert!(its_own, "{name}: {message}");
        }
        assert_eq!(stream.last().expect("events").1["result"]["structuredContent"]["result"], name);
    }

    let mut ids = vec![primer];
    ids.extend(resumed.into_iter().chain(other).filter_map(|(id, _)| id));
    for _ in 0..2 {
        let mut own = client.listen(&session, &[]).await;
        ids.extend(read(&own.event().await.expect("a primer")).0);
        admin.another_tool(&server(&host).await, &format!("more{}", ids.len()), ECHO).await;
        ids.extend(read(&own.event().await.expect("it is told")).0);
    }
    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

async fn server(host: &Host) -> String {
    let servers = host.model().done("mcpbox_list_servers", json!({})).await;
    servers["servers"][0]["id"].as_str().expect("an id").to_owned()
}

/// What one process counts says nothing to another: whoever comes back to another one may have missed something.
#[tokio::test]
async fn a_client_that_comes_back_to_another_process_is_told_that_the_list_may_have_changed() {
    let mut host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut stream = client.listen(&session, &[]).await;
    let last = read(&stream.event().await.expect("a primer")).0.expect("it has an id");
    drop(stream);
    host.restart().await;
    let client = Client::of(&host);
    let mut back = client.listen(&session, &[("last-event-id", &last)]).await;
    let (id, told) = read(&back.event().await.expect("it is told"));
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_ne!(id.expect("it has an id"), last);
}

/// 2025-11-25 and 2026-07-28, "Sending Messages": 202 without a body for what is taken, an HTTP error without an id
/// for a notification that is not.
#[tokio::test]
async fn what_is_taken_is_answered_with_nothing_and_what_is_not_by_an_error_of_no_request() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let said = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let answered = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    let within = [("mcp-session-id", session.as_str())];
    let newest = [("mcp-protocol-version", REVISION), ("mcp-method", "notifications/cancelled")];
    for (headers, message) in [(&within[..], &said), (&within, &answered), (&newest, &said)] {
        let taken = client.post(headers, message).await;
        assert_eq!((taken.status, taken.text().await.as_str()), (202, ""), "{message}");
    }
    for (headers, status) in [(&[][..], 400), (&[("mcp-session-id", "unknown")], 404)] {
        let refused = client.post(headers, &said).await;
        assert_eq!(refused.status, status);
        let refused = refused.json().await;
        assert!(refused.get("id").is_none() && refused["error"]["message"].is_string(), "{refused}");
    }
}

/// 2025-11-25, "Protocol Version Header": 400 for one that is not spoken, by whichever method.
#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused_on_every_request_of_a_session() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let headers = |version: &'static str| [("mcp-session-id", session.as_str()), ("mcp-protocol-version", version)];
    for version in ["1.0", "2026-07-29", ""] {
        assert_eq!(client.listen(&session, &[("mcp-protocol-version", version)]).await.status, 400, "{version}");
        assert_eq!(client.send("DELETE", &headers(version), "").await.status, 400, "{version}");
        let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&headers(version), &said).await.status, 400, "{version}");
    }
    assert_eq!(client.send("DELETE", &headers("2025-11-25"), "").await.status, 204, "it is still there");
}

/// 2026-07-28, "Earlier Streamable HTTP Revisions" and "Sending Messages": headers of sessions mean nothing, and a
/// body is one message.
#[tokio::test]
async fn a_modern_request_knows_no_session_no_resumption_and_no_batch() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let of_sessions = [("mcp-session-id", session.as_str()), ("last-event-id", "session-1")];
    let call = json!({"name": "mcpbox_list_servers", "_meta": {"progressToken": 1}});
    let answer = client.modern(&of_sessions, "tools/call", call).await;
    assert!(!answer.headers.contains_key("mcp-session-id"), "it is not echoed");
    let events = rest(answer).await;
    assert!(events.iter().all(|(id, _)| id.is_none()), "nothing to take up: {events:?}");
    assert_eq!(events.last().expect("an answer").1["result"]["resultType"], "complete");
    let batch = json!([request(1, "tools/list", &modern_params(json!({})))]);
    let headers = [("mcp-protocol-version", REVISION), ("mcp-method", "tools/list")];
    assert_eq!(client.post(&headers, &batch).await.code().await, (400, -32600));
}

/// 2026-07-28, "Subscriptions": nothing is told that was not asked for, and each message says whose it is.
#[tokio::test]
async fn two_subscriptions_of_one_client_are_told_apart() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let listen = async |id: u64, filter: Value| {
        let params = modern_params(json!({ "notifications": filter }));
        let headers = [("mcp-protocol-version", REVISION), ("mcp-method", "subscriptions/listen")];
        client.post(&headers, &request(id, "subscriptions/listen", &params)).await
    };
    let mut prompts = listen(41, json!({"promptsListChanged": true})).await;
    let mut notes = listen(42, json!({"resourceSubscriptions": ["notes://1"]})).await;
    let whose = |event: &str| read(event).1["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    for (stream, id) in [(&mut prompts, 41), (&mut notes, 42)] {
        let acknowledged = stream.event().await.expect("an event");
        assert_eq!(read(&acknowledged).1["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(whose(&acknowledged), id);
    }
    for _ in 0..2 {
        let told = client.modern(&[], "tools/call", json!({"name": "changed", "arguments": {}})).await.result().await;
        assert_eq!(told["isError"], false, "{told}");
        for (stream, id, method) in [
            (&mut prompts, 41, "notifications/prompts/list_changed"),
            (&mut notes, 42, "notifications/resources/updated"),
        ] {
            let event = tokio::time::timeout(PATIENCE, stream.event()).await.expect("in time").expect("an event");
            assert_eq!((&read(&event).1["method"], whose(&event)), (&json!(method), json!(id)));
        }
    }
}

/// 2025-11-25, "Version Negotiation": what is agreed on in `initialize` stands in its body, not in a header, which a
/// client of a version that is not there yet may send with it.
#[tokio::test]
async fn a_client_of_a_later_version_agrees_on_one_that_both_speak() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let answer = client.post(&[("mcp-protocol-version", "2099-01-01")], &initialize("2099-01-01")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().await["result"]["protocolVersion"], "2025-11-25");
}

/// 2025-11-25, "Tasks": who did not declare that calls may be tasks answers one that is to be one as any other.
#[tokio::test]
async fn a_legacy_call_that_is_to_be_a_task_is_an_ordinary_call() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, opened) = client.open("2025-11-25").await;
    assert!(opened["capabilities"].get("tasks").is_none(), "{opened}");
    let call = json!({"name": "mcpbox_list_servers", "task": {"ttl": 60_000}});
    let told = client.ask(&session, "tools/call", call).await.result().await;
    assert!(told["isError"] == false && told.get("task").is_none(), "{told}");
}
