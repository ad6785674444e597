//! What Python tools can import.

use serde::Serialize;

use super::{Error, Service};
use crate::domain::caller::Caller;
use crate::domain::modules;

/// The modules that every Python tool can import.
#[derive(Clone, Debug, Serialize)]
pub struct ModulesView {
    /// Whether a person changed the list; the standard library is open to all tools as it is.
    pub is_custom_config: bool,
    /// Top-level names; what is below them is open too.
    pub allowed_modules: Vec<&'static str>,
    pub total_allowed: usize,
}

impl Service {
    /// The modules that every Python tool can import without asking.
    pub async fn modules(&self, _caller: &Caller) -> Result<ModulesView, Error> {
        let allowed_modules = modules::standard().to_vec();
        Ok(ModulesView { is_custom_config: false, total_allowed: allowed_modules.len(), allowed_modules })
    }
}
