//! What the host does for guests and no fuel counts: copies of texts, handles, descriptions, compilations. Each has
//! its bound, and leaves others their turn.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::outcome::{Bound, Outcome};
use mcpbox::domain::tool::Language;
use mcpbox::egress::{Egress, EgressSettings, MappedNetwork};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{CompileError, Job, Sandbox, SandboxError, SandboxSettings};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::plain::{budget, program, run_with, sandbox};
use crate::sandbox::{sandbox_with, text};

/// Two components, of which one hands the other a text of 64 MB for as often as it is told: the host copies it from
/// one memory to the other, in another encoding.
const COPIES: &str = r#"(component
    (component $takes
        (core module $code
            (memory (export "memory") 2100)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
            (func (export "take") (param i32 i32)))
        (core instance $code (instantiate $code))
        (func (export "take") (param "text" string) (canon lift (core func $code "take")
            (memory (core memory $code "memory")) (realloc (core func $code "realloc")) string-encoding=utf16)))
    (instance $takes (instantiate $takes))
    (component $gives
        (import "take" (func $take (param "text" string)))
        (core module $memory (memory (export "memory") 1000))
        (core instance $memory (instantiate $memory))
        (core func $take (canon lower (func $take) (memory (core memory $memory "memory"))))
        (core module $code
            (import "other" "take" (func $take (param i32 i32)))
            (func (export "run") (param $times i32)
                (loop $again
                    (call $take (i32.const 0) (i32.const 64000000))
                    (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
        (core instance $code (instantiate $code (with "other" (instance (export "take" (func $take))))))
        (func (export "run") (param "times" u32) (canon lift (core func $code "run"))))
    (instance $gives (instantiate $gives (with "take" (func $takes "take"))))
    (export "run" (func $gives "run")))"#;

/// Makes a request and names its method, by as many bytes as it is told; answers how that ended.
const METHODS: &str = r#"(component
    (import "wasi:http/types@0.2.0" (instance $http
        (export "fields" (type $fields (sub resource)))
        (export "outgoing-request" (type $request (sub resource)))
        (type $methods (variant (case "get") (case "head") (case "post") (case "put") (case "delete")
            (case "connect") (case "options") (case "trace") (case "patch") (case "other" string)))
        (export "method" (type $method (eq $methods)))
        (export "[constructor]fields" (func (result (own $fields))))
        (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
        (export "[method]outgoing-request.set-method"
            (func (param "self" (borrow $request)) (param "method" $method) (result (result))))))
    (core module $memory (memory (export "memory") 200))
    (core instance $memory (instantiate $memory))
    (core func $fields (canon lower (func $http "[constructor]fields")))
    (core func $request (canon lower (func $http "[constructor]outgoing-request")))
    (core func $set (canon lower (func $http "[method]outgoing-request.set-method") (memory (core memory $memory "memory"))))
    (core module $code
        (import "host" "memory" (memory 1))
        (import "host" "fields" (func $fields (result i32)))
        (import "host" "request" (func $request (param i32) (result i32)))
        (import "host" "set" (func $set (param i32 i32 i32 i32) (result i32)))
        (func (export "run") (param $bytes i32) (result i32)
            (memory.fill (i32.const 0) (i32.const 65) (local.get $bytes))
            (call $set (call $request (call $fields)) (i32.const 9) (i32.const 0) (local.get $bytes))))
    (core instance $code (instantiate $code (with "host" (instance (export "memory" (memory $memory "memory"))
        (export "fields" (func $fields)) (export "request" (func $request)) (export "set" (func $set))))))
    (func (export "run") (param "bytes" u32) (result u32) (canon lift (core func $code "run"))))"#;

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("text of a component")
}

async fn run(sandbox: &Sandbox, bytes: &[u8], arguments: Value, budget: Budget) -> Outcome {
    run_with(sandbox, bytes, "run", arguments, Grants::default(), budget).await.outcome
}

/// Nothing of others is kept in it.
fn sandbox_of_its_own(cache: &std::path::Path) -> Sandbox {
    let limits = Limits::default();
    let settings = SandboxSettings {
        limits: limits.clone(),
        cache_dir: cache.to_owned(),
        program: env!("CARGO_BIN_EXE_mcpbox").into(),
    };
    let egress = Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::default()));
    Sandbox::start(settings, egress).expect("a sandbox")
}

