//! External sources of servers: added, changed, allowed, switched off and deleted.
//!
//! What a model adds is asked nothing before a person has allowed it: a source is an address that this
//! host speaks to, and often gets a secret. Only where the policy `network_access_policy` opens public
//! hosts anyway is a public source without a credential asked at once. An address on this machine or in
//! its networks can be given by a person only.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::external_mcp_rules::{allowed_by, changed, credential, placed};
use super::permission::people_only;
use super::{Error, Page, PageRequest, Service, policies, servers};
use crate::db::external_mcp_sources::{self as rows, ExternalSource};
use crate::db::servers::{self as server_rows, Server};
use crate::db::{Conn, DbError, PageRequest as RowPage, Whole, external_mcp_tools};
use crate::domain::caller::Caller;
use crate::domain::ids::{ServerId, SourceId};
use crate::domain::names::SourceName;
use crate::domain::source::{About, SourceAuth, SourceStatus, SourceTransport};

/// Sources of one server.
pub(super) const SERVER_SOURCES: usize = 50;

#[derive(Clone, Debug)]
pub struct NewSource {
    pub name: String,
    pub url: String,
    pub transport_type: SourceTransport,
    pub auth_type: SourceAuth,
    pub auth_secret_name: Option<String>,
    pub auth_header_name: Option<String>,
    /// Whether the host is on this machine or in its networks; none: as it is written. For people.
    pub private_network: Option<bool>,
}

/// What is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct SourceChange {
    pub name: Option<String>,
    pub url: Option<String>,
    pub transport_type: Option<SourceTransport>,
    pub auth_type: Option<SourceAuth>,
    pub auth_secret_name: Option<String>,
    pub auth_header_name: Option<String>,
    pub private_network: Option<bool>,
    /// True: it is asked from now on, which also allows it.
    pub enabled: Option<bool>,
}

/// A source without what lets us in there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExternalSource)]
pub struct SourceView {
    pub id: SourceId,
    pub server_id: ServerId,
    pub name: String,
    pub url: String,
    pub transport_type: SourceTransport,
    pub auth_type: SourceAuth,
    pub auth_secret_name: Option<String>,
    pub auth_header_name: Option<String>,
    /// Whether a person said that its host is on this machine or in its networks.
    pub private_network: bool,
    pub status: SourceStatus,
    /// What went wrong the last time that it was asked.
    pub problem: Option<String>,
    /// Whether a person has still to allow it.
    pub awaits_approval: bool,
    pub approved_at: Option<DateTime<Utc>>,
    pub approved_by: Option<String>,
    /// Whether somebody has logged in there.
    pub oauth_connected: bool,
    pub oauth_issuer: Option<String>,
    pub oauth_client_id: Option<String>,
    /// Tools of the last good list.
    pub tool_count: u64,
    pub last_discovered_at: Option<DateTime<Utc>>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How a source answered just now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceHealth {
    pub source_id: SourceId,
    pub healthy: bool,
    pub status: SourceStatus,
    pub problem: Option<String>,
    pub duration_ms: f64,
    #[serde(flatten)]
    pub about: About,
}

impl Service {
    /// Adds a source to a server. What a person adds is allowed; what a model adds waits for one.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the server has a source of this name, or too many; [`Error::Forbidden`] when a
    /// model gives an address of this machine or its networks.
    pub async fn source_create(&self, caller: &Caller, server: ServerId, new: NewSource) -> Result<SourceView, Error> {
        self.may_edit(caller).await?;
        let name: SourceName = new.name.parse().map_err(|error| Error::name("/name", &error))?;
        let private_network = Some(placed(caller, &new.url, new.private_network)?);
        let (auth_secret_name, auth_header_name) =
            credential(new.auth_type, new.auth_secret_name, new.auth_header_name)?;
        let new = NewSource { name: name.into(), private_network, auth_secret_name, auth_header_name, ..new };
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let policies = policies::in_force(&tx).await?;
        let server = servers::found(&tx, server).await?;
        if rows::of_server(&tx, server.id, &RowPage::new(1, 1, 1)).await?.total >= SERVER_SOURCES as u64 {
            return Err(Error::conflict(format!("a server has at most {SERVER_SOURCES} sources; delete one first")));
        }
        let allowed = allowed_by(caller, &policies, &new.url, new.auth_type);
        let source = row(server.id, new, allowed, caller, now);
        rows::insert(&tx, source.clone()).await.map_err(|error| taken(error, &server, &source.name))?;
        audit::write(&tx, caller, now, act("source.create", source.id, None, Some(told(&source)))).await?;
        tx.commit().await?;
        Ok(view(source))
    }

