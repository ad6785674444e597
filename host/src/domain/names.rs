//! Names that a person or a model chooses, checked once and then carried as types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A name that cannot be used, and the rule that says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{}` is not valid: {rule}", shorten(.given))]
pub struct NameError {
    pub what: &'static str,
    pub given: String,
    pub rule: &'static str,
}

fn shorten(text: &str) -> String {
    let mut out: String = text.chars().take(64).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $max:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[doc = concat!("\n\nRule: ", $rule, ".")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { what: $what, given: text.to_owned(), rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        /// The rule as a pattern; a test holds the two together.
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                text.max_length(Some($max)).description(Some(concat!($rule, "."))).into()
            }
        }

        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of a server: the first half of what a model calls.
    ServerName, "server name",
        "1 to 40 characters: a lower-case letter, then lower-case letters, digits and single underscores, not at the end",
        "^[a-z](_?[a-z0-9])*$", 40,
        |text| is_word(text, 40, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && !text.contains("__") && !text.ends_with('_');
    /// The name of a tool within its server.
    ToolName, "tool name",
        "1 to 64 characters: a lower-case letter, then lower-case letters, digits and underscores",
        "^[a-z][a-z0-9_]*$", 64,
        |text| is_word(text, 64, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit());
    /// The name of a tool of a component, which its author chose.
    ExportName, "tool name of a component",
        "1 to 64 characters: letters, digits, hyphens and underscores",
        "^[A-Za-z0-9_-]+$", 64,
        |text| (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    /// The name of an external source: the first part of what its tools are called.
    SourceName, "source name",
        "1 to 32 characters: a lower-case letter, then lower-case letters, digits and underscores",
        "^[a-z][a-z0-9_]*$", 32,
        |text| is_word(text, 32, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit());
    /// The name of a secret, as the guest asks for it.
    SecretName, "secret name",
        "1 to 100 characters: an upper-case letter, then upper-case letters, digits and underscores",
        "^[A-Z][A-Z0-9_]*$", 100,
        |text| is_word(text, 100, |c| c.is_ascii_uppercase(), |c| c.is_ascii_uppercase() || c.is_ascii_digit());
    /// The name with which a person logs in.
    Username, "username",
        "3 to 50 characters: a letter, then letters, digits and underscores",
        "^[A-Za-z][A-Za-z0-9_]{2,}$", 50,
        |text| text.len() >= 3 && is_word(text, 50, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphanumeric());
    /// What a person calls an API key; it stands in logs.
    ApiKeyName, "API key name",
        "1 to 64 characters: a letter or digit, then letters, digits, `.`, `-` and underscores",
        "^[A-Za-z0-9][A-Za-z0-9._-]*$", 64,
        |text| is_word(text, 64, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    /// An importable Python module, dotted.
    ModuleName, "module name",
        "1 to 128 characters: identifiers joined by dots",
        "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$", 128,
        |text| text.len() <= 128 && text.split('.').all(|part| is_word(part, 128,
            |c| c.is_ascii_alphabetic() || c == '_', |c| c.is_ascii_alphanumeric()));
}

fn is_word(text: &str, max: usize, first: fn(char) -> bool, rest: fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= max && chars.next().is_some_and(first) && chars.all(|c| c == '_' || rest(c))
}

/// Longest tool name that the large MCP clients accept.
pub const GATEWAY_NAME_MAX: usize = 64;

/// What a model calls: `{server}__{tool}`. Stable: it depends on nothing but the two names. When the
/// two are too long together, the end is replaced by eight hexadecimal digits of the digest of the
/// whole, so that two long names that begin alike stay apart.
pub fn gateway_name(server: &ServerName, tool: &str) -> String {
    let full = format!("{server}__{tool}");
    if full.len() <= GATEWAY_NAME_MAX {
        return full;
    }
    let digest = hex::encode(&Sha256::digest(full.as_bytes())[..4]);
    format!("{}_{digest}", &full[..GATEWAY_NAME_MAX - 9])
}

/// The server part of a gateway name, if it has one: server names hold no double underscore.
pub fn split_gateway_name(name: &str) -> Option<(ServerName, &str)> {
    let (server, tool) = name.split_once("__")?;
    Some((server.parse().ok()?, tool))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;

    #[test]
    fn server_names_are_legal_prefixes() -> Result<(), NameError> {
        for good in ["a", "weather", "a1_b2", &"x".repeat(40)] {
            assert_eq!(good.parse::<ServerName>()?.as_str(), good);
        }
        for bad in ["", "A", "1a", "_a", "a b", "a__b", "a_", "a-b", "ä", &"x".repeat(41)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn long_gateway_names_stay_apart_and_short() -> Result<(), NameError> {
        let server: ServerName = "s".repeat(40).parse()?;
        let one = gateway_name(&server, &format!("{}1", "t".repeat(60)));
        let two = gateway_name(&server, &format!("{}2", "t".repeat(60)));
        assert_ne!(one, two);
        assert_eq!((one.len(), two.len()), (64, 64));
        assert_eq!(split_gateway_name(&one).map(|(server, _)| server), Some(server));
        Ok(())
    }

    #[test]
    fn a_name_error_quotes_no_more_than_a_line() {
        let error = "x y".repeat(1_000).parse::<ToolName>().expect_err("spaces are refused");
        assert!(error.to_string().len() < 300);
    }

    /// Whether the pattern of a name takes the same texts as its rule.
    fn agree<T: FromStr + PartialSchema>(text: &str) -> bool {
        let schema = serde_json::to_value(T::schema()).unwrap();
        jsonschema::is_valid(&schema, &text.into()) == text.parse::<T>().is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_pattern_takes_what_its_rule_takes(text in "[a-zA-Z0-9_.é \\n-]{0,6}|[a-z]{36,66}|[A-Z]{98,102}|(a\\.){60,70}a") {
            assert!(agree::<ServerName>(&text) && agree::<ToolName>(&text) && agree::<ExportName>(&text), "{text:?}");
            assert!(agree::<SecretName>(&text) && agree::<Username>(&text) && agree::<ApiKeyName>(&text), "{text:?}");
            assert!(agree::<ModuleName>(&text), "{text:?}");
        }
    }
}
