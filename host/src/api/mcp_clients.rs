//! What MCP clients are shown: what their list of tools costs, and who sees which servers.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::ids::ServerId;
use crate::service::Page;
use crate::service::profiles::ProfileView;
use crate::service::search::{CatalogueView, ServerCostView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileSet)]
pub(super) struct Set {
    /// Their ids; null: every server.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    servers: Option<Vec<ServerId>>,
    /// Whether the management tools are there, which tell of all servers; absent: they are.
    #[serde(default = "yes")]
    management: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn catalogue(State(state): State<ApiState>, admin: Admin) -> Result<Json<CatalogueView>, Problem> {
    Ok(Json(state.service.catalogue_cost(admin.caller()).await?))
}

pub(super) async fn catalogue_servers(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ServerCostView>>, Problem> {
    Ok(Json(state.service.catalogue_servers(admin.caller(), page.into()).await?))
}

pub(super) async fn profiles(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ProfileView>>, Problem> {
    Ok(Json(state.service.profile_list(admin.caller(), page.into()).await?))
}

pub(super) async fn profile(
    State(state): State<ApiState>,
    admin: Admin,
    Path(caller): Path<String>,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(state.service.profile_get(admin.caller(), &caller).await?))
}

pub(super) async fn profile_set(
    State(state): State<ApiState>,
    admin: Admin,
    Path(caller): Path<String>,
    Json(Set { servers, management }): Json<Set>,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(state.service.profile_set(admin.caller(), &caller, servers, management).await?))
}
