//! What a guest asks of the client of its call, in both eras: as a request on the call's stream, and as a call
//! that is made again with the answers.

use chrono::TimeDelta;
use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, offer, outcome_of_last_call, request};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A call of `ask` by a client that answers forms.
fn call(more: &Value) -> Value {
    let mut params = json!({
        "name": "ask",
        "arguments": desk::form("who?"),
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
    let question = json!({"method": "elicitation/create", "params": desk::form("who?")});
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
    let unfit = [json!({"name": 7}), json!({"names": "Ada"})]
        .map(|content| json!({"who": {"action": "accept", "content": content}}));
    let unread = [json!({}), json!({"who": {"action": "perhaps"}}), json!({"who": 7}), json!({"other": {}})];
    for responses in unread.into_iter().chain(unfit) {
        let again = ask(json!({"inputResponses": responses, "requestState": state})).await["result"].clone();
        assert_eq!(again["inputRequests"], asked["inputRequests"], "asked again: {again}");
    }
    assert_eq!(ask(json!({"inputResponses": []})).await["error"]["code"], -32602);
    // A state is of one call, and whole.
    let mut changed = state.clone();
    changed.replace_range(30..31, if &state[30..31] == "A" { "B" } else { "A" });
    let elsewhere = desk::form("where?");
    for more in [
        json!({"inputResponses": answers(), "requestState": changed}),
        json!({"inputResponses": answers(), "requestState": "x"}),
        json!({"inputResponses": answers(), "requestState": state, "arguments": elsewhere}),
        json!({"inputResponses": answers(), "requestState": state, "name": "task"}),
    ] {
        let refused = ask(more).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    // Nor does it open for another caller.
    let key = host.app().service().api_key_create(&Caller::operator(), "other").await.expect("a key").key;
    let other = [("authorization", &*format!("Bearer {key}"))];
    let again = call(&json!({"inputResponses": answers(), "requestState": state}));
    assert_eq!(client.modern(&other, "tools/call", again).await.code().await, (200, -32602));
    host.clock.turn(TimeDelta::seconds(601));
    let late = ask(json!({"inputResponses": answers(), "requestState": state})).await;
    assert_eq!(late["error"]["code"], -32602, "{late}");
}

/// That a text has these, one after the other.
#[track_caller]
pub fn assert_in_order(text: &str, parts: &[&str]) {
    let at: Vec<usize> = parts.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"))).collect();
    assert!(at.is_sorted(), "{parts:?}: {text}");
}

/// People fill in a form in the order in which it is shown.
#[tokio::test]
async fn the_fields_of_a_form_are_in_the_order_of_their_author() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let asks = "async def main() -> str:\n    \
                return str(await ctx.elicit('?', {'kind': str, 'day': str, 'n': int, 'note': str}))\n";
    offer(&host, &admin, &[("asks", asks)]).await;
    let client = Client::of(&host);
    let fields = ["\"kind\":", "\"day\":", "\"n\":", "\"note\":"];
    let params = json!({"name": "s__asks", "arguments": {}, "_meta": {CAPABILITIES: {"elicitation": {}}}});
    assert_in_order(&client.modern(&[], "tools/call", params.clone()).await.text().await, &fields);
    let session = answering(&client).await;
    let mut stream = client.ask(&session, "tools/call", params).await;
    let mut question = String::new();
    while !question.contains("elicitation/create") {
        question = stream.event().await.expect("an event");
    }
    assert_in_order(&question, &fields);
}

/// Asks twice at once, and says what it was told of each.
const ASKS_TWICE: &str = "
export async function main(_, ctx) {
  const reason = (error) => `${error.reason}: ${error.message}`;
  const ask = (key) => ctx.elicit(key, { n: Number }, { key }).then(({ content }) => content.n, reason);
  return (await Promise.all([ask('one'), ask('two')])).join('\\n') + '\\n' + (await ask('one'));
}
";

#[tokio::test]
async fn a_guest_is_told_that_an_answer_does_not_fit_and_that_it_was_no_refusal() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("s").await;
    let tool = json!({"server_id": server, "name": "asks", "code": ASKS_TWICE, "language": "javascript"});
    admin.approve(host.model().done("mcpbox_create_tool", tool).await["id"].as_str().expect("an id")).await;
    let client = Client::of(&host);
    let session = answering(&client).await;
    for (unfit, reason) in [
        (
            json!({"result": {"action": "accept", "content": {"n": "zz"}}}),
            "invalid: the client's answer to the question `one` does not fit its form: /n: ",
        ),
        (json!({"result": {"action": "perhaps"}}), "invalid: the client's answer to the question `one` is none that"),
        (json!({"result": 7}), "invalid: the client's answer to the question `one` is no object"),
        (
            json!({"error": {"code": 1, "message": "not now"}}),
            "refused: the client refused the question \"one\": not now",
        ),
    ] {
        let mut stream = client.ask(&session, "tools/call", json!({"name": "s__asks", "arguments": {}})).await;
        for _ in 0..2 {
            let question = message(&mut stream).await;
            let mut answer = match question["params"]["message"] == "one" {
                true => unfit.clone(),
                false => json!({"result": {"action": "accept", "content": {"n": 2}}}),
            };
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = question["id"].clone();
            assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
        }
        // It is not asked once more: the same key has the same answer.
        let told = message(&mut stream).await;
        let told = told["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{told}"));
        let lines: Vec<&str> = told.lines().collect();
        let [one, "2", again] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(one.starts_with(reason) && again.starts_with(reason), "{lines:?}");
    }
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
    let params = json!({"name": "ask", "arguments": desk::form("who?")});
    let told = client.modern(&[], "tools/call", params.clone()).await.result().await;
    assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("elicitation")), "{told}");
    let (session, _) = client.open("2025-11-25").await;
    let told = client.ask(&session, "tools/call", params).await.result().await;
    assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("elicitation")), "{told}");
}

