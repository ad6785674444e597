//! What a person waits for when the log is long: the dashboard and lists of calls, with a million rows of
//! the last week, on SQLite and, when `MCPBOX_TEST_DATABASE_URL` names a server, on PostgreSQL.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::TimeDelta;
use mcpbox::clock::Clock;
use mcpbox::db::execution_logs::{self, ExecutionLog};
use mcpbox::db::{Database, Location, Texts, execution_durations, execution_scope_durations, execution_statistics};
use mcpbox::domain::ids::{CallId, ServerId, ToolId, VersionId};
use mcpbox::limits::Limits;
use tokio::process::Command;

use crate::Bench;
use crate::client::{Asked, Client};
use crate::page::Table;
use crate::process::{self, Installation};
use crate::samples::{Samples, millis};

const ROWS: usize = 1_000_000;
const SERVERS: usize = 10;
const TOOLS_PER_SERVER: usize = 5;
/// Rows in one transaction.
const BATCH: usize = 20_000;

/// # Errors
/// When a host or a database fails.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let rows = if bench.quick { ROWS / 20 } else { ROWS };
    let mut table = measure(bench, "SQLite", None, rows).await?;
    let server = bench.postgres.as_deref().filter(|url| !url.is_empty());
    if let Some(server) = server {
        let name = "mcpbox_bench_statistics";
        psql(server, &format!("DROP DATABASE IF EXISTS {name}")).await?;
        psql(server, &format!("CREATE DATABASE {name}")).await?;
        table.extend(measure(bench, "PostgreSQL", Some(&with_database(server, name)), rows).await?);
        psql(server, &format!("DROP DATABASE {name}")).await?;
    }
    let heads = ["what", "database", "requests", "p50 ms", "p95 ms", "p99 ms"];
    let mut table = Table::new(&format!("A log of {rows} calls"), &heads, table);
    if server.is_none() {
        table.note = "Without PostgreSQL: `MCPBOX_TEST_DATABASE_URL` named no server.".to_owned();
    }
    Ok(vec![table])
}

