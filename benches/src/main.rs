//! The benchmarks of MCPbox: the product beside its baselines, all in one run, by turns. What counts
//! are the ratios of one run; the absolute numbers are those of one noisy machine.

#![allow(unreachable_pub, reason = "a binary has no outside; `pub` says what its other files may use")]

mod baseline;
mod calls;
mod client;
mod concurrency;
mod conversion;
mod fuel;
mod gateway;
mod guests;
mod memory;
mod metering;
mod neighbours;
mod packages;
mod page;
mod proc;
mod process;
mod samples;
mod starts;
mod statistics;
mod threads;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use self::baseline::Python;
use self::page::Table;

/// Measures MCPbox beside its baselines and prints a table.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// The `mcpbox` executable.
    #[arg(long, env = "MCPBOX_BIN")]
    program: Option<PathBuf>,
    /// Folder for compiled code.
    #[arg(long, env = "MCPBOX_BENCH_CACHE", default_value = "/tmp/mcpbox-benches")]
    cache: PathBuf,
    /// A short run that shows that everything works; its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// A PostgreSQL server, on which a database may be made and dropped.
    #[arg(long, env = "MCPBOX_TEST_DATABASE_URL")]
    postgres: Option<String>,
    /// Measure these only; nothing is written then, whatever `--write` says.
    #[arg(long, value_enum)]
    only: Vec<Topic>,
    /// Put the tables into benches/README.md.
    #[arg(long)]
    write: bool,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Topic {
    Calls,
    Gateway,
    Threads,
    Neighbours,
    Memory,
    Fuel,
    Metering,
    Concurrency,
    Conversion,
    Starts,
    Statistics,
}

/// Parts that run in a process of their own; this program starts them for itself.
#[derive(Subcommand)]
enum Part {
    #[command(name = baseline::BARE, hide = true)]
    Bare,
    #[command(name = gateway::RMCP, hide = true)]
    Rmcp,
    #[command(name = memory::PART, hide = true)]
    Memory {
        #[arg(long)]
        kind: String,
        #[arg(long)]
        count: usize,
        #[arg(long)]
        program: PathBuf,
        #[arg(long)]
        cache: PathBuf,
    },
}

/// What all measurements need.
pub struct Bench {
    pub program: PathBuf,
    pub cache: PathBuf,
    pub python: Python,
    pub quick: bool,
    pub postgres: Option<String>,
}

impl Bench {
    /// How many rounds, of so many in a long run.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.quick { 1 } else { rounds }
    }

    /// How many of something, of so many in a long run; a multiple of 16 stays one.
    pub fn shorten(&self, count: usize) -> usize {
        if self.quick { (count / 10).next_multiple_of(16).min(count) } else { count }
    }

    pub fn say(&self, text: &str) {
        eprintln!("{text} ...");
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Bare) => return baseline::serve_bare().await,
        Some(Part::Rmcp) => return gateway::serve_rmcp().await,
        Some(Part::Memory { kind, count, program, cache }) => {
            return memory::part(&program, &cache, &kind, count).await;
        }
        None => {}
    }
    let program = cli.program.context("give --program, or run `make bench`")?;
    let python = Python::find().await?;
    let bench = Bench { program, cache: cli.cache, python, quick: cli.quick, postgres: cli.postgres };
    let mut tables = Vec::new();
    for topic in Topic::value_variants() {
        if !cli.only.is_empty() && !cli.only.contains(topic) {
            continue;
        }
        tables.extend(match topic {
            Topic::Calls => calls::run(&bench).await?,
            Topic::Gateway => vec![gateway::run(&bench).await?],
            Topic::Threads => vec![threads::run(&bench).await?],
            Topic::Neighbours => neighbours::run(&bench).await?,
            Topic::Memory => memory::run(&bench).await?,
            Topic::Fuel => fuel::run(&bench).await?,
            Topic::Metering => vec![metering::run(&bench).await?],
            Topic::Concurrency => vec![concurrency::run(&bench).await?],
            Topic::Conversion => vec![conversion::run(&bench).await?],
            Topic::Starts => starts::run(&bench).await?,
            Topic::Statistics => statistics::run(&bench).await?,
        });
    }
    let text = format!("{}\n\n{}", machine(&bench).await?, join(&tables));
    println!("{text}");
    if cli.write && cli.only.is_empty() {
        page::write(&baseline::folder().join("README.md"), &text)?;
    }
    Ok(())
}

fn join(tables: &[Table]) -> String {
    tables.iter().map(Table::markdown).collect::<Vec<_>>().join("\n")
}

/// When, where and of what.
async fn machine(bench: &Bench) -> anyhow::Result<String> {
    let date = said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).await?;
    let kernel = said("uname", &["-sr"]).await?;
    let rustc = said("rustc", &["--version"]).await?;
    let product = said(&bench.program.display().to_string(), &["--version"]).await?;
    let cpus = std::thread::available_parallelism()?;
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let lock = std::fs::read_to_string(guests::root().join("Cargo.lock"))?;
    let wasmtime = locked(&lock, "wasmtime").unwrap_or("unknown");
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    Ok(format!(
        "{date}; {cpus} × {}; {kernel}; {product}, {rustc}, wasmtime {wasmtime}, Python {}; load {load}{}.",
        model.unwrap_or("unknown processor"),
        bench.python.version,
        if bench.quick { "; a short run" } else { "" },
    ))
}

/// The version of a package in the lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    rest.split('"').next()
}

async fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(Path::new(program)).args(arguments).output().await;
    let output = output.with_context(|| format!("running {program}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
