//! How far a guest gets between two looks at what ends it, when it does little else than call the host.
//!
//! A guest that computes yields after each slice of fuel, and is looked at there. A call of the host burns
//! a handful of fuel, however long the host is at it. Therefore each call of the host is itself a look (at
//! the count, the deadline, the caller), and lets others run once a turn is used up: [`TURN`] calls, or
//! fewer large ones. That holds for all functions of the contract, and for those of WASI that need no
//! handle, or hand over bytes. What else of WASI does more the more it is given (requests, paths of files) takes
//! its turns by time (`unmetered.rs`). The rest does a small, fixed work on a handle, and finds none once the
//! guest has come to its end: others wait for `call_host_calls` of these at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, Linker, Lower, Resource};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::cli::{environment, terminal_stderr, terminal_stdin, terminal_stdout};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::io::{poll, streams};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, network};
use wasmtime_wasi::p2::{DynOutputStream, DynPollable, Network};
use wasmtime_wasi::random::WasiRandomView as _;
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::state::State;

/// Calls of the host, as [`HostCalls::weigh`] counts them, after which others get their turn.
const TURN: u64 = 64;
/// So long a work of the host weighs as much as a call: a turn is two milliseconds of it.
const TIME_OF_A_CALL: Duration = Duration::from_micros(2_000 / TURN);
/// So many bytes handed over weigh as much as a call.
const BYTES_OF_A_CALL: usize = 16 << 10;
/// The version under which wasmtime defines WASI; components import it under any 0.2.
const WASI: &str = "0.2.12";

/// Calls of the host by one guest, readable while the guest runs.
#[derive(Clone, Default)]
pub(super) struct HostCalls(Arc<Counts>);

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    /// Weight of the calls since others had their turn.
    weight: AtomicU64,
}

impl HostCalls {
    pub(super) fn count(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// One more; how many there are now.
    pub(super) fn add(&self) -> u64 {
        self.0.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Others have their turn now.
    pub(super) fn turn_over(&self) {
        self.0.weight.store(0, Ordering::Relaxed);
    }

    /// Adds the weight of a call that hands over so many bytes, and lets others run if that was
    /// enough.
    pub(super) async fn weigh(&self, bytes: usize) {
        self.add_weight(1 + (bytes / BYTES_OF_A_CALL) as u64).await;
    }

    /// Adds the weight of work that took so long, and lets others run if that was enough.
    pub(super) async fn weigh_time(&self, took: Duration) {
        self.add_weight(u64::try_from(took.as_micros() / TIME_OF_A_CALL.as_micros()).unwrap_or(TURN)).await;
    }

    async fn add_weight(&self, more: u64) {
        if self.0.weight.fetch_add(more, Ordering::Relaxed).saturating_add(more) >= TURN {
            self.turn_over();
            tokio::task::yield_now().await;
        }
    }
}

/// Puts functions that take turns in the place of those of WASI whose work grows with what they are
/// given.
///
/// # Errors
/// When WASI is defined under another version.
pub(super) fn take_turns(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    replace(linker, "wasi:random/random", "get-random-bytes", |mut store, (len,): (u64,)| {
        Box::new(async move {
            let bytes = random::Host::get_random_bytes(store.data_mut().random(), len)?;
            turn(&mut store, bytes.len()).await;
            Ok((bytes,))
        })
    })?;
    replace(linker, "wasi:random/insecure", "get-insecure-random-bytes", |mut store, (len,): (u64,)| {
        Box::new(async move {
            let bytes = insecure::Host::get_insecure_random_bytes(store.data_mut().random(), len)?;
            turn(&mut store, bytes.len()).await;
            Ok((bytes,))
        })
    })?;
    let write = "[method]output-stream.write";
    replace(linker, "wasi:io/streams", write, |mut store, (to, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
        Box::new(async move {
            turn(&mut store, bytes.len()).await;
            let table = store.data_mut().ctx().table;
            let written = match streams::HostOutputStream::write(table, to, bytes) {
                Ok(()) => Ok(()),
                Err(error) => Err(streams::Host::convert_stream_error(table, error)?),
            };
            Ok((written,))
        })
    })?;
    let flush = "[method]output-stream.blocking-write-and-flush";
    replace(linker, "wasi:io/streams", flush, |mut store, (to, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
        Box::new(async move {
            turn(&mut store, bytes.len()).await;
            let table = store.data_mut().ctx().table;
            let written = match streams::HostOutputStream::blocking_write_and_flush(table, to, bytes).await {
                Ok(()) => Ok(()),
                Err(error) => Err(streams::Host::convert_stream_error(table, error)?),
            };
            Ok((written,))
        })
    })?;
    replace(linker, "wasi:io/poll", "poll", |mut store, (all,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            turn(&mut store, all.len().saturating_mul(POLLABLE_BYTES)).await;
            Ok((poll::Host::poll(store.data_mut().ctx().table, all).await?,))
        })
    })?;
    without_a_handle(linker)?;
    let resolve = "resolve-addresses";
    replace(linker, "wasi:sockets/ip-name-lookup", resolve, |mut store, (net, name): (Resource<Network>, String)| {
        Box::new(async move {
            turn(&mut store, name.len()).await;
            let mut sockets = store.data_mut().sockets();
            let found = match ip_name_lookup::Host::resolve_addresses(&mut sockets, net, name) {
                Ok(addresses) => Ok(addresses),
                Err(error) => Err(network::Host::convert_error_code(&mut sockets, error)?),
            };
            Ok((found,))
        })
    })
}

