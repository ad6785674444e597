//! Which hosts a call may reach: those that its version asks for and a person approved, and those
//! that a person opened to the whole server. The request rows are the only truth.

use serde_json::json;

use super::audit;
use super::permission::people_only;
use super::servers::{self, ServerView};
use super::{Error, Service, given, policies};
use crate::db::network_requests::{self as rows, NetworkRequest};
use crate::db::tools::Tool;
use crate::db::versions::Version;
use crate::db::{DbError, Port};
use crate::domain::caller::Caller;
use crate::domain::grant::{Grants, HostGrant};
use crate::domain::ids::{GrantRequestId, ServerId};
use crate::domain::request::RequestStatus;

/// What stands as the justification of a host that nobody asked for.
const OPENED: &str = "opened by a person";

impl Service {
    /// Opens a host to all tools of a server, without their asking. Where the policies want two people, it
    /// waits for another one, as a request does. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is open already, or waits.
    pub async fn server_host_add(&self, caller: &Caller, id: ServerId, host: &str) -> Result<ServerView, Error> {
        people_only(caller, "open a host to a server")?;
        let grant: HostGrant = host.parse()?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, id).await?;
        let open = rows::approved_for_servers(&tx, &[id]).await?;
        if open.iter().any(|row| host_text(row) == grant.to_string()) {
            return Err(Error::conflict(format!("`{grant}` is open to the server `{}` already", server.name)));
        }
        if open.len() >= given::HOSTS_OF_ONE {
            return Err(Error::conflict(format!(
                "a server has at most {} hosts; remove one first",
                given::HOSTS_OF_ONE
            )));
        }
        let opens = policies::in_force(&tx).await?.opens_alone();
        let row = NetworkRequest {
            id: GrantRequestId::new(),
            server_id: id,
            tool_id: None,
            host: grant.host(),
            port: grant.port().map(Port),
            justification: OPENED.to_owned(),
            requested_by: caller.to_string(),
            status: if opens { RequestStatus::Approved } else { RequestStatus::Pending },
            reviewed_at: opens.then_some(now),
            reviewed_by: opens.then(|| caller.to_string()),
            rejection_reason: None,
            created_at: now,
        };
        let status = row.status;
        rows::insert(&tx, row).await.map_err(|error| match error {
            DbError::Conflict { .. } => Error::conflict(format!(
                "`{grant}` waits to be opened to the server `{}` already; another person decides it",
                server.name
            )),
            other => other.into(),
        })?;
        let after = json!({ "host": grant, "status": status });
        audit::write(&tx, caller, now, servers::act("server.host_add", id, None, Some(after))).await?;
        tx.commit().await?;
        self.server_view(server).await
    }

    /// Closes a host that was opened to a whole server; what its tools asked for themselves stays.
    /// Holds for every call that begins afterwards. For people.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not open.
    pub async fn server_host_remove(&self, caller: &Caller, id: ServerId, host: &str) -> Result<ServerView, Error> {
        people_only(caller, "close a host to a server")?;
        let grant: HostGrant = host.parse()?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let server = servers::found(&tx, id).await?;
        let mut removed = false;
        for row in rows::approved_for_servers(&tx, &[id]).await? {
            if host_text(&row) == grant.to_string() {
                removed |= rows::delete(&tx, row.id).await?;
            }
        }
        if !removed {
            return Err(Error::not_found("host", grant.to_string(), "look at the hosts of the server"));
        }
        let before = json!({ "host": grant });
        audit::write(&tx, caller, now, servers::act("server.host_remove", id, Some(before), None)).await?;
        tx.commit().await?;
        self.server_view(server).await
    }

    /// What a call of this version may reach now.
    pub(super) async fn grants_of(&self, tool: &Tool, version: &Version) -> Result<Grants, Error> {
        let approved = rows::approved_for(self.db(), tool.server_id, tool.id).await?;
        let folders = self.folder_grants(tool, version).await?;
        let imports = self.imports_of(tool, version).await?;
        Ok(Grants { folders, imports, ..grants(&version.hosts.0, &approved)? })
    }
}

/// The approved requests of a tool that count: for its whole server, or for what it asks for.
fn grants(asked: &[String], approved: &[NetworkRequest]) -> Result<Grants, Error> {
    let counting = approved.iter().filter(|row| row.tool_id.is_none() || asked.contains(&host_text(row)));
    let hosts: Result<_, _> = counting.map(|row| HostGrant::new(&row.host, row.port.map(|port| port.0))).collect();
    let hosts = hosts.map_err(|error| Error::internal("reading an approved host", error))?;
    Ok(Grants { hosts, ..Grants::default() })
}

/// The host of a request as a [`HostGrant`] prints itself.
pub(super) fn host_text(request: &NetworkRequest) -> String {
    match request.port {
        Some(Port(port)) => format!("{}:{port}", request.host),
        None => request.host.clone(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::ids::ToolId;

    fn approved(tool: Option<ToolId>, host: &str) -> NetworkRequest {
        let grant: HostGrant = host.parse().expect("a host");
        NetworkRequest {
            id: GrantRequestId::new(),
            server_id: ServerId::new(),
            tool_id: tool,
            host: grant.host(),
            port: grant.port().map(Port),
            justification: "the forecast is there".into(),
            requested_by: "local".into(),
            status: RequestStatus::Approved,
            reviewed_at: None,
            reviewed_by: None,
            rejection_reason: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn granted(asked: &[&str], rows: &[NetworkRequest]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|host| (*host).to_owned()).collect();
        let grants = grants(&asked, rows).expect("the rows hold hosts");
        grants.hosts.iter().map(HostGrant::to_string).collect()
    }

    #[test]
    fn a_version_reaches_what_it_asks_for_and_a_person_approved() {
        let tool = Some(ToolId::new());
        let rows = [approved(tool, "a.example"), approved(tool, "b.example:443"), approved(tool, "[fd00::5]:8443")];
        assert_eq!(granted(&[], &rows), [""; 0]);
        assert_eq!(granted(&["a.example", "never.example"], &rows), ["a.example"]);
        assert_eq!(granted(&["b.example:443", "[fd00::5]:8443"], &rows), ["b.example:443", "[fd00::5]:8443"]);
        // Another port is another request.
        assert_eq!(granted(&["b.example"], &rows), [""; 0]);
    }

    #[test]
    fn what_is_open_to_the_server_needs_no_asking() {
        let rows = [approved(None, "*.internal.example"), approved(Some(ToolId::new()), "a.example")];
        assert_eq!(granted(&[], &rows), ["*.internal.example"]);
    }

    #[test]
    fn a_row_prints_its_host_as_a_grant_does() {
        for host in ["a.example", "a.example:8080", "*.a.example:443", "10.0.0.5", "[fd00::5]:8443"] {
            assert_eq!(host_text(&approved(None, host)), host);
        }
    }
}
