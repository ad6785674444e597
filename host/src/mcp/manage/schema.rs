//! The few shapes of JSON Schema that the management tools need.

use serde_json::{Map, Value, json};

use super::validate_code::modules_to_request;

/// An object that has these members and no others.
pub(super) fn arguments(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Writes whole numbers as such where the schema asks for one: to JSON Schema `10.0` is one too, to a program it is
/// not.
pub(super) fn make_whole(schema: &Value, value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => {
            let takes =
                |kind: &Value| kind == "integer" || kind.as_array().is_some_and(|all| all.contains(&json!("integer")));
            let given = number.as_f64().filter(|given| number.is_f64() && given.fract() == 0.0 && given.abs() < EXACT);
            if let Some(given) = given.filter(|_| schema.get("type").is_some_and(takes)) {
                // Whole, and smaller than what is exact.
                *number = (given as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| make_whole(&schema["items"], item)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, member)| make_whole(&schema["properties"][name], member));
        }
        _ => {}
    }
}

/// An object of an answer. More members may come with later versions.
pub(super) fn answer(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// The answer of a tool that makes or changes a thing: the thing's members, and what to do next.
pub(super) fn done(thing: &Value) -> Value {
    let mut properties = thing.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties.insert("success".to_owned(), json!({"type": "boolean"}));
    properties.insert("message".to_owned(), json!({"type": "string", "description": "What to do next"}));
    let mut required = names(thing);
    required.extend(["success".into(), "message".into()]);
    json!({"type": "object", "properties": properties, "required": required})
}

/// One page of things, under `name`.
pub(super) fn page(name: &str, thing: &Value) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({"type": "array", "items": thing}));
    for count in ["total", "page", "page_size", "pages"] {
        properties.insert(count.to_owned(), json!({"type": "integer"}));
    }
    answer(Value::Object(properties), &[name, "total", "page", "page_size", "pages"])
}

/// The arguments that choose a page; `most` is the largest page.
pub(super) fn paging() -> [(&'static str, Value); 2] {
    [
        (
            "page",
            json!({"type": "integer", "minimum": 1, "maximum": i32::MAX, "default": 1,
                        "description": "Which page, from 1"}),
        ),
        (
            "page_size",
            json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 50, "description": "How many on a page"}),
        ),
    ]
}

/// `ServerView`.
pub(super) fn server() -> Value {
    answer(
        json!({
            "id": {"type": "string"},
            "name": {"type": "string"},
            "description": {"type": "string"},
            "status": {"type": "string", "enum": ["running", "stopped"]},
            "tool_count": {"type": "integer"},
            "default_timeout_ms": {"type": ["integer", "null"]},
            "allowed_hosts": {"type": "array", "items": {"type": "string"}},
            "pending_requests": {
                "type": "object",
                "description": "How many requests wait for a person",
                "properties": {"modules": {"type": "integer"}, "network": {"type": "integer"}},
            },
            "created_at": {"type": "string"},
            "updated_at": {"type": "string"},
        }),
        &["id", "name", "status"],
    )
}

/// `ToolView`.
pub(super) fn tool() -> Value {
    answer(
        json!({
            "id": {"type": "string"},
            "server_id": {"type": "string"},
            "server_name": {"type": "string"},
            "name": {"type": "string"},
            "gateway_name": {"type": "string", "description": "The name under which it is called once it is approved"},
            "description": {"type": ["string", "null"]},
            "enabled": {"type": "boolean"},
            "approval_status": {"type": "string", "enum": ["draft", "pending_review", "approved", "rejected"]},
            "current_version": {"type": "integer"},
            "live_version": {"type": ["integer", "null"], "description": "The approved version that calls run"},
            "timeout_ms": {"type": ["integer", "null"]},
            "rejection_reason": {"type": ["string", "null"]},
            "input_schema": {"type": "object"},
            "output_schema": {"type": ["object", "boolean", "null"]},
            "language": {"type": ["string", "null"]},
            "code": {"type": ["string", "null"]},
            "python_code": {"type": ["string", "null"]},
            "kind": {"type": "string", "enum": ["python_code", "javascript_code", "component", "mcp_passthrough"]},
            "exports": {
                "type": "array",
                "description": "The tools of a component, each called by its gateway_name; absent for code",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "gateway_name": {"type": "string"},
                        "description": {"type": "string"},
                        "enabled": {"type": "boolean"},
                        "input_schema": {"type": "object"},
                        "output_schema": {"type": ["object", "boolean"]},
                    },
                },
            },
            "component": {"type": "object", "description": "What a component imports and could use if granted"},
            "modules": {"type": "array", "items": {"type": "string"},
                        "description": "What it asks for beyond mcpbox_get_server_modules"},
            "modules_to_request": modules_to_request(),
        }),
        &["id", "server_id", "name", "approval_status", "current_version"],
    )
}

