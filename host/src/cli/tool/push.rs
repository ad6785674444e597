//! `mcpbox tool push`: brings a source or a component to a host, as a new tool or as a new version of one, and
//! asks for its review.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::decide::Decider;
use super::inspect::read;
use super::run::{Form, form, source_text};
use super::shown::{self, visible};
use crate::cli::client::Client;
use crate::cli::pages::find_by;
use crate::config;
use crate::domain::tool::Language;
use crate::service::components::looks_like_one;

#[derive(Args)]
pub(in crate::cli) struct Push {
    /// The tool: Python (.py), JavaScript (.js, .mjs) or TypeScript (.ts) with `main`, or a component.
    file: PathBuf,
    /// The server that it belongs to.
    #[arg(long, value_name = "NAME")]
    server: String,
    /// The name of the tool; that of the file by default.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is, for the person who approves it; of a source, what its comment says by default.
    #[arg(long)]
    description: Option<String>,
    /// The time limit of its calls.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Leave it a draft: do not ask for its review.
    #[arg(long)]
    draft: bool,
    #[command(flatten)]
    decider: Decider,
}

/// What is brought.
enum Content {
    Source(Language, String),
    Component(Vec<u8>),
}

impl Push {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let content = self.content()?;
        let name = self.tool_name()?;
        self.decider
            .with_login(async |client| {
                let server = server_id(client, &self.server).await?;
                let known = known(client, &server, &name).await?;
                let tool = match content {
                    Content::Source(language, code) => {
                        self.send(client, &server, known.as_ref(), &name, language, code).await?
                    }
                    Content::Component(bytes) => self.upload(client, &server, known.is_some(), &name, bytes).await?,
                };
                let status = self.submitted(client, &tool).await?;
                self.print(&tool, &name, &status);
                Ok(ExitCode::SUCCESS)
            })
            .await
    }

    fn content(&self) -> anyhow::Result<Content> {
        let limits = config::limits()?;
        if let Ok(Form::Source(language)) = form(&self.file) {
            return Ok(Content::Source(language, source_text(&self.file, &limits)?));
        }
        let bytes = read(&self.file, limits.component_bytes)?;
        if let Err(why) = looks_like_one(&bytes) {
            bail!("{}: {why}; the name of a source ends in .py, .js, .mjs, .ts or .mts", self.file.display());
        }
        Ok(Content::Component(bytes))
    }

    /// The name that was given, or the file's in the letters that a name may have.
    fn tool_name(&self) -> anyhow::Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let stem = self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let name = stem.to_ascii_lowercase().replace(['-', '.', ' '], "_");
        name.parse::<crate::domain::names::ToolName>().context("the file's name is no name for a tool; give --name")?;
        Ok(name)
    }

    /// Sends a source, and says whether it made a version.
    async fn send(
        &self,
        client: &Client,
        server: &str,
        known: Option<&Value>,
        name: &str,
        language: Language,
        code: String,
    ) -> anyhow::Result<Value> {
        eprintln!("Sending {} bytes ...", code.len());
        // An empty description is that of the source.
        let description = self.description.as_deref().unwrap_or_default();
        let mut body = json!({"code": code, "language": language, "description": description});
        if let Some(timeout_ms) = self.timeout_ms {
            body["timeout_ms"] = timeout_ms.into();
        }
        let Some(known) = known else {
            body["name"] = name.into();
            return client.json(Method::POST, &format!("/api/servers/{server}/tools"), Some(&body)).await;
        };
        let id = known["id"].as_str().context("the host gave no tool id")?;
        let mut tool = client.json(Method::PATCH, &format!("/api/tools/{id}"), Some(&body)).await?;
        tool["changed"] = (tool["current_version"] != known["current_version"]).into();
        Ok(tool)
    }

    async fn upload(
        &self,
        client: &Client,
        server: &str,
        exists: bool,
        name: &str,
        bytes: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(description) = &self.description {
            query.append_pair("description", description);
        }
        if let Some(timeout_ms) = self.timeout_ms {
            query.append_pair("timeout_ms", &timeout_ms.to_string());
        }
        let (method, path) = if exists {
            (Method::PUT, format!("/api/servers/{server}/components/{name}"))
        } else {
            query.append_pair("name", name);
            (Method::POST, format!("/api/servers/{server}/components"))
        };
        let path = format!("{path}?{}", query.finish());
        eprintln!("Sending {} bytes ...", bytes.len());
        let size_bytes = bytes.len();
        client.upload(method, &path, bytes, |step| tell(step, size_bytes)).await
    }

    /// Asks for review of a draft; answers where the newest version stands.
    async fn submitted(&self, client: &Client, tool: &Value) -> anyhow::Result<String> {
        let status = tool["approval_status"].as_str().unwrap_or_default().to_owned();
        if self.draft || !matches!(status.as_str(), "draft" | "rejected") {
            return Ok(status);
        }
        let id = tool["id"].as_str().context("the host gave no tool id")?;
        let path = format!("/api/approvals/tools/{id}/action");
        let answer = client.json(Method::POST, &path, Some(&json!({"action": "submit"}))).await?;
        Ok(answer["approval_status"].as_str().unwrap_or_default().to_owned())
    }

    fn print(&self, tool: &Value, name: &str, status: &str) {
        let text = |key: &str| visible(tool[key].as_str().unwrap_or_default());
        if tool["kind"] == "component" {
            shown::component(tool);
            println!("Digest of the component: {}", text("component_digest"));
        } else {
            shown::source(tool);
        }
        println!("Digest: {}", text("digest"));
        if tool["changed"] == json!(false) {
            println!("Nothing has changed since version {}.", tool["current_version"]);
        } else {
            println!("Version {} of {}.", tool["current_version"], text("gateway_name"));
        }
        println!(
            "{}",
            match status {
                "pending_review" => {
                    format!("It waits for a person: mcpbox tool approve {}__{name}", self.server)
                }
                "approved" => "It is approved.".to_owned(),
                _ => "It is a draft; push it again without --draft to ask for its review.".to_owned(),
            }
        );
    }
}

/// One step of the upload, on standard error.
fn tell(step: &Value, size_bytes: usize) {
    match step["step"].as_str() {
        Some("received") => eprintln!("  {} of {size_bytes} bytes have arrived", step["size_bytes"]),
        Some("queued") => eprintln!("  it waits until another component is compiled"),
        Some("compiling") => eprintln!("  it is compiled"),
        Some("inspected") => eprintln!("  it has {} tools", step["tools"]),
        Some("stored") => eprintln!("  it is stored"),
        _ => {}
    }
}

/// The id of a server by its name.
pub(in crate::cli) async fn server_id(client: &Client, name: &str) -> anyhow::Result<String> {
    let found = find(client, "/api/servers", name).await?;
    let found = found.with_context(|| format!("there is no server `{name}`"))?;
    Ok(found["id"].as_str().context("the host gave no server id")?.to_owned())
}

/// The tool of a name, if the server has it.
async fn known(client: &Client, server: &str, name: &str) -> anyhow::Result<Option<Value>> {
    let path = format!("/api/servers/{server}/tools");
    // A tool whose new name waits for approval is still known by the old one.
    find_by(client, &path, |item| item["name"] == name || ends_with_name(item, name)).await
}

fn ends_with_name(item: &Value, name: &str) -> bool {
    item["gateway_name"].as_str().is_some_and(|full| full.split_once("__").is_some_and(|(_, own)| own == name))
}

async fn find(client: &Client, path: &str, name: &str) -> anyhow::Result<Option<Value>> {
    find_by(client, path, |item| item["name"] == name).await
}
