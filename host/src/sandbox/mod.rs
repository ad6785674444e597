//! The sandbox: runs guests, each call in a fresh WebAssembly instance, and tells what came of it.
//!
//! It accepts a [`Job`] and answers a [`Report`]; every end of a guest is an
//! [`Outcome`](crate::domain::outcome::Outcome) in it. An error means that the host is broken. It
//! grants nothing of its own: what a guest may reach comes with the job. It needs no database and no
//! encryption key, and it is the only room that names wasmtime.

mod asking;
mod bindings;
mod cancel;
mod child;
mod compile;
mod component;
mod components;
mod content;
mod engine;
mod fetch;
mod files;
mod guest;
mod http;
mod imports;
mod interpreter;
mod javascript;
mod limiter;
mod machines;
mod modules;
mod offered;
mod offers;
mod pace;
mod plain;
mod pressure;
mod skills;
mod sources;
mod spares;
mod state;
mod stdio;
mod threads;
mod unmetered;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::{Engine, Store};

pub use self::cancel::Cancel;
pub use self::child::EXIT_REFUSED;
use self::compile::Compiler;
pub use self::compile::{Compilation, CompileError, FetchBytes, compile_here};
use self::components::{Components, Kind, Opened};
use self::guest::Watch;
pub use self::interpreter::Description;
pub use self::javascript::transpile_here;
use self::machines::Machines;
use self::offers::Listed;
use self::pressure::Pressure;
use self::sources::{Source, Sources};
pub use self::state::Listener;
use self::state::{Reach, State};
use self::threads::Threads;
use crate::domain::binding::BoundSecrets;
use crate::domain::budget::Budget;
use crate::domain::client::Client;
use crate::domain::component::{ComponentWorld, Entry, Export, Inspection, Offer};
use crate::domain::digest::Digest;
use crate::domain::grant::{FolderGrant, Grants};
use crate::domain::outcome::{Bound, Outcome, Report};
use crate::domain::secret::Secrets;
use crate::domain::tool::Language;
use crate::egress::Egress;
use crate::limits::Limits;
use crate::telemetry;

/// Time for the steps that are no call: describing a source, preparing a spare.
const BESIDE_TIME: Duration = Duration::from_secs(10);
/// So many of these steps at once, spares apart; more of them wait. Each has an instance of its own.
const BESIDE_AT_ONCE: u32 = 8;

/// Where the sandbox keeps compiled code, and with what it compiles.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    pub limits: Limits,
    /// Folder for what can be made again.
    pub cache_dir: PathBuf,
    /// The `mcpbox` executable, which compiles in a process of its own.
    pub program: PathBuf,
}

/// What one call runs.
#[derive(Clone, Debug)]
pub enum Program {
    /// A source, run by the interpreter of its language.
    Source { language: Language, source: Arc<str>, digest: Digest },
    /// A component, and what of it.
    Component { bytes: Arc<dyn FetchBytes>, digest: Digest, entry: Entry },
}

/// One call.
#[derive(Clone, Debug)]
pub struct Job {
    pub program: Program,
    /// A JSON object.
    pub arguments: String,
    /// Those that the guest may read.
    pub secrets: Arc<Secrets>,
    /// Those that the host adds to the guest's requests.
    pub bound: Arc<BoundSecrets>,
    pub grants: Arc<Grants>,
    pub budget: Budget,
    /// Whoever is behind the call.
    pub client: Arc<dyn Client>,
}

/// The host's own failures. A guest's are in the report.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox could not be started: {0}")]
    Start(String),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("a source could not be read: {0}")]
    Read(String),
    #[error("a guest could not be given a place: {0}")]
    Place(String),
    #[error("the host failed while it ran a guest: {0}")]
    Panicked(String),
}

