//! Tools that are sources: described once, then run by the interpreter of their language.
//!
//! An interpreter is one component for all sources of its language; a call gets an instance of it that
//! nobody used before. Where making one takes long (Python), instances are prepared ahead.

use std::path::PathBuf;
use std::sync::Arc;

use moka::future::Cache;
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use super::bindings::interpreter::InterpreterPre;
use super::guest::{self, Watch};
use super::interpreter::{self, Description, Prepared};
use super::javascript::{Read, Script, Transpiler};
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
/// The JavaScript interpreter, likewise.
static JAVASCRIPT_RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/javascript.wasm"));

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
    javascript: OnceCell<InterpreterPre<State>>,
    transpiler: Transpiler,
    descriptions: Cache<(Language, Digest), Arc<Description>>,
    spares: Spares,
    refill: mpsc::Sender<Source>,
}

impl Sources {
    /// `program` is the `mcpbox` executable. Also answers what [`Sandbox::keep_spares`] listens to.
    pub(super) fn new(limits: &Limits, program: PathBuf) -> (Self, mpsc::Receiver<Source>) {
        let (refill, wanted) = mpsc::channel(64);
        let descriptions = Cache::builder()
            .max_capacity(CODE_CACHE_BYTES)
            .weigher(|_, found: &Arc<Description>| {
                let size = found.code.len() + found.script.as_ref().map_or(0, Script::size_bytes);
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        let sources = Self {
            python: OnceCell::new(),
            javascript: OnceCell::new(),
            transpiler: Transpiler::new(program),
            descriptions,
            spares: Spares::new(limits),
            refill,
        };
        (sources, wanted)
    }
}

impl Sandbox {
    /// Opens the interpreter of a language, compiling it if this machine has not yet done so.
    ///
    /// # Errors
    /// When it cannot be compiled here.
    pub async fn prepare(&self, language: Language) -> Result<(), SandboxError> {
        self.interpreter(language).await.map(|_| ())
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
        let read = match language {
            Language::Python => None,
            Language::Javascript => match self.0.sources.transpiler.read(&source).await.map_err(SandboxError::Read)? {
                Ok(read) => Some(read),
                Err(outcome) => return Ok(Err(outcome)),
            },
        };
        let pre = self.interpreter(language).await?.clone();
        let store = self.store(&self.beside_budget(), &[])?;
        let text = Arc::clone(&source);
        let code = read.as_ref().and_then(|read| read.code.clone()).map_or(source, Arc::from);
        let found = self
            .0
            .guests
            .run(async move {
                let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
                let (mut store, instance) = interpreter::start(&pre, store, &watch).await;
                match instance {
                    Ok(instance) => interpreter::describe(&mut store, &instance, &watch, &code).await,
                    Err(outcome) => Err(outcome),
                }
            })
            .await?;
        match found {
            Ok(found) => {
                let found = Arc::new(match read {
                    None => found,
                    Some(Read { summary, input_schema, output_schema, script, .. }) => {
                        Description { code: found.code, summary, input_schema, output_schema, script: Some(script) }
                    }
                });
                self.0.sources.descriptions.insert(key, Arc::clone(&found)).await;
                Ok(Ok(found))
            }
            Err(outcome) => Ok(Err(match read {
                None => outcome,
                Some(read) => read.script.told(outcome, &text),
            })),
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
        let found = match self.describe(source.language, Arc::clone(&source.text)).await? {
            Ok(found) => found,
            Err(outcome) => {
                let mut store = self.store(&budget, &[])?;
                return Ok(guest::report(&mut store, &Watch::new(budget.time, cancel), outcome));
            }
        };
        // A fresh instance of QuickJS is ready sooner than a prepared one would be found; and a spare was
        // made without folders, so it is of no use to a call that has some.
        let folders = reach.grants.folders.clone();
        let prepared_ahead = source.language == Language::Python && folders.is_empty();
        let spare = if prepared_ahead { self.0.sources.spares.take(source.digest) } else { None };
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
                            let code = &found.code;
                            interpreter::load(&mut store, &instance, &watch, code, &source.text, &arguments).await
                        };
                        match ready {
                            Ok(()) => {
                                let script = found.script.as_ref();
                                interpreter::call(&mut store, &instance, &watch, script, &arguments).await
                            }
                            Err(outcome) => outcome,
                        }
                    }
                };
                let outcome = match &found.script {
                    Some(script) => script.told(outcome, &source.text),
                    None => outcome,
                };
                let report = guest::report(&mut store, &watch, outcome);
                // The next call should find one; a full queue means that others are wanted more.
                if prepared_ahead && sandbox.0.sources.spares.wants(source.digest) {
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
            Language::Javascript => (&self.0.sources.javascript, JAVASCRIPT_RUNNER),
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
