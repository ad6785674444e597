//! The audit log: who changed what, when and from where.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Admin, Json, Query};
use super::problem::Problem;
use crate::service::audit::{AuditFilter, AuditView};
use crate::service::{Error, Page, PageRequest};

/// The kind and the id of one thing, or neither; what is absent narrows nothing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    object_kind: Option<String>,
    object_id: Option<String>,
    /// As rows have it: `admin:NAME`, `key:NAME`, `local`, `operator`.
    actor: Option<String>,
    /// Noun and verb: `tool.approve`.
    action: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    let AuditQuery { object_kind, object_id, actor, action, from, to, page, page_size } = query;
    let object = match (object_kind, object_id) {
        (Some(kind), Some(id)) => Some((kind, id)),
        (None, None) => None,
        (Some(_), None) => return Err(Error::invalid("/object_id", "give it together with `object_kind`").into()),
        (None, Some(_)) => return Err(Error::invalid("/object_kind", "give it together with `object_id`").into()),
    };
    let filter = AuditFilter { object, actor, action, from, to };
    Ok(Json(state.service.audit_list(admin.caller(), filter, PageRequest { page, page_size }).await?))
}
