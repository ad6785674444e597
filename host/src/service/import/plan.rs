//! What an import would make, checked part by part before anything is written. What cannot be is a problem
//! with its place in the file; whoever wants so gets everything else.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::check::{self, PlannedHost, PlannedModule, PlannedSecret};
use super::{Broken, Clashes, ImportWish, ImportedServer, ImportedTool};
use crate::db::blobs;
use crate::db::servers as server_rows;
use crate::domain::caller::Caller;
use crate::domain::component::Surface;
use crate::domain::digest::Digest;
use crate::domain::export::{ComponentPart, Export, ServerPart, SourcePart, ToolPart, VersionPart, escaped};
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::names::ServerName;
use crate::domain::tool::{ApprovalStatus, Language, ServerStatus};
use crate::domain::version::VersionContent;
use crate::service::components::NO_SCHEMA;
use crate::service::error::Problem;
use crate::service::{Error, Service, given};

/// Everything that is to be written.
pub(super) struct Plan {
    pub(super) servers: Vec<PlannedServer>,
    pub(super) problems: Vec<Problem>,
    pub(super) left_out: Vec<String>,
}

pub(super) struct PlannedServer {
    pub(super) name: ServerName,
    pub(super) original_name: String,
    pub(super) description: String,
    pub(super) status: ServerStatus,
    pub(super) default_timeout_ms: Option<u64>,
    pub(super) hosts: Vec<PlannedHost>,
    pub(super) secrets: Vec<PlannedSecret>,
    pub(super) sources: Vec<SourcePart>,
    pub(super) tools: Vec<PlannedTool>,
}

pub(super) struct PlannedTool {
    pub(super) enabled: bool,
    pub(super) disabled: Vec<String>,
    /// The oldest first; at least one.
    pub(super) versions: Vec<PlannedVersion>,
    pub(super) hosts: Vec<PlannedHost>,
    pub(super) modules: Vec<PlannedModule>,
}

#[derive(Clone)]
pub(super) struct PlannedVersion {
    pub(super) content: VersionContent,
    pub(super) bytes: Arc<[u8]>,
    pub(super) surface: Option<Surface>,
    pub(super) status: ApprovalStatus,
    pub(super) summary: String,
}

impl PlannedServer {
    /// What is told of it; `ids` when it was written.
    pub(super) fn told(&self, ids: Option<(ServerId, &[ToolId])>) -> ImportedServer {
        let tools = self.tools.iter().enumerate().map(|(at, tool)| {
            let newest = tool.newest();
            ImportedTool {
                id: ids.and_then(|(_, tools)| tools.get(at).copied()),
                name: newest.content.name.clone(),
                kind: newest.content.kind,
                approval_status: newest.status,
                versions: tool.versions.len(),
            }
        });
        ImportedServer {
            id: ids.map(|(server, _)| server),
            name: self.name.to_string(),
            original_name: self.original_name.clone(),
            secrets: self.secrets.iter().map(|secret| secret.name.to_string()).collect(),
            sources: self.sources.iter().map(|source| source.name.clone()).collect(),
            hosts: self.hosts.iter().map(|host| host.grant.to_string()).collect(),
            tools: tools.collect(),
        }
    }
}

impl PlannedTool {
    pub(super) fn newest(&self) -> &PlannedVersion {
        &self.versions[self.versions.len() - 1]
    }

    /// What can be called of it, once it is approved.
    fn names(&self) -> Vec<String> {
        let content = &self.newest().content;
        match content.kind.language() {
            Some(_) => vec![content.name.clone()],
            None => content.exports.iter().map(|export| export.name.clone()).collect(),
        }
    }
}

/// The work of planning.
struct Planner<'a> {
    service: &'a Service,
    caller: &'a Caller,
    components: BTreeMap<String, ComponentPart>,
    /// Those that were unpacked.
    unpacked: BTreeMap<Digest, Arc<[u8]>>,
    broken: Vec<Problem>,
    clashes: Vec<Problem>,
    left_out: Vec<String>,
    /// Names of servers that this file takes.
    taken: HashSet<String>,
}

impl Service {
    pub(super) async fn import_planned(
        &self,
        caller: &Caller,
        export: Export,
        wish: &ImportWish,
    ) -> Result<Plan, Error> {
        let mut planner = Planner {
            service: self,
            caller,
            components: export.components,
            unpacked: BTreeMap::new(),
            broken: Vec::new(),
            clashes: Vec::new(),
            left_out: export.left_out,
            taken: HashSet::new(),
        };
        let mut servers = Vec::new();
        for (at, part) in export.servers.into_iter().enumerate() {
            servers.extend(planner.server(&format!("/servers/{at}"), part, wish.clashes).await?);
        }
        let Planner { broken, clashes: mut problems, mut left_out, .. } = planner;
        match wish.broken {
            Broken::Refuse => problems.extend(broken),
            Broken::Skip => left_out.extend(broken.into_iter().map(|Problem { pointer, message }| {
                let message = message.lines().next().unwrap_or_default().to_owned();
                format!("{pointer}: {message}")
            })),
        }
        Ok(Plan { servers, problems, left_out })
    }
}

