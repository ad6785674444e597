//! What requests for hosts and requests for modules have in common: which are listed, who may decide them, and in
//! which words they are told.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Error;
use crate::db::{Database, Decision, servers, tools};
use crate::domain::caller::Caller;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::policy::Policies;
use crate::domain::request::RequestStatus;

/// Which requests are listed.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// None: in every state.
    pub status: Option<RequestStatus>,
    /// A text in what is asked for or in the justification.
    pub search: Option<String>,
}

/// The names of who asks.
pub(super) struct Names {
    servers: HashMap<ServerId, String>,
    tools: HashMap<ToolId, String>,
}

impl Names {
    pub(super) async fn of(db: &Database, servers: &[ServerId], tools: &[ToolId]) -> Result<Self, Error> {
        let tools = tools::by_ids(db, tools).await?.into_iter().map(|tool| (tool.id, tool.name)).collect();
        let servers = servers::by_ids(db, servers).await?.into_iter().map(|server| (server.id, server.name)).collect();
        Ok(Self { servers, tools })
    }

    /// Empty, when it was deleted a moment ago.
    pub(super) fn server(&self, id: ServerId) -> String {
        self.servers.get(&id).cloned().unwrap_or_default()
    }

    /// None, when it was deleted a moment ago.
    pub(super) fn tool(&self, id: ToolId) -> Option<String> {
        self.tools.get(&id).cloned()
    }
}

/// Lets those decide a request who did not make it, when the policy asks for that.
///
/// # Errors
/// [`Error::Forbidden`].
pub(super) fn four_eyes(policies: &Policies, caller: &Caller, requested_by: &str) -> Result<(), Error> {
    if policies.may_approve(&caller.to_string(), std::iter::once(requested_by)) {
        return Ok(());
    }
    Err(Error::forbidden(format!("{caller} asked for this; another person has to approve it (policy four_eyes)")))
}

/// The decision of a person; a reason is kept of a refusal.
pub(super) fn decision(status: RequestStatus, caller: &Caller, at: DateTime<Utc>, reason: Option<&String>) -> Decision {
    Decision {
        status,
        reviewed_at: at,
        reviewed_by: caller.to_string(),
        rejection_reason: reason.filter(|_| status == RequestStatus::Rejected).cloned(),
    }
}

pub(super) fn decided_meanwhile() -> Error {
    Error::conflict("someone else decided this request at the same time; look at it again")
}

/// Lets a request be deleted that grants nothing.
///
/// # Errors
/// [`Error::Conflict`].
pub(super) fn deletable(status: RequestStatus) -> Result<(), Error> {
    match status {
        RequestStatus::Approved => Err(Error::conflict("this request is approved; revoke it first")),
        RequestStatus::Pending | RequestStatus::Rejected => Ok(()),
    }
}

/// Why a tool that asked for something before need not or cannot ask again.
pub(super) fn asked_before(tool: &str, what: &str, status: RequestStatus, reason: Option<&str>) -> String {
    match status {
        RequestStatus::Pending => format!("`{tool}` has asked for `{what}` already; a person has yet to decide"),
        RequestStatus::Approved => format!("`{tool}` was granted `{what}` already"),
        RequestStatus::Rejected => {
            let reason = reason.unwrap_or("no reason was given");
            format!("`{tool}` was refused `{what}` ({reason}); only a person can change that")
        }
    }
}
