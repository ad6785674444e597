//! What the host keeps for one guest: its budget, what it may reach, and what it has said so far.
//!
//! A guest that is prepared ahead of its call has no [`Reach`]: no hosts, no secrets, nobody who
//! listens. The call brings it. Folders cannot be brought: a guest may look for them when it starts,
//! so a call that has some makes its own store.

use std::sync::Arc;

use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::engine::YIELD_FUEL;
use super::fetch::Network;
use super::files::Room;
use super::guest::{Ends, Standing};
use super::limiter::Limiter;
use super::pace::HostCalls;
use super::stdio::Capture;
use crate::domain::binding::BoundSecrets;
use crate::domain::budget::Budget;
use crate::domain::client::Client;
use crate::domain::grant::{FolderAccess, FolderGrant, Grants};
use crate::domain::outcome::{Bound, GuestEvent, LogLevel, LogLine, Outcome};
use crate::domain::secret::Secrets;
use crate::egress::Egress;

/// Bytes of randomness that a guest gets in one go.
const RANDOM_BYTES: u64 = 1 << 20;

/// Hears what a guest says while it runs; called from the guest's thread, so it must not wait.
pub type Listener = Arc<dyn Fn(GuestEvent) + Send + Sync>;

/// What one call may reach, and who listens to it.
pub(super) struct Reach {
    pub(super) grants: Arc<Grants>,
    /// Those that the guest may read.
    pub(super) secrets: Arc<Secrets>,
    /// Those that its requests carry, and that it never sees.
    pub(super) bound: Arc<BoundSecrets>,
    pub(super) client: Arc<dyn Client>,
    pub(super) listener: Option<Listener>,
}

/// A bound that a host function found to be reached; ends the guest.
#[derive(Debug, thiserror::Error)]
#[error("the bound `{}` was reached", .0.as_str())]
pub(super) struct BoundReached(pub(super) Bound);

/// What functions of WASI get to see once the guest has come to its end: nothing, so that they fail.
struct Nothing {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Nothing {
    fn new() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(0);
        Self { wasi: WasiCtxBuilder::new().max_random_size(0).build(), table }
    }
}

pub(super) struct State {
    /// The zero of the guest's monotonic clock.
    pub(super) born: Instant,
    /// Made when the guest first asks for something of WASI: to make it costs more than a short call.
    wasi: Option<WasiCtx>,
    wasi_http: WasiHttpCtx,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    pub(super) host_calls: HostCalls,
    /// Looked at each time the guest calls the host.
    ends: Option<Ends>,
    /// How the guest ended, if a call of the host found that it has to.
    pub(super) ended: Option<Outcome>,
    nothing: Option<Box<Nothing>>,
    pub(super) reach: Option<Reach>,
    pub(super) network: Network,
    /// For what it writes into its folders.
    pub(super) room: Room,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) log: Vec<LogLine>,
    /// What the guest said before it gave up; see [`super::guest::PANIC`].
    pub(super) panic: Option<String>,
    /// Progress reports so far.
    pub(super) reports: usize,
    /// Questions to its client so far.
    pub(super) questions: usize,
    /// Notices of changes so far.
    pub(super) notices: usize,
    pub(super) dropped_lines: u64,
}

impl State {
    /// Counts a call of the host that hands over so many bytes, and lets others run when it is their
    /// turn.
    ///
    /// # Errors
    /// [`BoundReached`] when the guest has come to its end.
    pub(super) async fn host_call(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.may_go_on();
        self.is_going_on()?;
        self.host_calls.weigh(bytes).await;
        Ok(())
    }

    /// Makes log lines of the requests that failed where the guest is told no more than a code.
    pub(super) fn log_failed_requests(&mut self) {
        let failures = self.network.begun().map(|fetches| fetches.failures.take());
        for message in failures.into_iter().flatten() {
            if self.log.len() >= self.budget.log_lines {
                self.dropped_lines += 1;
                continue;
            }
            self.log.push(LogLine { level: LogLevel::Warning, message });
        }
    }

