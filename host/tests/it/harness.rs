//! A real host on a free port, with its own database, a clock that tests turn and a network that
//! tests make up; and the actors that speak to it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mcpbox::app::{App, World};
use mcpbox::clock::Clock;
use mcpbox::config::{Packaging, Place, Serving, Settings};
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::conforms;
use crate::sandbox::cache_dir;
use crate::wheels;

pub use crate::harness_admin::Admin;

pub const PASSWORD: &str = "correct horse battery";

/// What a test wants other than usual.
pub struct Wishes {
    pub limits: Limits,
    pub network: Arc<MappedNetwork>,
    pub metrics: bool,
    pub folder_roots: Vec<PathBuf>,
    /// In place of the one that all tests share.
    pub cache_dir: Option<PathBuf>,
    /// Where it listens.
    pub listen: IpAddr,
    /// The names under which it answers.
    pub names: Vec<String>,
    pub proxies: &'static str,
    pub secure_cookies: bool,
    pub legacy_sse: bool,
    pub packaging: Packaging,
}

impl Default for Wishes {
    fn default() -> Self {
        // Tests ask faster than people, and all from one address.
        let limits = Limits {
            api_requests_per_minute: 100_000,
            mcp_requests_per_minute: 100_000,
            stop_grace_s: 1,
            ..Limits::default()
        };
        let names = vec!["box.example".to_owned()];
        Self {
            limits,
            network: Arc::default(),
            metrics: true,
            folder_roots: Vec::new(),
            cache_dir: None,
            listen: Ipv4Addr::LOCALHOST.into(),
            names,
            proxies: "",
            secure_cookies: false,
            legacy_sse: false,
            packaging: wheels::nowhere(),
        }
    }
}

pub struct Host {
    app: Option<App>,
    door: Door,
    pub clock: Clock,
    settings: Settings,
    wishes: Wishes,
    /// Removed at the end.
    _folder: tempfile::TempDir,
}

impl Deref for Host {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Host {
    pub async fn start() -> Self {
        Self::with(Wishes::default()).await
    }

    pub async fn with(wishes: Wishes) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings {
            place: Place {
                data_dir: folder.path().join("data"),
                database_url: postgres_database().await,
                cache_dir: Some(wishes.cache_dir.clone().unwrap_or_else(cache_dir)),
                encryption_key: None,
            },
            serving: Serving {
                host: wishes.listen,
                port: 0,
                mcp_origins: vec!["https://claude.ai".to_owned()],
                allowed_hosts: wishes.names.clone(),
                folder_roots: wishes.folder_roots.iter().map(|root| root.display().to_string()).collect(),
                metrics: wishes.metrics,
                trusted_proxies: wishes.proxies.parse().expect("proxies"),
                secure_cookies: wishes.secure_cookies,
                legacy_sse: wishes.legacy_sse,
            },
            packaging: wishes.packaging.clone(),
            limits: wishes.limits.clone(),
            program: env!("CARGO_BIN_EXE_mcpbox").into(),
        };
        let clock = Clock::system();
        let mut host = Self { app: None, door: Door::at(String::new()), clock, settings, wishes, _folder: folder };
        host.run().await;
        host
    }

    async fn run(&mut self) {
        let world = World { clock: self.clock.clone(), network: self.wishes.network.clone() };
        let app = App::start(&self.settings, world).await.expect("the host starts");
        self.door.base = format!("http://127.0.0.1:{}", app.address().port());
        self.app = Some(app);
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().expect("the host runs")
    }

    /// The network that this host is on.
    pub fn network(&self) -> &MappedNetwork {
        &self.wishes.network
    }

    pub fn data_dir(&self) -> PathBuf {
        self.settings.place.data_dir.clone()
    }

