//! `initialize`: a legacy client opens a session.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::read;
use crate::mcp::about;
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::session::Agreed;
use crate::mcp::versions::Version;
use crate::telemetry::RequestId;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialize {
    protocol_version: String,
    #[serde(default)]
    capabilities: Map<String, Value>,
}

/// What is agreed on, and the `InitializeResult` that says so.
///
/// # Errors
/// -32602 when the parameters name no version.
pub fn answer(params: &Params, request_id: &RequestId) -> Result<(Agreed, Payload), Failure> {
    let Initialize { protocol_version, capabilities } = read(params)?;
    let version = Version::negotiate(&protocol_version);
    let result = json!({
        "protocolVersion": version,
        "capabilities": about::capabilities(version),
        "serverInfo": about::IMPLEMENTATION,
        "instructions": about::INSTRUCTIONS,
    });
    let payload = Payload::of(&result).map_err(|_| Failure::internal(request_id))?;
    Ok((Agreed { version, capabilities }, payload))
}
