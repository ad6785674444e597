//! Versions of a tool: looked at, compared, made the newest again.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::describe::Created;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::ids::ToolId;
use crate::service::compare::ComparisonView;
use crate::service::tools::ToolView;
use crate::service::versions::VersionView;

/// Each a number, `live` or `latest`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Compared {
    #[param(pattern = "^([0-9]{1,9}|live|latest)$")]
    from: String,
    #[param(pattern = "^([0-9]{1,9}|live|latest)$")]
    to: String,
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path((tool, number)): Path<(ToolId, i32)>,
) -> Result<Json<VersionView>, Problem> {
    Ok(Json(state.service.tool_version_get(admin.caller(), tool, number).await?))
}

pub(super) async fn compare(
    State(state): State<ApiState>,
    admin: Admin,
    Path(tool): Path<ToolId>,
    Query(Compared { from, to }): Query<Compared>,
) -> Result<Json<ComparisonView>, Problem> {
    let (from, to) = (from.parse()?, to.parse()?);
    Ok(Json(state.service.tool_version_compare(admin.caller(), tool, from, to).await?))
}

pub(super) async fn rollback(
    State(state): State<ApiState>,
    admin: Admin,
    Path((tool, number)): Path<(ToolId, i32)>,
) -> Result<Created<ToolView>, Problem> {
    Ok(Created(state.service.tool_rollback(admin.caller(), tool, number).await?))
}
