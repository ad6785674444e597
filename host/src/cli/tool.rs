//! `mcpbox tool`: runs a source in the sandbox for its author, and lets a person decide.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::client::{Client, Target};
use super::prompt;
use crate::config::{self, Place};
use crate::domain::budget::Budget;
use crate::domain::content::Content;
use crate::domain::digest::Digest;
use crate::domain::grant::{Grants, HostGrant};
use crate::domain::outcome::{GuestEvent, Outcome, Report};
use crate::domain::secret::{SecretValue, Secrets};
use crate::domain::tool::Language;
use crate::egress::{Egress, EgressSettings, RealNetwork};
use crate::sandbox::{Job, Program, Sandbox, SandboxSettings};

#[derive(Subcommand)]
pub(super) enum ToolCommand {
    /// Run a source in the sandbox, without a host or a database.
    Run(Run),
    /// List the tools that wait for a decision.
    Pending(Decider),
    /// Approve a tool, after showing what it is.
    Approve(Decision),
    /// Reject a tool, with a reason for its author.
    Reject(Rejection),
}

#[derive(Args)]
pub(super) struct Run {
    /// The source, with `main`: .py, .js, .mjs or .ts.
    file: PathBuf,
    /// The arguments, a JSON object.
    #[arg(long, default_value = "{}")]
    args: String,
    /// A host that the tool may reach: HOST or HOST:PORT. Can be given several times.
    #[arg(long = "allow-host", value_name = "HOST")]
    hosts: Vec<HostGrant>,
    /// An environment variable that the tool gets as the secret of the same name. Can be given several times.
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    /// The time limit.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Print what the call used.
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    place: Place,
}

/// Who decides, and at which host.
#[derive(Args)]
pub(super) struct Decider {
    /// The administrator's name; asked for when it is not given.
    #[arg(long, short, env = "MCPBOX_USERNAME")]
    username: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(super) struct Decision {
    /// The tool: SERVER__TOOL, or its id.
    tool: String,
    /// Do not ask whether it is meant.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    decider: Decider,
}

#[derive(Args)]
pub(super) struct Rejection {
    /// The tool: SERVER__TOOL, or its id.
    tool: String,
    /// Why, for the author.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    decider: Decider,
}

impl ToolCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) => run.run().await,
            Self::Pending(decider) => decider.pending().await,
            Self::Approve(decision) => decision.approve().await,
            Self::Reject(rejection) => rejection.reject().await,
        }
    }
}

impl Run {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let limits = config::limits()?;
        let arguments: Value = serde_json::from_str(&self.args).context("--args is not JSON")?;
        if !arguments.is_object() {
            bail!("--args must be a JSON object, such as {{\"city\": \"Oslo\"}}");
        }
        let source = read_source(&self.file, limits.source_bytes)?;
        let network = Arc::new(RealNetwork::new());
        let settings = SandboxSettings {
            limits: limits.clone(),
            cache_dir: self.place.cache()?,
            program: std::env::current_exe().context("finding this executable")?,
        };
        let sandbox = Sandbox::start(settings, Egress::new(EgressSettings::from(&limits), network))?;
        let language = language_of(&self.file)?;
        prepare(&sandbox, language).await?;
        let job = Job {
            program: Program::Source { language, digest: Digest::of(source.as_bytes()), source: source.into() },
            arguments: arguments.to_string(),
            secrets: Arc::new(self.secrets()?),
            grants: Arc::new(Grants { hosts: self.hosts.clone(), ..Grants::default() }),
            budget: Budget::new(&limits, self.timeout_ms.map(Duration::from_millis)),
        };
        let cancel = CancellationToken::new();
        let running = sandbox.run(job, cancel.clone(), Some(Arc::new(tell)));
        tokio::pin!(running);
        let report = tokio::select! {
            report = &mut running => report,
            _ = tokio::signal::ctrl_c() => {
                cancel.cancel();
                running.await
            }
        }?;
        print_report(&report, self.stats);
        Ok(if report.outcome.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn secrets(&self) -> anyhow::Result<Secrets> {
        self.secrets
            .iter()
            .map(|name| {
                let value = config::secret_variable(name)
                    .with_context(|| format!("the environment variable {name} is not set"))?;
                Ok((name.clone(), SecretValue::new(value)))
            })
            .collect()
    }
}

/// Reads a source, never more of it than may be.
fn read_source(file: &Path, source_bytes: u64) -> anyhow::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let opened = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    opened.take(source_bytes + 1).read_to_string(&mut text).with_context(|| file.display().to_string())?;
    if text.len() as u64 > source_bytes {
        bail!("{} has more than {source_bytes} bytes", file.display());
    }
    Ok(text)
}

/// The language of a source, by the end of its name.
fn language_of(file: &Path) -> anyhow::Result<Language> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("py") => Ok(Language::Python),
        Some("js" | "mjs" | "ts" | "mts") => Ok(Language::Javascript),
        _ => bail!("{}: the name must end in .py, .js, .mjs or .ts", file.display()),
    }
}

