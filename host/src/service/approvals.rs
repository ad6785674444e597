//! Approvals: what waits for a person, and what a person decides.
//!
//! What is approved is the digest of one version. It is live from then on, until another version is
//! approved or a person takes it down.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::calls::content;
use super::edits::{self, Effect};
use super::external_mcp_sources::SourceView;
use super::folders::FolderView;
use super::hosts::host_text;
use super::permission::people_only;
use super::secrets::{SecretView, view as secret_view};
use super::tools::{self, Found, ToolView};
use super::versions::{self, VersionView};
use super::{Error, Page, PageRequest, Service, audit, external_mcp_sources, given, policies};
use crate::db::module_requests::{self, ModuleRequest};
use crate::db::network_requests::{self, NetworkRequest};
use crate::db::secrets;
use crate::db::tools::{self as tool_rows};
use crate::db::versions::{self as version_rows, Located, Review, Version};
use crate::db::{PageRequest as RowPage, Tx};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::ids::{GrantRequestId, ServerId, ToolId};
use crate::domain::modules::lies_in;
use crate::domain::request::RequestStatus;
use crate::domain::source::PassThrough;
use crate::domain::tool::{ApprovalAction, ApprovalStatus, ToolKind};

/// A version that waits for review, with everything that its approval covers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    pub tool_id: ToolId,
    pub server_id: ServerId,
    pub server_name: String,
    /// What a model calls once it is approved.
    pub gateway_name: String,
    /// With its source.
    pub version: VersionView,
    /// What is called now, with its source; what would be replaced.
    pub live: Option<VersionView>,
    /// The hosts that the version asks for.
    pub hosts: Vec<AskedHost>,
    /// The modules that the version asks for.
    pub modules: Vec<AskedModule>,
    /// Hosts that are open to all tools of the server, asked for or not.
    pub server_hosts: Vec<String>,
    /// Secrets of its server, never their values. A call gets those that have one by then: the tool reads those
    /// that are not bound, the host adds the bound ones to requests. They belong to the server and are not part of
    /// what the digest covers. Of a tool of an external source the one that lets us in there.
    pub secrets: Vec<SecretView>,
    /// Folders that a person gave to the tool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderView>,
    /// Where a tool of an external source is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_source: Option<SourceView>,
}

/// Which versions are listed.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    /// None: those that wait for review.
    pub status: Option<ApprovalStatus>,
    /// A text in the name, the description or the server's name.
    pub search: Option<String>,
}

/// A host that a version asks for, and what a person said to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AskedHost {
    pub host: String,
    pub request_id: Option<GrantRequestId>,
    /// None: there is no request, so it is not granted.
    pub status: Option<RequestStatus>,
    pub justification: Option<String>,
}

/// A module that a version asks for, and what a person said to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AskedModule {
    pub module_name: String,
    pub request_id: Option<GrantRequestId>,
    /// None: there is no request, so it is not granted.
    pub status: Option<RequestStatus>,
    pub justification: Option<String>,
}

/// Requests of one tool that are shown beside what it asks for.
const REQUESTS_SHOWN: u64 = 1_000;

impl Service {
    /// The versions in one state, oldest first: of each tool the newest one and the one that is called.
    pub async fn approval_list(
        &self,
        caller: &Caller,
        filter: ApprovalFilter,
        page: PageRequest,
    ) -> Result<Page<ApprovalView>, Error> {
        let page = page.of_rows(self.limits())?;
        let search = given::search(filter.search.as_deref())?;
        let status = filter.status.unwrap_or(ApprovalStatus::PendingReview);
        let rows = version_rows::by_status(self.db(), status, search.as_ref(), &page).await?;
        let mut views = Vec::with_capacity(rows.items.len());
        for located in &rows.items {
            let mut view = self.approval_view(located).await?;
            // Paths tell about the machine.
            view.folders.retain(|_| caller.is_person());
            views.push(view);
        }
        Ok(Page::new(views, rows.total, rows.page, rows.page_size))
    }

