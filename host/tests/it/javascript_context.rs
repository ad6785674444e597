//! What JavaScript tools tell and ask by `ctx`, and the content that they make: in the sandbox, and through the door
//! with clients of both eras.

use std::collections::BTreeMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::{Abilities, Asked, Client, Nobody, Question, Said, Unasked};
use mcpbox::domain::digest::Digest;
use mcpbox::domain::outcome::{Bound, Outcome, Report};
use mcpbox::domain::tool::Language;
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Program};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Admin, Host};
use crate::mcp_asking::{message, session_of};
use crate::mcp_client;
use crate::mcp_tasks::{about, call, id, until};
use crate::sandbox::{sandbox_with, text};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// A client that answers by the parameters of a question, and refuses what it has no answer for.
#[derive(Debug)]
struct Person {
    can: Abilities,
    says: fn(&Value) -> Option<Value>,
    /// The keys of what was asked at once.
    heard: Mutex<Vec<Vec<String>>>,
    tasks: Mutex<u32>,
}

impl Person {
    fn who(says: fn(&Value) -> Option<Value>) -> Arc<Self> {
        let can = Abilities { elicitation: true, sampling: true, roots: true, ..Abilities::default() };
        Arc::new(Self { can, says, heard: Mutex::default(), tasks: Mutex::default() })
    }

    fn heard(&self) -> Vec<Vec<String>> {
        self.heard.lock().expect("no test failed here").clone()
    }
}

impl Client for Person {
    fn abilities(&self) -> Abilities {
        self.can
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        let keys = questions.iter().map(|one| one.key.clone()).collect();
        self.heard.lock().expect("no test failed here").push(keys);
        if questions.iter().any(|one| one.params.get().contains(r#""mode":"url""#)) {
            return Box::pin(ready(Asked::Failed(Unasked::Unsupported("no addresses".to_owned()))));
        }
        let said = questions.iter().map(|one| {
            let params: Value = serde_json::from_str(one.params.get()).expect("JSON");
            (self.says)(&params)
                .map_or(Said::Refused("not now".to_owned()), |it| Said::Result(to_raw_value(&it).expect("JSON")))
        });
        Box::pin(ready(Asked::Answered(said.collect())))
    }

    fn become_task(&self) {
        *self.tasks.lock().expect("no test failed here") += 1;
    }
}

async fn run(source: &str, client: Arc<dyn Client>) -> Report {
    let sandbox = sandbox_with(&Limits::default(), MappedNetwork::default());
    let digest = Digest::of(source.as_bytes());
    let job = Job {
        program: Program::Source { language: Language::Javascript, source: source.into(), digest },
        arguments: json!({}).to_string(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget: Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) },
        client,
    };
    sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound")
}

/// What the body of `main` returns, as JSON.
async fn returned(body: &str, client: Arc<dyn Client>) -> Value {
    let report = run(&format!("export async function main({{}}, ctx) {{ {body} }}"), client).await;
    serde_json::from_str(&text(&report)).expect("JSON")
}

#[tokio::test]
async fn every_function_of_ctx_stands_in_the_documents() {
    let page = include_str!("../../../docs/javascript-tools.md");
    let names = returned("return JSON.stringify(Object.keys(ctx))", Arc::new(Nobody)).await;
    for name in names.as_array().expect("an array").iter().filter_map(Value::as_str) {
        let is_there = page.contains(&format!("`ctx.{name}")) || page.contains(&format!("`{name}`"));
        assert!(is_there || page.contains(&format!("await ctx.{name}(")), "ctx.{name}");
    }
}

/// The content of a result as a client reads it, and what is structured.
async fn result(source: &str) -> (Value, Option<Value>) {
    let report = run(source, Arc::new(Nobody)).await;
    let Outcome::Returned(result) = report.outcome else { panic!("{source}: {:?}", report.outcome) };
    let structured = result.structured_content.map(|json| serde_json::from_str(json.get()).expect("JSON"));
    (serde_json::to_value(result.content).expect("JSON"), structured)
}

