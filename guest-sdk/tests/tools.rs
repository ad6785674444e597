//! What `#[tool]` makes of functions: schemas, arguments, results, errors.
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

use std::collections::BTreeMap;

use mcpbox_sdk::testing::Host;
use mcpbox_sdk::{Content, Description, Error, Tool, ToolError, ToolResult, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn input<T: Tool>() -> Value {
    serde_json::from_str(&T::describe().input_schema).expect("a schema is JSON")
}

fn output<T: Tool>() -> Option<Value> {
    T::describe().output_schema.map(|schema| serde_json::from_str(&schema).expect("a schema is JSON"))
}

fn call<T: Tool>(arguments: Value) -> Result<ToolResult, ToolError> {
    Host::new().call::<T>(arguments)
}

fn structured<T: Tool>(arguments: Value) -> Value {
    let result = call::<T>(arguments).expect("a result");
    serde_json::from_str(&result.structured.expect("structured content")).expect("JSON")
}

fn texts(result: &ToolResult) -> Vec<&str> {
    let mut texts = Vec::new();
    for content in &result.content {
        if let Content::Text(text) = content {
            texts.push(text.text.as_str());
        }
    }
    texts
}

/// Does
/// two things.
///
///     And a third.
#[tool(title = "All", read_only, destructive = false)]
fn all_kinds(
    /// A text.
    text: &str,
    #[default(7)] number: i64,
    /// Some words.
    words: &[String],
    flag: Option<bool>,
    #[default] map: BTreeMap<String, f32>,
    #[serde(rename = "type")] kind: String,
    r#in: &u8,
) -> String {
    format!("{text} {number} {words:?} {flag:?} {map:?} {kind} {in}", in = r#in)
}

#[test]
fn a_function_describes_its_tool() {
    let Description { name, title, description, annotations, .. } = all_kinds::describe();
    assert_eq!((name.as_str(), title.as_deref()), ("all_kinds", Some("All")));
    assert_eq!(description, "Does\ntwo things.\n\n    And a third.");
    let annotations = annotations.expect("hints");
    assert_eq!((annotations.read_only, annotations.destructive), (Some(true), Some(false)));
    assert_eq!((annotations.idempotent, annotations.open_world), (None, None));
}

#[test]
fn parameters_are_the_arguments() {
    let schema = input::<all_kinds>();
    assert_eq!(schema["required"], json!(["text", "words", "type", "in"]));
    assert_eq!(schema["properties"]["text"], json!({"type": "string", "description": "A text."}));
    assert_eq!(schema["properties"]["number"]["default"], json!(7));
    assert_eq!(schema["properties"]["flag"]["type"], json!(["boolean", "null"]));
    assert!(schema.get("$schema").is_none() && schema.get("title").is_none(), "{schema}");
    let result = call::<all_kinds>(json!({"text": "a\"b", "words": ["w"], "type": "t", "in": 1})).expect("a result");
    assert_eq!(texts(&result), ["a\"b 7 [\"w\"] None {} t 1"]);
    // The function is still there.
    assert_eq!(all_kinds("", 1, &[], None, BTreeMap::new(), String::new(), &2), " 1 [] None {}  2");
}

#[test]
fn arguments_that_do_not_fit_are_refused_by_name() {
    for (arguments, words) in [
        (json!({}), "missing field `text`"),
        (json!({"text": "", "words": [], "type": "", "in": 300}), "u8"),
        (json!({"text": "", "words": [], "type": "", "in": 3, "more": 1}), "unknown field `more`"),
    ] {
        let refused = call::<all_kinds>(arguments);
        assert!(matches!(&refused, Err(ToolError::InvalidArguments(why)) if why.contains(words)), "{refused:?}");
    }
}

#[derive(Deserialize, JsonSchema)]
struct Point {
    x: f64,
    #[serde(default)]
    y: f64,
}

/// Adds the coordinates.
#[tool(name = "sum-of", description = "Adds.")]
fn sum(#[arguments] point: &Point) -> f64 {
    point.x + point.y
}

#[test]
fn a_type_can_have_all_arguments() {
    assert_eq!((sum::NAME, sum::describe().description.as_str()), ("sum-of", "Adds."));
    assert_eq!(input::<sum>()["required"], json!(["x"]));
    assert_eq!(structured::<sum>(json!({"x": 1.5})), json!({"result": 1.5}));
}

#[derive(Serialize, JsonSchema)]
struct Tree {
    /// Those below.
    children: Vec<Tree>,
}

#[derive(Serialize, JsonSchema)]
enum Shape {
    Circle { radius: f64 },
    Dot,
    Group(Vec<Shape>),
}

/// Answers an object that contains others of its kind.
#[tool]
fn tree() -> Tree {
    Tree { children: vec![Tree { children: vec![] }] }
}

/// Answers one of several shapes.
#[tool]
fn shape(dot: bool) -> Shape {
    if dot { Shape::Dot } else { Shape::Group(vec![Shape::Circle { radius: 1.0 }]) }
}

/// Answers a map.
#[tool]
fn map() -> BTreeMap<&'static str, u8> {
    BTreeMap::from([("one", 1)])
}

/// Answers any JSON.
#[tool]
fn any(value: Value) -> Value {
    value
}

/// Answers nothing.
#[tool]
fn nothing() {}

/// Answers something or nothing.
#[tool]
fn maybe(there: bool) -> Option<u8> {
    there.then_some(1)
}

#[test]
fn an_object_is_structured_content_as_it_is() {
    let schema = output::<tree>().expect("a schema");
    assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["children"])));
    assert_eq!(structured::<tree>(json!({})), json!({"children": [{"children": []}]}));
    assert_eq!(output::<map>().expect("a schema")["type"], json!("object"));
    assert_eq!(structured::<map>(json!({})), json!({"one": 1}));
    let result = call::<map>(json!({})).expect("a result");
    assert_eq!(texts(&result), [r#"{"one":1}"#], "for clients that know no structure");
}

#[test]
fn everything_else_is_wrapped_as_its_schema_says() {
    let schema = output::<shape>().expect("a schema");
    assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["result"])));
    let reference = schema["properties"]["result"]["$ref"].as_str().expect("a reference");
    assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{schema}");
    assert_eq!(structured::<shape>(json!({"dot": true})), json!({"result": "Dot"}));
    let group = json!({"result": {"Group": [{"Circle": {"radius": 1.0}}]}});
    assert_eq!(structured::<shape>(json!({"dot": false})), group);
    assert_eq!(structured::<maybe>(json!({"there": false})), json!({"result": null}));
}

