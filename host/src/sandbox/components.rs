//! Opened components: compiled code, checked and ready to be instantiated, kept up to a bound.
//!
//! What was decided about a component (what it imports, what its tools are, why it is refused) is
//! decided once for its digest. The least recently used give way; one that is still running keeps its
//! code until it ends.

use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::compile::{CompileError, Compiler, FetchBytes};
use super::component::Contract;
use super::machines::Machines;
use super::offered::{self, Imports};
use super::plain::Plain;
use super::unmetered;
use crate::domain::digest::Digest;
use crate::limits::Limits;

/// The interface by which a component says that it speaks the contract.
const CONTRACT: &str = "mcpbox:guest/tools@1.";

/// A component that can be called.
pub(super) struct Opened {
    pub(super) exports: Vec<String>,
    pub(super) imports: Imports,
    /// Whether it can have the host do much that no fuel counts.
    pub(super) has_unmetered_work: bool,
    pub(super) kind: Kind,
}

impl Opened {
    /// The one that it was compiled for.
    pub(super) fn engine(&self) -> &Engine {
        match &self.kind {
            Kind::Contract(contract) => contract.engine(),
            Kind::Plain(plain) => plain.engine(),
        }
    }
}

pub(super) enum Kind {
    /// It lists its tools itself.
    Contract(Contract),
    /// Its functions are the tools.
    Plain(Plain),
}

pub(super) struct Components {
    /// A refusal is kept too: it is the component's own and does not change.
    opened: Cache<Digest, Result<Arc<Opened>, CompileError>>,
    tools_max: usize,
}

impl Components {
    pub(super) fn new(limits: &Limits) -> Self {
        // By use alone: a policy that weighs how often would open a new component again for each call.
        let opened =
            Cache::builder().max_capacity(limits.components_open).eviction_policy(EvictionPolicy::lru()).build();
        Self { opened, tools_max: Limits::size(limits.component_tools) }
    }

    /// The component of these bytes, opened, or compiled now. Those who ask for the same one wait for
    /// the same compilation. A refusal is remembered; a broken machine is tried again.
    ///
    /// # Errors
    /// When the component is refused, or cannot be compiled here.
    pub(super) async fn open(
        &self,
        compiler: &Compiler,
        machines: &Machines,
        bytes: &dyn FetchBytes,
        digest: Digest,
    ) -> Result<Arc<Opened>, CompileError> {
        if let Some(known) = self.known(digest).await {
            return known;
        }
        // Boxed: every call would carry the place for this along.
        let made = Box::pin(self.opened.try_get_with(digest, async {
            match compiler.open(bytes, digest).await {
                Ok(component) => Ok(self.check(machines, &component).map(Arc::new)),
                Err(refused @ CompileError::Refused(_)) => Ok(Err(refused)),
                Err(broken) => Err(broken),
            }
        }));
        made.await.unwrap_or_else(|broken| Err(CompileError::clone(&broken)))
    }

    /// What is open, or refused, by now.
    pub(super) async fn known(&self, digest: Digest) -> Option<Result<Arc<Opened>, CompileError>> {
        self.opened.get(&digest).await
    }

    fn check(&self, machines: &Machines, component: &Component) -> Result<Opened, CompileError> {
        let imports = Imports::of(component).map_err(CompileError::Refused)?;
        let unfit =
            |error| CompileError::Refused(format!("the component asks for what is not offered here: {error:#}"));
        let pre = machines.linker(component).instantiate_pre(component).map_err(unfit)?;
        let exports = offered::exports(component).map_err(CompileError::Refused)?;
        let kind = if speaks_the_contract(component) {
            Kind::Contract(Contract::new(pre).map_err(unfit)?)
        } else {
            Kind::Plain(Plain::new(component, pre, self.tools_max).map_err(CompileError::Refused)?)
        };
        let has_unmetered_work = unmetered::is_possible(component, &imports, machines.model(component));
        Ok(Opened { exports, imports, has_unmetered_work, kind })
    }
}

fn speaks_the_contract(component: &Component) -> bool {
    let engine = component.engine();
    let ty = component.component_type();
    ty.exports(engine)
        .any(|(name, export)| name.starts_with(CONTRACT) && matches!(export.ty, ComponentItem::ComponentInstance(_)))
}
