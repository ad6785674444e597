//! `initialize`: a legacy client opens a session.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::read;
use crate::domain::activity::one_line;
use crate::mcp::about;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::scope::Scope;
use crate::mcp::session::Agreed;
use crate::mcp::versions::Version;
use crate::telemetry::RequestId;

/// Bytes of what a client says it can do: all of it is kept.
const CAPABILITIES_BYTES: usize = 16 << 10;

/// Characters kept of a client's name, and of its version.
const CLIENT_CHARACTERS: usize = 60;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialize {
    protocol_version: String,
    #[serde(default)]
    capabilities: Map<String, Value>,
    /// `Implementation`; a client that gives itself no name is served too.
    #[serde(default)]
    client_info: Value,
}

/// What is agreed on, and the `InitializeResult` that says so.
///
/// # Errors
/// -32602 when the parameters name no version, or so many capabilities that nobody can mean them.
pub fn answer(
    params: &Params,
    request_id: &RequestId,
    scope: Scope,
    instructions: &str,
) -> Result<(Agreed, Payload), Failure> {
    let Initialize { protocol_version, capabilities, client_info } = read(params)?;
    if serde_json::to_string(&capabilities).map_or(0, |text| text.len()) > CAPABILITIES_BYTES {
        let message = format!("`params.capabilities` is larger than {CAPABILITIES_BYTES} bytes");
        return Err(Failure::new(Kind::InvalidParams, message));
    }
    let version = Version::negotiate(&protocol_version);
    let result = json!({
        "protocolVersion": version,
        "capabilities": about::capabilities(version),
        "serverInfo": about::IMPLEMENTATION,
        "instructions": instructions,
    });
    let payload = Payload::of(&result).map_err(|_| Failure::internal(request_id))?;
    let word = |name: &str| client_info[name].as_str().map(|text| one_line(text, CLIENT_CHARACTERS));
    let client = word("name").map(|name| [name, word("version").unwrap_or_default()].join(" ").trim().to_owned());
    Ok((Agreed { version, scope, capabilities, client }, payload))
}
