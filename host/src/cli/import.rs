//! `mcpbox import`: takes the servers of a file over into a running host. Nothing is approved by it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::Value;

use super::tool::{Decider, visible};

#[derive(Args)]
pub(super) struct Import {
    /// The file that `mcpbox export` wrote, or an export of the first MCPbox (1.0 to 1.2).
    file: PathBuf,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// What becomes of a server whose name is taken.
    #[arg(long, value_name = "HOW", default_value = "refuse")]
    clashes: Clashes,
    /// Leave out what cannot be taken over, instead of refusing the file.
    #[arg(long)]
    skip_broken: bool,
    /// Take the policies of the file over, too.
    #[arg(long)]
    settings: bool,
    /// The fingerprint of the other host's key, as `mcpbox export` shows it there.
    #[arg(long, value_name = "FINGERPRINT")]
    trust: Option<String>,
    #[command(flatten)]
    decider: Decider,
}

#[derive(Clone, Copy, ValueEnum)]
enum Clashes {
    /// Nothing is imported.
    Refuse,
    /// It gets a number behind its name.
    Rename,
    /// It is left out.
    Skip,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let bytes = std::fs::read(&self.file).with_context(|| format!("reading {}", self.file.display()))?;
        let path = self.path();
        let report = self.decider.with_login(async |client| client.bytes(Method::POST, &path, bytes).await).await;
        let report = report.map_err(|error| anyhow!(by_flags(&format!("{error:#}"))))?;
        print(&report);
        let refused = report["problems"].as_array().is_some_and(|problems| !problems.is_empty());
        Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn path(&self) -> String {
        let clashes = match self.clashes {
            Clashes::Refuse => "refuse",
            Clashes::Rename => "rename",
            Clashes::Skip => "skip",
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("clashes", clashes);
        query.append_pair("broken", if self.skip_broken { "skip" } else { "refuse" });
        query.append_pair("dry_run", if self.dry_run { "true" } else { "false" });
        query.append_pair("settings", if self.settings { "true" } else { "false" });
        if let Some(trust) = &self.trust {
            query.append_pair("trust", trust);
        }
        format!("/api/export/import?{}", query.finish())
    }
}

/// What the host says of parameters, as it is written here.
fn by_flags(text: &str) -> String {
    let parameters =
        [(" trust=", " --trust "), ("(clashes=rename)", "(--clashes rename)"), ("(clashes=skip)", "(--clashes skip)")];
    parameters.iter().fold(text.to_owned(), |text, (parameter, flag)| text.replace(parameter, flag))
}

/// What happened, in lines. Names come from the file: control characters are shown, not obeyed.
fn print(report: &Value) {
    let text = |value: &Value| visible(value.as_str().unwrap_or_default());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_dry = report["dry_run"] == true;
    println!("{} file, fingerprint {}", text(&report["origin"]), text(&report["fingerprint"]));
    for server in list(&report["servers"]) {
        println!("{} server {}", if is_dry { "Would import" } else { "Imported" }, text(&server["name"]));
        for tool in list(&server["tools"]) {
            println!("  tool {}  {}", text(&tool["name"]), text(&tool["approval_status"]));
        }
        for secret in list(&server["secrets"]) {
            println!("  secret {}  waits for its value", text(&secret));
        }
        for host in list(&server["hosts"]) {
            println!("  host {}  is asked for the whole server", text(&host));
        }
    }
    for setting in list(&report["settings"]) {
        println!("{} the policy {}", if is_dry { "Would take over" } else { "Took over" }, text(&setting));
    }
    for line in list(&report["left_out"]) {
        println!("Left out: {}", text(&line));
    }
    for problem in list(&report["problems"]) {
        println!("Refused: {}: {}", text(&problem["pointer"]), by_flags(&text(&problem["message"])));
    }
}
