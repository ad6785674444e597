//! Secrets of a server: set here, never shown again.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::describe::{Created, NoContent};
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::ids::ServerId;
use crate::domain::names::SecretName;
use crate::domain::secret::SecretValue;
use crate::service::Page;
use crate::service::secrets::{NewSecret, SecretView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretCreate)]
pub(super) struct Create {
    #[schema(value_type = SecretName)]
    key_name: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
    /// Absent: a placeholder.
    #[schema(min_length = 1, max_length = 10_000)]
    value: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretSet)]
pub(super) struct Set {
    #[schema(min_length = 1, max_length = 10_000)]
    value: String,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SecretView>>, Problem> {
    Ok(Json(state.service.secret_list(admin.caller(), server, page.into()).await?))
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Json(Create { key_name, description, value }): Json<Create>,
) -> Result<Created<SecretView>, Problem> {
    let new = NewSecret { key_name, description, value: value.map(SecretValue::new) };
    Ok(Created(state.service.secret_create(admin.caller(), server, new).await?))
}

pub(super) async fn set(
    State(state): State<ApiState>,
    admin: Admin,
    Path((server, key_name)): Path<(ServerId, SecretName)>,
    Json(Set { value }): Json<Set>,
) -> Result<Json<SecretView>, Problem> {
    let value = SecretValue::new(value);
    Ok(Json(state.service.secret_set(admin.caller(), server, key_name.as_str(), &value).await?))
}

pub(super) async fn delete(
    State(state): State<ApiState>,
    admin: Admin,
    Path((server, key_name)): Path<(ServerId, SecretName)>,
) -> Result<NoContent, Problem> {
    state.service.secret_delete(admin.caller(), server, key_name.as_str()).await?;
    Ok(NoContent)
}
