//! Plain WIT components through the sandbox: what becomes a tool, what is left out, what is refused.

use std::sync::Arc;
use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::{Capability, ComponentWorld, Entry, Inspection};
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::outcome::{Bound, Outcome, Report};
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{CompileError, Job, Program, Sandbox, SandboxError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixtures;
use crate::sandbox::{sandbox_with, text};

pub fn sandbox() -> Sandbox {
    sandbox_with(&Limits::default(), MappedNetwork::default())
}

pub async fn inspect(bytes: &[u8]) -> Inspection {
    sandbox().inspect(&Arc::<[u8]>::from(bytes), Digest::of(bytes)).await.expect("accepted").expect("nothing runs")
}

async fn refused(sandbox: &Sandbox, bytes: &[u8]) -> String {
    match sandbox.inspect(&Arc::<[u8]>::from(bytes), Digest::of(bytes)).await {
        Err(SandboxError::Compile(CompileError::Refused(why))) => why,
        other => panic!("{other:?}"),
    }
}

pub fn budget() -> Budget {
    Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) }
}

pub fn program(bytes: &[u8], tool: &str) -> Program {
    let digest = Digest::of(bytes);
    Program::Component { digest, bytes: Arc::new(Arc::<[u8]>::from(bytes)), entry: Entry::Tool(tool.to_owned()) }
}