    /// The environment that a command beside this host needs.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("MCPBOX_DATA_DIR", self.data_dir().display().to_string()),
            ("MCPBOX_CACHE_DIR", cache_dir().display().to_string()),
            ("MCPBOX_URL", self.base.clone()),
        ];
        if let Some(url) = &self.settings.place.database_url {
            variables.push(("DATABASE_URL", url.clone()));
        }
        variables
    }

    /// Stops the host in order.
    pub async fn stop(&mut self) {
        self.app.take().expect("the host runs").stop().await.expect("the database closes");
    }

    /// Stops the host and starts it again on the same data, at another port.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// Stops the host, takes its compiled code away and starts it again.
    pub async fn stop_and_forget(&mut self, cache: &Path) {
        self.stop().await;
        std::fs::remove_dir_all(cache.join("compiled")).expect("there is compiled code");
        self.run().await;
    }

    /// A second process on the same database.
    pub async fn beside(&self) -> Beside {
        let world = World { clock: self.clock.clone(), network: self.wishes.network.clone() };
        let app = App::start(&self.settings, world).await.expect("a second host starts");
        Beside { door: Door::at(format!("http://127.0.0.1:{}", app.address().port())), app }
    }

    /// A person with an account of their own; the first is made with the setup code.
    pub async fn admin(&self) -> Admin<'_> {
        let code = self.app().setup_code().expect("no administrator yet").reveal().to_owned();
        self.setup(&code).await
    }

    /// Reads one value from the database, past the host.
    pub fn read(&self, query: &str) -> String {
        statement_run(self.settings.place.database_url.as_deref(), &self.data_dir(), query)
    }

    /// Every column of the database, as `table.column`.
    pub fn columns(&self) -> BTreeSet<String> {
        let url = self.settings.place.database_url.as_deref();
        let statement = match url {
            Some(_) => {
                "SELECT string_agg(table_name || '.' || column_name, ' ') FROM information_schema.columns \
                 WHERE table_schema = current_schema()"
            }
            None => {
                "SELECT group_concat(t.name || '.' || c.name, ' ') FROM sqlite_master t \
                 JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
            }
        };
        statement_run(url, &self.data_dir(), statement).split(' ').map(str::to_owned).collect()
    }

    /// Changes the database behind the host's back; exactly one row has to be met. On a thread of its own: the
    /// host may be in the middle of a transaction on this one, and then it has to go on before anybody else writes.
    pub async fn tamper(&self, statement: &str) {
        let (url, folder, owned) = (self.settings.place.database_url.clone(), self.data_dir(), statement.to_owned());
        let done = tokio::task::spawn_blocking(move || statement_run(url.as_deref(), &folder, &owned)).await;
        assert_eq!(done.expect("it is run"), "1", "{statement}");
    }
}

/// A host beside another one, with the same data.
pub struct Beside {
    door: Door,
    app: App,
}

impl Deref for Beside {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Beside {
    pub async fn stop(self) {
        self.app.stop().await.expect("the database closes");
    }
}

/// Where a host listens, and how to speak to it.
pub struct Door {
    pub base: String,
    http: reqwest::Client,
}

impl Door {
    pub fn at(base: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { base, http: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    /// Sends a request; answers status, headers and the body as JSON (or as a text, if it is none).
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        let response = self.begin(method.clone(), path, token, headers, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        assert_eq!(conforms::fault(&method, path, status, &headers, &text), None);
        let body = serde_json::from_str(last_event(&text)).unwrap_or(Value::String(text));
        (status, headers, body)
    }

    /// Sends a request; answers when the head of the answer is there.
    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    /// Sends bytes as they are; answers as [`send`](Self::send).
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        bytes: Vec<u8>,
    ) -> (StatusCode, Value) {
        let address = format!("{}{path}", self.base);
        let mut request = self.http.request(method.clone(), address).bearer_auth(token).body(bytes);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        assert_eq!(conforms::fault(&method, path, status, &headers, &text), None);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Makes the first administrator.
    pub async fn setup(&self, code: &str) -> Admin<'_> {
        let body = json!({"username": "ada", "password": PASSWORD, "setup_code": code});
        let (status, _, answer) = self.send(Method::POST, "/auth/setup", None, &[], Some(&body)).await;
        assert!(status.is_success(), "{answer}");
        Admin { host: self, token: self.login("ada").await }
    }

    pub async fn login(&self, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD});
        let (status, _, answer) = self.send(Method::POST, "/auth/login", None, &[], Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// A model on this machine, speaking the newest revision.
    pub fn model(&self) -> Model<'_> {
        Model { host: self }
    }
}

/// The data of the last event, when the text is an event stream; otherwise the text.
fn last_event(text: &str) -> &str {
    text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(text)
}

/// A database of its own on the PostgreSQL server that `MCPBOX_TEST_DATABASE_URL` names, if any.
pub async fn postgres_database() -> Option<String> {
    let server = std::env::var("MCPBOX_TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    let name = format!("mcpbox_{}", uuid::Uuid::now_v7().simple());
    let made =
        Command::new("psql").args([&server, "-qc", &format!("CREATE DATABASE {name}")]).output().expect("psql runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut url = url::Url::parse(&server).expect("an address");
    url.set_path(&name);
    Some(url.into())
}

/// Runs a statement in a connection of its own; answers how many rows it met, or what it read.
pub fn statement_run(database_url: Option<&str>, data_dir: &Path, statement: &str) -> String {
    let mut command = match database_url {
        Some(url) => {
            let mut command = Command::new("psql");
            command.args([url, "-At", "-c", statement]);
            command
        }
        None => {
            let script = "import sqlite3, sys\n\
                          at = sqlite3.connect(sys.argv[1], timeout=30)\n\
                          done = at.execute(sys.argv[2])\n\
                          print(done.rowcount if done.description is None else done.fetchone()[0])\n\
                          at.commit()";
            let mut command = Command::new("python3");
            command.args(["-c", script]).arg(data_dir.join("mcpbox.db")).arg(statement);
            command
        }
    };
    let done = command.output().expect("the database's own client runs");
    assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).expect("a text");
    text.trim().trim_start_matches("UPDATE ").to_owned()
}

/// A call under way, as its caller hears it.
pub struct Calling {
    response: reqwest::Response,
    heard: String,
}

impl Calling {
    /// The next message; none when the stream has ended, in order or not.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.heard.split_once("\n\n") {
                let message = event.lines().find_map(|line| line.strip_prefix("data: ")).map(serde_json::from_str);
                self.heard = rest.to_owned();
                match message {
                    Some(message) => return Some(message.expect("JSON")),
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.ok()??;
            self.heard.push_str(std::str::from_utf8(&chunk).expect("a text"));
        }
    }

    /// The result of the call.
    pub async fn result(mut self) -> Value {
        loop {
            let message = self.next().await.expect("the stream ended before the answer");
            if message["id"].is_number() {
                assert!(message["result"].is_object(), "{message}");
                return message["result"].clone();
            }
        }
    }
}

/// An MCP client of the newest revision.
pub struct Model<'a> {
    host: &'a Door,
}