/// `NetworkRequestView`.
pub(super) fn network_request() -> Value {
    request(json!({
        "host": {"type": "string"},
        "port": {"type": ["integer", "null"], "description": "None: any"},
    }))
}

/// `ModuleRequestView`.
pub(super) fn module_request() -> Value {
    request(json!({"module_name": {"type": "string"}}))
}

/// The answer of a tool that asks for something for several tools at once.
pub(super) fn requests(request: Value) -> Value {
    done(&answer(json!({"requests": {"type": "array", "items": request}}), &["requests"]))
}

fn request(wanted: Value) -> Value {
    let mut request = answer(
        json!({
            "id": {"type": "string"},
            "tool_id": {"type": ["string", "null"]},
            "tool_name": {"type": ["string", "null"]},
            "justification": {"type": "string"},
            "status": {"type": "string", "enum": ["pending", "approved", "rejected"]},
            "rejection_reason": {"type": ["string", "null"]},
            "created_at": {"type": "string"},
        }),
        &["id", "status"],
    );
    for (name, property) in wanted.as_object().into_iter().flatten() {
        request["properties"][name] = property.clone();
    }
    request
}

/// `SourceView`.
pub(super) fn source() -> Value {
    answer(
        json!({
            "id": {"type": "string"},
            "server_id": {"type": "string"},
            "name": {"type": "string"},
            "url": {"type": "string"},
            "transport_type": {"type": "string", "enum": ["streamable_http", "sse"]},
            "auth_type": {"type": "string", "enum": ["none", "bearer", "header", "oauth"]},
            "auth_secret_name": {"type": ["string", "null"]},
            "auth_header_name": {"type": ["string", "null"]},
            "status": {"type": "string", "enum": ["active", "error", "disabled"]},
            "problem": {"type": ["string", "null"], "description": "What went wrong the last time that it was asked"},
            "awaits_approval": {"type": "boolean", "description": "Whether a person has still to allow it"},
            "oauth_connected": {"type": "boolean", "description": "Whether somebody has logged in there"},
            "tool_count": {"type": "integer"},
            "last_discovered_at": {"type": ["string", "null"]},
        }),
        &["id", "server_id", "name", "url", "status", "tool_count"],
    )
}

/// `ExecutionView`.
pub(super) fn execution() -> Value {
    answer(
        json!({
            "id": {"type": "string"},
            "version_id": {"type": "string"},
            "tool_name": {"type": "string", "description": "The name that was called"},
            "caller": {"type": "string"},
            "is_test": {"type": "boolean"},
            "started_at": {"type": "string"},
            "arguments": {"description": "JSON; a text when it was cut"},
            "result": {"description": "JSON; a text when it was cut"},
            "error": {"type": ["string", "null"]},
            "stdout": {"type": "string"},
            "arguments_bytes": {"type": "integer", "description": "Size of the whole, also where less was kept"},
            "result_bytes": {"type": "integer"},
            "stdout_bytes": {"type": "integer"},
            "cut": {"type": "array", "items": {"type": "string"},
                    "description": "What was not kept whole: arguments, result, error, stdout, log_lines"},
            "outcome": {"type": "string"},
            "success": {"type": "boolean"},
            "duration_ms": {"type": "number"},
            "fuel": {"type": "integer", "description": "What it computed, in units of the CPU budget"},
            "peak_memory_bytes": {"type": "integer"},
            "http_requests": {"type": "integer"},
            "http_sent_bytes": {"type": "integer"},
            "http_received_bytes": {"type": "integer"},
        }),
        &["id", "tool_name", "arguments", "success", "outcome", "duration_ms", "fuel", "peak_memory_bytes", "cut"],
    )
}

fn names(thing: &Value) -> Vec<Value> {
    thing.get("required").and_then(Value::as_array).cloned().unwrap_or_default()
}
