//! Servers: groups of tools that share secrets and hosts, and are started and stopped together.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Act};
use super::{Error, Page, PageRequest, Service, given, hosts};
use crate::db::servers::{self as rows, Server};
use crate::db::{Conn, DbError, PageRequest as RowPage, Whole, module_requests, network_requests, tools};
use crate::db::{blobs, versions};
use crate::domain::caller::Caller;
use crate::domain::ids::ServerId;
use crate::domain::names::ServerName;
use crate::domain::request::RequestStatus;
use crate::domain::tool::ServerStatus;

/// Tools whose versions are looked at in one statement.
const TOOLS_AT_ONCE: usize = 500;

#[derive(Clone, Debug, Deserialize)]
pub struct NewServer {
    pub name: String,
    #[serde(default)]
    pub description: String,
}

/// What is none stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServerChange {
    pub description: Option<String>,
    pub default_timeout_ms: Option<u64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServerView {
    pub id: ServerId,
    pub name: String,
    pub description: String,
    pub status: ServerStatus,
    pub tool_count: u64,
    /// For tools that set no time limit of their own.
    pub default_timeout_ms: Option<u64>,
    /// Hosts that a person opened to all of its tools.
    pub allowed_hosts: Vec<String>,
    /// Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pending_requests: Option<PendingRequests>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Requests of a server's tools that wait for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PendingRequests {
    pub modules: u64,
    pub network: u64,
}

impl Service {
    /// Makes a server, which runs.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is taken.
    pub async fn server_create(&self, caller: &Caller, new: NewServer) -> Result<ServerView, Error> {
        self.may_edit(caller).await?;
        let name: ServerName = new.name.parse().map_err(|error| Error::name("/name", &error))?;
        let description = given::text("/description", &new.description, given::SERVER_DESCRIPTION)?;
        let now = self.clock().now();
        let server = Server {
            id: ServerId::new(),
            name: name.to_string(),
            description,
            status: ServerStatus::Running,
            default_timeout_ms: None,
            created_by: caller.to_string(),
            created_at: now,
            updated_at: now,
        };
        let tx = self.db().begin().await?;
        rows::insert(&tx, server.clone()).await.map_err(|error| match error {
            DbError::Conflict { .. } => Error::conflict(format!("there is already a server `{name}`")),
            other => other.into(),
        })?;
        audit::write(&tx, caller, now, act("server.create", server.id, None, Some(told(&server)))).await?;
        tx.commit().await?;
        Ok(view(server, 0, Vec::new(), Some(PendingRequests { modules: 0, network: 0 })))
    }

    /// All servers by name.
    pub async fn server_list(&self, _caller: &Caller, page: PageRequest) -> Result<Page<ServerView>, Error> {
        let page = page.of_rows(self.limits())?;
        let servers = rows::list(self.db(), &page).await?;
        let ids: Vec<ServerId> = servers.items.iter().map(|server| server.id).collect();
        let counts = tools::count_by_server(self.db(), &ids).await?;
        let mut hosts: HashMap<ServerId, Vec<String>> = HashMap::new();
        for request in network_requests::approved_for_servers(self.db(), &ids).await? {
            hosts.entry(request.server_id).or_default().push(hosts::host_text(&request));
        }
        Ok(Page::from(servers).map(|server| {
            let count = counts.get(&server.id).copied().unwrap_or(0);
            let hosts = hosts.remove(&server.id).unwrap_or_default();
            view(server, count, hosts, None)
        }))
    }

    pub async fn server_get(&self, _caller: &Caller, id: ServerId) -> Result<ServerView, Error> {
        let server = found(self.db(), id).await?;
        self.server_view(server).await
    }

    /// Changes what a server says of itself and the time limit of its tools.
    pub async fn server_update(
        &self,
        caller: &Caller,
        id: ServerId,
        change: ServerChange,
    ) -> Result<ServerView, Error> {
        let description =
            change.description.map(|text| given::text("/description", &text, given::SERVER_DESCRIPTION)).transpose()?;
        let timeout_ms = given::timeout("/default_timeout_ms", change.default_timeout_ms, self.limits())?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let before = found(&tx, id).await?;
        let mut server = before.clone();
        if let Some(description) = description {
            server.description = description;
        }
        if let Some(ms) = timeout_ms {
            server.default_timeout_ms = Some(Whole(ms));
        }
        if server == before {
            drop(tx);
            return self.server_view(server).await;
        }
        server.updated_at = now;
        let row = rows::ServerChange {
            name: server.name.clone(),
            description: server.description.clone(),
            default_timeout_ms: server.default_timeout_ms,
            updated_at: now,
        };
        if !rows::update(&tx, id, row).await? {
            return Err(missing(id));
        }
        let (was, is) = (Some(told(&before)), Some(told(&server)));
        audit::write(&tx, caller, now, act("server.update", id, was, is)).await?;
        tx.commit().await?;
        self.server_view(server).await
    }

