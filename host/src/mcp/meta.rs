//! What a request says about itself in `params._meta`.
//!
//! In the modern era this is where version and capabilities of the client are, on each request
//! (2026-07-28, "General fields"); in both eras it is where a client asks for progress.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::abilities;
use super::error::{Failure, Kind, shorten};
use super::jsonrpc::{Id, Params};
use super::versions::Version;
use crate::domain::client::Abilities;
use crate::domain::outcome::LogLevel;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Where a modern result says who made it.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The `_meta` of one request, read but not judged.
#[derive(Debug, Default, Deserialize)]
pub struct Meta {
    #[serde(default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<Value>,
    #[serde(default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<Value>,
    #[serde(default, rename = "progressToken")]
    progress_token: Option<Value>,
}

/// What a modern request must carry, judged.
#[derive(Clone, Debug)]
pub struct Declared {
    pub version: String,
    /// What the client can do in answer to this request.
    pub capabilities: serde_json::Map<String, Value>,
    /// None: no log messages, whatever happens.
    pub log_level: Option<Threshold>,
}

impl Declared {
    /// The same, as what a guest may count on.
    pub(super) fn abilities(&self) -> Abilities {
        abilities::declared(&self.capabilities, Version::V2026_07_28)
    }
}

/// The least serious log line that a client wants (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Threshold {
    /// Least serious first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// # Errors
    /// -32602 that lists the levels.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            let words = Self::ALL.map(Self::as_str).join(", ");
            Failure::new(Kind::InvalidParams, format!("`{}` is not a log level; give one of {words}", shorten(text)))
        })
    }

    /// Whether a guest's line is serious enough.
    pub fn lets_through(self, level: LogLevel) -> bool {
        let level = match level {
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warning => Self::Warning,
            LogLevel::Error => Self::Error,
        };
        level >= self
    }
}

impl Meta {
    /// Reads the `_meta` of a request's parameters.
    ///
    /// # Errors
    /// -32602 when `_meta` is there and is not an object, or holds a member twice.
    pub fn read(params: &Params) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Outer {
            #[serde(default, deserialize_with = "object")]
            _meta: Option<Meta>,
        }
        let Some(params) = params else { return Ok(Self::default()) };
        let outer: Outer = serde_json::from_str(params.get()).map_err(|error| invalid(&error.to_string()))?;
        Ok(outer._meta.unwrap_or_default())
    }

    /// Whether the request says that it is of the modern era.
    pub fn is_modern(&self) -> bool {
        self.version.is_some()
    }

    /// Judges what a modern request must carry; who the client is, it may leave out.
    ///
    /// # Errors
    /// -32602, with status 400 for a field that is missing or of another type.
    pub fn declared(self) -> Result<Declared, Failure> {
        let Some(Value::String(version)) = self.version else {
            return Err(invalid(&format!("`{VERSION}` must be there, a string")));
        };
        let Some(Value::Object(capabilities)) = self.capabilities else {
            return Err(invalid(&format!("`{CAPABILITIES}` must be there, an object")));
        };
        let log_level = match self.log_level {
            None => None,
            Some(Value::String(word)) => Some(Threshold::parse(&word)?),
            Some(_) => return Err(invalid(&format!("`{LOG_LEVEL}` must be a string"))),
        };
        Ok(Declared { version, capabilities, log_level })
    }

    /// The word under which the client wants to hear of progress; none when it asked for none, or by
    /// something that is no token.
    pub fn progress_token(&self) -> Option<Id> {
        self.progress_token.as_ref().and_then(|token| Id::deserialize(token).ok())
    }
}

/// An object or null; the derived reader would take an array too, as the members in their order.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Meta>, D::Error> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = Option<Meta>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Option<Meta>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<Meta>, A::Error> {
            Meta::deserialize(MapAccessDeserializer::new(members)).map(Some)
        }
    }
    deserializer.deserialize_any(Object)
}

fn invalid(what: &str) -> Failure {
    Failure::new(Kind::InvalidMeta, format!("`params._meta`: {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn read(params: &Value) -> Result<Meta, Failure> {
        Meta::read(&serde_json::value::to_raw_value(params).ok())
    }

    #[test]
    fn the_fields_that_each_modern_request_carries_are_required_and_typed() {
        let (version, capabilities) = (json!("2026-07-28"), json!({"sampling": {}}));
        for (params, good) in [
            (json!({}), false),
            (json!({"_meta": {}}), false),
            (json!({"_meta": {VERSION: version}}), false),
            (json!({"_meta": {CAPABILITIES: capabilities}}), false),
            (json!({"_meta": {VERSION: 7, CAPABILITIES: capabilities}}), false),
            (json!({"_meta": {VERSION: version, CAPABILITIES: []}}), false),
            (json!({"_meta": {VERSION: version, CAPABILITIES: null}}), false),
            (json!({"_meta": {VERSION: version, CAPABILITIES: {}}}), true),
            (json!({"_meta": {VERSION: version, CAPABILITIES: capabilities, LOG_LEVEL: "info"}}), true),
            (json!({"_meta": {VERSION: version, CAPABILITIES: capabilities, LOG_LEVEL: "loud"}}), false),
            (json!({"_meta": {VERSION: version, CAPABILITIES: capabilities, LOG_LEVEL: 3}}), false),
        ] {
            let declared = read(&params).and_then(|meta| meta.declared());
            assert_eq!(declared.is_ok(), good, "{params}");
            if let Err(failure) = declared {
                assert_eq!(failure.kind.code(), -32602, "{params}");
            }
        }
        for bad in [json!(7), json!([version, capabilities]), json!("{}")] {
            assert!(read(&json!({"_meta": bad})).is_err(), "{bad}");
        }
        assert!(read(&json!({"_meta": null})).is_ok_and(|meta| !meta.is_modern()));
        let twice = r#"{"_meta":{"progressToken":1,"progressToken":2}}"#.to_owned();
        assert!(Meta::read(&RawValue::from_string(twice).ok()).is_err());
    }

    #[test]
    fn a_progress_token_is_a_string_or_an_integer() {
        for (token, read_as) in [
            (json!("a"), Some(Id::Text("a".into()))),
            (json!(7), Some(Id::Integer(7.into()))),
            (json!(1.5), None),
            (json!({}), None),
            (Value::Null, None),
        ] {
            let meta = read(&json!({"_meta": {"progressToken": token}})).expect("an object");
            assert_eq!(meta.progress_token(), read_as, "{token}");
        }
    }

    #[test]
    fn a_threshold_lets_through_what_is_as_serious_or_more() {
        let all = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];
        for (word, let_through) in
            [("debug", 4), ("info", 3), ("notice", 2), ("warning", 2), ("error", 1), ("alert", 0)]
        {
            let threshold = Threshold::parse(word).expect("a level");
            assert_eq!(all.into_iter().filter(|level| threshold.lets_through(*level)).count(), let_through, "{word}");
        }
        assert!(Threshold::parse("INFO").is_err_and(|failure| failure.message.contains("debug, info, notice")));
    }
}
