//! The activity log: what MCP clients asked and were answered, and what the host did by itself.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::activity::LogType;
use crate::domain::ids::{ActivityId, ServerId};
use crate::domain::outcome::LogLevel;
use crate::service::activity::{ActivityFilter, ActivityStatistics, ActivityView, CleanUp, RequestView};
use crate::service::statistics::Period;
use crate::service::streams::TicketView;
use crate::service::{Error, Page, PageRequest};

/// What is absent narrows nothing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityQuery {
    server_id: Option<ServerId>,
    /// Words with commas between them.
    log_types: Option<String>,
    /// Words with commas between them.
    levels: Option<String>,
    #[param(max_length = 200)]
    request_id: Option<String>,
    /// Of MCP: `tools/call`.
    #[param(max_length = 200)]
    method: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    /// Stands in the message.
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
pub(super) struct RecentQuery {
    server_id: Option<ServerId>,
    log_types: Option<String>,
    levels: Option<String>,
    /// Absent: 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodQuery {
    #[serde(default)]
    period: Period,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AgeQuery {
    #[param(minimum = 1, maximum = 36_500)]
    older_than_days: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecentActivity)]
pub(super) struct RecentView {
    items: Vec<ActivityView>,
}

impl ActivityQuery {
    fn split(self) -> Result<(ActivityFilter, PageRequest), Error> {
        let Self { server_id, log_types, levels, request_id, method, from, to, search, page, page_size } = self;
        let (log_types, levels) = (log_types_of(log_types.as_deref())?, levels_of(levels.as_deref())?);
        let filter = ActivityFilter { server_id, log_types, levels, request_id, method, from, to, message_has: search };
        Ok((filter, PageRequest { page, page_size }))
    }
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Query(query): Query<ActivityQuery>,
) -> Result<Json<Page<ActivityView>>, Problem> {
    let (filter, page) = query.split()?;
    Ok(Json(state.service.activity_list(admin.caller(), filter, page).await?))
}

/// The rows of one server; in the query it would be ignored.
pub(super) async fn of_server(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(query): Query<ActivityQuery>,
) -> Result<Json<Page<ActivityView>>, Problem> {
    let (filter, page) = query.split()?;
    Ok(Json(state.service.activity_of_server(admin.caller(), server, filter, page).await?))
}

pub(super) async fn recent(
    State(state): State<ApiState>,
    admin: Admin,
    Query(RecentQuery { server_id, log_types, levels, limit }): Query<RecentQuery>,
) -> Result<Json<RecentView>, Problem> {
    let (log_types, levels) = (log_types_of(log_types.as_deref())?, levels_of(levels.as_deref())?);
    let filter = ActivityFilter { server_id, log_types, levels, ..ActivityFilter::default() };
    Ok(Json(RecentView { items: state.service.activity_recent(admin.caller(), filter, limit).await? }))
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ActivityId>,
) -> Result<Json<ActivityView>, Problem> {
    Ok(Json(state.service.activity_get(admin.caller(), id).await?))
}

pub(super) async fn statistics(
    State(state): State<ApiState>,
    admin: Admin,
    Query(PeriodQuery { period }): Query<PeriodQuery>,
) -> Result<Json<ActivityStatistics>, Problem> {
    Ok(Json(state.service.activity_statistics(admin.caller(), period).await?))
}

/// All that is known of one request, with its calls.
pub(super) async fn of_request(
    State(state): State<ApiState>,
    admin: Admin,
    Path(request_id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<RequestView>, Problem> {
    Ok(Json(state.service.activity_of_request(admin.caller(), &request_id, page.into()).await?))
}

pub(super) async fn clean_up(
    State(state): State<ApiState>,
    admin: Admin,
    Query(AgeQuery { older_than_days }): Query<AgeQuery>,
) -> Result<Json<CleanUp>, Problem> {
    Ok(Json(state.service.activity_clean_up(admin.caller(), older_than_days).await?))
}

/// Makes a ticket for one socket, for programs that can send no header with it.
pub(super) async fn ticket(State(state): State<ApiState>, Admin(session): Admin) -> Result<Json<TicketView>, Problem> {
    Ok(Json(state.service.stream_ticket_create(&session).await?))
}

/// The types that a text with commas names; none for an empty one.
pub(super) fn log_types_of(text: Option<&str>) -> Result<Vec<LogType>, Error> {
    words(text, "/log_types", LogType::parse, &LogType::ALL.map(LogType::as_str))
}

/// The levels that a text with commas names; none for an empty one.
pub(super) fn levels_of(text: Option<&str>) -> Result<Vec<LogLevel>, Error> {
    words(text, "/levels", LogLevel::parse, &LogLevel::ALL.map(LogLevel::as_str))
}

fn words<T>(
    text: Option<&str>,
    pointer: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Result<Vec<T>, Error> {
    let unknown = || Error::invalid(pointer, format!("give some of {}, with commas between them", known.join(", ")));
    let given: Vec<&str> = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if given.len() > known.len() {
        return Err(unknown());
    }
    given.into_iter().map(|word| parse(word).ok_or_else(unknown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_commas_are_read_and_unknown_ones_refused() {
        assert_eq!(log_types_of(None).ok(), Some(vec![]));
        assert_eq!(log_types_of(Some("alert, error,")).ok(), Some(vec![LogType::Alert, LogType::Error]));
        assert_eq!(levels_of(Some("warning")).ok(), Some(vec![LogLevel::Warning]));
        for bad in ["audit", "alert;error", "alert,alert,alert,alert,alert,alert"] {
            assert!(log_types_of(Some(bad)).is_err(), "{bad}");
        }
    }
}
