//! One decision about many things. Each is decided on its own, whole or not at all, and each has its own
//! result: what one of them is refused for keeps none of the others from being decided.

use std::fmt::Display;

use serde::Serialize;
use utoipa::ToSchema;

use super::permission::people_only;
use super::{Error, Service, given};
use crate::domain::caller::Caller;
use crate::domain::digest::Digest;
use crate::domain::ids::{GrantRequestId, ToolId};
use crate::domain::tool::ApprovalAction;

/// Things that one decision is about.
const AT_ONCE: usize = 100;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkView {
    pub succeeded: usize,
    pub failed: usize,
    /// In the order in which they were given.
    pub results: Vec<BulkResult>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BulkResult {
    pub id: String,
    pub success: bool,
    /// Why not.
    pub error: Option<String>,
}

/// A tool, and what was looked at.
#[derive(Clone, Copy, Debug)]
pub struct SeenTool {
    pub id: ToolId,
    pub digest: Option<Digest>,
}

impl Service {
    /// Decides about many tools, as [`approval_act`](Self::approval_act) about each. For people.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are none or too many, or without a reason for a refusal.
    pub async fn approval_act_many(
        &self,
        caller: &Caller,
        tools: &[SeenTool],
        action: ApprovalAction,
        reason: Option<String>,
    ) -> Result<BulkView, Error> {
        admitted(caller, "/tool_ids", tools.len(), action, reason.as_deref())?;
        let mut results = Vec::with_capacity(tools.len());
        for tool in tools {
            let done = self.approval_act(caller, tool.id, action, reason.clone(), tool.digest).await;
            results.push(result(tool.id, done));
        }
        Ok(summed(results))
    }

    /// Decides many requests for hosts, as [`network_request_act`](Self::network_request_act) each. For people.
    ///
    /// # Errors
    /// As [`approval_act_many`](Self::approval_act_many).
    pub async fn network_request_act_many(
        &self,
        caller: &Caller,
        requests: &[GrantRequestId],
        action: ApprovalAction,
        reason: Option<String>,
    ) -> Result<BulkView, Error> {
        admitted(caller, "/request_ids", requests.len(), action, reason.as_deref())?;
        let mut results = Vec::with_capacity(requests.len());
        for id in requests {
            results.push(result(id, self.network_request_act(caller, *id, action, reason.clone()).await));
        }
        Ok(summed(results))
    }

    /// Decides many requests for modules, as [`module_request_act`](Self::module_request_act) each. For people.
    ///
    /// # Errors
    /// As [`approval_act_many`](Self::approval_act_many).
    pub async fn module_request_act_many(
        &self,
        caller: &Caller,
        requests: &[GrantRequestId],
        action: ApprovalAction,
        reason: Option<String>,
    ) -> Result<BulkView, Error> {
        admitted(caller, "/request_ids", requests.len(), action, reason.as_deref())?;
        let mut results = Vec::with_capacity(requests.len());
        for id in requests {
            results.push(result(id, self.module_request_act(caller, *id, action, reason.clone()).await));
        }
        Ok(summed(results))
    }
}

/// What holds for all of them is checked before the first.
fn admitted(
    caller: &Caller,
    pointer: &str,
    count: usize,
    action: ApprovalAction,
    reason: Option<&str>,
) -> Result<(), Error> {
    people_only(caller, "decide")?;
    given::reason(action, reason)?;
    if count == 0 || count > AT_ONCE {
        return Err(Error::invalid(pointer, format!("give 1 to {AT_ONCE}; these are {count}")));
    }
    Ok(())
}

fn result<T>(id: impl Display, done: Result<T, Error>) -> BulkResult {
    let error = done.err().map(|error| match error {
        // What broke stays in the log.
        Error::Internal { doing, source } => {
            tracing::error!(error = &*source as &dyn std::error::Error, %id, "{doing} failed");
            "internal error; the log of the host tells more".to_owned()
        }
        told => told.to_string(),
    });
    BulkResult { id: id.to_string(), success: error.is_none(), error }
}

fn summed(results: Vec<BulkResult>) -> BulkView {
    let succeeded = results.iter().filter(|result| result.success).count();
    BulkView { succeeded, failed: results.len() - succeeded, results }
}
