//! What a name leads to, and what a call of it is given.
//!
//! To read all of it takes longer than a short call runs, so it is kept, and read again when anything was
//! written since: every transaction of this process counts, but for rows of logs. What a person revokes is
//! gone at the next call. What another process writes is seen after two seconds at most, as with policies.
//! A tool with folders is looked at anew at every call, because links in them may lead elsewhere by then.

use std::sync::Arc;

use super::arguments::Held;
use super::believed::{AsOf, Believed};
use super::programs::{self, Runnable};
use super::secrets::Opened;
use super::{Error, Service, exports};
use crate::db::servers::Server;
use crate::db::tools::{self, Callable, Tool};
use crate::db::versions::Version;
use crate::domain::binding::BoundSecrets;
use crate::domain::caller::Caller;
use crate::domain::component::Entry;
use crate::domain::grant::Grants;
use crate::domain::names;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secrets;
use crate::domain::tool::ServerStatus;

/// Everything that a call needs beside its arguments.
pub(super) struct Ready {
    pub(super) server: Server,
    pub(super) tool: Tool,
    /// What runs.
    pub(super) version: Version,
    pub(super) runnable: Runnable,
    /// What goes in and comes out is held to these.
    pub(super) held: Held,
    pub(super) given: Given,
}

/// What the guest gets, and what is blotted out of what it says.
pub(super) struct Given {
    pub(super) secrets: Arc<Secrets>,
    /// Those that the host adds to its requests, and that it never sees.
    pub(super) bound: Arc<BoundSecrets>,
    pub(super) grants: Arc<Grants>,
    /// Bytes that it may write into its folders, if people bounded them.
    pub(super) room_bytes: Option<u64>,
    pub(super) redactor: Arc<Redactor>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            secrets: Arc::default(),
            bound: Arc::default(),
            grants: Arc::default(),
            room_bytes: None,
            redactor: Arc::new(Redactor::new([])),
        }
    }
}

/// By the name that is called.
pub(super) type ReadyCache = Believed<Arc<Ready>>;

/// Bytes that are kept of it.
pub(super) const KEPT_BYTES: usize = 64 << 20;

/// About how many bytes are kept with what a name leads to.
fn size_bytes(name: &str, ready: &Ready) -> usize {
    let version = &ready.version;
    let exports: usize = version.exports.0.iter().map(|export| export.input_schema.len()).sum();
    name.len() + version.input_schema.len() + version.description.len() + exports + ready.held.size_bytes()
}

impl Service {
    /// What an entry leads to by the names that clients know, if it may be called now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nothing of this name may be called, [`Error::Forbidden`] when it is not what
    /// was approved.
    pub(super) async fn ready(&self, caller: &Caller, entry: &Entry) -> Result<Arc<Ready>, Error> {
        match entry {
            Entry::Tool(name) => {
                let ready = self.ready_tool(caller, name).await?;
                // What a caller is not shown does not exist for it.
                if self.shown(caller).await?.has(ready.server.id) { Ok(ready) } else { Err(unknown(name)) }
            }
            beside => Box::pin(self.ready_beside(caller, beside)).await,
        }
    }

    async fn ready_tool(&self, caller: &Caller, name: &str) -> Result<Arc<Ready>, Error> {
        match self.0.ready.get(name, self.as_of()) {
            Some(ready) => Ok(ready),
            // Boxed: every call would carry the place for all that is read here along.
            None => Box::pin(self.read_tool(caller, name)).await,
        }
    }

    async fn read_tool(&self, caller: &Caller, name: &str) -> Result<Arc<Ready>, Error> {
        let _turn = self.0.ready.turn(name).await;
        let as_of = self.as_of();
        if let Some(ready) = self.0.ready.get(name, as_of) {
            return Ok(ready);
        }
        let (found, own_name) = self.callable(caller, name).await?;
        let Callable { server, tool, live: Some(version) } = found else { return Err(unknown(name)) };
        let export = programs::export(&version, &own_name);
        let runnable = self.program(&tool, &version, export, tool.live_digest).await?;
        let given = self.given(&tool, &version).await?;
        let held = self.held(&runnable).await?;
        let ready = Arc::new(Ready { server, tool, version, runnable, held, given });
        if ready.given.grants.folders.is_empty() {
            let size_bytes = size_bytes(name, &ready);
            self.0.ready.keep(name.to_owned(), as_of, size_bytes, Arc::clone(&ready));
        }
        Ok(ready)
    }

    /// What the database has seen by now.
    pub(super) fn as_of(&self) -> AsOf {
        AsOf { writes: self.db().writes(), at: self.clock().moment() }
    }

    /// What a call of this version is given now.
    pub(super) async fn given(&self, tool: &Tool, version: &Version) -> Result<Given, Error> {
        // Side by side: waiting for the database is most of what this waits for.
        let (opened, grants) = tokio::try_join!(self.secrets_of(tool.server_id), self.grants_of(tool, version))?;
        let Opened { secrets, bound, redactor } = opened;
        let room_bytes = if grants.folders.is_empty() { None } else { self.folder_room(tool.id).await? };
        Ok(Given { secrets, bound, grants: Arc::new(grants), room_bytes, redactor })
    }

    async fn callable(&self, caller: &Caller, name: &str) -> Result<(Callable, String), Error> {
        let (found, own_name) = match names::split_gateway_name(name) {
            Some((server, own_name)) if name.len() < names::GATEWAY_NAME_MAX => {
                (tools::callable(self.db(), server.as_str(), own_name).await?, own_name.to_owned())
            }
            // A name of full length may stand for a longer one; the catalogue knows.
            _ => {
                let catalogue = self.catalogue(caller).await?;
                let led = catalogue.led(name).ok_or_else(|| unknown(name))?;
                let (server, _) = self.located(led.tool).await?.ok_or_else(|| unknown(name))?;
                (tools::callable(self.db(), &server.name, &led.name).await?, led.name.clone())
            }
        };
        let found = found.ok_or_else(|| unknown(name))?;
        let is_offered = found.server.status == ServerStatus::Running && found.tool.enabled;
        if is_offered && is_live(&found, &own_name) { Ok((found, own_name)) } else { Err(unknown(name)) }
    }
}

fn unknown(name: &str) -> Error {
    Error::not_found("tool", name, "list the tools again")
}

/// Whether the live version, if there is one, has this tool, and it is not switched off. A name that
/// only waits for approval leads nowhere yet.
fn is_live(found: &Callable, own_name: &str) -> bool {
    match &found.live {
        Some(live) if live.kind.has_exports() => {
            programs::export(live, own_name).is_some() && exports::is_enabled(&found.tool, own_name)
        }
        Some(_) => found.tool.name == own_name,
        None => false,
    }
}
