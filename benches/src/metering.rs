//! What fuel costs a guest that does nothing but compute: the same code with and without it, by turns,
//! in engines that differ in nothing else.

use std::time::Instant;

use wasmtime::{Config, Engine, Instance, Module, Store};

use crate::Bench;
use crate::page::Table;
use crate::samples::{Samples, millis, number};

/// As the sandbox has it.
const YIELD_FUEL: u64 = 1_000_000;

/// Counts the primes below its argument with a sieve: memory and short loops.
const SIEVE: &str = r#"(module
  (memory 16)
  (func (export "run") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $count i32)
    (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (local.get $i)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (local.set $j (i32.shl (local.get $i) (i32.const 1)))
          (loop $cross
            (if (i32.lt_u (local.get $j) (local.get $n))
              (then
                (i32.store8 (local.get $j) (i32.const 1))
                (local.set $j (i32.add (local.get $j) (local.get $i)))
                (br $cross))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $count)))
"#;

/// Mixes a number as hash functions do: long runs of arithmetic between two branches.
const MIX: &str = r#"(module
  (func (export "run") (param $n i32) (result i32) (local $x i64)
    (local.set $x (i64.const 0x9e3779b97f4a7c15))
    (loop $next
      (local.set $x (i64.mul (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 30))) (i64.const 0xbf58476d1ce4e5b9)))
      (local.set $x (i64.mul (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 27))) (i64.const 0x94d049bb133111eb)))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 31))))
      (local.set $x (i64.add (i64.rotl (local.get $x) (i64.const 13)) (i64.const 0x9e3779b97f4a7c15)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (i32.wrap_i64 (local.get $x))))
"#;

/// # Errors
/// When a guest traps.
pub async fn run(bench: &Bench) -> anyhow::Result<Table> {
    measure(bench).await.map_err(|error| anyhow::anyhow!("{error:#}"))
}

async fn measure(bench: &Bench) -> wasmtime::Result<Table> {
    let mut rows = Vec::new();
    for (what, text, size) in [("a sieve", SIEVE, 1_000_000), ("arithmetic as in a hash", MIX, 5_000_000)] {
        bench.say(&format!("metering: {what}"));
        let module = wat::parse_str(text).map_err(wasmtime::Error::new)?;
        let mut ways = [Way::new(&module, false)?, Way::new(&module, true)?];
        let mut results = [0; 2];
        for round in 0..=bench.rounds(30) {
            for (way, result) in ways.iter_mut().zip(&mut results) {
                *result = way.run(size, round > 0).await?;
            }
        }
        wasmtime::ensure!(results[0] == results[1], "{what}: {results:?}");
        let [plain, metered] = ways.map(|way| way.samples.percentile(50));
        let ratio = metered.as_secs_f64() / plain.as_secs_f64().max(1e-9);
        rows.push(vec![what.to_owned(), millis(plain), millis(metered), number(ratio)]);
    }
    let heads = ["compiled guest", "without fuel, p50 ms", "with fuel, p50 ms", "with ÷ without"];
    Ok(Table::new("What fuel costs", &heads, rows))
}

/// One engine and what was measured in it.
struct Way {
    engine: Engine,
    module: Module,
    metered: bool,
    samples: Samples,
}

impl Way {
    fn new(module: &[u8], metered: bool) -> wasmtime::Result<Self> {
        let engine = Engine::new(Config::new().consume_fuel(metered))?;
        let module = Module::new(&engine, module)?;
        Ok(Self { engine, module, metered, samples: Samples::default() })
    }

    /// Runs the guest once, in an instance of its own.
    async fn run(&mut self, size: i32, counts: bool) -> wasmtime::Result<i32> {
        let mut store = Store::new(&self.engine, ());
        if self.metered {
            store.set_fuel(u64::MAX / 2)?;
            store.fuel_async_yield_interval(Some(YIELD_FUEL))?;
        }
        let instance = Instance::new_async(&mut store, &self.module, &[]).await?;
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
        let began = Instant::now();
        let result = run.call_async(&mut store, size).await?;
        if counts {
            self.samples.push(began.elapsed());
        }
        Ok(result)
    }
}
