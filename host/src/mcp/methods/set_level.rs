//! `logging/setLevel`: from which seriousness on a session wants to read what guests log.

use serde::Deserialize;

use super::read;
use crate::mcp::dispatch::{Context, Dispatcher, Era, Reply};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::meta::Threshold;
use crate::mcp::sessions;
use crate::service::mcp_sessions::McpWish;

#[derive(Deserialize)]
struct SetLevel {
    level: String,
}

/// # Errors
/// -32602 for a level that is none, and those of the database.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let SetLevel { level } = read(params)?;
    let level = Threshold::parse(&level)?;
    if let Era::Legacy(session) = &context.era {
        let wish = McpWish::LogLevel(level.as_str().to_owned());
        let kept = sessions::wish(&dispatcher.service, session, wish).await;
        kept.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    }
    Ok(Payload::empty())
}
