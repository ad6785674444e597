//! Arguments that a modern client repeats in `Mcp-Param-*` headers, because the tool's schema asks
//! for it by `x-mcp-header`.
//!
//! Which arguments those are is read from a schema once; each call is then compared. A schema whose
//! marks break the rules (2026-07-28, "Schema Extension") mirrors nothing: clients drop such a tool.

use axum::http::{HeaderMap, HeaderName};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::Failure;
use super::headers::{decode, refused, single};

/// One argument that is repeated in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    header: String,
    /// The members that lead to the argument.
    path: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
}

const MARK: &str = "x-mcp-header";

/// The arguments that `schema` wants repeated. None when it wants none or asks wrongly.
pub fn mirrors(schema: &RawValue) -> Vec<Mirror> {
    // Nearly no schema has the mark: look before parsing.
    if !schema.get().contains(MARK) {
        return Vec::new();
    }
    let Ok(Value::Object(schema)) = serde_json::from_str(schema.get()) else { return Vec::new() };
    let mut found = Vec::new();
    if collect(&schema, &mut Vec::new(), &mut found).is_none() || found.len() != marks(&schema) {
        return Vec::new();
    }
    let mut names: Vec<&str> = found.iter().map(|mirror| mirror.header.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() == found.len() { found } else { Vec::new() }
}

/// Walks `properties` only. None at a mark that breaks a rule.
fn collect(schema: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<Mirror>) -> Option<()> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Some(()) };
    for (name, property) in properties {
        let Value::Object(property) = property else { continue };
        path.push(name.clone());
        if let Some(mark) = property.get(MARK) {
            let header = format!("mcp-param-{}", mark.as_str().filter(|text| !text.is_empty())?);
            let header = HeaderName::from_bytes(header.as_bytes()).ok()?.as_str().to_owned();
            let kind = match property.get("type").and_then(Value::as_str)? {
                "string" => Kind::Text,
                "integer" => Kind::Integer,
                "boolean" => Kind::Boolean,
                _ => return None,
            };
            found.push(Mirror { header, path: path.clone(), kind });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Some(())
}

/// How often the mark stands anywhere in a schema, as a keyword.
fn marks(schema: &Map<String, Value>) -> usize {
    let inner = |value: &Value| match value {
        Value::Object(map) => marks(map),
        Value::Array(items) => items.iter().filter_map(Value::as_object).map(marks).sum(),
        _ => 0,
    };
    usize::from(schema.contains_key(MARK)) + schema.values().map(inner).sum::<usize>()
}

/// Compares the headers of a call with its arguments.
///
/// # Errors
/// -32020 that names the header.
pub fn check(mirrors: &[Mirror], headers: &HeaderMap, arguments: Option<&RawValue>) -> Result<(), Failure> {
    if mirrors.is_empty() {
        return Ok(());
    }
    let arguments: Value = arguments.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null);
    mirrors.iter().try_for_each(|mirror| mirror.check(headers, &arguments))
}

impl Mirror {
    fn check(&self, headers: &HeaderMap, arguments: &Value) -> Result<(), Failure> {
        let body = self.path.iter().try_fold(arguments, |value, member| value.get(member)).filter(|v| !v.is_null());
        let name = self.header.as_str();
        let header = single(headers, name)?.map(|text| decode(name, text)).transpose()?;
        match (header, body) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(refused(format!("header `{name}` repeats an argument that is not there"))),
            (None, Some(_)) => Err(refused(format!("header `{name}` is missing; list the tools again"))),
            (Some(header), Some(body)) if self.same(&header, body) => Ok(()),
            (Some(_), Some(_)) => {
                Err(refused(format!("header `{name}` does not match the argument `{}`", self.path.join("/"))))
            }
        }
    }

    /// Integers are the same when they are the same number: `42.0` is `42`.
    fn same(&self, header: &str, body: &Value) -> bool {
        match (self.kind, body) {
            (Kind::Text, Value::String(text)) => text == header,
            (Kind::Boolean, Value::Bool(value)) => header == if *value { "true" } else { "false" },
            (Kind::Integer, Value::Number(number)) => match (number.as_i64(), header.parse::<i64>()) {
                (Some(body), Ok(header)) => body == header,
                _ => number.as_f64().is_some_and(|body| header.parse::<f64>().is_ok_and(|header| header == body)),
            },
            // Of another type than the schema says: the schema check answers for it.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "where": {"type": "object", "properties": {"dry": {"type": "boolean", "x-mcp-header": "Dry"}}},
            "query": {"type": "string"}
        }})
    }

    #[test]
    fn marks_are_found_along_properties_and_nowhere_else() {
        assert_eq!(mirrors(&raw(&schema())).len(), 3);
        for wrong in [
            json!({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}),
            json!({"properties": {"a": {"x-mcp-header": "A"}}}),
            json!({"properties": {"a": {"type": "string", "x-mcp-header": ""}}}),
            json!({"properties": {"a": {"type": "string", "x-mcp-header": "a b"}}}),
            json!({"properties": {"a": {"type": "string", "x-mcp-header": 7}}}),
            json!({"properties": {
                "a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}}),
            json!({"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}}),
            json!({"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]}),
            json!({"x-mcp-header": "A", "properties": {}}),
        ] {
            assert_eq!(mirrors(&raw(&wrong)), [], "{wrong}");
        }
        let only_words = json!({"properties": {"a": {"type": "string", "description": "x-mcp-header"}}});
        assert_eq!(mirrors(&raw(&only_words)), []);
    }

    #[test]
    fn a_header_is_there_exactly_when_its_argument_is_and_says_the_same() {
        let mirrors = mirrors(&raw(&schema()));
        for (headers, arguments, good) in [
            (&[][..], json!({}), true),
            (&[], json!({"region": null, "query": "x"}), true),
            (&[("mcp-param-region", "eu")], json!({"region": "eu"}), true),
            (&[("mcp-param-region", " eu ")], json!({"region": "eu"}), true),
            (&[("mcp-param-region", "=?base64?ZXU=?=")], json!({"region": "eu"}), true),
            (&[("mcp-param-region", "ZXU=")], json!({"region": "eu"}), false),
            (&[("mcp-param-region", "=?base64?ZXU?=")], json!({"region": "eu"}), false),
            (&[("mcp-param-region", "us")], json!({"region": "eu"}), false),
            (&[], json!({"region": "eu"}), false),
            (&[("mcp-param-region", "eu")], json!({}), false),
            (&[("mcp-param-region", "eu")], json!({"region": null}), false),
            (&[("mcp-param-region", "eu"), ("mcp-param-region", "eu")], json!({"region": "eu"}), false),
            (&[("mcp-param-count", "42")], json!({"count": 42}), true),
            (&[("mcp-param-count", "42.0")], json!({"count": 42}), true),
            (&[("mcp-param-count", "43")], json!({"count": 42}), false),
            (&[("mcp-param-count", "many")], json!({"count": 42}), false),
            (&[("mcp-param-dry", "true")], json!({"where": {"dry": true}}), true),
            (&[("mcp-param-dry", "True")], json!({"where": {"dry": true}}), false),
            (&[("mcp-param-unknown", "x")], json!({}), true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), value.parse().expect("a value"));
            }
            let found = check(&mirrors, &map, Some(&raw(&arguments)));
            assert_eq!(found.is_ok(), good, "{headers:?} {arguments}");
            assert!(found.err().is_none_or(|failure| failure.kind.code() == -32020));
        }
    }
}
