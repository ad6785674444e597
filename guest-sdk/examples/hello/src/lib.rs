//! The smallest component: one tool.

use mcpbox_sdk::tool;

/// Greets somebody by name.
#[tool]
fn hello(
    /// Whom to greet.
    name: String,
) -> String {
    format!("Hello, {name}!")
}

mcpbox_sdk::tools!(hello);