/// The functions that could be called for ever, because they need nothing that could be taken away.
fn without_a_handle(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let clock = "wasi:clocks/monotonic-clock";
    small(linker, clock, "now", |state| monotonic_clock::Host::now(&mut state.clocks()))?;
    small(linker, clock, "resolution", |state| monotonic_clock::Host::resolution(&mut state.clocks()))?;
    let clock = "wasi:clocks/wall-clock";
    small(linker, clock, "now", |state| wall_clock::Host::now(&mut state.clocks()))?;
    small(linker, clock, "resolution", |state| wall_clock::Host::resolution(&mut state.clocks()))?;
    let (number, insecure_number) = ("get-random-u64", "get-insecure-random-u64");
    small(linker, "wasi:random/random", number, |state| random::Host::get_random_u64(state.random()))?;
    small(linker, "wasi:random/insecure", insecure_number, |state| {
        insecure::Host::get_insecure_random_u64(state.random())
    })?;
    small(linker, "wasi:random/insecure-seed", "insecure-seed", |state| {
        insecure_seed::Host::insecure_seed(state.random())
    })?;
    let about = "wasi:cli/environment";
    small(linker, about, "get-environment", |state| environment::Host::get_environment(&mut state.cli()))?;
    small(linker, about, "get-arguments", |state| environment::Host::get_arguments(&mut state.cli()))?;
    small(linker, about, "initial-cwd", |state| environment::Host::initial_cwd(&mut state.cli()))?;
    small(linker, "wasi:cli/terminal-stdin", "get-terminal-stdin", |state| {
        terminal_stdin::Host::get_terminal_stdin(&mut state.cli())
    })?;
    small(linker, "wasi:cli/terminal-stdout", "get-terminal-stdout", |state| {
        terminal_stdout::Host::get_terminal_stdout(&mut state.cli())
    })?;
    small(linker, "wasi:cli/terminal-stderr", "get-terminal-stderr", |state| {
        terminal_stderr::Host::get_terminal_stderr(&mut state.cli())
    })?;
    small(linker, "wasi:filesystem/preopens", "get-directories", |state| {
        preopens::Host::get_directories(&mut state.filesystem())
    })
}

fn small<A>(
    linker: &mut Linker<State>,
    interface: &str,
    name: &str,
    answer: fn(&mut State) -> wasmtime::Result<A>,
) -> wasmtime::Result<()>
where
    A: Lower + Send + Sync + 'static,
    (A,): ComponentNamedList + Lower,
{
    replace(linker, interface, name, move |mut store, (): ()| {
        Box::new(async move {
            turn(&mut store, 0).await;
            let answer = answer(store.data_mut())?;
            store.data().is_going_on()?;
            Ok((answer,))
        })
    })
}

/// What looking at one pollable costs, in bytes handed over.
const POLLABLE_BYTES: usize = 1 << 10;

pub(super) fn turn(store: &mut StoreContextMut<'_, State>, bytes: usize) -> impl Future<Output = ()> + Send + use<> {
    let calls = store.data().host_calls.clone();
    async move { calls.weigh(bytes).await }
}

