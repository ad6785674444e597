//! The secrets of the tool's server. A person sets their values; the host blots them out of results
//! and logs.

use crate::error::Error;
use crate::host;

/// The value of a secret, or none if it has not been set.
pub fn get(name: &str) -> Option<String> {
    host::secret(name)
}

/// The value of a secret.
///
/// # Errors
/// When it has not been set; the message says so by name.
pub fn require(name: &str) -> Result<String, Error> {
    get(name).ok_or_else(|| Error::new(format!("the secret {name} is not set; a person must set its value in MCPbox")))
}

/// The names of those that have a value, sorted.
pub fn names() -> Vec<String> {
    host::secret_names()
}
