//! What it costs each call that the sandbox may run guests whose functions are asynchronous
//! (`component-model-async`): the same component in engines with and without that support, by turns.

use std::time::{Duration, Instant};

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::page::Table;
use crate::samples::{Samples, number};
use crate::{Bench, guests};

const WIT: &str = "package bench:nothing;
world nothing {
  export run: func() -> u32;
}
";
const WAT: &str = r#"(module (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 7)))"#;

/// Calls that are timed together: one alone is too short for the clock.
const TOGETHER: u32 = 50;

/// # Errors
/// When the guest traps.
pub async fn run(bench: &Bench) -> anyhow::Result<Table> {
    let component = guests::plain(WIT, WAT, "run")?;
    measure(bench, &component.bytes).await.map_err(|error| anyhow::anyhow!("{error:#}"))
}

async fn measure(bench: &Bench, bytes: &[u8]) -> wasmtime::Result<Table> {
    bench.say("concurrency");
    let mut ways = [Way::new(bytes, false)?, Way::new(bytes, true)?];
    for round in 0..=bench.rounds(200) {
        for way in &mut ways {
            let took = way.calls().await?;
            if round > 0 {
                way.samples.push(took / TOGETHER);
            }
        }
    }
    let [without, with] = ways.map(|way| way.samples.percentile(50).as_secs_f64() * 1e6);
    let row = vec![number(without), number(with), number(with - without), number(with / without.max(1e-9))];
    let heads = ["without, p50 µs", "with, p50 µs", "more, µs", "with ÷ without"];
    Ok(Table::new("What support for asynchronous guests costs: store, instance, call, drop", &heads, vec![row]))
}

/// One engine and what was measured in it.
struct Way {
    engine: Engine,
    ready: InstancePre<()>,
    samples: Samples,
}

impl Way {
    fn new(bytes: &[u8], concurrent: bool) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(8).total_core_instances(8).total_memories(8).total_tables(8).total_stacks(8);
        let mut config = Config::new();
        config.consume_fuel(true).concurrency_support(concurrent);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let ready = Linker::new(&engine).instantiate_pre(&Component::new(&engine, bytes)?)?;
        Ok(Self { engine, ready, samples: Samples::default() })
    }

    async fn calls(&self) -> wasmtime::Result<Duration> {
        let began = Instant::now();
        for _ in 0..TOGETHER {
            let mut store = Store::new(&self.engine, ());
            store.set_fuel(1_000_000)?;
            let instance = self.ready.instantiate_async(&mut store).await?;
            let run = instance.get_typed_func::<(), (u32,)>(&mut store, "run")?;
            let (seven,) = run.call_async(&mut store, ()).await?;
            wasmtime::ensure!(seven == 7, "it answers {seven}");
        }
        Ok(began.elapsed())
    }
}
