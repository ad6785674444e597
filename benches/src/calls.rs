//! A tool that does nothing, called in every way: in the sandbox alone, through the product's door,
//! and as its baselines do it. All ways take turns, so that what else the machine does hits all alike.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcpbox::limits::Limits;
use mcpbox::sandbox::{Program, Sandbox};
use mcpbox::telemetry::Telemetry;
use serde_json::json;

use crate::Bench;
use crate::baseline::{self, Python};
use crate::client::{Asked, Client, load};
use crate::page::Table;
use crate::process::{self, Given, Installation, Server};
use crate::samples::{Samples, number};
use crate::{guests, proc};

/// Between two calls of a client that does not hurry: enough for a spare to be made.
const PAUSE: Duration = Duration::from_millis(25);
/// After a batch, so that what it leaves to do is counted with it.
const SETTLE: Duration = Duration::from_millis(60);

/// The metrics that tell whether a call found an instance that was prepared for it.
const HIT: &str = "mcpbox_spares_taken_total{result=\"hit\"}";
const MISS: &str = "mcpbox_spares_taken_total{result=\"miss\"}";

/// How a call is made.
enum Way {
    Sandbox { sandbox: Sandbox, program: Program, pause: Duration },
    Http { address: SocketAddr, pid: u32, asked: Asked, clients: usize, pause: Duration },
    Processes { python: Python, tool: PathBuf, at_once: usize },
}

/// One way and what was measured of it.
struct Series {
    name: &'static str,
    way: Way,
    /// In one round.
    calls: usize,
    samples: Samples,
    /// Without pauses.
    busy: Option<Duration>,
    cpu: Duration,
    /// Calls that looked for a spare, and those that found one.
    looked: f64,
    found: f64,
}

impl Series {
    fn new(name: &'static str, calls: usize, way: Way) -> Self {
        let busy = match &way {
            Way::Sandbox { pause, .. } | Way::Http { pause, .. } if !pause.is_zero() => None,
            _ => Some(Duration::ZERO),
        };
        let (samples, cpu) = (Samples::default(), Duration::ZERO);
        Self { name, way, calls, samples, busy, cpu, looked: 0.0, found: 0.0 }
    }

    async fn round(&mut self, calls: usize) -> anyhow::Result<()> {
        let (cpu, spares) = (self.cpu().await?, self.spares().await?);
        let began = Instant::now();
        let (samples, wall) = match &self.way {
            Way::Sandbox { sandbox, program, pause } => {
                let mut samples = Samples::default();
                for _ in 0..calls {
                    if !pause.is_zero() {
                        tokio::time::sleep(*pause).await;
                    }
                    samples.push(guests::call(sandbox, program).await?);
                }
                (samples, began.elapsed())
            }
            Way::Http { address, asked, clients, pause, .. } => {
                let load = load(*address, asked, *clients, calls, *pause).await?;
                (load.samples, load.wall)
            }
            Way::Processes { python, tool, at_once } => python.processes(tool, *at_once, calls).await?,
        };
        self.samples.append(samples);
        if let Some(busy) = &mut self.busy {
            *busy += wall;
        }
        tokio::time::sleep(SETTLE).await;
        self.cpu += self.cpu().await?.saturating_sub(cpu);
        let (looked, found) = self.spares().await?;
        self.looked += looked - spares.0;
        self.found += found - spares.1;
        Ok(())
    }

    /// CPU time so far of the process that does the work.
    async fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(match &self.way {
            Way::Sandbox { .. } => proc::own_cpu()?.own,
            Way::Http { pid, .. } => proc::cpu(*pid)?.own,
            Way::Processes { .. } => proc::own_cpu()?.children,
        })
    }

    async fn spares(&self) -> anyhow::Result<(f64, f64)> {
        let text = match &self.way {
            Way::Sandbox { .. } => Telemetry::install().render(),
            Way::Http { address, asked, .. } if asked.path == "/mcp" => {
                let (_, body) = Client::connect(*address).await?.send(&Asked::get("/metrics", "")).await?;
                String::from_utf8(body.to_vec())?
            }
            _ => String::new(),
        };
        let (hits, misses) = (process::value(&text, HIT), process::value(&text, MISS));
        Ok((hits + misses, hits))
    }

    fn row(&self, floor: Duration) -> Vec<String> {
        let [p50, p95, p99] = self.samples.cells();
        let ratio = self.samples.percentile(50).as_secs_f64() / floor.as_secs_f64().max(1e-9);
        let count = self.samples.len().max(1);
        let rate = self.busy.map(|busy| number(count as f64 / busy.as_secs_f64().max(1e-9)));
        let cpu = number(self.cpu.as_secs_f64() * 1e3 / count as f64);
        let share = (self.looked > 0.0).then(|| format!("{:.0} %", self.found / self.looked * 100.0));
        let none = || "–".to_owned();
        let (rate, share) = (rate.unwrap_or_else(none), share.unwrap_or_else(none));
        vec![self.name.to_owned(), count.to_string(), p50, p95, p99, number(ratio), rate, cpu, share]
    }
}

