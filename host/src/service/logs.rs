//! The execution log, as people and models read it. What is in it was redacted before it was kept.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Error, Page, PageRequest, Service, servers, tools};
pub use crate::db::execution_logs::Filter as ExecutionFilter;
use crate::db::execution_logs::{self as rows, ExecutionLog};
use crate::domain::caller::Caller;
use crate::domain::ids::{CallId, ServerId, ToolId, VersionId};
use crate::domain::outcome::Label;

/// Calls that a model reads at once.
const LOGS_AT_ONCE: u64 = 50;
/// Characters of a text that is searched for, and of a caller or an outcome.
const WORDS_MAX: usize = 200;

/// One call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExecutionView {
    pub id: CallId,
    pub server_id: ServerId,
    pub tool_id: ToolId,
    pub version_id: VersionId,
    pub version_number: i32,
    /// The name that was called.
    pub tool_name: String,
    pub caller: String,
    pub request_id: String,
    pub is_test: bool,
    /// JSON; a text when it was cut.
    pub arguments: Value,
    /// JSON; a text when it was cut.
    #[schema(required)]
    pub result: Option<Value>,
    pub error: Option<String>,
    pub stdout: String,
    /// Sizes of the whole, also where less was kept.
    pub arguments_bytes: u64,
    pub result_bytes: u64,
    pub stdout_bytes: u64,
    /// What was not kept whole: `arguments`, `result`, `error`, `stdout`, `log_lines`.
    pub cut: Vec<String>,
    #[schema(value_type = Label)]
    pub outcome: String,
    pub success: bool,
    pub duration_ms: f64,
    pub fuel: u64,
    pub peak_memory_bytes: u64,
    pub http_requests: u64,
    pub http_sent_bytes: u64,
    pub http_received_bytes: u64,
    pub started_at: DateTime<Utc>,
}

impl Service {
    /// The last calls of a tool, newest first; at least one, at most 50.
    pub async fn tool_logs(&self, caller: &Caller, tool: ToolId, limit: u64) -> Result<Vec<ExecutionView>, Error> {
        let page = PageRequest { page: None, page_size: Some(limit.clamp(1, LOGS_AT_ONCE)) };
        Ok(self.tool_executions(caller, tool, page).await?.items)
    }

    /// One call.
    pub async fn execution_get(&self, _caller: &Caller, id: CallId) -> Result<ExecutionView, Error> {
        let row = rows::by_id(self.db(), id).await?;
        let unknown = || Error::not_found("call", id.to_string(), "it may be too old: LOG_RETENTION_DAYS");
        row.map(view).ok_or_else(unknown)
    }

    /// Calls, newest first, also of what has been deleted since.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter is too long, or its times are the wrong way round.
    pub async fn executions(
        &self,
        _caller: &Caller,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<Page<ExecutionView>, Error> {
        let page = page.of_rows(self.limits())?;
        check(&filter)?;
        Ok(Page::from(rows::list(self.db(), &filter, &page).await?).map(view))
    }

    /// The calls of a tool, newest first.
    pub async fn tool_executions(
        &self,
        caller: &Caller,
        tool: ToolId,
        page: PageRequest,
    ) -> Result<Page<ExecutionView>, Error> {
        let found = tools::found(self.db(), tool).await?;
        let filter = ExecutionFilter { tool_id: Some(found.tool.id), ..ExecutionFilter::default() };
        self.executions(caller, filter, page).await
    }

    /// The calls of a server's tools, also of deleted ones, newest first.
    pub async fn server_executions(
        &self,
        caller: &Caller,
        server: ServerId,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<Page<ExecutionView>, Error> {
        let server = servers::found(self.db(), server).await?;
        self.executions(caller, ExecutionFilter { server_id: Some(server.id), ..filter }, page).await
    }
}

fn check(filter: &ExecutionFilter) -> Result<(), Error> {
    let ExecutionFilter { caller, outcome, request_id, error_has, from, to, .. } = filter;
    let texts = [("/caller", caller), ("/outcome", outcome), ("/request_id", request_id), ("/search", error_has)];
    for (pointer, text) in texts {
        let Some(text) = text else { continue };
        if text.is_empty() || text.chars().count() > WORDS_MAX || text.contains('\0') {
            return Err(Error::invalid(pointer, format!("give 1 to {WORDS_MAX} characters")));
        }
    }
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Error::invalid("/to", "it must be later than `from`")),
        _ => Ok(()),
    }
}

pub(super) fn view(row: ExecutionLog) -> ExecutionView {
    ExecutionView {
        duration_ms: row.duration_ms(),
        id: row.id,
        server_id: row.server_id,
        tool_id: row.tool_id,
        version_id: row.version_id,
        version_number: row.version_number,
        tool_name: row.tool_name.into(),
        caller: row.caller.into(),
        request_id: row.request_id.into(),
        is_test: row.is_test,
        arguments: json_or_text(&row.arguments),
        result: row.result.as_deref().map(json_or_text),
        error: row.error.map(String::from),
        stdout: row.stdout.into(),
        arguments_bytes: row.arguments_bytes.0,
        result_bytes: row.result_bytes.0,
        stdout_bytes: row.stdout_bytes.0,
        cut: row.cut.0,
        outcome: row.outcome.into(),
        success: row.success,
        fuel: row.fuel.0,
        peak_memory_bytes: row.peak_memory_bytes.0,
        http_requests: row.http_requests.0,
        http_sent_bytes: row.http_sent_bytes.0,
        http_received_bytes: row.http_received_bytes.0,
        started_at: row.started_at,
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_that_no_row_can_fit_is_refused() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let any = ExecutionFilter::default();
        for (filter, fits) in [
            (any.clone(), true),
            (ExecutionFilter { error_has: Some("x".repeat(200)), ..any.clone() }, true),
            (ExecutionFilter { error_has: Some("x".repeat(201)), ..any.clone() }, false),
            (ExecutionFilter { caller: Some(String::new()), ..any.clone() }, false),
            (ExecutionFilter { outcome: Some("\0".into()), ..any.clone() }, false),
            (ExecutionFilter { from: at(1), to: at(2), ..any.clone() }, true),
            (ExecutionFilter { from: at(2), to: at(2), ..any.clone() }, false),
        ] {
            assert_eq!(check(&filter).is_ok(), fits, "{filter:?}");
        }
    }

    #[test]
    fn what_was_cut_is_shown_as_text() {
        assert_eq!(json_or_text(r#"{"city":"Oslo"}"#), json!({ "city": "Oslo" }));
        assert_eq!(json_or_text(r#"{"city":"Os… (4 more bytes)"#), json!("{\"city\":\"Os… (4 more bytes)"));
    }
}
