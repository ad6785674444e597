//! The execution log: each call, newest first.

use axum::extract::State;
use serde::Deserialize;

use super::ApiState;
use super::extract::{Admin, Json, Query};
use super::problem::Problem;
use crate::domain::ids::{ServerId, ToolId};
use crate::service::logs::ExecutionView;
use crate::service::{Error, Page, PageRequest};

/// The calls of one tool, of the tools of one server, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    tool_id: Option<ToolId>,
    server_id: Option<ServerId>,
    page: Option<u64>,
    page_size: Option<u64>,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(LogQuery { tool_id, server_id, page, page_size }): Query<LogQuery>,
) -> Result<Json<Page<ExecutionView>>, Problem> {
    let (service, caller) = (&state.service, admin.caller());
    let page = PageRequest { page, page_size };
    let calls = match (tool_id, server_id) {
        (Some(_), Some(_)) => Err(Error::invalid("/server_id", "give `tool_id` or `server_id`, not both")),
        (Some(tool), None) => service.tool_executions(caller, tool, page).await,
        (None, Some(server)) => service.server_executions(caller, server, page).await,
        (None, None) => service.executions(caller, page).await,
    };
    Ok(Json(calls?))
}
