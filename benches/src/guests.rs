//! Guests in this process, without doors, database and approval: what the sandbox alone costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::Entry;
use mcpbox::domain::digest::Digest;
use mcpbox::domain::grant::Grants;
use mcpbox::domain::modules::Imports;
use mcpbox::domain::outcome::{Outcome, Report};
use mcpbox::domain::tool::Language;
use mcpbox::egress::{Egress, EgressSettings, RealNetwork};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Listener, Program, Sandbox, SandboxSettings};
use tokio_util::sync::CancellationToken;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// # Errors
/// When this machine cannot run one.
pub fn sandbox(program: &Path, cache: &Path, limits: &Limits) -> anyhow::Result<Sandbox> {
    let settings = SandboxSettings { limits: limits.clone(), cache_dir: cache.to_owned(), program: program.to_owned() };
    let egress = Egress::new(EgressSettings::from(limits), Arc::new(RealNetwork::new()));
    Ok(Sandbox::start(settings, egress)?)
}

pub fn python(source: &str) -> Program {
    Program::Source { language: Language::Python, source: source.into(), digest: Digest::of(source.as_bytes()) }
}

pub fn javascript(source: &str) -> Program {
    Program::Source { language: Language::Javascript, source: source.into(), digest: Digest::of(source.as_bytes()) }
}

/// A component and the tool of it that is called.
#[derive(Clone)]
pub struct Component {
    pub bytes: Arc<[u8]>,
    pub tool: &'static str,
}

impl Component {
    pub fn program(&self) -> Program {
        let bytes = Arc::new(Arc::clone(&self.bytes));
        Program::Component { digest: Digest::of(&self.bytes), bytes, entry: Entry::Tool(self.tool.to_owned()) }
    }
}

/// A component of the SDK's examples, as `make guests` built it.
///
/// # Errors
/// When it is not built.
pub fn example(name: &str, tool: &'static str) -> anyhow::Result<Component> {
    let file = root().join("guest-sdk/dist").join(name).with_extension("wasm");
    let bytes = std::fs::read(&file).with_context(|| format!("{}: run `make guests`", file.display()))?;
    Ok(Component { bytes: bytes.into(), tool })
}

/// A plain component from the text of its module and the interfaces that it exports.
///
/// # Errors
/// When they do not fit together.
pub fn plain(wit: &str, wat: &str, tool: &'static str) -> anyhow::Result<Component> {
    let mut module = wat::parse_str(wat)?;
    let mut resolve = Resolve::default();
    let package = resolve.push_str("plain.wit", wit)?;
    let world = resolve.select_world(&[package], None)?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    let bytes = ComponentEncoder::default().module(&module)?.encode()?;
    Ok(Component { bytes: bytes.into(), tool })
}

/// The component of a fixture, made from its text.
///
/// # Errors
/// When the fixture is not there, or becomes no component.
pub fn fixture(name: &'static str) -> anyhow::Result<Component> {
    let root = root();
    let fixtures = root.join("components/fixtures");
    let file = fixtures.join(name).with_extension("wat");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let mut module = wat::parse_str(&text)?;
    let mut contract = Resolve::default();
    contract.push_dir(root.join("guest-sdk/wit"))?;
    let (package, _) = contract.push_dir(fixtures.join("wit"))?;
    let world = contract.select_world(&[package], Some("fixture"))?;
    wit_component::embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8, false)?;
    let bytes = ComponentEncoder::default().module(&module)?.encode()?;
    Ok(Component { bytes: bytes.into(), tool: name })
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A call of `program` without secrets and grants, which may import what every tool may.
pub fn job(program: &Program, arguments: &str, budget: Budget) -> Job {
    Job {
        program: program.clone(),
        arguments: arguments.to_owned(),
        bound: Default::default(),
        secrets: Arc::default(),
        grants: Arc::new(Grants { imports: Imports::by_default(&[], ""), ..Grants::default() }),
        budget,
        client: Arc::new(Nobody),
    }
}

/// Runs one call and answers how long it took, seen from outside.
///
/// # Errors
/// When it does not return.
pub async fn call(sandbox: &Sandbox, program: &Program) -> anyhow::Result<Duration> {
    call_with(sandbox, program, "{}").await
}

/// As [`call`], with arguments.
///
/// # Errors
/// When it does not return.
pub async fn call_with(sandbox: &Sandbox, program: &Program, arguments: &str) -> anyhow::Result<Duration> {
    timed(sandbox, job(program, arguments, Budget::new(&Limits::default(), None))).await
}

/// As [`call`], for a source that may import these.
///
/// # Errors
/// When it does not return.
pub async fn call_importing(sandbox: &Sandbox, program: &Program, imports: &Imports) -> anyhow::Result<Duration> {
    let job = job(program, "{}", Budget::new(&Limits::default(), None));
    timed(sandbox, Job { grants: Arc::new(Grants { imports: imports.clone(), ..Grants::default() }), ..job }).await
}

async fn timed(sandbox: &Sandbox, job: Job) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let report = sandbox.run(job, CancellationToken::new(), None).await?;
    let took = began.elapsed();
    match report.outcome {
        Outcome::Returned(_) => Ok(took),
        other => bail!("the guest did not return: {other:?}"),
    }
}

/// Runs one call to whatever end it comes.
///
/// # Errors
/// When the host is broken.
pub async fn run(
    sandbox: &Sandbox,
    program: &Program,
    budget: Budget,
    listener: Option<Listener>,
) -> anyhow::Result<Report> {
    Ok(sandbox.run(job(program, "{}", budget), CancellationToken::new(), listener).await?)
}
