//! How much fuel a second of CPU burns, by kind of guest: what `fuel_per_cpu_second` stands on.

use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::limits::Limits;
use mcpbox::sandbox::Program;

use crate::page::Table;
use crate::samples::number;
use crate::{Bench, guests, proc};

/// Fuel of one run: enough for the 10 ms in which Linux counts CPU time to matter little.
const FUEL: u64 = 4_000_000_000;

const LOOP: &str = "def main():\n    while True:\n        pass\n";
const JAVASCRIPT: &str = "export function main() { for (;;); }\n";
const SIEVE: &str = "def main():
    while True:
        n = 20000
        flags = bytearray([1]) * n
        for i in range(2, 142):
            if flags[i]:
                flags[i * i :: i] = bytes(len(range(i * i, n, i)))
";
const DIGEST: &str = "import hashlib\ndef main():\n    while True:\n        hashlib.sha256(b'x' * 1_000_000)\n";
const SCATTER: &str = "import random
def main():
    table = {i: [i] for i in range(200_000)}
    while True:
        for _ in range(10_000):
            table[random.randrange(200_000)][0] += 1
";

/// # Errors
/// When a guest does something else than to burn its fuel.
pub async fn run(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let limits = Limits { spares_per_tool: 0, ..Limits::default() };
    let sandbox = guests::sandbox(&bench.program, &bench.cache, &limits)?;
    let mut rows = Vec::new();
    for (what, program) in [
        ("compiled, an empty loop", guests::fixture("spin")?.program()),
        ("Python, an empty loop", guests::python(LOOP)),
        ("Python, a sieve in C code", guests::python(SIEVE)),
        ("Python, SHA-256", guests::python(DIGEST)),
        ("Python, scattered memory", guests::python(SCATTER)),
        ("JavaScript, an empty loop", guests::javascript(JAVASCRIPT)),
    ] {
        bench.say(&format!("fuel: {what}"));
        let rate = rate(bench, &sandbox, &program).await?;
        let relative = rate / limits.fuel_per_cpu_second as f64;
        rows.push(vec![what.to_owned(), number(rate / 1e9), number(relative)]);
    }
    let heads = ["guest", "thousand million fuel in a second of CPU", "÷ `fuel_per_cpu_second`"];
    let mut table = Table::new("Fuel", &heads, rows);
    table.note = "A ratio above 1 means that the budget of CPU seconds is used up in less CPU time than its name \
        says, below 1 in more."
        .to_owned();
    Ok(vec![table])
}

/// Fuel for each second of CPU.
async fn rate(bench: &Bench, sandbox: &mcpbox::sandbox::Sandbox, program: &Program) -> anyhow::Result<f64> {
    let fuel = if bench.quick { FUEL / 10 } else { FUEL };
    let budget = Budget { fuel, time: Duration::from_secs(120), ..Budget::new(&Limits::default(), None) };
    // Once unseen: compiling the guest is no part of it.
    guests::run(sandbox, program, Budget { fuel: fuel / 20, ..budget.clone() }, None).await?;
    let before = proc::own_cpu()?.own;
    let report = guests::run(sandbox, program, budget, None).await?;
    let cpu = proc::own_cpu()?.own.saturating_sub(before);
    anyhow::ensure!(report.usage.fuel == fuel, "the guest ended early: {:?}", report.outcome);
    Ok(fuel as f64 / cpu.as_secs_f64().max(1e-3))
}