/// Runs guests. Clones share everything.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    machines: Arc<Machines>,
    compiler: Compiler,
    components: Components,
    sources: Sources,
    egress: Egress,
    limits: Limits,
    /// Where guests compute, apart from the runtime that serves.
    guests: Guests,
    /// The places of steps that are no call.
    beside: Semaphore,
    /// Where requests of guests run.
    io: Handle,
}

/// The guests' own threads, and whether calls need them now.
struct Guests {
    threads: Threads,
    pressure: Arc<Pressure>,
}

impl Guests {
    fn new() -> std::io::Result<Self> {
        let threads = Threads::start()?;
        let pressure = Arc::new(Pressure::new(threads.count()));
        Ok(Self { threads, pressure })
    }

    /// Runs `work` where guests run; dropping the answer stops it.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, SandboxError> {
        let (answer, answered) = oneshot::channel();
        let _running = self.threads.spawn(telemetry::carried(async move {
            // Who no longer wants the answer has gone.
            let _ = answer.send(without_panic(work).await);
        }));
        given(answered).await
    }

    /// As [`run`](Self::run), for a call: its answer is here before what it leaves behind is cleared
    /// away. The thread that it ran on does that next, before it turns to another guest, so that no
    /// more is left over than there are threads, and of that nothing large
    /// ([`left_over`](guest::left_over)).
    async fn call<T: Send + 'static, L: Send + 'static>(
        &self,
        work: impl Future<Output = (T, L)> + Send + 'static,
    ) -> Result<T, SandboxError> {
        // Boxed once: as it is wrapped, queued and cleared away it would be copied each time.
        let work = Box::pin(work);
        let (answer, answered) = oneshot::channel();
        let pressure = Arc::clone(&self.pressure);
        let _running = self.threads.spawn(telemetry::carried(async move {
            let clear_away = async {
                let (result, left) = match without_panic(work).await {
                    Ok((result, left)) => (Ok(result), Some(left)),
                    Err(error) => (Err(error), None),
                };
                // Who no longer wants the answer has gone.
                let _ = answer.send(result);
                drop(left);
            };
            pressure.call(clear_away).await;
        }));
        given(answered).await
    }
}

/// What is sent here, unless the threads have ended.
async fn given<T>(answered: oneshot::Receiver<Result<T, SandboxError>>) -> Result<T, SandboxError> {
    answered.await.unwrap_or_else(|_| Err(SandboxError::Panicked("the sandbox has stopped".to_owned())))
}

async fn without_panic<T>(work: impl Future<Output = T>) -> Result<T, SandboxError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        SandboxError::Panicked(said.unwrap_or("it panicked without a word").to_owned())
    })
}

impl Sandbox {
    /// Starts the sandbox on the current runtime. The interpreter is opened, or compiled, by the
    /// first who needs it; [`prepare`](Self::prepare) does it ahead.
    ///
    /// # Errors
    /// When this machine cannot run wasmtime within the limits, or the cache folder is not ours.
    pub fn start(settings: SandboxSettings, egress: Egress) -> Result<Self, SandboxError> {
        let SandboxSettings { limits, cache_dir, program } = settings;
        let machines = Machines::new(&limits).map_err(|error| SandboxError::Start(format!("{error:#}")))?;
        let machines = Arc::new(machines);
        let sources = Sources::new(&limits, program.clone());
        let compiler = Compiler::new(Arc::clone(&machines), &cache_dir, program, &limits)?;
        let guests = Guests::new().map_err(|error| SandboxError::Start(error.to_string()))?;
        let components = Components::new(&limits);
        let (beside, io) = (Semaphore::new(BESIDE_AT_ONCE as usize), Handle::current());
        let sandbox =
            Self(Arc::new(Inner { machines, compiler, components, sources, egress, limits, guests, beside, io }));
        sandbox.keep_spares();
        Ok(sandbox)
    }

    /// Asks the threads on which guests run for a sign of life.
    ///
    /// # Errors
    /// When they have ended.
    pub async fn ping(&self) -> Result<(), SandboxError> {
        self.0.guests.run(async {}).await
    }