    /// From now on a call of the host ends the guest after its deadline, or when its caller has gone.
    pub(super) fn ends_at(&mut self, ends: Ends) {
        self.ends = Some(ends);
    }

    /// Lets the guest's time stand still until the answer is dropped.
    pub(super) fn stand_still(&self) -> Option<Standing> {
        self.ends.as_ref().map(Ends::stand_still)
    }

    /// Ends the guest in this way, by the error that the call of the host answers.
    pub(super) fn end(&mut self, outcome: Outcome) -> wasmtime::Error {
        self.ended = Some(outcome);
        BoundReached(Bound::HostCalls).into()
    }

    /// # Errors
    /// [`BoundReached`] when the guest has come to its end.
    pub(super) fn is_going_on(&self) -> wasmtime::Result<()> {
        if self.ended.is_some() { Err(BoundReached(Bound::HostCalls).into()) } else { Ok(()) }
    }

    /// Counts a call of the host and looks whether the guest has to end.
    fn may_go_on(&mut self) -> bool {
        let calls = self.host_calls.add();
        if self.ended.is_none() {
            self.ended = match &self.ends {
                _ if calls > self.budget.host_calls => Some(Outcome::Stopped(Bound::HostCalls)),
                Some(ends) if ends.is_cancelled() => Some(Outcome::Cancelled),
                Some(ends) if ends.is_over() => Some(Outcome::Stopped(Bound::Time)),
                _ => None,
            };
        }
        self.ended.is_none()
    }

    /// Tells whoever listens.
    pub(super) fn tell(&self, event: GuestEvent) {
        if let Some(listener) = self.reach.as_ref().and_then(|reach| reach.listener.as_ref()) {
            listener(event);
        }
    }
}

impl WasiView for State {
    /// Every call of a WASI function passes here and is counted. It cannot be refused here; one that
    /// comes too late finds nothing that it could work on.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.may_go_on() {
            let (stdout, stderr) = (&self.stdout, &self.stderr);
            let ctx = self.wasi.get_or_insert_with(|| wasi(stdout, stderr).build());
            return WasiCtxView { ctx, table: &mut self.table };
        }
        let nothing = self.nothing.get_or_insert_with(|| Box::new(Nothing::new()));
        WasiCtxView { ctx: &mut nothing.wasi, table: &mut nothing.table }
    }
}

impl WasiHttpView for State {
    /// Counted like every other call of WASI, and like those it finds nothing when it comes too late.
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let table = if self.may_go_on() {
            &mut self.table
        } else {
            &mut self.nothing.get_or_insert_with(|| Box::new(Nothing::new())).table
        };
        WasiHttpCtxView { ctx: &mut self.wasi_http, table, hooks: self.network.fetches(&self.budget) }
    }
}

/// Nothing of WASI but output, the clocks and randomness.
fn wasi(stdout: &Capture, stderr: &Capture) -> WasiCtxBuilder {
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(stdout.clone()).stderr(stderr.clone()).max_random_size(RANDOM_BYTES);
    wasi
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
    let mut with_folders = (!folders.is_empty()).then(|| wasi(&stdout, &stderr));
    for FolderGrant { host, guest, access } in folders {
        let perms = match access {
            FolderAccess::ReadOnly => FsPerms::ReadOnly,
            FolderAccess::ReadWrite => FsPerms::ReadWrite,
        };
        if let Some(wasi) = &mut with_folders {
            wasi.preopened_dir(host, guest, perms)
                .map_err(|error| error.context(format!("the granted folder `{guest}` cannot be opened")))?;
        }
    }
    let state = State {
        born: Instant::now(),
        wasi: with_folders.map(|mut wasi| wasi.build()),
        wasi_http: WasiHttpCtx::new(),
        table,
        limiter: Limiter::new(budget.memory_bytes, budget.table_elements),
        host_calls: HostCalls::default(),
        ends: None,
        ended: None,
        nothing: None,
        reach: None,
        network: Network::new(egress.clone()),
        room: Room::new(budget),
        stdout,
        stderr,
        log: Vec::new(),
        panic: None,
        reports: 0,
        questions: 0,
        notices: 0,
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
