//! Tools that are sources: described once, then run by the interpreter of their language.
//!
//! An interpreter is one component for all sources of its language; a call gets an instance of it that
//! nobody used before. Where making one takes long (Python), instances are prepared ahead.

use std::path::PathBuf;
use std::sync::Arc;

use moka::future::Cache;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::bindings::interpreter::InterpreterPre;
use super::guest::{self, Watch};
use super::interpreter::{self, Description, Prepared};
use super::javascript::{Read, Script, Transpiler};
use super::spares::{Key, Spares, Wish};
use super::state::{Reach, State};
use super::{BESIDE_TIME, Cancel, Sandbox, SandboxError};
use crate::domain::budget::Budget;
use crate::domain::digest::Digest;
use crate::domain::grant::{FolderAccess, FolderGrant};
use crate::domain::modules::Imports;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::tool::Language;
use crate::limits::Limits;

/// The Python interpreter, as `make runner` built it.
static PYTHON_RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/python.wasm"));
/// The JavaScript interpreter, likewise.
static JAVASCRIPT_RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/javascript.wasm"));

/// Where a guest finds its packages.
const PACKAGES: &str = "/packages";

/// Memory for compiled sources, in bytes.
const CODE_CACHE_BYTES: u64 = 64 << 20;

/// The folders of a guest, with that of its packages, to read.
fn with_packages(mut folders: Vec<FolderGrant>, imports: &Imports) -> Vec<FolderGrant> {
    folders.extend(imports.packages.as_ref().map(|set| FolderGrant {
        host: set.folder.clone(),
        guest: PACKAGES.to_owned(),
        access: FolderAccess::ReadOnly,
    }));
    folders
}

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
    spares: Arc<Spares>,
}

