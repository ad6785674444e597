//! Tools: made, changed, offered for review and deleted by whoever builds; approved elsewhere.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::calls::content;
use super::code::{GivenCode, schema};
use super::exports::{self, ToolExportView};
use super::folders::FolderView;
use super::versions::SourceView;
use super::{
    Error, Page, PageRequest, Service, edits, external_mcp_definitions as external, given, policies, servers, versions,
};
use crate::db::servers::{self as server_rows, Server};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions::{self as version_rows, Version};
use crate::db::{Conn, DbError, Tx, blobs};
use crate::domain::caller::Caller;
use crate::domain::component::Surface;
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId, VersionId};
use crate::domain::json::JsonSchema;
use crate::domain::names::{ServerName, ToolName, gateway_name};
use crate::domain::tool::{ApprovalAction, ApprovalStatus, Language, ToolKind};
use crate::domain::version::VersionContent;

#[derive(Clone, Debug)]
pub struct NewTool {
    pub server_id: ServerId,
    pub name: String,
    /// None or blank: the first paragraph of the docstring.
    pub description: Option<String>,
    pub code: GivenCode,
    /// None: the server's, else the default.
    pub timeout_ms: Option<u64>,
}

/// What is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ToolChange {
    pub name: Option<String>,
    /// Blank: the first paragraph of the docstring.
    pub description: Option<String>,
    pub code: Option<GivenCode>,
    pub enabled: Option<bool>,
    /// Of a component: those of its tools that are switched off, all of them.
    pub disabled_tools: Option<Vec<String>>,
    pub timeout_ms: Option<u64>,
}

/// A tool as its newest version describes it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ToolView {
    pub id: ToolId,
    pub server_id: ServerId,
    pub server_name: String,
    pub name: String,
    /// What a model calls. Follows a new name when the version that brings it is approved. A component is
    /// known by it, and called by the names of its tools.
    pub gateway_name: String,
    pub description: String,
    pub kind: ToolKind,
    pub enabled: bool,
    pub approval_status: ApprovalStatus,
    pub current_version: i32,
    /// The version that is called, if one is.
    pub live_version: Option<i32>,
    pub timeout_ms: Option<u64>,
    /// What an approval of the newest version covers.
    pub digest: Digest,
    pub rejection_reason: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[schema(value_type = JsonSchema)]
    pub input_schema: Value,
    #[schema(value_type = Option<JsonSchema>)]
    pub output_schema: Option<Value>,
    /// Why clients are not offered it, as far as its schemas go; absent when they are, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quarantine: Option<String>,
    /// None: it is a component, or a tool of an external source.
    pub language: Option<Language>,
    #[serde(flatten)]
    pub source: SourceView,
    /// The tools of a component; in lists without their schemas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ToolExportView>,
    /// What a component imports, and could use if it were granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub component: Option<Surface>,
    /// The modules that it asks for beyond the list.
    pub modules: Vec<String>,
    /// Those of them that it has yet to request; not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules_to_request: Vec<String>,
    /// Folders that a person gave to it; for people, and not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderView>,
}

/// A tool with its server and its newest version.
pub(super) struct Found {
    pub(super) server: Server,
    pub(super) tool: Tool,
    pub(super) latest: Version,
}

impl Service {
    /// Makes a tool, as a draft.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what Python says about the source, [`Error::Conflict`] when the server
    /// has a tool of this name.
    pub async fn tool_create(&self, caller: &Caller, new: NewTool) -> Result<ToolView, Error> {
        self.may_edit(caller).await?;
        let name: ToolName = new.name.parse().map_err(|error| Error::name("/name", &error))?;
        let timeout_ms = given::timeout("/timeout_ms", new.timeout_ms, self.limits())?;
        let server = servers::found(self.db(), new.server_id).await?;
        let language = new.code.language.unwrap_or_default();
        let described = self.code_accepted(language, &new.code).await?;
        let content = VersionContent {
            kind: language.into(),
            name: name.to_string(),
            description: given::description(new.description.as_deref().unwrap_or_default(), &described.summary)?,
            source_digest: Digest::of(new.code.text.as_bytes()),
            timeout_ms,
            input_schema: described.input_schema.clone(),
            output_schema: described.output_schema.clone(),
            exports: Vec::new(),
            hosts: Vec::new(),
            modules: self.modules_asked(new.code.pointer(), &described.modules, None).await?,
            secret_names: Vec::new(),
        };
        let now = self.clock().now();
        let tool = Tool::new(server.id, name.as_str(), &caller.to_string(), now);
        let latest = versions::row(tool.id, 1, content, ApprovalStatus::Draft, "created".into(), caller, now);
        let tx = self.db().begin().await?;
        blobs::put(&tx, new.code.text.into_bytes(), now).await?;
        tool_rows::insert(&tx, tool.clone()).await.map_err(|error| taken(error, &server, &tool.name))?;
        version_rows::insert(&tx, latest.clone()).await?;
        exports::hold(&tx, &server, &tool, None, &latest).await?;
        let after = json!({ "server": server.name, "name": tool.name, "version": 1, "digest": latest.digest });
        audit::write(&tx, caller, now, act("tool.create", tool.id, None, Some(after))).await?;
        tx.commit().await?;
        self.tool_view(Found { server, tool, latest }, None).await
    }

