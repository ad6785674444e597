//! Where a page of a list ends, as an opaque word for the client.
//!
//! A cursor holds the name of the last thing on the page, not a number: when the list changes
//! between two pages, nothing is skipped or told twice. It grants nothing, so it is not sealed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::{Failure, Kind};

/// The first letter says what follows, so that another kind can be told apart later.
const AFTER_NAME: char = 'n';

/// The cursor of the page that follows `name`.
pub fn after(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{AFTER_NAME}{name}"))
}

/// The name that the page follows; none when this is not a cursor of ours.
pub fn read(cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix(AFTER_NAME).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Where a page begins: at the front, or where `following` says that what follows the cursor's name is.
///
/// # Errors
/// -32602 when the cursor is not one of ours.
pub fn start(cursor: Option<&str>, following: impl FnOnce(&str) -> usize) -> Result<usize, Failure> {
    let Some(cursor) = cursor else { return Ok(0) };
    let last = read(cursor)
        .ok_or_else(|| Failure::new(Kind::InvalidParams, "this cursor is not one of ours; list again without it"))?;
    Ok(following(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_none() {
        for name in ["weather__forecast", "ä", "a b"] {
            assert_eq!(read(&after(name)).as_deref(), Some(name));
        }
        for bad in ["", "!!", "1", "weather__forecast", "bg==", &URL_SAFE_NO_PAD.encode("xname"), "bg", "_____w"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
