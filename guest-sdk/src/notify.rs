//! Tells clients that something is another than before. Those that listen list or read again.

use crate::bindings::mcpbox::guest::notify::Listing;
use crate::host;

/// The list of tools has changed.
pub fn tools_changed() {
    host::list_changed(Listing::Tools);
}

/// The list of prompts has changed.
pub fn prompts_changed() {
    host::list_changed(Listing::Prompts);
}

/// The list of resources has changed.
pub fn resources_changed() {
    host::list_changed(Listing::Resources);
}

/// What a resource holds has changed.
///
/// ```
/// mcpbox_sdk::notify::resource_updated("notes://today");
/// ```
pub fn resource_updated(uri: &str) {
    host::resource_updated(uri);
}