    /// What is being compiled now, as it changes.
    pub fn compilations(&self) -> watch::Receiver<Vec<Compilation>> {
        self.0.compiler.under_way()
    }

    /// What a component offers and asks for. None of its tools is called; one of the contract is
    /// asked for its list, without grants or secrets. Of one that is refused nothing stays.
    ///
    /// The outer error is the host's; the inner one tells how the component failed to answer.
    ///
    /// # Errors
    /// When the component is refused by the compiler, or the host is broken.
    pub async fn inspect(
        &self,
        bytes: &dyn FetchBytes,
        digest: Digest,
    ) -> Result<Result<Inspection, Outcome>, SandboxError> {
        let inspected = self.inspected(bytes, digest).await;
        if matches!(inspected, Ok(Err(_)) | Err(SandboxError::Compile(CompileError::Refused(_)))) {
            self.0.compiler.forget(digest);
        }
        inspected
    }

    async fn inspected(
        &self,
        bytes: &dyn FetchBytes,
        digest: Digest,
    ) -> Result<Result<Inspection, Outcome>, SandboxError> {
        let opened = self.component(bytes, digest).await?;
        let bytes = compile::fetch(bytes).await?;
        if Digest::of(&bytes) != digest {
            return Err(CompileError::Refused(compile::OTHER_BYTES.to_owned()).into());
        }
        let (world, tools, skipped, offer) = match &opened.kind {
            Kind::Contract(_) => match self.list(Arc::clone(&opened)).await? {
                Ok((tools, listed)) => {
                    let tools = component::checked(tools, &self.0.limits)?;
                    let offer = offers::checked(listed, &tools, &self.0.limits)?;
                    (ComponentWorld::Contract, tools, Vec::new(), offer)
                }
                Err(outcome) => return Ok(Err(outcome)),
            },
            Kind::Plain(plain) => (ComponentWorld::Plain, plain.tools(&bytes), plain.skipped.clone(), Offer::default()),
        };
        Ok(Ok(Inspection {
            world,
            exports: opened.exports.clone(),
            imports: opened.imports.names.clone(),
            capabilities: opened.imports.capabilities.clone(),
            tools,
            skipped,
            offer,
        }))
    }

    /// Asks a component of the contract for what it offers, and reads its skills.
    async fn list(&self, opened: Arc<Opened>) -> Result<Result<(Vec<Export>, Listed), Outcome>, SandboxError> {
        let _place = self.place_beside().await?;
        let mut store = self.store_of(&opened, &self.beside_budget(), &[])?;
        let limits = self.0.limits.clone();
        let listed = self
            .0
            .guests
            .run(async move {
                let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
                match &opened.kind {
                    Kind::Contract(contract) => contract.list(&mut store, &watch, &limits).await,
                    Kind::Plain(_) => Ok(Ok((Vec::new(), Listed::default()))),
                }
            })
            .await?;
        Ok(match listed {
            Ok(listed) => Ok(listed?),
            Err(outcome) => Err(outcome),
        })
    }

