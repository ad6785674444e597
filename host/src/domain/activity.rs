//! The words of the activity log: what kind of thing happened, and how a text that a stranger chose is
//! kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::LogLevel;

/// What a row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogType {
    /// A request of a client that is not answered, or not yet.
    McpRequest,
    /// A request of a client, and how it was answered.
    McpResponse,
    /// Somebody did what an administrator wants to know of: a credential was refused.
    Alert,
    /// A message that could not be read or served, or a failure of the host.
    Error,
    /// What the host did by itself.
    System,
}

impl LogType {
    pub const ALL: [Self; 5] = [Self::McpRequest, Self::McpResponse, Self::Alert, Self::Error, Self::System];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::McpRequest => "mcp_request",
            Self::McpResponse => "mcp_response",
            Self::Alert => "alert",
            Self::Error => "error",
            Self::System => "system",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl LogLevel {
    /// Least serious first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// Whether a text is surely kept as it is, as most are: no more characters than bytes, and nothing that is not
/// plain.
pub fn is_one_line(text: &str, characters: usize) -> bool {
    text.len() <= characters && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What is kept of a text that somebody chose: one line of at most `characters`, without characters that a
/// terminal or a database takes for something else.
pub fn one_line(text: &str, characters: usize) -> String {
    if is_one_line(text, characters) {
        return text.to_owned();
    }
    let mut kept: String = text
        .chars()
        .take(characters)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect();
    if text.chars().nth(characters).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for kind in LogType::ALL {
            assert_eq!(LogType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
        }
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::parse(level.as_str()), Some(level));
            assert_eq!(serde_json::to_value(level).ok(), Some(level.as_str().into()));
        }
        assert_eq!((LogType::parse("audit"), LogLevel::parse("INFO")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_one_short_line(text in "\\PC{0,40}|[\\x00-\\x20é€]{0,40}") {
            let kept = one_line(&text, 10);
            prop_assert!(kept.chars().count() <= 11);
            prop_assert!(!kept.contains(char::is_control));
            prop_assert_eq!(kept.ends_with('…'), text.chars().count() > 10 || text.ends_with('…'));
        }
    }
}
