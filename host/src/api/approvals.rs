//! What waits for a person, and what people decide.

use axum::extract::State;
use serde::Deserialize;

use super::ApiState;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::digest::Digest;
use crate::domain::ids::{GrantRequestId, ToolId};
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalAction, ApprovalStatus};
use crate::service::approvals::{ApprovalFilter, ApprovalView};
use crate::service::network_requests::{NetworkRequestView, RequestFilter};
use crate::service::tools::ToolView;
use crate::service::{Page, PageRequest};

/// What can be decided about a tool.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolAction {
    Submit,
    Approve,
    Reject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolDecision {
    action: ToolAction,
    reason: Option<String>,
    /// What was looked at: when the tool has become another one meanwhile, nothing is decided.
    digest: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    reason: String,
}

/// What can be decided about a request.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestAction {
    Approve,
    Reject,
    Revoke,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestDecision {
    action: RequestAction,
    reason: Option<String>,
}

/// Absent status: those that wait for review.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolQuery {
    status: Option<ApprovalStatus>,
    search: Option<String>,
    page: Option<u64>,
    page_size: Option<u64>,
}

/// Absent status: all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestQuery {
    status: Option<RequestStatus>,
    search: Option<String>,
    page: Option<u64>,
    page_size: Option<u64>,
}

pub(super) async fn tools(
    State(state): State<ApiState>,
    admin: Admin,
    Query(ToolQuery { status, search, page, page_size }): Query<ToolQuery>,
) -> Result<Json<Page<ApprovalView>>, Problem> {
    let (filter, page) = (ApprovalFilter { status, search }, PageRequest { page, page_size });
    Ok(Json(state.service.approval_list(admin.caller(), filter, page).await?))
}

pub(super) async fn decide_tool(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Json(ToolDecision { action, reason, digest }): Json<ToolDecision>,
) -> Result<Json<ToolView>, Problem> {
    let action = match action {
        ToolAction::Submit => return Ok(Json(state.service.tool_submit(admin.caller(), id, reason).await?)),
        ToolAction::Approve => ApprovalAction::Approve,
        ToolAction::Reject => ApprovalAction::Reject,
    };
    Ok(Json(state.service.approval_act(admin.caller(), id, action, reason, digest).await?))
}

pub(super) async fn revoke_tool(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Json(Revocation { reason }): Json<Revocation>,
) -> Result<Json<ToolView>, Problem> {
    let action = ApprovalAction::Revoke;
    Ok(Json(state.service.approval_act(admin.caller(), id, action, Some(reason), None).await?))
}

pub(super) async fn network(
    State(state): State<ApiState>,
    admin: Admin,
    Query(RequestQuery { status, search, page, page_size }): Query<RequestQuery>,
) -> Result<Json<Page<NetworkRequestView>>, Problem> {
    let (filter, page) = (RequestFilter { status, search }, PageRequest { page, page_size });
    Ok(Json(state.service.network_request_list(admin.caller(), filter, page).await?))
}

pub(super) async fn decide_network(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
    Json(RequestDecision { action, reason }): Json<RequestDecision>,
) -> Result<Json<NetworkRequestView>, Problem> {
    let action = match action {
        RequestAction::Approve => ApprovalAction::Approve,
        RequestAction::Reject => ApprovalAction::Reject,
        RequestAction::Revoke => ApprovalAction::Revoke,
    };
    Ok(Json(state.service.network_request_act(admin.caller(), id, action, reason).await?))
}
