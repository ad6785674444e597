//! Where a tool stands: what is live, what was decided, and who has to do what before it answers.
//! For a model, which can ask and mend but never decide.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::module_requests::{self, ModuleRequestView};
use super::network_requests::{self, NetworkRequestView};
use super::packages::MissingModule;
use super::tools::{self, Found};
use super::{Error, Service, exports};
use crate::db::{PageRequest as RowPage, module_requests as module_rows, network_requests as host_rows, secrets};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalStatus, ServerStatus};

/// Requests of one tool, and secrets of its server, that are looked at.
const SHOWN: u64 = 1_000;

/// A tool on its way to being called.
#[derive(Clone, Debug, Serialize)]
pub struct ToolStatusView {
    pub tool_id: ToolId,
    pub server_id: ServerId,
    pub server_name: String,
    pub server_status: ServerStatus,
    pub name: String,
    /// What a model calls.
    pub gateway_name: String,
    pub enabled: bool,
    /// Whether a call of it is answered now.
    pub callable: bool,
    /// Of a component that is live: whether every one of its tools is switched off.
    pub all_tools_off: bool,
    /// Of the newest version.
    pub approval_status: ApprovalStatus,
    pub current_version: i32,
    /// What an approval of the newest version covers.
    pub digest: Digest,
    pub live_version: Option<i32>,
    pub approval_requested_at: Option<DateTime<Utc>>,
    pub publish_notes: Option<String>,
    /// Of the live version.
    pub approved_at: Option<DateTime<Utc>>,
    pub approved_by: Option<String>,
    pub rejection_reason: Option<String>,
    pub module_requests: Vec<ModuleRequestView>,
    pub network_access_requests: Vec<NetworkRequestView>,
    /// Modules that the newest version imports and the tool has yet to request.
    pub modules_to_request: Vec<String>,
    /// Modules that it was granted and whose package is not installed.
    pub packages_missing: Vec<MissingModule>,
    /// What has to happen still, and by whom; empty when nothing has.
    pub waiting: Vec<Waiting>,
}

/// One thing that has to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub who: Actor,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever may decide.
    Person,
    /// Whoever asks for the status.
    Model,
}

impl Service {
    /// Where a tool stands.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn tool_status(&self, _caller: &Caller, id: ToolId) -> Result<ToolStatusView, Error> {
        let found = tools::found(self.db(), id).await?;
        let live = tools::live(self.db(), &found.tool).await?;
        let offers = live.as_ref().is_some_and(|live| exports::offers(&found.tool, live));
        let live = live.map(|live| live.number);
        let modules_to_request = self.modules_to_request(id, &found.latest).await?;
        let all = RowPage::new(1, SHOWN, SHOWN);
        let modules = module_rows::of_tool(self.db(), id, &all).await?.items;
        let granted = modules.iter().filter(|request| request.status == RequestStatus::Approved);
        let granted: Vec<&str> = granted.map(|request| request.module_name.as_str()).collect();
        let packages_missing = self.modules_missing(&granted).await?;
        let hosts = host_rows::of_tool(self.db(), id, &all).await?.items;
        let secrets = secrets::of_server(self.db(), found.server.id, &all).await?.items;
        let placeholders = secrets.into_iter().filter(|secret| secret.sealed.is_none());
        let Found { server, tool, latest } = found;
        let mut view = ToolStatusView {
            tool_id: id,
            server_id: server.id,
            server_status: server.status,
            name: latest.name,
            gateway_name: tools::called(&server, &tool.name)?,
            enabled: tool.enabled,
            callable: offers && tool.enabled && server.status == ServerStatus::Running,
            all_tools_off: live.is_some() && !offers,
            approval_status: latest.approval_status,
            current_version: latest.number,
            digest: latest.digest,
            live_version: live,
            approval_requested_at: latest.submitted_at,
            publish_notes: latest.publish_notes,
            approved_at: tool.approved_at,
            approved_by: tool.approved_by,
            rejection_reason: latest.rejection_reason,
            module_requests: modules
                .into_iter()
                .map(|row| module_requests::view(row, server.name.clone(), tool.name.clone()))
                .collect(),
            network_access_requests: hosts
                .into_iter()
                .map(|row| network_requests::view(row, server.name.clone(), Some(tool.name.clone())))
                .collect(),
            server_name: server.name,
            modules_to_request,
            packages_missing,
            waiting: Vec::new(),
        };
        view.waiting = waiting(&view, placeholders.map(|secret| secret.key_name));
        Ok(view)
    }
}

