//! What a person sees first.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Admin, Json, Query};
use super::problem::Problem;
use crate::service::dashboard::DashboardView;
use crate::service::statistics::Period;

/// Absent: the last day.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct DashboardQuery {
    #[serde(default)]
    period: Period,
}

pub(super) async fn show(
    State(state): State<ApiState>,
    admin: Admin,
    Query(DashboardQuery { period }): Query<DashboardQuery>,
) -> Result<Json<DashboardView>, Problem> {
    Ok(Json(state.service.dashboard(admin.caller(), period).await?))
}
