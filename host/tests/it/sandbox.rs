//! Guests that misbehave, each stopped by the right bound, with the host as it was before; through
//! the sandbox itself, so that every bound can be made small.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::{Entry, Inspection};
use mcpbox::domain::content::Content;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::modules::Imports;
use mcpbox::domain::outcome::{Bound, Outcome, Report};
use mcpbox::domain::secret::{SecretValue, Secrets};
use mcpbox::domain::tool::Language;
use mcpbox::egress::{Egress, EgressSettings, MappedNetwork};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{CompileError, Job, Program, Sandbox, SandboxError, SandboxSettings};
use tokio_util::sync::CancellationToken;

use crate::fixtures;

/// Compiled code is shared by all tests and by later runs: it is named by what it was made of.
pub fn cache_dir() -> PathBuf {
    match std::env::var_os("MCPBOX_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache/mcpbox"),
    }
    .join("tests")
}

pub fn sandbox_with(limits: &Limits, network: MappedNetwork) -> Sandbox {
    let settings = SandboxSettings {
        limits: limits.clone(),
        cache_dir: cache_dir(),
        program: env!("CARGO_BIN_EXE_mcpbox").into(),
    };
    let egress = Egress::new(EgressSettings::from(limits), Arc::new(network));
    Sandbox::start(settings, egress).expect("a sandbox")
}

fn sandbox() -> Sandbox {
    sandbox_with(&Limits::default(), MappedNetwork::default())
}

/// A small budget: a tenth of a second of fuel, two seconds.
fn budget() -> Budget {
    Budget { time: Duration::from_secs(20), fuel: 300_000_000, ..Budget::new(&Limits::default(), None) }
}

pub fn python(source: &str) -> Program {
    Program::Source { language: Language::Python, source: source.into(), digest: Digest::of(source.as_bytes()) }
}

fn component(name: &str) -> Program {
    let bytes = fixtures::component(name);
    Program::Component {
        digest: Digest::of(&bytes),
        bytes: Arc::new(Arc::<[u8]>::from(bytes)),
        entry: Entry::Tool(name.to_owned()),
    }
}

async fn inspect(sandbox: &Sandbox, bytes: &[u8]) -> Result<Result<Inspection, Outcome>, SandboxError> {
    sandbox.inspect(&Arc::<[u8]>::from(bytes), Digest::of(bytes)).await
}

