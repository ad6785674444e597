//! Breakers: which external sources are left alone, and how to try them again.

use axum::extract::State;

use super::ApiState;
use super::extract::{Admin, Json, Path};
use super::problem::Problem;
use crate::service::circuits::CircuitsView;

pub(super) async fn list(State(state): State<ApiState>, admin: Admin) -> Result<Json<CircuitsView>, Problem> {
    Ok(Json(state.service.circuit_list(admin.caller()).await?))
}

pub(super) async fn reset_all(State(state): State<ApiState>, admin: Admin) -> Result<Json<CircuitsView>, Problem> {
    Ok(Json(state.service.circuit_reset(admin.caller(), None).await?))
}

pub(super) async fn reset(
    State(state): State<ApiState>,
    admin: Admin,
    Path(name): Path<String>,
) -> Result<Json<CircuitsView>, Problem> {
    Ok(Json(state.service.circuit_reset(admin.caller(), Some(&name)).await?))
}
