//! Other MCP servers that tests make up: of both eras and of the first transport, with a login, and with
//! every bad habit that there is. Each listens on a free port of this machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::peer_login::{self, Login};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25, in sessions.
    Legacy,
    /// 2026-07-28, each request for itself.
    Modern,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub headers: HeaderMap,
    pub message: Value,
}

pub struct Shared {
    era: Era,
    pub tools: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Seen>>,
    /// Header and value without which nobody is let in.
    pub wanted: Mutex<Option<(String, String)>>,
    pub login: Login,
    /// Nothing is answered any more.
    pub silent: watch::Sender<bool>,
    sessions: AtomicU64,
    /// Answers of the first transport, by session.
    streams: Mutex<HashMap<String, mpsc::UnboundedSender<String>>>,
    /// Calls that wait in the peer now.
    waiting: watch::Sender<usize>,
    served: AtomicUsize,
}

/// A server, until the test ends.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
}

pub fn tool(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "title": "A tool",
        "description": description,
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "annotations": {"readOnlyHint": true},
    })
}

/// What every peer offers at first.
pub const TOOLS: [&str; 13] = [
    "echo", "fails", "progress", "hangs", "dies", "floods", "large", "reveals", "asks", "unknown", "changes",
    "demands", "tasks",
];

/// What the tool `demands` wants of its client before it answers.
pub const DEMANDS: [&str; 5] =
    ["sampling/createMessage", "elicitation/create", "roots/list", "tasks/get", "odd/method"];

