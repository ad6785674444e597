//! The limits in force.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::Json;
use crate::limits::Limit;

#[derive(Serialize, ToSchema)]
pub(super) struct LimitView {
    #[serde(flatten)]
    #[schema(value_type = Limit)]
    limit: &'static Limit,
    value: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LimitList {
    items: Vec<LimitView>,
}

pub(super) async fn list(State(state): State<ApiState>) -> Json<LimitList> {
    let in_force = state.service.limits().in_force();
    Json(LimitList { items: in_force.into_iter().map(|(limit, value)| LimitView { limit, value }).collect() })
}