/// A slice of fuel is enough for minutes of copies.
#[tokio::test]
async fn copies_between_the_memories_of_a_component_end_at_its_deadline() {
    let (sandbox, bytes) = (sandbox(), component(COPIES));
    let once = run(&sandbox, &bytes, json!({"times": 1}), budget()).await;
    assert!(matches!(once, Outcome::Returned(_)), "{once:?}");
    let short = Budget { time: Duration::from_millis(200), ..budget() };
    let outcome = run(&sandbox, &bytes, json!({"times": 500}), short).await;
    assert!(matches!(outcome, Outcome::Stopped(Bound::Time)), "{outcome:?}");
    let cancel = CancellationToken::new();
    let job = Job {
        program: program(&bytes, "run"),
        arguments: json!({"times": 500}).to_string(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget: budget(),
        client: Arc::new(Nobody),
    };
    let (report, ()) = tokio::join!(sandbox.run(job, cancel.clone(), None), async {
        tokio::task::yield_now().await;
        cancel.cancel();
    });
    let outcome = report.expect("the host is sound").outcome;
    assert!(matches!(outcome, Outcome::Cancelled), "{outcome:?}");
}

#[tokio::test]
async fn the_method_of_a_request_is_short() {
    let (sandbox, bytes) = (sandbox(), component(METHODS));
    for (length, refused) in [(8, 0), (64, 0), (65, 1), (10_000_000, 1)] {
        let report = run_with(&sandbox, &bytes, "run", json!({"bytes": length}), Grants::default(), budget()).await;
        assert_eq!(text(&report), refused.to_string(), "{length}");
    }
}

/// However many ask at once, no more are described than there are places for, and calls keep theirs.
#[tokio::test]
async fn many_sources_are_described_in_turns() {
    let limits = Limits { calls_at_once: 2, spares_total: 0, ..Limits::default() };
    let sandbox = sandbox_with(&limits, MappedNetwork::default());
    sandbox.prepare(Language::Python).await.expect("an interpreter");
    let sources = (0..60).map(|at| format!("def main() -> int:\n    \"\"\"Number {at}.\"\"\"\n    return {at}\n"));
    let described = join_all(sources.map(|source| sandbox.describe(Language::Python, source.into()))).await;
    for (at, found) in described.into_iter().enumerate() {
        let found = found.expect("the host is sound").unwrap_or_else(|outcome| panic!("{at}: {outcome:?}"));
        assert_eq!(found.summary, format!("Number {at}."));
    }
}

#[tokio::test]
async fn a_call_waits_for_a_compilation_no_longer_than_it_may_last() {
    let cache = tempfile::tempdir().expect("a folder");
    let (sandbox, bytes) = (sandbox_of_its_own(cache.path()), component(METHODS));
    let at_once = Budget { time: Duration::from_millis(1), ..budget() };
    let outcome = run(&sandbox, &bytes, json!({"bytes": 8}), at_once).await;
    assert!(matches!(outcome, Outcome::Stopped(Bound::Time)), "{outcome:?}");
    // What it began goes on.
    let mut under_way = sandbox.compilations();
    under_way.wait_for(Vec::is_empty).await.expect("it ends");
    let outcome = run(&sandbox, &bytes, json!({"bytes": 8}), budget()).await;
    assert!(matches!(outcome, Outcome::Returned(_)), "{outcome:?}");
}

#[tokio::test]
async fn of_a_component_that_is_refused_nothing_is_kept() {
    let cache = tempfile::tempdir().expect("a folder");
    let sandbox = sandbox_of_its_own(cache.path());
    let kept = || std::fs::read_dir(cache.path().join("compiled")).expect("a folder").count();
    let inspect = async |text: &str| {
        let bytes = component(text);
        sandbox.inspect(&Arc::<[u8]>::from(bytes.as_slice()), Digest::of(&bytes)).await
    };
    inspect(METHODS).await.expect("accepted").expect("nothing runs");
    assert_eq!(kept(), 2, "the code and its digest");
    let refused = inspect("(component)").await;
    let Err(SandboxError::Compile(CompileError::Refused(why))) = refused else { panic!("{refused:?}") };
    assert!(why.contains("exports no function"), "{why}");
    assert_eq!(kept(), 2, "nothing of what was refused");
}
