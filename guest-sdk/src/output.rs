//! What a tool's function returns, as a result of the contract.

use std::any::Any;
use std::fmt::Display;
use std::marker::PhantomData;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::content::{Content, ToolResult};
use crate::error::{Error, ToolError};

/// What a tool can return, by itself or in a `Result`.
///
/// Whatever is `Serialize` and `JsonSchema` becomes JSON: structured content with an output schema,
/// and the same as text for clients that know no structure. What is no JSON object is wrapped as
/// `{"result": …}`, because MCP's structured content is one. A [`Content`] or a [`ToolResult`] of several
/// is taken as it is and has no schema. `()` is an empty result.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`",
    label = "returned by a tool",
    note = "derive `serde::Serialize` and `schemars::JsonSchema` for it, or return `mcpbox_sdk::Content`"
)]
pub trait Output {
    /// JSON Schema of the structured content, if there is any.
    fn schema() -> Option<String>;

    /// The result of the contract.
    ///
    /// # Errors
    /// When the value has no JSON form, for example a map whose keys are no texts.
    fn into_result(self) -> Result<ToolResult, Error>;
}

impl<T: Serialize + JsonSchema> Output for T {
    fn schema() -> Option<String> {
        output_schema::<T>().map(|schema| schema.text)
    }

    fn into_result(self) -> Result<ToolResult, Error> {
        let value = serde_json::to_value(&self).map_err(|error| Error::from(error).context("the result is no JSON"))?;
        let structured = match (output_schema::<T>(), &value) {
            (Some(OutputSchema { is_wrapped: true, .. }), _) => Some(json!({"result": value}).to_string()),
            (Some(_), _) | (None, Value::Object(_)) => Some(value.to_string()),
            (None, _) => None,
        };
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        Ok(ToolResult { content: text.map(Content::text).into_iter().collect(), structured })
    }
}

impl Output for Content {
    fn schema() -> Option<String> {
        None
    }

    fn into_result(self) -> Result<ToolResult, Error> {
        Ok(ToolResult::new([self]))
    }
}

impl Output for ToolResult {
    fn schema() -> Option<String> {
        None
    }

    fn into_result(self) -> Result<ToolResult, Error> {
        Ok(self)
    }
}

struct OutputSchema {
    text: String,
    is_wrapped: bool,
}

/// The schema of what a `T` is told as; none where there is nothing to say: `()`, or any JSON at all.
fn output_schema<T: JsonSchema>() -> Option<OutputSchema> {
    let mut generator = settings().for_serialize().into_generator();
    let inner = generator.subschema_for::<T>().to_value();
    let definitions = Value::Object(generator.take_definitions(true));
    // A named type is a reference to its definition.
    let named = inner["$ref"].as_str().and_then(|pointer| definitions_at(&definitions, pointer));
    let kind = named.unwrap_or(&inner).get("type").cloned();
    if kind == Some(json!("null")) || !inner.is_object() || inner == json!({}) {
        return None;
    }
    if kind == Some(json!("object")) {
        let mut root = settings().for_serialize().into_generator().into_root_schema_for::<T>();
        root.remove("title");
        return Some(OutputSchema { text: root.to_value().to_string(), is_wrapped: false });
    }
    let mut wrapper = json!({"type": "object", "properties": {"result": inner}, "required": ["result"]});
    if definitions.as_object().is_some_and(|definitions| !definitions.is_empty()) {
        wrapper["$defs"] = definitions;
    }
    Some(OutputSchema { text: wrapper.to_string(), is_wrapped: true })
}

/// The definition that `#/$defs/Name` points to.
fn definitions_at<'a>(definitions: &'a Value, pointer: &str) -> Option<&'a Value> {
    definitions.pointer(pointer.strip_prefix("#/$defs")?)
}

/// The dialect that the contract names, without the line that names it.
pub(crate) fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None)
}

/// The input schema of a tool.
pub fn input_schema<T: JsonSchema>() -> String {
    let mut root = settings().into_generator().into_root_schema_for::<T>();
    root.remove("title");
    root.remove("description");
    root.ensure_object().entry("type").or_insert_with(|| json!("object"));
    root.to_value().to_string()
}

/// Reads the arguments of a call.
///
/// # Errors
/// When they are not what the tool takes.
pub fn arguments<T: DeserializeOwned>(json: &str) -> Result<T, ToolError> {
    serde_json::from_str(json).map_err(|error| ToolError::InvalidArguments(error.to_string()))
}

/// Chooses between a `Result` and everything else by the type that a function returns, whatever
/// name it is written by: a method of the type itself comes before one of a trait.
pub struct Probe<R>(PhantomData<R>);

impl<R> Probe<R> {
    #[expect(clippy::new_without_default, reason = "only the macro makes one")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Output, E: Display + 'static> Probe<Result<T, E>> {
    pub fn schema(&self) -> Option<String> {
        T::schema()
    }

    /// # Errors
    /// When the tool failed.
    pub fn finish(&self, returned: Result<T, E>) -> Result<ToolResult, ToolError> {
        match returned {
            Ok(value) => value.into_result().map_err(Error::into_inner),
            Err(error) => Err(told(error)),
        }
    }
}

/// For everything that is no `Result`.
pub trait Plain<R> {
    fn schema(&self) -> Option<String>;

    /// # Errors
    /// When the value has no JSON form.
    fn finish(&self, returned: R) -> Result<ToolResult, ToolError>;
}

impl<R: Output> Plain<R> for Probe<R> {
    fn schema(&self) -> Option<String> {
        R::schema()
    }

    fn finish(&self, returned: R) -> Result<ToolResult, ToolError> {
        returned.into_result().map_err(Error::into_inner)
    }
}

/// An error of any type, as the contract has it.
pub(crate) fn told<E: Display + 'static>(error: E) -> ToolError {
    // `{:#}` is how some types, `anyhow::Error` among them, tell their causes too.
    let message = format!("{error:#}");
    let error: Box<dyn Any> = Box::new(error);
    match error.downcast::<Error>() {
        Ok(ours) => ours.into_inner(),
        Err(_) => ToolError::Failed(message),
    }
}
