//! An MCP client that shows what is on the wire: status, headers, each event as it comes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::harness::{Admin, Door, Host, REVISION};

/// Longer than anything here takes on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Answers at once with what it was given.
pub const ECHO: &str = "def main(text: str = '') -> dict:\n    return {'text': text}\n";
/// Says where it is while it works.
pub const TALKS: &str = "def main() -> str:\n    for step in (0, 50, 50, 100):\n        progress(step, 100)\n        \
                         log.info(f'at {step}')\n    log.debug('done')\n    return 'done'\n";
/// Ends only when it is stopped.
pub const WAITS: &str = "import asyncio\n\nasync def main():\n    await asyncio.sleep(300)\n";
/// Takes longer than a connection that breaks at once.
pub const LINGERS: &str =
    "import asyncio\n\nasync def main() -> str:\n    await asyncio.sleep(1.2)\n    return 'done'\n";
pub const FAILS: &str = "def main():\n    raise ValueError('no luck')\n";

/// Makes a server `s` with a tool of each name; answers the tools' ids.
pub async fn offer(host: &Host, admin: &Admin<'_>, tools: &[(&str, &str)]) -> Vec<String> {
    let model = host.model();
    let server = model.done("mcpbox_create_server", json!({"name": "s"})).await;
    let mut ids = Vec::new();
    for (name, source) in tools {
        let arguments = json!({"server_id": server["id"], "name": name, "python_code": source});
        let tool = model.done("mcpbox_create_tool", arguments).await;
        let id = tool["id"].as_str().expect("an id").to_owned();
        admin.approve(&id).await;
        ids.push(id);
    }
    ids
}

/// Waits until a call of the tool has left its row; answers how the last one ended.
pub async fn outcome_of_last_call(host: &Host, tool: &str) -> String {
    let model = host.model();
    let found = async {
        loop {
            let logs = model.done("mcpbox_get_tool_logs", json!({"tool_id": tool, "limit": 1})).await;
            if let Some(outcome) = logs["logs"][0]["outcome"].as_str() {
                return outcome.to_owned();
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the call leaves a row")
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
}

/// Speaks raw HTTP to one host, each request over a connection of its own.
pub struct Client {
    address: String,
    path: String,
    connections: TaskTracker,
}

impl Client {
    pub fn of(door: &Door) -> Self {
        let address = door.base.trim_start_matches("http://").to_owned();
        Self { address, path: "/mcp".to_owned(), connections: TaskTracker::new() }
    }

    /// The same client at another address of the host.
    pub fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Sends bytes under these headers, and `Host: localhost` when they name none.
    pub async fn send(&self, method: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let stream = tokio::net::TcpStream::connect(&self.address).await.expect("the host listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        self.connections.spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(&self.path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let (parts, body) = answer.expect("an answer in time").expect("an answer").into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Posts a message as a client does that reads both JSON and streams.
    pub async fn post(&self, headers: &[(&str, &str)], message: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend_from_slice(headers);
        self.send("POST", &all, message.to_string()).await
    }

    /// A request of the modern era with all that it must have; `headers` add to that.
    pub async fn modern(&self, headers: &[(&str, &str)], method: &str, params: Value) -> Answer {
        let params = modern_params(params);
        let name = params["name"].as_str().map(str::to_owned);
        let mut all = vec![("mcp-protocol-version", REVISION), ("mcp-method", method)];
        all.extend(name.as_deref().map(|name| ("mcp-name", name)));
        all.extend_from_slice(headers);
        self.post(&all, &request(1, method, &params)).await
    }

    /// Opens a session of this version; answers its id and the result.
    pub async fn open(&self, version: &str) -> (String, Value) {
        let answer = self.post(&[], &initialize(version)).await;
        assert_eq!(answer.status, 200, "{version}");
        let session = answer.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        let result = answer.json().await["result"].clone();
        let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&[("mcp-session-id", &session)], &said).await.status, 202);
        (session, result)
    }

    /// A request within a session.
    pub async fn ask(&self, session: &str, method: &str, params: Value) -> Answer {
        self.post(&[("mcp-session-id", session)], &request(7, method, &params)).await
    }

    /// Opens the stream of a session.
    pub async fn listen(&self, session: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("accept", "text/event-stream"), ("mcp-session-id", session)];
        all.extend_from_slice(headers);
        self.send("GET", &all, "").await
    }
}

impl Answer {
    /// Everything until the end.
    pub async fn text(self) -> String {
        let whole = tokio::time::timeout(PATIENCE, self.body.collect()).await.expect("an end");
        String::from_utf8(whole.expect("a whole body").to_bytes().to_vec()).expect("text")
    }

    pub async fn json(self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// Status and JSON-RPC error code; 0 for none.
    pub async fn code(self) -> (u16, i64) {
        let status = self.status;
        (status, self.json().await["error"]["code"].as_i64().unwrap_or(0))
    }

    /// The result of a request that must succeed.
    pub async fn result(self) -> Value {
        let answer = self.json().await;
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// Whatever comes next in one piece: an event or a comment. None: the stream has ended.
    pub async fn piece(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("a piece in time")?;
        let data = frame.expect("no break").into_data().expect("data");
        Some(String::from_utf8(data.to_vec()).expect("text"))
    }

    /// The next event, past comments.
    pub async fn event(&mut self) -> Option<String> {
        let mut event = self.piece().await?;
        while event.starts_with(':') {
            event = self.piece().await?;
        }
        // A long one comes in several pieces.
        while !event.ends_with("\n\n") {
            event.push_str(&self.piece().await.expect("an event has an end"));
        }
        Some(event)
    }

    /// The messages of a stream that ends.
    pub async fn messages(self) -> Vec<Value> {
        assert_eq!(self.headers["content-type"], "text/event-stream");
        let text = self.text().await;
        // An event that only carries an id has none.
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
        data.map(|message| serde_json::from_str(message).expect("JSON")).collect()
    }
}

pub fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub fn initialize(version: &str) -> Value {
    let client = json!({"name": "test", "version": "1"});
    request(0, "initialize", &json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client}))
}

/// Adds the `_meta` that each modern request carries, where it is not there yet.
pub fn modern_params(mut params: Value) -> Value {
    for (member, value) in [(VERSION, json!(REVISION)), (CAPABILITIES, json!({}))] {
        if params["_meta"].get(member).is_none() {
            params["_meta"][member] = value;
        }
    }
    params
}
