//! Keys for MCP clients on other machines: made here, shown once.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::describe::Created;
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::ids::ApiKeyId;
use crate::domain::names::ApiKeyName;
use crate::service::Page;
use crate::service::api_keys::{ApiKeyView, NewApiKey};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyCreate)]
pub(super) struct Create {
    #[schema(value_type = ApiKeyName)]
    name: String,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ApiKeyView>>, Problem> {
    Ok(Json(state.service.api_key_list(admin.caller(), page.into()).await?))
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Create { name }): Json<Create>,
) -> Result<Created<NewApiKey>, Problem> {
    Ok(Created(state.service.api_key_create(admin.caller(), &name).await?))
}

/// The answer is the key as it stands from now on in the list.
pub(super) async fn revoke(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ApiKeyId>,
) -> Result<Json<ApiKeyView>, Problem> {
    Ok(Json(state.service.api_key_revoke(admin.caller(), id).await?))
}
