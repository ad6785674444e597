//! `mcpbox_import_external_tools`: what another MCP server offers becomes tools of ours.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::add_external_source::SOURCE_IDS;
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;
use crate::service::external_mcp_tools::ImportedView;

pub(super) struct ImportExternalTools;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    source_id: String,
    tool_names: Vec<String>,
}

#[derive(Serialize)]
struct Imported {
    results: Vec<ImportedView>,
}

impl Management for ImportExternalTools {
    const NAME: &'static str = "mcpbox_import_external_tools";
    const TITLE: &'static str = "Import external tools";
    const DESCRIPTION: &'static str = "Makes tools of what an external source offers, named `source_tool`, each as a \
        draft: ask for its review with mcpbox_request_publish. Calls of it are passed on to the source once a person \
        has approved it. Names come from mcpbox_discover_external_tools.";
    const EFFECT: Effect = Effect::Sets;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "source_id": {"type": "string", "description": "The source's id"},
                "tool_names": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
                               "description": "As the source calls them"},
            }),
            &["source_id", "tool_names"],
        )
    }

    fn output() -> Value {
        let mut tool = schema::tool();
        tool["type"] = json!(["object", "null"]);
        let result = schema::answer(
            json!({
                "name": {"type": "string"},
                "outcome": {"type": "string", "enum": ["imported", "updated", "unchanged", "failed"]},
                "message": {"type": ["string", "null"], "description": "Why it failed"},
                "tool": tool,
            }),
            &["name", "outcome"],
        );
        schema::done(&schema::answer(json!({"results": {"type": "array", "items": result}}), &["results"]))
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"source_id": "01990000-0000-7000-8000-000000000004", "tool_names": ["list_issues"]})
    }

    async fn run(call: Call<'_>, Arguments { source_id, tool_names }: Arguments) -> Result<Answered, Error> {
        let source = id("source_id", &source_id, SOURCE_IDS)?;
        let results = call.service.source_import(call.caller, source, tool_names).await?;
        let failed = results.iter().filter(|result| result.outcome == "failed").count();
        let message = match failed {
            0 => "Ask for the review of each with mcpbox_request_publish.".to_owned(),
            _ => format!("{failed} could not be imported; their messages say why."),
        };
        Answered::done(&Imported { results }, message)
    }
}
