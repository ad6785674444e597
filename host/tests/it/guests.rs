//! Components of authors, in each language that the guide shows, as `make guests` built them: what
//! they export and import, and what a caller gets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::{Entry, Export, ToolAnnotations};
use mcpbox::domain::content::ToolResult;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::outcome::{GuestEvent, LogLevel, Outcome, Progress, Report};
use mcpbox::domain::secret::{SecretValue, Secrets};
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Program, Sandbox};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::fixtures::imports;
use crate::internet::Site;
use crate::sandbox::sandbox_with;
use crate::source;

const ADDRESS: &str = "93.184.215.14";

/// A component that `make guests` built.
pub fn built(name: &str) -> Arc<[u8]> {
    let path = format!("guest-sdk/dist/{name}.wasm");
    match std::fs::read(source::file(&path)) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{path}: {error}; build it with `make guests`"),
    }
}

/// A component and the sandbox that runs it; what its calls may reach.
struct Guest {
    sandbox: Sandbox,
    bytes: Arc<[u8]>,
    secrets: Secrets,
    heard: Arc<Mutex<Vec<GuestEvent>>>,
}

impl Guest {
    fn of(name: &str) -> Self {
        Self::on(name, MappedNetwork::default())
    }

    fn on(name: &str, network: MappedNetwork) -> Self {
        let sandbox = sandbox_with(&Limits::default(), network);
        Self { sandbox, bytes: built(name), secrets: Secrets::default(), heard: Arc::default() }
    }

    fn with_secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.insert(name.to_owned(), SecretValue::new(value.to_owned()));
        self
    }

    async fn tools(&self) -> Vec<Export> {
        let found = self.sandbox.inspect(&self.bytes, Digest::of(&self.bytes)).await;
        found.expect("the host is sound").expect("a list").tools
    }

    async fn report(&self, tool: &str, arguments: Value) -> Report {
        let (bytes, tool) = (Arc::clone(&self.bytes), tool.to_owned());
        let job = Job {
            program: Program::Component {
                digest: Digest::of(&bytes),
                bytes: Arc::new(bytes),
                entry: Entry::Tool(tool),
            },
            arguments: arguments.to_string(),
            secrets: Arc::new(self.secrets.clone()),
            bound: Arc::default(),
            grants: Arc::new(Grants {
                hosts: vec!["api.weather.example".parse().expect("a host")],
                ..Grants::default()
            }),
            budget: Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) },
            client: Arc::new(Nobody),
        };
        let heard = Arc::clone(&self.heard);
        let listener = move |event| heard.lock().expect("no test failed here").push(event);
        self.sandbox.run(job, CancellationToken::new(), Some(Arc::new(listener))).await.expect("the host is sound")
    }

    async fn result(&self, tool: &str, arguments: Value) -> ToolResult {
        match self.report(tool, arguments).await.outcome {
            Outcome::Returned(result) => result,
            other => panic!("{tool}: {other:?}"),
        }
    }

    /// The content as MCP has it.
    async fn content(&self, tool: &str, arguments: Value) -> Value {
        serde_json::to_value(self.result(tool, arguments).await.content).expect("content is JSON")
    }

    /// The structured content.
    async fn structured(&self, tool: &str, arguments: Value) -> Value {
        let structured = self.result(tool, arguments).await.structured_content.expect("structured content");
        serde_json::from_str(structured.get()).expect("JSON")
    }

    /// What the author's code said when it failed.
    async fn failure(&self, tool: &str, arguments: Value) -> String {
        match self.report(tool, arguments).await.outcome {
            Outcome::Raised(exception) => exception.headline(),
            other => panic!("{tool}: {other:?}"),
        }
    }

    async fn crash(&self, tool: &str, arguments: Value) -> String {
        match self.report(tool, arguments).await.outcome {
            Outcome::Trapped { message } => message,
            other => panic!("{tool}: {other:?}"),
        }
    }
}

fn schema(text: &str) -> Value {
    serde_json::from_str(text).expect("a schema is JSON")
}

