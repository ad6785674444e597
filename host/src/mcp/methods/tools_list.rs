//! `tools/list`: the management tools, then the tools of running servers, in pages.

use serde::Deserialize;

use super::read;
use crate::limits::Limits;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    cursor: Option<String>,
}

/// # Errors
/// -32602 for a cursor that is not ours, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let List { cursor } = read(params)?;
    let listing = dispatcher
        .listings
        .current(&dispatcher.service, &context.caller, &context.scope)
        .await
        .map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    let size = Limits::size(dispatcher.service.limits().page_size_max);
    listing.page(context.is_modern(), cursor.as_deref(), size)
}
