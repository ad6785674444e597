//! `mcpbox call`: calls a tool of a running host over MCP and prints what it answers.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::client::{Client, Target};

/// The protocol revision that the command line speaks.
const REVISION: &str = "2026-07-28";

#[derive(Args)]
pub(super) struct Call {
    /// The tool, as MCP clients see it: SERVER__TOOL.
    name: String,
    #[command(flatten)]
    arguments: Arguments,
    /// Print the whole result as JSON.
    #[arg(long)]
    json: bool,
    /// An API key; not needed on the machine of the host.
    #[arg(long, env = "MCPBOX_API_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Call {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let arguments = self.arguments.object()?;
        let request = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": self.name,
                "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": REVISION,
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": {
                        "name": "mcpbox-cli",
                        "version": env!("CARGO_PKG_VERSION"),
                    },
                },
            },
        });
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", REVISION),
            ("mcp-method", "tools/call"),
            ("mcp-name", self.name.as_str()),
        ];
        let client = Client::new(&self.target, self.key)?;
        let (status, text) = client.send(Method::POST, "/mcp", Some(&request), &headers).await?;
        let answer: Value =
            serde_json::from_str(last_event(&text)).with_context(|| format!("the host answered {status}"))?;
        if let Some(message) = answer["error"]["message"].as_str() {
            bail!("{message}");
        }
        let result = answer.get("result").with_context(|| format!("the host answered {status} without a result"))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(result)?);
        } else {
            print_content(result);
        }
        Ok(if result["isError"] == json!(true) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// A long call is answered as an event stream, whose last event is the answer.
fn last_event(text: &str) -> &str {
    text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(text)
}

/// Texts as they are; of everything else, what it is.
fn print_content(result: &Value) {
    for piece in result["content"].as_array().into_iter().flatten() {
        match piece["type"].as_str() {
            Some("text") => println!("{}", piece["text"].as_str().unwrap_or_default()),
            Some(kind) => {
                let what = piece["mimeType"].as_str().or(piece["uri"].as_str()).unwrap_or("see --json");
                println!("[{kind}: {what}]");
            }
            None => {}
        }
    }
}