/// Opens a session of a client that answers forms.
pub async fn answering(client: &Client) -> String {
    session_of(client, "2025-11-25", json!({"elicitation": {}})).await
}

/// Opens a session of a client that can do this and says that it is ready.
pub async fn session_of(client: &Client, version: &str, capabilities: Value) -> String {
    let session = newcomer(client, version, capabilities).await;
    assert_eq!(client.post(&[("mcp-session-id", &session)], &initialized()).await.status, 202);
    session
}

/// Opens a session; the client has not said yet that it is ready.
async fn newcomer(client: &Client, version: &str, capabilities: Value) -> String {
    let params = json!({"protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"}});
    let opened = client.post(&[], &request(0, "initialize", &params)).await;
    opened.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned()
}

fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
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
    let params = json!({"name": "ask", "arguments": desk::form("who?")});
    let mut stream = client.ask(&session, "tools/call", params.clone()).await;
    let question = message(&mut stream).await;
    assert_eq!((&question["method"], &question["params"]["message"]), (&json!("elicitation/create"), &json!("who?")));
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answers()["who"]});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
    let told = message(&mut stream).await;
    assert!(told["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{told}");

    // What does not fit the form never reaches the guest as an answer.
    let mut stream = client.ask(&session, "tools/call", params.clone()).await;
    let question = message(&mut stream).await;
    let unfit = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": 7}}});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &unfit).await.status, 202);
    let told = message(&mut stream).await;
    assert!(
        told["result"]["content"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("does not fit its form: /name: ")),
        "{told}"
    );

    // A call that waits for its answer is cancelled as any other.
    let mut stream = client.ask(&session, "tools/call", params).await;
    message(&mut stream).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &cancel).await.status, 202);
    while stream.piece().await.is_some() {}
    let logged = async { while outcome_of_last_call(&host, &tool).await != "cancelled" {} };
    tokio::time::timeout(crate::mcp_client::PATIENCE, logged).await.expect("the guest is stopped");
}

