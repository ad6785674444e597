//! Lines for the people who run a tool.
//!
//! ```
//! use mcpbox_sdk::log;
//!
//! let city = "Oslo";
//! log::info!("looking for {city}");
//! log::warning!("{} is far north", city);
//! ```
//!
//! The host keeps a bounded number of lines of bounded length for a call, and blots secrets out.

pub use crate::bindings::mcpbox::guest::types::LogLevel as Level;
use crate::host;

#[doc(inline)]
pub use crate::{__log_debug as debug, __log_error as error, __log_info as info, __log_warning as warning};

/// Writes one line.
pub fn emit(level: Level, message: &str) {
    host::log_emit(level, message);
}

/// Writes a line for whoever looks for a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($message:tt)+) => { $crate::log::emit($crate::log::Level::Debug, &::std::format!($($message)+)) };
}

/// Writes a line that is good to know.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($message:tt)+) => { $crate::log::emit($crate::log::Level::Info, &::std::format!($($message)+)) };
}

/// Writes a line about something that should not be so.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warning {
    ($($message:tt)+) => { $crate::log::emit($crate::log::Level::Warning, &::std::format!($($message)+)) };
}

/// Writes a line about something that failed.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($message:tt)+) => { $crate::log::emit($crate::log::Level::Error, &::std::format!($($message)+)) };
}