impl Peer {
    pub async fn start(era: Era) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            era,
            tools: Mutex::new(TOOLS.iter().map(|name| tool(name, "Does as it is called.")).collect()),
            seen: Mutex::default(),
            wanted: Mutex::default(),
            login: Login::new(format!("http://127.0.0.1:{}", address.port())),
            silent: watch::Sender::new(false),
            sessions: AtomicU64::new(0),
            streams: Mutex::default(),
            waiting: watch::Sender::new(0),
            served: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/mcp", post(ask).get(no_stream).delete(end))
            .route("/sse", get(open))
            .route("/messages", post(deliver))
            .merge(peer_login::routes())
            .with_state(Arc::clone(&shared));
        tokio::task::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.address.port())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no test failed here").clone()
    }

    pub fn methods(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.method).collect()
    }

    /// How many connections it was asked in, once or more.
    pub fn served(&self) -> usize {
        self.shared.served.load(Ordering::Relaxed)
    }

    pub fn redefine(&self, name: &str, description: &str) {
        let mut tools = self.shared.tools.lock().expect("no test failed here");
        let one = tools.iter_mut().find(|tool| tool["name"] == name).expect("it offers that");
        one["description"] = json!(description);
    }

    /// Waits until so many calls wait in the peer.
    pub async fn waiting(&self, calls: usize) {
        let mut waiting = self.shared.waiting.subscribe();
        let done = waiting.wait_for(|now| *now == calls);
        let waited = tokio::time::timeout(crate::mcp_client::PATIENCE, done).await;
        assert!(waited.is_ok(), "never {calls} calls in the peer");
    }

    /// Waits until the peer was told something by this method.
    pub async fn told(&self, method: &str) -> Seen {
        self.saw(method, |seen| seen.method == method).await
    }

    /// Waits for the answer to the request with this id that the peer made.
    pub async fn answered(&self, id: u64) -> Value {
        let is_answer = |seen: &Seen| seen.method.is_empty() && seen.message["id"] == id;
        self.saw("an answer", is_answer).await.message
    }

    async fn saw(&self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
        let wait = async {
            loop {
                if let Some(seen) = self.seen().into_iter().find(&is_it) {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::mcp_client::PATIENCE, wait).await.unwrap_or_else(|_| panic!("never told {what}"))
    }
}

type App = State<Arc<Shared>>;

impl Shared {
    fn note(&self, headers: &HeaderMap, message: &Value) {
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        self.served.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().expect("no test failed here").push(Seen {
            method,
            headers: headers.clone(),
            message: message.clone(),
        });
    }

    /// A refusal for whoever shows nothing that is wanted.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let fits = match &*self.wanted.lock().expect("no test failed here") {
            Some((name, value)) => shown(name) == value,
            None => self.login.lets_in(shown("authorization")),
        };
        (!fits).then(|| (StatusCode::UNAUTHORIZED, [("www-authenticate", self.login.challenge())]).into_response())
    }

    /// The result or the error of one request that is answered at once.
    fn answer(&self, message: &Value) -> Value {
        let id = &message["id"];
        let modern = |mut result: Value| {
            if self.era == Era::Modern && result["resultType"].is_null() {
                result["resultType"] = json!("complete");
            }
            json!({"jsonrpc": "2.0", "id": id, "result": result})
        };
        let error =
            |code: i64, text: &str| json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}});
        match (message["method"].as_str().unwrap_or_default(), self.era) {
            ("server/discover", Era::Modern) => modern(json!({
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "peer", "version": "1"}},
            })),
            ("initialize", Era::Legacy) => modern(json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "peer", "version": "1"},
            })),
            ("tools/list", _) => {
                // Two to a page, so that there are pages.
                let tools = self.tools.lock().expect("no test failed here");
                let from: usize = message["params"]["cursor"].as_str().map_or(0, |at| at.parse().expect("a number"));
                let page: Vec<Value> = tools.iter().skip(from).take(4).cloned().collect();
                let mut result = json!({"tools": page, "ttlMs": 0, "cacheScope": "private"});
                if from + 4 < tools.len() {
                    result["nextCursor"] = json!((from + 4).to_string());
                }
                modern(result)
            }
            ("tools/call", _) => match self.called(message) {
                Ok(result) => modern(result),
                Err(text) => error(-32602, text),
            },
            _ => error(-32601, "method not found"),
        }
    }

    fn called(&self, message: &Value) -> Result<Value, &'static str> {
        let arguments = &message["params"]["arguments"];
        Ok(match message["params"]["name"].as_str().unwrap_or_default() {
            "echo" => json!({
                "content": [{"type": "text", "text": arguments["text"]}],
                "structuredContent": {"said": arguments["text"], "n": 1.5},
            }),
            "fails" => json!({
                "content": [
                    {"type": "text", "text": "it is broken"},
                    {"type": "image", "data": "aGk=", "mimeType": "image/png"},
                    {"type": "resource_link", "uri": "file:///x", "name": "x"},
                    {"type": "hologram"},
                ],
                "structuredContent": {"code": 7},
                "isError": true,
            }),
            "progress" => json!({"content": [{"type": "text", "text": "done"}]}),
            "large" => json!({"content": [{"type": "text", "text": "x".repeat(2 << 20)}]}),
            "reveals" => {
                let seen = self.seen.lock().expect("no test failed here");
                let headers = seen.last().map(|seen| format!("{:?}", seen.headers)).unwrap_or_default();
                json!({"content": [{"type": "text", "text": headers}]})
            }
            "changes" | "demands" => json!({"content": [{"type": "text", "text": "done"}]}),
            "tasks" => json!({"resultType": "task", "task": {"taskId": "t1", "status": "working"}}),
            "asks" => json!({"resultType": "input_required", "inputRequests": {}, "requestState": "x"}),
            _ => return Err("there is no such tool here"),
        })
    }
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

fn events(body: Body) -> Response {
    ([("content-type", "text/event-stream")], body).into_response()
}

/// Counts a call for as long as the peer works on it.
struct Waits(Arc<Shared>);

impl Waits {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.waiting.send_modify(|calls| *calls += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|calls| *calls -= 1);
    }
}

/// What a call says before its answer.
fn said(message: &Value) -> Vec<Value> {
    let token = &message["params"]["_meta"]["progressToken"];
    let progress = |token: &Value, done: u64| {
        json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": done, "total": 3, "message": format!("step {done}")}})
    };
    let log =
        json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "warning", "data": "mind"}});
    vec![progress(token, 1), progress(&json!("another"), 9), log, progress(token, 2), progress(token, 3)]
}

/// What a call says that its client has to do.
fn demanded() -> impl Iterator<Item = Value> {
    DEMANDS.iter().zip(900..).map(|(method, id)| {
        let params = match *method {
            "sampling/createMessage" => json!({"maxTokens": 1, "messages": [
                {"role": "user", "content": {"type": "text", "text": "hi"}}]}),
            "elicitation/create" => json!({"message": "Your password?", "requestedSchema": {"type": "object",
                "properties": {"word": {"type": "string"}}}}),
            "tasks/get" => json!({"taskId": "t1"}),
            _ => json!({}),
        };
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    })
}

