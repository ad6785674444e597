//! The legacy era: sessions, their rules and their end.

use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::json;

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, ECHO, LINGERS, TALKS, WAITS, initialize, offer, outcome_of_last_call, request};

#[tokio::test]
async fn each_version_is_agreed_on_and_an_unknown_one_is_answered_with_our_newest() {
    let host = Host::start().await;
    let client = Client::of(&host);
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let (session, result) = client.open(asked).await;
        assert_eq!(result["protocolVersion"], agreed, "{asked}");
        assert_eq!(result["serverInfo"]["name"], "mcpbox");
        assert_eq!(result["capabilities"]["tools"], json!({"listChanged": true}));
        assert_eq!(result["capabilities"].get("completions").is_some(), agreed >= "2025-03-26");
        assert!(result["capabilities"].get("extensions").is_none(), "{result}");
        assert!(session.len() >= 32);
        assert_eq!(client.ask(&session, "ping", json!({})).await.result().await, json!({}));
    }
    let nameless = client.post(&[], &request(0, "initialize", &json!({}))).await;
    assert_eq!(nameless.code().await, (200, -32602));
}

#[tokio::test]
async fn a_request_names_a_session_that_is_its_callers() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let ping = request(1, "ping", &json!({}));
    assert_eq!(client.post(&[], &ping).await.code().await, (400, -32600));
    assert_eq!(client.post(&[("mcp-session-id", "unknown")], &ping).await.code().await, (404, -32600));
    let twice = [("mcp-session-id", session.as_str()), ("mcp-session-id", session.as_str())];
    assert_eq!(client.post(&twice, &ping).await.code().await, (400, -32600));

    let key = host.app().service().api_key_create(&Caller::operator(), "other").await.expect("a key").key;
    let bearer = format!("Bearer {key}");
    let other = [("mcp-session-id", session.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(client.post(&other, &ping).await.status, 404, "to another caller it does not exist");
    assert_eq!(client.send("DELETE", &other, "").await.status, 404);
    assert_eq!(client.post(&[("mcp-session-id", &session)], &ping).await.status, 200);
}

#[tokio::test]
async fn the_version_header_is_checked_when_it_is_there() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let ping = request(1, "ping", &json!({}));
    for (version, code) in
        [("2025-11-25", (200, 0)), ("2025-06-18", (200, 0)), ("1.0", (400, -32022)), ("", (400, -32022))]
    {
        let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", version)];
        assert_eq!(client.post(&headers, &ping).await.code().await, code, "{version}");
    }
}

#[tokio::test]
async fn an_unknown_method_is_an_answer_not_a_lost_session() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    for method in ["prompts/list", "resources/list", "server/discoverer", "nonsense"] {
        assert_eq!(client.ask(&session, method, json!({})).await.code().await, (200, -32601), "{method}");
    }
    let within = [("mcp-session-id", session.as_str())];
    let said = json!({"jsonrpc": "2.0", "method": "notifications/nonsense"});
    assert_eq!(client.post(&within, &said).await.status, 202);
    let answered = json!({"jsonrpc": "2.0", "id": 5, "result": {}});
    assert_eq!(client.post(&within, &answered).await.status, 202);
}

/// Holds: batch_messages.
#[tokio::test]
async fn batches_are_answered_in_the_one_version_that_has_them() {
    let limits = Limits { batch_messages: 5, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let batch = json!([
        request(1, "ping", &json!({})),
        {"jsonrpc": "2.0", "method": "notifications/nonsense"},
        request(2, "tools/call", &json!({"name": "mcpbox_list_servers"})),
        initialize("2025-03-26"),
        7,
    ]);
    let (newer, _) = client.open("2025-06-18").await;
    assert_eq!(client.post(&[("mcp-session-id", &newer)], &batch).await.code().await, (400, -32600));

    let (session, _) = client.open("2025-03-26").await;
    let within = [("mcp-session-id", session.as_str())];
    let answers = client.post(&within, &batch).await.json().await;
    let answers = answers.as_array().expect("a list");
    let said: Vec<_> = answers.iter().map(|answer| (answer["id"].as_u64(), answer["error"]["code"].as_i64())).collect();
    assert_eq!(said, [(Some(1), None), (Some(2), None), (Some(0), Some(-32600)), (None, Some(-32600))]);
    assert_eq!(answers[1]["result"]["isError"], false);

    let quiet = json!([{"jsonrpc": "2.0", "method": "notifications/nonsense"}]);
    assert_eq!(client.post(&within, &quiet).await.status, 202);
    let six: Vec<_> = (0..6).map(|id| request(id, "ping", &json!({}))).collect();
    let refused = client.post(&within, &json!(six)).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().await.contains("MCPBOX_BATCH_MESSAGES"));
}