#[test]
fn what_has_no_schema_has_no_wrapper() {
    assert_eq!(output::<any>(), None);
    assert_eq!(structured::<any>(json!({"value": {"a": 1}})), json!({"a": 1}));
    let result = call::<any>(json!({"value": [1]})).expect("a result");
    assert_eq!((texts(&result), result.structured.as_deref()), (vec!["[1]"], None));
    assert_eq!(output::<nothing>(), None);
    assert_eq!(call::<nothing>(json!({})), Ok(ToolResult::new([])));
}

type Answer<T> = Result<T, String>;

/// Fails by a text, behind a name for the type.
#[tool]
fn by_text(fail: bool) -> Answer<&'static str> {
    if fail { Err("as asked".to_owned()) } else { Ok("fine") }
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no port")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Fails by the SDK's error, with a cause.
#[tool]
fn by_error(port: &str) -> mcpbox_sdk::Result<Content> {
    if port.is_empty() {
        return Err(Error::invalid_arguments("which port?").context("cannot listen"));
    }
    Ok(Content::text(port.parse::<u16>().map_err(Outer)?.to_string()))
}

#[test]
fn errors_of_any_type_are_told() {
    assert_eq!(structured::<by_text>(json!({"fail": false})), json!({"result": "fine"}));
    assert_eq!(call::<by_text>(json!({"fail": true})), Err(ToolError::Failed("as asked".into())));
    let told = "no port: invalid digit found in string";
    assert_eq!(call::<by_error>(json!({"port": "x"})), Err(ToolError::Failed(told.into())));
    let told = "cannot listen: which port?";
    assert_eq!(call::<by_error>(json!({"port": ""})), Err(ToolError::InvalidArguments(told.into())));
    let result = call::<by_error>(json!({"port": "80"})).expect("a result");
    assert_eq!((texts(&result), output::<by_error>()), (vec!["80"], None));
}

#[test]
fn structured_content_beside_content_is_an_object() {
    let result = ToolResult::new([Content::text("x")]);
    let with = result.clone().with_structured(&json!({"a": 1})).expect("an object");
    assert_eq!(with.structured.as_deref(), Some(r#"{"a":1}"#));
    assert!(result.with_structured(&[1]).is_err());
}
