//! Requests of tools for hosts. A model asks and says why; a person decides.
//!
//! Asking for a host makes a new version of the tool, because what it asks for is part of what is
//! approved. Deciding a request needs no new version.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::asking::{self, Names, RequestFilter};
use super::audit::{self, Act};
use super::calls::content;
use super::edits::{self, Effect};
use super::hosts::host_text;
use super::permission::people_only;
use super::tools::{self, Found};
use super::{Error, Page, PageRequest, Service, given, policies, servers, versions};
use crate::db::network_requests::{self as rows, NetworkRequest};
use crate::db::{Port, Tx, servers as server_rows, tools as tool_rows, versions as version_rows};
use crate::domain::caller::Caller;
use crate::domain::grant::HostGrant;
use crate::domain::ids::{GrantRequestId, ServerId, ToolId};
use crate::domain::policy::Policies;
use crate::domain::request::RequestStatus;
use crate::domain::tool::ApprovalAction;

/// Who approved what no person looked at.
const BY_POLICY: &str = "policy:network_access_policy";

/// A request for a host with the names of who asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NetworkRequestView {
    pub id: GrantRequestId,
    pub server_id: ServerId,
    pub server_name: String,
    /// None: opened by a person to the whole server.
    pub tool_id: Option<ToolId>,
    pub tool_name: Option<String>,
    pub host: String,
    /// None: any port.
    pub port: Option<u16>,
    pub justification: String,
    pub requested_by: String,
    pub status: RequestStatus,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub reviewed_by: Option<String>,
    pub rejection_reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What one or several tools ask for.
#[derive(Clone, Debug)]
pub struct NewNetworkRequest {
    pub tool_ids: Vec<ToolId>,
    /// `host` or `host:port`.
    pub host: String,
    /// None: any port, unless the host names one.
    pub port: Option<u16>,
    pub justification: String,
}

impl Service {
    /// Asks for a host, for one or several tools: for all of them or, when one of them cannot, for
    /// none. A policy may approve it at once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a tool may reach the host already, waits for it already, or was
    /// refused it.
    pub async fn network_request_create(
        &self,
        caller: &Caller,
        new: NewNetworkRequest,
    ) -> Result<Vec<NetworkRequestView>, Error> {
        let grant = HostGrant::new(&new.host, new.port)?;
        let justification = given::text("/justification", &new.justification, given::JUSTIFICATION)?;
        let ids = given::tools(new.tool_ids)?;
        let now = self.clock().now();
        let (mut views, mut effects) = (Vec::new(), Vec::new());
        let tx = self.db().begin().await?;
        let policies = policies::in_force(&tx).await?;
        let status = policies.host_requested(&grant);
        let at_once = status == RequestStatus::Approved;
        for id in ids {
            let found = tools::locked(&tx, id).await?;
            let request = NetworkRequest {
                id: GrantRequestId::new(),
                server_id: found.server.id,
                tool_id: Some(id),
                host: grant.host(),
                port: grant.port().map(Port),
                justification: justification.clone(),
                requested_by: caller.to_string(),
                status,
                reviewed_at: at_once.then_some(now),
                reviewed_by: at_once.then(|| BY_POLICY.to_owned()),
                rejection_reason: None,
                created_at: now,
            };
            let (view, effect) = ask(&tx, caller, &policies, found, request).await?;
            views.push(view);
            effects.extend(effect);
        }
        tx.commit().await?;
        effects.iter().for_each(|effect| self.took_effect(effect));
        Ok(views)
    }

    /// The requests for hosts, oldest first.
    pub async fn network_request_list(
        &self,
        _caller: &Caller,
        filter: RequestFilter,
        page: PageRequest,
    ) -> Result<Page<NetworkRequestView>, Error> {
        let page = page.of_rows(self.limits())?;
        let search = given::search(filter.search.as_deref())?;
        let requests = rows::by_status(self.db(), filter.status, search.as_ref(), &page).await?;
        self.network_request_views(requests).await
    }

