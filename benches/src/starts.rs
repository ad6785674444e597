//! What is paid before a call: compiling the interpreter, opening it, starting the host, and the
//! steps of a call that finds no spare.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcpbox::domain::modules::Imports;
use mcpbox::domain::tool::Language;
use mcpbox::limits::Limits;
use serde_json::json;
use tempfile::TempDir;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::client::Client;
use crate::page::Table;
use crate::process::{self, Given, Installation};
use crate::samples::{Samples, millis, number};
use crate::{Bench, baseline, guests, packages, proc};

/// # Errors
/// When anything that is measured fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    Ok(vec![once(bench).await?, steps(bench).await?])
}

/// What is done once on a machine, or once at each start.
async fn once(bench: &Bench) -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    if !bench.quick {
        bench.say("starts: compiling the Python runner");
        let folder = TempDir::new()?;
        let cpu = proc::own_cpu()?.children;
        let sandbox = guests::sandbox(&bench.program, folder.path(), &Limits::default())?;
        let began = Instant::now();
        sandbox.prepare(Language::Python).await?;
        let took = began.elapsed();
        let cpu = proc::own_cpu()?.children.saturating_sub(cpu);
        let what = format!("compile the Python runner, once on a machine ({} s of CPU)", number(cpu.as_secs_f64()));
        rows.push(vec![what, "1".to_owned(), millis(took), "–".to_owned()]);
    }
    let (mut pools, mut opens) = (Samples::default(), Samples::default());
    let (mut lines, mut answers) = (Samples::default(), Samples::default());
    let (_, source) = baseline::tool("noop")?;
    let installation = Installation::new(&bench.program, &bench.cache, &[])?;
    let host = installation.serve().await?;
    installation.publish(&host, &[("noop", Given::python(&source))]).await?;
    host.stop().await?;
    for round in 1..=bench.rounds(10) {
        bench.say(&format!("starts: round {round}"));
        let began = Instant::now();
        let sandbox = guests::sandbox(&bench.program, &bench.cache, &Limits::default())?;
        pools.push(began.elapsed());
        let began = Instant::now();
        sandbox.prepare(Language::Python).await?;
        opens.push(began.elapsed());
        drop(sandbox);
        let began = Instant::now();
        let host = installation.serve().await?;
        lines.push(host.started_in);
        Client::connect(host.address).await?.done(&process::call("bench__noop", json!({}))?).await?;
        answers.push(began.elapsed());
        host.stop().await?;
    }
    for (what, samples) in [
        ("make the engine and its pool", &pools),
        ("open the compiled Python runner", &opens),
        ("start the executable, until it says where it is", &lines),
        ("start the executable, until a first call is answered", &answers),
    ] {
        let [p50, p95, _] = samples.cells();
        rows.push(vec![what.to_owned(), samples.len().to_string(), p50, p95]);
    }
    Ok(Table::new("Starting", &["what", "times", "p50 ms", "p95 ms"], rows))
}

/// The steps of guests, as the sandbox logs them at `debug`.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<(String, Duration)>>>);

#[derive(Default)]
struct Seen {
    step: Option<String>,
    duration_us: Option<u64>,
}

impl Visit for Seen {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "step" {
            self.step = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "duration_us" {
            self.duration_us = Some(value);
        }
    }
}

impl<S: Subscriber> Layer<S> for Steps {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("mcpbox::sandbox")
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        if let Seen { step: Some(step), duration_us: Some(us) } = seen {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((step, Duration::from_micros(us)));
        }
    }
}

/// A call that makes its own instance, step by step.
async fn steps(bench: &Bench) -> anyhow::Result<Table> {
    let seen = Steps::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(seen.clone()))?;
    let limits = Limits { spares_per_tool: 0, ..Limits::default() };
    let sandbox = guests::sandbox(&bench.program, &bench.cache, &limits)?;
    let mut rows = Vec::new();
    let (_folder, bundle) = packages::set(&sandbox).await?;
    let plain = Imports::by_default(&[], "");
    for (what, source, imports) in [
        ("no-op", baseline::tool("noop")?.1, &plain),
        ("async no-op", "async def main():\n    return 1\n".to_owned(), &plain),
        ("typical", baseline::tool("typical")?.1, &plain),
        ("a package of 20 modules", packages::TOOL.to_owned(), &bundle),
    ] {
        let program = guests::python(&source);
        // Once unseen: it also compiles the source.
        guests::call_importing(&sandbox, &program, imports).await?;
        seen.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut whole = Samples::default();
        for _ in 0..bench.shorten(400) {
            whole.push(guests::call_importing(&sandbox, &program, imports).await?);
        }
        let all = std::mem::take(&mut *seen.0.lock().unwrap_or_else(PoisonError::into_inner));
        for step in ["instantiate", "load", "call"] {
            let mut samples = Samples::default();
            all.iter().filter(|(name, _)| name == step).for_each(|(_, took)| samples.push(*took));
            rows.push(row(&format!("{what}: {step}"), &samples));
        }
        rows.push(row(&format!("{what}: all, with store, report and drop"), &whole));
    }
    Ok(Table::new(
        "A call that finds no spare, in the sandbox alone",
        &["step", "times", "p50 ms", "p95 ms", "p99 ms"],
        rows,
    ))
}

fn row(what: &str, samples: &Samples) -> Vec<String> {
    let [p50, p95, p99] = samples.cells();
    vec![what.to_owned(), samples.len().to_string(), p50, p95, p99]
}