async fn ask(State(shared): App, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    shared.note(&headers, &message);
    if *shared.silent.borrow() {
        return std::future::pending().await;
    }
    if let Some(refusal) = shared.refusal(&headers) {
        return refusal;
    }
    // A notification, or an answer to what the peer asked.
    if message["id"].is_null() || message["method"].is_null() {
        return StatusCode::ACCEPTED.into_response();
    }
    let method = message["method"].as_str().unwrap_or_default();
    let in_session = headers.contains_key("mcp-session-id");
    if shared.era == Era::Legacy && method != "initialize" && !in_session {
        return (StatusCode::BAD_REQUEST, "no session").into_response();
    }
    let answer = shared.answer(&message);
    match (method, message["params"]["name"].as_str().unwrap_or_default()) {
        ("initialize", _) => {
            let number = shared.sessions.fetch_add(1, Ordering::Relaxed);
            ([("mcp-session-id", format!("session-{number}"))], axum::Json(answer)).into_response()
        }
        ("tools/call", "hangs") => {
            let waits = Waits::new(&shared);
            let first = stream::iter(said(&message).into_iter().take(1).map(|event_of| event(&event_of)));
            let rest = stream::once(async move {
                let _waits = waits;
                std::future::pending::<Bytes>().await
            });
            events(Body::from_stream(first.chain(rest).map(Ok::<_, std::convert::Infallible>)))
        }
        ("tools/call", "dies") => {
            let broken = [Ok(Bytes::from_static(b"event: message\ndata: {\"jso")), Err(std::io::Error::other("died"))];
            events(Body::from_stream(stream::iter(broken)))
        }
        ("tools/call", "floods") => {
            let line = Bytes::from(format!(": {}\n\n", "x".repeat(64 << 10)));
            events(Body::from_stream(stream::repeat(line).map(Ok::<_, std::convert::Infallible>)))
        }
        ("tools/call", name @ ("progress" | "changes" | "demands")) => {
            let mut all = match name {
                "progress" => said(&message),
                "changes" => vec![json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})],
                _ => demanded().collect(),
            };
            all.push(answer);
            let all = stream::iter(all.into_iter().map(|message| event(&message)));
            events(Body::from_stream(all.map(Ok::<_, std::convert::Infallible>)))
        }
        _ => axum::Json(answer).into_response(),
    }
}

async fn no_stream() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

async fn end(State(shared): App, headers: HeaderMap) -> StatusCode {
    shared.note(&headers, &json!({"method": "DELETE"}));
    StatusCode::NO_CONTENT
}

/// The stream of the first transport.
async fn open(State(shared): App, headers: HeaderMap) -> Response {
    if let Some(refusal) = shared.refusal(&headers) {
        return refusal;
    }
    let session = shared.sessions.fetch_add(1, Ordering::Relaxed).to_string();
    let (sender, answers) = mpsc::unbounded_channel();
    shared.streams.lock().expect("no test failed here").insert(session.clone(), sender);
    let first = format!("event: endpoint\ndata: /messages?session={session}\n\n");
    let first = stream::once(std::future::ready(first));
    let rest = stream::unfold(answers, async |mut answers| Some((answers.recv().await?, answers)));
    events(Body::from_stream(first.chain(rest).map(Ok::<_, std::convert::Infallible>)))
}

async fn deliver(
    State(shared): App,
    Query(of): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    shared.note(&headers, &message);
    if let Some(refusal) = shared.refusal(&headers) {
        return refusal;
    }
    let stream = shared.streams.lock().expect("no test failed here").get(&of["session"]).cloned();
    let Some(stream) = stream else { return StatusCode::NOT_FOUND.into_response() };
    if !message["id"].is_null() {
        let name = message["params"]["name"].as_str().unwrap_or_default();
        let before = if name == "progress" { said(&message) } else { Vec::new() };
        for line in before.into_iter().chain([shared.answer(&message)]) {
            // Nobody listening is no failure of the peer.
            let _ = stream.send(String::from_utf8(event(&line).to_vec()).expect("text"));
        }
    }
    StatusCode::ACCEPTED.into_response()
}
