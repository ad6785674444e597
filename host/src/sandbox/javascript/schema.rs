//! JSON Schemas as values: how they are put together and changed.

use serde_json::{Map, Value, json};

/// The schema of an object.
pub(super) fn object(properties: Map<String, Value>, required: Vec<String>, additional: Option<Value>) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(additional) = additional {
        schema["additionalProperties"] = additional;
    }
    schema
}

pub(super) fn describe(schema: &mut Value, text: &str) {
    if !text.is_empty() {
        schema["description"] = json!(text);
    }
}

pub(super) fn any_of(mut schemas: Vec<Value>) -> Value {
    schemas.dedup();
    match schemas.len() {
        0 => json!({}),
        1 => schemas.remove(0),
        // What allows everything allows it beside others, too.
        _ if schemas.iter().any(|one| *one == json!({})) => json!({}),
        _ => json!({"anyOf": schemas}),
    }
}

/// Values as an `enum`, with their type when they have one in common.
pub(super) fn choice(values: Vec<Value>) -> Value {
    if values.iter().all(Value::is_string) {
        json!({"type": "string", "enum": values})
    } else if values.iter().all(Value::is_number) {
        json!({"type": "number", "enum": values})
    } else {
        json!({"enum": values})
    }
}

/// A number as JSON writes it: whole ones without a fraction.
pub(super) fn number(value: f64) -> Value {
    // The cast is exact: doubles of this size are whole numbers.
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

/// Puts the properties of another object schema into the first.
pub(super) fn merge(into: &mut Value, other: Value) {
    let required: Vec<Value> =
        [&*into, &other].iter().flat_map(|one| one["required"].as_array()).flatten().cloned().collect();
    let Value::Object(other) = other else { return };
    for (name, value) in other {
        if name == "properties" {
            if let (Some(all), Value::Object(more)) = (into.get_mut("properties").and_then(Value::as_object_mut), value)
            {
                all.extend(more);
            }
        } else if name != "required" {
            into[name] = value;
        }
    }
    if !required.is_empty() {
        into["required"] = json!(required);
    }
}

/// What the utility types of TypeScript make of an object; `names` is an `enum`.
pub(super) fn changed(utility: &str, mut schema: Value, names: Option<Value>) -> Value {
    let names: Vec<String> = names
        .and_then(|names| names["enum"].as_array().cloned())
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let keep = |name: &str| match utility {
        "Pick" => names.iter().any(|one| one == name),
        "Omit" => !names.iter().any(|one| one == name),
        _ => true,
    };
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return schema };
    properties.retain(|name, _| keep(name));
    let all: Vec<String> = properties.keys().cloned().collect();
    let required: Vec<String> = match utility {
        "Partial" => Vec::new(),
        "Required" => all,
        _ => schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .filter(|name| keep(name))
            .collect(),
    };
    if let Some(object) = schema.as_object_mut() {
        object.remove("required");
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
    }
    schema
}