    /// The requests for hosts of a server and its tools, oldest first; none: in every state.
    pub async fn network_request_of_server(
        &self,
        _caller: &Caller,
        server: ServerId,
        status: Option<RequestStatus>,
        page: PageRequest,
    ) -> Result<Page<NetworkRequestView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        let requests = rows::of_server(self.db(), server.id, status, &page).await?;
        self.network_request_views(requests).await
    }

    async fn network_request_views(
        &self,
        requests: crate::db::Page<NetworkRequest>,
    ) -> Result<Page<NetworkRequestView>, Error> {
        let tools: Vec<ToolId> = requests.items.iter().filter_map(|request| request.tool_id).collect();
        let servers: Vec<ServerId> = requests.items.iter().map(|request| request.server_id).collect();
        let names = Names::of(self.db(), &servers, &tools).await?;
        Ok(Page::from(requests).map(|request| {
            let tool = request.tool_id.and_then(|id| names.tool(id));
            let server = names.server(request.server_id);
            view(request, server, tool)
        }))
    }

    /// Approves a request, rejects it, or takes an approval back. Holds for every call that begins
    /// afterwards. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the request's state does not allow it; [`Error::Invalid`] without a
    /// reason for a refusal.
    pub async fn network_request_act(
        &self,
        caller: &Caller,
        id: GrantRequestId,
        action: ApprovalAction,
        reason: Option<String>,
    ) -> Result<NetworkRequestView, Error> {
        people_only(caller, "decide what a tool may reach")?;
        let reason = given::reason(action, reason.as_deref())?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let missing = || Error::not_found("request", id.to_string(), "list the requests for hosts");
        let mut request = rows::by_id(&tx, id).await?.ok_or_else(missing)?;
        let from = request.status;
        let to = from.after(action)?;
        if action == ApprovalAction::Approve {
            let policies = policies::in_force(&tx).await?;
            asking::four_eyes(&policies, caller, &request.requested_by)?;
        }
        let decision = asking::decision(to, caller, now, reason.as_ref());
        if !rows::decide(&tx, id, from, decision.clone()).await? {
            return Err(asking::decided_meanwhile());
        }
        let before = json!({ "status": from });
        let after = json!({ "status": to, "host": host_text(&request), "reason": reason });
        let name = match action {
            ApprovalAction::Submit | ApprovalAction::Approve => "network_request.approve",
            ApprovalAction::Reject => "network_request.reject",
            ApprovalAction::Revoke => "network_request.revoke",
        };
        audit::write(&tx, caller, now, act(name, id, Some(before), after)).await?;
        let server = server_rows::by_id(&tx, request.server_id).await?.ok_or_else(missing)?;
        let tool = match request.tool_id {
            Some(tool) => tool_rows::by_id(&tx, tool).await?.map(|tool| tool.name),
            None => None,
        };
        tx.commit().await?;
        self.grants_changed(request.server_id, request.tool_id).await?;
        request.status = decision.status;
        request.reviewed_at = Some(decision.reviewed_at);
        request.reviewed_by = Some(decision.reviewed_by);
        request.rejection_reason = decision.rejection_reason;
        Ok(view(request, server.name, tool))
    }

    /// Deletes a request that grants nothing, so that its tool may ask again. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is approved.
    pub async fn network_request_delete(&self, caller: &Caller, id: GrantRequestId) -> Result<(), Error> {
        people_only(caller, "delete a request")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let missing = || Error::not_found("request", id.to_string(), "list the requests for hosts");
        let request = rows::by_id(&tx, id).await?.ok_or_else(missing)?;
        asking::deletable(request.status)?;
        if !rows::delete(&tx, id).await? {
            return Err(missing());
        }
        let before = json!({ "status": request.status, "host": host_text(&request), "tool": request.tool_id });
        let act = Act { after: None, ..act("network_request.delete", id, Some(before), Value::Null) };
        audit::write(&tx, caller, now, act).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What a tool, or (none) every tool of a server, may reach is another now: what was prepared for it
    /// is dropped.
    pub(super) async fn grants_changed(&self, server: ServerId, tool: Option<ToolId>) -> Result<(), Error> {
        for source in version_rows::live_sources(self.db(), server, tool).await? {
            self.executor().forget(source);
        }
        Ok(())
    }
}

