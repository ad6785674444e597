//! Write tools for MCPbox in Rust. A tool is a function; the crate becomes a WebAssembly component.
//!
//! ```
//! use mcpbox_sdk::tool;
//!
//! /// Greets somebody by name.
//! #[tool]
//! fn hello(
//!     /// Whom to greet.
//!     name: String,
//! ) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! mcpbox_sdk::tools!(hello);
//! # fn main() {
//! # use mcpbox_sdk::Tool;
//! # assert_eq!(hello::describe().description, "Greets somebody by name.");
//! # }
//! ```
//!
//! # Building
//!
//! ```text
//! rustup target add wasm32-unknown-unknown
//! cargo build --release --target wasm32-unknown-unknown
//! ```
//!
//! with two settings: `crate-type = ["cdylib"]` in `[lib]` of `Cargo.toml`, and in
//! `.cargo/config.toml` the linker that rustup ships:
//!
//! ```toml
//! [target.wasm32-unknown-unknown]
//! linker = "wasm-component-ld"
//! ```
//!
//! `target/wasm32-unknown-unknown/release/NAME.wasm` then is a component. It imports only what its
//! tools use, and the log.
//!
//! # Arguments
//!
//! Each parameter is an argument: its type gives the schema (anything that is `Deserialize` and
//! `JsonSchema`; a `&str` is a string), its documentation comment the description. An `Option` need
//! not be given, nor what has a `#[default(…)]`. Attributes of `serde` and `schemars` work as on a
//! field.
//!
//! ```
//! use mcpbox_sdk::{Tool, tool};
//!
//! /// Searches the archive.
//! #[tool(title = "Search", read_only)]
//! fn search(
//!     /// Words to look for.
//!     words: Vec<String>,
//!     /// How many to answer.
//!     #[default(10)]
//!     #[schemars(range(min = 1, max = 100))]
//!     limit: u32,
//!     /// Only those of this author.
//!     author: Option<String>,
//! ) -> Vec<String> {
//!     let found = words.into_iter().filter(|word| author.as_ref() != Some(word));
//!     found.take(limit as usize).collect()
//! }
//!
//! let schema: serde_json::Value = serde_json::from_str(&search::describe().input_schema).unwrap();
//! assert_eq!(schema["properties"]["limit"]["default"], 10);
//! assert_eq!(schema["required"], serde_json::json!(["words"]));
//! ```
//!
//! A type of your own that has all arguments is taken whole by `#[arguments]`:
//!
//! ```
//! use mcpbox_sdk::tool;
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Point {
//!     /// Metres to the east.
//!     x: f64,
//!     /// Metres to the north.
//!     y: f64,
//! }
//!
//! /// How far a point is from here.
//! #[tool]
//! fn distance(#[arguments] point: Point) -> f64 {
//!     point.x.hypot(point.y)
//! }
//! ```
//!
//! # Results
//!
//! See [`Output`]. A tool that can fail returns a `Result`; the error's text is what the model reads.
//! [`Error`] takes any error by `?`. A panic ends the call too, and its message and place are told.
//!
//! # The options of `#[tool]`
//!
//! | option | |
//! | --- | --- |
//! | `name = "…"` | instead of the function's name |
//! | `title = "…"` | for people |
//! | `description = "…"` | instead of the documentation comment |
//! | `icon = …` | a picture: an address, or an [`Icon`]; may stand several times |
//! | `read_only`, `destructive`, `idempotent`, `open_world` | MCP's hints; each alone or with `= false` |
//!
//! # What a tool can reach
//!
//! [`http`], [`secrets`], [`log`], [`progress`], [`client`], [`notify`], [`time`] and [`random`]. `async` tools run on
//! [`task`], where requests go side by side. There are no files, no threads and no environment.
//!
//! # Prompts, resources, suggestions
//!
//! They are functions too, by `#[prompt]`, `#[resource("uri")]` and `#[completion(…)]`; [`component!`] puts them
//! into the component. Their arguments are texts: `&str`, `String`, or `Option<String>` for what need not be given.
//!
//! # Skills
//!
//! Folders of instructions for a model, which reads of them what it needs: [`skill!`] makes one of files that lie
//! beside the source.
//!
//! # Testing
//!
//! The crate compiles natively too, so `cargo test` works: a tool is still the function that it was,
//! and [`testing::Host`] stands in for MCPbox.

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated; the contract is documented where it is written"
)]
#[rustfmt::skip]
#[doc(hidden)]
pub mod bindings;
pub mod client;
#[doc(hidden)]
pub mod completion;
mod component;
mod content;
mod elicitation;
mod error;
mod given;
mod host;
pub mod http;
#[doc(hidden)]
pub mod icon;
pub mod log;
pub mod notify;
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated; the contract is documented where it is written"
)]
#[doc(hidden)]
pub mod optional;
mod output;
pub mod progress;
#[doc(hidden)]
pub mod prompt;
pub mod random;
#[doc(hidden)]
pub mod resource;
pub mod secrets;
#[doc(hidden)]
pub mod skill;
pub mod task;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;

pub use mcpbox_sdk_macros::{completion, prompt, resource, tool};

pub use crate::completion::{Completion, CompletionOf, IntoSuggestions, Suggestions};
pub use crate::component::{Description, Tool, ToolAnnotations};
pub use crate::content::{
    BlobContent, Content, ContentAnnotations, EmbeddedResource, ResourceBody, ResourceLink, Role, TextContent,
    ToolResult,
};
pub use crate::error::{Error, Result, ToolError};
pub use crate::icon::Icon;
pub use crate::output::Output;
pub use crate::prompt::{
    IntoPrompt, Prompt, PromptArgument, PromptDescription, PromptError, PromptMessage, PromptResult,
};
pub use crate::resource::{Contents, IntoContents, Read, Resource, ResourceDescription};
pub use crate::skill::{Skill, SkillFile};

/// For what the macros write, and for nothing else.
#[doc(hidden)]
pub mod __private {
    pub use schemars;
    pub use serde;

    pub use crate::bindings::export_component;
    pub use crate::component::{Entry, Guest, call, list};
    pub use crate::given::{Argument, Given};
    pub use crate::icon::Icons;
    pub use crate::optional::completion::export_completion;
    pub use crate::optional::icons::export_icons;
    pub use crate::optional::prompts::export_prompts;
    pub use crate::optional::resources::export_resources;
    pub use crate::optional::skills::export_skills;
    pub use crate::output::{Plain, Probe, arguments, input_schema};
    pub use crate::{completion, icon, prompt, resource, skill};
}

/// What `#[tool]` refuses, in words of its own.
///
/// A tool that nobody can choose:
/// ```compile_fail
/// #[mcpbox_sdk::tool]
/// fn undocumented() {}
/// ```
/// A type of which there is no schema:
/// ```compile_fail
/// /// Answers something.
/// #[mcpbox_sdk::tool]
/// fn opaque() -> std::cell::UnsafeCell<u8> { std::cell::UnsafeCell::new(1) }
/// ```
/// Generics:
/// ```compile_fail
/// /// Answers anything.
/// #[mcpbox_sdk::tool]
/// fn any<T: serde::Serialize>() {}
/// ```
/// A name that MCP does not allow:
/// ```compile_fail
/// /// Answers nothing.
/// #[mcpbox_sdk::tool(name = "two words")]
/// fn named() {}
/// ```
/// An option that there is not:
/// ```compile_fail
/// /// Answers nothing.
/// #[mcpbox_sdk::tool(colour = "red")]
/// fn red() {}
/// ```
#[cfg(doctest)]
mod refused {}
