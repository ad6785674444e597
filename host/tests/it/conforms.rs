//! Holds what the API answers to what its OpenAPI document says, in every test that speaks to it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use mcpbox::api::openapi;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The schemas that were met, by where they stand in the document.
static MET: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The address in the document that stands for this one; that with the fewest names for two.
pub fn template(path: &str) -> Option<&'static str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let all = openapi::document()["paths"].as_object().expect("there are paths");
    let fits = |template: &&String| {
        let (mut parts, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (parts.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(given)) if part == given || (part.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    };
    all.keys().filter(fits).min_by_key(|template| template.matches('{').count()).map(String::as_str)
}

/// Follows a reference within the document.
pub fn resolved(part: &'static Value) -> &'static Value {
    match part["$ref"].as_str() {
        Some(target) => {
            openapi::document().pointer(target.trim_start_matches('#')).expect("a reference leads somewhere")
        }
        None => part,
    }
}

/// What an answer breaks of the document; nothing for addresses and methods that are not in it.
pub fn fault(method: &Method, path: &str, status: StatusCode, headers: &HeaderMap, body: &str) -> Option<String> {
    let template = template(path)?;
    let operation = &openapi::document()["paths"][template][method.as_str().to_lowercase()];
    if !operation.is_object() {
        return None;
    }
    let at = format!("{method} {template} {}", status.as_u16());
    let Some(response) = operation["responses"].get(status.as_str()) else {
        return Some(format!("{at}: the document has no such answer: {body}"));
    };
    let contents = &resolved(response)["content"];
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    match contents.as_object() {
        None if body.is_empty() => return None,
        None => return Some(format!("{at}: the document has no content for it: {body}")),
        Some(contents) if !contents.contains_key(kind) => return Some(format!("{at}: the document has no `{kind}`")),
        Some(_) if !kind.ends_with("json") => return None,
        Some(_) => {}
    }
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => return Some(format!("{at}: no JSON: {error}")),
    };
    let validator = validator(format!("{at} {kind}"), &contents[kind]["schema"]);
    let faults: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    (!faults.is_empty()).then(|| format!("{at}: {}\n{value:#}", faults.join("; ")))
}

fn validator(at: String, schema: &Value) -> Arc<Validator> {
    let mut met = MET.lock().expect("nobody panics with it");
    let made = met.entry(at).or_insert_with(|| {
        let whole = json!({"components": openapi::document()["components"], "allOf": [schema]});
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&whole);
        Arc::new(validator.expect("a schema of the document"))
    });
    Arc::clone(made)
}
