//! `mcpbox tool run`: runs a tool for its author, a source or a component, in the sandbox of this machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::inspect::{inspected, read};
use crate::cli::arguments::Arguments;
use crate::config::{self, Place};
use crate::domain::budget::Budget;
use crate::domain::client::Nobody;
use crate::domain::component::Entry;
use crate::domain::content::Content;
use crate::domain::digest::Digest;
use crate::domain::grant::{FolderAccess, FolderGrant, Grants, HostGrant};
use crate::domain::modules::Imports;
use crate::domain::outcome::{GuestEvent, Outcome, Report};
use crate::domain::secret::{SecretValue, Secrets};
use crate::domain::tool::Language;
use crate::egress::{Egress, EgressSettings, RealNetwork};
use crate::limits::Limits;
use crate::sandbox::{Job, Program, Sandbox, SandboxSettings};
use crate::service::Error;
use crate::service::arguments::Held;

#[derive(Args)]
pub(in crate::cli) struct Run {
    /// The tool: Python (.py), JavaScript (.js, .mjs) or TypeScript (.ts) with `main`, or a component (.wasm).
    file: PathBuf,
    #[command(flatten)]
    arguments: Arguments,
    /// Which tool of a component; its only one by default.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// A host that the tool may reach: HOST or HOST:PORT. Can be given several times.
    #[arg(long = "allow-host", value_name = "HOST")]
    hosts: Vec<HostGrant>,
    /// A module of the standard library that a Python source may import beside the usual ones. Can be given several times.
    #[arg(long = "allow-module", value_name = "MODULE")]
    modules: Vec<String>,
    /// A folder that a component may use: HOST::GUEST, and `:rw` behind it to write. Can be given several times.
    #[arg(long = "dir", value_name = "HOST::GUEST[:rw]")]
    folders: Vec<Folder>,
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

/// What an author is told about a module outside the list.
const IMPORT_ADVICE: &str = "here, allow it with --allow-module {module}; on a host, ask for it with \
                             mcpbox_request_module (module_name \"{module}\")";

/// A folder as the author writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    host: PathBuf,
    guest: String,
    access: FolderAccess,
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "give HOST::GUEST or HOST::GUEST:rw, such as ./tables::/data";
        let (host, guest) = text.split_once("::").ok_or(wanted)?;
        let (guest, access) = match guest.strip_suffix(":rw") {
            Some(guest) => (guest, FolderAccess::ReadWrite),
            None => (guest, FolderAccess::ReadOnly),
        };
        if host.is_empty() || !guest.starts_with('/') {
            return Err(wanted.to_owned());
        }
        Ok(Self { host: host.into(), guest: guest.to_owned(), access })
    }
}

/// What a file holds, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Source(Language),
    Component,
}

/// # Errors
/// When a name ends in what nothing is known about.
pub(super) fn form(file: &Path) -> anyhow::Result<Form> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("py") => Ok(Form::Source(Language::Python)),
        Some("js" | "mjs" | "ts" | "mts") => Ok(Form::Source(Language::Javascript)),
        Some("wasm") => Ok(Form::Component),
        _ => bail!("{}: the name must end in .py, .js, .mjs, .ts or .wasm", file.display()),
    }
}

impl Run {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let limits = config::limits()?;
        let arguments = Value::Object(self.arguments.object()?);
        let form = form(&self.file)?;
        if form != Form::Component && (self.tool.is_some() || !self.folders.is_empty()) {
            bail!("--tool and --dir are for components; a source is one tool, and has no files");
        }
        let sandbox = sandbox(&limits, &self.place)?;
        let found = match form {
            Form::Source(language) => source(&sandbox, &self.file, language, &limits).await?,
            Form::Component => Ok(component(&sandbox, &self.file, self.tool.as_deref(), &limits).await?),
        };
        let Tool { program, name, held } = match found {
            Ok(tool) => tool,
            Err(outcome) => {
                print_outcome(&outcome);
                return Ok(ExitCode::FAILURE);
            }
        };
        let arguments = arguments.to_string();
        held.arguments_checked(&name, &arguments, &limits).map_err(|error| match error {
            Error::Invalid { .. } => anyhow!("the arguments do not fit: {error}"),
            other => anyhow!(other),
        })?;
        let job = Job {
            program,
            arguments,
            secrets: Arc::new(self.secrets()?),
            bound: Arc::default(),
            grants: Arc::new(Grants {
                hosts: self.hosts.clone(),
                folders: self.folders()?,
                imports: Imports::by_default(&self.modules, IMPORT_ADVICE),
            }),
            budget: Budget::new(&limits, self.timeout_ms.map(Duration::from_millis)),
            client: Arc::new(Nobody),
        };
        let cancel = CancellationToken::new();
        let running = while_compiling(&sandbox, sandbox.run(job, cancel.clone(), Some(Arc::new(tell))));
        tokio::pin!(running);
        let report = tokio::select! {
            report = &mut running => report,
            _ = tokio::signal::ctrl_c() => {
                cancel.cancel();
                running.await
            }
        }?;
        let report = held.result_checked(report, &limits);
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

    fn folders(&self) -> anyhow::Result<Vec<FolderGrant>> {
        let each = self.folders.iter().map(|Folder { host, guest, access }| {
            let found = std::fs::canonicalize(host).with_context(|| host.display().to_string())?;
            if !found.is_dir() {
                bail!("{} is no folder", host.display());
            }
            Ok(FolderGrant { host: found, guest: guest.clone(), access: *access })
        });
        each.collect()
    }
}

/// A sandbox of this process.
pub(super) fn sandbox(limits: &Limits, place: &Place) -> anyhow::Result<Sandbox> {
    let settings = SandboxSettings {
        limits: limits.clone(),
        cache_dir: place.cache()?,
        program: std::env::current_exe().context("finding this executable")?,
    };
    let egress = Egress::new(EgressSettings::from(limits), Arc::new(RealNetwork::new()));
    Ok(Sandbox::start(settings, egress)?)
}

