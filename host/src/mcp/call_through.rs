//! `mcpbox_call_tool`: a call of another tool, for models whose list does not show it.
//!
//! It is no tool of its own. What it names is called in its place, on the one way that every call takes, with
//! the same answers. What is wrong with its own arguments, the name among them, the model reads as a result: the
//! tool that it called, this one, is there.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub const NAME: &str = "mcpbox_call_tool";

/// `Tool` of the schema.
pub fn line() -> &'static Value {
    static LINE: LazyLock<Value> = LazyLock::new(|| {
        json!({
            "name": NAME,
            "title": "Call a tool",
            "description": "Calls a tool by its name with its arguments, also one that the list does not show. Find \
                            tools, and the schemas of their arguments, with mcpbox_search_tools. The answer is that \
                            of the tool.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "The tool, such as `weather__forecast`"},
                    "arguments": {"type": "object", "description": "Its arguments, as its schema has them"},
                },
                "required": ["name"],
                "additionalProperties": false,
            },
            // What the tool can do is not known before it is named.
            "annotations": {
                "readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": true},
        })
    });
    &LINE
}

/// The call that arguments of this one stand for.
///
/// # Errors
/// What a model is told when they name no tool, or have arguments that are no object.
pub fn inner(arguments: Option<&RawValue>) -> Result<(String, Option<Box<RawValue>>), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
        #[serde(default)]
        arguments: Option<Box<RawValue>>,
    }
    let text = arguments.map_or("{}", RawValue::get);
    let Inner { name, arguments } = serde_json::from_str(text)
        .map_err(|error| format!("the arguments of `{NAME}` are `name` and `arguments`: {error}"))?;
    if name == NAME {
        return Err(format!("`{NAME}` calls another tool, not itself"));
    }
    if arguments.as_ref().is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(format!("`arguments` of `{NAME}` must be an object, the arguments of `{name}`"));
    }
    Ok((name, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_stands_for_is_a_name_and_an_object() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let (name, arguments) = inner(Some(&raw(r#"{"name":"a__b","arguments":{"x":1}}"#))).expect("a call");
        assert_eq!((name.as_str(), arguments.as_deref().map(RawValue::get)), ("a__b", Some(r#"{"x":1}"#)));
        assert!(inner(Some(&raw(r#"{"name":"a__b"}"#))).is_ok_and(|(_, arguments)| arguments.is_none()));
        for bad in [
            "{}",
            r#"{"name":7}"#,
            r#"{"name":"a","arguments":[]}"#,
            r#"{"name":"a","x":1}"#,
            r#"{"name":"mcpbox_call_tool","arguments":{"name":"a"}}"#,
        ] {
            assert!(inner(Some(&raw(bad))).is_err_and(|message| message.contains(NAME)), "{bad}");
        }
        assert!(inner(None).is_err());
        assert!(jsonschema::draft202012::new(&line()["inputSchema"]).is_ok());
    }
}
