//! The processes that are measured: the product itself and what stands beside it. Each listens on a
//! port of its own, tells it in its first line, and ends with this program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::client::{Asked, Client};

/// The revision of MCP in which the calls are made.
const REVISION: &str = "2026-07-28";
const PASSWORD: &str = "correct horse battery";
/// How long a process may take to say where it is.
const START: Duration = Duration::from_secs(60);

/// A process that listens.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the order to start to the first line.
    pub started_in: Duration,
    /// What it prints.
    _output: TempDir,
}

impl Server {
    /// Starts a process whose first line is its address, with `input` as its standard input.
    ///
    /// # Errors
    /// When it does not start, or does not say where it is.
    pub async fn start(command: &mut Command, input: Bytes) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let output = folder.path().join("output");
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(&output)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {:?}", command.as_std().get_program()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&input).await?;
        }
        loop {
            let said = std::fs::read_to_string(&output)?;
            if let Some((line, _)) = said.split_once('\n') {
                let started_in = began.elapsed();
                let address = line.strip_prefix("http://").context("the first line is no address")?.parse()?;
                return Ok(Self { child, address, started_in, _output: folder });
            }
            if let Some(status) = child.try_wait()? {
                bail!("{:?} ended at once: {status}", command.as_std().get_program());
            }
            if began.elapsed() > START {
                bail!("{:?} does not say where it is", command.as_std().get_program());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// Ends the process in order.
    ///
    /// # Errors
    /// When it does not end by itself.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid()?.try_into()?).context("no process has this id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        tokio::time::timeout(START, self.child.wait()).await.context("stopping")??;
        Ok(())
    }
}

/// A tool as it is given to the product.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    Code { language: &'static str, source: &'a str },
    Component(&'a [u8]),
}

impl<'a> Given<'a> {
    pub fn python(source: &'a str) -> Self {
        Self::Code { language: "python", source }
    }

    pub fn javascript(source: &'a str) -> Self {
        Self::Code { language: "javascript", source }
    }
}

/// An installation of the product.
pub struct Installation {
    data: TempDir,
    program: PathBuf,
    cache: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Installation {
    /// `settings` are environment variables beside those that say where it is.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new(program: &Path, cache: &Path, settings: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Ok(Self { data: TempDir::new()?, program: program.to_owned(), cache: cache.to_owned(), settings })
    }

    /// Starts the host.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn serve(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .env("MCPBOX_DATA_DIR", self.data.path().join("data"))
            .env("MCPBOX_CACHE_DIR", &self.cache)
            .env("MCPBOX_BACKEND_PORT", "0")
            // One address asks for everything here, and faster than people do.
            .env("MCPBOX_MCP_REQUESTS_PER_MINUTE", "1000000")
            .env("RATE_LIMIT_REQUESTS_PER_MINUTE", "1000000")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        Server::start(&mut command, Bytes::new()).await
    }

    /// Where its database is, unless the settings name another.
    pub fn database_file(&self) -> PathBuf {
        self.data.path().join("data/mcpbox.db")
    }

    /// Makes the administrator.
    ///
    /// # Errors
    /// When there is one.
    pub async fn set_up(&self, client: &mut Client) -> anyhow::Result<()> {
        let code = std::fs::read_to_string(self.data.path().join("data/setup-code"))?;
        let body = json!({"username": "ada", "password": PASSWORD, "setup_code": code.trim()});
        client.done(&Asked::post("/auth/setup", &body, "")).await?;
        Ok(())
    }

    /// Makes the administrator, and one server `bench` with these tools, which a person approves.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn publish(&self, host: &Server, tools: &[(&str, Given<'_>)]) -> anyhow::Result<()> {
        let mut client = Client::connect(host.address).await?;
        self.set_up(&mut client).await?;
        let token = log_in(&mut client).await?;
        offer(&mut client, &token, "bench", tools).await
    }
}

/// Makes a server with these tools and has a person, who has this access token, approve them.
///
/// # Errors
/// When the host refuses.
pub async fn offer(client: &mut Client, token: &str, server: &str, tools: &[(&str, Given<'_>)]) -> anyhow::Result<()> {
    let made = manage(client, "mcpbox_create_server", json!({"name": server})).await?;
    let server = made["id"].clone();
    let bearer = format!("Bearer {token}");
    for (name, given) in tools {
        let made = match given {
            Given::Code { language, source } => {
                let arguments = json!({"server_id": server, "name": name, "code": source, "language": language});
                manage(client, "mcpbox_create_tool", arguments).await?
            }
            Given::Component(bytes) => {
                let server = server.as_str().context("no id")?;
                let path = format!("/api/servers/{server}/components?name={name}");
                let upload = Asked::bytes(&path, "application/wasm", bytes).header("authorization", &bearer)?;
                serde_json::from_slice(&client.done(&upload).await?)?
            }
        };
        let id = made["id"].as_str().context("no id")?;
        let path = format!("/api/approvals/tools/{id}/action");
        let approve = Asked::post(&path, &json!({"action": "approve"}), "");
        client.done(&approve.header("authorization", &bearer)?).await?;
    }
    Ok(())
}

/// An access token of the administrator.
///
/// # Errors
/// When the host gives none.
pub async fn log_in(client: &mut Client) -> anyhow::Result<String> {
    let body = json!({"username": "ada", "password": PASSWORD});
    let answer: Value = serde_json::from_slice(&client.done(&Asked::post("/auth/login", &body, "")).await?)?;
    Ok(answer["access_token"].as_str().context("no token")?.to_owned())
}

async fn manage(client: &mut Client, tool: &str, arguments: Value) -> anyhow::Result<Value> {
    let answer: Value = serde_json::from_slice(&client.done(&call(tool, arguments)?).await?)?;
    Ok(answer["result"]["structuredContent"].clone())
}

/// The request that calls a tool.
///
/// # Errors
/// When the name cannot stand in a header.
pub fn call(tool: &str, arguments: Value) -> anyhow::Result<Asked> {
    let params = json!({"name": tool, "arguments": arguments});
    ask("tools/call", params, r#""isError":false"#)?.header("mcp-name", tool)
}

/// The request for the first page of the tools.
///
/// # Errors
/// None: what stands in its headers may.
pub fn list() -> anyhow::Result<Asked> {
    ask("tools/list", json!({}), r#""tools":["#)
}

fn ask(method: &str, mut params: Value, expect: &'static str) -> anyhow::Result<Asked> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Asked::post("/mcp", &body, expect)
        .header("accept", "application/json, text/event-stream")?
        .header("mcp-protocol-version", REVISION)?
        .header("mcp-method", method)
}

/// One value of the host's metrics; zero when it has not been counted yet.
///
/// # Errors
/// When the host does not answer.
pub async fn metric(client: &mut Client, name: &str) -> anyhow::Result<f64> {
    let answer = client.done(&Asked::get("/metrics", "")).await?;
    Ok(value(std::str::from_utf8(&answer)?, name))
}

/// The value behind `name`, with its labels, in Prometheus's text format.
pub fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP a b\na_total{x=\"y\"} 7\na_total_more 8\na 2.5\n";
        assert_eq!(value(text, "a"), 2.5);
        assert_eq!(value(text, "a_total{x=\"y\"}"), 7.0);
        assert_eq!(value(text, "b"), 0.0);
    }
}
