//! What the host keeps for one guest: its budget, what it may reach, and what it has said so far.
//!
//! A guest that is prepared ahead of its call has no [`Reach`]: no hosts, no secrets, nobody who
//! listens. The call brings it. Folders cannot be brought: a guest may look for them when it starts,
//! so a call that has some makes its own store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::engine::YIELD_FUEL;
use super::fetch::Fetches;
use super::limiter::Limiter;
use super::stdio::Capture;
use crate::domain::budget::Budget;
use crate::domain::grant::{FolderAccess, FolderGrant, Grants};
use crate::domain::outcome::{Bound, GuestEvent, LogLevel, LogLine};
use crate::domain::secret::Secrets;
use crate::egress::Egress;

/// Bytes of randomness that a guest gets in one go.
const RANDOM_BYTES: u64 = 1 << 20;

/// Hears what a guest says while it runs; called from the guest's thread, so it must not wait.
pub type Listener = Arc<dyn Fn(GuestEvent) + Send + Sync>;

/// What one call may reach, and who listens to it.
pub(super) struct Reach {
    pub(super) grants: Arc<Grants>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) listener: Option<Listener>,
}

/// A bound that a host function found to be reached; ends the guest.
#[derive(Debug, thiserror::Error)]
#[error("the bound `{}` was reached", .0.as_str())]
pub(super) struct BoundReached(pub(super) Bound);

/// Calls of the host by one guest, readable while the guest runs.
#[derive(Clone, Default)]
pub(super) struct HostCalls(Arc<AtomicU64>);

impl HostCalls {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

pub(super) struct State {
    /// The zero of the guest's monotonic clock.
    pub(super) born: Instant,
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    pub(super) host_calls: HostCalls,
    pub(super) reach: Option<Reach>,
    pub(super) fetches: Fetches,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) log: Vec<LogLine>,
    /// What the guest said before it gave up; see [`super::guest::PANIC`].
    pub(super) panic: Option<String>,
    /// Progress reports so far.
    pub(super) reports: usize,
    pub(super) dropped_lines: u64,
}

impl State {
    /// Counts a call of the host.
    ///
    /// # Errors
    /// [`BoundReached`] when it was one too many.
    pub(super) fn host_call(&self) -> wasmtime::Result<()> {
        if self.host_calls.add() > self.budget.host_calls {
            return Err(BoundReached(Bound::HostCalls).into());
        }
        Ok(())
    }

    /// Makes log lines of the requests that failed where the guest is told no more than a code.
    pub(super) fn log_failed_requests(&mut self) {
        for message in self.fetches.failures.take() {
            if self.log.len() >= self.budget.log_lines {
                self.dropped_lines += 1;
                continue;
            }
            self.log.push(LogLine { level: LogLevel::Warning, message });
        }
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, event: GuestEvent) {
        if let Some(listener) = self.reach.as_ref().and_then(|reach| reach.listener.as_ref()) {
            listener(event);
        }
    }
}

impl WasiView for State {
    /// Every call of a WASI function passes here, and is counted; the supervisor of the call looks at
    /// the count each time the guest yields.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_calls.add();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    /// Counted like every other call of WASI.
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.host_calls.add();
        WasiHttpCtxView { ctx: &mut self.wasi_http, table: &mut self.table, hooks: &mut self.fetches }
    }
}

/// A store for one guest: a full tank, nothing of WASI but these folders, nothing within reach.
///
/// # Errors
/// When the engine was not built for fuel, or a folder cannot be opened.
pub(super) fn new_store(
    engine: &Engine,
    budget: &Budget,
    egress: &Egress,
    folders: &[FolderGrant],
) -> wasmtime::Result<Store<State>> {
    let stdout = Capture::new(budget.stdout_bytes);
    let stderr = Capture::new(budget.stdout_bytes);
    let mut table = ResourceTable::new();
    table.set_max_capacity(budget.handles);
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(stdout.clone()).stderr(stderr.clone()).max_random_size(RANDOM_BYTES);
    for FolderGrant { host, guest, access } in folders {
        let perms = match access {
            FolderAccess::ReadOnly => FsPerms::ReadOnly,
            FolderAccess::ReadWrite => FsPerms::ReadWrite,
        };
        wasi.preopened_dir(host, guest, perms)
            .map_err(|error| error.context(format!("the granted folder `{guest}` cannot be opened")))?;
    }
    let state = State {
        born: Instant::now(),
        wasi: wasi.build(),
        wasi_http: WasiHttpCtx::new(),
        table,
        limiter: Limiter::new(budget.memory_bytes, budget.table_elements),
        host_calls: HostCalls::default(),
        reach: None,
        fetches: Fetches::new(egress.for_call(), budget),
        stdout,
        stderr,
        log: Vec::new(),
        panic: None,
        reports: 0,
        dropped_lines: 0,
        budget: budget.clone(),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(budget.fuel)?;
    store.fuel_async_yield_interval(Some(YIELD_FUEL))?;
    store.set_max_component_handles(budget.handles);
    store.set_hostcall_fuel(transfer_bytes(budget));
    Ok(store)
}

/// Bytes that a guest may hand to the host at once: the largest thing that is allowed, a request body
/// or a result, and room for what surrounds it.
fn transfer_bytes(budget: &Budget) -> usize {
    const AROUND: usize = 1 << 20;
    budget.result_bytes.max(budget.http_body_bytes) + AROUND
}