#[test]
fn a_component_imports_what_it_uses_and_nothing_else() {
    const LOG: &str = "mcpbox:guest/log@1.0.0";
    const PROGRESS: &str = "mcpbox:guest/progress@1.0.0";
    let weather = ["mcpbox:guest/http@1.0.0", LOG, PROGRESS, "mcpbox:guest/secrets@1.0.0"];
    let cases: &[(&str, &[&str])] = &[
        // The log carries the message of a panic.
        ("hello", &[LOG]),
        ("csv", &[LOG, PROGRESS]),
        ("notes", &["mcpbox:guest/client@1.0.0", LOG, "mcpbox:guest/notify@1.0.0"]),
        ("weather", &weather),
        ("count", &[LOG]),
        ("template-rust", &[LOG]),
        ("template-c", &[]),
    ];
    for (name, expected) in cases {
        let mut found = imports(name, &built(name));
        // The words of the contract: types only, which need no host.
        found.retain(|import| import != "mcpbox:guest/types@1.0.0");
        found.sort();
        assert_eq!(&found, expected, "{name}");
    }
}

#[tokio::test]
async fn the_templates_make_a_tool_that_greets() {
    for (name, expected) in [("template-rust", "Hello, Zoë!"), ("template-c", "Hello, Zoë!"), ("hello", "Hello, Zoë!")]
    {
        let guest = Guest::of(name);
        let tools = guest.tools().await;
        let [tool] = tools.as_slice() else { panic!("{name}: {tools:?}") };
        assert_eq!(tool.description, "Greets somebody by name.", "{name}");
        let input = schema(&tool.input_schema);
        assert_eq!(input["properties"]["name"], json!({"type": "string", "description": "Whom to greet."}), "{name}");
        assert_eq!((&input["type"], &input["required"]), (&json!("object"), &json!(["name"])), "{name}");
        let answered = guest.content(&tool.name, json!({"name": "Zoë"})).await;
        assert_eq!(answered, json!([{"type": "text", "text": expected}]), "{name}");
    }
}

#[tokio::test]
async fn rust_types_and_comments_become_schemas() {
    let tools = Guest::of("csv").tools().await;
    let [filter, summarize] = tools.as_slice() else { panic!("{tools:?}") };
    assert_eq!((summarize.name.as_str(), summarize.title.as_deref()), ("summarize", Some("Summarise CSV")));
    let hints = ToolAnnotations { read_only: Some(true), idempotent: Some(true), ..ToolAnnotations::default() };
    assert_eq!(summarize.annotations, Some(hints));
    assert_eq!(summarize.description, "Summarises each column of a table in the CSV format.");
    let input = schema(&summarize.input_schema);
    assert_eq!(input["required"], json!(["csv"]));
    assert_eq!(input["additionalProperties"], json!(false));
    assert_eq!(input["properties"]["separator"]["default"], json!(","));
    assert_eq!(input["properties"]["separator"]["description"], json!("What stands between two columns."));
    let output = schema(summarize.output_schema.as_deref().expect("a schema"));
    assert_eq!(output["required"], json!(["result"]));
    assert_eq!(output["properties"]["result"]["type"], json!("array"));
    let column = &output["$defs"]["Column"];
    assert_eq!(column["properties"]["sum"]["type"], json!(["number", "null"]), "{output}");
    assert_eq!(filter.name, "filter");
}

#[tokio::test]
async fn a_rust_tool_answers_structured_content_and_tells_its_progress() {
    let guest = Guest::of("csv");
    let answered = guest.structured("summarize", json!({"csv": "n;m\n1;x\n2.5;\n", "separator": ";"})).await;
    let columns = json!([{"name": "n", "filled": 2, "sum": 3.5}, {"name": "m", "filled": 1, "sum": null}]);
    assert_eq!(answered, json!({"result": columns}));
    let told = Progress { progress: 0.0, total: Some(2.0), message: Some("reading rows".to_owned()) };
    assert_eq!(*guest.heard.lock().expect("no test failed here"), [GuestEvent::Progress(told)]);
    let refused = guest.report("filter", json!({"csv": "a\n1", "column": "b", "value": "1"})).await.outcome;
    assert!(
        matches!(&refused, Outcome::InvalidArguments { message } if message == "there is no column b; there are: a"),
        "{refused:?}"
    );
}

/// For whoever has the key, the length of the city's name as its temperature; nobody is answered
/// before `cities` have asked.
fn weather(cities: usize) -> Router {
    let all = Arc::new(Barrier::new(cities));
    let answer = async move |headers: HeaderMap, RawQuery(query): RawQuery| {
        all.wait().await;
        if headers["authorization"] != "Bearer k3y" {
            return (StatusCode::UNAUTHORIZED, "who are you?".to_owned());
        }
        let city = query.as_deref().and_then(|query| query.strip_prefix("city=")).unwrap_or_default();
        (StatusCode::OK, city.len().to_string())
    };
    Router::new().route("/v1/forecast", get(answer))
}

