//! The component `{{name}}`. Build it, then upload it:
//!
//! ```text
//! rustup target add wasm32-unknown-unknown
//! cargo build --release --target wasm32-unknown-unknown
//! mcpbox tool push target/wasm32-unknown-unknown/release/{{name}}.wasm --server NAME
//! ```

use mcpbox_sdk::tool;

/// Greets somebody by name.
#[tool]
fn greet(
    /// Whom to greet.
    name: String,
) -> String {
    format!("Hello, {name}!")
}

mcpbox_sdk::tools!(greet);

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_greeted() {
        assert_eq!(super::greet("Ada".to_owned()), "Hello, Ada!");
    }
}
