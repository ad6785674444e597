//! `mcpbox_rollback_tool`: an old version of a tool becomes the newest again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, tool_id};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::ApprovalStatus;
use crate::service::Error;

pub(super) struct RollbackTool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    version: i32,
}

impl Management for RollbackTool {
    const NAME: &'static str = "mcpbox_rollback_tool";
    const TITLE: &'static str = "Go back to a version";
    const DESCRIPTION: &'static str = "Makes a new version of a tool with the content of an old one: name, \
        description, code, schemas, time limit and what it asks for. It has to be approved like any change, and the \
        live version answers until then. mcpbox_list_tool_versions lists what there is.";
    const EFFECT: Effect = Effect::Sets;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": tool_id(),
                "version": {"type": "integer", "minimum": 1, "maximum": i32::MAX,
                            "description": "The number of the version, from mcpbox_list_tool_versions"},
            }),
            &["tool_id", "version"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::tool())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002", "version": 1})
    }

    async fn run(call: Call<'_>, Arguments { tool_id, version }: Arguments) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let tool = call.service.tool_rollback(call.caller, tool, version).await?;
        let next = match tool.approval_status {
            ApprovalStatus::Approved => "It is approved.",
            ApprovalStatus::PendingReview => "It waits for a person to approve it.",
            ApprovalStatus::Draft | ApprovalStatus::Rejected => "Ask for approval with mcpbox_request_publish.",
        };
        let message = format!(
            "Tool `{}` is at version {}, as it was in version {version}. {next}",
            tool.name, tool.current_version
        );
        Answered::done(&tool, message)
    }
}
