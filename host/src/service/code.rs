//! Source code that a caller gives: measured, compiled and described by its interpreter, never run.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Error, Service};
use crate::domain::caller::Caller;
use crate::domain::json::JsonSchema;
use crate::domain::outcome::{Exception, Outcome};
use crate::domain::tool::Language;
use crate::executor::Description;

/// A source as a caller gives it.
#[derive(Clone, Debug)]
pub struct GivenCode {
    /// Where it stands in what the caller sent.
    pointer: &'static str,
    /// None: that of the tool as it is.
    pub(super) language: Option<Language>,
    pub(super) text: String,
}

impl GivenCode {
    /// From `code` with its `language`, or from `python_code`, which says both.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they contradict each other.
    pub fn of(
        code: Option<String>,
        language: Option<Language>,
        python_code: Option<String>,
    ) -> Result<Option<Self>, Error> {
        match (code, python_code, language) {
            (Some(_), Some(_), _) => Err(Error::invalid("/code", "give `code` or `python_code`, not both")),
            (Some(text), None, language) => Ok(Some(Self { pointer: "/code", language, text })),
            (None, Some(text), None | Some(Language::Python)) => {
                Ok(Some(Self { pointer: "/python_code", language: Some(Language::Python), text }))
            }
            (None, Some(_), Some(other)) => {
                Err(Error::invalid("/language", format!("`python_code` is Python; give {} as `code`", other.name())))
            }
            (None, None, Some(_)) => Err(Error::invalid("/code", "give the source in that language")),
            (None, None, None) => Ok(None),
        }
    }

    pub(super) fn pointer(&self) -> &'static str {
        self.pointer
    }

    /// As [`GivenCode::of`], where there has to be one.
    ///
    /// # Errors
    /// [`Error::Invalid`] also when there is none.
    pub fn required(
        code: Option<String>,
        language: Option<Language>,
        python_code: Option<String>,
    ) -> Result<Self, Error> {
        let given = Self::of(code, language, python_code)?;
        given.ok_or_else(|| Error::invalid("/code", "give the source, as `code` with its `language`"))
    }
}

/// What the interpreter thinks of a source.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CodeCheck {
    pub valid: bool,
    /// Also false when the source cannot be read so far.
    pub has_main: bool,
    pub error: Option<Exception>,
    pub parameters: Vec<Parameter>,
    /// The first paragraph of the docstring.
    pub description: Option<String>,
    #[schema(value_type = Option<JsonSchema>)]
    pub input_schema: Option<Value>,
    #[schema(value_type = Option<JsonSchema>)]
    pub output_schema: Option<Value>,
}

/// One argument of the tool.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Parameter {
    pub name: String,
    pub required: bool,
    /// JSON Schema.
    pub schema: Value,
}

impl Service {
    /// Tells whether a source would make a tool, and which.
    ///
    /// # Errors
    /// When the source is too large, or the host is broken. What is wrong in the source is an answer.
    pub async fn code_validate(&self, _caller: &Caller, code: &GivenCode) -> Result<CodeCheck, Error> {
        match self.source_described(code.pointer, code.language.unwrap_or_default(), &code.text).await? {
            Ok(found) => {
                let input_schema = schema(&found.input_schema)?;
                Ok(CodeCheck {
                    valid: true,
                    has_main: true,
                    error: None,
                    parameters: parameters(&input_schema),
                    description: (!found.summary.is_empty()).then(|| found.summary.clone()),
                    output_schema: found.output_schema.as_deref().map(schema).transpose()?,
                    input_schema: Some(input_schema),
                })
            }
            Err(error) => Ok(CodeCheck {
                valid: false,
                has_main: false,
                error: Some(error),
                parameters: Vec::new(),
                description: None,
                input_schema: None,
                output_schema: None,
            }),
        }
    }

    /// The description of a source that a tool is to be made of.
    ///
    /// # Errors
    /// [`Error::Invalid`] at the source, with what its interpreter says about it.
    pub(super) async fn code_accepted(&self, language: Language, code: &GivenCode) -> Result<Arc<Description>, Error> {
        self.source_accepted(code.pointer, language, &code.text).await
    }