#[tokio::test]
async fn requests_of_a_rust_tool_run_side_by_side_with_its_secret() {
    let network = MappedNetwork::default();
    Site::open(&network, "api.weather.example", ADDRESS, weather(2)).await;
    let guest = Guest::on("weather", network).with_secret("WEATHER_KEY", "k3y");
    let answered = guest.content("compare", json!({"cities": ["Oslo", "Å"]})).await;
    assert_eq!(answered[0], json!({"type": "text", "text": "Å: 6 °C\nOslo: 4 °C"}), "Å is %C3%85");
    assert_eq!(answered[1]["type"], json!("resource_link"));
    let heard = guest.heard.lock().expect("no test failed here").len();
    assert_eq!(heard, 4, "two lines and two reports");
}

#[tokio::test]
async fn what_hinders_a_rust_tool_is_told() {
    let network = MappedNetwork::default();
    Site::open(&network, "api.weather.example", ADDRESS, weather(1)).await;
    let guest = Guest::on("weather", network);
    let told = guest.failure("forecast", json!({"city": "Oslo"})).await;
    assert_eq!(told, "the secret WEATHER_KEY is not set; a person must set its value in MCPbox");
    let guest = guest.with_secret("WEATHER_KEY", "wrong");
    let told = guest.failure("forecast", json!({"city": "Oslo"})).await;
    assert_eq!(told, "the server answered 401: who are you?");
    let probe = Guest::of("probe");
    assert_eq!(probe.failure("fail", json!({"message": "no"})).await, "as asked: no");
    assert_eq!(probe.failure("parse", json!({"number": "x"})).await, "invalid digit found in string");
    let refused = probe.report("fail", json!({"message": "no", "arguments": true})).await.outcome;
    assert!(matches!(&refused, Outcome::InvalidArguments { message } if message == "no"), "{refused:?}");
    let refused = probe.report("parse", json!({"number": 1})).await.outcome;
    assert!(
        matches!(&refused, Outcome::InvalidArguments { message } if message.contains("invalid type")),
        "{refused:?}"
    );
    assert!(probe.crash("nothing", json!({})).await.contains("does not know its own tool"));
    let denied = probe.structured("gather", json!({"urls": ["http://other.example/"]})).await;
    assert!(denied["result"][0]["Err"].as_str().is_some_and(|why| why.contains("other.example")), "{denied}");
}

#[tokio::test]
async fn a_panic_is_told_with_its_message_and_place() {
    let probe = Guest::of("probe");
    let told = probe.crash("panic", json!({"message": "the sky falls"})).await;
    assert!(told.starts_with("panicked at probe/src/lib.rs:") && told.ends_with(": the sky falls"), "{told}");
    let told = probe.crash("overflow", json!({"numbers": [1, 2]})).await;
    assert!(told.ends_with("index out of bounds: the len is 2 but the index is 7"), "{told}");
    let told = probe.crash("forever", json!({})).await;
    assert!(told.ends_with("the tool waits for something that will never happen"), "{told}");
    let told = Guest::of("count").crash("count", json!({"text": "ding \u{7}"})).await;
    assert!(told.starts_with("panicked at count.c:") && told.ends_with("does not like bells"), "{told}");
}

