//! JavaScript and TypeScript tools: what they can do, what their author reads when they fail, and how
//! those that misbehave are stopped.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::outcome::{Bound, Exception, Outcome, Report};
use mcpbox::domain::secret::{SecretValue, Secrets};
use mcpbox::domain::tool::Language;
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Program, Sandbox};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::Host;
use crate::internet::Site;
use crate::sandbox::{sandbox_with, text};

fn sandbox() -> Sandbox {
    sandbox_with(&Limits::default(), MappedNetwork::default())
}

fn budget() -> Budget {
    Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) }
}

fn program(source: &str) -> Program {
    Program::Source { language: Language::Javascript, source: source.into(), digest: Digest::of(source.as_bytes()) }
}

async fn run_with(sandbox: &Sandbox, source: &str, arguments: Value, budget: Budget) -> Report {
    let job = Job {
        program: program(source),
        arguments: arguments.to_string(),
        secrets: Arc::new(Secrets::from([("KEY".to_owned(), SecretValue::new("value".to_owned()))])),
        bound: Arc::default(),
        grants: Arc::new(Grants { hosts: vec!["site.test".parse().expect("a host")], ..Grants::default() }),
        budget,
        client: Arc::new(Nobody),
    };
    sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound")
}

pub async fn run(source: &str) -> Report {
    run_with(&sandbox(), source, json!({}), budget()).await
}

/// What the body of `main` returns, as JSON.
async fn returned(body: &str) -> Value {
    let report =
        run(&format!("export async function main(args) {{ return [await (async () => {{ {body} }})()] }}")).await;
    serde_json::from_str::<Value>(&text(&report)).expect("JSON")[0].clone()
}