/// What is run, and what its arguments and its result are held to, as on a host.
struct Tool {
    program: Program,
    name: String,
    held: Held,
}

/// The inner error is the author's: how the source fails to be a tool.
async fn source(
    sandbox: &Sandbox,
    file: &Path,
    language: Language,
    limits: &Limits,
) -> anyhow::Result<Result<Tool, Outcome>> {
    let source: Arc<str> = source_text(file, limits)?.into();
    let described = while_compiling(sandbox, sandbox.describe(language, Arc::clone(&source))).await?;
    Ok(described.map(|found| Tool {
        program: Program::Source { language, digest: Digest::of(source.as_bytes()), source },
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        held: Held::read(&found.input_schema, found.output_schema.as_deref()),
    }))
}

/// Reads a source, never more of it than may be.
pub(super) fn source_text(file: &Path, limits: &Limits) -> anyhow::Result<String> {
    let text = String::from_utf8(read(file, limits.source_bytes)?);
    text.with_context(|| format!("{} is not UTF-8", file.display()))
}

async fn component(sandbox: &Sandbox, file: &Path, tool: Option<&str>, limits: &Limits) -> anyhow::Result<Tool> {
    let bytes: Arc<[u8]> = read(file, limits.component_bytes)?.into();
    let digest = Digest::of(&bytes);
    let tools = inspected(sandbox, &bytes, digest).await?.tools;
    let names = || tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen = match (tool, tools.as_slice()) {
        (None, [only]) => only,
        (None, []) => bail!("the component has no tools"),
        (None, _) => bail!("say which tool to run with --tool: {}", names()),
        (Some(name), _) => tools
            .iter()
            .find(|tool| tool.name == name)
            .with_context(|| format!("the component has no tool `{name}`; it has: {}", names()))?,
    };
    let entry = Entry::Tool(chosen.name.clone());
    Ok(Tool {
        program: Program::Component { bytes: Arc::new(Arc::clone(&bytes)), digest, entry },
        name: chosen.name.clone(),
        held: Held::read(&chosen.input_schema, chosen.output_schema.as_deref()),
    })
}

/// Waits for work of the sandbox, and says so when something has to be compiled for it.
pub(super) async fn while_compiling<T>(sandbox: &Sandbox, work: impl Future<Output = T>) -> T {
    let mut compilations = sandbox.compilations();
    let mut said = false;
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            Ok(()) = compilations.changed() => {
                let size = compilations.borrow_and_update().iter().find(|one| one.running).map(|one| one.size_bytes);
                if let Some(size) = size.filter(|_| !said) {
                    said = true;
                    eprintln!("Compiling {} KiB of WebAssembly for this processor (once) ...", size.div_ceil(1024));
                }
            }
        }
    }
}

/// What the guest says while it runs.
fn tell(event: GuestEvent) {
    match event {
        GuestEvent::ListChanged(listing) => eprintln!("[changed] {listing:?}"),
        GuestEvent::ResourceUpdated(uri) => eprintln!("[changed] {uri}"),
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
    print_outcome(&report.outcome);
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

fn print_outcome(outcome: &Outcome) {
    match outcome {
        Outcome::Returned(result) | Outcome::ReturnedError(result) => {
            for piece in &result.content {
                match piece {
                    Content::Text { text, .. } => println!("{text}"),
                    other => println!("{}", serde_json::to_string(other).unwrap_or_default()),
                }
            }
        }
        Outcome::Answered(answer) => println!("{}", answer.get()),
        Outcome::InputRequired { questions } => {
            let asked: Vec<&str> = questions.iter().map(|question| question.method.as_str()).collect();
            eprintln!("mcpbox: the tool asks for {}, and there is nobody here to ask", asked.join(", "));
        }
        Outcome::MissingAbilities { missing } => {
            eprintln!("mcpbox: the tool needs an MCP client that can do {}", missing.names().join(", "));
        }
        Outcome::ResourceNotFound { uri } => eprintln!("mcpbox: there is no resource `{uri}`"),
        Outcome::Raised(exception) => {
            eprintln!("{}", exception.traceback.trim_end());
            eprintln!("mcpbox: {}", exception.headline());
        }
        Outcome::InvalidArguments { message }
        | Outcome::InvalidResult { message }
        | Outcome::Trapped { message }
        | Outcome::SourceFailed { message } => {
            eprintln!("mcpbox: {message}")
        }
        Outcome::Stopped(bound) => eprintln!("mcpbox: stopped: the limit on {} was reached", bound.as_str()),
        Outcome::Cancelled => eprintln!("mcpbox: cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_as_two_paths_and_a_word() {
        let folder = |host: &str, guest: &str, access| Folder { host: host.into(), guest: guest.into(), access };
        for (text, expected) in [
            ("./in::/data", Some(folder("./in", "/data", FolderAccess::ReadOnly))),
            ("/a b::/data:rw", Some(folder("/a b", "/data", FolderAccess::ReadWrite))),
            ("/a", None),
            ("::/data", None),
            ("/a::data", None),
        ] {
            assert_eq!(text.parse::<Folder>().ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_what_its_name_ends_in() {
        let named = |name: &str| form(Path::new(name)).ok();
        assert_eq!(named("a.py"), Some(Form::Source(Language::Python)));
        for name in ["a.js", "a.mjs", "a.ts", "a.mts"] {
            assert_eq!(named(name), Some(Form::Source(Language::Javascript)));
        }
        assert_eq!((named("a.wasm"), named("a.txt"), named("a")), (Some(Form::Component), None, None));
    }
}
