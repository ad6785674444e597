//! What a guest asks of the client of its call, in both eras: as a request on the call's stream, and as a call
//! that is made again with the answers.

use chrono::TimeDelta;
use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, outcome_of_last_call, request};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A call of `ask` by a client that answers forms.
fn call(more: &Value) -> Value {
    let mut params = json!({
        "name": "ask",
        "arguments": {"message": "who?"},
        "_meta": {CAPABILITIES: {"elicitation": {}}},
    });
    for (name, value) in more.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

fn answers() -> Value {
    json!({"who": {"action": "accept", "content": {"name": "Ada"}}})
}

#[tokio::test]
async fn a_modern_client_makes_the_call_again_with_its_answers() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let ask = async |more: Value| client.modern(&[], "tools/call", call(&more)).await.json().await;

    let asked = ask(json!({})).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = json!({"method": "elicitation/create", "params": {"message": "who?"}});
    assert_eq!(asked["inputRequests"], json!({"who": question}));
    assert_eq!(outcome_of_last_call(&host, &tool).await, "input_required");
    let state = asked["requestState"].as_str().expect("a state").to_owned();

    for more in [
        json!({"inputResponses": answers(), "requestState": state}),
        // A first round may have its answers too, and more than was asked for.
        json!({"inputResponses": {"who": answers()["who"], "extra": {"action": "decline"}}}),
    ] {
        let told = ask(more).await["result"].clone();
        assert_eq!((&told["resultType"], &told["isError"]), (&json!("complete"), &json!(false)), "{told}");
        assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{told}");
    }
    for responses in [json!({}), json!({"who": {"action": "perhaps"}}), json!({"who": 7}), json!({"other": {}})] {
        let again = ask(json!({"inputResponses": responses, "requestState": state})).await["result"].clone();
        assert_eq!(again["inputRequests"], asked["inputRequests"], "asked again: {again}");
    }
    assert_eq!(ask(json!({"inputResponses": []})).await["error"]["code"], -32602);
    // A state is of one call, and whole.
    let mut changed = state.clone();
    changed.replace_range(30..31, if &state[30..31] == "A" { "B" } else { "A" });
    let elsewhere = json!({"message": "where?"});
    for more in [
        json!({"inputResponses": answers(), "requestState": changed}),
        json!({"inputResponses": answers(), "requestState": "x"}),
        json!({"inputResponses": answers(), "requestState": state, "arguments": elsewhere}),
        json!({"inputResponses": answers(), "requestState": state, "name": "task"}),
    ] {
        let refused = ask(more).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    host.clock.turn(TimeDelta::seconds(601));
    let late = ask(json!({"inputResponses": answers(), "requestState": state})).await;
    assert_eq!(late["error"]["code"], -32602, "{late}");
}

/// Holds: request_state_bytes.
#[tokio::test]
async fn a_state_is_bounded() {
    let limits = Limits { request_state_bytes: 1_024, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let more = json!({"requestState": "A".repeat(1_025)});
    assert_eq!(client.modern(&[], "tools/call", call(&more)).await.code().await, (200, -32602));
}

#[tokio::test]
async fn a_client_is_not_asked_what_it_did_not_say_it_can() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let params = json!({"name": "ask", "arguments": {"message": "who?"}});
    let told = client.modern(&[], "tools/call", params.clone()).await.result().await;
    assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("elicitation")), "{told}");
    let (session, _) = client.open("2025-11-25").await;
    let told = client.ask(&session, "tools/call", params).await.result().await;
    assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("elicitation")), "{told}");
}

/// Opens a session of a client that answers forms.
pub async fn answering(client: &Client) -> String {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "test", "version": "1"}});
    let opened = client.post(&[], &request(0, "initialize", &params)).await;
    opened.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned()
}

/// The message of the next event that has one.
pub async fn message(stream: &mut crate::mcp_client::Answer) -> Value {
    loop {
        let event = stream.event().await.expect("an event");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| !data.is_empty()));
        if let Some(data) = data {
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

#[tokio::test]
async fn a_legacy_client_is_asked_on_the_stream_of_its_call() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let session = answering(&client).await;
    let params = json!({"name": "ask", "arguments": {"message": "who?"}});
    let mut stream = client.ask(&session, "tools/call", params.clone()).await;
    let question = message(&mut stream).await;
    assert_eq!((&question["method"], &question["params"]["message"]), (&json!("elicitation/create"), &json!("who?")));
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answers()["who"]});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
    let told = message(&mut stream).await;
    assert!(told["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{told}");

    // A call that waits for its answer is cancelled as any other.
    let mut stream = client.ask(&session, "tools/call", params).await;
    message(&mut stream).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &cancel).await.status, 202);
    while stream.piece().await.is_some() {}
    let logged = async { while outcome_of_last_call(&host, &tool).await != "cancelled" {} };
    tokio::time::timeout(crate::mcp_client::PATIENCE, logged).await.expect("the guest is stopped");
}
