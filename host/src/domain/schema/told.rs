//! What a schema has in place of what is there, in words for who sends it again. They quote the schema, never the
//! value, and are bounded.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// Characters of one problem, and of one value that it lists.
const PROBLEM_CHARACTERS: usize = 300;
/// Characters of all the values that it lists.
const OPTIONS_CHARACTERS: usize = 2_000;

/// The words of the library, but where they keep back what to send.
pub fn expected(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Enum { options } => one_of(options.as_array().map_or(&[], Vec::as_slice)),
        // All that the library says is that the schema is false.
        ValidationErrorKind::FalseSchema => {
            let takes_none = error.schema_path().as_str().ends_with("/additionalProperties");
            let none = "no properties are taken here; send `{}`";
            if takes_none { none } else { "nothing is taken here; leave it out" }.to_owned()
        }
        _ => shorten(&error.masked_with("the value").to_string()),
    }
}

/// The library names three of more than that.
fn one_of(options: &[Value]) -> String {
    let mut left = OPTIONS_CHARACTERS;
    let mut shown = Vec::new();
    for option in options {
        let option = shorten(&option.to_string());
        let Some(rest) = left.checked_sub(option.chars().count()) else { break };
        left = rest;
        shown.push(option);
    }
    match options.len() - shown.len() {
        0 => {}
        1 => shown.push("one other value".to_owned()),
        more => shown.push(format!("{more} other values")),
    }
    let Some((last, others)) = shown.split_last() else { return "no value is taken here; leave it out".to_owned() };
    match others {
        [] => format!("the value is not {last}"),
        others => format!("the value is not one of {} or {last}", others.join(", ")),
    }
}

pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(PROBLEM_CHARACTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