#[tokio::test]
async fn a_cancelled_request_is_stopped_and_not_answered() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("waits", WAITS), ("echo", ECHO)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let within = [("mcp-session-id", session.as_str())];

    let mut answer =
        client.ask(&session, "tools/call", json!({"name": "s__waits", "_meta": {"progressToken": 3}})).await;
    assert_eq!(answer.piece().await.as_deref(), Some(":\n\n"));
    let taken = client.ask(&session, "tools/call", json!({"name": "s__echo"})).await;
    assert_eq!(taken.code().await, (400, -32600), "a request of this id is running");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(client.post(&within, &cancel).await.status, 202);
    assert_eq!(answer.piece().await, None, "the stream ends without an answer");
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "cancelled");

    // What is unknown or has ended is ignored; the id is free again.
    assert_eq!(client.post(&within, &cancel).await.status, 202);
    let malformed = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": null}});
    assert_eq!(client.post(&within, &malformed).await.status, 202);
    assert_eq!(client.ask(&session, "tools/call", json!({"name": "s__echo"})).await.status, 200);
}

#[tokio::test]
async fn a_broken_connection_is_no_cancellation_but_the_end_of_the_session_is() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("lingers", LINGERS), ("waits", WAITS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let call = |name: &str| json!({"name": name, "_meta": {"progressToken": 3}});

    let mut answer = client.ask(&session, "tools/call", call("s__lingers")).await;
    assert_eq!(answer.piece().await.as_deref(), Some(":\n\n"));
    drop(answer);
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "returned");

    let mut answer = client.ask(&session, "tools/call", call("s__waits")).await;
    assert_eq!(answer.piece().await.as_deref(), Some(":\n\n"));
    assert_eq!(client.send("DELETE", &[("mcp-session-id", &session)], "").await.status, 204);
    assert_eq!(answer.piece().await, None);
    assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled");
    assert_eq!(client.ask(&session, "ping", json!({})).await.status, 404);
    assert_eq!(client.send("DELETE", &[("mcp-session-id", &session)], "").await.status, 404);
}

#[tokio::test]
async fn log_lines_come_from_the_level_on_that_was_set() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("talks", TALKS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let call = json!({"name": "s__talks"});
    assert_eq!(client.ask(&session, "tools/call", call.clone()).await.status, 200);
    assert_eq!(client.ask(&session, "logging/setLevel", json!({"level": "loud"})).await.code().await, (200, -32602));
    for (level, lines) in [("debug", 5), ("info", 4)] {
        assert_eq!(client.ask(&session, "logging/setLevel", json!({"level": level})).await.result().await, json!({}));
        let messages = client.ask(&session, "tools/call", call.clone()).await.messages().await;
        let said = messages.iter().filter(|message| message["method"] == "notifications/message").count();
        assert_eq!((said, messages.len()), (lines, lines + 1), "{level}");
    }
    client.ask(&session, "logging/setLevel", json!({"level": "error"})).await;
    let quiet = client.ask(&session, "tools/call", call).await.messages().await;
    assert_eq!(quiet.len(), 1);
}

/// Holds: sessions, session_idle_s.
#[tokio::test]
async fn an_idle_session_ends_and_a_full_house_makes_room() {
    let limits = Limits { sessions: 2, session_idle_s: 60, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let (first, _) = client.open("2025-11-25").await;
    host.clock.turn(chrono::TimeDelta::seconds(1));
    let (second, _) = client.open("2025-11-25").await;
    host.clock.turn(chrono::TimeDelta::seconds(1));
    let alive = async |session: &str| client.ask(session, "ping", json!({})).await.status == 200;
    assert!(alive(&first).await, "used a moment ago");
    let (third, _) = client.open("2025-11-25").await;
    assert!(!alive(&second).await, "the one that rested longest made room");
    assert!(alive(&first).await && alive(&third).await);
    host.clock.turn(chrono::TimeDelta::seconds(61));
    assert!(!alive(&first).await && !alive(&third).await);
}