impl Sources {
    /// `program` is the `mcpbox` executable.
    pub(super) fn new(limits: &Limits, program: PathBuf) -> Self {
        let descriptions = Cache::builder()
            .max_capacity(CODE_CACHE_BYTES)
            .weigher(|_, found: &Arc<Description>| {
                let size = found.code.len() + found.script.as_ref().map_or(0, Script::size_bytes);
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            python: OnceCell::new(),
            javascript: OnceCell::new(),
            transpiler: Transpiler::new(program),
            descriptions,
            spares: Arc::new(Spares::new(limits)),
        }
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
        let digest = Digest::of(source.as_bytes());
        self.described(&Source { language, text: source, digest }).await
    }

    /// As [`describe`](Self::describe), for a source whose digest is known.
    async fn described(&self, source: &Source) -> Result<Result<Arc<Description>, Outcome>, SandboxError> {
        let key = (source.language, source.digest);
        if let Some(found) = self.0.sources.descriptions.get(&key).await {
            return Ok(Ok(found));
        }
        let read = match source.language {
            Language::Python => None,
            Language::Javascript => {
                match self.0.sources.transpiler.read(&source.text).await.map_err(SandboxError::Read)? {
                    Ok(read) => Some(read),
                    Err(outcome) => return Ok(Err(outcome)),
                }
            }
        };
        let pre = self.interpreter(source.language).await?.clone();
        let _place = self.place_beside().await?;
        let store = self.store(pre.engine(), &self.beside_budget(), &[])?;
        let text = Arc::clone(&source.text);
        let code = read.as_ref().and_then(|read| read.code.clone()).map_or(Arc::clone(&text), Arc::from);
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
                        Description { summary, input_schema, output_schema, script: Some(script), ..found }
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
        cancel: Cancel,
    ) -> Result<Report, SandboxError> {
        let pre = self.interpreter(source.language).await?.clone();
        let found = match self.described(&source).await? {
            Ok(found) => found,
            Err(outcome) => {
                let mut store = self.store(pre.engine(), &budget, &[])?;
                return Ok(guest::report(&mut store, &Watch::new(budget.time, cancel), outcome));
            }
        };
        // A fresh instance of QuickJS is ready sooner than a prepared one would be found; and a spare was
        // made without folders, so it is of no use to a call that has some.
        let folders = reach.grants.folders.clone();
        let grants = Arc::clone(&reach.grants);
        let prepared_ahead = source.language == Language::Python && folders.is_empty();
        let key = Key::new(&source, &reach.grants);
        let spare = if prepared_ahead { self.0.sources.spares.take(key) } else { None };
        let sandbox = self.clone();
        let fresh = match &spare {
            Some(_) => None,
            None => Some(self.store(pre.engine(), &budget, &with_packages(folders, &grants.imports))?),
        };
        let report = self
            .0
            .guests
            .call(async move {
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
                    (None, None) => return (None, None),
                };
                sandbox.attach(&mut store, reach);
                let outcome = match instance {
                    Err(outcome) => outcome,
                    Ok(instance) => {
                        let ready = if loaded {
                            Ok(())
                        } else {
                            let (code, text, imports) = (&found.code, &source.text, &grants.imports);
                            interpreter::load(&mut store, &instance, &watch, code, text, &arguments, imports).await
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
                // The next call should find one.
                if prepared_ahead {
                    sandbox.0.sources.spares.wish(key, &source, &grants.imports);
                }
                let left = guest::left_over(&report, store);
                (Some(report), left)
            })
            .await?;
        report.ok_or_else(|| SandboxError::Place("no instance was made".into()))
    }

    pub(super) async fn interpreter(&self, language: Language) -> Result<&InterpreterPre<State>, SandboxError> {
        let (cell, runner) = match language {
            Language::Python => (&self.0.sources.python, PYTHON_RUNNER),
            Language::Javascript => (&self.0.sources.javascript, JAVASCRIPT_RUNNER),
        };
        cell.get_or_try_init(|| async {
            let component = self.0.compiler.open(&runner, Digest::of(runner)).await?;
            let pre = self.0.machines.linker(&component).instantiate_pre(&component);
            pre.and_then(InterpreterPre::new)
                .map_err(|error| SandboxError::Start(format!("the {} runner does not fit: {error:#}", language.name())))
        })
        .await
    }

    /// Prepares spares in the background, one after the other, while no call needs the machine, and
    /// drops those that nobody took.
    pub(super) fn keep_spares(&self) {
        let weak = Arc::downgrade(&self.0);
        self.0.guests.threads.spawn_alone(async move {
            while let Some(inner) = weak.upgrade() {
                let sandbox = Self(inner);
                while let Some(wish) = sandbox.0.sources.spares.next() {
                    sandbox.prepare_spares(&wish).await;
                }
                sandbox.0.sources.spares.sweep();
                let (wished, idle) = (Arc::clone(&sandbox.0.sources.spares), sandbox.0.sources.spares.idle());
                // Not while it waits: the sandbox ends when nobody else has it.
                drop(sandbox);
                let _ = tokio::time::timeout(idle, wished.wished()).await;
            }
        });
    }

    async fn prepare_spares(&self, wish: &Wish) {
        let Wish { key, source, imports } = wish;
        let (spares, pressure) = (&self.0.sources.spares, &self.0.guests.pressure);
        pressure.quiet().await;
        let (Ok(pre), Ok(Ok(found))) = (self.interpreter(source.language).await, self.described(source).await) else {
            return;
        };
        while spares.still_wants(*key) {
            pressure.quiet().await;
            let watch = Watch::new(BESIDE_TIME, CancellationToken::new());
            let folders = with_packages(Vec::new(), imports);
            let Ok(store) = self.store(pre.engine(), &Budget::new(&self.0.limits, None), &folders) else { return };
            let (store, Ok(instance)) = interpreter::start(pre, store, &watch).await else { return };
            if !pressure.is_quiet() {
                // The half that is done is given up: the call that came needs the machine now.
                continue;
            }
            match interpreter::prepare(store, instance, &watch, &found.code, &source.text, imports).await {
                Prepared::Ready(live) => spares.put(*key, live),
                Prepared::NeedsCall => return spares.mark_unpreparable(*key),
            }
        }
    }
}
