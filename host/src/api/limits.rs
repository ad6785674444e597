//! The limits in force.

use axum::extract::State;
use serde::Serialize;

use super::ApiState;
use super::extract::Json;
use crate::limits::Limit;

#[derive(Serialize)]
pub(super) struct LimitView {
    #[serde(flatten)]
    limit: &'static Limit,
    value: u64,
}

#[derive(Serialize)]
pub(super) struct LimitList {
    items: Vec<LimitView>,
}

pub(super) async fn list(State(state): State<ApiState>) -> Json<LimitList> {
    let in_force = state.service.limits().in_force();
    Json(LimitList { items: in_force.into_iter().map(|(limit, value)| LimitView { limit, value }).collect() })
}
