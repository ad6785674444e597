//! `mcpbox_search_tools`: finds tools that the list does not show.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::service::Error;
use crate::service::catalogue::ListedTool;

pub(super) struct SearchTools;

/// Bytes of tools that an answer holds; further ones are counted.
const ANSWER_BYTES: u64 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    query: String,
    #[serde(default = "usual")]
    limit: usize,
}

fn usual() -> usize {
    10
}

#[derive(Serialize)]
struct Found<'a> {
    tools: Vec<Line<'a>>,
    total: usize,
    message: String,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    description: &'a str,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_schema: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    fn of(tool: &'a ListedTool) -> Self {
        Self {
            name: &tool.name,
            title: tool.title.as_deref(),
            description: &tool.description,
            input_schema: tool.fitted.input.as_deref().unwrap_or(&tool.input_schema),
            output_schema: tool.fitted.output.as_deref().or(tool.output_schema.as_deref()),
        }
    }
}

impl Management for SearchTools {
    const NAME: &'static str = "mcpbox_search_tools";
    const TITLE: &'static str = "Search the tools";
    const DESCRIPTION: &'static str = "Finds tools by words of what they do, the best fit first, with the schemas of \
        their arguments. There can be more tools than the list shows. Call what you find with mcpbox_call_tool.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "query": {"type": "string", "minLength": 1, "maxLength": 500,
                          "description": "Words of what the tool is for, such as `weather forecast`"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10,
                          "description": "How many tools at most"},
            }),
            &["query"],
        )
    }

    fn output() -> Value {
        let tool = schema::answer(
            json!({
                "name": {"type": "string", "description": "What to give mcpbox_call_tool"},
                "title": {"type": "string"},
                "description": {"type": "string"},
                "input_schema": {"type": "object"},
                "output_schema": {"type": ["object", "boolean"]},
            }),
            &["name", "description", "input_schema"],
        );
        schema::answer(
            json!({
                "tools": {"type": "array", "items": tool},
                "total": {"type": "integer", "description": "How many fit in all"},
                "message": {"type": "string"},
            }),
            &["tools", "total", "message"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"query": "weather forecast", "limit": 5})
    }

    async fn run(call: Call<'_>, Arguments { query, limit }: Arguments) -> Result<Answered, Error> {
        let found = call.service.tool_search(call.caller, &query, limit).await?;
        let mut left = ANSWER_BYTES;
        let fits = |tool: &&std::sync::Arc<ListedTool>| {
            let size = tool.size_bytes();
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        };
        let tools: Vec<Line<'_>> = found.tools.iter().take_while(fits).map(|tool| Line::of(tool)).collect();
        let message = match (tools.len(), found.total) {
            (_, 0) => "no tool fits; try other words, or fewer".to_owned(),
            (shown, total) if shown < total => {
                format!("{shown} of {total} that fit; if none of them is the one, use more words")
            }
            _ => "call one with mcpbox_call_tool".to_owned(),
        };
        Answered::of(&Found { tools, total: found.total, message })
    }
}
