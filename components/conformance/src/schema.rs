//! Tools whose point is the schema of their arguments.

use mcpbox_sdk::{Content, Description, Tool, ToolError, ToolResult, tool};

/// Has an argument that clients mirror in a header.
#[tool]
pub(crate) fn test_custom_header(
    /// Where to look.
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: &str,
    /// How many to take.
    #[default(1)]
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: i32,
) -> Content {
    Content::text(format!("{count} of {region}"))
}

/// Has a schema with keywords that no Rust type gives.
#[allow(non_camel_case_types, reason = "named like the tools that are functions")]
pub(crate) struct json_schema_2020_12_tool;

const SCHEMA: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"}
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": false
}"##;

impl Tool for json_schema_2020_12_tool {
    const NAME: &'static str = "json_schema_2020_12_tool";

    fn describe() -> Description {
        Description {
            name: Self::NAME.to_owned(),
            title: None,
            description: "Tool with JSON Schema 2020-12 features".to_owned(),
            input_schema: SCHEMA.to_owned(),
            output_schema: None,
            annotations: None,
        }
    }

    fn call(arguments: &str) -> Result<ToolResult, ToolError> {
        Ok(ToolResult::new([Content::text(arguments)]))
    }
}
