//! `mcpbox_get_tool_logs`: the last runs of a tool.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, tool_id};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;
use crate::service::logs::ExecutionView;

pub(super) struct GetToolLogs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    tool_id: String,
    #[serde(default = "usual")]
    limit: u64,
}

fn usual() -> u64 {
    10
}

#[derive(Serialize)]
struct Logs {
    logs: Vec<ExecutionView>,
}

impl Management for GetToolLogs {
    const NAME: &'static str = "mcpbox_get_tool_logs";
    const TITLE: &'static str = "Show a tool's runs";
    const DESCRIPTION: &'static str = "Shows the last runs of a tool, newest first: arguments, result or error with \
        its line, printed output, duration, fuel (CPU), peak memory, HTTP requests, who called. Secrets are blotted \
        out; what was too long to keep is named in `cut` and ends with how many bytes are missing. Use it to find out why a tool fails, then \
        mend it with mcpbox_update_tool.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": tool_id(),
                "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10,
                          "description": "How many runs"},
            }),
            &["tool_id"],
        )
    }

    fn output() -> Value {
        schema::answer(json!({"logs": {"type": "array", "items": schema::execution()}}), &["logs"])
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002", "limit": 5})
    }

    async fn run(call: Call<'_>, Arguments { tool_id, limit }: Arguments) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        let logs = call.service.tool_logs(call.caller, tool, limit).await?;
        Answered::of(&Logs { logs })
    }
}
