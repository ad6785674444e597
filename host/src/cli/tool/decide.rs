//! `mcpbox tool pending`, `approve` and `reject`: a person decides, after seeing what it is about.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::shown::{self, list, visible};
use crate::cli::client::{Client, Target};
use crate::cli::pages::{find_by, look_through};
use crate::cli::prompt;

/// The tools that wait for review.
const WAITING: &str = "/api/approvals/tools";

/// Who decides, and at which host.
#[derive(Args)]
pub(in crate::cli) struct Decider {
    /// The administrator's name; asked for when it is not given.
    #[arg(long, short, env = "MCPBOX_USERNAME")]
    username: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(in crate::cli) struct Decision {
    /// The tool: SERVER__TOOL, or its id.
    tool: String,
    /// Do not ask whether it is meant.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    decider: Decider,
}

#[derive(Args)]
pub(in crate::cli) struct Rejection {
    /// The tool: SERVER__TOOL, or its id.
    tool: String,
    /// Why, for the author.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    decider: Decider,
}

impl Decider {
    /// Logs in; the token is given back when the work is done, whether it succeeded or not.
    pub(in crate::cli) async fn with_login<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let username = match &self.username {
            Some(username) => username.clone(),
            None => prompt::line("Administrator: ")?,
        };
        let password = prompt::password(&format!("Password of {username}: "))?;
        let client = Client::new(&self.target, None)?.login(&username, &password).await?;
        let result = work(&client).await;
        client.logout().await;
        result
    }

    pub(super) async fn pending(&self) -> anyhow::Result<ExitCode> {
        self.with_login(async |client| {
            let mut is_none = true;
            let shown = |item: Value| -> Option<()> {
                is_none = false;
                let version = &item["version"];
                let description = version["description"].as_str().unwrap_or_default();
                println!(
                    "{}  version {}  {}",
                    item["gateway_name"].as_str().unwrap_or_default(),
                    version["number"],
                    visible(description.lines().next().unwrap_or_default())
                );
                None
            };
            look_through(client, WAITING, shown).await?;
            if is_none {
                println!("No tool waits for a decision.");
            }
            Ok(ExitCode::SUCCESS)
        })
        .await
    }
}

/// The waiting version of a tool, by gateway name or id.
async fn find_pending(client: &Client, tool: &str) -> anyhow::Result<Value> {
    let found = find_by(client, WAITING, |item| item["gateway_name"] == tool || item["tool_id"] == tool).await?;
    found.with_context(|| format!("`{tool}` does not wait for a decision; `mcpbox tool pending` lists those that do"))
}

impl Decision {
    pub(super) async fn approve(self) -> anyhow::Result<ExitCode> {
        self.decider
            .with_login(async |client| {
                let item = find_pending(client, &self.tool).await?;
                show(&item);
                if !self.yes && !prompt::confirmed("Approve exactly this? [y/N] ")? {
                    bail!("not approved; answer y, or give --yes");
                }
                let body = json!({"action": "approve", "digest": item["version"]["digest"]});
                act(client, &item, &body).await?;
                println!("Approved {}.", item["gateway_name"].as_str().unwrap_or(&self.tool));
                Ok(ExitCode::SUCCESS)
            })
            .await
    }
}

impl Rejection {
    pub(super) async fn reject(self) -> anyhow::Result<ExitCode> {
        self.decider
            .with_login(async |client| {
                let item = find_pending(client, &self.tool).await?;
                let body = json!({"action": "reject", "reason": self.reason, "digest": item["version"]["digest"]});
                act(client, &item, &body).await?;
                println!("Rejected {}.", item["gateway_name"].as_str().unwrap_or(&self.tool));
                Ok(ExitCode::SUCCESS)
            })
            .await
    }
}

async fn act(client: &Client, item: &Value, body: &Value) -> anyhow::Result<()> {
    let id = item["tool_id"].as_str().context("the host gave no tool id")?;
    client.json(Method::POST, &format!("/api/approvals/tools/{id}/action"), Some(body)).await?;
    Ok(())
}

/// Everything that the approval covers: a source in full, or what a component exports and could use.
/// Control characters are shown, not obeyed: they
/// could rewrite what the terminal shows.
fn show(item: &Value) {
    let version = &item["version"];
    let text = |key: &str| visible(version[key].as_str().unwrap_or_default());
    println!("{}  version {}", visible(item["gateway_name"].as_str().unwrap_or_default()), version["number"]);
    println!("{}\n", text("description"));
    if item["live"].is_object() {
        println!("Replaces version {}, which answers until then.", item["live"]["number"]);
    }
    println!("Asks for hosts: {}", list(&version["hosts"]));
    println!("Open to its whole server: {}", list(&item["server_hosts"]));
    println!("Asks for modules: {}", list(&version["modules"]));
    for folder in item["folders"].as_array().into_iter().flatten() {
        let word = |key: &str| visible(folder[key].as_str().unwrap_or_default());
        println!("May use the folder: {} as {} ({})", word("host_path"), word("guest_path"), word("access"));
    }
    if version["kind"] == "component" {
        shown::component(version);
        println!("Digest: {}\n", text("digest"));
    } else {
        println!("Arguments: {}", visible(&version["input_schema"].to_string()));
        shown::quarantine("", version);
        println!("Digest: {}\n", text("digest"));
        println!("{}\n", text("code"));
    }
}
