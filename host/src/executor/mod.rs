//! Where a call runs: in this process, once it has a place.
//!
//! Every way of running a tool passes here, whichever door it came through, so that the bounds on
//! calls at the same time hold for all of them together.

mod places;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use self::places::Place;
use self::places::Places;
use crate::domain::component::Inspection;
use crate::domain::digest::Digest;
use crate::domain::ids::ServerId;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::tool::Language;
use crate::limits::Limits;
pub use crate::sandbox::{Cancel, Compilation, Description, FetchBytes, Job, Listener, Program};
use crate::sandbox::{CompileError, Sandbox, SandboxError};

#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error("{message}")]
    Busy { message: String, retry_after: Duration },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl ExecutorError {
    /// Why a component is refused, if this is about one that is: its own fault, in words for its author.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Sandbox(SandboxError::Compile(CompileError::Refused(why))) => Some(why),
            _ => None,
        }
    }
}

/// Runs calls. Clones share the places.
#[derive(Clone)]
pub struct Executor {
    sandbox: Sandbox,
    places: Arc<Places>,
}

impl Executor {
    pub fn new(sandbox: Sandbox, limits: &Limits) -> Self {
        Self { sandbox, places: Arc::new(Places::new(limits)) }
    }

    /// A place for a call of this caller to this server; waits for it, within bounds.
    ///
    /// # Errors
    /// [`ExecutorError::Busy`].
    pub async fn place(&self, server: ServerId, caller: &str) -> Result<Place, ExecutorError> {
        self.places.take(server, caller).await
    }

    /// Runs one call to its end, in its place. `cancel` stops the guest and still gives a report.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn run(
        &self,
        _place: Place,
        job: Job,
        cancel: Cancel,
        listener: Option<Listener>,
    ) -> Result<Report, ExecutorError> {
        Ok(self.sandbox.run(job, cancel, listener).await?)
    }

    /// Compiles a source and derives its schemas, running none of it. The inner error tells how the
    /// source failed.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn describe(
        &self,
        language: Language,
        source: Arc<str>,
    ) -> Result<Result<Arc<Description>, Outcome>, ExecutorError> {
        Ok(self.sandbox.describe(language, source).await?)
    }

    /// The code of modules of packages, by their files, without those that cannot be compiled. None: `until`
    /// came first.
    ///
    /// # Errors
    /// When the host is broken.
    pub async fn compile_modules(
        &self,
        sources: Vec<(String, Arc<[u8]>)>,
        until: Instant,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, ExecutorError> {
        Ok(self.sandbox.compile_modules(sources, until).await?)
    }

    /// What a component offers and asks for; compiles it when that was not done before. The inner
    /// error tells how it failed to answer.
    ///
    /// # Errors
    /// When the component is refused, or the host is broken.
    pub async fn inspect(
        &self,
        bytes: &dyn FetchBytes,
        digest: Digest,
    ) -> Result<Result<Inspection, Outcome>, ExecutorError> {
        Ok(self.sandbox.inspect(bytes, digest).await?)
    }

    /// What is being compiled now.
    pub fn compilations(&self) -> Vec<Compilation> {
        self.sandbox.compilations().borrow().clone()
    }

    /// The same, as it changes.
    pub fn watch_compilations(&self) -> watch::Receiver<Vec<Compilation>> {
        self.sandbox.compilations()
    }

    /// Asks for a sign of life of what runs calls.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn ping(&self) -> Result<(), ExecutorError> {
        Ok(self.sandbox.ping().await?)
    }

    /// Drops what was prepared for a source that is no longer wanted.
    pub fn forget(&self, source: Digest) {
        self.sandbox.forget(source);
    }
}
