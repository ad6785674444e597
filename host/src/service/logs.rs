//! The execution log, as people and models read it. What is in it was redacted before it was kept.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Error, Page, PageRequest, Service, servers, tools};
use crate::db::execution_logs::{self as rows, ExecutionLog};
use crate::domain::caller::Caller;
use crate::domain::ids::{CallId, ServerId, ToolId, VersionId};

/// Calls that a model reads at once.
const LOGS_AT_ONCE: u64 = 50;

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct ExecutionView {
    pub id: CallId,
    pub server_id: ServerId,
    pub tool_id: ToolId,
    pub version_id: VersionId,
    /// The name that was called.
    pub tool_name: String,
    pub caller: String,
    pub request_id: String,
    pub is_test: bool,
    /// JSON; a text when it was cut.
    pub arguments: Value,
    /// JSON; a text when it was cut.
    pub result: Option<Value>,
    pub error: Option<String>,
    pub stdout: String,
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

    /// All calls, newest first.
    pub async fn executions(&self, _caller: &Caller, page: PageRequest) -> Result<Page<ExecutionView>, Error> {
        let page = page.of_rows(self.limits())?;
        Ok(Page::from(rows::list(self.db(), &page).await?).map(view))
    }

    /// The calls of a tool, newest first.
    pub async fn tool_executions(
        &self,
        _caller: &Caller,
        tool: ToolId,
        page: PageRequest,
    ) -> Result<Page<ExecutionView>, Error> {
        let page = page.of_rows(self.limits())?;
        let found = tools::found(self.db(), tool).await?;
        Ok(Page::from(rows::of_tool(self.db(), found.tool.id, &page).await?).map(view))
    }

    /// The calls of a server's tools, also of deleted ones, newest first.
    pub async fn server_executions(
        &self,
        _caller: &Caller,
        server: ServerId,
        page: PageRequest,
    ) -> Result<Page<ExecutionView>, Error> {
        let page = page.of_rows(self.limits())?;
        let server = servers::found(self.db(), server).await?;
        Ok(Page::from(rows::of_server(self.db(), server.id, &page).await?).map(view))
    }
}

fn view(row: ExecutionLog) -> ExecutionView {
    ExecutionView {
        duration_ms: row.duration_ms(),
        id: row.id,
        server_id: row.server_id,
        tool_id: row.tool_id,
        version_id: row.version_id,
        tool_name: row.tool_name,
        caller: row.caller,
        request_id: row.request_id,
        is_test: row.is_test,
        arguments: json_or_text(row.arguments),
        result: row.result.map(json_or_text),
        error: row.error,
        stdout: row.stdout,
        outcome: row.outcome,
        success: row.success,
        fuel: row.fuel.0,
        peak_memory_bytes: row.peak_memory_bytes.0,
        http_requests: row.http_requests.0,
        http_sent_bytes: row.http_sent_bytes.0,
        http_received_bytes: row.http_received_bytes.0,
        started_at: row.started_at,
    }
}

fn json_or_text(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_cut_is_shown_as_text() {
        assert_eq!(json_or_text(r#"{"city":"Oslo"}"#.into()), json!({ "city": "Oslo" }));
        assert_eq!(json_or_text(r#"{"city":"Os… (4 more bytes)"#.into()), json!("{\"city\":\"Os… (4 more bytes)"));
    }
}
