//! What external sources offer: listed, kept as the last good list, imported as tools.
//!
//! A tool that was imported is pinned by the digest of its definition. When a source says something else
//! of it, the new definition becomes the next version, which waits for approval like any change, and calls
//! of the old one are refused until then: the source no longer has what was approved.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::calls::content;
use super::edits::{self, Effect};
use super::external_mcp_definitions::{as_tool, of_definition, read};
use super::external_mcp_sources::{self as sources, act, missing};
use super::tools::{self, Found, ToolView};
use super::{Error, Page, PageRequest, Service, audit, exports, policies, versions};
use crate::db::external_mcp_sources::{self as source_rows, ExternalSource};
use crate::db::external_mcp_tools::{self as rows, ExternalTool};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions as version_rows;
use crate::db::{PageRequest as RowPage, Tx, Whole, blobs};
use crate::domain::caller::Caller;
use crate::domain::component::ToolAnnotations;
use crate::domain::digest::Digest;
use crate::domain::ids::{SourceId, ToolId};
use crate::domain::json::JsonSchema;
use crate::domain::policy::Policies;
use crate::domain::source::{Definition, SourceStatus, own_name};
use crate::domain::tool::{ApprovalStatus, ChangeSource};
use crate::upstream::UpstreamError;

/// Tools that one request imports.
const IMPORTED_AT_ONCE: usize = 100;
/// Sources that are asked side by side when nobody waits for it.
const ASKED_AT_ONCE: usize = 4;
const ROWS_AT_ONCE: u64 = 100;
/// A source that says all the time that its list is another one is not asked for it more often than this.
const HEEDED: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// A tool as a source offers it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExternalToolView {
    /// As the source calls it.
    pub name: String,
    /// What it is called once it is imported.
    pub own_name: String,
    pub title: Option<String>,
    pub description: String,
    #[schema(value_type = Option<JsonSchema>)]
    pub input_schema: Option<Value>,
    #[schema(value_type = Option<JsonSchema>)]
    pub output_schema: Option<Value>,
    pub annotations: Option<ToolAnnotations>,
    /// Of the definition: what an approval pins.
    pub digest: Option<Digest>,
    /// Why it cannot be imported.
    pub problem: Option<String>,
    /// What was imported from it.
    pub tool_id: Option<ToolId>,
    pub changed_at: DateTime<Utc>,
}

/// What came of asking a source for its tools.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DiscoveryView {
    pub source_id: SourceId,
    pub tool_count: u64,
    /// Imported tools whose definition is another one now: each has a new version that waits for review.
    pub changed_tools: Vec<ToolId>,
    /// Imported tools that the source offers no longer.
    pub gone_tools: Vec<ToolId>,
    /// The first page of the list.
    pub tools: Vec<ExternalToolView>,
}

/// What became of one tool that was to be imported.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedView {
    /// As the source calls it.
    pub name: String,
    /// `imported`, `updated`, `unchanged` or `failed`.
    pub outcome: &'static str,
    /// Why it failed.
    pub message: Option<String>,
    pub tool: Option<ToolView>,
}

/// What a new list changes.
#[derive(Default)]
struct Absorbed {
    changed: Vec<ToolId>,
    gone: Vec<ToolId>,
    effects: Vec<Effect>,
}

impl Service {
    /// Asks a source for its tools now, and keeps the list.
    ///
    /// # Errors
    /// [`Error::SourceFailed`] when it does not answer with one; the last good list stays.
    pub async fn source_discover(&self, caller: &Caller, id: SourceId) -> Result<DiscoveryView, Error> {
        let source = sources::found(self.db(), id).await?;
        let absorbed = self.source_listed(&source, Some(caller)).await?;
        let page = RowPage::new(1, self.limits().page_size_max, self.limits().page_size_max);
        let listed = rows::of_source(self.db(), id, &page).await?;
        let source = sources::found(self.db(), id).await?;
        let tools: Result<Vec<_>, Error> = listed.items.into_iter().map(|row| view(&source, row)).collect();
        Ok(DiscoveryView {
            source_id: id,
            tool_count: source.tool_count.into(),
            changed_tools: absorbed.changed,
            gone_tools: absorbed.gone,
            tools: tools?,
        })
    }

    /// The last good list of a source.
    pub async fn source_tools(
        &self,
        _caller: &Caller,
        id: SourceId,
        page: PageRequest,
    ) -> Result<Page<ExternalToolView>, Error> {
        let page = page.of_rows(self.limits())?;
        let source = sources::found(self.db(), id).await?;
        Page::from(rows::of_source(self.db(), id, &page).await?).try_map(|row| view(&source, row))
    }

