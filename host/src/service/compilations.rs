//! What is being compiled: it takes long enough that people want to see it.

use serde::Serialize;
use utoipa::ToSchema;

use super::permission::people_only;
use super::{Error, Service};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;

/// One component on its way to native code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompilationView {
    /// Of the component's bytes.
    pub digest: Digest,
    pub size_bytes: u64,
    /// False: it waits for its turn.
    pub running: bool,
}

impl Service {
    /// What is compiled or waits for it, oldest first. For people.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for models.
    pub fn compilation_list(&self, caller: &Caller) -> Result<Vec<CompilationView>, Error> {
        people_only(caller, "see what is being compiled")?;
        let under_way = self.executor().compilations();
        Ok(under_way
            .into_iter()
            .map(|one| CompilationView { digest: one.digest, size_bytes: one.size_bytes, running: one.running })
            .collect())
    }
}
