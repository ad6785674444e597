//! Requests of tools for modules. A model asks and says why; a person decides.
//!
//! Asking for a module makes a new version of the tool, because what it asks for is part of what is
//! approved. Deciding a request needs no new version.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::asking::{self, Names, RequestFilter};
use super::audit::{self, Act};
use super::calls::content;
use super::edits::{self, Effect};
use super::modules::{self as list, TOOL_MODULES};
use super::packages::PackageView;
use super::permission::people_only;
use super::tools::{self, Found};
use super::{Error, Page, PageRequest, Service, given, policies, servers, versions};
use crate::db::module_requests::{self as rows, ModuleRequest};
use crate::db::{Tx, servers as server_rows, tools as tool_rows};
use crate::domain::caller::Caller;
use crate::domain::ids::{GrantRequestId, ServerId, ToolId};
use crate::domain::modules;
use crate::domain::names::ModuleName;
use crate::domain::policy::Policies;
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalAction, Language};

/// Who approved what no person looked at.
const BY_POLICY: &str = "policy:module_approval_mode";

/// A request for a module with the names of who asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModuleRequestView {
    pub id: GrantRequestId,
    pub server_id: ServerId,
    pub server_name: String,
    pub tool_id: ToolId,
    pub tool_name: String,
    pub module_name: String,
    pub justification: String,
    pub requested_by: String,
    pub status: RequestStatus,
    pub reviewed_at: Option<DateTime<Utc>>,
    pub reviewed_by: Option<String>,
    pub rejection_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    /// What is known here of the package that brings it; in lists for people, and not of the standard library.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub package: Option<PackageView>,
}

