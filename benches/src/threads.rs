//! Where the CPU of a call goes: the threads of the host by their names, while a tool that does nothing is
//! called. How often a thread was given a processor tells how often the call changed threads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::client::{Client, load};
use crate::page::Table;
use crate::proc::Thread;
use crate::process::{self, Given, Installation};
use crate::samples::number;
use crate::{Bench, guests, proc};

/// How many clients, and how many calls of all of them.
const LOADS: [(usize, usize); 2] = [(1, 8_000), (16, 48_000)];
/// Rows that are in the database.
const WRITTEN: &str = r#"mcpbox_execution_log_rows_total{result="written"}"#;
/// Until the rows of all calls are there, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Threads of which only the process as a whole tells, to 10 ms: for example those of connections to SQLite that
/// were opened for a while.
const ENDED: &str = "ended meanwhile";

/// # Errors
/// When the host does not answer, or Linux does not tell what its threads did.
pub async fn run(bench: &Bench) -> anyhow::Result<Table> {
    let noop = guests::fixture("noop")?;
    let installation = Installation::new(&bench.program, &bench.cache, &[])?;
    let host = installation.serve().await?;
    installation.publish(&host, &[("compiled", Given::Component(&noop.bytes))]).await?;
    let call = process::call("bench__noop", json!({}))?;
    let (pid, mut client) = (host.pid()?, Client::connect(host.address).await?);
    let mut rows = Vec::new();
    for (clients, calls) in LOADS {
        bench.say(&format!("threads: {clients}"));
        let calls = bench.shorten(calls);
        // Once unmeasured.
        for measured in [false, true] {
            let (before, whole) = (proc::threads(pid)?, proc::cpu(pid)?.own);
            let row_count = process::metric(&mut client, WRITTEN).await?;
            let samples = load(host.address, &call, clients, calls, Duration::ZERO).await?.samples;
            written(&mut client, row_count + samples.len() as f64).await?;
            let mut threads = grown(&before, &proc::threads(pid)?);
            let ran: Duration = threads.values().map(|thread| thread.ran).sum();
            let ended = (proc::cpu(pid)?.own - whole).saturating_sub(ran);
            threads.insert(ENDED.to_owned(), Thread { name: ENDED.to_owned(), ran: ended, times: 0 });
            if measured {
                rows.extend(rows_of(clients, samples.len(), &threads));
            }
        }
    }
    host.stop().await?;
    let heads = ["clients", "threads", "CPU µs for each call", "share", "given a processor, times for each call"];
    Ok(Table::new("Where the CPU of a call goes: `tools/call` of a no-op, compiled", &heads, rows))
}

/// Waits until so many rows are in the database: what writing them costs is part of the calls.
async fn written(client: &mut Client, rows: f64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let there = process::metric(client, WRITTEN).await?;
        if there >= rows {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "of {rows} rows of the log {there} are in the database");
        tokio::time::sleep(LOOK).await;
    }
}

/// What the threads did between two moments, by name.
fn grown(before: &BTreeMap<u32, Thread>, after: &BTreeMap<u32, Thread>) -> BTreeMap<String, Thread> {
    let mut all: BTreeMap<String, Thread> = BTreeMap::new();
    for (id, thread) in after {
        let (ran, times) = before.get(id).map_or((Duration::ZERO, 0), |then| (then.ran, then.times));
        let sum =
            all.entry(thread.name.clone()).or_insert_with(|| Thread { name: thread.name.clone(), ..Thread::default() });
        sum.ran += thread.ran.saturating_sub(ran);
        sum.times += thread.times.saturating_sub(times);
    }
    all
}

/// The busiest first; what is below a hundredth together.
fn rows_of(clients: usize, calls: usize, threads: &BTreeMap<String, Thread>) -> Vec<Vec<String>> {
    let whole: Duration = threads.values().map(|thread| thread.ran).sum();
    let mut sorted: Vec<Thread> = Vec::new();
    let mut rest = Thread { name: "all others".to_owned(), ..Thread::default() };
    for thread in threads.values() {
        if thread.ran * 100 >= whole {
            sorted.push(thread.clone());
        } else {
            rest.ran += thread.ran;
            rest.times += thread.times;
        }
    }
    sorted.sort_by_key(|thread| std::cmp::Reverse(thread.ran));
    let row = |thread: &Thread| {
        let each = |value: f64| number(value / calls.max(1) as f64);
        let share = 100.0 * thread.ran.as_secs_f64() / whole.as_secs_f64().max(1e-9);
        vec![
            clients.to_string(),
            thread.name.clone(),
            each(thread.ran.as_secs_f64() * 1e6),
            format!("{share:.0} %"),
            each(thread.times as f64),
        ]
    };
    sorted.iter().chain(std::iter::once(&rest).filter(|rest| !rest.ran.is_zero())).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(name: &str, ms: u64, times: u64) -> Thread {
        Thread { name: name.to_owned(), ran: Duration::from_millis(ms), times }
    }

    #[test]
    fn threads_of_one_name_are_one_row_and_what_was_before_does_not_count() {
        let before = BTreeMap::from([(1, thread("guest", 50, 5)), (2, thread("serve", 10, 1))]);
        let after =
            BTreeMap::from([(1, thread("guest", 60, 15)), (2, thread("serve", 40, 11)), (3, thread("guest", 20, 10))]);
        let rows = rows_of(16, 10, &grown(&before, &after));
        assert_eq!(rows, [["16", "guest", "3000", "50 %", "2.00"], ["16", "serve", "3000", "50 %", "1.00"]]);
    }

    #[test]
    fn threads_that_do_next_to_nothing_are_told_together() {
        let threads = BTreeMap::from([
            ("a".to_owned(), thread("a", 1_000, 100)),
            ("b".to_owned(), thread("b", 4, 10)),
            ("c".to_owned(), thread("c", 2, 10)),
        ]);
        let rows = rows_of(1, 100, &threads);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], ["1", "all others", "60.0", "1 %", "0.200"]);
    }
}
