//! Guests in this process, without doors, database and approval: what the sandbox alone costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::digest::Digest;
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

/// The component of a fixture, made from its text.
///
/// # Errors
/// When the fixture is not there, or becomes no component.
pub fn fixture(name: &str) -> anyhow::Result<Program> {
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
    Ok(Program::Component {
        digest: Digest::of(&bytes),
        bytes: Arc::new(Arc::<[u8]>::from(bytes)),
        tool: name.to_owned(),
    })
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A call of `program` without arguments, secrets and grants.
pub fn job(program: &Program, budget: Budget) -> Job {
    Job {
        program: program.clone(),
        arguments: "{}".to_owned(),
        secrets: Arc::default(),
        grants: Arc::default(),
        budget,
    }
}

/// Runs one call and answers how long it took, seen from outside.
///
/// # Errors
/// When it does not return.
pub async fn call(sandbox: &Sandbox, program: &Program) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let report = run(sandbox, program, Budget::new(&Limits::default(), None), None).await?;
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
    Ok(sandbox.run(job(program, budget), CancellationToken::new(), listener).await?)
}