impl Service {
    /// Asks for a module, for one or several tools: for all of them or, when one of them cannot, for none.
    /// What lies in a package is asked for by the package. A policy may approve it at once.
    ///
    /// # Errors
    /// [`Error::Conflict`] when every tool may import it, no tool ever could, a tool is not one that imports, was granted the module
    /// already, waits for it already, or was refused it.
    pub async fn module_request_create(
        &self,
        caller: &Caller,
        tools: Vec<ToolId>,
        module: &str,
        justification: &str,
    ) -> Result<Vec<ModuleRequestView>, Error> {
        let module: ModuleName = module.parse().map_err(|error| Error::name("/module_name", &error))?;
        if let Some(why) = modules::hopeless(module.as_str()) {
            return Err(Error::conflict(format!("`{module}` {why}")));
        }
        let module = modules::asked_by(module.as_str());
        let justification = given::text("/justification", justification, given::JUSTIFICATION)?;
        let ids = given::tools(tools)?;
        let now = self.clock().now();
        let (mut views, mut effects) = (Vec::new(), Vec::new());
        let tx = self.db().begin().await?;
        if modules::covers(&list::in_force(&tx).await?, module) {
            let message = format!("every Python tool may import `{module}`; it need not be asked for");
            return Err(Error::conflict(message));
        }
        let policies = policies::in_force(&tx).await?;
        let status = policies.module_requested();
        let at_once = status == RequestStatus::Approved;
        for id in ids {
            let found = tools::locked(&tx, id).await?;
            let request = ModuleRequest {
                id: GrantRequestId::new(),
                server_id: found.server.id,
                tool_id: id,
                module_name: module.to_owned(),
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
        if at_once {
            self.install_beside(caller, module);
        } else {
            self.learn_beside(module);
        }
        Ok(views)
    }

    /// The requests for modules, oldest first.
    pub async fn module_request_list(
        &self,
        caller: &Caller,
        filter: RequestFilter,
        page: PageRequest,
    ) -> Result<Page<ModuleRequestView>, Error> {
        let page = page.of_rows(self.limits())?;
        let search = given::search(filter.search.as_deref())?;
        let requests = rows::by_status(self.db(), filter.status, search.as_ref(), &page).await?;
        self.module_request_views(caller, requests).await
    }

    /// The requests for modules of a server's tools, oldest first; none: in every state.
    pub async fn module_request_of_server(
        &self,
        caller: &Caller,
        server: ServerId,
        status: Option<RequestStatus>,
        page: PageRequest,
    ) -> Result<Page<ModuleRequestView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        let requests = rows::of_server(self.db(), server.id, status, &page).await?;
        self.module_request_views(caller, requests).await
    }

    async fn module_request_views(
        &self,
        caller: &Caller,
        requests: crate::db::Page<ModuleRequest>,
    ) -> Result<Page<ModuleRequestView>, Error> {
        let tools: Vec<ToolId> = requests.items.iter().map(|request| request.tool_id).collect();
        let servers: Vec<ServerId> = requests.items.iter().map(|request| request.server_id).collect();
        let names = Names::of(self.db(), &servers, &tools).await?;
        let mut page = Page::from(requests).map(|request| {
            let tool = names.tool(request.tool_id).unwrap_or_default();
            let server = names.server(request.server_id);
            view(request, server, tool)
        });
        // Much to read, and of no use to who may not decide.
        if caller.is_person() {
            let modules: Vec<&str> = page.items.iter().map(|request| request.module_name.as_str()).collect();
            let installed = self.installed_for(&modules).await?;
            for request in &mut page.items {
                request.package = self.package_view(&request.module_name, &installed).await;
            }
        }
        Ok(page)
    }

    /// Approves a request, rejects it, or takes an approval back. Holds for every call that begins
    /// afterwards. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the request's state does not allow it; [`Error::Invalid`] without a reason for
    /// a refusal; [`Error::Forbidden`] when it needs another person.
    pub async fn module_request_act(
        &self,
        caller: &Caller,
        id: GrantRequestId,
        action: ApprovalAction,
        reason: Option<String>,
    ) -> Result<ModuleRequestView, Error> {
        people_only(caller, "decide what a tool may import")?;
        let reason = given::reason(action, reason.as_deref())?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let mut request = rows::by_id(&tx, id).await?.ok_or_else(|| missing(id))?;
        let from = request.status;
        let to = from.after(action)?;
        if action == ApprovalAction::Approve {
            asking::four_eyes(&policies::in_force(&tx).await?, caller, &request.requested_by)?;
        }
        let decision = asking::decision(to, caller, now, reason.as_ref());
        if !rows::decide(&tx, id, from, decision.clone()).await? {
            return Err(asking::decided_meanwhile());
        }
        let before = json!({ "status": from });
        let after = json!({ "status": to, "module": request.module_name, "reason": reason });
        let name = match action {
            ApprovalAction::Submit | ApprovalAction::Approve => "module_request.approve",
            ApprovalAction::Reject => "module_request.reject",
            ApprovalAction::Revoke => "module_request.revoke",
        };
        audit::write(&tx, caller, now, act(name, id, Some(before), Some(after))).await?;
        let server = server_rows::by_id(&tx, request.server_id).await?.ok_or_else(|| missing(id))?;
        let tool = tool_rows::by_id(&tx, request.tool_id).await?.ok_or_else(|| missing(id))?;
        tx.commit().await?;
        self.grants_changed(request.server_id, Some(request.tool_id)).await?;
        if action == ApprovalAction::Approve {
            self.install_beside(caller, &request.module_name);
        }
        request.status = decision.status;
        request.reviewed_at = Some(decision.reviewed_at);
        request.reviewed_by = Some(decision.reviewed_by);
        request.rejection_reason = decision.rejection_reason;
        Ok(view(request, server.name, tool.name))
    }

    /// Deletes a request that grants nothing, so that its tool may ask again. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is approved.
    pub async fn module_request_delete(&self, caller: &Caller, id: GrantRequestId) -> Result<(), Error> {
        people_only(caller, "delete a request")?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let request = rows::by_id(&tx, id).await?.ok_or_else(|| missing(id))?;
        asking::deletable(request.status)?;
        if !rows::delete(&tx, id).await? {
            return Err(missing(id));
        }
        let before = json!({ "status": request.status, "module": request.module_name, "tool": request.tool_id });
        audit::write(&tx, caller, now, act("module_request.delete", id, Some(before), None)).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes the request of one tool, which is locked, and the version that asks for the module.
async fn ask(
    tx: &Tx,
    caller: &Caller,
    policies: &Policies,
    mut found: Found,
    request: ModuleRequest,
) -> Result<(ModuleRequestView, Option<Effect>), Error> {
    let Found { tool, latest, .. } = &found;
    let (now, module) = (request.created_at, &request.module_name);
    if latest.kind.language() != Some(Language::Python) {
        return Err(Error::conflict(format!("`{}` is not written in Python, and imports no modules", tool.name)));
    }
    let newest = rows::newest(tx, tool.id, module).await?;
    if let Some(newest) = newest {
        let reason = newest.rejection_reason.as_deref();
        return Err(Error::conflict(asking::asked_before(&tool.name, module, newest.status, reason)));
    }
    rows::insert(tx, request.clone()).await?;
    let mut changed = content(latest);
    if !changed.modules.contains(module) {
        changed.modules.push(module.clone());
    }
    if changed.modules.len() > TOOL_MODULES {
        return Err(Error::conflict(format!("`{}` asks for {TOOL_MODULES} modules already", tool.name)));
    }
    let effect = match versions::following(latest, changed, caller, now) {
        Some(next) => Some(edits::put(tx, caller, policies, &mut found, next).await?),
        None => None,
    };
    let Found { server, tool, latest } = found;
    let after = json!({
        "server": server.name,
        "tool": tool.name,
        "module": module,
        "status": request.status,
        "approved_by": request.reviewed_by,
        "version": latest.number,
        "version_status": latest.approval_status,
    });
    audit::write(tx, caller, now, act("module_request.create", request.id, None, Some(after))).await?;
    Ok((view(request, server.name, tool.name), effect))
}

fn missing(id: GrantRequestId) -> Error {
    Error::not_found("request", id.to_string(), "list the requests for modules")
}

fn act(name: &'static str, id: GrantRequestId, before: Option<Value>, after: Option<Value>) -> Act {
    Act { name, object_kind: "module_request", object_id: id.to_string(), before, after }
}

pub(super) fn view(request: ModuleRequest, server_name: String, tool_name: String) -> ModuleRequestView {
    ModuleRequestView {
        id: request.id,
        server_id: request.server_id,
        server_name,
        tool_id: request.tool_id,
        tool_name,
        module_name: request.module_name,
        justification: request.justification,
        requested_by: request.requested_by,
        status: request.status,
        reviewed_at: request.reviewed_at,
        reviewed_by: request.reviewed_by,
        rejection_reason: request.rejection_reason,
        created_at: request.created_at,
        package: None,
    }
}