    /// The sources of a server by name.
    pub async fn source_list(
        &self,
        _caller: &Caller,
        server: ServerId,
        page: PageRequest,
    ) -> Result<Page<SourceView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        Ok(Page::from(rows::of_server(self.db(), server.id, &page).await?).map(view))
    }

    /// The sources that a person has still to allow, the oldest first.
    pub async fn sources_awaiting(&self, _caller: &Caller, page: PageRequest) -> Result<Page<SourceView>, Error> {
        let page = page.of_rows(self.limits())?;
        Ok(Page::from(rows::awaiting(self.db(), &page).await?).map(view))
    }

    pub async fn source_get(&self, _caller: &Caller, id: SourceId) -> Result<SourceView, Error> {
        view_of(self.db(), id).await
    }

    /// Changes a source, allows it, or switches it off. Another address forgets who logged in there. Tools
    /// that were imported keep their names. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the server has another source of the new name.
    pub async fn source_update(
        &self,
        caller: &Caller,
        id: SourceId,
        change: SourceChange,
    ) -> Result<SourceView, Error> {
        people_only(caller, "change an external source")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let before = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let server = servers::found(&tx, before.server_id).await?;
        let mut source = changed(caller, before.clone(), change)?;
        if source.status != SourceStatus::Disabled && source.approved_at.is_none() {
            (source.approved_at, source.approved_by) = (Some(now), Some(caller.to_string()));
        }
        if source == before {
            return Ok(view(source));
        }
        source.updated_at = now;
        let done = rows::update(&tx, source.clone()).await;
        if !done.map_err(|error| taken(error, &server, &source.name))? {
            return Err(missing(id));
        }
        audit::write(&tx, caller, now, act("source.update", id, Some(told(&before)), Some(told(&source)))).await?;
        tx.commit().await?;
        self.upstream().forget(id);
        Ok(view(source))
    }

    /// Deletes a source that no tool was imported from. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] while there are such tools.
    pub async fn source_delete(&self, caller: &Caller, id: SourceId) -> Result<(), Error> {
        people_only(caller, "delete an external source")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let source = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let lines = external_mcp_tools::all_of_source(&tx, id).await?;
        let tools = lines.iter().filter(|line| line.tool_id.is_some()).count();
        if tools > 0 {
            return Err(Error::conflict(format!("{tools} tools were imported from this source; delete them first")));
        }
        rows::delete(&tx, id).await?;
        audit::write(&tx, caller, now, act("source.delete", id, Some(told(&source)), None)).await?;
        tx.commit().await?;
        self.upstream().forget(id);
        Ok(())
    }