/// Writes the request of one tool, which is locked, and the version that asks for the host.
async fn ask(
    tx: &Tx,
    caller: &Caller,
    policies: &Policies,
    mut found: Found,
    request: NetworkRequest,
) -> Result<(NetworkRequestView, Option<Effect>), Error> {
    let Found { server, tool, latest } = &found;
    let (now, host) = (request.created_at, host_text(&request));
    let newest = rows::newest(tx, server.id, Some(tool.id), &request.host, request.port).await?;
    let open = rows::approved_for_servers(tx, &[server.id]).await?;
    if let Some(message) = hindrance(&tool.name, &request, newest.as_ref(), &open) {
        return Err(Error::conflict(message));
    }
    rows::insert(tx, request.clone()).await?;
    let mut changed = content(latest);
    if !changed.hosts.contains(&host) {
        changed.hosts.push(host.clone());
    }
    if changed.hosts.len() > given::HOSTS_OF_ONE {
        return Err(Error::conflict(format!("`{}` asks for {} hosts already", tool.name, given::HOSTS_OF_ONE)));
    }
    let effect = match versions::following(latest, changed, caller, now) {
        Some(next) => Some(edits::put(tx, caller, policies, &mut found, next).await?),
        None => None,
    };
    let Found { server, tool, latest } = found;
    let after = json!({
        "server": server.name,
        "tool": tool.name,
        "host": host,
        "status": request.status,
        "approved_by": request.reviewed_by,
        "version": latest.number,
        "version_status": latest.approval_status,
    });
    audit::write(tx, caller, now, act("network_request.create", request.id, None, after)).await?;
    Ok((view(request, server.name, Some(tool.name)), effect))
}

/// Why a tool need not or cannot ask for a host, if so. `newest` is its last request for the same,
/// `open` is what its server may reach.
fn hindrance(
    tool: &str,
    asked: &NetworkRequest,
    newest: Option<&NetworkRequest>,
    open: &[NetworkRequest],
) -> Option<String> {
    let host = host_text(asked);
    if open.iter().any(|row| row.host == asked.host && (row.port.is_none() || row.port == asked.port)) {
        return Some(format!("`{host}` is open to all tools of this server; `{tool}` need not ask for it"));
    }
    let newest = newest?;
    Some(asking::asked_before(tool, &host, newest.status, newest.rejection_reason.as_deref()))
}

fn act(name: &'static str, id: GrantRequestId, before: Option<Value>, after: Value) -> Act {
    Act { name, object_kind: "network_request", object_id: id.to_string(), before, after: Some(after) }
}

pub(super) fn view(request: NetworkRequest, server_name: String, tool_name: Option<String>) -> NetworkRequestView {
    NetworkRequestView {
        id: request.id,
        server_id: request.server_id,
        server_name,
        tool_id: request.tool_id,
        tool_name,
        host: request.host,
        port: request.port.map(|port| port.0),
        justification: request.justification,
        requested_by: request.requested_by,
        status: request.status,
        reviewed_at: request.reviewed_at,
        reviewed_by: request.reviewed_by,
        rejection_reason: request.rejection_reason,
        created_at: request.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, port: Option<u16>, status: RequestStatus) -> NetworkRequest {
        NetworkRequest {
            id: GrantRequestId::new(),
            server_id: ServerId::new(),
            tool_id: Some(ToolId::new()),
            host: host.into(),
            port: port.map(Port),
            justification: "the forecast is there".into(),
            requested_by: "local".into(),
            status,
            reviewed_at: None,
            reviewed_by: None,
            rejection_reason: (status == RequestStatus::Rejected).then(|| "not this one".into()),
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_host_is_asked_for_once() {
        let asked = request("a.example", Some(443), RequestStatus::Pending);
        assert_eq!(hindrance("forecast", &asked, None, &[]), None);
        for (status, words) in [
            (RequestStatus::Pending, "a person has yet to decide"),
            (RequestStatus::Approved, "was granted `a.example:443` already"),
            (RequestStatus::Rejected, "not this one"),
        ] {
            let newest = request("a.example", Some(443), status);
            let told = hindrance("forecast", &asked, Some(&newest), &[]).expect("it was asked for before");
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn what_is_open_to_the_server_is_not_asked_for() {
        let asked = request("a.example", Some(443), RequestStatus::Pending);
        for (host, port, open) in [
            ("a.example", None, true),
            ("a.example", Some(443), true),
            ("a.example", Some(80), false),
            ("b.example", None, false),
        ] {
            let row = request(host, port, RequestStatus::Approved);
            assert_eq!(hindrance("forecast", &asked, None, &[row]).is_some(), open, "{host} {port:?}");
        }
    }
}
