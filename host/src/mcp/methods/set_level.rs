//! `logging/setLevel`: from which seriousness on a session wants to read what guests log.

use serde::Deserialize;

use super::read;
use crate::mcp::dispatch::{Context, Era, Reply};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::meta::Threshold;

#[derive(Deserialize)]
struct SetLevel {
    level: String,
}

/// # Errors
/// -32602 for a level that is none.
pub fn answer(context: &Context, params: &Params) -> Reply {
    let SetLevel { level } = read(params)?;
    let level = Threshold::parse(&level)?;
    if let Era::Legacy(session) = &context.era {
        session.set_log_level(level);
    }
    Ok(Payload(b"{}".to_vec()))
}
