//! What the tools have in common by which a model asks a person for something, for one or several of its tools.

use serde_json::{Value, json};

use super::get_tool::TOOL_IDS;
use super::{id, schema};
use crate::domain::ids::ToolId;
use crate::service::Error;

/// The arguments: for which tools, what (`wanted`, of which `required` is needed), and why. `purpose` is what the
/// justification has to say.
pub(super) fn arguments(wanted: &Value, required: &str, purpose: &str) -> Value {
    let mut properties = json!({
        "tool_id": {"type": "string", "description": "The tool's id"},
        "tool_ids": {"type": "array", "items": {"type": "string", "description": "A tool's id"}, "maxItems": 50,
                     "description": "Several tools, in place of tool_id: for all of them, or for none"},
        "justification": {"type": "string", "minLength": 10, "maxLength": 2000,
                          "description": format!("For the person who decides: {purpose}")},
    });
    for (name, property) in wanted.as_object().into_iter().flatten() {
        properties[name] = property.clone();
    }
    schema::arguments(properties, &[required, "justification"])
}

/// The tools that are meant: `tool_id`, and those of `several`.
///
/// # Errors
/// That names the argument, when there is none or one of them is no id.
pub(super) fn tool_ids(one: Option<String>, several: &[String]) -> Result<Vec<ToolId>, Error> {
    let mut ids = Vec::new();
    if let Some(one) = &one {
        ids.push(id("tool_id", one, TOOL_IDS)?);
    }
    for (at, text) in several.iter().enumerate() {
        ids.push(id(&format!("tool_ids/{at}"), text, TOOL_IDS)?);
    }
    if ids.is_empty() {
        return Err(Error::invalid("/tool_id", "say which tool asks; take its id from mcpbox_list_tools"));
    }
    Ok(ids)
}
