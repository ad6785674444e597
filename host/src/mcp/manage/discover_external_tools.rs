//! `mcpbox_discover_external_tools`: what another MCP server offers now.

use serde::Deserialize;
use serde_json::{Value, json};

use super::add_external_source::SOURCE_IDS;
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;

pub(super) struct DiscoverExternalTools;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    source_id: String,
}

impl Management for DiscoverExternalTools {
    const NAME: &'static str = "mcpbox_discover_external_tools";
    const TITLE: &'static str = "Discover external tools";
    const DESCRIPTION: &'static str = "Asks an external source for its tools and keeps the list. Tools that were \
        imported and are defined differently now get a new version, which waits for a person; until then they are \
        not called. Go on with mcpbox_import_external_tools.";
    const EFFECT: Effect = Effect::Asks;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(json!({"source_id": {"type": "string", "description": "The source's id"}}), &["source_id"])
    }

    fn output() -> Value {
        let tool = schema::answer(
            json!({
                "name": {"type": "string", "description": "As the source calls it; what import takes"},
                "own_name": {"type": "string", "description": "What it is called here once it is imported"},
                "title": {"type": ["string", "null"]},
                "description": {"type": "string"},
                "input_schema": {"type": ["object", "null"]},
                "output_schema": {"type": ["object", "null"]},
                "problem": {"type": ["string", "null"], "description": "Why it cannot be imported"},
                "tool_id": {"type": ["string", "null"], "description": "What was imported from it"},
            }),
            &["name", "own_name", "description"],
        );
        let ids = json!({"type": "array", "items": {"type": "string"}});
        schema::answer(
            json!({
                "source_id": {"type": "string"},
                "tool_count": {"type": "integer"},
                "changed_tools": ids,
                "gone_tools": ids,
                "tools": {"type": "array", "items": tool, "description": "The first hundred"},
            }),
            &["source_id", "tool_count", "changed_tools", "gone_tools", "tools"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"source_id": "01990000-0000-7000-8000-000000000004"})
    }

    async fn run(call: Call<'_>, Arguments { source_id }: Arguments) -> Result<Answered, Error> {
        let source = id("source_id", &source_id, SOURCE_IDS)?;
        Answered::of(&call.service.source_discover(call.caller, source).await?)
    }
}