/// # Errors
/// When anything that is measured fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    Telemetry::install();
    let (file, source) = baseline::tool("noop")?;
    let installation = Installation::new(&bench.program, &bench.cache, &[])?;
    let host = installation.serve().await?;
    let (_, script) = baseline::source("noop.js")?;
    let compiled = guests::fixture("noop")?;
    let hello = guests::example("hello", "hello")?;
    let tools = [
        ("python", Given::python(&source)),
        ("javascript", Given::javascript(&script)),
        ("compiled", Given::Component(&compiled.bytes)),
        ("rust", Given::Component(&hello.bytes)),
    ];
    installation.publish(&host, &tools).await?;
    let call = process::call("bench__python", json!({}))?;
    let javascript = process::call("bench__javascript", json!({}))?;
    let native = process::call("bench__noop", json!({}))?;
    let rust = process::call("bench__hello", json!({"name": "Ada"}))?;
    let answer = Client::connect(host.address).await?.done(&call).await?;
    let bare = baseline::bare(answer).await?;
    let warm = bench.python.server(&file).await?;

    let spared = guests::sandbox(&bench.program, &bench.cache, &Limits::default())?;
    let fresh = Limits { spares_per_tool: 0, ..Limits::default() };
    let fresh = guests::sandbox(&bench.program, &bench.cache, &fresh)?;
    let noop = guests::python(&source);
    let inside = |sandbox: &Sandbox, program: &Program, pause| Way::Sandbox {
        sandbox: sandbox.clone(),
        program: program.clone(),
        pause,
    };
    let http_of = |server: &Server, asked: &Asked, clients, pause| {
        let (address, pid, asked) = (server.address, server.pid()?, asked.clone());
        anyhow::Ok(Way::Http { address, pid, asked, clients, pause })
    };
    let http = |server: &Server, clients, pause| http_of(server, &call, clients, pause);
    let processes = |at_once| Way::Processes { python: bench.python.clone(), tool: file.clone(), at_once };
    let none = Duration::ZERO;
    let alone = "a Python process for each call, one at a time";
    let mut one = vec![
        Series::new("sandbox alone, Python, a call every 25 ms", 40, inside(&spared, &noop, PAUSE)),
        Series::new("sandbox alone, Python, one call after the other", 100, inside(&spared, &noop, none)),
        Series::new("sandbox alone, Python, without spares", 100, inside(&fresh, &noop, none)),
        Series::new("sandbox alone, JavaScript", 400, inside(&fresh, &guests::javascript(&script), none)),
        Series::new("sandbox alone, compiled from text", 400, inside(&fresh, &compiled.program(), none)),
        Series::new("bare axum handler", 400, http(&bare, 1, none)?),
        Series::new("MCPbox `/mcp`, Python, a call every 25 ms", 40, http(&host, 1, PAUSE)?),
        Series::new("MCPbox `/mcp`, Python, one call after the other", 100, http(&host, 1, none)?),
        Series::new("MCPbox `/mcp`, JavaScript", 300, http_of(&host, &javascript, 1, none)?),
        Series::new("MCPbox `/mcp`, Rust", 300, http_of(&host, &rust, 1, none)?),
        Series::new("MCPbox `/mcp`, compiled from text", 300, http_of(&host, &native, 1, none)?),
        Series::new("warm Python server", 300, http(&warm, 1, none)?),
        Series::new(alone, 10, processes(1)),
    ];
    let mut many = vec![
        Series::new("bare axum handler", 6_400, http(&bare, 16, none)?),
        Series::new("MCPbox `/mcp`, Python", 480, http(&host, 16, none)?),
        Series::new("MCPbox `/mcp`, JavaScript", 3_200, http_of(&host, &javascript, 16, none)?),
        Series::new("MCPbox `/mcp`, Rust", 3_200, http_of(&host, &rust, 16, none)?),
        Series::new("MCPbox `/mcp`, compiled from text", 3_200, http_of(&host, &native, 16, none)?),
        Series::new("warm Python server", 960, http(&warm, 16, none)?),
        Series::new("a Python process for each call, 16 at a time", 32, processes(16)),
    ];
    // Everything once, unmeasured: connections, caches, spares.
    for series in one.iter_mut().chain(&mut many) {
        let calls = bench.shorten(series.calls);
        series.round(calls).await?;
        let Series { name, calls, .. } = *series;
        let way = std::mem::replace(&mut series.way, processes(1));
        *series = Series::new(name, calls, way);
    }
    for round in 1..=bench.rounds(12) {
        bench.say(&format!("calls: round {round}"));
        for series in one.iter_mut().chain(&mut many) {
            let calls = bench.shorten(series.calls);
            series.round(calls).await?;
        }
    }
    let tables = vec![table("One client", &one), table("16 clients", &many)];
    for server in [host, bare, warm] {
        server.stop().await?;
    }
    Ok(tables)
}

fn table(clients: &str, all: &[Series]) -> Table {
    let floor =
        all.iter().find(|series| series.name == "bare axum handler").map(|series| series.samples.percentile(50));
    let floor = floor.unwrap_or_default();
    let rows = all.iter().map(|series| series.row(floor)).collect();
    let heads = [
        "the no-op tool",
        "calls",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "p50 ÷ bare",
        "calls/s",
        "CPU ms/call",
        "found a spare",
    ];
    Table::new(&format!("{clients}: a tool that does nothing"), &heads, rows)
}