    /// Changes a tool. Another name, description, source or time limit makes a new version; what is
    /// approved stays live until that one is approved. A change that changes nothing makes none.
    ///
    /// # Errors
    /// As [`tool_create`](Self::tool_create); also [`Error::Conflict`] when the tool was changed by
    /// someone else at the same time.
    pub async fn tool_update(&self, caller: &Caller, id: ToolId, change: ToolChange) -> Result<ToolView, Error> {
        self.may_edit(caller).await?;
        let seen = found(self.db(), id).await?.latest;
        // Python reads the source before the transaction begins, which others wait for.
        let changed = self.changed(&seen, &change).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut found = locked(&tx, id).await?;
        if found.latest.id != seen.id {
            return Err(Error::conflict("the tool was changed by someone else meanwhile; look at it and try again"));
        }
        let enabled = change.enabled.unwrap_or(found.tool.enabled);
        let live_before = live(&tx, &found.tool).await?;
        let disabled = match change.disabled_tools {
            Some(names) => exports::disabled(names, &found.latest, live_before.as_ref())?,
            None => found.tool.disabled_exports.clone(),
        };
        let next = versions::following(&found.latest, changed, caller, now);
        let switched = enabled != found.tool.enabled || disabled != found.tool.disabled_exports;
        if next.is_none() && !switched {
            drop(tx);
            return self.tool_view(found, None).await;
        }
        let latest = &found.latest;
        let mut before = json!({ "enabled": found.tool.enabled, "version": latest.number, "digest": latest.digest });
        let mut after = json!({ "enabled": enabled });
        if disabled != found.tool.disabled_exports {
            before["disabled_tools"] = found.tool.disabled_exports.0.clone().into();
            after["disabled_tools"] = disabled.0.clone().into();
        }
        found.tool.enabled = enabled;
        found.tool.disabled_exports = disabled;
        found.tool.updated_at = now;
        let effect = match next {
            Some(next) => {
                if let Some(code) = change.code {
                    blobs::put(&tx, code.text.into_bytes(), now).await?;
                }
                after["version"] = next.number.into();
                after["digest"] = next.digest.to_string().into();
                after["change"] = next.change_summary.clone().into();
                let policies = policies::in_force(&tx).await?;
                let effect = edits::put(&tx, caller, &policies, &mut found, next).await?;
                after["status"] = found.latest.approval_status.as_str().into();
                after["live_version"] = effect.live.into();
                Some(effect)
            }
            None => {
                tool_rows::update(&tx, id, rest_of(&found.tool)).await?;
                None
            }
        };
        audit::write(&tx, caller, now, act("tool.update", id, Some(before), Some(after))).await?;
        tx.commit().await?;
        if let Some(effect) = &effect {
            self.took_effect(effect);
        }
        if switched && found.tool.live_version_id.is_some() {
            self.catalogue_changed();
            if let Some(live) = live_before {
                self.executor().forget(live.source_digest);
            }
        }
        self.tool_view(found, None).await
    }