    async fn approval_view(&self, located: &Located) -> Result<ApprovalView, Error> {
        let Located { server, tool, version } = located;
        let live = match tools::live(self.db(), tool).await? {
            Some(live) => {
                let source = versions::source(self.db(), &live).await?;
                Some(versions::view(&live, tool.live_version_id, source)?)
            }
            None => None,
        };
        let source = versions::source(self.db(), version).await?;
        let all = RowPage::new(1, REQUESTS_SHOWN, REQUESTS_SHOWN);
        let requests = network_requests::of_tool(self.db(), tool.id, &all).await?.items;
        let asked_for = module_requests::of_tool(self.db(), tool.id, &all).await?;
        let open = network_requests::approved_for_servers(self.db(), &[server.id]).await?;
        let external_source = self.external_source_of(version, source.as_deref()).await?;
        let most = given::SECRETS_OF_ONE as u64;
        let mut secrets = secrets::of_server(self.db(), server.id, &RowPage::new(1, most, most)).await?.items;
        if let Some(external) = &external_source {
            secrets.retain(|secret| external.auth_secret_name.as_ref() == Some(&secret.key_name));
        }
        Ok(ApprovalView {
            tool_id: tool.id,
            server_id: server.id,
            server_name: server.name.clone(),
            gateway_name: tools::called(server, &version.name)?,
            live,
            hosts: asked(&version.hosts.0, &requests),
            modules: asked_modules(&version.modules.0, &asked_for.items),
            server_hosts: open.iter().map(host_text).collect(),
            secrets: secrets.into_iter().map(secret_view).collect(),
            folders: self.folders_of(tool.id).await?,
            external_source,
            version: versions::judged(version, tool.live_version_id, source)?,
        })
    }

    /// The external source that a version belongs to, by its definition.
    async fn external_source_of(
        &self,
        version: &Version,
        definition: Option<&str>,
    ) -> Result<Option<SourceView>, Error> {
        let Some(definition) = definition.filter(|_| version.kind == ToolKind::McpPassthrough) else { return Ok(None) };
        let to: PassThrough =
            serde_json::from_str(definition).map_err(|error| Error::internal("reading a definition", error))?;
        external_mcp_sources::view_of(self.db(), to.source).await.map(Some)
    }

    /// Decides. Approving and rejecting are about the newest version, revoking about the live one.
    /// When `digest` is given, it must be that version's: what a person looked at is what they
    /// decide. Holds for every call that begins afterwards. For people.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the tool has changed since, or its state does not allow the action;
    /// [`Error::Invalid`] without a reason for a refusal; [`Error::Forbidden`] when it needs another person.
    pub async fn approval_act(
        &self,
        caller: &Caller,
        id: ToolId,
        action: ApprovalAction,
        reason: Option<String>,
        digest: Option<Digest>,
    ) -> Result<ToolView, Error> {
        people_only(caller, "decide about a tool")?;
        let reason = given::reason(action, reason.as_deref())?;
        let now = self.clock().now();
        let tx = self.db().begin().await?;
        let Found { server, mut tool, mut latest } = tools::locked(&tx, id).await?;
        let live = tools::live(&tx, &tool).await?;
        let target = decided_about(action, &latest, live.as_ref())?.clone();
        let to = checked(&target, action, digest)?;
        if action == ApprovalAction::Approve {
            four_eyes(&tx, caller, &target, live.as_ref()).await?;
        }
        let review = Review {
            status: to,
            reviewed_at: now,
            reviewed_by: caller.to_string(),
            rejection_reason: (to == ApprovalStatus::Rejected).then(|| reason.clone()).flatten(),
        };
        if !version_rows::review(&tx, target.id, target.approval_status, review.clone()).await? {
            return Err(Error::conflict("someone else decided about this tool at the same time; look at it again"));
        }
        let is_live = match action {
            ApprovalAction::Approve => {
                edits::make_live(&tx, &server, &mut tool, &target, &caller.to_string(), now).await?;
                if tool.name != target.name {
                    tool.name.clone_from(&target.name);
                    let renamed = tool_rows::update(&tx, id, tools::rest_of(&tool)).await;
                    renamed.map_err(|error| tools::taken(error, &server, &target.name))?;
                }
                Some(&target)
            }
            ApprovalAction::Revoke => {
                edits::take_down(&tx, &server, &mut tool, &latest, now).await?;
                None
            }
            ApprovalAction::Reject | ApprovalAction::Submit => live.as_ref(),
        };
        let effect = Effect::of(live.as_ref(), is_live);
        let before = json!({
            "status": target.approval_status,
            "live_version": live.as_ref().map(|live| live.number),
        });
        let after = json!({
            "status": to,
            "live_version": effect.live,
            "version": target.number,
            "digest": target.digest,
            "reason": reason,
        });
        let name = match action {
            ApprovalAction::Submit | ApprovalAction::Approve => "tool.approve",
            ApprovalAction::Reject => "tool.reject",
            ApprovalAction::Revoke => "tool.revoke",
        };
        audit::write(&tx, caller, now, tools::act(name, id, Some(before), Some(after))).await?;
        tx.commit().await?;
        self.took_effect(&effect);
        if latest.id == target.id {
            latest.approval_status = review.status;
            latest.rejection_reason = review.rejection_reason;
        }
        tools::view(&Found { server, tool, latest }, effect.live, None)
    }
}

