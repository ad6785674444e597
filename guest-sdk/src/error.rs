//! How a tool says that it failed.

use std::error::Error as StdError;
use std::fmt;

pub use crate::bindings::exports::mcpbox::guest::tools::ToolError;

/// The result of a function that fails with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, in words for the model that called.
///
/// `?` makes one of any error of the standard library's kind, with its causes. A tool may as well
/// return another type: whatever implements `Display`, such as `String` or `anyhow::Error`.
///
/// ```
/// use mcpbox_sdk::{Error, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     let port = text.parse()?;
///     if port == 0 { Err(Error::new("there is no port 0")) } else { Ok(port) }
/// }
/// assert_eq!(port("http").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct Error(ToolError);

impl Error {
    /// The call failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self(ToolError::Failed(message.into()))
    }

    /// The arguments cannot be used, although they fit the schema; the model should send others.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self(ToolError::InvalidArguments(message.into()))
    }

    /// Says first what was being done.
    ///
    /// ```
    /// # use mcpbox_sdk::Error;
    /// let error = Error::new("no such host").context("the forecast is not available");
    /// assert_eq!(error.to_string(), "the forecast is not available: no such host");
    /// ```
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self(match self.0 {
            ToolError::Failed(message) => ToolError::Failed(format!("{doing}: {message}")),
            ToolError::InvalidArguments(message) => ToolError::InvalidArguments(format!("{doing}: {message}")),
            ToolError::UnknownTool => ToolError::UnknownTool,
        })
    }

    pub(crate) fn from_inner(inner: ToolError) -> Self {
        Self(inner)
    }

    pub(crate) fn into_inner(self) -> ToolError {
        self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ToolError::Failed(message) | ToolError::InvalidArguments(message) => f.write_str(message),
            ToolError::UnknownTool => f.write_str("there is no such tool"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors already tell their cause.
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::new(message)
    }
}
