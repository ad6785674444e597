//! External sources: other MCP servers, whose tools can be imported. What such a server says of a tool is
//! a definition; it is checked, written down in one spelling, and pinned by its digest.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::component::ToolAnnotations;
use super::digest::Digest;
use super::ids::SourceId;
use super::schema;

macro_rules! words {
    ($($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*])).into()
            }
        }

        impl ToSchema for $type {}
    )*};
}

words! {
    /// How a source is asked to let us in.
    SourceAuth {
        None = "none",
        /// A secret of the server, as `Authorization: Bearer`.
        Bearer = "bearer",
        /// A secret of the server, in a header of its own.
        Header = "header",
        /// OAuth 2.1: a person logs in there once.
        Oauth = "oauth",
    }
    /// How it is spoken to.
    SourceTransport {
        /// Streamable HTTP, of both eras.
        StreamableHttp = "streamable_http",
        /// HTTP with server-sent events, as of 2024-11-05.
        Sse = "sse",
    }
    /// How it stands.
    SourceStatus {
        Active = "active",
        /// The last time that it was asked, it did not answer as it should.
        Error = "error",
        /// Not asked at all: a person switched it off, or has not allowed it yet.
        Disabled = "disabled",
    }
}

/// What a source says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AboutSource)]
pub struct About {
    pub protocol_version: Option<String>,
    pub server_name: Option<String>,
    pub server_version: Option<String>,
}

/// Longest name that a source may give a tool, in characters (2025-11-25, "Tool Names").
const TOOL_NAME_MAX: usize = 128;
const TITLE_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 10_000;

/// What a source says of one of its tools.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// As the source calls it.
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    pub input_schema: Value,
    pub output_schema: Option<Value>,
    pub annotations: Option<ToolAnnotations>,
}

/// A tool that cannot be imported. Its neighbours can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DefinitionError(String);

impl Definition {
    /// Reads MCP's `Tool`. Unknown members are left out: what is not pinned is not passed on.
    ///
    /// # Errors
    /// When a member is missing, has another type, or is over its bound.
    pub fn read(tool: &Value) -> Result<Self, DefinitionError> {
        let fail = |rule: String| DefinitionError(rule);
        let name = tool.get("name").and_then(Value::as_str).ok_or_else(|| fail("it has no name".to_owned()))?;
        if name.is_empty() || name.chars().count() > TOOL_NAME_MAX || name.chars().any(char::is_control) {
            return Err(fail(format!("its name is not 1 to {TOOL_NAME_MAX} characters without control characters")));
        }
        let annotations = tool.get("annotations").filter(|given| !given.is_null());
        let title = text(tool, "title", TITLE_MAX)?
            .or(annotations.map(|given| text(given, "title", TITLE_MAX)).transpose()?.flatten());
        let description = text(tool, "description", DESCRIPTION_MAX)?.unwrap_or_default();
        let input_schema = schema(tool, "inputSchema")?.ok_or_else(|| fail("it has no inputSchema".to_owned()))?;
        let of_object = input_schema.get("type").is_some_and(|kind| kind == "object");
        if !of_object {
            return Err(fail("its inputSchema is not of the type object".to_owned()));
        }
        let output_schema = schema(tool, "outputSchema")?;
        let annotations = annotations
            .map(|given| serde_json::from_value(given.clone()))
            .transpose()
            .map_err(|error| fail(format!("its annotations: {error}")))?;
        Ok(Self { name: name.to_owned(), title, description, input_schema, output_schema, annotations })
    }

    /// What an approval covers, in the one spelling whose digest is compared.
    pub fn pinned(&self, source: SourceId) -> Pinned {
        let written = json!({
            "source": source,
            "tool": self.name,
            "title": self.title,
            "description": self.description,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "annotations": self.annotations,
        });
        let text = serde_json::to_string_pretty(&sorted(written)).unwrap_or_default();
        Pinned { digest: Digest::of(text.as_bytes()), text }
    }
}

/// A definition in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// JSON, members sorted by name.
    pub text: String,
    pub digest: Digest,
}

/// Which tool of which source a pinned definition is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PassThrough {
    pub source: SourceId,
    pub tool: String,
}

fn text(of: &Value, member: &str, max: usize) -> Result<Option<String>, DefinitionError> {
    match of.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => {
            Err(DefinitionError(format!("its {member} holds the character U+0000")))
        }
        Some(Value::String(text)) if text.chars().count() <= max => Ok(Some(text.clone())),
        Some(Value::String(_)) => Err(DefinitionError(format!("its {member} has more than {max} characters"))),
        Some(_) => Err(DefinitionError(format!("its {member} is no text"))),
    }
}

fn schema(of: &Value, member: &str) -> Result<Option<Value>, DefinitionError> {
    let given = match of.get(member) {
        None | Some(Value::Null) => return Ok(None),
        Some(given @ Value::Object(_)) => sorted(given.clone()),
        Some(_) => return Err(DefinitionError(format!("its {member} is no object"))),
    };
    let text = given.to_string();
    if text.contains("\\u0000") {
        return Err(DefinitionError(format!("its {member} holds the character U+0000")));
    }
    match schema::Schema::read(&text) {
        Ok(_) => Ok(Some(given)),
        Err(error) => Err(DefinitionError(format!("its {member} cannot be used: {error}"))),
    }
}

/// The same value with the members of every object in the order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Longest name of a tool on a server; see `names::ToolName`.
const OWN_NAME_MAX: usize = 64;

