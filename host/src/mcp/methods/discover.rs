//! `server/discover`: what a modern client can learn before it asks for anything else.

use serde_json::json;

use crate::mcp::about;
use crate::mcp::dispatch::Reply;
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::Payload;
use crate::mcp::meta::SERVER_INFO;
use crate::mcp::versions::Version;
use crate::telemetry::RequestId;

/// For how long a client may keep the answer: it changes only with the program.
const FRESH_MS: u64 = 300_000;

/// # Errors
/// None that a client could cause.
pub fn answer(request_id: &RequestId) -> Reply {
    let result = json!({
        "supportedVersions": Version::ALL,
        "capabilities": about::capabilities(Version::V2026_07_28),
        "instructions": about::INSTRUCTIONS,
        "ttlMs": FRESH_MS,
        "cacheScope": "private",
        "resultType": about::COMPLETE,
        "_meta": {SERVER_INFO: about::IMPLEMENTATION},
    });
    Payload::of(&result).map_err(|_| Failure::internal(request_id))
}
