//! The audit log: who changed what, when and from where.

use axum::extract::State;
use serde::Deserialize;

use super::ApiState;
use super::extract::{Admin, Json, Query};
use super::problem::Problem;
use crate::service::audit::{AuditObject, AuditView};
use crate::service::{Error, Page, PageRequest};

/// The kind and the id of one thing, or neither.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    object_kind: Option<String>,
    object_id: Option<String>,
    page: Option<u64>,
    page_size: Option<u64>,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(AuditQuery { object_kind, object_id, page, page_size }): Query<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let object = match (object_kind, object_id) {
        (Some(kind), Some(id)) => Some(AuditObject { kind, id }),
        (None, None) => None,
        (Some(_), None) => return Err(Error::invalid("/object_id", "give it together with `object_kind`").into()),
        (None, Some(_)) => return Err(Error::invalid("/object_kind", "give it together with `object_id`").into()),
    };
    Ok(Json(state.service.audit_list(admin.caller(), object, PageRequest { page, page_size }).await?))
}
