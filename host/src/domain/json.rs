//! JSON text that passes through without being read into values.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a schema looks like where one is shown.
pub struct JsonSchema;

impl PartialSchema for JsonSchema {
    fn schema() -> RefOr<Schema> {
        let about = "A JSON Schema (draft 2020-12) of an object, the same that MCP clients get of the tool.";
        ObjectBuilder::new().description(Some(about)).into()
    }
}

impl ToSchema for JsonSchema {}

/// Nesting that every reader copes with; serde_json's own readers stop at the same depth.
pub const DEPTH_MAX: usize = 128;

/// Whether arrays and objects are nested deeper than [`DEPTH_MAX`]. `text` is valid JSON.
pub fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Reads to the end of a text; an escape takes its next byte with it.
fn skip_text(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_texts() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(&nested(DEPTH_MAX)));
        assert!(is_too_deep(&nested(DEPTH_MAX + 1)));
        assert!(!is_too_deep(&format!("[\"{}\\\"{}\"]", "[".repeat(500), "{".repeat(500))));
        assert!(!is_too_deep(&format!("[{}1]", "[],".repeat(1_000))));
    }
}
