//! Writes what was planned, in one transaction with its audit rows.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::check::{PlannedHost, PlannedModule, PlannedRequest, PlannedSecret};
use super::plan::{PlannedServer, PlannedTool};
use super::{ImportedServer, Origin};
use crate::db::external_mcp_sources as source_rows;
use crate::db::module_requests::{self, ModuleRequest};
use crate::db::network_requests::{self, NetworkRequest};
use crate::db::secrets::{self, Secret};
use crate::db::servers::{self as server_rows, Server};
use crate::db::tools::{self as tool_rows, Tool};
use crate::db::versions as version_rows;
use crate::db::{DbError, Port, Texts, Tx, Whole, blobs};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::export::SourcePart;
use crate::domain::ids::{GrantRequestId, SecretId, ServerId, ToolId};
use crate::domain::policy::PolicyChange;
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalStatus, ChangeSource};
use crate::service::audit::{self, Act};
use crate::service::external_mcp_sources::NewSource;
use crate::service::{Error, Service, exports, external_mcp_sources, servers, tools, versions};

/// Who writes when.
struct Writing<'a> {
    tx: &'a Tx,
    caller: &'a Caller,
    now: DateTime<Utc>,
}

impl Service {
    /// Writes servers and policies; answers them, and the names of the policies that changed.
    pub(super) async fn import_written(
        &self,
        caller: &Caller,
        planned: Vec<PlannedServer>,
        settings: Option<PolicyChange>,
        origin: Origin,
        fingerprint: Digest,
    ) -> Result<(Vec<ImportedServer>, Vec<String>), Error> {
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let writing = Writing { tx: &tx, caller, now };
        let mut written = Vec::with_capacity(planned.len());
        for server in &planned {
            written.push(writing.server(server).await?);
        }
        let changed = match settings {
            Some(change) => self.policies_put(&tx, caller, &change, None).await?.1,
            None => Vec::new(),
        };
        let names: Vec<&str> = written.iter().map(|server| server.name.as_str()).collect();
        let after = json!({ "origin": origin, "servers": names, "settings": changed });
        let act = Act {
            name: "import.run",
            object_kind: "import",
            object_id: fingerprint.to_string(),
            before: None,
            after: Some(after),
        };
        audit::write(&tx, caller, now, act).await?;
        tx.commit().await?;
        if !changed.is_empty() {
            self.policies_changed_now();
        }
        Ok((written, changed))
    }
}

