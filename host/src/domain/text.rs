//! Texts that several parts of the program have in common: a row on its way to the database, and whoever is told
//! of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A text that is not changed any more. A clone is the same text, not a copy.
#[derive(Clone)]
pub enum Text {
    /// One that the program itself has.
    Word(&'static str),
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Word(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Word(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.to_string()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_says_wherever_it_comes_from() {
        let (word, shared) = (Text::from("info"), Text::from("info".to_owned()));
        assert_eq!(word, shared);
        assert_eq!((word.to_string(), format!("{shared:?}")), ("info".to_owned(), "\"info\"".to_owned()));
        assert_eq!(serde_json::to_value(&shared).ok(), Some("info".into()));
        let Text::Shared(text) = &shared else { panic!("{shared:?}") };
        let Text::Shared(clone) = shared.clone() else { panic!("{shared:?}") };
        assert!(Arc::ptr_eq(text, &clone));
    }
}
