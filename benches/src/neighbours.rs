//! How long the no-op tool and `/health` take beside 16 calls that never end, and alone: by turns, on
//! one host.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Asked, Client, load};
use crate::page::Table;
use crate::process::{self, Given, Installation};
use crate::samples::{Samples, millis};
use crate::{Bench, baseline};

/// Calls that never end.
const LOOPS: usize = 16;
/// Between two requests, so that they meet the loops at any moment.
const PAUSE: Duration = Duration::from_millis(7);
/// How long the loops may take to run, and to end.
const TURN: Duration = Duration::from_secs(30);
const RUNNING: &str = "mcpbox_calls_running";

/// # Errors
/// When anything that is measured fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let tools = ["noop", "loop", "regex_loop"].map(|name| anyhow::Ok((name, baseline::tool(name)?.1)));
    let tools = tools.into_iter().collect::<Result<Vec<_>, _>>()?;
    let tools: Vec<_> = tools.iter().map(|(name, source)| (*name, Given::python(source))).collect();
    // The loops must outlast the measurement.
    let patience = [("MCPBOX_CALL_TIME_MS", "300000"), ("MCPBOX_CALL_CPU_S", "3600")];
    let installation = Installation::new(&bench.program, &bench.cache, &patience)?;
    let host = installation.serve().await?;
    installation.publish(&host, &tools).await?;

    let noop = process::call("bench__noop", json!({}))?;
    let health = Asked::get("/health", r#""healthy""#);
    load(host.address, &noop, 1, 20, PAUSE).await?;
    let settings = [
        ("alone", None),
        ("beside 16 endless Python loops", Some("bench__loop")),
        ("beside 16 endless regular expressions", Some("bench__regex_loop")),
    ];
    let mut rows: Vec<_> = settings.map(|(name, _)| (name, [Samples::default(), Samples::default()])).into();
    let mut ends = Samples::default();
    for round in 1..=bench.rounds(6) {
        for ((name, looped), (_, samples)) in settings.iter().zip(&mut rows) {
            bench.say(&format!("neighbours: round {round}, {name}"));
            let loops = match looped {
                Some(tool) => Some(begin(host.address, tool).await?),
                None => None,
            };
            for (asked, samples) in [&noop, &health].into_iter().zip(samples) {
                samples.append(load(host.address, asked, 1, bench.shorten(200), PAUSE).await?.samples);
            }
            if let Some(loops) = loops {
                let mut client = Client::connect(host.address).await?;
                ensure!(process::metric(&mut client, RUNNING).await? == LOOPS as f64, "a loop has ended");
                drop(loops);
                ends.push(until(&mut client, 0).await?);
            }
        }
    }
    host.stop().await?;
    let rows = rows.into_iter().flat_map(|(name, samples)| {
        ["no-op tool", "`/health`"].into_iter().zip(samples).map(move |(what, samples)| {
            let [p50, p95, p99] = samples.cells();
            vec![format!("{what} {name}"), samples.len().to_string(), p50, p95, p99]
        })
    });
    let mut table =
        Table::new("Beside endless loops", &["what", "calls", "p50 ms", "p95 ms", "p99 ms"], rows.collect());
    table.note = format!(
        "When the 16 clients of the loops went away, the last loop had ended after {} ms (p50; at most {} ms).",
        millis(ends.percentile(50)),
        millis(ends.percentile(100)),
    );
    Ok(vec![table])
}

/// Starts the loops, each on a connection of its own, and waits until all run.
async fn begin(address: SocketAddr, tool: &str) -> anyhow::Result<JoinSet<()>> {
    let asked = process::call(tool, json!({}))?;
    let mut loops = JoinSet::new();
    for _ in 0..LOOPS {
        let (mut client, asked) = (Client::connect(address).await?, asked.clone());
        loops.spawn(async move {
            // It is not answered: the connection closes when this is dropped.
            let _ = client.send(&asked).await;
        });
    }
    until(&mut Client::connect(address).await?, LOOPS).await?;
    // Each has instantiated its guest and is in its loop.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(loops)
}

/// Waits until so many calls run; answers how long that took.
async fn until(client: &mut Client, calls: usize) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while process::metric(client, RUNNING).await? != calls as f64 {
        ensure!(began.elapsed() < TURN, "{calls} calls do not come to run");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(began.elapsed())
}
