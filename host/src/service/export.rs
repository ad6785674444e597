//! Servers and tools as a file that another installation can read. For people.
//!
//! A file holds what `domain::export` says, never a secret value, and is signed with the key of this
//! installation. Reading it changes nothing here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::hosts::host_text;
use super::permission::people_only;
use super::{Error, Service, servers, versions};
use crate::db::network_requests::NetworkRequest;
use crate::db::servers::{self as server_rows, Server};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::{self as version_rows, Version};
use crate::db::{PageRequest as RowPage, blobs, external_mcp_sources, module_requests, network_requests, secrets};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::export::{
    self, ComponentPart, Export, HostPart, ModulePart, SecretPart, ServerPart, SourcePart, ToolPart, VersionPart,
};
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::tool::ToolKind;

/// Rows that are read in one statement.
const AT_ONCE: u64 = 500;

/// All rows of a list, page by page, up to as many as a file may hold. No function: a closure that lends its
/// page to a future makes none that can move between threads.
macro_rules! every {
    ($max:expr, |$page:ident| $load:expr) => {{
        let mut rows = Vec::new();
        for number in 1.. {
            let $page = &RowPage::new(number, AT_ONCE, AT_ONCE);
            let some = $load.await?;
            let is_last = (some.items.len() as u64) < AT_ONCE;
            rows.extend(some.items);
            few_enough(rows.len() as u64, $max)?;
            if is_last {
                break;
            }
        }
        rows
    }};
}

/// Which versions of each tool stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportedVersions {
    /// The newest one and the one that is called.
    #[default]
    Current,
    All,
}

/// Whether the bytes of components stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportedComponents {
    #[default]
    Include,
    /// Only by digest: for an installation that has them already.
    Digests,
}

/// A signed file.
#[derive(Clone, Debug)]
pub struct ExportFile {
    /// Such as `mcpbox-export-2026-11-26.json`.
    pub name: String,
    /// JSON.
    pub text: String,
}

impl Service {
    /// One server, or (none) all of them and the policies that people set.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the file would be larger than one may be.
    pub async fn export_make(
        &self,
        caller: &Caller,
        server: Option<ServerId>,
        versions: ExportedVersions,
        components: ExportedComponents,
    ) -> Result<ExportFile, Error> {
        people_only(caller, "export servers")?;
        let now = self.clock().now();
        let mut made = Making { service: self, versions, items: 0, components: BTreeMap::new() };
        let (servers, settings) = match server {
            Some(id) => (vec![servers::found(self.db(), id).await?], Default::default()),
            None => {
                let all = every!(self.limits().export_items, |page| server_rows::list(self.db(), page));
                (all, self.policies_set_by_people().await?)
            }
        };
        let mut parts = Vec::with_capacity(servers.len());
        for server in &servers {
            parts.push(made.server(server).await?);
        }
        let mut bytes = 0;
        let max = self.limits().export_bytes;
        for (digest, part) in &mut made.components {
            let digest: Digest = digest.parse().map_err(|error| Error::internal("reading a digest", error))?;
            part.size_bytes = blobs::size_bytes(self.db(), digest).await?.unwrap_or(0);
            if components == ExportedComponents::Include {
                bytes += part.size_bytes.div_ceil(3) * 4;
                too_large(bytes, max)?;
                part.bytes = blobs::get(self.db(), digest).await?.map(|bytes| STANDARD.encode(bytes));
            }
        }
        let export = Export {
            format: export::FORMAT.to_owned(),
            version: export::VERSION.to_owned(),
            exported_at: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            settings,
            servers: parts,
            components: made.components,
            left_out: Vec::new(),
        };
        self.signed(caller, &export, now).await
    }

    async fn signed(&self, caller: &Caller, export: &Export, now: DateTime<Utc>) -> Result<ExportFile, Error> {
        let doing = "writing an export";
        let mut file = serde_json::to_value(export).map_err(|error| Error::internal(doing, error))?;
        let signed = self.signer(caller).await?.sign(export::canonical(&file).as_bytes());
        file[export::SIGNATURE] = serde_json::to_value(signed).map_err(|error| Error::internal(doing, error))?;
        let text = file.to_string();
        too_large(text.len() as u64, self.limits().export_bytes)?;
        Ok(ExportFile { name: format!("mcpbox-export-{}.json", now.format("%Y-%m-%d")), text })
    }
}

fn too_large(bytes: u64, max: u64) -> Result<(), Error> {
    if bytes <= max {
        return Ok(());
    }
    Err(Error::TooLarge {
        message: format!(
            "the file would have more than {max} bytes; export one server at a time, without the bytes of components \
             (components=digests), or raise MCPBOX_EXPORT_BYTES"
        ),
    })
}

/// A file in the making.
struct Making<'a> {
    service: &'a Service,
    versions: ExportedVersions,
    items: u64,
    components: BTreeMap<String, ComponentPart>,
}

