//! What people set while the host runs.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::names::ModuleName;
use crate::domain::package::PackageFacts;
use crate::domain::policy::{PolicyChange, Profile};
use crate::service::Page;
use crate::service::installation::InstallationView;
use crate::service::modules::{ModuleView, ModulesChange, ModulesView};
use crate::service::packages::PackageSetView;
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

/// What a dashboard has to know before it knows anything else.
pub(super) async fn installation(
    State(state): State<ApiState>,
    admin: Admin,
) -> Result<Json<InstallationView>, Problem> {
    Ok(Json(state.service.installation_get(admin.caller()).await?))
}

pub(super) async fn complete_onboarding(
    State(state): State<ApiState>,
    admin: Admin,
) -> Result<Json<InstallationView>, Problem> {
    Ok(Json(state.service.onboarding_complete(admin.caller()).await?))
}

pub(super) async fn modules(State(state): State<ApiState>, admin: Admin) -> Result<Json<ModulesView>, Problem> {
    Ok(Json(state.service.modules(admin.caller()).await?))
}

pub(super) async fn set_modules(
    State(state): State<ApiState>,
    admin: Admin,
    Json(change): Json<ModulesChange>,
) -> Result<Json<ModulesView>, Problem> {
    Ok(Json(state.service.modules_set(admin.caller(), change).await?))
}

pub(super) async fn enhanced_modules(
    State(state): State<ApiState>,
    admin: Admin,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ModuleView>>, Problem> {
    Ok(Json(state.service.module_list(admin.caller(), page.into()).await?))
}

pub(super) async fn package_facts(
    State(state): State<ApiState>,
    admin: Admin,
    Path(module): Path<ModuleName>,
) -> Result<Json<PackageFacts>, Problem> {
    Ok(Json(state.service.package_facts(admin.caller(), &module).await?))
}

pub(super) async fn install_package(
    State(state): State<ApiState>,
    admin: Admin,
    Path(module): Path<ModuleName>,
) -> Result<Json<PackageSetView>, Problem> {
    Ok(Json(state.service.package_install(admin.caller(), &module).await?))
}

pub(super) async fn sync_packages(
    State(state): State<ApiState>,
    admin: Admin,
) -> Result<Json<PackageSetView>, Problem> {
    Ok(Json(state.service.packages_sync(admin.caller()).await?))
}