    /// Makes tools of what a source offers, each for itself: a draft when a model asks, approved at once when
    /// a person does who may approve what they made. What was imported before and is defined differently now
    /// gets its next version.
    ///
    /// # Errors
    /// [`Error::Invalid`] when none or too many are named. What is wrong with one of them is in its line.
    pub async fn source_import(
        &self,
        caller: &Caller,
        id: SourceId,
        names: Vec<String>,
    ) -> Result<Vec<ImportedView>, Error> {
        self.may_edit(caller).await?;
        if names.is_empty() || names.len() > IMPORTED_AT_ONCE {
            return Err(Error::invalid("/tool_names", format!("name 1 to {IMPORTED_AT_ONCE} tools of the source")));
        }
        sources::found(self.db(), id).await?;
        let mut views = Vec::with_capacity(names.len());
        for name in names {
            let (outcome, message, tool) = match self.imported(caller, id, &name).await {
                Ok((outcome, tool)) => (outcome, None, Some(tool)),
                Err(error @ (Error::Internal { .. } | Error::Stopping)) => return Err(error),
                Err(error) => ("failed", Some(error.to_string()), None),
            };
            views.push(ImportedView { name, outcome, message, tool });
        }
        Ok(views)
    }

    /// Asks every source that is not switched off for its tools; answers how many did answer. For the jobs.
    pub async fn sources_refresh(&self, stopping: &CancellationToken) -> Result<u64, Error> {
        self.upstream().sweep();
        let mut done = 0;
        for page in 1.. {
            let asked = source_rows::enabled(self.db(), &RowPage::new(page, ROWS_AT_ONCE, ROWS_AT_ONCE)).await?;
            let more = page < asked.pages();
            let mut answers = stream::iter(asked.items)
                .map(|source| async move { self.source_listed(&source, None).await })
                .buffer_unordered(ASKED_AT_ONCE);
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(_) => done += 1,
                    // Noted with the source.
                    Err(
                        Error::SourceFailed { .. }
                        | Error::Busy { .. }
                        | Error::Conflict { .. }
                        | Error::NotFound { .. },
                    ) => {}
                    Err(error) => return Err(error),
                }
                if stopping.is_cancelled() {
                    return Ok(done);
                }
            }
            if !more {
                break;
            }
        }
        Ok(done)
    }

    /// Asks a source for its list and takes it in. `asked`: who waits for it.
    async fn source_listed(&self, source: &ExternalSource, asked: Option<&Caller>) -> Result<Absorbed, Error> {
        let offer = async {
            let access = self.source_access(source).await?;
            match self.upstream().tools(&access, asked.is_some()).await {
                Err(UpstreamError::Unauthorized { .. }) => {
                    let access = self.source_access_renewed(source, &access).await?;
                    Ok(self.upstream().tools(&access, asked.is_some()).await?)
                }
                offer => Ok(offer?),
            }
        };
        match offer.await {
            Ok(offer) => self.absorb(source.id, &offer.tools, asked).await,
            Err(error) => {
                if let Error::SourceFailed { message } = &error {
                    self.source_noted(source.id, Some(message.clone())).await?;
                }
                Err(error)
            }
        }
    }

    /// A list that is no older than it may be, and that the source has not called outdated; one is asked for when
    /// it is.
    ///
    /// # Errors
    /// As [`source_discover`](Self::source_discover).
    pub(super) async fn source_fresh(&self, source: &ExternalSource) -> Result<(), Error> {
        let age = |source: &ExternalSource| source.last_discovered_at.map(|at| self.clock().now() - at);
        let limit = chrono::TimeDelta::seconds(self.limits().source_fresh_s.try_into().unwrap_or(i64::MAX / 1_000));
        let is_fresh = |source: &ExternalSource| {
            let outdated = self.upstream().list_is_outdated(source.id);
            age(source).is_some_and(|age| age < limit && (age < HEEDED || !outdated))
        };
        if is_fresh(source) {
            return Ok(());
        }
        let access = self.source_access(source).await?;
        let _turn = self.upstream().list_turn(&access).await;
        // Whoever had the turn before may have done it.
        let source = sources::found(self.db(), source.id).await?;
        if !is_fresh(&source) {
            self.source_listed(&source, None).await?;
        }
        Ok(())
    }

    /// Begins to ask a source for its list, which it said is another one.
    pub(super) fn source_refresh_beside(&self, id: SourceId) {
        let service = self.clone();
        let stopping = self.0.parts.stopping.clone();
        self.0.parts.calls.spawn(async move {
            let fresh = async {
                let source = sources::found(service.db(), id).await?;
                service.source_fresh(&source).await
            };
            tokio::select! {
                () = stopping.cancelled() => {}
                done = fresh => {
                    if let Err(error) = done {
                        tracing::info!(source = %id, %error, "the new list of a source was not had; the next call asks again");
                    }
                }
            }
        });
    }

    /// Takes a list in: what is new is kept, what was imported and is another one now gets its next version.
    async fn absorb(&self, id: SourceId, offered: &[Value], asked: Option<&Caller>) -> Result<Absorbed, Error> {
        let now = self.clock().now();
        let list = read(id, offered, now);
        let tx = self.db().begin().await?;
        let mut source = source_rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let policies = policies::in_force(&tx).await?;
        let mut absorbed = Absorbed::default();
        let mut old: BTreeMap<String, ExternalTool> =
            rows::all_of_source(&tx, id).await?.into_iter().map(|row| (row.name.clone(), row)).collect();
        let mut redefined = Vec::new();
        let tool_count = list.len() as u64;
        for (mut row, definition) in list {
            let before = old.remove(&row.name);
            if let Some(before) = &before {
                row.tool_id = before.tool_id;
                if before.digest == row.digest && before.problem == row.problem {
                    row.changed_at = before.changed_at;
                }
            }
            if let (Some(tool), Some(definition), Some(digest)) = (row.tool_id, definition, row.digest) {
                redefined.push((tool, definition, digest));
            }
            if before.as_ref() != Some(&row) {
                rows::put(&tx, row).await?;
            }
        }
        for (name, row) in old {
            match row.tool_id {
                None => rows::remove(&tx, id, &name).await?,
                Some(tool) => {
                    if row.offered {
                        absorbed.gone.push(tool);
                        rows::put(&tx, ExternalTool { offered: false, ..row }).await?;
                    }
                }
            }
        }
        // In one order, so that two who do this at once do not wait for each other.
        redefined.sort_by_key(|(tool, ..)| *tool);
        for (tool, definition, digest) in redefined {
            let found = tools::locked(&tx, tool).await?;
            if found.latest.source_digest != digest {
                let by = Caller::source(&source.name);
                let changed = redefine(&tx, &by, &policies, found, id, &definition, now).await?;
                absorbed.effects.extend(changed.map(|(effect, _)| effect));
                absorbed.changed.push(tool);
            }
        }
        let before = json!({ "tool_count": u64::from(source.tool_count) });
        let after = json!({ "tool_count": tool_count, "changed": absorbed.changed, "gone": absorbed.gone });
        source.tool_count = Whole(tool_count);
        source.last_discovered_at = Some(now);
        if source.status == SourceStatus::Error {
            source.status = SourceStatus::Active;
        }
        source.problem = None;
        let name = source.name.clone();
        source_rows::update(&tx, source).await?;
        let changes = !absorbed.changed.is_empty() || !absorbed.gone.is_empty();
        if asked.is_some() || changes {
            let of_source = Caller::source(&name);
            let caller = asked.unwrap_or(&of_source);
            audit::write(&tx, caller, now, act("source.discover", id, Some(before), Some(after))).await?;
        }
        tx.commit().await?;
        absorbed.effects.iter().for_each(|effect| self.took_effect(effect));
        Ok(absorbed)
    }

    /// Makes a tool of one line of a list, or gives it its next version.
    async fn imported(&self, caller: &Caller, id: SourceId, name: &str) -> Result<(&'static str, ToolView), Error> {
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let source = source_rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let unknown = || {
            Error::not_found(
                "tool of this source",
                name,
                "discover the tools of the source, and take a name from there",
            )
        };
        let row = rows::by_name(&tx, id, name).await?.filter(|row| row.offered).ok_or_else(unknown)?;
        if let Some(problem) = &row.problem {
            return Err(Error::conflict(format!("the source's tool `{name}` cannot be imported: {problem}")));
        }
        let written: Value =
            serde_json::from_str(&row.definition).map_err(|error| Error::internal("reading a definition", error))?;
        let definition =
            Definition::read(&as_tool(&written)).map_err(|error| Error::internal("reading a definition", error))?;
        let policies = policies::in_force(&tx).await?;
        if let Some(tool) = row.tool_id {
            let found = tools::locked(&tx, tool).await?;
            if Some(found.latest.source_digest) == row.digest {
                drop(tx);
                return Ok(("unchanged", self.tool_view(found, None).await?));
            }
            let Some((effect, found)) = redefine(&tx, caller, &policies, found, id, &definition, now).await? else {
                return Err(unknown());
            };
            tx.commit().await?;
            self.took_effect(&effect);
            return Ok(("updated", self.tool_view(found, None).await?));
        }
        let server = sources::server_of(&tx, &source).await?;
        let own = own_name(&source.name, name);
        let content = of_definition(&own, id, &definition, None);
        let approves =
            caller.is_person() && policies.may_approve(&caller.to_string(), [caller.to_string().as_str()].into_iter());
        let status = match (approves, caller.is_person()) {
            (true, _) => ApprovalStatus::Approved,
            (false, true) => ApprovalStatus::PendingReview,
            (false, false) => ApprovalStatus::Draft,
        };
        let mut tool = Tool::new(server.id, &own, &caller.to_string(), now);
        let summary = format!("imported from {}", source.name);
        let mut latest = versions::row(tool.id, 1, content, status, summary, caller, now);
        latest.change_source = ChangeSource::Import;
        if status != ApprovalStatus::Draft {
            (latest.submitted_at, latest.submitted_by) = (Some(now), Some(caller.to_string()));
        }
        if approves {
            (latest.reviewed_at, latest.reviewed_by) = (Some(now), Some(caller.to_string()));
        }
        blobs::put(&tx, row.definition.into_bytes(), now).await?;
        tool_rows::insert(&tx, tool.clone()).await.map_err(|error| tools::taken(error, &server, &own))?;
        version_rows::insert(&tx, latest.clone()).await?;
        match approves {
            true => edits::make_live(&tx, &server, &mut tool, &latest, &caller.to_string(), now).await?,
            false => exports::hold(&tx, &server, &tool, None, &latest).await?,
        }
        rows::imported(&tx, id, name, tool.id).await?;
        let after = json!({
            "server": server.name,
            "name": own,
            "source": source.name,
            "external_name": name,
            "version": 1,
            "digest": latest.digest,
            "status": latest.approval_status,
        });
        audit::write(&tx, caller, now, tools::act("tool.import", tool.id, None, Some(after))).await?;
        tx.commit().await?;
        let live = approves.then(|| latest.clone());
        self.took_effect(&Effect::of(None, live.as_ref()));
        Ok(("imported", self.tool_view(Found { server, tool, latest }, None).await?))
    }
}

