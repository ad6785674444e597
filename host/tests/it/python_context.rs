//! What tools that are sources say and ask by `ctx`, as clients of both eras get to see it.

use serde_json::{Value, json};

use crate::harness::Host;
use crate::mcp_asking::{answering, message};
use crate::mcp_client::{Client, offer};
use crate::mcp_tasks;

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Asks twice, the second time the same.
const ORDERS: &str = r#"
from dataclasses import dataclass

@dataclass
class Order:
    count: int
    express: bool = False

async def main(what: str, ctx: Context) -> list[str]:
    said = []
    for _ in range(2):
        answer = await ctx.elicit(f"How many {what}?", Order)
        said.append(f"{answer.content.count} {what}, {answer.content.express}" if answer else answer.action)
    return said
"#;

const SHOWS: &str = r#"
def main(ctx) -> Content:
    picture = ctx.image(b"\x89PNG\r\n\x1a\n", audience="user", priority=1)
    return ctx.result([picture, "a picture", ctx.link("https://a.example/", "a")], structured={"pictures": 1})
"#;

const NEEDS: &str = "def main(ctx):\n    ctx.require('sampling', 'roots')\n    return 'never'\n";

const LASTS: &str = r#"
async def main(ctx: Context) -> str:
    ctx.become_task()
    answer = await ctx.elicit("Go on?", {"word": ["yes", "no"]}, key="go")
    return answer.content["word"] if answer else answer.action
"#;

fn of(name: &str, more: &Value) -> Value {
    let mut params = json!({"name": name, "arguments": {}, "_meta": {CAPABILITIES: {"elicitation": {}}}});
    for (member, value) in more.as_object().expect("an object") {
        params[member] = value.clone();
    }
    params
}

fn accepts(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[tokio::test]
async fn a_python_tool_that_runs_again_finds_its_answers() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("orders", ORDERS)]).await;
    let client = Client::of(&host);
    let call = async |more: Value| {
        let mut params = of("s__orders", &more);
        params["arguments"] = json!({"what": "tea"});
        client.modern(&[], "tools/call", params).await.result().await
    };
    let asked = call(json!({})).await;
    let (first, question) = the_one(&asked["inputRequests"]);
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "How many tea?");
    let fields = json!({"count": {"type": "integer"}, "express": {"type": "boolean", "default": false}});
    assert_eq!(question["params"]["requestedSchema"]["properties"], fields);
    assert_eq!(question["params"]["requestedSchema"]["required"], json!(["count"]));

    let answers = json!({first.as_str(): accepts(&json!({"count": 3}))});
    let asked = call(json!({"inputResponses": answers, "requestState": asked["requestState"]})).await;
    let (second, again) = the_one(&asked["inputRequests"]);
    assert_eq!((&again, second != first), (&question, true), "the same question is another one");
    let answers = json!({second.as_str(): {"action": "decline"}});
    let told = call(json!({"inputResponses": answers, "requestState": asked["requestState"]})).await;
    assert_eq!(told["structuredContent"], json!({"result": ["3 tea, False", "decline"]}), "{told}");

    let answers = json!({first.as_str(): accepts(&json!({"count": "many"}))});
    let told = call(json!({"inputResponses": answers})).await;
    assert_eq!(the_one(&told["inputRequests"]), (first, question), "what does not fit the form is no answer: {told}");
}

/// The only member of an object.
fn the_one(members: &Value) -> (String, Value) {
    let members = members.as_object().unwrap_or_else(|| panic!("no object: {members}"));
    assert_eq!(members.len(), 1, "{members:?}");
    let (name, value) = members.iter().next().expect("one");
    (name.clone(), value.clone())
}

#[tokio::test]
async fn a_python_tool_asks_a_client_of_a_session_while_it_waits() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("orders", ORDERS)]).await;
    let client = Client::of(&host);
    let session = answering(&client).await;
    let params = json!({"name": "s__orders", "arguments": {"what": "tea"}});
    let mut stream = client.ask(&session, "tools/call", params).await;
    for answer in [accepts(&json!({"count": 2, "express": true})), json!({"action": "cancel"})] {
        let question = message(&mut stream).await;
        assert_eq!(question["params"]["message"], "How many tea?", "{question}");
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
        assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
    }
    let told = message(&mut stream).await;
    assert_eq!(told["result"]["structuredContent"], json!({"result": ["2 tea, True", "cancel"]}), "{told}");
}

#[tokio::test]
async fn a_python_tool_shows_a_picture_and_a_value_beside_it() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("shows", SHOWS)]).await;
    let client = Client::of(&host).at("/mcp/servers/s");
    let listed = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert_eq!(listed["tools"][0]["inputSchema"]["properties"], json!({}), "the context is no argument: {listed}");
    assert!(listed["tools"][0].get("outputSchema").is_none(), "{listed}");
    let shown = client.modern(&[], "tools/call", of("shows", &json!({}))).await.result().await;
    let hints = json!({"audience": ["user"], "priority": 1.0});
    let expected = json!([
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png", "annotations": hints},
        {"type": "text", "text": "a picture"},
        {"type": "resource_link", "uri": "https://a.example/", "name": "a"},
    ]);
    assert_eq!((&shown["content"], &shown["structuredContent"]), (&expected, &json!({"pictures": 1})));
}

#[tokio::test]
async fn a_python_tool_says_what_its_client_has_to_be_able_to_do() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("needs", NEEDS), ("orders", ORDERS)]).await;
    let client = Client::of(&host);
    let refused = client.modern(&[], "tools/call", of("s__needs", &json!({}))).await.json().await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    assert_eq!(refused["error"]["data"]["requiredCapabilities"], json!({"sampling": {}, "roots": {}}));
    let told = host.model().failed("s__orders", json!({"what": "tea"})).await;
    assert!(told.starts_with("ClientError: the client did not say that it can do this: elicitation; look"), "{told}");
}

#[tokio::test]
async fn a_python_tool_becomes_a_task_and_waits_there() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("lasts", LASTS)]).await;
    let client = Client::of(&host);
    let task = mcp_tasks::id(&mcp_tasks::call(&client, "s__lasts", json!({})).await);
    let asks = mcp_tasks::until(&client, &task, "input_required").await;
    let form = &asks["inputRequests"]["go"]["params"]["requestedSchema"];
    assert_eq!(form["properties"], json!({"word": {"type": "string", "enum": ["yes", "no"]}}), "{asks}");
    let answers = json!({"inputResponses": {"go": accepts(&json!({"word": "yes"}))}});
    mcp_tasks::about(&client, "tasks/update", &task, answers).await;
    let done = mcp_tasks::until(&client, &task, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "yes", "{done}");
}