    /// The tools of a server by name.
    pub async fn tool_list(
        &self,
        _caller: &Caller,
        server: ServerId,
        page: PageRequest,
    ) -> Result<Page<ToolView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        let rows = tool_rows::of_server(self.db(), server.id, &page).await?;
        let ids: Vec<ToolId> = rows.items.iter().map(|tool| tool.id).collect();
        let live: Vec<VersionId> = rows.items.iter().filter_map(|tool| tool.live_version_id).collect();
        let mut latest: HashMap<ToolId, Version> = version_rows::latest_of(self.db(), &ids)
            .await?
            .into_iter()
            .map(|version| (version.tool_id, version))
            .collect();
        let numbers = version_rows::numbers(self.db(), &live).await?;
        let (total, page, page_size) = (rows.total, rows.page, rows.page_size);
        let mut views = Vec::with_capacity(rows.items.len());
        for tool in rows.items {
            // One that has no version any more was deleted a moment ago.
            let Some(latest) = latest.remove(&tool.id) else { continue };
            let live = tool.live_version_id.and_then(|id| numbers.get(&id).copied());
            let mut view = view(&Found { server: server.clone(), tool, latest }, live, None)?;
            for export in &mut view.exports {
                (export.export.input_schema, export.export.output_schema) = (None, None);
            }
            views.push(view);
        }
        Ok(Page::new(views, total, page, page_size))
    }

    /// One tool with its source, and for people with its folders: paths tell about the machine.
    pub async fn tool_get(&self, caller: &Caller, id: ToolId) -> Result<ToolView, Error> {
        let found = found(self.db(), id).await?;
        let source = versions::source(self.db(), &found.latest).await?;
        let folders = if caller.is_person() { self.folders_of(id).await? } else { Vec::new() };
        Ok(ToolView { folders, ..self.tool_view(found, source).await? })
    }

    /// Asks for review of the newest version; `notes` are for the person who reviews it. A policy may
    /// approve it at once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it waits already or is approved.
    pub async fn tool_submit(&self, caller: &Caller, id: ToolId, notes: Option<String>) -> Result<ToolView, Error> {
        let notes = notes.map(|notes| given::text("/notes", &notes, given::NOTES)).transpose()?;
        let notes = notes.filter(|notes| !notes.is_empty());
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut found = locked(&tx, id).await?;
        let from = found.latest.approval_status;
        let to = from.after(ApprovalAction::Submit)?;
        let by = caller.to_string();
        if !version_rows::submit(&tx, found.latest.id, from, notes.clone(), &by, now).await? {
            return Err(Error::conflict("the tool was changed by someone else meanwhile; look at it and try again"));
        }
        found.latest.approval_status = to;
        found.latest.publish_notes = notes;
        found.latest.submitted_at = Some(now);
        found.latest.submitted_by = Some(by);
        let policies = policies::in_force(&tx).await?;
        let effect = edits::approve_by_policy(&tx, &policies, &mut found, now).await?;
        let before = json!({ "status": from });
        let mut after = json!({
            "status": found.latest.approval_status,
            "version": found.latest.number,
            "digest": found.latest.digest,
        });
        if let Some(effect) = &effect {
            after["live_version"] = effect.live.into();
            after["approved_by"] = edits::BY_TOOL_POLICY.into();
        }
        audit::write(&tx, caller, now, act("tool.submit", id, Some(before), Some(after))).await?;
        tx.commit().await?;
        if let Some(effect) = &effect {
            self.took_effect(effect);
        }
        self.tool_view(found, None).await
    }

    /// Deletes a tool with its versions and requests; its execution log stays.
    pub async fn tool_delete(&self, caller: &Caller, id: ToolId) -> Result<(), Error> {
        self.may_edit(caller).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let Found { server, tool, latest } = locked(&tx, id).await?;
        let live = live(&tx, &tool).await?;
        let made_of = version_rows::source_digests(&tx, &[id]).await?;
        tool_rows::delete(&tx, id).await?;
        blobs::remove_unnamed(&tx, &made_of).await?;
        let before = json!({
            "server": server.name,
            "name": tool.name,
            "version": latest.number,
            "digest": latest.digest,
            "live_version": live.as_ref().map(|live| live.number),
        });
        audit::write(&tx, caller, now, act("tool.delete", id, Some(before), None)).await?;
        tx.commit().await?;
        if let Some(live) = live {
            self.catalogue_changed();
            self.executor().forget(live.source_digest);
        }
        Ok(())
    }

    pub(super) async fn tool_view(&self, found: Found, source: Option<String>) -> Result<ToolView, Error> {
        let live = match found.tool.live_version_id {
            Some(id) if id == found.latest.id => Some(found.latest.number),
            Some(_) => live(self.db(), &found.tool).await?.map(|live| live.number),
            None => None,
        };
        let modules_to_request = self.modules_to_request(found.tool.id, &found.latest).await?;
        let mut view = view(&found, live, source)?;
        exports::judge(view.exports.iter_mut().map(|shown| &mut shown.export), &found.latest);
        Ok(ToolView { modules_to_request, quarantine: exports::quarantine(&found.latest), ..view })
    }

    /// What the newest version of a tool would become.
    async fn changed(&self, latest: &Version, change: &ToolChange) -> Result<VersionContent, Error> {
        let mut content = content(latest);
        if let Some(name) = &change.name {
            let name: ToolName = name.parse().map_err(|error| Error::name("/name", &error))?;
            content.name = name.into();
            external::renamed(&mut content);
        }
        if change.timeout_ms.is_some() {
            content.timeout_ms = given::timeout("/timeout_ms", change.timeout_ms, self.limits())?;
        }
        let mut summary = None;
        if let Some(code) = &change.code {
            external::keeps_definition(&content, code.pointer())?;
            let Some(language) = code.language.or_else(|| content.kind.language()) else {
                return Err(Error::invalid(code.pointer(), "this tool is a component; upload a new version of it"));
            };
            let described = self.code_accepted(language, code).await?;
            content.kind = language.into();
            content.source_digest = Digest::of(code.text.as_bytes());
            content.input_schema.clone_from(&described.input_schema);
            content.output_schema.clone_from(&described.output_schema);
            let tool = Some(latest.tool_id);
            content.modules = self.modules_asked(code.pointer(), &described.modules, tool).await?;
            summary = Some(described.summary.clone());
        }
        if let Some(given) = &change.description {
            if summary.is_none()
                && given.trim().is_empty()
                && let (Some(language), Some(source)) =
                    (latest.kind.language(), versions::source(self.db(), latest).await?)
            {
                summary = Some(self.source_accepted("/description", language, &source).await?.summary.clone());
            }
            content.description = given::description(given, &summary.unwrap_or_default())?;
            external::renamed(&mut content);
        }
        Ok(content)
    }
}

