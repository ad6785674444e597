//! Tools: written, tried out, looked at.

use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::ApiState;
use super::describe::{Created, NoContent};
use super::extract::{Admin, Json, PageQuery, Path, Query};
use super::problem::Problem;
use crate::domain::component::Entry;
use crate::domain::content::ToolResult;
use crate::domain::ids::{ServerId, ToolId};
use crate::domain::names::{ExportName, ToolName};
use crate::domain::tool::Language;
use crate::service::Page;
use crate::service::calls::{CallRequest, Execution};
use crate::service::code::{CodeCheck, GivenCode};
use crate::service::logs::ExecutionView;
use crate::service::tools::{NewTool, ToolChange, ToolView};
use crate::service::versions::VersionView;
use crate::telemetry::RequestId;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ToolCreate)]
pub(super) struct Create {
    #[schema(value_type = ToolName)]
    name: String,
    /// Absent: the first paragraph of the docstring.
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// In `language`.
    code: Option<String>,
    language: Option<Language>,
    /// In place of `code` and `language`.
    python_code: Option<String>,
    /// At most the limit `call_time_max_ms`.
    #[schema(minimum = 100)]
    timeout_ms: Option<u64>,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ToolUpdate)]
pub(super) struct Update {
    #[schema(value_type = Option<ToolName>)]
    name: Option<String>,
    #[schema(max_length = 10_000)]
    description: Option<String>,
    code: Option<String>,
    /// Absent: the one that the tool has.
    language: Option<Language>,
    /// In place of `code` and `language`.
    python_code: Option<String>,
    enabled: Option<bool>,
    /// Of a component: those of its tools that are switched off, all of them.
    disabled_tools: Option<Vec<String>>,
    /// At most the limit `call_time_max_ms`.
    #[schema(minimum = 100)]
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    code: String,
    /// Absent: Python.
    language: Option<Language>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ToolTest)]
pub(super) struct Test {
    tool_id: ToolId,
    /// Of a component, which of its tools; absent: its only one.
    #[schema(value_type = Option<ExportName>)]
    export: Option<String>,
    /// They fit the `input_schema` of what is called, as it stands in the view of the tool.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Box<RawValue>>,
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
pub(super) struct TestView {
    success: bool,
    result: ToolResult,
    execution: Execution,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server): Path<ServerId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ToolView>>, Problem> {
    Ok(Json(state.service.tool_list(admin.caller(), server, page.into()).await?))
}

pub(super) async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    Path(server_id): Path<ServerId>,
    Json(Create { name, description, code, language, python_code, timeout_ms }): Json<Create>,
) -> Result<Created<ToolView>, Problem> {
    let code = GivenCode::required(code, language, python_code)?;
    let new = NewTool { server_id, name, description, code, timeout_ms };
    Ok(Created(state.service.tool_create(admin.caller(), new).await?))
}

pub(super) async fn get(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
) -> Result<Json<ToolView>, Problem> {
    Ok(Json(state.service.tool_get(admin.caller(), id).await?))
}

pub(super) async fn update(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Json(Update { name, description, code, language, python_code, enabled, disabled_tools, timeout_ms }): Json<Update>,
) -> Result<Json<ToolView>, Problem> {
    let code = GivenCode::of(code, language, python_code)?;
    let change = ToolChange { name, description, code, enabled, disabled_tools, timeout_ms };
    Ok(Json(state.service.tool_update(admin.caller(), id, change).await?))
}

pub(super) async fn delete(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
) -> Result<NoContent, Problem> {
    state.service.tool_delete(admin.caller(), id).await?;
    Ok(NoContent)
}

pub(super) async fn versions(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<VersionView>>, Problem> {
    Ok(Json(state.service.tool_versions(admin.caller(), id, page.into()).await?))
}

/// The calls of a tool, newest first.
pub(super) async fn logs(
    State(state): State<ApiState>,
    admin: Admin,
    Path(id): Path<ToolId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ExecutionView>>, Problem> {
    Ok(Json(state.service.tool_executions(admin.caller(), id, page.into()).await?))
}

pub(super) async fn validate_code(
    State(state): State<ApiState>,
    admin: Admin,
    Json(Code { code, language }): Json<Code>,
) -> Result<Json<CodeCheck>, Problem> {
    let code = GivenCode::required(Some(code), language, None)?;
    Ok(Json(state.service.code_validate(admin.caller(), &code).await?))
}

/// The guest is stopped when the client goes away.
pub(super) async fn test_code(
    State(state): State<ApiState>,
    admin: Admin,
    Extension(request_id): Extension<RequestId>,
    Json(Test { tool_id, export, arguments }): Json<Test>,
) -> Result<Json<TestView>, Problem> {
    let cancel = CancellationToken::new();
    let _gone = cancel.clone().drop_guard();
    let request = CallRequest { arguments, ..CallRequest::new(Entry::Tool(String::new()), request_id, cancel) };
    let answer = state.service.tool_test(admin.caller(), tool_id, export.as_deref(), request).await?;
    Ok(Json(TestView { success: !answer.is_error, result: answer.result, execution: answer.execution }))
}
