//! Tools that wait for a person, and what people decide about them.

use std::collections::HashMap;

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::digest::Digest;
use crate::domain::ids::ToolId;
use crate::domain::tool::{ApprovalAction, ApprovalStatus};
use crate::service::approvals::{ApprovalFilter, ApprovalView};
use crate::service::bulk::{BulkView, SeenTool};
use crate::service::pending::ApprovalStats;
use crate::service::tools::ToolView;
use crate::service::{Page, PageRequest};

/// What can be decided about a tool.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolAction {
    Submit,
    Approve,
    Reject,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolDecision {
    action: ToolAction,
    /// A rejection needs one; of a submission: what reviewers should know.
    #[schema(max_length = 2000)]
    reason: Option<String>,
    /// What was looked at: when the tool has become another one meanwhile, nothing is decided.
    digest: Option<Digest>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    #[schema(min_length = 1, max_length = 2000, pattern = r"\S")]
    pub(super) reason: String,
}

/// Absent status: those that wait for review.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolQuery {
    status: Option<ApprovalStatus>,
    #[param(max_length = 200)]
    search: Option<String>,
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

/// One decision about many tools.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolDecisions {
    action: ManyAction,
    #[schema(min_items = 1, max_items = 100)]
    tool_ids: Vec<ToolId>,
    /// A refusal needs one.
    #[schema(max_length = 2000)]
    reason: Option<String>,
    /// What was looked at, of each tool or of some.
    #[serde(default)]
    digests: HashMap<ToolId, Digest>,
}

/// What can be decided about many things at once.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ManyAction {
    Approve,
    Reject,
    Revoke,
}

impl From<ManyAction> for ApprovalAction {
    fn from(action: ManyAction) -> Self {
        match action {
            ManyAction::Approve => Self::Approve,
            ManyAction::Reject => Self::Reject,
            ManyAction::Revoke => Self::Revoke,
        }
    }
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

pub(super) async fn decide_tools(
    State(state): State<ApiState>,
    admin: Admin,
    Json(ToolDecisions { action, tool_ids, reason, digests }): Json<ToolDecisions>,
) -> Result<Json<BulkView>, Problem> {
    let seen: Vec<SeenTool> =
        tool_ids.into_iter().map(|id| SeenTool { id, digest: digests.get(&id).copied() }).collect();
    Ok(Json(state.service.approval_act_many(admin.caller(), &seen, action.into(), reason).await?))
}

pub(super) async fn stats(State(state): State<ApiState>, admin: Admin) -> Result<Json<ApprovalStats>, Problem> {
    Ok(Json(state.service.approval_stats(admin.caller()).await?))
}