pub const REVISION: &str = "2026-07-28";

impl Model<'_> {
    /// Sends a request with all that the revision asks for; answers status and JSON-RPC answer.
    pub async fn request(&self, method: &str, params: Value) -> (StatusCode, Value) {
        let response = self.begin(method, params).await;
        let status = response.status();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(last_event(&text)).unwrap_or(Value::String(text)))
    }

    async fn begin(&self, method: &str, mut params: Value) -> reqwest::Response {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(REVISION);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let name = params["name"].as_str().map(str::to_owned);
        let mut headers = vec![
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", REVISION),
            ("mcp-method", method),
        ];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.host.begin(Method::POST, "/mcp", None, &headers, Some(&body)).await
    }

    /// Calls a tool that reports progress; answers when its first report is there.
    pub async fn calling(&self, tool: &str, arguments: Value) -> Calling {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "it"}});
        let mut calling = self.calling_with(params).await;
        let first = calling.next().await.expect("an event");
        assert_eq!(first["method"], json!("notifications/progress"), "{first}");
        calling
    }

    /// Begins a call and hears everything that is told during it.
    pub async fn calling_with(&self, params: Value) -> Calling {
        Calling { response: self.begin("tools/call", params).await, heard: String::new() }
    }

    /// Calls a tool; answers the whole result.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let (status, answer) = self.request("tools/call", json!({"name": tool, "arguments": arguments})).await;
        assert!(answer["result"].is_object(), "{tool}: {status} {answer}");
        answer["result"].clone()
    }

    /// Calls a tool that must succeed; answers its structured content.
    pub async fn done(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_ne!(result["isError"], json!(true), "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that must fail; answers its text.
    pub async fn failed(&self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], json!(true), "{tool}: {result}");
        result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }

    /// The names of all tools.
    pub async fn tools(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut params = json!({});
        loop {
            let (status, answer) = self.request("tools/list", params).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let listed = answer["result"]["tools"].as_array().expect("tools");
            names.extend(listed.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)));
            match answer["result"]["nextCursor"].as_str() {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return names,
            }
        }
    }

    /// Makes a server and a tool on it; answers their ids.
    pub async fn make(&self, server: &str, tool: &str, source: &str) -> (String, String) {
        let made = self.done("mcpbox_create_server", json!({"name": server})).await;
        let server_id = made["id"].as_str().expect("an id").to_owned();
        let arguments = json!({"server_id": server_id, "name": tool, "python_code": source});
        let made = self.done("mcpbox_create_tool", arguments).await;
        (server_id, made["id"].as_str().expect("an id").to_owned())
    }
}
