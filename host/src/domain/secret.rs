//! A value that must not be printed.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// A secret in memory: wiped when it is dropped, and no part of it in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// The secrets of one server, by name.
pub type Secrets = BTreeMap<String, SecretValue>;