impl Planner<'_> {
    /// Keeps what is wrong with a part, and goes on without it.
    ///
    /// # Errors
    /// What is not about the part but about this host.
    fn sound<T>(&mut self, checked: Result<T, Error>) -> Result<Option<T>, Error> {
        match checked {
            Ok(part) => Ok(Some(part)),
            Err(Error::Invalid { problems }) => {
                self.broken.extend(problems);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    async fn server(&mut self, at: &str, part: ServerPart, clashes: Clashes) -> Result<Option<PlannedServer>, Error> {
        let checked = part.name.parse().map_err(|error| Error::name(&format!("{at}/name"), &error));
        let Some(name) = self.sound::<ServerName>(checked)? else { return Ok(None) };
        let Some(name) = self.free_name(at, name, clashes).await? else { return Ok(None) };
        let description = given::text(&format!("{at}/description"), &part.description, given::SERVER_DESCRIPTION);
        let timeout =
            given::timeout(&format!("{at}/default_timeout_ms"), part.default_timeout_ms, self.service.limits());
        let (Some(description), Some(default_timeout_ms)) = (self.sound(description)?, self.sound(timeout)?) else {
            return Ok(None);
        };
        let mut server = PlannedServer {
            original_name: part.name,
            description,
            status: part.status.unwrap_or(ServerStatus::Running),
            default_timeout_ms,
            hosts: Vec::new(),
            secrets: Vec::new(),
            sources: Vec::new(),
            tools: Vec::new(),
            name,
        };
        for (number, host) in part.hosts.into_iter().enumerate() {
            let checked = check::host(&format!("{at}/hosts/{number}"), host, &server.hosts);
            server.hosts.extend(self.sound(checked)?.flatten());
        }
        for (number, secret) in part.secrets.into_iter().enumerate() {
            let pointer = format!("{at}/secrets/{number}");
            let checked = check::secret(&pointer, secret, &server.secrets, &mut self.left_out);
            server.secrets.extend(self.sound(checked)?);
        }
        for (number, source) in part.sources.into_iter().enumerate() {
            let checked = check::source(&format!("{at}/sources/{number}"), self.caller, source, &server.sources);
            server.sources.extend(self.sound(checked)?);
        }
        let mut names = HashSet::new();
        for (number, tool) in part.tools.into_iter().enumerate() {
            let pointer = format!("{at}/tools/{number}");
            let Some(tool) = self.tool(&pointer, tool).await? else { continue };
            let own = tool.names();
            let known = |name: &&String| names.contains(name.as_str());
            let known_as = server.tools.iter().any(|other| other.newest().content.name == tool.newest().content.name);
            if let Some(name) = own.iter().find(known).or(known_as.then_some(&tool.newest().content.name)) {
                let message = format!("another tool of the server `{}` has the name `{name}`", server.name);
                self.broken.push(Problem { pointer, message });
                continue;
            }
            names.extend(own);
            server.tools.push(tool);
        }
        Ok(Some(server))
    }

    /// The name that a server gets here; none when it is not imported.
    async fn free_name(&mut self, at: &str, name: ServerName, clashes: Clashes) -> Result<Option<ServerName>, Error> {
        if self.taken.insert(name.to_string()) && !self.is_taken_here(name.as_str()).await? {
            return Ok(Some(name));
        }
        match clashes {
            Clashes::Refuse => {
                let pointer = format!("{at}/name");
                let message = format!(
                    "there is already a server `{name}`; import it under another name (clashes=rename), or leave it out \
                     (clashes=skip)"
                );
                self.clashes.push(Problem { pointer, message });
                Ok(None)
            }
            Clashes::Skip => {
                self.left_out.push(format!("the server `{name}`, because there is already one of this name"));
                Ok(None)
            }
            Clashes::Rename => {
                for number in 2_u32.. {
                    let Some(other) = check::numbered(&name, number) else { break };
                    if !self.taken.contains(other.as_str()) && !self.is_taken_here(other.as_str()).await? {
                        self.taken.insert(other.to_string());
                        return Ok(Some(other));
                    }
                }
                Err(Error::conflict(format!("no name is left for the server `{name}`")))
            }
        }
    }

    async fn is_taken_here(&self, name: &str) -> Result<bool, Error> {
        Ok(server_rows::by_name(self.service.db(), name).await?.is_some())
    }

    async fn tool(&mut self, at: &str, part: ToolPart) -> Result<Option<PlannedTool>, Error> {
        let count = part.versions.len();
        let mut versions = Vec::with_capacity(count);
        for (number, version) in part.versions.into_iter().enumerate() {
            let planned = self.version(&format!("{at}/versions/{number}"), version).await;
            let planned = self.sound(planned)?;
            if planned.is_none() && number + 1 == count {
                // Without its newest version it would be another tool.
                return Ok(None);
            }
            versions.extend(planned);
        }
        let Some(newest) = versions.last() else {
            let message = "a tool has at least one version".to_owned();
            self.broken.push(Problem { pointer: format!("{at}/versions"), message });
            return Ok(None);
        };
        let kind = newest.content.kind;
        let is_export = |name: &String| newest.content.exports.iter().any(|export| export.name == *name);
        let disabled: Vec<String> = part.disabled_tools.into_iter().filter(is_export).collect();
        let (mut hosts, mut modules) = (Vec::new(), Vec::new());
        for (number, host) in part.network_requests.into_iter().enumerate() {
            let checked = check::host(&format!("{at}/network_requests/{number}"), host, &hosts);
            hosts.extend(self.sound(checked)?.flatten());
        }
        for (number, module) in part.module_requests.into_iter().enumerate() {
            let checked = check::module(&format!("{at}/module_requests/{number}"), module, kind, &modules);
            modules.extend(self.sound(checked)?.flatten());
        }
        Ok(Some(PlannedTool { enabled: part.enabled, disabled, versions, hosts, modules }))
    }

    async fn version(&mut self, at: &str, part: VersionPart) -> Result<PlannedVersion, Error> {
        let name = check::tool_name(&format!("{at}/name"), &part.name)?;
        let timeout_ms = given::timeout(&format!("{at}/timeout_ms"), part.timeout_ms, self.service.limits())?;
        let asked = check::asked(at, &part)?;
        let (status, summary) = (check::status(part.approval_status), check::summary(&part.change_summary));
        let content = |digest: Digest, description: String| VersionContent {
            kind: part.kind,
            name,
            description,
            source_digest: digest,
            timeout_ms,
            input_schema: NO_SCHEMA.to_owned(),
            output_schema: None,
            exports: Vec::new(),
            hosts: asked.hosts,
            modules: asked.modules,
            secret_names: Vec::new(),
        };
        if let Some(language) = part.kind.language() {
            let pointer = format!("{at}/code");
            let code = part.code.ok_or_else(|| Error::invalid(&pointer, "the version lacks its source"))?;
            return self.source(at, &pointer, language, code, &part.description, content, status, summary).await;
        }
        let description = given::text(&format!("{at}/description"), &part.description, given::TOOL_DESCRIPTION)?;
        let pointer = format!("{at}/component");
        let digest = part.component.ok_or_else(|| Error::invalid(&pointer, "the version lacks its component"))?;
        let bytes = self.component(&pointer, digest).await?;
        let inspected = self.service.inspected(&bytes, digest, None).await.map_err(|error| moved(error, &pointer))?;
        let (exports, surface) = inspected.split();
        let content = VersionContent { exports, ..content(digest, description) };
        Ok(PlannedVersion { content, bytes, surface: Some(surface), status, summary })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a version that a source and a component share")]
    async fn source(
        &self,
        at: &str,
        pointer: &str,
        language: Language,
        code: String,
        description: &str,
        content: impl FnOnce(Digest, String) -> VersionContent,
        status: ApprovalStatus,
        summary: String,
    ) -> Result<PlannedVersion, Error> {
        let described = self.service.source_accepted(pointer, language, &code).await?;
        let description = given::description(description, &described.summary)
            .map_err(|error| moved(error, &format!("{at}/description")))?;
        let mut content = VersionContent {
            input_schema: described.input_schema.clone(),
            output_schema: described.output_schema.clone(),
            ..content(Digest::of(code.as_bytes()), description)
        };
        // It asks for what it imports, whatever the file says; another host may have had a longer list.
        content.modules.extend(self.service.modules_asked(pointer, &described.modules, None).await?);
        content.modules.sort();
        content.modules.dedup();
        Ok(PlannedVersion { content, bytes: Arc::from(code.into_bytes()), surface: None, status, summary })
    }

    /// The bytes of a component, from the file or from here.
    async fn component(&mut self, pointer: &str, digest: Digest) -> Result<Arc<[u8]>, Error> {
        if let Some(bytes) = self.unpacked.get(&digest) {
            return Ok(Arc::clone(bytes));
        }
        let text = digest.to_string();
        let place = format!("/components/{}", escaped(&text));
        let packed = self.components.get_mut(&text).and_then(|part| part.bytes.take());
        let bytes = match packed {
            Some(packed) => {
                let bytes =
                    STANDARD.decode(packed).map_err(|_| Error::invalid(format!("{place}/bytes"), "it is no base64"))?;
                if Digest::of(&bytes) != digest {
                    return Err(Error::invalid(place, "the bytes are not those of this digest"));
                }
                bytes
            }
            None => blobs::get(self.service.db(), digest).await?.ok_or_else(|| {
                Error::invalid(
                    pointer,
                    "the bytes of this component are neither in the file nor here; export it with components=include",
                )
            })?,
        };
        let bytes: Arc<[u8]> = Arc::from(bytes);
        self.unpacked.insert(digest, Arc::clone(&bytes));
        Ok(bytes)
    }
}

/// The same complaint about another place.
fn moved(error: Error, at: &str) -> Error {
    match error {
        Error::Invalid { problems } => Error::Invalid {
            problems: problems.into_iter().map(|problem| Problem { pointer: at.to_owned(), ..problem }).collect(),
        },
        Error::TooLarge { message } => Error::invalid(at, message),
        other => other,
    }
}