/// 2025-11-25, "Initialization": before `notifications/initialized` a client is asked nothing. Whichever process heard
/// it, all know.
#[tokio::test]
async fn a_client_is_asked_once_it_has_said_that_it_is_ready() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let beside = host.beside().await;
    let (here, there) = (Client::of(&host).at(desk::ALONE), Client::of(&beside).at(desk::ALONE));
    let params = json!({"name": "ask", "arguments": desk::form("who?"), "_meta": {"progressToken": 1}});
    let answer = async |session: &str, stream: &mut crate::mcp_client::Answer| {
        let question = message(stream).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answers()["who"]});
        assert_eq!(here.post(&[("mcp-session-id", session)], &answer).await.status, 202);
        assert_eq!(message(stream).await["result"]["isError"], false);
    };

    let session = newcomer(&here, "2025-11-25", json!({"elicitation": {}})).await;
    let mut stream = here.ask(&session, "tools/call", params.clone()).await;
    assert_eq!(stream.piece().await.as_deref(), Some(":\n\n"));
    assert!(stream.event().await.is_some_and(|primer| primer.ends_with("\ndata: \n\n")));
    {
        let mut early = std::pin::pin!(stream.event());
        // The guest runs, and asks, while this other call is made and answered.
        let other = here.modern(&[], "tools/call", json!({"name": "changed", "arguments": {}}));
        tokio::select! {
            biased;
            event = &mut early => panic!("it is asked too early: {event:?}"),
            changed = other => assert_eq!(changed.status, 200),
        }
    }
    assert_eq!(here.post(&[("mcp-session-id", &session)], &initialized()).await.status, 202);
    answer(&session, &mut stream).await;

    let session = newcomer(&here, "2025-11-25", json!({"elicitation": {}})).await;
    assert_eq!(there.post(&[("mcp-session-id", &session)], &initialized()).await.status, 202);
    let mut stream = here.ask(&session, "tools/call", params).await;
    answer(&session, &mut stream).await;
    beside.stop().await;
}

/// "Capability Negotiation": what came with a later version than the one that was agreed on is not used.
#[tokio::test]
async fn a_client_is_not_asked_what_its_version_has_no_words_for() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let visit = json!({"mode": "url", "message": "pay", "url": "https://example.com/pay"});
    let mut several = desk::form("which?");
    several["requestedSchema"]["properties"]["many"] = json!({"type": "array", "items": {"enum": ["a", "b"]}});
    for (version, arguments, asked) in [
        ("2025-03-26", desk::form("who?"), false),
        ("2025-06-18", desk::form("who?"), true),
        ("2025-06-18", visit.clone(), false),
        ("2025-11-25", visit, true),
        ("2025-06-18", several.clone(), false),
        ("2025-11-25", several, true),
    ] {
        let session = session_of(&client, version, json!({"elicitation": {"form": {}, "url": {}}})).await;
        let params = json!({"name": "ask", "arguments": arguments, "_meta": {"progressToken": 1}});
        let mut stream = client.ask(&session, "tools/call", params).await;
        let told = message(&mut stream).await;
        assert_eq!(told["method"] == "elicitation/create", asked, "{version}: {told}");
        if asked && told["params"]["mode"] == "url" {
            let matter = &told["params"]["elicitationId"];
            assert!(matter.as_str().is_some_and(|matter| matter.len() > 16), "2025-11-25 wants one: {told}");
        }
    }
}

/// `EnumSchema` of 2025-06-18, `TitledSingleSelectEnumSchema` since.
#[tokio::test]
async fn a_choice_with_titles_is_put_in_the_words_of_each_version() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let titled = json!({"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}]});
    let named = json!({"type": "string", "enum": ["r", "b"], "enumNames": ["Red", "Blue"]});
    let mut arguments = desk::form("which?");
    arguments["requestedSchema"]["properties"]["name"] = titled.clone();
    let params = json!({"name": "ask", "arguments": arguments});
    for (version, put) in [("2025-06-18", named), ("2025-11-25", titled)] {
        let session = session_of(&client, version, json!({"elicitation": {}})).await;
        let mut stream = client.ask(&session, "tools/call", params.clone()).await;
        let question = message(&mut stream).await;
        assert_eq!(question["params"]["requestedSchema"]["properties"]["name"], put, "{version}");
        let answer = json!({"action": "accept", "content": {"name": "b"}});
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
        assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
        let told = message(&mut stream).await;
        assert!(told["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("accept")), "{told}");
    }
}

/// "Elicitation" and "Sampling": a question that MCP does not have reaches no client; its guest is told why.
#[tokio::test]
async fn a_question_that_is_none_is_told_to_its_author_alone() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let nested = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}});
    for (arguments, why) in [
        (json!({"message": "who?"}), "requestedSchema"),
        (json!({"message": "who?", "requestedSchema": nested}), "what no form has"),
        (json!({"mode": "url", "message": "pay", "url": "http://example.com/"}), "`https:`"),
        (json!({"mode": "url", "message": "pay", "url": "https://ada:secret@example.com/"}), "`https:`"),
    ] {
        let params = json!({"name": "ask", "arguments": arguments,
            "_meta": {CAPABILITIES: {"elicitation": {"form": {}, "url": {}}}}});
        let told = client.modern(&[], "tools/call", params).await.result().await;
        assert_eq!(told["resultType"], "complete", "{told}");
        assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains(why)), "{why}: {told}");
    }
}