/// Lets those approve a version who had no hand in it, when the policy asks for that.
///
/// # Errors
/// [`Error::Forbidden`].
async fn four_eyes(tx: &Tx, caller: &Caller, target: &Version, live: Option<&Version>) -> Result<(), Error> {
    let policies = policies::in_force(tx).await?;
    let approved = live.map_or(0, |live| live.number);
    let authors = version_rows::authors(tx, target.tool_id, approved, target.source_digest).await?;
    if policies.may_approve(&caller.to_string(), authors.iter().map(String::as_str)) {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "{caller} wrote, changed or submitted this version; another person has to approve it (policy four_eyes)"
    )))
}

/// The version that an action is about.
fn decided_about<'a>(
    action: ApprovalAction,
    latest: &'a Version,
    live: Option<&'a Version>,
) -> Result<&'a Version, Error> {
    match action {
        ApprovalAction::Revoke => {
            live.ok_or_else(|| Error::conflict("no version of this tool is approved, so there is nothing to revoke"))
        }
        ApprovalAction::Submit | ApprovalAction::Approve | ApprovalAction::Reject => Ok(latest),
    }
}

/// The state that a version comes to, if it is what the person saw and what its own digest says.
fn checked(target: &Version, action: ApprovalAction, seen: Option<Digest>) -> Result<ApprovalStatus, Error> {
    if seen.is_some_and(|seen| seen != target.digest) {
        return Err(Error::conflict("the tool has changed since you looked at it; look at it again"));
    }
    if content(target).digest() != target.digest {
        let found = format!("version {} does not have the digest that was kept with it", target.id);
        return Err(Error::internal("reading a version", found));
    }
    Ok(target.approval_status.after(action)?)
}

/// What a version asks for beside what became of the requests, the newest of each host.
fn asked(hosts: &[String], requests: &[NetworkRequest]) -> Vec<AskedHost> {
    let each = hosts.iter().map(|host| {
        let request = requests.iter().rev().find(|request| host_text(request) == *host);
        AskedHost {
            host: host.clone(),
            request_id: request.map(|request| request.id),
            status: request.map(|request| request.status),
            justification: request.map(|request| request.justification.clone()),
        }
    });
    each.collect()
}