async fn measure(bench: &Bench, what: &str, url: Option<&str>, rows: usize) -> anyhow::Result<Vec<Vec<String>>> {
    let settings: Vec<(&'static str, &str)> = url.map(|url| ("DATABASE_URL", url)).into_iter().collect();
    let installation = Installation::new(&bench.program, &bench.cache, &settings)?;
    let host = installation.serve().await?;
    installation.set_up(&mut Client::connect(host.address).await?).await?;
    host.stop().await?;

    let location = match url {
        Some(url) => url.parse()?,
        None => Location::Sqlite(installation.database_file()),
    };
    bench.say(&format!("statistics: writing {rows} rows to {what}"));
    let began = Instant::now();
    let (server, tool) = fill(&location, rows).await?;
    bench.say(&format!("statistics: that took {:.0} s", began.elapsed().as_secs_f64()));

    let host = installation.serve().await?;
    let mut client = Client::connect(host.address).await?;
    let token = process::log_in(&mut client).await?;
    let mut told = Vec::new();
    for (name, path) in [
        ("dashboard, 1h", "/api/dashboard?period=1h".to_owned()),
        ("dashboard, 6h", "/api/dashboard?period=6h".to_owned()),
        ("dashboard, 24h", "/api/dashboard?period=24h".to_owned()),
        ("dashboard, 7d", "/api/dashboard?period=7d".to_owned()),
        ("calls of a server, counted, 7d", format!("/api/execution-logs/stats?period=7d&server_id={server}")),
        ("the newest 50 of all calls", "/api/execution-logs".to_owned()),
        ("the newest 50 calls of a tool", format!("/api/execution-logs?tool_id={tool}")),
        ("the newest 50 that failed", "/api/execution-logs?success=false".to_owned()),
        ("failures by a word that is nowhere", "/api/execution-logs?search=nowhere".to_owned()),
    ] {
        let asked = Asked::get(&path, "\"").header("authorization", &format!("Bearer {token}"))?;
        let mut samples = Samples::default();
        client.done(&asked).await?;
        for _ in 0..bench.shorten(96) {
            let began = Instant::now();
            client.done(&asked).await?;
            samples.push(began.elapsed());
        }
        if name.starts_with("dashboard") && !bench.quick {
            let p50 = samples.percentile(50);
            ensure!(p50 < Duration::from_millis(100), "{name} on {what} takes {} ms", millis(p50));
        }
        let [p50, p95, p99] = samples.cells();
        bench.say(&format!("statistics: {name} on {what}: {p50} ms"));
        told.push(vec![name.to_owned(), what.to_owned(), samples.len().to_string(), p50, p95, p99]);
    }
    host.stop().await?;
    Ok(told)
}

/// Writes rows of the last week, the way the host writes them; answers one of the servers and a tool of
/// it.
async fn fill(location: &Location, rows: usize) -> anyhow::Result<(ServerId, ToolId)> {
    let db = Database::connect(location, &Limits::default()).await?;
    let servers: Vec<ServerId> = (0..SERVERS).map(|_| ServerId::new()).collect();
    let tools: Vec<(ServerId, ToolId, String)> = (0..SERVERS * TOOLS_PER_SERVER)
        .map(|at| (servers[at % SERVERS], ToolId::new(), format!("server{}__tool{at}", at % SERVERS)))
        .collect();
    let now = Clock::system().now();
    let week = TimeDelta::days(7).num_microseconds().context("a week is short")?;
    let apart = TimeDelta::microseconds(week / i64::try_from(rows)?);
    let mut dice = Dice(42);
    for start in (0..rows).step_by(BATCH) {
        let batch: Vec<ExecutionLog> = (start..rows.min(start + BATCH))
            .map(|at| {
                let left = i32::try_from(rows - at).unwrap_or(i32::MAX);
                let (server_id, tool_id, name) = &tools[dice.below(tools.len())];
                call(*server_id, *tool_id, name, now - apart * left, &mut dice)
            })
            .collect();
        let mut tx = db.begin_appending().await?;
        execution_statistics::add(&mut tx, execution_statistics::tallies(&batch)).await?;
        execution_durations::add(&mut tx, execution_durations::tallies(&batch)).await?;
        execution_scope_durations::add(&mut tx, execution_scope_durations::tallies(&batch)).await?;
        execution_logs::append(&mut tx, &batch).await?;
        tx.commit().await?;
    }
    db.close().await?;
    let (server, tool, _) = tools.first().context("there are tools")?;
    Ok((*server, *tool))
}

fn call(
    server_id: ServerId,
    tool_id: ToolId,
    name: &str,
    started_at: chrono::DateTime<chrono::Utc>,
    dice: &mut Dice,
) -> ExecutionLog {
    let success = dice.below(20) > 0;
    // From one millisecond to a second, short ones more often.
    let duration_us = 1_000_u64 << dice.below(10).min(dice.below(10));
    ExecutionLog {
        id: CallId::new(),
        server_id,
        tool_id,
        version_id: VersionId::new(),
        version_number: 1,
        tool_name: name.to_owned().into(),
        caller: format!("key:client{}", dice.below(20)).into(),
        request_id: "01990000-0000-7000-8000-000000000001".into(),
        is_test: false,
        arguments: r#"{"city":"Oslo","days":3}"#.into(),
        result: success.then(|| r#"{"content":[{"type":"text","text":"It rains, as it does most days."}]}"#.into()),
        error: (!success).then(|| "ValueError: there is no such city".into()),
        stdout: "".into(),
        arguments_bytes: 24.into(),
        result_bytes: 72.into(),
        stdout_bytes: 0.into(),
        cut: Texts::default(),
        outcome: if success { "returned" } else { "raised" }.into(),
        success,
        fuel: 1_000_000.into(),
        peak_memory_bytes: 40_000_000.into(),
        duration_us: (duration_us + dice.below(duration_us) as u64).into(),
        http_requests: 0.into(),
        http_sent_bytes: 0.into(),
        http_received_bytes: 0.into(),
        started_at,
    }
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: impl TryInto<u64>) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = end.try_into().unwrap_or(u64::MAX).max(1);
        usize::try_from((z ^ (z >> 31)) % end).unwrap_or(0)
    }
}

/// The address of another database on the same server.
fn with_database(server: &str, name: &str) -> String {
    let (address, options) = server.split_once('?').map_or((server, None), |(address, rest)| (address, Some(rest)));
    let host = address.rsplit_once('/').map_or(address, |(host, _)| host);
    match options {
        Some(options) => format!("{host}/{name}?{options}"),
        None => format!("{host}/{name}"),
    }
}

async fn psql(server: &str, statement: &str) -> anyhow::Result<()> {
    let done = Command::new("psql").args([server, "-qc", statement]).output().await.context("running psql")?;
    ensure!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_on_the_same_server() {
        let socket = with_database("postgres://me@localhost/postgres?host=/tmp/x", "b");
        assert_eq!(socket, "postgres://me@localhost/b?host=/tmp/x");
        assert_eq!(with_database("postgres://me@localhost/postgres", "b"), "postgres://me@localhost/b");
    }
}
