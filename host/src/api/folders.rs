//! Folders that a person gives to a tool.

use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::describe::Created;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::grant::FolderAccess;
use crate::domain::ids::ToolId;
use crate::service::Page;
use crate::service::folders::{FolderView, NewFolder};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FolderAdd)]
pub(super) struct Add {
    host_path: String,
    guest_path: String,
    access: FolderAccess,
    /// How large the folder may become by what the tool writes; absent: as the file system has room. Not of a folder
    /// that is only read.
    #[schema(minimum = 1, maximum = 1_152_921_504_606_846_976_u64)]
    max_bytes: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Remove {
    guest_path: String,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
) -> Result<Json<Page<FolderView>>, Problem> {
    Ok(Json(state.service.folder_list(admin.caller(), id).await?))
}

pub(super) async fn add(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Json(Add { host_path, guest_path, access, max_bytes }): Json<Add>,
) -> Result<Created<Page<FolderView>>, Problem> {
    let new = NewFolder { host_path, guest_path, access, max_bytes };
    Ok(Created(state.service.folder_add(admin.caller(), id, new).await?))
}

/// The path stands in the query: not every client sends a body with DELETE.
pub(super) async fn remove(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Query(Remove { guest_path }): Query<Remove>,
) -> Result<Json<Page<FolderView>>, Problem> {
    Ok(Json(state.service.folder_remove(admin.caller(), id, &guest_path).await?))
}