    /// Asks a source whether it answers, and notes how it stands.
    pub async fn source_health(&self, _caller: &Caller, id: SourceId) -> Result<SourceHealth, Error> {
        let source = found(self.db(), id).await?;
        let begun = tokio::time::Instant::now();
        let answer = match self.source_access(&source).await {
            Ok(access) => self.upstream().probe(&access).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        let (about, problem) = match answer {
            Ok(about) => (about, None),
            Err(error @ Error::SourceFailed { .. }) => (About::default(), Some(error.to_string())),
            Err(error) => return Err(error),
        };
        let status = self.source_noted(id, problem.clone()).await?;
        Ok(SourceHealth {
            source_id: id,
            healthy: problem.is_none(),
            status,
            problem,
            duration_ms: begun.elapsed().as_secs_f64() * 1e3,
            about,
        })
    }

    /// Notes how a source stands: with a problem, or without.
    pub(super) async fn source_noted(&self, id: SourceId, problem: Option<String>) -> Result<SourceStatus, Error> {
        let tx = self.db().begin().await?;
        let mut source = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let status = match (source.status, &problem) {
            (SourceStatus::Disabled, _) => SourceStatus::Disabled,
            (_, None) => SourceStatus::Active,
            (_, Some(_)) => SourceStatus::Error,
        };
        if (source.status, &source.problem) != (status, &problem) {
            (source.status, source.problem) = (status, problem);
            source.updated_at = self.clock().now();
            rows::update(&tx, source).await?;
            tx.commit().await?;
        }
        Ok(status)
    }
}

/// A source that was asked nothing yet; `allowed`: by whom it was, none when a person has still to.
pub(super) fn row(
    server_id: ServerId,
    new: NewSource,
    allowed: Option<String>,
    caller: &Caller,
    now: DateTime<Utc>,
) -> ExternalSource {
    ExternalSource {
        id: SourceId::new(),
        server_id,
        name: new.name,
        url: new.url,
        transport_type: new.transport_type,
        auth_type: new.auth_type,
        auth_secret_name: new.auth_secret_name,
        auth_header_name: new.auth_header_name,
        private_network: new.private_network.unwrap_or(false),
        status: if allowed.is_some() { SourceStatus::Active } else { SourceStatus::Disabled },
        problem: None,
        approved_at: allowed.is_some().then_some(now),
        approved_by: allowed,
        oauth_issuer: None,
        oauth_client_id: None,
        oauth_tokens: None,
        oauth_flow: None,
        oauth_state: None,
        oauth_begun_at: None,
        tool_count: Whole(0),
        last_discovered_at: None,
        created_by: caller.to_string(),
        created_at: now,
        updated_at: now,
    }
}

/// # Errors
/// [`Error::NotFound`].
pub(super) async fn found(db: &impl Conn, id: SourceId) -> Result<ExternalSource, Error> {
    rows::by_id(db, id).await?.ok_or_else(|| missing(id))
}

/// The server of a source.
pub(super) async fn server_of(db: &impl Conn, source: &ExternalSource) -> Result<Server, Error> {
    server_rows::by_id(db, source.server_id).await?.ok_or_else(|| missing(source.id))
}

pub(super) fn missing(id: SourceId) -> Error {
    Error::not_found("external source", id.to_string(), "list the external sources of its server")
}

pub(super) fn act(name: &'static str, id: SourceId, before: Option<Value>, after: Option<Value>) -> Act {
    Act { name, object_kind: "external_source", object_id: id.to_string(), before, after }
}

fn taken(error: DbError, server: &Server, name: &str) -> Error {
    match error {
        DbError::Conflict { .. } => {
            Error::conflict(format!("the server `{}` already has an external source `{name}`", server.name))
        }
        other => other.into(),
    }
}

/// A source in the words of the audit log: never what lets us in there.
pub(super) fn told(source: &ExternalSource) -> Value {
    json!({
        "name": source.name,
        "url": source.url,
        "transport_type": source.transport_type,
        "auth_type": source.auth_type,
        "auth_secret_name": source.auth_secret_name,
        "auth_header_name": source.auth_header_name,
        "private_network": source.private_network,
        "status": source.status,
        "approved_by": source.approved_by,
        "oauth_connected": source.oauth_tokens.is_some(),
    })
}

/// A source as people see it.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub(super) async fn view_of(db: &impl Conn, id: SourceId) -> Result<SourceView, Error> {
    Ok(view(found(db, id).await?))
}

fn view(source: ExternalSource) -> SourceView {
    SourceView {
        awaits_approval: source.approved_at.is_none(),
        oauth_connected: source.oauth_tokens.is_some(),
        tool_count: source.tool_count.into(),
        id: source.id,
        server_id: source.server_id,
        name: source.name,
        url: source.url,
        transport_type: source.transport_type,
        auth_type: source.auth_type,
        auth_secret_name: source.auth_secret_name,
        auth_header_name: source.auth_header_name,
        private_network: source.private_network,
        status: source.status,
        problem: source.problem,
        approved_at: source.approved_at,
        approved_by: source.approved_by,
        oauth_issuer: source.oauth_issuer,
        oauth_client_id: source.oauth_client_id,
        last_discovered_at: source.last_discovered_at,
        created_by: source.created_by,
        created_at: source.created_at,
        updated_at: source.updated_at,
    }
}