/// What has to happen before everything that the tool asks for is there, the nearest first.
fn waiting(tool: &ToolStatusView, placeholders: impl Iterator<Item = String>) -> Vec<Waiting> {
    let mut steps = Vec::new();
    let mut add = |who, what: String| steps.push(Waiting { who, what });
    let reason = |given: &Option<String>| given.clone().unwrap_or_else(|| "no reason was given".to_owned());
    let asked = |what: &str, status, rejected: &Option<String>| match status {
        RequestStatus::Pending => Some((Actor::Person, format!("decide the request for {what}"))),
        RequestStatus::Rejected => Some((
            Actor::Model,
            format!("do without {what}, which was refused ({}); only a person can change that", reason(rejected)),
        )),
        RequestStatus::Approved => None,
    };
    for module in &tool.modules_to_request {
        add(Actor::Model, format!("ask for the module {module} with mcpbox_request_module"));
    }
    // Of several requests for the same only the newest counts.
    let mut seen = std::collections::HashSet::new();
    for row in tool.module_requests.iter().rev() {
        let what = format!("the module {}", row.module_name);
        if seen.insert(what.clone())
            && let Some((who, what)) = asked(&what, row.status, &row.rejection_reason)
        {
            add(who, what);
        }
    }
    for MissingModule { module_name, installing, reason } in &tool.packages_missing {
        let what = match (installing, reason) {
            (true, _) => format!("wait until the package of the module {module_name} is installed, which is under way"),
            (false, Some(reason)) => format!(
                "see to the package of the module {module_name}, which could not be installed, or do without it: {reason}"
            ),
            (false, None) => format!("install the package of the module {module_name}"),
        };
        add(if *installing { Actor::Model } else { Actor::Person }, what);
    }
    for row in tool.network_access_requests.iter().rev() {
        let port = row.port.map(|port| format!(":{port}")).unwrap_or_default();
        let what = format!("the host {}{port}", row.host);
        if seen.insert(what.clone())
            && let Some((who, what)) = asked(&what, row.status, &row.rejection_reason)
        {
            add(who, what);
        }
    }
    for key in placeholders {
        add(Actor::Person, format!("set the value of the secret {key}"));
    }
    let version = tool.current_version;
    match tool.approval_status {
        ApprovalStatus::Draft => {
            add(Actor::Model, format!("ask for approval of version {version} with mcpbox_request_publish"));
        }
        ApprovalStatus::PendingReview => add(Actor::Person, format!("approve or reject version {version}")),
        ApprovalStatus::Rejected => add(
            Actor::Model,
            format!(
                "mend version {version} with mcpbox_update_tool, then mcpbox_request_publish; it was rejected: {}",
                reason(&tool.rejection_reason)
            ),
        ),
        ApprovalStatus::Approved => {}
    }
    if !tool.enabled {
        add(Actor::Model, "switch the tool on with mcpbox_update_tool (`enabled`: true)".to_owned());
    }
    if tool.all_tools_off {
        add(Actor::Person, "switch at least one tool of the component on again".to_owned());
    }
    if tool.server_status == ServerStatus::Stopped {
        add(Actor::Model, "start its server with mcpbox_start_server".to_owned());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantRequestId;

    fn tool() -> ToolStatusView {
        ToolStatusView {
            tool_id: ToolId::new(),
            server_id: ServerId::new(),
            server_name: "weather".into(),
            server_status: ServerStatus::Running,
            name: "forecast".into(),
            gateway_name: "weather__forecast".into(),
            enabled: true,
            callable: true,
            all_tools_off: false,
            approval_status: ApprovalStatus::Approved,
            current_version: 3,
            digest: Digest::of(b""),
            live_version: Some(3),
            approval_requested_at: None,
            publish_notes: None,
            approved_at: None,
            approved_by: None,
            rejection_reason: None,
            module_requests: Vec::new(),
            network_access_requests: Vec::new(),
            modules_to_request: Vec::new(),
            packages_missing: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn request(host: &str, port: Option<u16>, status: RequestStatus) -> NetworkRequestView {
        NetworkRequestView {
            id: GrantRequestId::new(),
            server_id: ServerId::new(),
            server_name: "weather".into(),
            tool_id: None,
            tool_name: None,
            host: host.into(),
            port,
            justification: "the forecast is there".into(),
            requested_by: "local".into(),
            status,
            reviewed_at: None,
            reviewed_by: None,
            rejection_reason: (status == RequestStatus::Rejected).then(|| "not this one".into()),
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn told(tool: &ToolStatusView, placeholders: &[&str]) -> Vec<String> {
        let steps = waiting(tool, placeholders.iter().map(|key| (*key).to_owned()));
        steps.into_iter().map(|step| format!("{:?}: {}", step.who, step.what)).collect()
    }

    #[test]
    fn an_approved_tool_of_a_running_server_waits_for_nothing() {
        assert_eq!(told(&tool(), &[]), [""; 0]);
    }

    #[test]
    fn each_state_says_whose_turn_it_is() {
        for (status, words) in [
            (ApprovalStatus::Draft, "Model: ask for approval of version 3"),
            (ApprovalStatus::PendingReview, "Person: approve or reject version 3"),
            (ApprovalStatus::Rejected, "Model: mend version 3"),
        ] {
            let steps = told(&ToolStatusView { approval_status: status, ..tool() }, &[]);
            assert_eq!(steps.len(), 1, "{steps:?}");
            assert!(steps[0].starts_with(words), "{steps:?}");
        }
        let importing = told(&ToolStatusView { modules_to_request: vec!["yaml".into()], ..tool() }, &[]);
        assert_eq!(importing, ["Model: ask for the module yaml with mcpbox_request_module"]);
        let off = ToolStatusView { enabled: false, server_status: ServerStatus::Stopped, ..tool() };
        let steps = told(&off, &["KEY"]);
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[0].starts_with("Person: set the value of the secret KEY"), "{steps:?}");
        let silent = ToolStatusView { all_tools_off: true, callable: false, ..tool() };
        assert_eq!(told(&silent, &[]), ["Person: switch at least one tool of the component on again"]);
    }

    #[test]
    fn a_package_that_is_missing_is_told_with_its_reason() {
        let told_of = |installing, reason: Option<&str>| {
            let missing = MissingModule { module_name: "yaml".into(), installing, reason: reason.map(str::to_owned) };
            told(&ToolStatusView { packages_missing: vec![missing], ..tool() }, &[]).concat()
        };
        assert_eq!(told_of(false, None), "Person: install the package of the module yaml");
        assert!(told_of(true, Some("it was slow")).starts_with("Model: wait until"));
        let failed = told_of(false, Some("it has native code"));
        assert!(failed.starts_with("Person: see to") && failed.ends_with("without it: it has native code"), "{failed}");
    }

    #[test]
    fn of_several_requests_for_a_host_the_newest_counts() {
        use RequestStatus::{Approved, Pending, Rejected};
        let asked = |rows: &[RequestStatus]| {
            let rows = rows.iter().map(|status| request("a.example", Some(443), *status)).collect();
            told(&ToolStatusView { network_access_requests: rows, ..tool() }, &[])
        };
        assert_eq!(asked(&[Pending]), ["Person: decide the request for the host a.example:443"]);
        assert_eq!(asked(&[Rejected, Approved]), [""; 0]);
        assert!(asked(&[Rejected])[0].contains("not this one"));
    }
}