fn raised(report: &Report) -> &Exception {
    match &report.outcome {
        Outcome::Raised(exception) => exception,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_gets_its_arguments_as_one_object_and_its_result_is_structured() {
    let source = "export default ({ city, days = 2 }: { city: string; days?: number }): { text: string } => ({ text: city.repeat(days) })";
    let report = run_with(&sandbox(), source, json!({"city": "ab"}), budget()).await;
    let Outcome::Returned(result) = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(result.structured_content.as_ref().map(|json| json.get()), Some(r#"{"text":"abab"}"#));

    let report = run("export function main(): string[] { return ['a'] }").await;
    let Outcome::Returned(result) = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(result.structured_content.as_ref().map(|json| json.get()), Some(r#"{"result":["a"]}"#));
}

#[tokio::test]
async fn the_web_is_there_that_a_tool_needs() {
    for (body, expected) in [
        (
            "const u = new URL('../b?x=1', 'https://ex.test/a/c'); u.searchParams.append('y', 'a b'); return u.href",
            json!("https://ex.test/b?x=1&y=a+b"),
        ),
        ("return [...new URLSearchParams('a=1&b=%20+')].flat()", json!(["a", "1", "b", "  "])),
        ("return new TextDecoder().decode(new TextEncoder().encode('aé€😀'))", json!("aé€😀")),
        ("return [btoa('hi'), atob('aGk')]", json!(["aGk=", "hi"])),
        (
            "return structuredClone({ a: new Map([[1, new Date(0)]]) }).a.get(1).toISOString()",
            json!("1970-01-01T00:00:00.000Z"),
        ),
        (
            "const order = []; setTimeout(() => order.push('late'), 5); queueMicrotask(() => order.push('soon')); order.push('now'); await new Promise((r) => setTimeout(r, 10)); return order",
            json!(["now", "soon", "late"]),
        ),
        (
            "let n = 0; await new Promise((r) => { const id = setInterval(() => { if (++n === 3) { clearInterval(id); r() } }, 1) }); return n",
            json!(3),
        ),
        (
            "const c = new AbortController(); c.abort(); return [c.signal.aborted, c.signal.reason.name]",
            json!([true, "AbortError"]),
        ),
        (
            "const d = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc')); return new Uint8Array(d)[0]",
            json!(0xba),
        ),
        (
            "const k = await crypto.subtle.importKey('raw', new Uint8Array(4), { name: 'HMAC', hash: 'SHA-1' }, false, ['sign', 'verify']); const s = await crypto.subtle.sign('HMAC', k, new Uint8Array(1)); return [s.byteLength, await crypto.subtle.verify('HMAC', k, s, new Uint8Array(1))]",
            json!([20, true]),
        ),
        ("return /^[0-9a-f]{8}-[0-9a-f]{4}-4/.test(crypto.randomUUID())", json!(true)),
        (
            "const a = performance.now(); await new Promise((r) => setTimeout(r, 3)); return performance.now() - a >= 2",
            json!(true),
        ),
        ("return Math.abs(Date.now() - performance.timeOrigin - performance.now()) < 50", json!(true)),
        ("return [secrets.KEY, 'KEY' in secrets, Object.keys(secrets)]", json!(["value", true, ["KEY"]])),
        (
            "return { m: new Map([['k', new Set([1])]]), b: new Uint8Array([1, 2]), n: 5n, u: undefined }",
            json!({"m": {"k": [1]}, "b": "AQI=", "n": 5}),
        ),
        (
            "return [new Headers([['X-Own', '1'], ['x-own', '2'], ['__proto__', '3']]), new Map([[1, new Date(0)], [null, 2n]])]",
            json!([{"x-own": "1, 2", "__proto__": "3"}, {"1": "1970-01-01T00:00:00.000Z", "null": 2}]),
        ),
        (
            "class Own { a = [1].values().toArray(); #b = 2 } class Empty {} return [new Own(), new Empty(), Object(1n), Object('x')]",
            json!([{"a": [1]}, {}, 1, "x"]),
        ),
        ("return eval('1 + 1') + new Function('return 3')()", json!(5)),
    ] {
        assert_eq!(returned(body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn requests_run_side_by_side_follow_redirects_and_are_refused_without_a_grant() {
    let network = MappedNetwork::default();
    let router = Router::new()
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
        .route("/moved", post(async || Redirect::to("/slow")))
        .route("/json", get(async || axum::Json(json!({"a": 1}))));
    let site = Site::open(&network, "site.test", "93.184.215.20", router).await;
    let sandbox = sandbox_with(&Limits::default(), network);
    let source = "export async function main() {
        const slow = await Promise.all([1, 2, 3].map(() => fetch('http://site.test/slow')));
        const moved = await fetch('http://site.test/moved', { method: 'POST', body: 'x', headers: { 'X-Own': '1' } });
        const answer = await fetch('http://site.test/json');
        let refused;
        try { await fetch('http://other.test/') } catch (error) { refused = [error.name, error.code] }
        let late;
        try { await fetch('http://site.test/slow', { signal: AbortSignal.timeout(20) }) } catch (error) { late = error.name }
        return [await slow[0].text(), moved.redirected, answer.ok, answer.status, answer.headers.get('Content-Type'), (await answer.json()).a, refused, late];
    }";
    let report = run_with(&sandbox, source, json!({}), budget()).await;
    let expected = json!(["slow", true, true, 200, "application/json", 1, ["TypeError", "denied"], "TimeoutError"]);
    assert_eq!(serde_json::from_str::<Value>(&text(&report)).expect("JSON"), expected);
    assert!(report.usage.duration < Duration::from_millis(1_500), "{:?}", report.usage.duration);
    assert!(site.got().iter().any(|headers| headers.get("x-own").is_some()));
}

#[tokio::test]
async fn what_a_tool_prints_and_logs_is_kept_within_bounds() {
    let report = run(
        "export function main() { console.log('a %s', 'b', { c: [1] }); console.error('e'); log.info('n %d', 1); }",
    )
    .await;
    assert_eq!(report.stdout.text, "a b { c: [ 1 ] }\n");
    assert_eq!(report.stderr.text, "e\n");
    assert_eq!(report.log[0].message, "n 1");
    let small = Budget { stdout_bytes: 10, ..budget() };
    let report = run_with(&sandbox(), "export function main() { console.log('x'.repeat(50)) }", json!({}), small).await;
    assert_eq!((report.stdout.text.len(), report.stdout.dropped_bytes), (10, 41));
}

#[tokio::test]
async fn an_exception_names_its_line_in_the_authors_source() {
    let javascript = "function inner(x) {\n  return x.y.z;\n}\nexport function main() {\n  return inner({});\n}";
    let typescript = "interface X {\n  y?: { z: number };\n}\ntype Unused = string;\nfunction inner(x: X): number {\n  return x.y!.z;\n}\nexport function main(): number {\n  return inner({});\n}";
    for (source, line) in [(javascript, 2), (typescript, 6)] {
        let report = run(source).await;
        let exception = raised(&report);
        assert_eq!((exception.kind.as_str(), exception.line), ("TypeError", Some(line)), "{exception:?}");
        assert!(exception.traceback.contains(&format!("at inner (<tool>:{line}:")), "{}", exception.traceback);
        let marked = exception.excerpt.lines().find(|line| line.starts_with('>')).expect("a marked line");
        assert!(marked.contains("return x.y"), "{marked}");
    }
}

#[tokio::test]
async fn what_an_author_does_wrong_is_said() {
    for (source, kind, says) in [
        ("export async function main() { await new Promise(() => {}) }", "NeverSettles", "never settles"),
        ("export function main() { return { a: [1, { b: NaN }] } }", "TypeError", "at .a[1].b"),
        ("export function main() { const a = {}; a.x = a; return a }", "TypeError", "contains itself"),
        ("export function main() { return fetch }", "TypeError", "did you mean to call it"),
        ("export function main() { return [Promise.resolve(1)] }", "TypeError", "`await` it first"),
        ("export function main() { secrets.NOPE }", "MissingSecret", "a person must set it"),
        ("export function main() { throw 'text' }", "Thrown", "text"),
        (
            "export function main() { setTimeout(() => { throw new RangeError('late') }, 1); return new Promise((r) => setTimeout(r, 50)) }",
            "RangeError",
            "late",
        ),
        ("import fs from 'node:fs';\nexport function main() { return fs }", "ImportError", "node:fs"),
        ("export async function main() { await import('node:fs') }", "ReferenceError", "node:fs"),
        ("export function main() { return ( }", "SyntaxError", ""),
        ("export const x = 1", "NoMain", "exports no main"),
        ("export const main = 3", "NoMain", "exports main, but not as a function"),
        ("const make = () => 3;\nexport const main = make()", "NoMain", "exports main, but not as a function"),
        ("const again = () => again();\nexport const main = again", "RangeError", "stack"),
        (
            "export function main() { const all = []; for (;;) all.push('x'.repeat(1 << 20) + all.length) }",
            "InternalError",
            "the memory of one call",
        ),
    ] {
        let report = run(source).await;
        let exception = raised(&report);
        assert_eq!(exception.kind, kind, "{source}: {exception:?}");
        assert!(exception.message.contains(says), "{source}: {exception:?}");
    }
}

/// What of it would be lost in JSON without a word.
#[tokio::test]
async fn a_result_that_is_not_json_is_refused_with_its_place_and_what_to_return() {
    let sandbox = sandbox();
    for (value, says) in [
        ("new URLSearchParams('a=b')", "a URLSearchParams, which is not JSON; return Object.fromEntries"),
        ("(function* () { yield 1 })()", "an iterator or another iterable"),
        ("new Map([[1, 2]]).values()", "[...x]"),
        ("[1].values().map((one) => one)", "[...x]"),
        ("new (class { #kept = [1]; *[Symbol.iterator]() { yield* this.#kept } })()", "[...x]"),
        ("(async function* () { yield 1 })()", "Array.fromAsync"),
        ("/x/", "a RegExp, which is not JSON; return its source"),
        ("new WeakMap()", "a WeakMap"),
        ("new WeakSet()", "a WeakSet"),
        ("new WeakRef({})", "its deref() gives"),
        ("new Request('https://site.test/')", "a Request, which is not JSON; return what you need of it"),
        ("new Response('x')", "response.text()"),
        ("new AbortController()", "an AbortController"),
        ("new AbortController().signal", "an AbortSignal"),
        ("new Map([[{ a: 1 }, 2]])", "a Map with the key { a: 1 }"),
        ("new Map([[Symbol('s'), 2]])", "a Map with the key Symbol(s)"),
        ("new Map([[1, 2], ['1', 3]])", "two keys that are the same as text"),
        ("new Date(NaN)", "an invalid Date"),
        ("Object(Infinity)", "Infinity, and JSON has no such number"),
    ] {
        for (source, place) in [
            (format!("export function main() {{ return {value} }}"), None),
            (format!("export function main() {{ return {{ a: [new Map([['b', {value}]])] }} }}"), Some("(at .a[0].b)")),
        ] {
            let report = run_with(&sandbox, &source, json!({}), budget()).await;
            let exception = raised(&report);
            assert_eq!(exception.kind, "TypeError", "{source}: {exception:?}");
            let is_told =
                exception.message.contains(says) && place.is_none_or(|place| exception.message.ends_with(place));
            assert!(is_told, "{source}: {exception:?}");
        }
    }
    let report = run_with(&sandbox, "export function* main() { yield 1 }", json!({}), budget()).await;
    assert!(raised(&report).message.contains("[...x]"), "{report:?}");
}

#[tokio::test]
async fn code_that_is_nested_without_end_is_the_authors_mistake() {
    let source = format!("export function main() {{ return {}1{} }}", "(".repeat(40_000), ")".repeat(40_000));
    let report = run(&source).await;
    assert_eq!(raised(&report).kind, "SyntaxError", "{:?}", report.outcome);
}

#[tokio::test]
async fn each_bad_habit_is_stopped_by_its_bound() {
    for (body, expected) in [
        ("for (;;) {}", Bound::Cpu),
        ("return /^(a+)+$/.test('a'.repeat(60) + 'b')", Bound::Cpu),
        ("const spin = () => Promise.resolve().then(spin); await spin()", Bound::Cpu),
        ("for (;;) console.log('x')", Bound::HostCalls),
        ("await new Promise((r) => setTimeout(r, 60_000))", Bound::Time),
        ("return JSON.parse('['.repeat(200_000))", Bound::Stack),
        ("return 'x'.repeat(2 << 20)", Bound::ResultSize),
    ] {
        let small = Budget {
            host_calls: 5_000,
            time: Duration::from_secs(5),
            fuel: 2_000_000_000,
            result_bytes: 1 << 20,
            ..budget()
        };
        let report =
            run_with(&sandbox(), &format!("export async function main() {{ {body} }}"), json!({}), small).await;
        assert!(matches!(report.outcome, Outcome::Stopped(bound) if bound == expected), "{body}: {:?}", report.outcome);
    }
}

#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    let sandbox = sandbox();
    let source = "export function main() {
        const before = [Object.prototype.polluted, globalThis.kept, Array.prototype.map.name];
        const random = [Math.random(), crypto.randomUUID()];
        Object.prototype.polluted = 1; globalThis.kept = 1; Array.prototype.map = function broken() {}; JSON.stringify = () => 'x';
        return [before, ...random];
    }";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let answer: Value =
            serde_json::from_str(&text(&run_with(&sandbox, source, json!({}), budget()).await)).expect("JSON");
        assert_eq!(answer[0], json!([null, null, "map"]));
        seen.push((answer[1].clone(), answer[2].clone()));
    }
    assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1, "{seen:?}");
}

#[tokio::test]
async fn a_model_writes_typescript_a_person_approves_it_and_it_answers() {
    let host = Host::start().await;
    let model = host.model();
    let source = "/**\n * Adds up.\n * @param numbers - What to add.\n */\nexport function main({ numbers }: { numbers: number[] }): { sum: number } {\n  return { sum: numbers.reduce((a, b) => a + b, 0) };\n}";
    let checked = model.done("mcpbox_validate_code", json!({"code": source, "language": "javascript"})).await;
    assert_eq!(checked["valid"], true, "{checked}");
    assert_eq!(checked["description"], "Adds up.");
    assert_eq!(checked["input_schema"]["properties"]["numbers"]["description"], "What to add.");
    let server = model.done("mcpbox_create_server", json!({"name": "maths"})).await;
    let server = server["id"].as_str().expect("an id").to_owned();
    let new = json!({"server_id": server, "name": "add", "code": source, "language": "javascript"});
    let tool = model.done("mcpbox_create_tool", new).await["id"].as_str().expect("an id").to_owned();
    model.done("mcpbox_request_publish", json!({"tool_id": &tool})).await;
    let admin = host.admin().await;
    let waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(waiting["items"][0]["version"]["code"], source, "{waiting}");
    admin.approve(&tool).await;
    assert_eq!(model.done("maths__add", json!({"numbers": [1, 2.5]})).await, json!({"sum": 3.5}));

    let changed = source.replace("a + b, 0", "a + b, 100");
    model.done("mcpbox_update_tool", json!({"tool_id": &tool, "code": changed, "language": "javascript"})).await;
    assert_eq!(model.done("maths__add", json!({"numbers": [1]})).await["sum"], 1, "what was approved stays live");

    let wrong =
        model.done("mcpbox_validate_code", json!({"code": "export function main( {}", "language": "javascript"})).await;
    assert_eq!((&wrong["valid"], &wrong["error"]["kind"]), (&json!(false), &json!("SyntaxError")), "{wrong}");
}
