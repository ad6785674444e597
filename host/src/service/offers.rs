//! Whether a server is at work: what it offers, and offering it anew.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Error, Service, audit, search, servers};
use crate::db::servers as rows;
use crate::db::{tools, versions};
use crate::domain::caller::Caller;
use crate::domain::ids::ServerId;
use crate::domain::tool::ServerStatus;

/// Tools whose versions are looked at in one statement.
const TOOLS_AT_ONCE: usize = 500;

/// A server at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ServerStatusView {
    pub server_id: ServerId,
    pub name: String,
    pub status: ServerStatus,
    /// How many tools clients are offered.
    pub tool_count: u64,
    /// The names by which clients call them.
    pub tools: Vec<String>,
    /// What a model pays to read of them, as an estimate: a token for each four bytes.
    pub tokens: u64,
}

impl Service {
    /// What clients are offered of a server now.
    pub async fn server_status(&self, caller: &Caller, id: ServerId) -> Result<ServerStatusView, Error> {
        let server = servers::found(self.db(), id).await?;
        let catalogue = self.catalogue(caller).await?;
        let tools = catalogue.of_server(id);
        let size_bytes = catalogue.tools.iter().filter(|tool| tool.server == id).map(|tool| tool.size_bytes()).sum();
        Ok(ServerStatusView {
            server_id: id,
            name: server.name,
            status: server.status,
            tool_count: tools.len() as u64,
            tools,
            tokens: search::tokens(size_bytes),
        })
    }

    /// Starts a server, also one that runs: what was prepared for its tools is dropped, and made anew when
    /// they are called. Calls that run go on.
    pub async fn server_restart(&self, caller: &Caller, id: ServerId) -> Result<ServerStatusView, Error> {
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, id).await?;
        rows::set_status(&tx, id, ServerStatus::Running, now).await?;
        let mut sources = Vec::new();
        for some in tools::ids_of_server(&tx, id).await?.chunks(TOOLS_AT_ONCE) {
            sources.extend(versions::source_digests(&tx, some).await?);
        }
        let (before, after) = (json!({ "status": server.status }), json!({ "status": ServerStatus::Running }));
        audit::write(&tx, caller, now, servers::act("server.restart", id, Some(before), Some(after))).await?;
        tx.commit().await?;
        sources.into_iter().for_each(|source| self.executor().forget(source));
        self.catalogue_changed();
        self.server_status(caller, id).await
    }
}