/// The same of modules: the newest request that covers each.
fn asked_modules(modules: &[String], requests: &[ModuleRequest]) -> Vec<AskedModule> {
    let each = modules.iter().map(|module| {
        let request = requests.iter().rev().find(|request| lies_in(module, &request.module_name));
        AskedModule {
            module_name: module.clone(),
            request_id: request.map(|request| request.id),
            status: request.map(|request| request.status),
            justification: request.map(|request| request.justification.clone()),
        }
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::db::{Exports, Port, Texts};
    use crate::domain::ids::VersionId;
    use crate::domain::tool::ChangeSource;

    fn version(number: i32, status: ApprovalStatus) -> Version {
        let mut version = Version {
            id: VersionId::new(),
            tool_id: ToolId::new(),
            number,
            name: "forecast".into(),
            description: String::new(),
            kind: ToolKind::PythonCode,
            source_digest: Digest::of(b"source"),
            timeout_ms: None,
            input_schema: "{}".into(),
            output_schema: None,
            exports: Exports::default(),
            surface: None,
            hosts: Texts::default(),
            modules: Texts::default(),
            secret_names: Texts::default(),
            digest: Digest::of(b""),
            approval_status: status,
            publish_notes: None,
            submitted_at: None,
            submitted_by: None,
            reviewed_at: None,
            reviewed_by: None,
            rejection_reason: None,
            change_source: ChangeSource::Llm,
            change_summary: String::new(),
            created_by: "local".into(),
            created_at: DateTime::UNIX_EPOCH,
        };
        version.digest = content(&version).digest();
        version
    }

    #[test]
    fn a_person_decides_about_the_newest_version_and_revokes_the_live_one() {
        let (live, latest) = (version(1, ApprovalStatus::Approved), version(2, ApprovalStatus::PendingReview));
        for (action, number) in [(ApprovalAction::Approve, 2), (ApprovalAction::Reject, 2), (ApprovalAction::Revoke, 1)]
        {
            let target = decided_about(action, &latest, Some(&live)).expect("there is one");
            assert_eq!(target.number, number, "{action:?}");
        }
        assert!(matches!(decided_about(ApprovalAction::Revoke, &latest, None), Err(Error::Conflict { .. })));
    }

    #[test]
    fn what_has_changed_since_a_person_looked_is_not_decided() {
        let target = version(2, ApprovalStatus::PendingReview);
        assert_eq!(checked(&target, ApprovalAction::Approve, Some(target.digest)).ok(), Some(ApprovalStatus::Approved));
        assert_eq!(checked(&target, ApprovalAction::Approve, None).ok(), Some(ApprovalStatus::Approved));
        let other = Some(Digest::of(b"what was shown before"));
        assert!(matches!(checked(&target, ApprovalAction::Approve, other), Err(Error::Conflict { .. })));
    }

    #[test]
    fn a_version_that_was_changed_in_the_database_cannot_be_approved() {
        let mut target = version(2, ApprovalStatus::PendingReview);
        target.description = "something else".into();
        assert!(matches!(checked(&target, ApprovalAction::Approve, None), Err(Error::Internal { .. })));
    }

    #[test]
    fn what_is_decided_already_is_a_conflict() {
        let target = version(1, ApprovalStatus::Approved);
        assert!(matches!(checked(&target, ApprovalAction::Approve, None), Err(Error::Conflict { .. })));
        assert!(matches!(checked(&target, ApprovalAction::Reject, None), Err(Error::Conflict { .. })));
    }

    #[test]
    fn a_reviewer_sees_what_became_of_each_host_that_is_asked_for() {
        let request = |host: &str, port: Option<u16>, status| NetworkRequest {
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
            rejection_reason: None,
            created_at: DateTime::UNIX_EPOCH,
        };
        let requests = [
            request("a.example", None, RequestStatus::Rejected),
            request("a.example", None, RequestStatus::Approved),
            request("b.example", Some(443), RequestStatus::Pending),
        ];
        let hosts = ["a.example".to_owned(), "b.example:443".to_owned(), "c.example".to_owned()];
        let found: Vec<_> = asked(&hosts, &requests).into_iter().map(|asked| asked.status).collect();
        assert_eq!(found, [Some(RequestStatus::Approved), Some(RequestStatus::Pending), None]);
    }

    #[test]
    fn a_reviewer_sees_what_became_of_each_module_that_is_asked_for() {
        let request = |module: &str, status| ModuleRequest {
            status,
            ..module_requests::testing::pending(ServerId::new(), ToolId::new(), module)
        };
        let requests = [request("yaml", RequestStatus::Rejected), request("os", RequestStatus::Approved)];
        let modules = ["os.path".to_owned(), "sys".to_owned(), "yaml".to_owned()];
        let found: Vec<_> = asked_modules(&modules, &requests).into_iter().map(|asked| asked.status).collect();
        assert_eq!(found, [Some(RequestStatus::Approved), None, Some(RequestStatus::Rejected)]);
    }
}