/// Puts a function in the place of one of WASI.
///
/// # Errors
/// When WASI is defined under another version.
pub(super) fn replace<Given, Answer, F>(
    linker: &mut Linker<State>,
    interface: &str,
    name: &str,
    function: F,
) -> wasmtime::Result<()>
where
    F: Fn(StoreContextMut<'_, State>, Given) -> Box<dyn Future<Output = wasmtime::Result<Answer>> + Send + '_>
        + Copy
        + Send
        + Sync
        + 'static,
    Given: ComponentNamedList + Lift + 'static,
    Answer: ComponentNamedList + Lower + 'static,
{
    let interface = format!("{interface}@{WASI}");
    // A function that is not there yet is not what this is for: WASI has moved to another version.
    if linker.instance(&interface)?.func_wrap_async(name, function).is_ok() {
        wasmtime::bail!("`{name}` of `{interface}` is not defined by this version of wasmtime");
    }
    linker.allow_shadowing(true);
    let replaced = linker.instance(&interface)?.func_wrap_async(name, function);
    linker.allow_shadowing(false);
    replaced
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use wasmtime::component::Component;
    use wasmtime::{Engine, Store};

    use super::super::engine::Model;
    use super::super::{imports, state};
    use super::*;
    use crate::domain::budget::Budget;
    use crate::egress::{Egress, EgressSettings, MappedNetwork};
    use crate::limits::Limits;

    /// A component that calls one function of the host for ever.
    fn endless(interface: &str, name: &str, signature: &str, core: &str, given: &str) -> String {
        format!(
            r#"(component
                (import "{interface}" (instance $host (export "{name}" (func {signature}))))
                (core module $memory
                    (memory (export "memory") 2)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
                (core instance $memory (instantiate $memory))
                (core func $lowered (canon lower (func $host "{name}")
                    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
                (core module $guest
                    (import "host" "call" (func $call {core}))
                    (func (export "run") (loop $ever {given} (br $ever))))
                (core instance $guest (instantiate $guest
                    (with "host" (instance (export "call" (func $lowered))))))
                (func (export "run") (canon lift (core func $guest "run"))))"#
        )
    }

    /// How many calls of the host lay at most between two yields of the guest, and how many it made.
    async fn longest_turn(engine: &Engine, component: &str) -> (u64, u64) {
        let limits = Limits { call_host_calls: 2_000, ..Limits::default() };
        let egress = Egress::new(EgressSettings::from(&limits), Arc::new(MappedNetwork::default()));
        let bytes = wat::parse_str(component).expect("text of a component");
        let component = Component::new(engine, bytes).expect("a component");
        let linker = imports::linker(engine).expect("a linker");
        let mut store: Store<State> =
            state::new_store(engine, &Budget::new(&limits, None), &egress, &[]).expect("a store");
        let calls = store.data().host_calls.clone();
        let guest = linker.instantiate_async(&mut store, &component).await.expect("an instance");
        let run = guest.get_typed_func::<(), ()>(&mut store, "run").expect("an export");
        let mut running = std::pin::pin!(run.call_async(&mut store, ()));
        let mut context = Context::from_waker(Waker::noop());
        let (mut longest, mut before) = (0, calls.count());
        while running.as_mut().poll(&mut context).is_pending() {
            longest = longest.max(calls.count() - before);
            before = calls.count();
            if before > limits.call_host_calls {
                break;
            }
        }
        (longest.max(calls.count() - before), calls.count())
    }

    #[tokio::test]
    async fn a_guest_that_only_calls_the_host_lets_others_run() {
        let engine = super::super::engine::for_compiling(Model::Plain).expect("an engine");
        let bytes = "(param \"len\" u64) (result (list u8))";
        let large = "(call $call (i64.const 65536) (i32.const 8))";
        let small = "(call $call (i64.const 1) (i32.const 8))";
        let clock = "wasi:clocks/monotonic-clock@0.2.0";
        let (core, list) = ("(param i64 i32)", "(result (list string))");
        for (interface, name, signature, core, given, most) in [
            ("wasi:random/random@0.2.0", "get-random-bytes", bytes, core, large, TURN / 5 + 1),
            ("wasi:random/insecure@0.2.3", "get-insecure-random-bytes", bytes, core, small, TURN),
            ("mcpbox:guest/secrets@1.0.0", "names", list, "(param i32)", "(call $call (i32.const 8))", TURN),
            (clock, "now", "(result u64)", "(result i64)", "(drop (call $call))", TURN),
            ("wasi:cli/environment@0.2.0", "get-arguments", list, "(param i32)", "(call $call (i32.const 8))", TURN),
        ] {
            let (longest, made) = longest_turn(&engine, &endless(interface, name, signature, core, given)).await;
            assert!(longest <= most, "{name}: {longest} calls at once");
            assert!(made <= 2_001, "{name}: the call past the last allowed one ends the guest; it made {made}");
        }
    }
}
