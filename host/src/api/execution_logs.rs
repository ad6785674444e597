//! The execution log: each call, newest first, and the calls counted.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::domain::ids::{CallId, ServerId, ToolId};
use crate::domain::outcome::Label;
use crate::service::logs::{ExecutionFilter, ExecutionView};
use crate::service::statistics::{Period, Scope, StatisticsView};
use crate::service::{Page, PageRequest};

/// What is absent narrows nothing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    tool_id: Option<ToolId>,
    server_id: Option<ServerId>,
    /// As rows have it: `local`, `key:NAME`, `admin:NAME`.
    caller: Option<String>,
    outcome: Option<Label>,
    success: Option<bool>,
    is_test: Option<bool>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    /// Stands in the error.
    #[param(max_length = 200)]
    search: Option<String>,
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct StatisticsQuery {
    #[serde(default)]
    period: Period,
    tool_id: Option<ToolId>,
    server_id: Option<ServerId>,
}

impl LogQuery {
    fn split(self) -> (ExecutionFilter, PageRequest) {
        let Self { tool_id, server_id, caller, outcome, success, is_test, from, to, search, page, page_size } = self;
        let outcome = outcome.map(|label| label.as_str().to_owned());
        let filter =
            ExecutionFilter { server_id, tool_id, caller, outcome, success, is_test, from, to, error_has: search };
        (filter, PageRequest { page, page_size })
    }
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(query): Query<LogQuery>,
) -> Result<Json<Page<ExecutionView>>, Problem> {
    let (filter, page) = query.split();
    Ok(Json(state.service.executions(admin.caller(), filter, page).await?))
}

/// The server stands in the path; in the query it would be ignored.
pub(super) async fn of_server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Page<ExecutionView>>, Problem> {
    let (filter, page) = query.split();
    Ok(Json(state.service.server_executions(admin.caller(), server, filter, page).await?))
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<CallId>,
) -> Result<Json<ExecutionView>, Problem> {
    Ok(Json(state.service.execution_get(admin.caller(), id).await?))
}

pub(super) async fn statistics(
    State(state): State<ApiState>,
    admin: Admin,
    Query(StatisticsQuery { period, tool_id, server_id }): Query<StatisticsQuery>,
) -> Result<Json<StatisticsView>, Problem> {
    let scope = Scope { server_id, tool_id };
    Ok(Json(state.service.execution_statistics(admin.caller(), period, scope).await?))
}
