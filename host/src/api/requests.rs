//! What tools ask for, hosts and modules, and what people decide about it.

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::approvals::{ManyAction, Revocation};
use super::describe::NoContent;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::ids::{GrantRequestId, ServerId};
use crate::domain::request::RequestStatus;
use crate::domain::tool::ApprovalAction;
use crate::service::asking::RequestFilter;
use crate::service::bulk::BulkView;
use crate::service::module_requests::ModuleRequestView;
use crate::service::network_requests::NetworkRequestView;
use crate::service::{Page, PageRequest};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    action: ManyAction,
    /// A refusal needs one.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// One decision about many requests.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decisions {
    action: ManyAction,
    #[schema(min_items = 1, max_items = 100)]
    request_ids: Vec<GrantRequestId>,
    /// A refusal needs one.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// Absent status: all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestQuery {
    status: Option<RequestStatus>,
    #[param(max_length = 200)]
    search: Option<String>,
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

/// Absent status: all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerQuery {
    status: Option<RequestStatus>,
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

pub(super) async fn network(
    State(state): State<ApiState>,
    admin: Admin,
    Query(RequestQuery { status, search, page, page_size }): Query<RequestQuery>,
) -> Result<Json<Page<NetworkRequestView>>, Problem> {
    let (filter, page) = (RequestFilter { status, search }, PageRequest { page, page_size });
    Ok(Json(state.service.network_request_list(admin.caller(), filter, page).await?))
}

pub(super) async fn network_of_server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(ServerQuery { status, page, page_size }): Query<ServerQuery>,
) -> Result<Json<Page<NetworkRequestView>>, Problem> {
    let page = PageRequest { page, page_size };
    Ok(Json(state.service.network_request_of_server(admin.caller(), server, status, page).await?))
}

pub(super) async fn decide_network(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
    Json(Decision { action, reason }): Json<Decision>,
) -> Result<Json<NetworkRequestView>, Problem> {
    Ok(Json(state.service.network_request_act(admin.caller(), id, action.into(), reason).await?))
}

pub(super) async fn revoke_network(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
    Json(Revocation { reason }): Json<Revocation>,
) -> Result<Json<NetworkRequestView>, Problem> {
    let action = ApprovalAction::Revoke;
    Ok(Json(state.service.network_request_act(admin.caller(), id, action, Some(reason)).await?))
}

pub(super) async fn delete_network(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
) -> Result<NoContent, Problem> {
    state.service.network_request_delete(admin.caller(), id).await?;
    Ok(NoContent)
}

pub(super) async fn decide_networks(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Decisions { action, request_ids, reason }): Json<Decisions>,
) -> Result<Json<BulkView>, Problem> {
    let done = state.service.network_request_act_many(admin.caller(), &request_ids, action.into(), reason).await?;
    Ok(Json(done))
}

pub(super) async fn modules(
    State(state): State<ApiState>,
    admin: Admin,
    Query(RequestQuery { status, search, page, page_size }): Query<RequestQuery>,
) -> Result<Json<Page<ModuleRequestView>>, Problem> {
    let (filter, page) = (RequestFilter { status, search }, PageRequest { page, page_size });
    Ok(Json(state.service.module_request_list(admin.caller(), filter, page).await?))
}

pub(super) async fn modules_of_server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(ServerQuery { status, page, page_size }): Query<ServerQuery>,
) -> Result<Json<Page<ModuleRequestView>>, Problem> {
    let page = PageRequest { page, page_size };
    Ok(Json(state.service.module_request_of_server(admin.caller(), server, status, page).await?))
}

pub(super) async fn decide_module(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
    Json(Decision { action, reason }): Json<Decision>,
) -> Result<Json<ModuleRequestView>, Problem> {
    Ok(Json(state.service.module_request_act(admin.caller(), id, action.into(), reason).await?))
}

pub(super) async fn revoke_module(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
    Json(Revocation { reason }): Json<Revocation>,
) -> Result<Json<ModuleRequestView>, Problem> {
    let action = ApprovalAction::Revoke;
    Ok(Json(state.service.module_request_act(admin.caller(), id, action, Some(reason)).await?))
}

pub(super) async fn delete_module(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<GrantRequestId>,
) -> Result<NoContent, Problem> {
    state.service.module_request_delete(admin.caller(), id).await?;
    Ok(NoContent)
}

pub(super) async fn decide_modules(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Decisions { action, request_ids, reason }): Json<Decisions>,
) -> Result<Json<BulkView>, Problem> {
    let done = state.service.module_request_act_many(admin.caller(), &request_ids, action.into(), reason).await?;
    Ok(Json(done))
}
