//! Tools that are sources: described once, then run by the interpreter of their language.
//!
//! An interpreter is one component for all sources of its language; a call gets an instance of it that
//! nobody used before. Where making one takes long (Python), instances are prepared ahead.

use std::sync::Arc;

use moka::future::Cache;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use super::bindings::interpreter::InterpreterPre;
use super::guest::{self, Watch};
use super::interpreter::{self, Description, Prepared};
use super::spares::Spares;
use super::state::{Reach, State};
use super::{BESIDE_TIME, Sandbox, SandboxError};
use crate::domain::budget::Budget;
use crate::domain::digest::Digest;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::tool::Language;
use crate::limits::Limits;

/// The Python interpreter, as `make runner` built it.
static PYTHON_RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/python.wasm"));

/// Memory for compiled sources, in bytes.
const CODE_CACHE_BYTES: u64 = 64 << 20;

/// A source that is about to run.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) language: Language,
    pub(super) text: Arc<str>,
    pub(super) digest: Digest,
}

/// What the sandbox keeps for sources.
pub(super) struct Sources {
    python: OnceCell<InterpreterPre<State>>,
    descriptions: Cache<(Language, Digest), Arc<Description>>,
    spares: Spares,
    refill: mpsc::Sender<Source>,
}

impl Sources {
    /// Also what [`Sandbox::keep_spares`] listens to.
    pub(super) fn new(limits: &Limits) -> (Self, mpsc::Receiver<Source>) {
        let (refill, wanted) = mpsc::channel(64);
        let descriptions = Cache::builder()
            .max_capacity(CODE_CACHE_BYTES)
            .weigher(|_, found: &Arc<Description>| u32::try_from(found.code.len()).unwrap_or(u32::MAX))
            .build();
        (Self { python: OnceCell::new(), descriptions, spares: Spares::new(limits), refill }, wanted)
    }
}

impl Sandbox {
    /// Opens the Python interpreter, compiling it if this machine has not yet done so.
    ///
    /// # Errors
    /// When it cannot be compiled here.
    pub async fn prepare(&self) -> Result<(), SandboxError> {
        self.interpreter(Language::Python).await.map(|_| ())
    }

    /// Drops what was prepared for a source that is no longer wanted.
    pub fn forget(&self, source: Digest) {
        self.0.sources.spares.forget(source);
    }

    /// Compiles a source and derives its schemas. Runs none of it.
    ///
    /// The outer error is the host's; the inner one tells how the source failed.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn describe(
        &self,
        language: Language,
        source: Arc<str>,
    ) -> Result<Result<Arc<Description>, Outcome>, SandboxError> {
        let key = (language, Digest::of(source.as_bytes()));
        if let Some(found) = self.0.sources.descriptions.get(&key).await {
            return Ok(Ok(found));
        }
        let pre = self.interpreter(language).await?.clone();
        let store = self.store(&self.beside_budget(), &[])?;
        let found = self
            .0
            .guests
            .run(async move {
                let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
                let (mut store, instance) = interpreter::start(&pre, store, &watch).await;
                match instance {
                    Ok(instance) => interpreter::describe(&mut store, &instance, &watch, &source).await,
                    Err(outcome) => Err(outcome),
                }
            })
            .await?;
        match found {
            Ok(found) => {
                let found = Arc::new(found);
                self.0.sources.descriptions.insert(key, Arc::clone(&found)).await;
                Ok(Ok(found))
            }
            Err(outcome) => Ok(Err(outcome)),
        }
    }

    pub(super) async fn run_source(
        &self,
        source: Source,
        arguments: String,
        reach: Reach,
        budget: Budget,
        cancel: CancellationToken,
    ) -> Result<Report, SandboxError> {
        let pre = self.interpreter(source.language).await?.clone();
        let code = match self.describe(source.language, Arc::clone(&source.text)).await? {
            Ok(found) => Arc::clone(&found.code),
            Err(outcome) => {
                let mut store = self.store(&budget, &[])?;
                return Ok(guest::report(&mut store, &Watch::new(budget.time, cancel), outcome));
            }
        };
        // A spare was made without folders, and is of no use to a call that has some.
        let folders = reach.grants.folders.clone();
        let spare = folders.is_empty().then(|| self.0.sources.spares.take(source.digest)).flatten();
        let sandbox = self.clone();
        let fresh = match &spare {
            Some(_) => None,
            None => Some(self.store(&budget, &folders)?),
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
                        let (store, instance) = interpreter::start(&pre, store, &watch).await;
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
                            interpreter::load(&mut store, &instance, &watch, &code, &source.text, &arguments).await
                        };
                        match ready {
                            Ok(()) => interpreter::call(&mut store, &instance, &watch, &arguments).await,
                            Err(outcome) => outcome,
                        }
                    }
                };
                let report = guest::report(&mut store, &watch, outcome);
                // The next call should find one; a full queue means that others are wanted more.
                if folders.is_empty() && sandbox.0.sources.spares.wants(source.digest) {
                    let _ = sandbox.0.sources.refill.try_send(source);
                }
                Some(report)
            })
            .await?;
        report.ok_or_else(|| SandboxError::Place("no instance was made".into()))
    }

    async fn interpreter(&self, language: Language) -> Result<&InterpreterPre<State>, SandboxError> {
        let (cell, runner) = match language {
            Language::Python => (&self.0.sources.python, PYTHON_RUNNER),
            Language::Javascript => return Err(SandboxError::Start("the JavaScript runner is not built".into())),
        };
        cell.get_or_try_init(|| async {
            let component = self.0.compiler.open(&runner, Digest::of(runner)).await?;
            let pre = self.0.linker.instantiate_pre(&component);
            pre.and_then(InterpreterPre::new)
                .map_err(|error| SandboxError::Start(format!("the {} runner does not fit: {error:#}", language.name())))
        })
        .await
    }

    /// Prepares spares in the background, one after the other, and drops those that nobody took.
    pub(super) fn keep_spares(&self, mut wanted: mpsc::Receiver<Source>) {
        let sandbox = Arc::downgrade(&self.0);
        let Some(runtime) = &self.0.guests.0 else { return };
        let idle = self.0.sources.spares.idle();
        runtime.spawn(async move {
            loop {
                let next = tokio::time::timeout(idle, wanted.recv()).await;
                let Some(inner) = sandbox.upgrade() else { return };
                let sandbox = Self(inner);
                match next {
                    Ok(None) => return,
                    Ok(Some(source)) => sandbox.prepare_spares(&source).await,
                    Err(_) => {}
                }
                sandbox.0.sources.spares.sweep();
            }
        });
    }

    async fn prepare_spares(&self, source: &Source) {
        let Source { language, text, digest } = source;
        let (Ok(pre), Ok(Ok(found))) =
            (self.interpreter(*language).await, self.describe(*language, Arc::clone(text)).await)
        else {
            return;
        };
        while self.0.sources.spares.wants(*digest) {
            let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
            let Ok(store) = self.store(&Budget::new(&self.0.limits, None), &[]) else { return };
            let (store, Ok(instance)) = interpreter::start(pre, store, &watch).await else { return };
            match interpreter::prepare(store, instance, &watch, &found.code, text).await {
                Prepared::Ready(live) => self.0.sources.spares.put(*digest, live),
                Prepared::NeedsCall => return self.0.sources.spares.mark_unpreparable(*digest),
            }
        }
    }
}
