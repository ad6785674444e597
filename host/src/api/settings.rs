//! What people set while the host runs.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::{Admin, Json};
use super::problem::Problem;
use crate::domain::policy::{PolicyChange, Profile};
use crate::service::Page;
use crate::service::policies::{SecurityPolicyView, SettingView};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileChange {
    profile: Profile,
}

pub(super) async fn list(State(state): State<ApiState>, admin: Admin) -> Result<Json<Page<SettingView>>, Problem> {
    Ok(Json(state.service.setting_list(admin.caller()).await?))
}

pub(super) async fn security_policy(
    State(state): State<ApiState>,
    admin: Admin,
) -> Result<Json<SecurityPolicyView>, Problem> {
    Ok(Json(state.service.security_policy_get(admin.caller()).await?))
}

pub(super) async fn set_security_policy(
    State(state): State<ApiState>,
    admin: Admin,
    Json(change): Json<PolicyChange>,
) -> Result<Json<SecurityPolicyView>, Problem> {
    Ok(Json(state.service.security_policy_set(admin.caller(), change).await?))
}

pub(super) async fn set_security_profile(
    State(state): State<ApiState>,
    admin: Admin,
    Json(ProfileChange { profile }): Json<ProfileChange>,
) -> Result<Json<SecurityPolicyView>, Problem> {
    Ok(Json(state.service.security_profile_set(admin.caller(), profile).await?))
}