    /// As [`code_accepted`](Self::code_accepted), for a source that is kept; `pointer` is what needs it.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `pointer`.
    pub(super) async fn source_accepted(
        &self,
        pointer: &str,
        language: Language,
        code: &str,
    ) -> Result<Arc<Description>, Error> {
        let described = self.source_described(pointer, language, code).await?;
        described.map_err(|exception| Error::invalid(pointer, told(&exception)))
    }

    /// The outer error is about the source's size or the host; the inner one is what the interpreter
    /// says.
    async fn source_described(
        &self,
        pointer: &str,
        language: Language,
        code: &str,
    ) -> Result<Result<Arc<Description>, Exception>, Error> {
        let max = self.limits().source_bytes;
        if code.len() as u64 > max {
            let given = code.len();
            return Err(Error::invalid(pointer, format!("the source has {given} bytes; at most {max} are taken")));
        }
        match self.executor().describe(language, code.into()).await? {
            Ok(found) => Ok(Ok(found)),
            Err(Outcome::Raised(exception)) => Ok(Err(exception)),
            Err(Outcome::Stopped(bound)) => Ok(Err(unreadable(format!(
                "reading the source reached its limit ({}); make it simpler",
                bound.as_str()
            )))),
            Err(Outcome::Trapped { message }) => {
                Ok(Err(unreadable(format!("the interpreter gave up on the source: {message}"))))
            }
            Err(other) => Err(Error::internal("describing a source", other.label())),
        }
    }
}

fn unreadable(message: String) -> Exception {
    Exception { message, ..Exception::default() }
}

/// An exception with the place where it happened.
fn told(exception: &Exception) -> String {
    let mut text = exception.headline();
    if let Some(line) = exception.line {
        text.push_str(&format!(" (line {line})"));
    }
    if !exception.excerpt.trim().is_empty() {
        text.push('\n');
        text.push_str(exception.excerpt.trim_end());
    }
    text
}

/// A schema that was kept as text.
pub(super) fn schema(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::internal("reading a schema", error))
}

/// The properties of an input schema, by name.
fn parameters(input_schema: &Value) -> Vec<Parameter> {
    let required: Vec<&str> =
        input_schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = input_schema["properties"].as_object() else { return Vec::new() };
    properties
        .iter()
        .map(|(name, schema)| Parameter {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            schema: schema.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_source_is_given_once_and_in_one_language() {
        let text = || Some("x".to_owned());
        let python = GivenCode::of(None, None, text()).expect("it is Python").expect("one");
        assert_eq!((python.pointer, python.language), ("/python_code", Some(Language::Python)));
        let other = GivenCode::of(text(), Some(Language::Javascript), None).expect("it is JavaScript").expect("one");
        assert_eq!((other.pointer, other.language), ("/code", Some(Language::Javascript)));
        assert!(GivenCode::of(None, None, None).expect("nothing is given").is_none());
        assert!(GivenCode::of(text(), None, text()).is_err());
        assert!(GivenCode::of(None, Some(Language::Javascript), text()).is_err());
        assert!(GivenCode::of(None, Some(Language::Python), None).is_err());
        assert!(GivenCode::required(None, None, None).is_err());
    }

    #[test]
    fn the_parameters_are_the_properties_of_the_input_schema() {
        let schema = json!({
            "type": "object",
            "properties": { "city": { "type": "string" }, "days": { "type": "integer", "default": 3 } },
            "required": ["city"],
        });
        let found = parameters(&schema);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].required), ("city", true));
        assert_eq!((found[1].name.as_str(), found[1].required), ("days", false));
        assert_eq!(found[1].schema["default"], 3);
        assert_eq!(parameters(&json!({ "type": "object" })), []);
    }

    #[test]
    fn an_author_reads_what_python_says_where_and_around() {
        let exception = Exception {
            kind: "SyntaxError".into(),
            message: "invalid syntax".into(),
            line: Some(2),
            traceback: String::new(),
            excerpt: "1 def main():\n2   retrun 1\n".into(),
        };
        assert_eq!(told(&exception), "SyntaxError: invalid syntax (line 2)\n1 def main():\n2   retrun 1");
        assert_eq!(told(&unreadable("too deep".into())), "too deep");
    }
}
