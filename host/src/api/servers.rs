//! Servers, and the hosts that people open to them.

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::describe::{Created, NoContent};
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::ids::ServerId;
use crate::domain::names::ServerName;
use crate::service::Page;
use crate::service::servers::{NewServer, ServerChange, ServerView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServerCreate)]
pub(super) struct Create {
    #[schema(value_type = ServerName)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServerUpdate)]
pub(super) struct Update {
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// For tools that set none; at most the limit `call_time_max_ms`.
    #[schema(minimum = 100)]
    default_timeout_ms: Option<u64>,
}

#[derive(Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// `HOST` or `HOST:PORT`.
    host: String,
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Create { name, description }): Json<Create>,
) -> Result<Created<ServerView>, Problem> {
    let made = state.service.server_create(admin.caller(), NewServer { name, description }).await?;
    Ok(Created(made))
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ServerView>>, Problem> {
    Ok(Json(state.service.server_list(admin.caller(), page.into()).await?))
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
) -> Result<Json<ServerView>, Problem> {
    Ok(Json(state.service.server_get(admin.caller(), id).await?))
}

pub(super) async fn update(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
    Json(Update { description, default_timeout_ms }): Json<Update>,
) -> Result<Json<ServerView>, Problem> {
    let change = ServerChange { description, default_timeout_ms };
    Ok(Json(state.service.server_update(admin.caller(), id, change).await?))
}

pub(super) async fn delete(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
) -> Result<NoContent, Problem> {
    state.service.server_delete(admin.caller(), id).await?;
    Ok(NoContent)
}

pub(super) async fn start(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
) -> Result<Json<ServerView>, Problem> {
    Ok(Json(state.service.server_start(admin.caller(), id).await?))
}

pub(super) async fn stop(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
) -> Result<Json<ServerView>, Problem> {
    Ok(Json(state.service.server_stop(admin.caller(), id).await?))
}

pub(super) async fn allow_host(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
    Json(Host { host }): Json<Host>,
) -> Result<Json<ServerView>, Problem> {
    Ok(Json(state.service.server_host_add(admin.caller(), id, &host).await?))
}

/// The host stands in the query: not every client sends a body with DELETE.
pub(super) async fn forbid_host(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ServerId>,
    Query(Host { host }): Query<Host>,
) -> Result<Json<ServerView>, Problem> {
    Ok(Json(state.service.server_host_remove(admin.caller(), id, &host).await?))
}
