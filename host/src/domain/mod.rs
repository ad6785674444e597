//! The words of the product and its pure rules. Nothing here waits, reads or writes anything.

pub mod activity;
pub mod address;
pub mod binding;
pub mod budget;
pub mod caller;
pub mod circuit;
pub mod component;
pub mod content;
pub mod diff;
pub mod digest;
pub mod export;
pub mod grant;
pub mod ids;
pub mod json;
pub mod latency;
pub mod modules;
pub mod names;
pub mod outcome;
pub mod package;
pub mod policy;
pub mod redact;
pub mod request;
pub mod secret;
pub mod source;
pub mod tool;
pub mod version;