/// Opens the interpreter and says so when it has to be compiled first.
async fn prepare(sandbox: &Sandbox, language: Language) -> anyhow::Result<()> {
    let mut compilations = sandbox.compilations();
    let preparing = sandbox.prepare(language);
    tokio::pin!(preparing);
    loop {
        tokio::select! {
            result = &mut preparing => return Ok(result?),
            Ok(()) = compilations.changed() => {
                if compilations.borrow_and_update().iter().any(|compilation| compilation.running) {
                    let name = language.name();
                    eprintln!("Compiling the {name} runner for this processor (once, at most a minute) ...");
                }
            }
        }
    }
}

/// What the guest says while it runs.
fn tell(event: GuestEvent) {
    match event {
        GuestEvent::Log(line) => eprintln!("[{:?}] {}", line.level, line.message),
        GuestEvent::Progress(report) => {
            let total = report.total.map(|total| format!(" of {total}")).unwrap_or_default();
            eprintln!("[progress] {}{total} {}", report.progress, report.message.unwrap_or_default());
        }
    }
}

/// The result on standard output, everything else on standard error.
fn print_report(report: &Report, stats: bool) {
    for captured in [&report.stdout, &report.stderr] {
        if !captured.text.is_empty() {
            eprintln!("{}", captured.text.trim_end());
        }
        if captured.dropped_bytes > 0 {
            eprintln!("[{} more bytes were printed]", captured.dropped_bytes);
        }
    }
    match &report.outcome {
        Outcome::Returned(result) => {
            for piece in &result.content {
                match piece {
                    Content::Text { text, .. } => println!("{text}"),
                    other => println!("{}", serde_json::to_string(other).unwrap_or_default()),
                }
            }
        }
        Outcome::Raised(exception) => {
            eprintln!("{}", exception.traceback.trim_end());
            eprintln!("mcpbox: {}", exception.headline());
        }
        Outcome::InvalidArguments { message } | Outcome::Trapped { message } => eprintln!("mcpbox: {message}"),
        Outcome::Stopped(bound) => eprintln!("mcpbox: stopped: the limit on {} was reached", bound.as_str()),
        Outcome::Cancelled => eprintln!("mcpbox: cancelled"),
    }
    if stats {
        let usage = &report.usage;
        eprintln!(
            "[{:.2} ms, {} fuel, {} bytes of memory at most, {} HTTP requests]",
            usage.duration.as_secs_f64() * 1e3,
            usage.fuel,
            usage.peak_memory_bytes,
            usage.http_requests
        );
    }
}

impl Decider {
    /// Logs in; the token is given back when the work is done, whether it succeeded or not.
    async fn with_login<T>(&self, work: impl AsyncFnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
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

    async fn pending(&self) -> anyhow::Result<ExitCode> {
        self.with_login(async |client| {
            let page = client.json(Method::GET, "/api/approvals/tools", None).await?;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            if items.is_empty() {
                println!("No tool waits for a decision.");
            }
            for item in &items {
                let version = &item["version"];
                let description = version["description"].as_str().unwrap_or_default();
                println!(
                    "{}  version {}  {}",
                    item["gateway_name"].as_str().unwrap_or_default(),
                    version["number"],
                    visible(description.lines().next().unwrap_or_default())
                );
            }
            Ok(ExitCode::SUCCESS)
        })
        .await
    }
}

/// The waiting version of a tool, by gateway name or id.
async fn find_pending(client: &Client, tool: &str) -> anyhow::Result<Value> {
    let page = client.json(Method::GET, "/api/approvals/tools?page_size=100", None).await?;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let found = items.into_iter().find(|item| item["gateway_name"] == tool || item["tool_id"] == tool);
    found.with_context(|| format!("`{tool}` does not wait for a decision; `mcpbox tool pending` lists those that do"))
}

impl Decision {
    async fn approve(self) -> anyhow::Result<ExitCode> {
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
    async fn reject(self) -> anyhow::Result<ExitCode> {
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

/// Everything that the approval covers. Control characters of the source are shown, not obeyed: they
/// could rewrite what the terminal shows.
fn show(item: &Value) {
    let version = &item["version"];
    let text = |key: &str| visible(version[key].as_str().unwrap_or_default());
    let list = |value: &Value| match value {
        Value::Array(values) if !values.is_empty() => {
            visible(&values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => "none".to_owned(),
    };
    println!("{}  version {}", visible(item["gateway_name"].as_str().unwrap_or_default()), version["number"]);
    println!("{}\n", text("description"));
    if item["live"].is_object() {
        println!("Replaces version {}, which answers until then.", item["live"]["number"]);
    }
    println!("Asks for hosts: {}", list(&version["hosts"]));
    println!("Open to its whole server: {}", list(&item["server_hosts"]));
    println!("Asks for modules: {}", list(&version["modules"]));
    println!("Arguments: {}", visible(&version["input_schema"].to_string()));
    println!("Digest: {}\n", text("digest"));
    println!("{}\n", text("code"));
}

fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() || is_direction(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Characters that turn the direction of text around (CVE-2021-42574).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\n");
    }
}
