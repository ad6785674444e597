//! The sandbox: runs guests, each call in a fresh WebAssembly instance, and tells what came of it.
//!
//! It accepts a [`Job`] and answers a [`Report`]; every end of a guest is an
//! [`Outcome`](crate::domain::outcome::Outcome) in it. An error means that the host is broken. It
//! grants nothing of its own: what a guest may reach comes with the job. It needs no database and no
//! encryption key, and it is the only room that names wasmtime.

mod bindings;
mod compile;
mod component;
mod engine;
mod fetch;
mod guest;
mod imports;
mod limiter;
mod python;
mod spares;
mod state;
mod stdio;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};

use self::bindings::interpreter::InterpreterPre;
use self::bindings::tool::ToolPre;
use self::compile::Compiler;
pub use self::compile::{Compilation, CompileError, EXIT_REFUSED, compile_here};
pub use self::component::ListedTool;
use self::guest::Watch;
pub use self::python::Description;
use self::python::Prepared;
use self::spares::Spares;
pub use self::state::Listener;
use self::state::{Reach, State};
use crate::domain::budget::Budget;
use crate::domain::digest::Digest;
use crate::domain::grant::Grants;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::secret::Secrets;
use crate::egress::Egress;
use crate::limits::Limits;

/// The Python interpreter, as `make runner` built it.
static PYTHON_RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/python.wasm"));

/// Time for the steps that are no call: describing a source, preparing a spare.
const BESIDE_TIME: Duration = Duration::from_secs(10);
/// Memory for compiled Python code, in bytes.
const CODE_CACHE_BYTES: u64 = 64 << 20;

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
    Python {
        source: Arc<str>,
        digest: Digest,
    },
    /// One tool of a component of the contract.
    Component {
        bytes: Arc<[u8]>,
        digest: Digest,
        tool: String,
    },
}

/// One call.
#[derive(Clone, Debug)]
pub struct Job {
    pub program: Program,
    /// A JSON object.
    pub arguments: String,
    pub secrets: Arc<Secrets>,
    pub grants: Arc<Grants>,
    pub budget: Budget,
}

/// The host's own failures. A guest's are in the report.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox could not be started: {0}")]
    Start(String),
    #[error("{0}")]
    Compile(#[from] CompileError),
    #[error("a guest could not be given a place: {0}")]
    Place(String),
    #[error("the host failed while it ran a guest: {0}")]
    Panicked(String),
}

/// Runs guests. Clones share everything.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    compiler: Compiler,
    python: OnceCell<InterpreterPre<State>>,
    python_digest: Digest,
    codes: Cache<Digest, Arc<Description>>,
    spares: Spares,
    refill: mpsc::Sender<(Digest, Arc<str>)>,
    egress: Egress,
    limits: Limits,
    /// Where guests compute, apart from the runtime that serves.
    guests: Guests,
    /// Where requests of guests run.
    io: Handle,
}

/// The guests' own runtime; ended without waiting, because it may be dropped from async code.
struct Guests(Option<tokio::runtime::Runtime>);

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Guests {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("guest")
            .on_thread_start(|| {
                // The threads that serve come first. Failing to step back costs only latency.
                let _ = rustix::process::nice(GUEST_NICE);
            })
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs `work` where guests run; dropping the answer stops it.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, SandboxError> {
        let Some(runtime) = &self.0 else { return Err(SandboxError::Panicked("the sandbox has stopped".into())) };
        let mut task = AbortOnDrop(runtime.spawn(work.instrument(tracing::Span::current())));
        (&mut task.0).await.map_err(|error| SandboxError::Panicked(error.to_string()))
    }
}

