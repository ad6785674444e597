//! Resources and a template of them.

use mcpbox_sdk::resource;
use serde_json::json;

use crate::content::RED;

/// A text that never changes.
#[resource("test://static-text", name = "static-text", mime_type = "text/plain")]
pub(crate) fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// An image that never changes.
#[resource("test://static-binary", name = "static-binary", mime_type = "image/png")]
pub(crate) fn static_binary() -> Vec<u8> {
    RED.to_vec()
}

/// Something to subscribe to.
#[resource("test://watched-resource", name = "watched-resource", mime_type = "text/plain")]
pub(crate) fn watched_resource() -> &'static str {
    "This resource is watched."
}

/// Data of one thing.
#[resource("test://template/{id}/data", name = "template-data", mime_type = "application/json")]
pub(crate) fn template_data(id: &str) -> String {
    json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string()
}
