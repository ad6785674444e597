//! `skills/list`: the skills of running servers, each whole, in pages.

use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::pages::page;

/// # Errors
/// -32602 for a cursor that is not ours, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let catalogue = dispatcher.catalogue(context).await?;
    page(dispatcher, context, params, "skills", &catalogue.offered.skills)
}
