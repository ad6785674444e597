//! What a call runs: the version that was approved, looked at again at every call.
//!
//! A source is read and compared with its digest here, once while it is kept. The bytes of a component are not read at all
//! when its compiled code is at hand; whoever compiles them compares them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use moka::future::Cache;

use super::calls::content;
use super::{Error, Service};
use crate::db::tools::Tool;
use crate::db::versions::Version;
use crate::db::{Database, blobs};
use crate::domain::component::{Entry, Export};
use crate::domain::digest::Digest;
use crate::domain::source::PassThrough;
use crate::domain::tool::ToolKind;
use crate::executor::{FetchBytes, Program};

/// One thing that can be called.
pub(super) struct Runnable {
    pub(super) runs: Runs,
    /// Of a source its tool's, of a component its export's.
    pub(super) name: String,
    pub(super) input_schema: String,
    pub(super) output_schema: Option<String>,
}

/// What it is that runs.
pub(super) enum Runs {
    Guest(Program),
    /// A tool of an external source.
    Source(PassThrough),
}

/// Texts of sources by the digest of their bytes, which are compared with it before they get here.
pub(super) struct SourceCache(Cache<Digest, Arc<str>>);

/// Bytes of sources that are kept.
const SOURCE_BYTES: u64 = 32 << 20;

impl Default for SourceCache {
    fn default() -> Self {
        let weigher = |_: &Digest, text: &Arc<str>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(SOURCE_BYTES).weigher(weigher).build())
    }
}

/// The bytes of a component among the blobs, for whoever has to compile it.
#[derive(Clone)]
struct KeptBytes {
    db: Database,
    digest: Digest,
}

impl std::fmt::Debug for KeptBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptBytes({})", self.digest)
    }
}

impl FetchBytes for KeptBytes {
    fn fetch(&self) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        Box::pin(async {
            let found = blobs::get(&self.db, self.digest).await.map_err(|error| error.to_string())?;
            found.map(Arc::from).ok_or_else(|| format!("the blob {} is missing", self.digest))
        })
    }
}

impl Service {
    /// What runs for this version, if its digest is the `expected` one: what was approved. Of a component, this
    /// export.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the version, or its source, is not what was approved.
    pub(super) async fn program(
        &self,
        tool: &Tool,
        version: &Version,
        export: Option<&Export>,
        expected: Option<Digest>,
    ) -> Result<Runnable, Error> {
        is_approved(tool, version, expected)?;
        let digest = version.source_digest;
        if version.kind == ToolKind::McpPassthrough
            && let Some(export) = export
        {
            let definition = self.kept_source(tool, version).await?;
            let to =
                serde_json::from_str(&definition).map_err(|error| Error::internal("reading a definition", error))?;
            let (name, input_schema) = (export.name.clone(), version.input_schema.clone());
            let output_schema = version.output_schema.clone();
            return Ok(Runnable { runs: Runs::Source(to), name, input_schema, output_schema });
        }
        match (version.kind.language(), export) {
            (Some(language), _) => {
                let program = Program::Source { language, source: self.kept_source(tool, version).await?, digest };
                let (runs, name) = (Runs::Guest(program), tool.name.clone());
                let (input_schema, output_schema) = (version.input_schema.clone(), version.output_schema.clone());
                Ok(Runnable { runs, name, input_schema, output_schema })
            }
            (None, Some(export)) => {
                let (name, input_schema) = (export.name.clone(), export.input_schema.clone());
                let output_schema = export.output_schema.clone();
                let entry = Entry::Tool(name.clone());
                Ok(Runnable { output_schema, ..self.component(version, entry, name, input_schema) })
            }
            (None, None) => Err(Error::internal("looking a tool of a component up", "it has no such export")),
        }
    }

    /// What runs of a component beside its tools, under the same condition. `name` is what the log calls it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the version is not what was approved.
    pub(super) fn program_beside(
        &self,
        tool: &Tool,
        version: &Version,
        entry: Entry,
        name: String,
        input_schema: String,
    ) -> Result<Runnable, Error> {
        is_approved(tool, version, tool.live_digest)?;
        Ok(self.component(version, entry, name, input_schema))
    }

    fn component(&self, version: &Version, entry: Entry, name: String, input_schema: String) -> Runnable {
        let digest = version.source_digest;
        let bytes = Arc::new(KeptBytes { db: self.db().clone(), digest });
        let runs = Runs::Guest(Program::Component { bytes, digest, entry });
        Runnable { runs, name, input_schema, output_schema: None }
    }

    async fn kept_source(&self, tool: &Tool, version: &Version) -> Result<Arc<str>, Error> {
        if let Some(source) = self.0.sources.0.get(&version.source_digest).await {
            return Ok(source);
        }
        let bytes = blobs::get(self.db(), version.source_digest).await?;
        let bytes = bytes.filter(|bytes| Digest::of(bytes) == version.source_digest).ok_or_else(|| {
            tracing::error!(tool = %tool.id, version = %version.id, "the source is missing or changed; refusing to run it");
            Error::forbidden(format!("the source of `{}` is missing or was changed; it does not run", tool.name))
        })?;
        let source = String::from_utf8(bytes).map_err(|error| Error::internal("reading a source", error))?;
        let source: Arc<str> = source.into();
        self.0.sources.0.insert(version.source_digest, Arc::clone(&source)).await;
        Ok(source)
    }
}

/// # Errors
/// [`Error::Forbidden`] when the version is not what the digest `expected` was computed from.
fn is_approved(tool: &Tool, version: &Version, expected: Option<Digest>) -> Result<(), Error> {
    let digest = content(version).digest();
    if expected == Some(digest) && version.digest == digest {
        return Ok(());
    }
    tracing::error!(tool = %tool.id, version = %version.id, "a version is not what was approved; refusing to run it");
    Err(Error::forbidden(format!(
        "`{}` is not what was approved and does not run; a person has to review it again",
        tool.name
    )))
}

/// The export of this name, if the version is a component that has it.
pub(super) fn export<'a>(version: &'a Version, name: &str) -> Option<&'a Export> {
    version.exports.0.iter().find(|export| export.name == name)
}
