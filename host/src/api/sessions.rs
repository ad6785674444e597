//! Setting up, logging in and out, and the own account.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::extract::{Admin, Json, Peer};
use super::problem::Problem;
use crate::service::admins::AdminView;
use crate::service::sessions::AccessToken;

#[derive(Serialize)]
pub(super) struct StatusView {
    setup_required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    username: String,
    password: String,
    setup_code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    username: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    current_password: String,
    new_password: String,
}

pub(super) async fn status(State(state): State<ApiState>) -> Result<Json<StatusView>, Problem> {
    Ok(Json(StatusView { setup_required: state.service.setup_required().await? }))
}

pub(super) async fn setup(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    Json(setup): Json<Setup>,
) -> Result<(StatusCode, Json<AdminView>), Problem> {
    let Setup { username, password, setup_code } = setup;
    let made = state.service.admin_setup(Some(peer.ip()), &username, &password, &setup_code).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn login(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    Json(Login { username, password }): Json<Login>,
) -> Result<Json<AccessToken>, Problem> {
    Ok(Json(state.service.login(Some(peer.ip()), &username, &password).await?))
}

pub(super) async fn logout(State(state): State<ApiState>, Admin(session): Admin) -> Result<StatusCode, Problem> {
    state.service.session_end(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All sessions of the account end, this one too; the answer opens a new one.
pub(super) async fn change_password(
    State(state): State<ApiState>,
    admin: Admin,
    Json(change): Json<PasswordChange>,
) -> Result<Json<AccessToken>, Problem> {
    let PasswordChange { current_password, new_password } = change;
    Ok(Json(state.service.password_change(admin.caller(), &current_password, &new_password).await?))
}

pub(super) async fn me(State(state): State<ApiState>, admin: Admin) -> Result<Json<AdminView>, Problem> {
    Ok(Json(state.service.admin_own(admin.caller()).await?))
}
