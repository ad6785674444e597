//! `mcpbox_get_tool`: one tool with its code.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;

pub(super) struct GetTool;

/// The argument of every tool that is about one tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolArgument {
    pub(super) tool_id: String,
}

/// The schema of [`ToolArgument`].
pub(super) fn tool_argument() -> Value {
    schema::arguments(json!({"tool_id": tool_id()}), &["tool_id"])
}

/// How a tool is named among arguments.
pub(super) fn tool_id() -> Value {
    json!({"type": "string", "description": "The tool's id, from mcpbox_list_tools or mcpbox_create_tool"})
}

/// Where a model finds a tool's id.
pub(super) const TOOL_IDS: &str = "mcpbox_list_tools";

impl Management for GetTool {
    const NAME: &'static str = "mcpbox_get_tool";
    const TITLE: &'static str = "Show a tool";
    const DESCRIPTION: &'static str = "Shows one tool: its code, or the tools that a component exports, with their schemas; its approval status \
        and, when it was rejected, why. Read it before you change it with mcpbox_update_tool.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = ToolArgument;

    fn input() -> Value {
        tool_argument()
    }

    fn output() -> Value {
        schema::tool()
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002"})
    }

    async fn run(call: Call<'_>, ToolArgument { tool_id }: ToolArgument) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        Answered::of(&call.service.tool_get(call.caller, tool).await?)
    }
}
