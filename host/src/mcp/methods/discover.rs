//! `server/discover`: what a modern client can learn before it asks for anything else.

use serde_json::json;

use crate::mcp::about;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::Payload;
use crate::mcp::meta::SERVER_INFO;
use crate::mcp::pages::FRESH_MS;
use crate::mcp::versions::Version;

/// # Errors
/// Those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context) -> Reply {
    let instructions = dispatcher.instructions(&context.caller, &context.scope).await;
    let instructions = instructions.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    let result = json!({
        "supportedVersions": Version::ALL,
        "capabilities": about::capabilities(Version::V2026_07_28),
        "instructions": instructions,
        "ttlMs": FRESH_MS,
        "cacheScope": "private",
        "resultType": about::COMPLETE,
        "_meta": {SERVER_INFO: about::IMPLEMENTATION},
    });
    Payload::of(&result).map_err(|_| Failure::internal(&context.request_id))
}
