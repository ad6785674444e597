//! Memory of instances that wait and of calls that sleep, up to 200: each number in a process of its
//! own, so that one measurement leaves nothing to the next.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::outcome::GuestEvent;
use mcpbox::limits::Limits;
use mcpbox::sandbox::Listener;
use mcpbox::telemetry::Telemetry;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::page::Table;
use crate::proc::{self, Memory};
use crate::samples::number;
use crate::{Bench, baseline, guests, process};

/// The part of this program that measures once.
pub const PART: &str = "memory";

/// Spares of one tool, at most; the limit's own maximum.
const SPARES_PER_TOOL: usize = 64;
/// How long instances may take to be there.
const READY: Duration = Duration::from_secs(120);

/// # Errors
/// When a process fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let few: &[usize] = if bench.quick { &[1, 10] } else { &[1, 10, 50, 100, 200] };
    let many: &[usize] = if bench.quick { &[1, 10] } else { &[1, 10, 100, 1_000] };
    let mut rows = Vec::new();
    for (kind, what, counts) in [
        ("spares", "prepared instances that wait", few),
        ("calls", "Python calls that sleep in `asyncio.sleep`", few),
        ("javascript", "JavaScript calls that wait for a timer", many),
        ("compiled", "compiled calls that sleep", many),
    ] {
        let none = measure(bench, kind, 0).await?;
        rows.push(row(what, 0, none, none));
        for count in counts {
            bench.say(&format!("memory: {count} {kind}"));
            rows.push(row(what, *count, measure(bench, kind, *count).await?, none));
        }
    }
    let heads = ["what", "how many", "resident MB", "private MB", "private MB for each"];
    Ok(vec![Table::new("Memory of one process", &heads, rows)])
}

fn row(what: &str, count: usize, found: Memory, none: Memory) -> Vec<String> {
    let each = found.private_dirty.saturating_sub(none.private_dirty) as f64 / count.max(1) as f64;
    let each = if count == 0 { "–".to_owned() } else { megabytes(each) };
    let [resident, private] = [found.resident, found.private_dirty].map(|bytes| megabytes(bytes as f64));
    vec![what.to_owned(), count.to_string(), resident, private, each]
}

fn megabytes(bytes: f64) -> String {
    number(bytes / 1e6)
}

async fn measure(bench: &Bench, kind: &str, count: usize) -> anyhow::Result<Memory> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(PART).args(["--kind", kind, "--count", &count.to_string()]);
    command.arg("--program").arg(&bench.program).arg("--cache").arg(&bench.cache);
    let output = command.output().await?;
    ensure!(output.status.success(), "measuring memory: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let (resident, private_dirty) = said.trim().split_once(' ').context("two numbers")?;
    Ok(Memory { resident: resident.parse()?, private_dirty: private_dirty.parse()? })
}

/// Makes `count` instances of a kind, and prints the memory of this process in bytes: resident,
/// private.
///
/// # Errors
/// When they do not come to be.
pub async fn part(program: &Path, cache: &Path, kind: &str, count: usize) -> anyhow::Result<()> {
    let telemetry = Telemetry::install();
    let spares = if kind == "spares" { count } else { 0 };
    let limits = Limits {
        spares_total: spares as u64,
        spares_per_tool: spares.min(SPARES_PER_TOOL) as u64,
        calls_at_once: 220.max(count as u64 + 20),
        ..Limits::default()
    };
    let sandbox = guests::sandbox(program, cache, &limits)?;
    let (_, noop) = baseline::tool("noop")?;
    let mut running = JoinSet::new();
    match kind {
        "spares" => {
            for number in 0..count.div_ceil(SPARES_PER_TOOL).max(1) {
                guests::call(&sandbox, &guests::python(&format!("# {number}\n{noop}"))).await?;
            }
            let began = Instant::now();
            while process::value(&telemetry.render(), "mcpbox_spares_ready") < count as f64 {
                ensure!(began.elapsed() < READY, "{count} spares are not ready");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        "calls" | "javascript" => {
            let program = match kind {
                "calls" => guests::python(&baseline::tool("sleep")?.1),
                _ => guests::javascript(&baseline::source("sleep.js")?.1),
            };
            let warm = match kind {
                "calls" => guests::python(&noop),
                _ => guests::javascript(&baseline::source("noop.js")?.1),
            };
            guests::call(&sandbox, &warm).await?;
            let (asleep, mut sleepers) = mpsc::unbounded_channel();
            for _ in 0..count {
                let (sandbox, program, asleep) = (sandbox.clone(), program.clone(), asleep.clone());
                running.spawn(async move {
                    let listener: Listener = Arc::new(move |event| {
                        if let GuestEvent::Log(_) = event {
                            let _ = asleep.send(());
                        }
                    });
                    let budget = Budget { time: READY * 2, ..Budget::new(&Limits::default(), None) };
                    guests::run(&sandbox, &program, budget, Some(listener)).await
                });
            }
            for _ in 0..count {
                tokio::time::timeout(READY, sleepers.recv()).await.context("a call does not fall asleep")?;
            }
        }
        "compiled" => {
            guests::call(&sandbox, &guests::fixture("noop")?.program()).await?;
            let program = guests::fixture("sleep")?.program();
            for _ in 0..count {
                let (sandbox, program) = (sandbox.clone(), program.clone());
                let budget = Budget { time: READY * 2, ..Budget::new(&Limits::default(), None) };
                running.spawn(async move { guests::run(&sandbox, &program, budget, None).await });
            }
            // It says nothing before it sleeps; a second is far more than all of them need.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        _ => bail!("there is no kind `{kind}`"),
    }
    // What the last one was doing comes to its end.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let Memory { resident, private_dirty } = proc::own_memory()?;
    println!("{resident} {private_dirty}");
    running.abort_all();
    Ok(())
}
