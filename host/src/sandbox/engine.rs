//! The wasmtime engines: what guests may be made of, how they are metered, and the pool that they live in.
//!
//! The compiling child process and the running host build the same engine but for the pool, so that
//! what one compiles the other may open; wasmtime itself refuses code of another version, other
//! settings or another processor.

use std::hash::{Hash as _, Hasher};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use super::BESIDE_AT_ONCE;
use crate::limits::Limits;

/// Stack of a guest, in bytes. CPython's parser needs 1 MiB to fail cleanly on deep nesting, QuickJS
/// 2 MiB on deep recursion.
const WASM_STACK_BYTES: usize = 2 << 20;
/// The fiber that a guest runs on: its stack and room for the host functions it calls.
const FIBER_STACK_BYTES: usize = 3 << 20;
/// After this much fuel a guest lets others run: about a millisecond of compiled code, so that with
/// 16 endless loops on two cores a new call waits a few milliseconds for its turn.
pub(super) const YIELD_FUEL: u64 = 1_000_000;

/// Core instances, memories and tables that one component may be made of. The Python runner has 14
/// core modules; others have fewer.
const CORE_INSTANCES_PER_COMPONENT: u32 = 40;
const MEMORIES_PER_COMPONENT: u32 = 2;
const TABLES_PER_COMPONENT: u32 = 8;
/// Stacks that a call may hold where its tasks run side by side: each that waits inside another function keeps one,
/// and needs three of the call's 64 handles.
const STACKS_OF_A_CALL: u32 = 24;
/// Metadata of one instance, in bytes; the Python runner's is the largest known, under 1 MiB.
const INSTANCE_BYTES: usize = 4 << 20;
/// Memory that a used slot keeps for its next guest. Only with `PAGEMAP_SCAN` (Linux 6.7) does this
/// pay: without it, keeping pages means clearing all of them.
const KEEP_MEMORY_BYTES: usize = 1 << 20;
const KEEP_TABLE_BYTES: usize = 1 << 20;
const KEEP_STACK_BYTES: usize = 64 << 10;

/// Which part of the component model guests may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// All but asynchronous functions, streams and futures.
    Plain,
    /// These too. None of the contract, nor of WASI 0.2, is one; components may have them beside those.
    Asynchronous,
}

impl Model {
    /// Without what few components need, and then with it.
    pub(super) const EACH: [Self; 2] = [Self::Plain, Self::Asynchronous];

    /// Whether a refusal, in the words of the validator, is for want of the asynchronous part.
    pub(super) fn is_too_plain(self, why: &str) -> bool {
        self == Self::Plain && why.contains("the component model async")
    }
}

fn base(model: Model) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.concurrency_support(model == Model::Asynchronous);
    config.consume_fuel(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(FIBER_STACK_BYTES);
    config.memory_init_cow(true);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.generate_address_map(false);
    // 32-bit memories only, and (wasmtime is built without threads) none that is shared.
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config
}

/// The engine of the compiling child: no pool, because the pool reserves terabytes of address space.
///
/// # Errors
/// When this machine cannot run wasmtime at all.
pub(super) fn for_compiling(model: Model) -> wasmtime::Result<Engine> {
    Engine::new(&base(model))
}

/// An engine of the host, with places for `slots` live instances.
///
/// # Errors
/// When the pool does not fit into the address space.
pub(super) fn for_running(limits: &Limits, model: Model) -> wasmtime::Result<Engine> {
    let slots = slots(limits);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(slots * MEMORIES_PER_COMPONENT)
        .total_tables(slots * TABLES_PER_COMPONENT)
        .total_stacks(if model == Model::Asynchronous { slots * STACKS_OF_A_CALL } else { slots })
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(Limits::size(limits.call_memory_bytes))
        .table_elements(Limits::size(limits.call_table_elements))
        .max_unused_warm_slots(slots)
        .pagemap_scan(Enabled::Auto);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(KEEP_MEMORY_BYTES)
            .table_keep_resident(KEEP_TABLE_BYTES)
            .async_stack_keep_resident(KEEP_STACK_BYTES);
    }
    let mut config = base(model);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Live instances at most: running calls, spares, one on each thread that is just being cleared away,
/// and those that describe code.
fn slots(limits: &Limits) -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    u32::try_from(limits.calls_at_once + limits.spares_total + threads + u64::from(BESIDE_AT_ONCE)).unwrap_or(u32::MAX)
}

/// A number for everything that compiled code depends on beside the component: wasmtime's version,
/// the settings above, the processor's features.
pub(super) fn compatibility(engine: &Engine) -> u64 {
    // Not the default hasher: its keys may change with the standard library.
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