impl Making<'_> {
    /// Counts what was read, so that no file is made that could not be read again.
    fn count(&mut self, read: usize) -> Result<(), Error> {
        self.items += read as u64;
        few_enough(self.items, self.service.limits().export_items)
    }

    async fn server(&mut self, server: &Server) -> Result<ServerPart, Error> {
        let (db, max) = (self.service.db(), self.service.limits().export_items);
        let requests = every!(max, |page| network_requests::of_server(db, server.id, None, page));
        let modules = every!(max, |page| module_requests::of_server(db, server.id, None, page));
        let secrets = every!(max, |page| secrets::of_server(db, server.id, page));
        let sources = every!(max, |page| external_mcp_sources::of_server(db, server.id, page));
        self.count(1 + requests.len() + modules.len() + secrets.len() + sources.len())?;
        let mut parts = Vec::new();
        for tool in every!(max, |page| tool_rows::of_server(db, server.id, page)) {
            let Some(versions) = self.versions_of(&tool).await? else { continue };
            let own = requests.iter().filter(|row| row.tool_id == Some(tool.id));
            let own_modules = modules.iter().filter(|row| row.tool_id == tool.id);
            parts.push(ToolPart {
                name: tool.name,
                enabled: tool.enabled,
                disabled_tools: tool.disabled_exports.0,
                versions,
                network_requests: own.map(host_part).collect(),
                module_requests: own_modules
                    .map(|row| ModulePart {
                        module_name: row.module_name.clone(),
                        justification: row.justification.clone(),
                        status: row.status,
                        rejection_reason: row.rejection_reason.clone(),
                    })
                    .collect(),
            });
        }
        Ok(ServerPart {
            name: server.name.clone(),
            description: server.description.clone(),
            status: Some(server.status),
            default_timeout_ms: server.default_timeout_ms.map(u64::from),
            hosts: requests.iter().filter(|row| row.tool_id.is_none()).map(host_part).collect(),
            secrets: secrets
                .into_iter()
                .map(|row| SecretPart {
                    key_name: row.key_name,
                    description: row.description,
                    binding: row.binding.map(Into::into),
                })
                .collect(),
            sources: sources
                .into_iter()
                .map(|row| SourcePart {
                    name: row.name,
                    url: row.url,
                    transport_type: row.transport_type,
                    auth_type: row.auth_type,
                    auth_secret_name: row.auth_secret_name,
                    auth_header_name: row.auth_header_name,
                    private_network: row.private_network,
                })
                .collect(),
            tools: parts,
        })
    }

    /// The versions of a tool, the oldest first; none when it was deleted a moment ago, or when an external
    /// source has it: it is imported again where the source is allowed.
    async fn versions_of(&mut self, tool: &Tool) -> Result<Option<Vec<VersionPart>>, Error> {
        let (db, max) = (self.service.db(), self.service.limits().export_items);
        let mut rows: Vec<Version> = match self.versions {
            ExportedVersions::All => every!(max, |page| version_rows::of_tool(db, tool.id, page)),
            ExportedVersions::Current => self.current(tool.id, tool.latest_version, tool.live_version_id).await?,
        };
        if rows.iter().any(|version| version.kind == ToolKind::McpPassthrough) {
            return Ok(None);
        }
        rows.sort_unstable_by_key(|version| version.number);
        self.count(1 + rows.len())?;
        let mut parts = Vec::with_capacity(rows.len());
        for version in rows {
            let code = versions::source(db, &version).await?;
            let component = (version.kind == ToolKind::Component).then_some(version.source_digest);
            if let Some(digest) = component {
                let part = ComponentPart { size_bytes: 0, bytes: None };
                self.components.entry(digest.to_string()).or_insert(part);
            }
            parts.push(VersionPart {
                is_live: tool.live_version_id == Some(version.id),
                name: version.name,
                description: version.description,
                kind: version.kind,
                timeout_ms: version.timeout_ms.map(u64::from),
                code,
                component,
                hosts: version.hosts.0,
                modules: version.modules.0,
                secret_names: Vec::new(),
                approval_status: version.approval_status,
                change_summary: version.change_summary,
                digest: Some(version.digest),
            });
        }
        Ok((!parts.is_empty()).then_some(parts))
    }

    async fn current(&self, tool: ToolId, latest: i32, live: Option<VersionId>) -> Result<Vec<Version>, Error> {
        let db = self.service.db();
        let latest = version_rows::by_number(db, tool, latest).await?;
        let other = live.filter(|live| latest.as_ref().is_none_or(|latest| latest.id != *live));
        let live = match other {
            Some(id) => version_rows::by_id(db, id).await?,
            None => None,
        };
        Ok(live.into_iter().chain(latest).collect())
    }
}

fn host_part(row: &NetworkRequest) -> HostPart {
    HostPart {
        host: host_text(row),
        justification: row.justification.clone(),
        status: row.status,
        rejection_reason: row.rejection_reason.clone(),
    }
}

fn few_enough(items: u64, max: u64) -> Result<(), Error> {
    if items <= max {
        return Ok(());
    }
    Err(Error::TooLarge {
        message: format!(
            "the file would hold more than {max} things; export one server at a time, only the current versions, or \
             raise MCPBOX_EXPORT_ITEMS"
        ),
    })
}

/// The JSON of a file, and what it is signed with; the signature is taken off.
///
/// # Errors
/// [`Error::Invalid`] when it is no JSON object.
pub(super) fn opened(bytes: &[u8]) -> Result<(serde_json::Map<String, Value>, Option<Value>), Error> {
    let read: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid("", format!("the file is not JSON, or is nested too deeply: {error}")))?;
    let Value::Object(mut file) = read else { return Err(Error::invalid("", "the file is no JSON object")) };
    let signature = file.remove(export::SIGNATURE);
    Ok((file, signature))
}