#[tokio::test]
async fn a_panic_is_told_even_when_the_log_is_full() {
    let bytes = built("probe");
    let job = Job {
        program: Program::Component {
            digest: Digest::of(&bytes),
            bytes: Arc::new(bytes),
            entry: Entry::Tool("panic".to_owned()),
        },
        arguments: json!({"message": "late"}).to_string(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget: Budget { log_lines: 0, ..Budget::new(&Limits::default(), None) },
        client: Arc::new(Nobody),
    };
    let sandbox = sandbox_with(&Limits::default(), MappedNetwork::default());
    let report = sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound");
    let told = matches!(&report.outcome, Outcome::Trapped { message } if message.ends_with(": late"));
    assert!(told && report.log.is_empty() && report.dropped_lines == 1, "{report:?}");
}

#[tokio::test]
async fn every_kind_of_content_arrives() {
    let answered = Guest::of("probe").content("kinds", json!({})).await;
    let expected = json!([
        {"type": "text", "text": "a text", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "AQID", "mimeType": "image/png"},
        {"type": "audio", "data": "BAUG", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "https://a.example/x", "name": "x"},
        {"type": "resource", "resource": {"uri": "mem:one", "mimeType": "text/plain", "text": "one"}},
        {"type": "resource", "resource": {"uri": "mem:two", "mimeType": "application/octet-stream", "blob": "Bw=="}},
    ]);
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn log_progress_secrets_clocks_and_chance_work() {
    let guest = Guest::of("probe").with_secret("A", "aa").with_secret("B", "bbb");
    let report = guest.report("lines", json!({})).await;
    let lines: Vec<_> = report.log.iter().map(|line| (line.level, line.message.as_str())).collect();
    let expected =
        [(LogLevel::Debug, "1"), (LogLevel::Info, "two"), (LogLevel::Warning, "three"), (LogLevel::Error, "four")];
    assert_eq!(lines, expected);
    assert!(matches!(&report.outcome, Outcome::Returned(result) if result.content.is_empty()), "{report:?}");
    guest.heard.lock().expect("no test failed here").clear();
    guest.result("steps", json!({"count": 2})).await;
    let steps = [1.0, 2.0].map(|progress| {
        GuestEvent::Progress(Progress { progress, total: Some(2.0), message: Some("a step".to_owned()) })
    });
    assert_eq!(*guest.heard.lock().expect("no test failed here"), steps);
    let answered = guest.structured("secret_length", json!({"name": "B"})).await;
    assert_eq!(answered, json!({"result": [["A", "B"], 3]}));
    let slept = guest.structured("nap", json!({"time_ms": 500})).await["result"].as_u64();
    assert!(slept.is_some_and(|ms| (500..5_000).contains(&ms)), "twenty, not one after the other: {slept:?}");
    let chance = guest.structured("chance", json!({})).await;
    assert!(chance["result"][0].as_u64() >= Some(2025) && chance["result"][1] == json!(true), "{chance}");
}

#[tokio::test]
async fn json_is_posted_and_a_slow_answer_given_up() {
    let network = MappedNetwork::default();
    let site =
        Router::new().route("/echo", post(async |body: String| body)).route("/never", get(std::future::pending::<()>));
    Site::open(&network, "api.weather.example", ADDRESS, site).await;
    let guest = Guest::on("probe", network);
    let arguments = json!({"url": "http://api.weather.example/echo", "value": "a \"b\""});
    assert_eq!(guest.structured("post", arguments).await, json!({"result": "a \"b\""}));
    let arguments = json!({"url": "http://api.weather.example/never", "wait_ms": 50});
    assert_eq!(guest.structured("impatient", arguments).await, json!({"result": true}));
}

#[tokio::test]
async fn a_component_in_c_counts() {
    let guest = Guest::of("count");
    let tools = guest.tools().await;
    assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["count"]);
    let text = "Grüße\n\tan \"alle\" \u{1f600}";
    let expected = json!({"characters": text.chars().count(), "words": 4, "lines": 2});
    let report = guest.report("count", json!({"other": [{"text": "}"}], "text": text})).await;
    let Outcome::Returned(result) = &report.outcome else { panic!("{report:?}") };
    let structured = result.structured_content.as_ref().expect("structured content");
    assert_eq!(schema(structured.get()), expected);
    assert_eq!(report.log[0].message, "counted a text");
    let refused = guest.report("count", json!({"text": 1})).await.outcome;
    assert!(matches!(refused, Outcome::InvalidArguments { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_component_in_python_computes_and_fetches() {
    let network = MappedNetwork::default();
    Site::open(&network, "api.weather.example", ADDRESS, weather(1)).await;
    let guest = Guest::on("statistics", network).with_secret("TOKEN", "k3y");
    let names: Vec<String> = guest.tools().await.into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["describe", "fetch"]);
    let answered = guest.structured("describe", json!({"numbers": [1, 2, 3]})).await;
    assert_eq!(answered, json!({"mean": 2.0, "deviation": 1.0}));
    let refused = guest.report("describe", json!({"numbers": [1]})).await.outcome;
    assert!(matches!(&refused, Outcome::InvalidArguments { message } if message.contains("two")), "{refused:?}");
    let told = guest.failure("describe", json!({"numbers": ["a", "b"]})).await;
    assert!(told.starts_with("TypeError: "), "{told}");
    let answered = guest.structured("fetch", json!({"url": "http://api.weather.example/v1/forecast?city=Rome"})).await;
    assert_eq!(answered, json!({"status": 200, "text": "4"}));
    let denied = guest.failure("fetch", json!({"url": "http://other.example/"})).await;
    assert!(denied.starts_with("http://other.example/: ") && denied.len() > 30, "{denied}");
}
