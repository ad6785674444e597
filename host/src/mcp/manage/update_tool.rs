//! `mcpbox_update_tool`: a tool changes; a new version, where code or name change.

use serde::Deserialize;
use serde_json::{Value, json};

use super::create_tool::{name, timeout_ms};
use super::get_tool::{TOOL_IDS, tool_id};
use super::validate_code::{about_modules, code, language, python_code};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::{ApprovalStatus, Language};
use crate::service::Error;
use crate::service::code::GivenCode;
use crate::service::tools::ToolChange;

pub(super) struct UpdateTool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    python_code: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

impl Management for UpdateTool {
    const NAME: &'static str = "mcpbox_update_tool";
    const TITLE: &'static str = "Change a tool";
    const DESCRIPTION: &'static str = "Changes a tool; leave out what stays. A change of the code makes a new version \
        that a person must approve again (mcpbox_request_publish). Read the tool with mcpbox_get_tool first.";
    const EFFECT: Effect = Effect::Sets;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": tool_id(),
                "name": name(),
                "description": {"type": "string", "description": "What it does, for the models that will call it"},
                "code": code(),
                "language": language(),
                "python_code": python_code(),
                "enabled": {"type": "boolean", "description": "False takes it off the list of tools"},
                "timeout_ms": timeout_ms(),
            }),
            &["tool_id"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::tool())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "tool_id": "01990000-0000-7000-8000-000000000002",
            "name": "forecast",
            "description": "Tomorrow's weather",
            "code": "async def main(city: str) -> str:\n    return city\n",
            "language": "python",
            "python_code": null,
            "enabled": true,
            "timeout_ms": 10_000,
        })
    }

    async fn run(call: Call<'_>, arguments: Arguments) -> Result<Answered, Error> {
        let Arguments { tool_id, name, description, code, language, python_code, enabled, timeout_ms } = arguments;
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let code = GivenCode::of(code, language, python_code)?;
        let change = ToolChange { name, description, code, enabled, disabled_tools: None, timeout_ms };
        let tool = call.service.tool_update(call.caller, tool, change).await?;
        let next = match tool.approval_status {
            ApprovalStatus::Approved => "It stays approved.",
            ApprovalStatus::PendingReview if tool.live_version.is_some() => {
                "It waits for a person to approve it; the approved version answers until then."
            }
            ApprovalStatus::PendingReview => "It waits for a person to approve it; nobody can call it until then.",
            ApprovalStatus::Draft | ApprovalStatus::Rejected => "Ask for approval with mcpbox_request_publish.",
        };
        let modules = about_modules(&tool);
        let message = format!("Tool `{}` is at version {}.{modules} {next}", tool.name, tool.current_version);
        Answered::done(&tool, message)
    }
}