/// A tool and what belongs to it.
///
/// # Errors
/// [`Error::NotFound`].
pub(super) async fn found(db: &impl Conn, id: ToolId) -> Result<Found, Error> {
    complete(db, id, tool_rows::by_id(db, id).await?).await
}

/// As [`found`]; nobody else changes the tool before `tx` ends.
pub(super) async fn locked(tx: &Tx, id: ToolId) -> Result<Found, Error> {
    complete(tx, id, tool_rows::lock(tx, id).await?).await
}

async fn complete(db: &impl Conn, id: ToolId, tool: Option<Tool>) -> Result<Found, Error> {
    let missing = || Error::not_found("tool", id.to_string(), "list the tools of its server");
    let tool = tool.ok_or_else(missing)?;
    let server = server_rows::by_id(db, tool.server_id).await?.ok_or_else(missing)?;
    let latest = version_rows::by_number(db, id, tool.latest_version).await?.ok_or_else(missing)?;
    Ok(Found { server, tool, latest })
}

/// The version of a tool that is called.
pub(super) async fn live(db: &impl Conn, tool: &Tool) -> Result<Option<Version>, DbError> {
    match tool.live_version_id {
        Some(id) => version_rows::by_id(db, id).await,
        None => Ok(None),
    }
}

/// The fields of a tool that change without an approval.
pub(super) fn rest_of(tool: &Tool) -> tool_rows::ToolChange {
    tool_rows::ToolChange {
        name: tool.name.clone(),
        enabled: tool.enabled,
        disabled_exports: tool.disabled_exports.clone(),
        latest_version: tool.latest_version,
        updated_at: tool.updated_at,
    }
}

pub(super) fn act(name: &'static str, id: ToolId, before: Option<Value>, after: Option<Value>) -> Act {
    Act { name, object_kind: "tool", object_id: id.to_string(), before, after }
}

/// What a model calls to reach a tool of this server.
pub(super) fn called(server: &Server, tool_name: &str) -> Result<String, Error> {
    let doing = "reading the name of a tool";
    let server: ServerName = server.name.parse().map_err(|error| Error::internal(doing, error))?;
    Ok(gateway_name(&server, tool_name))
}

/// A write that failed because of a tool's name, in the words of its author.
pub(super) fn taken(error: DbError, server: &Server, name: &str) -> Error {
    match error {
        DbError::Conflict { .. } => name_taken(server, name),
        other => other.into(),
    }
}

pub(super) fn name_taken(server: &Server, name: &str) -> Error {
    Error::conflict(format!("the server `{}` already has a tool `{name}`", server.name))
}

pub(super) fn view(found: &Found, live_version: Option<i32>, source: Option<String>) -> Result<ToolView, Error> {
    let Found { server, tool, latest } = found;
    Ok(ToolView {
        id: tool.id,
        server_id: server.id,
        server_name: server.name.clone(),
        name: latest.name.clone(),
        gateway_name: called(server, &tool.name)?,
        description: latest.description.clone(),
        kind: latest.kind,
        enabled: tool.enabled,
        approval_status: latest.approval_status,
        current_version: latest.number,
        live_version,
        timeout_ms: latest.timeout_ms.map(u64::from),
        digest: latest.digest,
        rejection_reason: latest.rejection_reason.clone(),
        created_by: tool.created_by.clone(),
        created_at: tool.created_at,
        updated_at: tool.updated_at,
        input_schema: schema(&latest.input_schema)?,
        output_schema: latest.output_schema.as_deref().map(schema).transpose()?,
        quarantine: None,
        language: latest.kind.language(),
        source: SourceView::of(latest.kind, source),
        exports: exports::views(server, tool, latest)?,
        component: latest.surface.clone(),
        modules: latest.modules.0.clone(),
        modules_to_request: Vec::new(),
        folders: Vec::new(),
    })
}
