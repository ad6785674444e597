//! The revisions of MCP that are spoken here, and how one is agreed on.
//!
//! Two eras: up to 2025-11-25 a client opens a session with `initialize` and both sides agree on a
//! version once (legacy); from 2026-07-28 on every request names its version and stands alone
//! (modern).

use std::fmt;

use serde::{Serialize, Serializer};

/// A revision, oldest first, so that `>=` reads as "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

impl Version {
    /// Newest first, as `server/discover` and errors list them.
    pub const ALL: [Self; 5] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];

    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// What a legacy request without a version header is taken for (2025-06-18 and later,
    /// "Protocol Version Header").
    pub const ASSUMED: Self = Self::V2025_03_26;

    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether requests of this version stand alone.
    pub fn is_modern(self) -> bool {
        self >= Self::V2026_07_28
    }

    /// Whether several messages may share one request body: only in the one revision that had it.
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// Whether a client may take up a stream that broke: in the revisions that have sessions over
    /// one address.
    pub fn resumes(self) -> bool {
        (Self::V2025_03_26..=Self::V2025_11_25).contains(&self)
    }

    /// The version that answers an `initialize` which asks for `requested`: the same when it has
    /// sessions, otherwise our newest that has.
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested).filter(|version| !version.is_modern()).unwrap_or(Self::NEWEST_LEGACY)
    }

    /// What a client whose version is refused may try instead.
    pub fn others(requested: &str) -> Vec<&'static str> {
        Self::ALL.into_iter().map(Self::as_str).filter(|version| *version != requested).collect()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_is_answered_with_the_version_asked_for_or_our_newest_with_sessions() {
        for (asked, answered) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("2030-01-01", "2025-11-25"),
            ("", "2025-11-25"),
            ("1.0.0", "2025-11-25"),
        ] {
            assert_eq!(Version::negotiate(asked).as_str(), answered, "{asked}");
        }
    }

    #[test]
    fn versions_sort_by_age_and_read_back() {
        let mut newest_first = Version::ALL;
        newest_first.sort_by(|a, b| b.cmp(a));
        assert_eq!(newest_first, Version::ALL);
        for version in Version::ALL {
            assert_eq!(Version::parse(version.as_str()), Some(version));
            assert_eq!(version.has_batches(), version.as_str() == "2025-03-26");
            assert_eq!(version.is_modern(), version.as_str() == "2026-07-28");
        }
        assert_eq!(Version::parse("2026-07-28 "), None);
    }

    #[test]
    fn a_refused_client_is_not_told_to_try_the_same_again() {
        assert_eq!(Version::others("2025-11-25"), ["2026-07-28", "2025-06-18", "2025-03-26", "2024-11-05"]);
        assert_eq!(Version::others("v999").len(), 5);
    }
}
