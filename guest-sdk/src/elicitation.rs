//! Schemas of forms. MCP allows a flat object there: texts, numbers, yes or no, choices and lists of choices.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::output::settings;

/// What a field of a form may say, beside its type.
const KNOWN: &[&str] = &[
    "title",
    "description",
    "default",
    "enum",
    "oneOf",
    "items",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
];
/// The formats of texts.
const FORMATS: &[&str] = &["email", "uri", "date", "date-time"];

/// The schema of a form with the fields of `T`.
///
/// # Errors
/// When `T` is no object, or has a field that no form can have.
pub(crate) fn schema<T: JsonSchema>() -> Result<Value> {
    let inline = settings().with(|settings| settings.inline_subschemas = true);
    let root = inline.into_generator().into_root_schema_for::<T>().to_value();
    let Some(properties) = root["properties"].as_object() else {
        return Err(Error::new("a form is made of a struct with named fields"));
    };
    let mut fields = Map::new();
    for (name, property) in properties {
        let field = field(property).ok_or_else(|| {
            let why = "is no text, number, yes or no, choice, or list of choices";
            Error::new(format!("a form cannot ask for `{name}`: it {why}"))
        })?;
        fields.insert(name.clone(), field);
    }
    let mut form = json!({"type": "object", "properties": fields});
    if let Some(required) = root.get("required") {
        form["required"] = required.clone();
    }
    Ok(form)
}

/// One field, without what forms do not know; an `Option` is a field that need not be there.
fn field(property: &Value) -> Option<Value> {
    let property = match property["anyOf"].as_array().map(Vec::as_slice) {
        Some([inner, null]) if null["type"] == "null" => &with_words(inner, property),
        _ => property,
    };
    let kind = match &property["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null")?.to_owned(),
        // Choices with descriptions of their own.
        Value::Null if property["oneOf"].is_array() => "string".to_owned(),
        _ => return None,
    };
    let mut field: Map<String, Value> = property.as_object()?.clone();
    field.retain(|key, _| KNOWN.contains(&key.as_str()));
    match kind.as_str() {
        "string" => {
            let format = property["format"].as_str().filter(|format| FORMATS.contains(format));
            field.extend(format.map(|format| ("format".to_owned(), json!(format))));
            if let Some(choices) = property["oneOf"].as_array() {
                let choices: Option<Vec<Value>> = choices.iter().flat_map(choice).collect();
                field.insert("oneOf".to_owned(), choices?.into());
            }
            if let Some(choices) = field.get_mut("enum").and_then(Value::as_array_mut) {
                choices.retain(Value::is_string);
            }
        }
        "number" | "integer" | "boolean" => {}
        "array" => {
            let items = &property["items"];
            if items["enum"].is_array() {
                field.insert("items".to_owned(), json!({"type": "string", "enum": items["enum"]}));
            } else {
                let choices: Option<Vec<Value>> = items["oneOf"].as_array()?.iter().flat_map(choice).collect();
                field.insert("items".to_owned(), json!({"anyOf": choices?}));
            }
        }
        _ => return None,
    }
    field.insert("type".to_owned(), kind.into());
    Some(field.into())
}

/// What stands in an `Option`, with the words that stand outside.
fn with_words(inner: &Value, outer: &Value) -> Value {
    let mut inner = inner.clone();
    for word in ["title", "description", "default"] {
        if let Some(said) = outer.get(word).filter(|said| !said.is_null()) {
            inner[word] = said.clone();
        }
    }
    inner
}

/// One or more choices of a `oneOf`, each with a title; none when it is something else.
fn choice(variant: &Value) -> Vec<Option<Value>> {
    if let Some(choices) = variant["enum"].as_array() {
        return choices.iter().map(|choice| Some(json!({"const": choice, "title": choice}))).collect();
    }
    let Some(value) = variant["const"].as_str() else { return vec![None] };
    let title = variant["title"].as_str().or(variant["description"].as_str()).unwrap_or(value);
    vec![Some(json!({"const": value, "title": title}))]
}