/// How much the guests' threads step back behind the others (`nice(2)`, per thread on Linux).
const GUEST_NICE: i32 = 5;

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sandbox {
    /// Starts the sandbox on the current runtime. The interpreter is opened, or compiled, by the
    /// first who needs it; [`prepare`](Self::prepare) does it ahead.
    ///
    /// # Errors
    /// When this machine cannot run wasmtime within the limits, or the cache folder is not ours.
    pub fn start(settings: SandboxSettings, egress: Egress) -> Result<Self, SandboxError> {
        let SandboxSettings { limits, cache_dir, program } = settings;
        let engine = engine::for_running(&limits).map_err(|error| SandboxError::Start(format!("{error:#}")))?;
        let linker = imports::linker(&engine).map_err(|error| SandboxError::Start(format!("{error:#}")))?;
        let compiler = Compiler::new(engine.clone(), &cache_dir, program, &limits)?;
        let guests = Guests::new().map_err(|error| SandboxError::Start(error.to_string()))?;
        let (refill, wanted) = mpsc::channel(64);
        let sandbox = Self(Arc::new(Inner {
            engine,
            linker,
            compiler,
            python: OnceCell::new(),
            python_digest: Digest::of(PYTHON_RUNNER),
            codes: Cache::builder()
                .max_capacity(CODE_CACHE_BYTES)
                .weigher(|_, found: &Arc<Description>| u32::try_from(found.code.len()).unwrap_or(u32::MAX))
                .build(),
            spares: Spares::new(&limits),
            refill,
            egress,
            limits,
            guests,
            io: Handle::current(),
        }));
        sandbox.keep_spares(wanted);
        Ok(sandbox)
    }

    /// Opens the Python interpreter, compiling it if this machine has not yet done so.
    ///
    /// # Errors
    /// When it cannot be compiled here.
    pub async fn prepare(&self) -> Result<(), SandboxError> {
        self.python().await.map(|_| ())
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

    /// A name for the Python interpreter: another one may compile sources differently.
    pub fn python_digest(&self) -> Digest {
        self.0.python_digest
    }

    /// Drops what was prepared for a source that is no longer wanted.
    pub fn forget(&self, source: Digest) {
        self.0.spares.forget(source);
    }

    /// Compiles a Python source and derives its schemas. Runs none of it.
    ///
    /// The outer error is the host's; the inner one tells how the source failed.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn describe_python(&self, source: Arc<str>) -> Result<Result<Arc<Description>, Outcome>, SandboxError> {
        let digest = Digest::of(source.as_bytes());
        if let Some(found) = self.0.codes.get(&digest).await {
            return Ok(Ok(found));
        }
        let pre = self.python().await?.clone();
        let store = self.store(&self.beside_budget())?;
        let found = self
            .0
            .guests
            .run(async move {
                let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
                let (mut store, instance) = python::start(&pre, store, &watch).await;
                match instance {
                    Ok(instance) => python::describe(&mut store, &instance, &watch, &source).await,
                    Err(outcome) => Err(outcome),
                }
            })
            .await?;
        match found {
            Ok(found) => {
                let found = Arc::new(found);
                self.0.codes.insert(digest, Arc::clone(&found)).await;
                Ok(Ok(found))
            }
            Err(outcome) => Ok(Err(outcome)),
        }
    }

    /// The tools that a component of the contract exports.
    ///
    /// # Errors
    /// When the component is refused by the compiler, or the host is broken.
    pub async fn list_tools(
        &self,
        bytes: &[u8],
        digest: Digest,
    ) -> Result<Result<Vec<ListedTool>, Outcome>, SandboxError> {
        let pre = self.tool(bytes, digest).await?;
        let mut store = self.store(&self.beside_budget())?;
        self.0
            .guests
            .run(async move {
                let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
                component::list(&pre, &mut store, &watch).await
            })
            .await
    }

    /// Runs one call to its end. `cancel` stops the guest; so does dropping the future, without a
    /// report. `listener` hears what the guest says while it runs; it must not wait.
    ///
    /// # Errors
    /// When the host is broken, or the component is refused by the compiler.
    pub async fn run(
        &self,
        job: Job,
        cancel: CancellationToken,
        listener: Option<Listener>,
    ) -> Result<Report, SandboxError> {
        let reach = Reach { grants: job.grants, secrets: job.secrets, listener };
        match job.program {
            Program::Python { source, digest } => {
                self.run_python(source, digest, job.arguments, reach, job.budget, cancel).await
            }
            Program::Component { bytes, digest, tool } => {
                let pre = self.tool(&bytes, digest).await?;
                let mut store = self.store(&job.budget)?;
                self.attach(&mut store, reach);
                let time = job.budget.time;
                self.0
                    .guests
                    .run(async move {
                        let watch = Watch::new(time, cancel);
                        let outcome = component::call(&pre, &mut store, &watch, &tool, &job.arguments).await;
                        guest::report(&mut store, &watch, outcome)
                    })
                    .await
            }
        }
    }

    async fn run_python(
        &self,
        source: Arc<str>,
        digest: Digest,
        arguments: String,
        reach: Reach,
        budget: Budget,
        cancel: CancellationToken,
    ) -> Result<Report, SandboxError> {
        let pre = self.python().await?.clone();
        let code = match self.describe_python(Arc::clone(&source)).await? {
            Ok(found) => Arc::clone(&found.code),
            Err(outcome) => {
                let mut store = self.store(&budget)?;
                return Ok(guest::report(&mut store, &Watch::new(budget.time, cancel), outcome));
            }
        };
        let spare = self.0.spares.take(digest);
        let sandbox = self.clone();
        let fresh = match &spare {
            Some(_) => None,
            None => Some(self.store(&budget)?),
        };
        let report = self
            .0
            .guests
            .run(async move {
                let watch = Watch::new(budget.time, cancel);
                let (mut store, instance, loaded) = match (spare, fresh) {
                    (Some(live), _) => {
                        let (store, instance) = live.parts();
                        (store, Ok(instance), true)
                    }
                    (None, Some(store)) => {
                        let (store, instance) = python::start(&pre, store, &watch).await;
                        (store, instance, false)
                    }
                    (None, None) => return None,
                };
                sandbox.attach(&mut store, reach);
                let outcome = match instance {
                    Err(outcome) => outcome,
                    Ok(instance) => {
                        let ready = if loaded {
                            Ok(())
                        } else {
                            python::load(&mut store, &instance, &watch, &code, &source, &arguments).await
                        };
                        match ready {
                            Ok(()) => python::call(&mut store, &instance, &watch, &arguments).await,
                            Err(outcome) => outcome,
                        }
                    }
                };
                let report = guest::report(&mut store, &watch, outcome);
                // The next call should find one; a full queue means that others are wanted more.
                if sandbox.0.spares.wants(digest) {
                    let _ = sandbox.0.refill.try_send((digest, source));
                }
                Some(report)
            })
            .await?;
        report.ok_or_else(|| SandboxError::Place("no instance was made".into()))
    }

    /// Gives a guest what its call may reach.
    fn attach(&self, store: &mut Store<State>, reach: Reach) {
        let state = store.data_mut();
        state.reach = Some(reach);
        state.fetches.run_on(self.0.io.clone());
    }

    fn store(&self, budget: &Budget) -> Result<Store<State>, SandboxError> {
        state::new_store(&self.0.engine, budget, &self.0.egress)
            .map_err(|error| SandboxError::Place(format!("{error:#}")))
    }

    fn beside_budget(&self) -> Budget {
        Budget::new(&self.0.limits, Some(BESIDE_TIME))
    }

    async fn python(&self) -> Result<&InterpreterPre<State>, SandboxError> {
        self.0
            .python
            .get_or_try_init(|| async {
                let component = self.0.compiler.open(PYTHON_RUNNER, self.0.python_digest).await?;
                let pre = self.0.linker.instantiate_pre(&component);
                pre.and_then(InterpreterPre::new)
                    .map_err(|error| SandboxError::Start(format!("the Python runner does not fit: {error:#}")))
            })
            .await
    }

    async fn tool(&self, bytes: &[u8], digest: Digest) -> Result<ToolPre<State>, SandboxError> {
        let component = self.0.compiler.open(bytes, digest).await?;
        let pre = self.0.linker.instantiate_pre(&component).and_then(ToolPre::new);
        Ok(pre.map_err(|error| {
            CompileError::Refused(format!("the component asks for what is not offered here: {error:#}"))
        })?)
    }

    /// Prepares spares in the background, one after the other, and drops those that nobody took.
    fn keep_spares(&self, mut wanted: mpsc::Receiver<(Digest, Arc<str>)>) {
        let sandbox = Arc::downgrade(&self.0);
        let Some(runtime) = &self.0.guests.0 else { return };
        let idle = self.0.spares.idle();
        runtime.spawn(async move {
            loop {
                let next = tokio::time::timeout(idle, wanted.recv()).await;
                let Some(inner) = sandbox.upgrade() else { return };
                let sandbox = Self(inner);
                match next {
                    Ok(None) => return,
                    Ok(Some((digest, source))) => sandbox.prepare_spares(digest, &source).await,
                    Err(_) => {}
                }
                sandbox.0.spares.sweep();
            }
        });
    }

    async fn prepare_spares(&self, digest: Digest, source: &Arc<str>) {
        let (Ok(pre), Ok(Ok(found))) = (self.python().await, self.describe_python(Arc::clone(source)).await) else {
            return;
        };
        while self.0.spares.wants(digest) {
            let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
            let Ok(store) = self.store(&Budget::new(&self.0.limits, None)) else { return };
            let (store, Ok(instance)) = python::start(pre, store, &watch).await else { return };
            match python::prepare(store, instance, &watch, &found.code, source).await {
                Prepared::Ready(live) => self.0.spares.put(digest, live),
                Prepared::NeedsCall => return self.0.spares.mark_unpreparable(digest),
            }
        }
    }
}
