//! Pre-initialises a component, as a step of building it: `mcpbox-snapshot IN.wasm OUT.wasm` calls the
//! exported function `init` once and writes a component whose memory begins as `init` left it.
//!
//! Only for components of our own: nothing bounds what `init` does. It has no host: calling any import
//! is a trap and fails the build.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use wasmtime::component::{Component, Instance, Lift, Linker, WasmList};
use wasmtime::{Config, Engine, Store};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

const INIT: &str = "init";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: mcpbox-snapshot IN.wasm OUT.wasm");
        return ExitCode::from(2);
    };
    match run(Path::new(input), Path::new(output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcpbox-snapshot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(input: &Path, output: &Path) -> anyhow::Result<()> {
    let component = std::fs::read(input).with_context(|| format!("reading {}", input.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("starting a runtime")?;
    let snapshot = runtime.block_on(take(&component))?;
    std::fs::write(output, snapshot).with_context(|| format!("writing {}", output.display()))
}

async fn take(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    // Kept, because in a component Wizer removes only one end of the export. Nobody calls it again.
    wizer.init_func(INIT).keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(component).map_err(wide("instrumenting the component"))?;

    let mut config = Config::new();
    config.wasm_component_model(true);
    let engine = Engine::new(&config).map_err(wide("starting wasmtime"))?;
    let instrumented = Component::new(&engine, instrumented).map_err(wide("compiling the component"))?;
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&instrumented).map_err(wide("linking the component"))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate_async(&mut store, &instrumented).await.map_err(wide("starting the component"))?;
    let init = instance
        .get_typed_func::<(), ()>(&mut store, INIT)
        .map_err(wide("the component exports no function `init` without arguments and result"))?;
    init.call_async(&mut store, ()).await.map_err(wide("`init` failed"))?;

    let mut state = State { store, instance, failure: None };
    let snapshot = wizer.snapshot_component(&context, &mut state).await.map_err(wide("writing the snapshot"))?;
    match state.failure {
        Some(failure) => bail!("reading the memory of the component: {failure:#}"),
        // What cannot be compiled should fail here, not where it is used.
        None => Component::new(&engine, &snapshot).map(|_| snapshot).map_err(wide("the snapshot is not valid")),
    }
}

/// An error of wasmtime with what we were doing.
fn wide(doing: &'static str) -> impl Fn(wasmtime::Error) -> anyhow::Error {
    move |error| anyhow!("{doing}: {error:#}")
}

/// Reads the state of the instance through the functions that Wizer has put into it.
struct State {
    store: Store<()>,
    instance: Instance,
    /// Wizer's trait has no room for an error; what happened first is kept here.
    failure: Option<wasmtime::Error>,
}

impl State {
    async fn ask<T: Lift + 'static>(&mut self, interface: &str, function: &str) -> Option<T> {
        let answer = self.call(interface, function).await;
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }

    async fn call<T: Lift + 'static>(&mut self, interface: &str, function: &str) -> wasmtime::Result<T> {
        let missing = || wasmtime::Error::msg(format!("{interface} has no {function}"));
        let (_, interface) = self.instance.get_export(&mut self.store, None, interface).ok_or_else(missing)?;
        let (_, function) =
            self.instance.get_export(&mut self.store, Some(&interface), function).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (T,)>(&mut self.store, function)?;
        Ok(function.call_async(&mut self.store, ()).await?.0)
    }
}

impl ComponentInstanceState for State {
    async fn call_func_ret_list_u8(&mut self, interface: &str, function: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.ask::<WasmList<u8>>(interface, function).await {
            Some(list) => contents(list.as_le_slice(&self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, interface: &str, function: &str) -> i32 {
        self.ask(interface, function).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, interface: &str, function: &str) -> i64 {
        self.ask(interface, function).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, interface: &str, function: &str) -> u32 {
        self.ask::<f32>(interface, function).await.unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, interface: &str, function: &str) -> u64 {
        self.ask::<f64>(interface, function).await.unwrap_or_default().to_bits()
    }
}
