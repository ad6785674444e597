//! The deprecated transport of the oldest revision: one stream for all answers.

use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Answer, Client, ECHO, PATIENCE, WAITS, initialize, offer, outcome_of_last_call, request};

const ACCEPT: (&str, &str) = ("accept", "text/event-stream");

async fn host() -> Host {
    Host::with(Wishes { legacy_sse: true, ..Wishes::default() }).await
}

/// Opens a stream; answers it and where to send messages.
async fn open(host: &Host) -> (Answer, Client) {
    open_at(host, "/sse").await
}

async fn open_at(host: &Host, path: &str) -> (Answer, Client) {
    let mut stream = Client::of(host).at(path).send("GET", &[ACCEPT], "").await;
    assert_eq!((stream.status, stream.headers["content-type"].to_str().ok()), (200, Some("text/event-stream")));
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    let endpoint = stream.event().await.expect("an event");
    let path = endpoint.strip_prefix("event: endpoint\ndata: ").expect("it says where").trim().to_owned();
    assert!(path.starts_with("/messages?sessionId="), "{path}");
    (stream, Client::of(host).at(&path))
}

async fn hear(stream: &mut Answer) -> Value {
    let event = stream.event().await.expect("an event");
    serde_json::from_str(event.strip_prefix("data: ").expect("a message")).expect("JSON")
}

#[tokio::test]
async fn it_is_served_only_when_the_operator_says_so() {
    let host = Host::start().await;
    for (method, path) in [("GET", "/sse"), ("POST", "/messages?sessionId=x")] {
        assert_eq!(Client::of(&host).at(path).send(method, &[ACCEPT], "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_old_client_opens_a_stream_and_is_answered_there() {
    let host = host().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("echo", ECHO), ("waits", WAITS)]).await;
    let (mut stream, client) = open(&host).await;
    let sent = client.post(&[], &initialize("2024-11-05")).await;
    assert_eq!((sent.status, sent.text().await.as_str()), (202, ""));
    assert_eq!(hear(&mut stream).await["result"]["protocolVersion"], "2024-11-05");
    let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(client.post(&[], &said).await.status, 202);
    let call = json!({"name": "s__echo", "arguments": {"text": "x"}});
    assert_eq!(client.post(&[], &request(1, "tools/call", &call)).await.status, 202);
    let answer = hear(&mut stream).await;
    assert_eq!(answer["result"]["content"][0]["type"], "text", "{answer}");

    // The end of the stream is the end of the conversation.
    let wait = json!({"name": "s__waits"});
    assert_eq!(client.post(&[], &request(2, "tools/call", &wait)).await.status, 202);
    assert_eq!(client.post(&[], &request(3, "ping", &json!({}))).await.status, 202);
    assert_eq!(hear(&mut stream).await["id"], 3);
    drop(stream);
    assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled");
    let gone = async { while client.post(&[], &request(4, "ping", &json!({}))).await.status != 404 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("it ends");
}

#[tokio::test]
async fn a_conversation_is_nobody_elses_and_strangers_have_none() {
    let host = host().await;
    let key = host.app().service().api_key_create(&Caller::operator(), "ci").await.expect("a key").key;
    let (_stream, client) = open(&host).await;
    let ping = request(1, "ping", &json!({}));
    let with_key = format!("Bearer {key}");
    for (headers, status) in [
        (&[("authorization", with_key.as_str())][..], 404),
        (&[("x-forwarded-for", "192.0.2.7")], 401),
        (&[("origin", "https://evil.example")], 403),
    ] {
        assert_eq!(client.post(headers, &ping).await.status, status, "{headers:?}");
    }
    let text = client.send("POST", &[("content-type", "text/plain")], ping.to_string()).await;
    assert_eq!(text.status, 415);
    for (path, status) in [("/messages", 400), ("/messages?sessionId=x", 404)] {
        assert_eq!(Client::of(&host).at(path).post(&[], &ping).await.status, status, "{path}");
    }
    let json_only = Client::of(&host).at("/sse").send("GET", &[("accept", "application/json")], "").await;
    assert_eq!(json_only.status, 406);
    let stranger = Client::of(&host).at("/sse").send("GET", &[ACCEPT, ("x-forwarded-for", "192.0.2.7")], "").await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn a_stopping_host_ends_its_conversations() {
    let mut host = host().await;
    let (mut stream, client) = open(&host).await;
    client.post(&[], &initialize("2024-11-05")).await;
    hear(&mut stream).await;
    let (ended, ()) = tokio::join!(stream.event(), host.stop());
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_call_that_runs_when_the_host_stops_is_answered() {
    let limits = Limits { stop_grace_s: 60, ..Wishes::default().limits };
    let mut host = Host::with(Wishes { limits, legacy_sse: true, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let steps = "import asyncio\n\nasync def main() -> str:\n    progress(1)\n    await asyncio.sleep(1)\n    \
                 return 'done'\n";
    offer(&host, &admin, &[("steps", steps)]).await;
    let (mut stream, client) = open(&host).await;
    client.post(&[], &initialize("2024-11-05")).await;
    hear(&mut stream).await;
    let call = json!({"name": "s__steps", "_meta": {"progressToken": 1}});
    client.post(&[], &request(1, "tools/call", &call)).await;
    assert_eq!(hear(&mut stream).await["method"], "notifications/progress", "it runs");
    let rest = async { (hear(&mut stream).await, stream.event().await) };
    let ((answer, end), ()) = tokio::join!(rest, host.stop());
    assert!(answer["id"] == 1 && answer["result"].to_string().contains("done"), "{answer}");
    assert_eq!(end, None);
}

#[tokio::test]
async fn it_shows_what_the_caller_is_shown_and_lists_what_the_address_says() {
    let host = host().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let listed = async |path: &str| {
        let (mut stream, client) = open_at(&host, path).await;
        client.post(&[], &initialize("2024-11-05")).await;
        hear(&mut stream).await;
        client.post(&[], &request(1, "tools/list", &json!({}))).await;
        let listed = hear(&mut stream).await["result"]["tools"].clone();
        let tools = listed.as_array().expect("tools").iter();
        tools.filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    assert_eq!(listed("/sse?tools=search").await.last().map(String::as_str), Some("mcpbox_call_tool"));
    assert!(listed("/sse").await.contains(&"s__echo".to_owned()));
    let refused = Client::of(&host).at("/sse?tools=few").send("GET", &[ACCEPT], "").await;
    assert_eq!(refused.code().await, (400, -32600));
    let nothing = json!({"servers": [], "management": false});
    admin.ask(reqwest::Method::PUT, "/api/mcp/profiles/local", Some(nothing)).await;
    assert_eq!(listed("/sse").await, Vec::<String>::new());
}