/// Kind and message of the exception that the body of `main` ends with.
async fn raised(body: &str) -> (String, String) {
    let report = run(&format!("export async function main({{}}, ctx) {{\n{body}\n}}"), Arc::new(Nobody)).await;
    match report.outcome {
        Outcome::Raised(exception) => (exception.kind, exception.message),
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test]
async fn a_tool_returns_every_kind_of_content() {
    let hints = "{ audience: 'user', priority: 0.5, lastModified: new Date(0) }";
    let annotations = json!({"audience": ["user"], "priority": 0.5, "lastModified": "1970-01-01T00:00:00.000Z"});
    let png = "new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])";
    for (made, expected) in [
        (format!("ctx.text('a', {hints})"), json!({"type": "text", "text": "a", "annotations": annotations})),
        (format!("ctx.image({png})"), json!({"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"})),
        (
            format!("ctx.image('AAEC', 'image/bmp', {hints})"),
            json!({"type": "image", "data": "AAEC", "mimeType": "image/bmp", "annotations": annotations}),
        ),
        ("ctx.audio(btoa('fLaC'))".to_owned(), json!({"type": "audio", "data": "ZkxhQw==", "mimeType": "audio/flac"})),
        (
            "ctx.audio(new TextEncoder().encode('RIFF....WAVE').buffer)".to_owned(),
            json!({"type": "audio", "data": "UklGRi4uLi5XQVZF", "mimeType": "audio/wav"}),
        ),
        (
            "ctx.link('https://a.test/', 'a', { title: 'A', mimeType: 'text/html', size: 7 })".to_owned(),
            json!({"type": "resource_link", "uri": "https://a.test/", "name": "a", "title": "A", "mimeType": "text/html", "size": 7}),
        ),
        (
            "ctx.resource('note://1', 'text', 'text/plain')".to_owned(),
            json!({"type": "resource", "resource": {"uri": "note://1", "mimeType": "text/plain", "text": "text"}}),
        ),
        (
            "ctx.resource('note://2', new Uint8Array(2))".to_owned(),
            json!({"type": "resource", "resource": {"uri": "note://2", "blob": "AAA="}}),
        ),
    ] {
        let source = format!("export function main(): Content {{ return {made} }}");
        assert_eq!(result(&source).await, (json!([expected]), None), "{made}");
    }
}

#[tokio::test]
async fn content_stands_beside_texts_and_a_structured_value() {
    let texts = |all: &[&str]| all.iter().map(|text| json!({"type": "text", "text": text})).collect::<Value>();
    let mixed = "export const main = () => [ctx.text('a'), 'b', { c: new Set([1]) }, 5]";
    assert_eq!(result(mixed).await, (texts(&["a", "b", "{\"c\":[1]}", "5"]), None));
    let both = "export const main = (): { n: number } => ctx.result(['a', ctx.text('b')], { n: 1 })";
    assert_eq!(result(both).await, (texts(&["a", "b"]), Some(json!({"n": 1}))));
    let wrapped = "export const main = (): number[] => ctx.result('a', [1])";
    assert_eq!(result(wrapped).await, (texts(&["a"]), Some(json!({"result": [1]}))));
    assert_eq!(result("export const main = () => ctx.result([])").await, (json!([]), None));
    assert_eq!(result("export const main = () => ['a']").await, (texts(&["[\"a\"]"]), None), "no content: as ever");
}

/// Holds: call_result_bytes.
#[tokio::test]
async fn content_counts_with_all_that_is_said_of_it() {
    for made in [
        "ctx.image(new Uint8Array(700_000), 'image/bmp')",
        "ctx.link('a:b', 'a', { description: 'x'.repeat(700_000) })",
        "...Array(30_000).fill(ctx.text(''))",
    ] {
        let source = format!("export const main = () => [{made}, {made}]");
        let report = run(&source, Arc::new(Nobody)).await;
        assert!(matches!(report.outcome, Outcome::Stopped(Bound::ResultSize)), "{made}: {:?}", report.outcome);
    }
}

#[tokio::test]
async fn content_that_is_made_wrongly_is_refused_with_a_reason() {
    for (body, says) in [
        (
            "return { picture: ctx.text('a') }",
            "return it by itself, in an array, or by ctx.result(content, value) (at .picture)",
        ),
        ("return [[ctx.text('a')]]", "at [0][0]"),
        ("return [ctx.text('a'), ctx.result('b')]", "by ctx.result"),
        ("return ctx.image(new Uint8Array(9))", "give their MIME type"),
        ("return ctx.image('%', 'image/png')", "or base64"),
        ("return ctx.audio({})", "takes bytes"),
        ("return ctx.text({})", "takes a string as its text"),
        ("return ctx.text('a', { priority: 2 })", "a number from 0 to 1"),
        ("return ctx.text('a', { audience: 'cats' })", "audience is"),
        ("return ctx.text('a', { lastModified: 'soon' })", "lastModified is a Date"),
        ("return ctx.text('a', { colour: 'red' })", "knows no \"colour\""),
        ("return ctx.link('https://a.test/', 'a', { size: -1 })", "whole number of bytes"),
        ("return ctx.resource('note://1', 7)", "text (or bytes)"),
        ("return ctx.result('a', 7)", "is no object"),
    ] {
        let (kind, message) = raised(body).await;
        assert_eq!(kind, "TypeError", "{body}: {message}");
        assert!(message.contains(says), "{body}: {message}");
    }
    let promised = run("export const main = (): { n: number } => ctx.text('a')", Arc::new(Nobody)).await;
    let Outcome::Raised(exception) = &promised.outcome else { panic!("{promised:?}") };
    assert!(exception.message.contains("ctx.result(content, value)"), "{exception:?}");
}

/// Answers forms with their own fields, and models with what they were told.
fn kind(params: &Value) -> Option<Value> {
    if let Some(messages) = params["messages"].as_array() {
        let said = json!([{"type": "text", "text": format!("{} messages", messages.len())}]);
        return Some(json!({"role": "assistant", "model": "m", "content": said, "stopReason": "endTurn"}));
    }
    match params["message"].as_str() {
        Some("No?") => Some(json!({"action": "decline"})),
        Some("Never?") => None,
        Some("Wrong?") => Some(json!({"action": "accept", "content": {"a": 7}})),
        Some(_) => Some(json!({"action": "accept", "content": {"a": "b", "more": 1}})),
        None => Some(json!({"roots": [{"uri": "file:///a", "name": "A"}, {"uri": "file:///b"}]})),
    }
}

#[tokio::test]
async fn questions_are_answered_as_plain_values() {
    for (body, expected) in [
        (
            "return await ctx.elicit('Yes?', { a: String, n: { type: 'integer', default: 3 }, o: { type: Number, optional: true } })",
            json!({"action": "accept", "accepted": true, "content": {"a": "b", "n": 3, "o": null}}),
        ),
        (
            "return await ctx.elicit('No?', { a: String })",
            json!({"action": "decline", "accepted": false, "content": null}),
        ),
        (
            "return await ctx.sample('a', { system: 's', temperature: 0 })",
            json!({"text": "1 messages", "content": [{"type": "text", "text": "1 messages"}], "model": "m", "stopReason": "endTurn"}),
        ),
        (
            "return (await ctx.sample(['a', { role: 'assistant', content: 'b' }, ctx.image('AA', 'image/png')])).text",
            json!("3 messages"),
        ),
        ("return await ctx.roots()", json!([{"uri": "file:///a", "name": "A"}, {"uri": "file:///b", "name": null}])),
        ("return [ctx.can('elicitation'), ctx.can('sampling', 'tasks')]", json!([true, false])),
        (
            "ctx.require('elicitation', 'roots'); ctx.becomeTask(); const { can } = ctx; return can('roots')",
            json!(true),
        ),
        (
            "try { await ctx.elicit('Never?', { a: String }) } catch (e) { return [e.name, e.reason, e instanceof ctx.ClientError] }",
            json!(["ClientError", "refused", true]),
        ),
    ] {
        let body = format!("return JSON.stringify([await (async () => {{ {body} }})()])");
        assert_eq!(returned(&body, Person::who(kind)).await, json!([expected]), "{body}");
    }
}

#[tokio::test]
async fn a_form_is_what_the_protocol_has() {
    /// Answers with the schema that was asked for.
    fn shown(params: &Value) -> Option<Value> {
        let schema = params["requestedSchema"].to_string();
        Some(json!({"action": "accept", "content": {"a": schema}}))
    }
    let fields = "{ a: String, b: Boolean, c: ['x', 'y'], d: [['x', 'y']], e: 'integer', f: { type: Number, minimum: 0, optional: true },
        g: { enum: ['p'], default: 'p' }, h: { type: 'string', format: 'date', title: 'When' } }";
    let asks = |fields: &str| format!("return (await ctx.elicit('?', {fields})).content.a");
    let body = "try { await ctx.elicit('?', FIELDS) } catch (e) { return e.message }".replace("FIELDS", fields);
    let missing = run(&format!("export async function main() {{ {body} }}"), Person::who(shown)).await;
    assert!(text(&missing).contains("\"b\" is missing"), "{missing:?}");
    let optional = "{ a: String, c: { enum: ['x', 'y'], optional: true }, d: { type: 'array', items: { enum: ['x'] }, default: [] } }";
    let schema = returned(&asks(optional), Person::who(shown)).await;
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "c": {"type": "string", "enum": ["x", "y"]},
                "d": {"type": "array", "items": {"type": "string", "enum": ["x"]}, "default": []},
            },
            "required": ["a"],
        })
    );
    let whole = "{ type: 'object', properties: { a: { type: 'string', minLength: 1 } }, additionalProperties: false }";
    let schema = returned(&asks(whole), Person::who(shown)).await;
    assert_eq!(schema, json!({"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}));
    for (fields, says) in [
        ("{ a: Date }", "\"a\""),
        ("{ a: { type: 'object', properties: {} } }", "forms are flat"),
        ("{ a: [1, 2] }", "one or more strings"),
        ("{ a: { type: 'string', pattern: 'x' } }", "no \"pattern\""),
        ("{ a: { type: 'string', format: 'phone' } }", "\"format\" cannot be"),
        ("{ a: { type: 'integer', default: 'x' } }", "its default"),
        ("{ a: { type: 'array' } }", "[[\"a\", \"b\"]]"),
        ("{ type: 'object', properties: { a: String }, required: ['b'] }", "\"b\""),
        ("{ type: 'object', properties: { a: String }, anyOf: [] }", "\"anyOf\""),
        ("{}", "at least one field"),
        ("String", "as an object"),
    ] {
        let (kind, message) = raised(&format!("await ctx.elicit('?', {fields})")).await;
        assert_eq!(kind, "TypeError", "{fields}: {message}");
        assert!(message.contains(says), "{fields}: {message}");
    }
}

#[tokio::test]
async fn what_is_asked_side_by_side_is_put_together_and_has_keys_that_last() {
    let asks = "
        const [one, two] = await Promise.all([ctx.elicit('A?', { a: String }), ctx.sample('b')]);
        await ctx.elicit('A?', { a: String });
        await ctx.elicit('B?', { a: String }, { key: 'mine' });
        const again = await ctx.elicit('B?', { a: String }, { key: 'mine' });
        return JSON.stringify([one.content.a, two.text, again.accepted]);";
    let (first, second) = (Person::who(kind), Person::who(kind));
    for person in [&first, &second] {
        assert_eq!(returned(asks, Arc::clone(person) as _).await, json!(["b", "1 messages", true]));
    }
    let heard = first.heard();
    let [together, alone, named] = heard.as_slice() else { panic!("{heard:?}") };
    assert!(together[0].starts_with("elicit-") && together[1].starts_with("sample-"), "{heard:?}");
    assert_eq!(alone, &[format!("{}-2", together[0])], "the same for the second time");
    assert_eq!(named, &["mine"]);
    assert_eq!(heard, second.heard(), "the same in each run");
}

#[tokio::test]
async fn one_question_that_cannot_be_put_leaves_the_others_their_answers() {
    let asks = "
        const all = await Promise.allSettled([
            ctx.visit('Pay?', 'https://pay.test/', 'p1'),
            ctx.elicit('A?', { a: String }),
            ctx.elicit('Wrong?', { a: String }),
            ctx.elicit('A?', { a: String }, { key: 'two words' }),
            ctx.elicit('A?', { a: String }, { key: 'k' }),
            ctx.elicit('B?', { a: String }, { key: 'k' }),
        ]);
        return JSON.stringify(all.map(({ reason, value }) => reason?.reason ?? value.action));";
    let told = returned(asks, Person::who(kind)).await;
    assert_eq!(told, json!(["unsupported", "accept", "invalid", "invalid", "accept", "invalid"]));
    let (kind, message) = raised("await ctx.roots()").await;
    assert_eq!(kind, "ClientError");
    assert!(message.contains("ctx.can(…)"), "{message}");
    let report = run("export async function main() {\n  await ctx.roots();\n}", Arc::new(Nobody)).await;
    let Outcome::Raised(exception) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(exception.line, Some(2), "the line that asked: {exception:?}");
    let report = run("export function main() { ctx.require('sampling') }", Arc::new(Nobody)).await;
    assert!(matches!(report.outcome, Outcome::MissingAbilities { missing } if missing.sampling), "{report:?}");
}

/// Asks a form, then a model and the client side by side, and answers with a picture and a text.
const PLANS: &str = "
    export async function main({ day }: { day: string }, ctx: Context): Promise<Content[]> {
      ctx.progress(1, 2, 'asking');
      ctx.info('plans %s', day);
      const who = await ctx.elicit(`Who comes on ${day}?`, { name: String });
      if (!who.accepted) return [ctx.text('nobody')];
      const [said, roots] = await Promise.all([ctx.sample(`Greet ${who.content.name}.`), ctx.roots()]);
      return [ctx.image('iVBORw0KGgo='), `${said.text} ${roots.length}`];
    }";
/// The same as a task, without the model.
const LASTS: &str = "
    export async function main({}, ctx) {
      ctx.becomeTask();
      const { content } = await ctx.elicit('Who?', { name: String }, { key: 'who' });
      return ctx.result(ctx.text(content.name, { priority: 1 }), content);
    }";

/// Makes a server `s` with tools of JavaScript.
async fn offer(host: &Host, admin: &Admin<'_>, tools: &[(&str, &str)]) {
    let model = host.model();
    let server = model.done("mcpbox_create_server", json!({"name": "s"})).await;
    for (name, source) in tools {
        let arguments = json!({"server_id": server["id"], "name": name, "code": source, "language": "javascript"});
        let tool = model.done("mcpbox_create_tool", arguments).await;
        admin.approve(tool["id"].as_str().expect("an id")).await;
    }
}

/// What a client answers to a question.
fn answer(question: &Value) -> Value {
    match question["method"].as_str() {
        Some("elicitation/create") => json!({"action": "accept", "content": {"name": "Ada"}}),
        Some("sampling/createMessage") => {
            let asked = &question["params"]["messages"][0]["content"]["text"];
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": format!("{asked}: Hello!")}})
        }
        _ => json!({"roots": [{"uri": "file:///a"}]}),
    }
}

fn planned() -> Value {
    json!([
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
        {"type": "text", "text": "\"Greet Ada.\": Hello! 1"},
    ])
}

#[tokio::test]
async fn a_modern_client_is_asked_in_rounds_and_the_tool_runs_again() {
    let host = Host::start().await;
    offer(&host, &host.admin().await, &[("plans", PLANS)]).await;
    let client = mcp_client::Client::of(&host);
    let mut params = json!({
        "name": "s__plans",
        "arguments": {"day": "Monday"},
        "_meta": {CAPABILITIES: {"elicitation": {}, "sampling": {}, "roots": {}}},
    });
    let mut rounds = Vec::new();
    let told = loop {
        let result = client.modern(&[], "tools/call", params.clone()).await.result().await;
        if result["resultType"] != "input_required" {
            break result;
        }
        let asked: BTreeMap<String, Value> =
            serde_json::from_value(result["inputRequests"].clone()).expect("questions by key");
        rounds.push(asked.values().map(|one| one["method"].clone()).collect::<Vec<_>>());
        params["inputResponses"] = asked.iter().map(|(key, question)| (key.clone(), answer(question))).collect();
        params["requestState"] = result["requestState"].clone();
        assert!(rounds.len() < 5, "{rounds:?}");
    };
    assert_eq!(rounds, [vec!["elicitation/create"], vec!["roots/list", "sampling/createMessage"]]);
    assert_eq!((&told["content"], &told["isError"]), (&planned(), &json!(false)), "{told}");

    let params = json!({"name": "s__plans", "arguments": {"day": "Monday"}});
    let told = client.modern(&[], "tools/call", params).await.result().await;
    assert_eq!(told["isError"], true);
    assert!(told["content"][0]["text"].as_str().is_some_and(|text| text.contains("ctx.can(…)")), "{told}");
}

#[tokio::test]
async fn a_legacy_client_is_asked_while_the_tool_waits() {
    let host = Host::start().await;
    offer(&host, &host.admin().await, &[("plans", PLANS)]).await;
    let client = mcp_client::Client::of(&host);
    let session = session_of(&client, "2025-11-25", json!({"elicitation": {}, "sampling": {}, "roots": {}})).await;
    let params = json!({"name": "s__plans", "arguments": {"day": "Monday"}, "_meta": {"progressToken": "p"}});
    let mut stream = client.ask(&session, "tools/call", params).await;
    let mut methods = Vec::new();
    let told = loop {
        let said = message(&mut stream).await;
        let Some(method) = said["method"].as_str() else { break said };
        methods.push(method.to_owned());
        if !said["id"].is_null() {
            let answer = json!({"jsonrpc": "2.0", "id": said["id"], "result": answer(&said)});
            assert_eq!(client.post(&[("mcp-session-id", &session)], &answer).await.status, 202);
        }
    };
    methods.sort();
    for method in ["elicitation/create", "notifications/progress", "roots/list", "sampling/createMessage"] {
        assert!(methods.iter().any(|one| one == method), "{methods:?}");
    }
    assert_eq!(told["result"]["content"], planned(), "{told}");
}

#[tokio::test]
async fn a_tool_that_becomes_a_task_waits_for_its_answer() {
    let host = Host::start().await;
    offer(&host, &host.admin().await, &[("lasts", LASTS)]).await;
    let client = mcp_client::Client::of(&host);
    let made = id(&call(&client, "s__lasts", json!({})).await);
    let asks = until(&client, &made, "input_required").await;
    assert_eq!(asks["inputRequests"]["who"]["params"]["requestedSchema"]["required"], json!(["name"]), "{asks}");
    let responses = json!({"inputResponses": {"who": answer(&asks["inputRequests"]["who"])}});
    about(&client, "tasks/update", &made, responses).await;
    let done = until(&client, &made, "completed").await;
    let text = json!([{"type": "text", "text": "Ada", "annotations": {"priority": 1.0}}]);
    assert_eq!((&done["result"]["content"], &done["result"]["structuredContent"]), (&text, &json!({"name": "Ada"})));
}
