//! `mcpbox tool pending`, `approve` and `reject`: a person decides about a tool, and about the hosts and modules
//! that it has requested, after seeing what it is about.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::requests::{self, Request};
use super::shown::{self, visible};
use crate::cli::client::{Client, Target};
use crate::cli::pages::{find_by, look_through};
use crate::cli::prompt;

/// The tools that wait for review.
const TOOLS: &str = "/api/approvals/tools";

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
    /// The tool: SERVER__TOOL, or its id; SERVER for what is asked for all tools of a server.
    tool: String,
    /// Do not ask whether the tool is meant.
    #[arg(long, short)]
    yes: bool,
    /// Approve the hosts and modules that it has requested as well, without asking about each.
    #[arg(long, requires = "yes")]
    with_requests: bool,
    #[command(flatten)]
    decider: Decider,
}

#[derive(Args)]
pub(in crate::cli) struct Rejection {
    /// The tool: SERVER__TOOL, or its id; SERVER for what is asked for all tools of a server.
    tool: String,
    /// Why, for the author.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    decider: Decider,
}

/// What waits for a person under one name.
struct Waiting {
    /// The version that waits for review.
    tool: Option<Value>,
    requests: Vec<Request>,
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
            let mut count = 0;
            let shown = |item: Value| -> Option<()> {
                count += 1;
                let version = &item["version"];
                let description = version["description"].as_str().unwrap_or_default();
                println!(
                    "{}  version {}  {}",
                    visible(item["gateway_name"].as_str().unwrap_or_default()),
                    version["number"],
                    visible(description.lines().next().unwrap_or_default())
                );
                None
            };
            look_through(client, TOOLS, shown).await?;
            let requests = requests::waiting(client, |_| true).await?;
            for request in &requests {
                println!("{}", request.line());
            }
            if count == 0 && requests.is_empty() {
                println!("No tool waits for a decision, and no host or module.");
            }
            Ok(ExitCode::SUCCESS)
        })
        .await
    }
}

impl Waiting {
    /// What waits under a name: a version, what its tool has requested, or the latter alone.
    ///
    /// # Errors
    /// When nothing does.
    async fn find(client: &Client, named: &str) -> anyhow::Result<Self> {
        let tool = find_by(client, TOOLS, |item| item["gateway_name"] == named || item["tool_id"] == named).await?;
        let id = tool.as_ref().and_then(|item| item["tool_id"].as_str()).unwrap_or(named);
        let requests = requests::waiting(client, |request| request.is_of(id)).await?;
        if tool.is_none() && requests.is_empty() {
            bail!("`{named}` does not wait for a decision; `mcpbox tool pending` lists what does");
        }
        Ok(Self { tool, requests })
    }
}

impl Decision {
    pub(super) async fn approve(self) -> anyhow::Result<ExitCode> {
        self.decider
            .with_login(async |client| {
                let Waiting { tool, requests } = Waiting::find(client, &self.tool).await?;
                if let Some(item) = &tool {
                    shown::approval(item);
                    if !self.yes && !prompt::confirmed("Approve exactly this? [y/N] ")? {
                        bail!("not approved; answer y, or give --yes");
                    }
                    let body = json!({"action": "approve", "digest": item["version"]["digest"]});
                    act(client, item, &body).await?;
                    println!("Approved {}.", visible(item["gateway_name"].as_str().unwrap_or(&self.tool)));
                }
                let left = self.decide(client, &requests).await?;
                if tool.is_none() && left.len() == requests.len() {
                    bail!("nothing was approved; answer y, or give --yes --with-requests");
                }
                tell(&left, &self.tool);
                Ok(ExitCode::SUCCESS)
            })
            .await
    }

    /// Asks about each request, or takes the person's word for all; answers those that still wait.
    async fn decide<'a>(&self, client: &Client, requests: &'a [Request]) -> anyhow::Result<Vec<&'a Request>> {
        let mut left = Vec::new();
        for request in requests {
            request.show();
            if self.with_requests || (!self.yes && prompt::confirmed(&request.question())?) {
                request.approve(client).await?;
            } else {
                left.push(request);
            }
        }
        Ok(left)
    }
}

impl Rejection {
    pub(super) async fn reject(self) -> anyhow::Result<ExitCode> {
        self.decider
            .with_login(async |client| {
                let Waiting { tool, requests } = Waiting::find(client, &self.tool).await?;
                let Some(item) = &tool else {
                    for request in &requests {
                        request.reject(client, &self.reason).await?;
                    }
                    return Ok(ExitCode::SUCCESS);
                };
                let body = json!({"action": "reject", "reason": self.reason, "digest": item["version"]["digest"]});
                act(client, item, &body).await?;
                println!("Rejected {}.", visible(item["gateway_name"].as_str().unwrap_or(&self.tool)));
                tell(&requests.iter().collect::<Vec<_>>(), &self.tool);
                Ok(ExitCode::SUCCESS)
            })
            .await
    }
}

/// Says which requests still wait, and how they are decided.
fn tell(left: &[&Request], named: &str) {
    if left.is_empty() {
        return;
    }
    let what: Vec<String> = left.iter().map(|request| request.what()).collect();
    println!("Still waits: {}. Decide it with: mcpbox tool approve {named} (or reject)", what.join(", "));
}

async fn act(client: &Client, item: &Value, body: &Value) -> anyhow::Result<()> {
    let id = item["tool_id"].as_str().context("the host gave no tool id")?;
    client.json(Method::POST, &format!("/api/approvals/tools/{id}/action"), Some(body)).await?;
    Ok(())
}