impl Writing<'_> {
    async fn server(&self, planned: &PlannedServer) -> Result<ImportedServer, Error> {
        let Self { tx, caller, now } = *self;
        let server = Server {
            id: ServerId::new(),
            name: planned.name.to_string(),
            description: planned.description.clone(),
            status: planned.status,
            default_timeout_ms: planned.default_timeout_ms.map(Whole),
            created_by: caller.to_string(),
            created_at: now,
            updated_at: now,
        };
        server_rows::insert(tx, server.clone()).await.map_err(|error| match error {
            DbError::Conflict { .. } => Error::conflict(format!("there is already a server `{}`", planned.name)),
            other => other.into(),
        })?;
        let mut after = servers::told(&server);
        after["imported_from"] = planned.original_name.clone().into();
        audit::write(tx, caller, now, servers::act("server.create", server.id, None, Some(after))).await?;
        for secret in &planned.secrets {
            self.secret(server.id, secret).await?;
        }
        for host in &planned.hosts {
            network_requests::insert(tx, self.host_row(server.id, None, host)).await?;
        }
        for source in &planned.sources {
            self.source(server.id, source).await?;
        }
        let mut ids = Vec::with_capacity(planned.tools.len());
        for tool in &planned.tools {
            ids.push(self.tool(&server, tool).await?);
        }
        Ok(planned.told(Some((server.id, &ids))))
    }

    async fn secret(&self, server_id: ServerId, planned: &PlannedSecret) -> Result<(), Error> {
        let secret = Secret {
            id: SecretId::new(),
            server_id,
            key_name: planned.name.to_string(),
            sealed: None,
            binding: planned.binding.clone(),
            description: planned.description.clone(),
            created_by: self.caller.to_string(),
            created_at: self.now,
            updated_at: self.now,
        };
        secrets::insert(self.tx, secret).await?;
        Ok(())
    }

    async fn source(&self, server_id: ServerId, planned: &SourcePart) -> Result<(), Error> {
        let Self { tx, caller, now } = *self;
        let new = NewSource {
            name: planned.name.clone(),
            url: planned.url.clone(),
            transport_type: planned.transport_type,
            auth_type: planned.auth_type,
            auth_secret_name: planned.auth_secret_name.clone(),
            auth_header_name: planned.auth_header_name.clone(),
            private_network: Some(planned.private_network),
        };
        let source = external_mcp_sources::row(server_id, new, None, caller, now);
        let after = Some(external_mcp_sources::told(&source));
        source_rows::insert(tx, source.clone()).await?;
        audit::write(tx, caller, now, external_mcp_sources::act("source.create", source.id, None, after)).await?;
        Ok(())
    }

    async fn tool(&self, server: &Server, planned: &PlannedTool) -> Result<ToolId, Error> {
        let Self { tx, caller, now } = *self;
        let count = planned.versions.len();
        let tool = Tool {
            enabled: planned.enabled,
            disabled_exports: Texts(planned.disabled.clone()),
            latest_version: number(count),
            ..Tool::new(server.id, &planned.newest().content.name, &caller.to_string(), now)
        };
        let mut rows = Vec::with_capacity(count);
        for (at, version) in planned.versions.iter().enumerate() {
            blobs::put_known(tx, version.content.source_digest, &version.bytes, now).await?;
            // Of the older ones nobody decides any more.
            let status = if at + 1 == count { version.status } else { ApprovalStatus::Draft };
            let (content, summary) = (version.content.clone(), version.summary.clone());
            let mut row = versions::row(tool.id, number(at + 1), content, status, summary, caller, now);
            row.change_source = ChangeSource::Import;
            row.surface.clone_from(&version.surface);
            if status == ApprovalStatus::PendingReview {
                row.submitted_at = Some(now);
                row.submitted_by = Some(caller.to_string());
            }
            rows.push(row);
        }
        tool_rows::insert(tx, tool.clone()).await.map_err(|error| tools::taken(error, server, &tool.name))?;
        for row in &rows {
            version_rows::insert(tx, row.clone()).await?;
        }
        let Some(latest) = rows.last() else { return Err(Error::internal("importing a tool", "it has no version")) };
        exports::hold(tx, server, &tool, None, latest).await?;
        let after = json!({
            "server": server.name,
            "name": tool.name,
            "kind": latest.kind,
            "version": latest.number,
            "digest": latest.digest,
            "status": latest.approval_status,
            "change_source": latest.change_source,
        });
        audit::write(tx, caller, now, tools::act("tool.create", tool.id, None, Some(after))).await?;
        for host in &planned.hosts {
            network_requests::insert(tx, self.host_row(server.id, Some(tool.id), host)).await?;
        }
        for module in &planned.modules {
            module_requests::insert(tx, self.module_row(server.id, tool.id, module)).await?;
        }
        Ok(tool.id)
    }

    fn host_row(&self, server_id: ServerId, tool_id: Option<ToolId>, host: &PlannedHost) -> NetworkRequest {
        let (status, rejection_reason) = standing(&host.request);
        let decided = status != RequestStatus::Pending;
        NetworkRequest {
            id: GrantRequestId::new(),
            server_id,
            tool_id,
            host: host.grant.host(),
            port: host.grant.port().map(Port),
            justification: host.request.justification.clone(),
            requested_by: self.caller.to_string(),
            status,
            reviewed_at: decided.then_some(self.now),
            reviewed_by: decided.then(|| self.caller.to_string()),
            rejection_reason,
            created_at: self.now,
        }
    }

    fn module_row(&self, server_id: ServerId, tool_id: ToolId, module: &PlannedModule) -> ModuleRequest {
        let (status, rejection_reason) = standing(&module.request);
        let decided = status != RequestStatus::Pending;
        ModuleRequest {
            id: GrantRequestId::new(),
            server_id,
            tool_id,
            module_name: module.name.to_string(),
            justification: module.request.justification.clone(),
            requested_by: self.caller.to_string(),
            status,
            reviewed_at: decided.then_some(self.now),
            reviewed_by: decided.then(|| self.caller.to_string()),
            rejection_reason,
            created_at: self.now,
        }
    }
}

/// Where a request stands here. One that was refused elsewhere stays refused, one that was granted waits.
fn standing(request: &PlannedRequest) -> (RequestStatus, Option<String>) {
    match &request.rejected {
        Some(reason) => (RequestStatus::Rejected, reason.clone()),
        None => (RequestStatus::Pending, None),
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