/// What a tool of a source is called on its server: `{source}_{tool}` in lower case, other characters as
/// underscores. Where that would lose something, eight hexadecimal digits of the digest of the true name
/// keep it apart from others; so the name depends on nothing but the two names.
pub fn own_name(source: &str, tool: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let written: String = tool.chars().map(plain).collect();
    let is_faithful = written == tool && source.len() + 1 + tool.len() <= OWN_NAME_MAX;
    let full = format!("{source}_{written}");
    if is_faithful {
        return full;
    }
    let digest = hex::encode(&Sha256::digest(tool.as_bytes())[..4]);
    let kept: String = full.chars().take(OWN_NAME_MAX - 9).collect();
    format!("{kept}_{digest}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::names::ToolName;

    fn tool() -> Value {
        json!({
            "name": "get-weather",
            "title": "Weather",
            "description": "Tells the weather.",
            "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            "outputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": true, "title": "Other"},
            "icons": [{"src": "https://example.com/x.png"}],
        })
    }

    #[test]
    fn a_tool_is_read_with_everything_that_a_person_approves() {
        let read = Definition::read(&tool()).expect("it is sound");
        assert_eq!((read.name.as_str(), read.title.as_deref()), ("get-weather", Some("Weather")));
        assert_eq!(read.annotations.and_then(|hints| hints.read_only), Some(true));
        let mut plain = tool();
        plain.as_object_mut().expect("an object").remove("title");
        assert_eq!(Definition::read(&plain).expect("sound").title.as_deref(), Some("Other"));
    }

    #[test]
    fn a_tool_that_is_none_is_refused_with_its_rule() {
        let long = "x".repeat(10_001);
        let cases: [(&str, Value, &str); 12] = [
            ("name", Value::Null, "no name"),
            ("name", json!(""), "name"),
            ("name", json!("a\nb"), "control"),
            ("title", json!(7), "no text"),
            ("description", json!(long), "more than 10000"),
            ("description", json!("a\u{0}"), "U+0000"),
            ("inputSchema", Value::Null, "no inputSchema"),
            ("inputSchema", json!(true), "no object"),
            ("inputSchema", json!({"type": "string"}), "type object"),
            ("inputSchema", json!({"type": "object", "required": 7}), "no JSON Schema"),
            ("outputSchema", json!({"$ref": "https://example.com/schema.json"}), "outside"),
            ("annotations", json!({"readOnlyHint": "yes"}), "annotations"),
        ];
        for (member, value, words) in cases {
            let mut bad = tool();
            bad[member] = value.clone();
            match Definition::read(&bad) {
                Err(error) => assert!(error.to_string().contains(words), "{member} {value}: {error}"),
                Ok(read) => panic!("{member} {value}: {read:?}"),
            }
        }
        let mut large = tool();
        large["inputSchema"]["description"] = json!("x".repeat(schema::BYTES_MAX));
        assert!(Definition::read(&large).is_err());
    }

    #[test]
    fn the_digest_covers_every_member_and_no_order() {
        let source = SourceId::new();
        let digest = |tool: &Value| Definition::read(tool).expect("sound").pinned(source).digest;
        let first = digest(&tool());
        let turned = r#"{"inputSchema":{"required":["city"],"properties":{"city":{"type":"string"}},"type":"object"},
            "annotations":{"title":"Other","readOnlyHint":true},"outputSchema":{"type":"object"},
            "description":"Tells the weather.","title":"Weather","name":"get-weather"}"#;
        assert_eq!(digest(&serde_json::from_str(turned).expect("JSON")), first);
        for (member, value) in [
            ("name", json!("other")),
            ("title", json!("Other")),
            ("description", json!("Does something else.")),
            ("inputSchema", json!({"type": "object"})),
            ("outputSchema", Value::Null),
            ("annotations", json!({"readOnlyHint": false})),
        ] {
            let mut changed = tool();
            changed[member] = value;
            assert_ne!(digest(&changed), first, "{member}");
        }
        assert_ne!(Definition::read(&tool()).expect("sound").pinned(SourceId::new()).digest, first);
    }

    #[test]
    fn a_pinned_definition_says_which_tool_it_is_about() {
        let source = SourceId::new();
        let pinned = Definition::read(&tool()).expect("sound").pinned(source);
        let read: PassThrough = serde_json::from_str(&pinned.text).expect("it reads back");
        assert_eq!(read, PassThrough { source, tool: "get-weather".into() });
    }

    #[test]
    fn names_stay_apart_where_their_spelling_would_meet() {
        assert_eq!(own_name("github", "list_issues"), "github_list_issues");
        assert_eq!(own_name("github", "list-issues"), "github_list_issues_bc345f7a");
        let names = ["list-issues", "list.issues", "List_issues", "list_issues"].map(|tool| own_name("github", tool));
        let apart: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(apart.len(), names.len(), "{names:?}");
    }

    #[test]
    fn every_word_reads_back() {
        for word in SourceAuth::ALL {
            assert_eq!(SourceAuth::parse(word.as_str()), Some(*word));
        }
        for word in SourceTransport::ALL {
            assert_eq!(SourceTransport::parse(word.as_str()), Some(*word));
        }
        for word in SourceStatus::ALL {
            assert_eq!(SourceStatus::parse(word.as_str()), Some(*word));
        }
        assert_eq!(SourceAuth::parse("basic"), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(
                    "name|title|description|inputSchema|type|properties|annotations|\\PC{0,8}",
                    inner,
                    0..6
                )
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_a_source_sends_is_read_or_refused(tool in any_json()) {
            if let Ok(read) = Definition::read(&tool) {
                let pinned = read.pinned(SourceId::new());
                prop_assert_eq!(serde_json::from_str::<PassThrough>(&pinned.text).expect("it reads back").tool, read.name);
            }
        }

        #[test]
        fn whatever_a_source_calls_its_tools_the_name_is_one(source in "[a-z][a-z0-9_]{0,31}", tool in "\\PC{1,128}") {
            prop_assert!(own_name(&source, &tool).parse::<ToolName>().is_ok());
        }
    }
}
