//! `mcpbox_request_publish`: a person is asked to approve a tool.

use serde::Deserialize;
use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, tool_id};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::ApprovalStatus;
use crate::service::Error;

pub(super) struct RequestPublish;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    #[serde(default)]
    notes: Option<String>,
}

impl Management for RequestPublish {
    const NAME: &'static str = "mcpbox_request_publish";
    const TITLE: &'static str = "Ask for approval";
    const DESCRIPTION: &'static str = "Asks a person to approve a tool that is a draft or was rejected. You cannot \
        approve it yourself: tell the user that it waits in the approval queue. When it is approved, list the tools \
        again and call it; if it is not there, its server is stopped (mcpbox_start_server).";
    const EFFECT: Effect = Effect::Sets;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": tool_id(),
                "notes": {"type": "string", "description": "For the person who decides: what it is for and what it \
                                                            reaches"},
            }),
            &["tool_id"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::tool())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002", "notes": "Reads one public page"})
    }

    async fn run(call: Call<'_>, Arguments { tool_id, notes }: Arguments) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let tool = call.service.tool_submit(call.caller, tool, notes).await?;
        let message = match tool.approval_status {
            ApprovalStatus::Approved => format!(
                "Tool `{}` is approved. List the tools again and call it as `{}`.",
                tool.name, tool.gateway_name
            ),
            _ => format!("Tool `{}` waits for a person to approve it.", tool.name),
        };
        Answered::done(&tool, message)
    }
}
