//! What the exports of a component do: list its tools, call one, and tell of a panic.

use crate::content::ToolResult;
use crate::error::ToolError;

pub use crate::bindings::exports::mcpbox::guest::tools::{Guest, Tool as Description, ToolAnnotations};

/// A tool of a component; `#[tool]` implements it.
pub trait Tool {
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    const NAME: &'static str;

    /// Name, description, schemas.
    fn describe() -> Description;

    /// Runs it. `arguments` is a JSON object.
    ///
    /// # Errors
    /// When the arguments do not fit or the tool fails.
    fn call(arguments: &str) -> Result<ToolResult, ToolError>;
}

/// A tool without its type, for the table that [`tools!`](crate::tools) makes.
#[derive(Clone, Copy)]
pub struct Entry {
    name: &'static str,
    describe: fn() -> Description,
    call: fn(&str) -> Result<ToolResult, ToolError>,
}

impl Entry {
    pub const fn of<T: Tool>() -> Self {
        Self { name: T::NAME, describe: T::describe, call: T::call }
    }
}

/// Answers the contract's `list-tools`.
pub fn list(tools: &[Entry]) -> Vec<Description> {
    tell_of_panics();
    tools.iter().map(|tool| (tool.describe)()).collect()
}

/// Answers the contract's `call-tool`.
///
/// # Errors
/// When there is no such tool, the arguments do not fit, or the tool fails.
pub fn call(tools: &[Entry], name: &str, arguments: &str) -> Result<ToolResult, ToolError> {
    tell_of_panics();
    match tools.iter().find(|tool| tool.name == name) {
        Some(tool) => (tool.call)(arguments),
        None => Err(ToolError::UnknownTool),
    }
}

/// A panic of a component is a trap, which has no words. The hook runs before it and logs them; the
/// host knows the line by its beginning and tells it to the caller in place of the bare trap.
fn tell_of_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        crate::log::emit(crate::log::Level::Error, &format!("panicked at {place}: {text}"));
    }));
}

/// Makes the component: exports these tools.
///
/// Stands once in the crate, after the functions or before; a tool of another module is named by its
/// path.
///
/// ```
/// mod text {
///     /// Says how many characters a text has.
///     #[mcpbox_sdk::tool]
///     pub fn length(text: String) -> usize {
///         text.chars().count()
///     }
/// }
/// mcpbox_sdk::tools!(text::length);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! tools {
    ($($tool:path),+ $(,)?) => {
        const _: () = {
            const TOOLS: &[$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$tool>()),+];

            #[allow(dead_code)]
            struct Component;

            impl $crate::__private::Guest for Component {
                fn list_tools() -> ::std::vec::Vec<$crate::Description> {
                    $crate::__private::list(TOOLS)
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<$crate::ToolResult, $crate::ToolError> {
                    $crate::__private::call(TOOLS, &name, &arguments)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::__private::export_component!(Component with_types_in $crate::bindings);

            // Elsewhere nobody asks for the tools; they are no dead code for that.
            let _ = TOOLS;
        };
    };
}
