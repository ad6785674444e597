//! The engines of the host, each with what its guests may import.
//!
//! There are two, because an engine for the asynchronous part of the component model keeps account of tasks that run
//! side by side, which costs a short call a third of its time, and few components use that part. The second is made
//! for the first component that does: its pool reserves as much address space as that of the first.

use std::sync::{Mutex, OnceLock, PoisonError};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::engine::{self, Model};
use super::imports;
use super::state::State;
use crate::limits::Limits;

struct Machine {
    engine: Engine,
    linker: Linker<State>,
}

impl Machine {
    fn new(limits: &Limits, model: Model) -> wasmtime::Result<Self> {
        let engine = engine::for_running(limits, model)?;
        Ok(Self { linker: imports::linker(&engine)?, engine })
    }
}

pub(super) struct Machines {
    plain: Machine,
    asynchronous: OnceLock<Machine>,
    making: Mutex<()>,
    limits: Limits,
}

impl Machines {
    /// # Errors
    /// When this machine cannot run wasmtime within the limits.
    pub(super) fn new(limits: &Limits) -> wasmtime::Result<Self> {
        let plain = Machine::new(limits, Model::Plain)?;
        Ok(Self { plain, asynchronous: OnceLock::new(), making: Mutex::default(), limits: limits.clone() })
    }

    /// # Errors
    /// When there is no address space left for the second one.
    pub(super) fn engine(&self, model: Model) -> wasmtime::Result<&Engine> {
        match model {
            Model::Plain => Ok(&self.plain.engine),
            Model::Asynchronous => Ok(&self.asynchronous()?.engine),
        }
    }

    fn asynchronous(&self) -> wasmtime::Result<&Machine> {
        // Made once, whoever else wants it at the same moment: it is large.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.asynchronous.get() {
            return Ok(made);
        }
        let made = Machine::new(&self.limits, Model::Asynchronous)?;
        Ok(self.asynchronous.get_or_init(|| made))
    }

    /// What a component that was opened here may import.
    pub(super) fn linker(&self, component: &Component) -> &Linker<State> {
        match (self.model(component), self.asynchronous.get()) {
            (Model::Asynchronous, Some(machine)) => &machine.linker,
            _ => &self.plain.linker,
        }
    }

    /// The one that a component was opened for here.
    pub(super) fn model(&self, component: &Component) -> Model {
        match Engine::same(&self.plain.engine, component.engine()) {
            true => Model::Plain,
            false => Model::Asynchronous,
        }
    }
}