    /// Offers the approved tools of a server.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it runs already.
    pub async fn server_start(&self, caller: &Caller, id: ServerId) -> Result<ServerView, Error> {
        self.server_switch(caller, id, ServerStatus::Running).await
    }

    /// Takes all tools of a server off the list; calls that run go on.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is stopped already.
    pub async fn server_stop(&self, caller: &Caller, id: ServerId) -> Result<ServerView, Error> {
        self.server_switch(caller, id, ServerStatus::Stopped).await
    }

    async fn server_switch(&self, caller: &Caller, id: ServerId, to: ServerStatus) -> Result<ServerView, Error> {
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut server = found(&tx, id).await?;
        if server.status == to {
            return Err(Error::conflict(format!("the server `{}` is {} already", server.name, to.as_str())));
        }
        if !rows::set_status(&tx, id, to, now).await? {
            return Err(missing(id));
        }
        let name = match to {
            ServerStatus::Running => "server.start",
            ServerStatus::Stopped => "server.stop",
        };
        let (before, after) = (json!({ "status": server.status }), json!({ "status": to }));
        audit::write(&tx, caller, now, act(name, id, Some(before), Some(after))).await?;
        tx.commit().await?;
        self.catalogue_changed();
        server.status = to;
        server.updated_at = now;
        self.server_view(server).await
    }

    /// Deletes a server with its tools, their versions, its secrets and its requests; the execution
    /// log stays.
    pub async fn server_delete(&self, caller: &Caller, id: ServerId) -> Result<(), Error> {
        self.may_edit(caller).await?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        // Locked before its tools are read, so that what is uploaded meanwhile is among them, or comes too late.
        let server = rows::lock(&tx, id).await?.ok_or_else(|| missing(id))?;
        let mut before = told(&server);
        before["tool_count"] = tools::count_by_server(&tx, &[id]).await?.get(&id).copied().unwrap_or(0).into();
        let mut made_of = Vec::new();
        for some in tools::ids_of_server(&tx, id).await?.chunks(TOOLS_AT_ONCE) {
            made_of.extend(versions::source_digests(&tx, some).await?);
        }
        if !rows::delete(&tx, id).await? {
            return Err(missing(id));
        }
        made_of.sort_unstable();
        made_of.dedup();
        blobs::remove_unnamed(&tx, &made_of).await?;
        audit::write(&tx, caller, now, act("server.delete", id, Some(before), None)).await?;
        tx.commit().await?;
        // Instances that were prepared for its tools are called no more, and end when they have idled.
        self.catalogue_changed();
        Ok(())
    }

    pub(super) async fn server_view(&self, server: Server) -> Result<ServerView, Error> {
        let id = server.id;
        let count = tools::count_by_server(self.db(), &[id]).await?.get(&id).copied().unwrap_or(0);
        let hosts = network_requests::approved_for_servers(self.db(), &[id]).await?;
        let one = RowPage::new(1, 1, 1);
        let pending = Some(RequestStatus::Pending);
        let pending = PendingRequests {
            modules: module_requests::of_server(self.db(), id, pending, &one).await?.total,
            network: network_requests::of_server(self.db(), id, pending, &one).await?.total,
        };
        Ok(view(server, count, hosts.iter().map(hosts::host_text).collect(), Some(pending)))
    }
}

/// # Errors
/// [`Error::NotFound`].
pub(super) async fn found(db: &impl Conn, id: ServerId) -> Result<Server, Error> {
    rows::by_id(db, id).await?.ok_or_else(|| missing(id))
}

fn missing(id: ServerId) -> Error {
    Error::not_found("server", id.to_string(), "list the servers")
}

pub(super) fn act(name: &'static str, id: ServerId, before: Option<Value>, after: Option<Value>) -> Act {
    Act { name, object_kind: "server", object_id: id.to_string(), before, after }
}

/// A server in the words of the audit log.
pub(super) fn told(server: &Server) -> Value {
    json!({
        "name": server.name,
        "description": server.description,
        "default_timeout_ms": server.default_timeout_ms.map(u64::from),
    })
}

fn view(server: Server, tool_count: u64, allowed_hosts: Vec<String>, pending: Option<PendingRequests>) -> ServerView {
    ServerView {
        id: server.id,
        name: server.name,
        description: server.description,
        status: server.status,
        tool_count,
        default_timeout_ms: server.default_timeout_ms.map(u64::from),
        allowed_hosts,
        pending_requests: pending,
        created_at: server.created_at,
        updated_at: server.updated_at,
    }
}