pub async fn run_with(
    sandbox: &Sandbox,
    bytes: &[u8],
    tool: &str,
    arguments: Value,
    grants: Grants,
    budget: Budget,
) -> Report {
    let program = program(bytes, tool);
    let job = Job {
        program,
        arguments: arguments.to_string(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::new(grants),
        budget,
        client: Arc::new(Nobody),
    };
    sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound")
}

async fn run(bytes: &[u8], tool: &str, arguments: Value) -> Report {
    run_with(&sandbox(), bytes, tool, arguments, Grants::default(), budget()).await
}

fn structured(report: &Report) -> Option<String> {
    match &report.outcome {
        Outcome::Returned(result) => result.structured_content.as_ref().map(|json| json.get().to_owned()),
        other => panic!("{other:?}"),
    }
}

pub fn raised(report: &Report) -> String {
    match &report.outcome {
        Outcome::Raised(exception) => exception.headline(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_exported_function_is_a_tool_of_its_own_name() {
    let found = inspect(&fixtures::plain("shapes")).await;
    assert_eq!(found.world, ComponentWorld::Plain);
    assert_eq!(found.exports, ["fixture:plain/shapes@1.0.0", "say-it-again"]);
    assert!(found.imports.is_empty() && found.capabilities.is_empty() && found.skipped.is_empty(), "{found:?}");
    let names: Vec<&str> = found.tools.iter().map(|tool| tool.name.as_str()).collect();
    let expected = ["say_it_again", "shapes_area", "shapes_check", "shapes_grow", "shapes_nothing", "shapes_twice"];
    assert_eq!(names, expected);
    let grow = &found.tools[3];
    assert_eq!(
        grow.description,
        "`grow` of `fixture:plain/shapes@1.0.0`: func(size: record { width: f64, height: f64 }, by: option<f64>) -> \
         record { width: f64, height: f64 }"
    );
    let input: Value = serde_json::from_str(&grow.input_schema).expect("JSON");
    assert_eq!(input["required"], json!(["size"]));
    assert!(found.tools[4].output_schema.is_none(), "a function without a result has no schema of it");
    for tool in &found.tools {
        for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()].into_iter().flatten() {
            let schema: Value = serde_json::from_str(schema).expect("JSON");
            assert_eq!(schema["type"], "object");
            jsonschema::validator_for(&schema).expect("a schema");
        }
    }
}

#[tokio::test]
async fn a_call_takes_and_answers_json() {
    let bytes = fixtures::plain("shapes");
    let report = run(&bytes, "say_it_again", json!({"text": "ä\n"})).await;
    assert_eq!((text(&report).as_str(), structured(&report).as_deref()), ("ä\n", Some(r#"{"result":"ä\n"}"#)));
    let size = json!({"width": 1.5, "height": 2});
    let report = run(&bytes, "shapes_grow", json!({"size": size})).await;
    assert_eq!(structured(&report).as_deref(), Some(r#"{"width":3.0,"height":4.0}"#));
    assert_eq!(text(&report), r#"{"width":3.0,"height":4.0}"#);
    let report = run(&bytes, "shapes_twice", json!({"rights": ["run", "read"]})).await;
    assert_eq!(text(&report), r#"[["read","run"],["read","run"]]"#);
    let report = run(&bytes, "shapes_nothing", json!({})).await;
    assert_eq!((text(&report).as_str(), structured(&report)), ("null", None));
    assert!(report.usage.fuel > 0);
}

#[tokio::test]
async fn an_error_result_is_the_tools_error() {
    let bytes = fixtures::plain("shapes");
    let report = run(&bytes, "shapes_area", json!({"shape": {"tag": "square", "val": 3}})).await;
    assert_eq!(structured(&report).as_deref(), Some(r#"{"result":9.0}"#));
    let rectangle = json!({"tag": "rectangle", "val": {"width": 2, "height": 5}});
    assert_eq!(text(&run(&bytes, "shapes_area", json!({"shape": rectangle})).await), "10.0");
    let report = run(&bytes, "shapes_area", json!({"shape": {"tag": "point"}})).await;
    assert_eq!(raised(&report), "a point has no area");
    assert_eq!(raised(&run(&bytes, "shapes_check", json!({"code": 1})).await), r#"["run"]"#);
    assert_eq!(text(&run(&bytes, "shapes_check", json!({"code": 0})).await), "null");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_pointed_at() {
    let bytes = fixtures::plain("shapes");
    let report = run(&bytes, "shapes_grow", json!({"size": {"width": 1, "height": "x"}})).await;
    match &report.outcome {
        Outcome::InvalidArguments { message } => assert!(message.starts_with("/size/height: "), "{message}"),
        other => panic!("{other:?}"),
    }
    let report = run(&bytes, "no_such_tool", json!({})).await;
    assert!(matches!(&report.outcome, Outcome::Trapped { message } if message.contains("no_such_tool")));
}

#[tokio::test]
async fn functions_that_hold_a_resource_are_left_out_by_name_and_the_rest_works() {
    let bytes = fixtures::plain("resources");
    let found = inspect(&bytes).await;
    assert_eq!(found.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["store_count"]);
    let skipped: Vec<&str> = found.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
    let expected = ["[constructor]item", "[method]item.name", "[static]item.parse", "pair", "rename"]
        .map(|name| format!("fixture:plain/store#{name}"));
    assert_eq!(skipped, expected);
    let rename = &found.skipped[4].reason;
    assert!(rename.contains("its parameter `item` holds a resource"), "{rename}");
    assert!(found.skipped[3].reason.contains("its result holds a resource"), "{}", found.skipped[3].reason);
    assert_eq!(text(&run(&bytes, "store_count", json!({})).await), "7");
    let why = refused(&sandbox(), &fixtures::plain("only_resources")).await;
    assert!(why.contains("`fixture:plain/store#first`") && why.contains("`fixture:plain/store#last`"), "{why}");
}

#[tokio::test]
async fn a_component_of_the_contract_is_asked_for_its_tools() {
    let found = inspect(&fixtures::component("many_tools")).await;
    assert_eq!(found.world, ComponentWorld::Contract);
    assert_eq!(found.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(found.exports, ["mcpbox:guest/tools@1.0.0"]);
    let found = inspect(&fixtures::component("flood_stdout")).await;
    assert_eq!(found.capabilities, [Capability::Output]);
    assert!(found.imports.contains(&"wasi:cli/stdout@0.2.0".to_owned()), "{:?}", found.imports);
}

#[tokio::test]
async fn a_list_of_tools_that_cannot_be_is_refused() {
    let why = refused(&sandbox(), &fixtures::component("deep_schema")).await;
    assert!(why.contains("deep_schema") && why.contains("nested"), "{why}");
}

#[tokio::test]
async fn the_authors_words_describe_a_function_where_the_component_has_them() {
    let mut bytes = fixtures::plain("shapes");
    let docs = br#"{"interfaces":{"shapes":{"funcs":{"area":{"docs":"How large a shape is."}}}}}"#;
    let name = b"package-docs";
    let length = 1 + name.len() + 1 + docs.len();
    assert!(length < 128, "one byte of length");
    bytes.extend([0, length as u8, name.len() as u8]);
    bytes.extend(name);
    bytes.push(1);
    bytes.extend(docs);
    let found = inspect(&bytes).await;
    assert_eq!(found.tools[1].description, "How large a shape is.");
    assert!(found.tools[0].description.starts_with("`say-it-again`: func("), "{}", found.tools[0].description);
}

#[tokio::test]
async fn what_is_asynchronous_is_left_out_by_name_and_the_rest_works() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "f") (param i32)) (func (export "g") (result i32) (i32.const 1))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#;
    let wit = |f: &str| format!("package a:b; world w {{ export f: {f}; export g: func() -> u8; }}");
    for (f, word) in [
        ("func(x: stream<u8>)", "a stream"),
        ("func(x: future<string>)", "a future"),
        ("async func(x: u8)", "an async function"),
    ] {
        let bytes = fixtures::built(&wit(f), wat);
        let found = inspect(&bytes).await;
        let skipped: Vec<_> = found.skipped.iter().map(|left_out| left_out.name.as_str()).collect();
        assert_eq!(skipped, ["f"], "{f}");
        assert!(found.skipped[0].reason.contains(word), "{:?}", found.skipped);
        assert_eq!(text(&run(&bytes, "g", json!({})).await), "1", "{f}");
    }
    // What the engine has switched off is refused whole, in words.
    let why = refused(&sandbox(), &fixtures::built(&wit("func(x: error-context)"), wat)).await;
    assert!(why.contains("not offered here") && why.contains("error-context"), "{why}");
}

#[tokio::test]
async fn two_functions_of_one_name_are_told_apart_or_one_is_left_out() {
    let wit = "package a:b; interface get { it: func() -> u8; } world w { export get; export get-it: func() -> u8; }";
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "a:b/get#it") (result i32) (i32.const 1))
        (func (export "get-it") (result i32) (i32.const 2)))"#;
    let found = inspect(&fixtures::built(wit, wat)).await;
    assert_eq!((found.tools.len(), found.skipped.len()), (1, 1), "{found:?}");
    assert!(found.skipped[0].reason.contains("already the tool `get_it`"), "{:?}", found.skipped);
}

/// Holds: component_tools.
#[tokio::test]
async fn thousands_of_functions_are_too_many() {
    let functions = |count: usize| -> Vec<u8> {
        let exports: String = (0..count).map(|at| format!("export g{at}: func();")).collect();
        let code: String = (0..count).map(|at| format!("(func (export \"g{at}\"))")).collect();
        fixtures::built(&format!("package a:b; world w {{ {exports} }}"), &format!("(module {code})"))
    };
    let why = refused(&sandbox(), &functions(3_000)).await;
    assert!(why.contains("3000 exports"), "{why}");
    let why = refused(&sandbox(), &functions(300)).await;
    assert!(why.contains("300 functions; the limit is 256"), "{why}");
    let name = "x".repeat(300);
    let wit = format!("package a:b; world w {{ export {name}: func(); }}");
    let why = refused(&sandbox(), &fixtures::built(&wit, &format!("(module (func (export \"{name}\")))"))).await;
    assert!(why.contains("more than 256 bytes") && why.len() < 200, "{why}");
    let limits = Limits { component_tools: 3, ..Limits::default() };
    assert!(refused(&sandbox_with(&limits, MappedNetwork::default()), &functions(4)).await.contains("limit is 3"));
    assert_eq!(inspect(&functions(4)).await.tools.len(), 4);
}

#[tokio::test]
async fn a_function_whose_types_have_too_many_parts_is_left_out() {
    // Each record holds the one before it twice: a few lines, 2^16 parts.
    let mut types = String::from("record r-a { a: u8, b: u8 }\n");
    for letter in b'b'..=b'p' {
        let (this, before) = (char::from(letter), char::from(letter - 1));
        types += &format!("record r-{this} {{ a: r-{before}, b: r-{before} }}\n");
    }
    let wit = format!(
        "package a:b; interface t {{ {types} big: func() -> list<r-p>; small: func() -> u8; }} world w {{ export t; }}"
    );
    let wat = r#"(module (memory (export "memory") 1)
        (func (export "a:b/t#big") (result i32) unreachable)
        (func (export "a:b/t#small") (result i32) (i32.const 1)))"#;
    let bytes = fixtures::built(&wit, wat);
    let found = inspect(&bytes).await;
    assert_eq!(found.skipped.len(), 1);
    assert!(found.skipped[0].reason.contains("more than 2048 parts"), "{:?}", found.skipped);
    assert_eq!(text(&run(&bytes, "t_small", json!({})).await), "1");
}

#[tokio::test]
async fn several_gigabytes_of_memory_do_not_fit() {
    let wit = "package a:b; world w { export f: func(); }";
    let why = refused(&sandbox(), &fixtures::built(wit, r#"(module (memory 60000) (func (export "f")))"#)).await;
    assert!(why.contains("does not fit the limits"), "{why}");
    // One that asks for them when it is called is refused there.
    let grows = r#"(module (memory (export "memory") 1)
        (func (export "f") (result i32) (memory.grow (i32.const 60000))))"#;
    let bytes = fixtures::built("package a:b; world w { export f: func() -> s32; }", grows);
    assert_eq!(text(&run(&bytes, "f", json!({})).await), "-1");
}

#[tokio::test]
async fn a_component_that_takes_long_to_compile_is_stopped() {
    let body = "(i64.rotl (i64.mul (local.get 0) (i64.const 3)) (local.get 0)) (local.set 0)".repeat(60_000);
    let code: String = (0..12).map(|_| format!("(func (param i64) (result i64) {body} (local.get 0))")).collect();
    let calls: String = (0..12).map(|at| format!("(drop (call {at} (i64.const 1)))")).collect();
    let wat = format!(r#"(module {code} (func (export "f") {calls}))"#);
    let bytes = fixtures::built("package a:b; world w { export f: func(); }", &wat);
    let limits = Limits { compile_cpu_s: 1, ..Limits::default() };
    let began = std::time::Instant::now();
    let why = refused(&sandbox_with(&limits, MappedNetwork::default()), &bytes).await;
    assert!(why.contains("1 s of CPU"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn everything_that_is_not_offered_is_named_at_upload() {
    let wit = "package a:b; interface shell { run: func(); } interface disk { read: func(); }
        world w { import shell; import disk; import exec: func(); export f: func(); }";
    let wat = r#"(module
        (import "a:b/shell" "run" (func $run)) (import "a:b/disk" "read" (func $read)) (import "$root" "exec" (func $exec))
        (func (export "f") (call $run) (call $read) (call $exec)))"#;
    let why = refused(&sandbox(), &fixtures::built(wit, wat)).await;
    assert!(why.contains("`a:b/disk`, `a:b/shell`, `exec`"), "{why}");
}

#[tokio::test]
async fn bad_habits_in_plain_components_are_stopped_too() {
    let function = |code: &str| {
        let realloc = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
        let wat = format!(
            r#"(module (memory (export "memory") 2) {realloc} (func $f (export "f") (result i32) {code} (i32.const 16)))"#
        );
        fixtures::built("package a:b; world w { export f: func() -> string; }", &wat)
    };
    let long = "(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 100000))";
    let outside = "(i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 10000000))";
    for (code, expected) in [
        ("(loop $ever (br $ever))", Some(Bound::Cpu)),
        ("(drop (call $f))", Some(Bound::Stack)),
        (long, Some(Bound::ResultSize)),
        (outside, None),
        ("unreachable", None),
    ] {
        let small = Budget { fuel: 300_000_000, result_bytes: 10_000, ..budget() };
        let report = run_with(&sandbox(), &function(code), "f", json!({}), Grants::default(), small).await;
        match expected {
            Some(bound) => assert!(matches!(report.outcome, Outcome::Stopped(found) if found == bound), "{code}"),
            None => assert!(matches!(report.outcome, Outcome::Trapped { .. }), "{code}: {:?}", report.outcome),
        }
    }
}

/// Holds: components_open.
#[tokio::test]
async fn what_is_kept_open_is_bounded_and_what_was_closed_is_opened_again() {
    let limits = Limits { components_open: 2, ..Limits::default() };
    let sandbox = sandbox_with(&limits, MappedNetwork::default());
    let adding = |number: u32| {
        let wat = format!(r#"(module (func (export "f") (result i32) (i32.const {number})))"#);
        fixtures::built("package a:b; world w { export f: func() -> u32; }", &wat)
    };
    for _ in 0..2 {
        for number in 0..6 {
            let report = run_with(&sandbox, &adding(number), "f", json!({}), Grants::default(), budget()).await;
            assert_eq!(text(&report), number.to_string());
        }
    }
}
