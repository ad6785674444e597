//! Definitions of external tools: from a source's list to the lines that are kept, and to what a person
//! approves.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Error;
use crate::db::external_mcp_tools::ExternalTool;
use crate::domain::component::Export;
use crate::domain::ids::SourceId;
use crate::domain::source::Definition;
use crate::domain::tool::ToolKind;
use crate::domain::version::VersionContent;

/// A list as it is kept, each line with its definition if it can be imported.
pub(super) fn read(source: SourceId, offered: &[Value], now: DateTime<Utc>) -> Vec<(ExternalTool, Option<Definition>)> {
    let mut names = std::collections::BTreeSet::new();
    let mut list = Vec::with_capacity(offered.len());
    for (position, tool) in offered.iter().enumerate() {
        let read = Definition::read(tool);
        let mut name = match (&read, tool.get("name").and_then(Value::as_str)) {
            (Ok(definition), _) => definition.name.clone(),
            (Err(_), Some(name)) => name.chars().filter(|c| !c.is_control()).take(128).collect(),
            (Err(_), None) => String::new(),
        };
        let mut read = read.map_err(|error| error.to_string());
        if !names.insert(name.clone()) || name.is_empty() {
            read = Err("it has no name of its own in the list".to_owned());
            name = format!("(tool {} of the list)", position + 1);
        }
        let (pinned, problem) = match &read {
            Ok(definition) => (Some(definition.pinned(source)), None),
            Err(problem) => (None, Some(problem.chars().take(500).collect())),
        };
        let row = ExternalTool {
            source_id: source,
            name,
            position: i32::try_from(position).unwrap_or(i32::MAX),
            offered: true,
            digest: pinned.as_ref().map(|pinned| pinned.digest),
            definition: pinned.map(|pinned| pinned.text).unwrap_or_default(),
            problem,
            tool_id: None,
            description: read.as_ref().map(|definition| definition.description.clone()).unwrap_or_default(),
            changed_at: now,
        };
        list.push((row, read.ok()));
    }
    list
}

/// A pinned definition as the source would send it.
pub(super) fn as_tool(written: &Value) -> Value {
    json!({
        "name": written["tool"],
        "title": written["title"],
        "description": written["description"],
        "inputSchema": written["input_schema"],
        "outputSchema": written["output_schema"],
        "annotations": written["annotations"],
    })
}

/// What a person approves of an imported tool.
pub(super) fn of_definition(
    own: &str,
    source: SourceId,
    definition: &Definition,
    timeout_ms: Option<u64>,
) -> VersionContent {
    let mut content = VersionContent {
        kind: ToolKind::McpPassthrough,
        name: own.to_owned(),
        description: definition.description.clone(),
        source_digest: definition.pinned(source).digest,
        timeout_ms,
        input_schema: definition.input_schema.to_string(),
        output_schema: definition.output_schema.as_ref().map(Value::to_string),
        exports: Vec::new(),
        hosts: Vec::new(),
        modules: Vec::new(),
        secret_names: Vec::new(),
    };
    content.exports.push(Export {
        name: String::new(),
        title: definition.title.clone(),
        description: String::new(),
        input_schema: content.input_schema.clone(),
        output_schema: content.output_schema.clone(),
        annotations: definition.annotations,
    });
    renamed(&mut content);
    content
}

/// Keeps the one export of an imported tool called and described as the tool is.
pub(super) fn renamed(content: &mut VersionContent) {
    if content.kind == ToolKind::McpPassthrough {
        for export in &mut content.exports {
            export.name.clone_from(&content.name);
            export.description.clone_from(&content.description);
        }
    }
}

/// Refuses code for an imported tool: what it does is elsewhere.
///
/// # Errors
/// [`Error::Invalid`] at `pointer`.
pub(super) fn keeps_definition(content: &VersionContent, pointer: &str) -> Result<(), Error> {
    match content.kind {
        ToolKind::McpPassthrough => {
            Err(Error::invalid(pointer, "this tool belongs to an external source and has no code of its own"))
        }
        _ => Ok(()),
    }
}
