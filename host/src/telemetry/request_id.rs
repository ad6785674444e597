//! The id of one request, from the door to the guest and into every log line and row on the way.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The header in which a caller may give an id, and in which every answer carries it.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

const MAX_CHARACTERS: usize = 64;

/// 1 to 64 characters of `[A-Za-z0-9_-]`, so that it can stand in any header, log line or row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to {MAX_CHARACTERS} letters, digits, underscores and hyphens")]
pub struct RequestIdError;

impl RequestId {
    /// A new one: a UUIDv7, so that later ones sort behind earlier ones.
    #[expect(clippy::new_without_default, reason = "a new id is not a default")]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The caller's id where it is well formed, otherwise a new one.
    pub fn given_or_new(header: Option<&str>) -> Self {
        header.and_then(|text| text.parse().ok()).unwrap_or_else(Self::new)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let fits = (1..=MAX_CHARACTERS).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RequestIdError)
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_kept_and_another_is_replaced() {
        for good in ["a", "req_1-B", &"x".repeat(64)] {
            assert_eq!(RequestId::given_or_new(Some(good)).as_str(), good);
        }
        for bad in ["", " a", "a b", "a\n", "ä", "a\"", "../x", &"x".repeat(65)] {
            let id = RequestId::given_or_new(Some(bad));
            assert_ne!(id.as_str(), bad);
            assert_eq!(id.as_str().parse(), Ok(id.clone()), "{bad}");
        }
        assert_ne!(RequestId::given_or_new(None), RequestId::given_or_new(None));
    }

    #[test]
    fn a_new_id_is_a_uuid_of_version_7() {
        let id = Uuid::parse_str(RequestId::new().as_str()).expect("a UUID");
        assert_eq!(id.get_version_num(), 7);
    }
}
