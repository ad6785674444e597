//! Hosts and modules that tools have requested: read, shown and decided at the terminal. Nothing is decided
//! that was not shown before.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::shown::{self, visible};
use crate::cli::client::Client;
use crate::cli::pages::look_through;
use crate::domain::names::{ServerName, gateway_name};

/// What is requested.
#[derive(Clone, Copy)]
enum Kind {
    Host,
    Module,
}

impl Kind {
    /// The word of the routes.
    fn path(self) -> &'static str {
        match self {
            Self::Host => "network",
            Self::Module => "modules",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Module => "module",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Host => "reach",
            Self::Module => "import",
        }
    }
}

/// A request that waits for a person.
pub(super) struct Request {
    kind: Kind,
    id: String,
    /// The host with its port, or the module.
    what: String,
    justification: String,
    /// SERVER__TOOL, or SERVER when it is for all tools of a server.
    by: String,
    tool_id: Option<String>,
    /// What is known of the package that brings a module.
    package: Value,
}

impl Request {
    fn read(kind: Kind, item: &Value) -> Self {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let what = match kind {
            Kind::Host => match item["port"].as_u64() {
                Some(port) => format!("{}:{port}", text("host")),
                None => text("host"),
            },
            Kind::Module => text("module_name"),
        };
        Self {
            kind,
            id: text("id"),
            what,
            justification: text("justification"),
            by: asker(&text("server_name"), item["tool_name"].as_str()),
            tool_id: item["tool_id"].as_str().map(str::to_owned),
            package: item["package"].clone(),
        }
    }

    /// Whether it is the request of what a person named: SERVER__TOOL, the id of a tool, or SERVER.
    pub(super) fn is_of(&self, named: &str) -> bool {
        self.by == named || self.tool_id.as_deref() == Some(named)
    }

    /// What is requested, as a word for a line.
    pub(super) fn what(&self) -> String {
        visible(&self.what)
    }

    /// Who asks for what and why, with what is known of a package.
    pub(super) fn show(&self) {
        println!("{}", self.line());
        for line in visible(&self.justification).lines() {
            println!("  | {line}");
        }
        shown::package(&self.package);
    }

    /// Who asks for what.
    pub(super) fn line(&self) -> String {
        let for_all = if self.tool_id.is_some() { "" } else { "  for all of its tools" };
        format!("{}  asks for the {} {}{for_all}", visible(&self.by), self.kind.noun(), self.what())
    }

    /// What a person is asked about it.
    pub(super) fn question(&self) -> String {
        let who = if self.tool_id.is_some() { "it" } else { "all of them" };
        format!("Let {who} {} {}? [y/N] ", self.kind.verb(), self.what())
    }

    pub(super) async fn approve(&self, client: &Client) -> anyhow::Result<()> {
        self.act(client, &json!({"action": "approve"})).await?;
        let more = if self.package.is_object() { "; its package is installed in the background" } else { "" };
        println!("{} may {} {}{more}.", visible(&self.by), self.kind.verb(), self.what());
        Ok(())
    }

    pub(super) async fn reject(&self, client: &Client, reason: &str) -> anyhow::Result<()> {
        self.act(client, &json!({"action": "reject", "reason": reason})).await?;
        println!("{} may not {} {}.", visible(&self.by), self.kind.verb(), self.what());
        Ok(())
    }

    async fn act(&self, client: &Client, body: &Value) -> anyhow::Result<()> {
        let path = format!("/api/approvals/{}/{}/action", self.kind.path(), self.id);
        let done = client.json(Method::POST, &path, Some(body)).await;
        done.map(drop).with_context(|| format!("the {} {}", self.kind.noun(), self.what()))
    }
}

/// The name by which a person says what a request belongs to.
fn asker(server: &str, tool: Option<&str>) -> String {
    match (tool, server.parse::<ServerName>()) {
        (None, _) => server.to_owned(),
        (Some(tool), Ok(server)) => gateway_name(&server, tool),
        (Some(tool), Err(_)) => format!("{server}__{tool}"),
    }
}

/// The waiting requests that fit, hosts before modules, the oldest of each first.
///
/// # Errors
/// When the host does not answer.
pub(super) async fn waiting(client: &Client, fits: impl Fn(&Request) -> bool) -> anyhow::Result<Vec<Request>> {
    let mut found = Vec::new();
    for kind in [Kind::Host, Kind::Module] {
        let path = format!("/api/approvals/{}?status=pending", kind.path());
        let take = |item: Value| -> Option<()> {
            found.push(Request::read(kind, &item));
            None
        };
        look_through(client, &path, take).await?;
    }
    found.retain(fits);
    Ok(found)
}