/// Gives an imported tool its next version; none when it would be the same.
async fn redefine(
    tx: &Tx,
    caller: &Caller,
    policies: &Policies,
    mut found: Found,
    source: SourceId,
    definition: &Definition,
    now: DateTime<Utc>,
) -> Result<Option<(Effect, Found)>, Error> {
    let before = json!({ "version": found.latest.number, "digest": found.latest.digest });
    let old = content(&found.latest);
    let changed = of_definition(&old.name, source, definition, old.timeout_ms);
    let Some(mut next) = versions::following(&found.latest, changed, caller, now) else { return Ok(None) };
    next.change_source = ChangeSource::Import;
    next.change_summary = format!("the source changed its definition: {}", next.change_summary);
    blobs::put(tx, definition.pinned(source).text.into_bytes(), now).await?;
    let id = found.tool.id;
    let effect = edits::put(tx, caller, policies, &mut found, next).await?;
    let after = json!({
        "version": found.latest.number,
        "digest": found.latest.digest,
        "change": found.latest.change_summary,
        "status": found.latest.approval_status,
        "live_version": effect.live,
    });
    audit::write(tx, caller, now, tools::act("tool.redefine", id, Some(before), Some(after))).await?;
    Ok(Some((effect, found)))
}

fn view(source: &ExternalSource, row: ExternalTool) -> Result<ExternalToolView, Error> {
    let written: Value = match row.definition.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).map_err(|error| Error::internal("reading a definition", error))?,
    };
    let definition = Definition::read(&as_tool(&written)).ok();
    let part = |of: fn(Definition) -> Option<Value>| definition.clone().and_then(of);
    Ok(ExternalToolView {
        own_name: own_name(&source.name, &row.name),
        title: definition.as_ref().and_then(|definition| definition.title.clone()),
        description: row.description,
        input_schema: part(|definition| Some(definition.input_schema)),
        output_schema: part(|definition| definition.output_schema),
        annotations: definition.as_ref().and_then(|definition| definition.annotations),
        name: row.name,
        digest: row.digest,
        problem: row.problem,
        tool_id: row.tool_id,
        changed_at: row.changed_at,
    })
}