    /// Runs one call to its end. `cancel` stops the guest; so does dropping the future, without a
    /// report. `listener` hears what the guest says while it runs; it must not wait.
    ///
    /// # Errors
    /// When the host is broken, or the component is refused by the compiler.
    pub async fn run(
        &self,
        job: Job,
        cancel: impl Into<Cancel>,
        listener: Option<Listener>,
    ) -> Result<Report, SandboxError> {
        let cancel = cancel.into();
        let Job { grants, secrets, bound, client, .. } = job;
        let reach = Reach { grants, secrets, bound, client, listener };
        match job.program {
            Program::Source { language, source, digest } => {
                let source = Source { language, text: source, digest };
                // Boxed: it is far larger than what a component needs.
                Box::pin(self.run_source(source, job.arguments, reach, job.budget, cancel)).await
            }
            Program::Component { bytes, digest, entry } => {
                let (began, time) = (Instant::now(), job.budget.time);
                let opened = match self.component_within(bytes, digest, time, &cancel).await? {
                    Ok(opened) => opened,
                    Err(outcome) => return Ok(Report::unbegun(outcome, began.elapsed())),
                };
                let mut store = self.store_of(&opened, &job.budget, &reach.grants.folders)?;
                self.attach(&mut store, reach);
                self.0
                    .guests
                    .call(async move {
                        let watch = Watch::new(time, cancel);
                        let outcome = match (&opened.kind, &entry) {
                            (Kind::Contract(contract), entry) => {
                                contract.run(&mut store, &watch, entry, &job.arguments).await
                            }
                            (Kind::Plain(plain), Entry::Tool(tool)) => {
                                plain.call(&mut store, &watch, tool, &job.arguments).await
                            }
                            (Kind::Plain(_), other) => component::has_none(other),
                        };
                        let report = guest::report(&mut store, &watch, outcome);
                        let left = guest::left_over(&report, store);
                        (report, left)
                    })
                    .await
            }
        }
    }

    /// Gives a guest what its call may reach.
    fn attach(&self, store: &mut Store<State>, reach: Reach) {
        let state = store.data_mut();
        state.network.begin_call(self.0.io.clone(), Arc::clone(&reach.grants), Arc::clone(&reach.bound));
        state.reach = Some(reach);
    }

    /// A store for one guest, which sees these folders and nothing else.
    fn store(&self, engine: &Engine, budget: &Budget, folders: &[FolderGrant]) -> Result<Store<State>, SandboxError> {
        state::new_store(engine, budget, &self.0.egress, folders)
            .map_err(|error| SandboxError::Place(format!("{error:#}")))
    }

    /// As [`store`](Self::store), for a guest of this component.
    fn store_of(
        &self,
        opened: &Opened,
        budget: &Budget,
        folders: &[FolderGrant],
    ) -> Result<Store<State>, SandboxError> {
        let mut store = self.store(opened.engine(), budget, folders)?;
        if opened.has_unmetered_work {
            unmetered::take_turns(&mut store);
        }
        Ok(store)
    }

    /// Waits for a place of a step that is no call.
    async fn place_beside(&self) -> Result<SemaphorePermit<'_>, SandboxError> {
        self.0.beside.acquire().await.map_err(|error| SandboxError::Place(error.to_string()))
    }

    fn beside_budget(&self) -> Budget {
        Budget::new(&self.0.limits, Some(BESIDE_TIME))
    }

    /// As [`component`](Self::component), for a call: it waits no longer than the call may last, and what it began
    /// goes on for the next one.
    async fn component_within(
        &self,
        bytes: Arc<dyn FetchBytes>,
        digest: Digest,
        time: Duration,
        cancel: &Cancel,
    ) -> Result<Result<Arc<Opened>, Outcome>, SandboxError> {
        if let Some(known) = self.0.components.known(digest).await {
            return Ok(Ok(known?));
        }
        let sandbox = self.clone();
        let opening = async move { sandbox.component(&*bytes, digest).await };
        tokio::select! {
            biased;
            opened = self.0.io.spawn(telemetry::carried(opening)) => match opened {
                Ok(opened) => opened.map(Ok),
                Err(error) => Err(SandboxError::Panicked(error.to_string())),
            },
            () = cancel.cancelled() => Ok(Err(Outcome::Cancelled)),
            () = tokio::time::sleep(time) => Ok(Err(Outcome::Stopped(Bound::Time))),
        }
    }

    async fn component(&self, bytes: &dyn FetchBytes, digest: Digest) -> Result<Arc<Opened>, SandboxError> {
        Ok(self.0.components.open(&self.0.compiler, &self.0.machines, bytes, digest).await?)
    }
}