async fn run_with(sandbox: &Sandbox, program: Program, arguments: &str, budget: Budget) -> Report {
    let job = Job {
        program,
        arguments: arguments.to_owned(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::new(Grants {
            hosts: vec!["fixture.test".parse().expect("a host")],
            imports: Imports::by_default(&[], ""),
            ..Grants::default()
        }),
        budget,
        client: Arc::new(Nobody),
    };
    sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound")
}

async fn run(program: Program) -> Report {
    run_with(&sandbox(), program, "{}", budget()).await
}

fn bound(report: &Report) -> Option<Bound> {
    match report.outcome {
        Outcome::Stopped(bound) => Some(bound),
        _ => None,
    }
}

pub fn text(report: &Report) -> String {
    match &report.outcome {
        Outcome::Returned(result) => match result.content.as_slice() {
            [Content::Text { text, .. }] => text.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The exception's headline.
fn raised(report: &Report) -> String {
    match &report.outcome {
        Outcome::Raised(exception) => exception.headline(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_component_answers() {
    let report = run(component("noop")).await;
    assert_eq!(text(&report), "ok");
    assert!(report.usage.fuel > 0 && report.usage.peak_memory_bytes > 0, "{:?}", report.usage);
    let report = run_with(&sandbox(), component("echo"), r#"{"a":1}"#, budget()).await;
    assert_eq!(text(&report), r#"{"a":1}"#);
}

/// Holds: call_handles.
#[tokio::test]
async fn each_bad_habit_is_stopped_by_its_bound() {
    for (name, expected) in [
        ("spin", Bound::Cpu),
        ("spin_at_start", Bound::Cpu),
        ("recurse", Bound::Stack),
        ("grow_memory_hard", Bound::Memory),
        ("huge_result", Bound::ResultSize),
        ("many_handles", Bound::Handles),
        ("many_host_calls", Bound::HostCalls),
        ("flood_stdout", Bound::HostCalls),
        ("flood_log", Bound::HostCalls),
        ("sleep", Bound::Time),
    ] {
        // The deadline is looked at in each call of the host, so one that is to come first must be near.
        let time = Duration::from_secs(if expected == Bound::Time { 3 } else { 20 });
        let small = Budget { host_calls: 5_000, time, ..budget() };
        let report = run_with(&sandbox(), component(name), "{}", small).await;
        assert_eq!(bound(&report), Some(expected), "{name}: {:?}", report.outcome);
        assert!(report.usage.duration < Duration::from_secs(15), "{name}: {:?}", report.usage.duration);
        assert!(report.usage.host_calls <= 5_001, "{name}: {} calls of the host", report.usage.host_calls);
    }
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline_and_at_its_fuel() {
    let endless = Budget { fuel: u64::MAX, time: Duration::from_millis(300), ..budget() };
    let report = run_with(&sandbox(), component("spin"), "{}", endless).await;
    assert_eq!(bound(&report), Some(Bound::Time));
    assert!(report.usage.duration >= Duration::from_millis(300));
    let report = run_with(&sandbox(), component("spin"), "{}", Budget { fuel: 5_000_000, ..budget() }).await;
    assert_eq!((bound(&report), report.usage.fuel), (Some(Bound::Cpu), 5_000_000));
}

/// Holds: call_table_elements.
#[tokio::test]
async fn refused_memory_is_an_ordinary_failure_for_the_guest() {
    let small = Budget { memory_bytes: 64 << 20, ..budget() };
    let report = run_with(&sandbox(), component("grow_memory"), "{}", small).await;
    let pages: u64 = text(&report).trim().parse().expect("a number of pages");
    assert!(pages <= 1024, "{pages}");
    assert!(report.usage.peak_memory_bytes <= 64 << 20);
    let report = run(component("grow_table")).await;
    let elements: u64 = text(&report).trim().parse().expect("a number of elements");
    assert!(elements <= Limits::default().call_table_elements, "{elements}");
}

#[tokio::test]
async fn what_a_guest_prints_is_kept_to_the_bound_and_the_rest_counted() {
    let small = Budget { host_calls: 5_000, stdout_bytes: 1_000, ..budget() };
    let report = run_with(&sandbox(), component("flood_stdout"), "{}", small).await;
    assert!(report.stdout.text.len() <= 1_000 && report.stdout.dropped_bytes > 0);
    let small = Budget { host_calls: 5_000, log_lines: 10, log_line_bytes: 100, ..budget() };
    let report = run_with(&sandbox(), component("flood_log"), "{}", small).await;
    assert_eq!(report.log.len(), 10);
    assert!(report.log.iter().all(|line| line.message.len() <= 100) && report.dropped_lines > 0);
}

#[tokio::test]
async fn requests_are_bounded_in_number() {
    let sandbox = sandbox();
    let run = async |name: &str, budget: Budget| run_with(&sandbox, component(name), "{}", budget).await;
    let report = run("requests_until_refused", Budget { handles: 1_000, ..budget() }).await;
    assert_eq!(text(&report).trim(), Limits::default().call_http_requests.to_string());
    let report = run("requests_until_refused", Budget { handles: 20, ..budget() }).await;
    assert_eq!(text(&report).trim(), "20", "open requests count as handles");
    let report = run("many_requests", Budget { host_calls: 5_000, ..budget() }).await;
    assert_eq!(bound(&report), Some(Bound::HostCalls));
}

#[tokio::test]
async fn a_guest_that_breaks_the_rules_of_webassembly_is_told_so() {
    for name in ["trap", "bad_utf8", "bad_pointer", "bad_length", "deep_result"] {
        let report = run(component(name)).await;
        let refused = matches!(&report.outcome, Outcome::Trapped { message } if !message.is_empty())
            || bound(&report) == Some(Bound::ResultSize);
        assert!(refused, "{name}: {:?}", report.outcome);
    }
}

#[tokio::test]
async fn listing_the_tools_of_a_component_is_bounded_like_a_call() {
    let bytes = fixtures::component("many_tools");
    let listed = inspect(&sandbox(), &bytes).await.expect("sound").expect("a list");
    assert_eq!(listed.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let limits = Limits { call_cpu_s: 1, fuel_per_cpu_second: 50_000_000, ..Limits::default() };
    let bytes = fixtures::component("spin_in_list");
    let spun = inspect(&sandbox_with(&limits, MappedNetwork::default()), &bytes).await;
    assert!(matches!(spun, Ok(Err(Outcome::Stopped(Bound::Cpu)))), "{spun:?}");
}

/// What the compiler refuses, and the words for it.
/// Holds: component_bytes.
#[tokio::test]
async fn what_cannot_run_here_is_refused_with_the_reason() {
    let limits = Limits { component_bytes: 1 << 20, ..Limits::default() };
    let sandbox = sandbox_with(&limits, MappedNetwork::default());
    for (bytes, words) in [
        (fixtures::malformed(), "not a component"),
        (fixtures::truncated(), "not a component"),
        (fixtures::enormous(2 << 20), "the limit is 1048576"),
        (fixtures::component("bad_import"), "evil:host/shell"),
        (fixtures::component("big_at_birth"), "does not fit the limits"),
    ] {
        let refused = inspect(&sandbox, &bytes).await;
        match refused {
            Err(SandboxError::Compile(CompileError::Refused(why))) => assert!(why.contains(words), "{words}: {why}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_component_whose_bytes_are_not_those_of_its_digest_is_refused() {
    let bytes = fixtures::component("noop");
    let refused = sandbox().inspect(&Arc::<[u8]>::from(bytes), Digest::of(b"another")).await;
    assert!(matches!(refused, Err(SandboxError::Compile(CompileError::Refused(_)))), "{refused:?}");
}

/// Holds: compile_memory_bytes, compile_time_s.
#[tokio::test]
async fn compiling_is_bounded_in_memory_and_time() {
    let bytes = fixtures::component("echo");
    let cache = tempfile::tempdir().expect("a folder");
    let settings = |limits: Limits| SandboxSettings {
        limits,
        cache_dir: cache.path().to_owned(),
        program: env!("CARGO_BIN_EXE_mcpbox").into(),
    };
    let egress = || Egress::new(EgressSettings::from(&Limits::default()), Arc::new(MappedNetwork::default()));
    let limits = Limits { compile_memory_bytes: 1 << 20, ..Limits::default() };
    let starved = Sandbox::start(settings(limits), egress()).expect("a sandbox");
    assert!(inspect(&starved, &bytes).await.is_err(), "a megabyte is too little");
    let limits = Limits { compile_time_s: 0, ..Limits::default() };
    let hurried = Sandbox::start(settings(limits), egress()).expect("a sandbox");
    let refused = inspect(&hurried, &bytes).await;
    assert!(
        matches!(&refused, Err(SandboxError::Compile(CompileError::Refused(why))) if why.contains("longer than 0 s")),
        "{refused:?}"
    );
    let fine = Sandbox::start(settings(Limits::default()), egress()).expect("a sandbox");
    assert!(inspect(&fine, &bytes).await.is_ok());
    let left: Vec<_> = std::fs::read_dir(cache.path().join("compiled")).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 2, "the code and its digest, nothing half done: {left:?}");
}

#[tokio::test]
async fn compiled_code_that_was_changed_on_disk_is_made_again() {
    let bytes = fixtures::component("echo");
    let cache = tempfile::tempdir().expect("a folder");
    let start = || {
        let settings = SandboxSettings {
            limits: Limits::default(),
            cache_dir: cache.path().to_owned(),
            program: env!("CARGO_BIN_EXE_mcpbox").into(),
        };
        let egress = Egress::new(EgressSettings::from(&Limits::default()), Arc::new(MappedNetwork::default()));
        Sandbox::start(settings, egress)
    };
    inspect(&start().expect("a sandbox"), &bytes).await.expect("sound").expect("a list");
    let folder = cache.path().join("compiled");
    let code = std::fs::read_dir(&folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .expect("compiled code");
    let mut changed = std::fs::read(&code).expect("compiled code");
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&code, &changed).expect("written");
    inspect(&start().expect("a sandbox"), &bytes).await.expect("sound").expect("a list");
    assert_ne!(std::fs::read(&code).expect("compiled code"), changed, "made again");

    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("opened to others");
    let refused = start().err().map(|error| error.to_string());
    assert!(refused.as_ref().is_some_and(|why| why.contains("chmod 700")), "{refused:?}");
}

#[tokio::test]
async fn bad_habits_in_python_are_stopped_too() {
    let cases: &[(&str, &str, Bound)] = &[
        ("a loop", "def main():\n    while True: pass", Bound::Cpu),
        ("a catastrophic regex", "import re\ndef main():\n    re.match('(a+)+$', 'a' * 40 + 'b')", Bound::Cpu),
        ("a huge integer", "def main():\n    return len(str(7 ** 30_000_000 % 10 ** 9))", Bound::Cpu),
        (
            "a loop that catches everything",
            "def main():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
            Bound::Cpu,
        ),
        ("a long sleep", "import time\ndef main():\n    time.sleep(3600)", Bound::Time),
        ("a long async sleep", "import asyncio\nasync def main():\n    await asyncio.sleep(3600)", Bound::Time),
        ("a loop at the top", "while True: pass\ndef main(): pass", Bound::Cpu),
        ("a flood of output", "def main():\n    while True: print('x' * 1000, flush=True)", Bound::HostCalls),
        ("a huge result", "def main():\n    return 'x' * 5_000_000", Bound::ResultSize),
    ];
    let sandbox = sandbox();
    for (name, source, expected) in cases {
        let small = Budget { host_calls: 5_000, time: Duration::from_secs(5), fuel: 2_000_000_000, ..budget() };
        let report = run_with(&sandbox, python(source), "{}", small).await;
        assert_eq!(bound(&report), Some(*expected), "{name}: {:?}", report.outcome);
    }
}

#[tokio::test]
async fn python_meets_its_bounds_as_ordinary_exceptions_where_it_can() {
    let sandbox = sandbox();
    let run =
        async |source: &str| run_with(&sandbox, python(source), "{}", Budget::new(&Limits::default(), None)).await;
    let report = run("def main():\n    x = []\n    while True: x.append(bytearray(10_000_000))").await;
    assert!(raised(&report).starts_with("MemoryError"), "{:?}", report.outcome);
    let report =
        run("def main():\n    try:\n        x = bytearray(10 ** 9)\n    except MemoryError:\n        return 'caught'")
            .await;
    assert_eq!(text(&report), "caught");
    let report = run("def f(n): return f(n + 1)\ndef main(): f(0)").await;
    assert!(raised(&report).starts_with("RecursionError"), "{:?}", report.outcome);
    let report = run("import json\ndef main(): json.loads('[' * 100_000)").await;
    let stopped = bound(&report) == Some(Bound::Stack);
    assert!(stopped || raised(&report).starts_with("RecursionError"), "{:?}", report.outcome);
}

#[tokio::test]
async fn a_cancelled_call_stops_its_guest_and_keeps_what_it_printed() {
    let sandbox = sandbox();
    sandbox.prepare(Language::Python).await.expect("the interpreter");
    let source = "def main():\n    print('begun', flush=True)\n    log.info('begun')\n    while True: pass";
    let cancel = CancellationToken::new();
    let heard = cancel.clone();
    let job = Job {
        program: python(source),
        arguments: "{}".to_owned(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget: Budget { fuel: u64::MAX, time: Duration::from_secs(60), ..budget() },
        client: Arc::new(Nobody),
    };
    let report = sandbox.run(job, cancel, Some(Arc::new(move |_| heard.cancel()))).await.expect("sound");
    assert!(matches!(report.outcome, Outcome::Cancelled), "{:?}", report.outcome);
    assert_eq!(report.stdout.text, "begun\n");
    assert!(report.usage.duration < Duration::from_secs(30));
}

#[tokio::test]
async fn endless_loops_leave_their_neighbours_and_the_host_alone() {
    let sandbox = sandbox();
    sandbox.prepare(Language::Python).await.expect("the interpreter");
    let cancel = CancellationToken::new();
    let loops: Vec<_> = (0..16)
        .map(|_| {
            let (sandbox, cancel) = (sandbox.clone(), cancel.clone());
            let job = Job {
                program: component("spin"),
                arguments: "{}".to_owned(),
                secrets: Arc::default(),
                bound: Arc::default(),
                grants: Arc::default(),
                budget: Budget { fuel: u64::MAX, time: Duration::from_secs(120), ..budget() },
                client: Arc::new(Nobody),
            };
            tokio::task::spawn(async move { sandbox.run(job, cancel, None).await })
        })
        .collect();
    for _ in 0..5 {
        let report = run_with(&sandbox, python("def main(): return 1"), "{}", budget()).await;
        assert_eq!(text(&report), "1");
    }
    assert!(loops.iter().all(|endless| !endless.is_finished()), "the loops still run");
    cancel.cancel();
    for endless in loops {
        let report = endless.await.expect("no panic").expect("sound");
        assert!(matches!(report.outcome, Outcome::Cancelled));
    }
}

#[tokio::test]
async fn memory_and_handles_return_to_where_they_were() {
    // Measured in a process of its own: the other tests of this one allocate as they please.
    const ALONE: &str = "MCPBOX_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let program = std::env::current_exe().expect("this executable");
        let name = "sandbox::memory_and_handles_return_to_where_they_were";
        let ended = std::process::Command::new(program).args([name, "--exact"]).env(ALONE, "1").output();
        let ended = ended.expect("a process");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let sandbox = sandbox();
    let job = |name: &str| (component(name), Budget { host_calls: 2_000, ..budget() });
    let habits = ["grow_memory", "many_handles", "flood_stdout", "huge_result", "recurse", "trap"];
    for name in habits {
        let (program, budget) = job(name);
        run_with(&sandbox, program, "{}", budget).await;
    }
    let before = resident_bytes();
    let handles = open_handles();
    for _ in 0..20 {
        for name in habits {
            let (program, budget) = job(name);
            run_with(&sandbox, program, "{}", budget).await;
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more after 120 bad calls");
    assert!(open_handles() <= handles + 8, "{} handles, before {handles}", open_handles());
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = status.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("pages");
    pages * 4096
}

fn open_handles() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[tokio::test]
async fn no_call_sees_what_another_left_behind() {
    let sandbox = sandbox();
    let source = "seen = []\ndef main(x: int):\n    seen.append(x)\n    return seen";
    for x in 1..=6 {
        let report = run_with(&sandbox, python(source), &format!("{{\"x\":{x}}}"), budget()).await;
        assert_eq!(text(&report), format!("[{x}]"));
    }
}

#[tokio::test]
async fn a_call_costs_the_same_fuel_with_a_prepared_instance_and_without() {
    let source = "def main():\n    return sum(range(1000))";
    let (with, without) =
        (sandbox(), sandbox_with(&Limits { spares_per_tool: 0, ..Limits::default() }, MappedNetwork::default()));
    let mut fuel = Vec::new();
    for sandbox in [&with, &without] {
        for _ in 0..4 {
            let report = run_with(sandbox, python(source), "{}", budget()).await;
            assert_eq!(text(&report), "499500");
            fuel.push(report.usage.fuel);
        }
    }
    let (least, most) = (fuel.iter().min().expect("runs"), fuel.iter().max().expect("runs"));
    assert!(most - least < most / 10, "{fuel:?}");
}

#[tokio::test]
async fn secrets_reach_the_guest_only_within_its_call() {
    let sandbox = sandbox();
    let source = "token = secrets['TOKEN']\ndef main(): return token";
    for _ in 0..3 {
        let job = Job {
            program: python(source),
            arguments: "{}".to_owned(),
            secrets: Arc::new(Secrets::from([("TOKEN".to_owned(), SecretValue::new("s3cret".to_owned()))])),
            bound: Arc::default(),
            grants: Arc::default(),
            budget: budget(),
            client: Arc::new(Nobody),
        };
        let report = sandbox.run(job, CancellationToken::new(), None).await.expect("sound");
        assert_eq!(text(&report), "s3cret", "a top level that wants secrets runs within the call");
    }
    let report = run_with(&sandbox, python("def main(): return list(secrets)"), "{}", budget()).await;
    assert_eq!(text(&report), "[]");
}
