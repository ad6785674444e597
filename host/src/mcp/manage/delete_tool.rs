//! `mcpbox_delete_tool`: a tool goes, with its versions and requests.

use serde::Serialize;
use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, ToolArgument, tool_argument};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::ids::ToolId;
use crate::service::Error;

pub(super) struct DeleteTool;

#[derive(Serialize)]
struct Deleted {
    id: ToolId,
}

impl Management for DeleteTool {
    const NAME: &'static str = "mcpbox_delete_tool";
    const TITLE: &'static str = "Delete a tool";
    const DESCRIPTION: &'static str = "Deletes a tool with all its versions, its approval and its requests, for good; \
        only the log of past calls stays. Ask the user first. To take it off the list and keep it, use \
        mcpbox_update_tool with `enabled` false.";
    const EFFECT: Effect = Effect::Removes;
    type Arguments = ToolArgument;

    fn input() -> Value {
        tool_argument()
    }

    fn output() -> Value {
        schema::done(&schema::answer(json!({"id": {"type": "string"}}), &["id"]))
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002"})
    }

    async fn run(call: Call<'_>, ToolArgument { tool_id }: ToolArgument) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        call.service.tool_delete(call.caller, tool).await?;
        let message = "The tool is deleted. Clients have to list the tools again.".to_owned();
        Answered::done(&Deleted { id: tool }, message)
    }
}
