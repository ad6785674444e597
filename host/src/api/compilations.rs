//! What is being compiled now.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::{Admin, Json};
use super::problem::Problem;
use crate::service::compilations::CompilationView;

#[derive(Serialize, ToSchema)]
pub(super) struct CompilationList {
    items: Vec<CompilationView>,
}

pub(super) async fn list(State(state): State<ApiState>, admin: Admin) -> Result<Json<CompilationList>, Problem> {
    Ok(Json(CompilationList { items: state.service.compilation_list(admin.caller())? }))
}
