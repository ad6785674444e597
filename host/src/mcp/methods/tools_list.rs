//! `tools/list`: the management tools, then the tools of running servers, in pages; or, in place of too many, those
//! that find and call them.

use super::read;
use crate::limits::Limits;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::listing::Shows;
use crate::mcp::pages::List;

/// # Errors
/// -32602 for a cursor that is not ours, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let List { cursor } = read(params)?;
    let service = &dispatcher.service;
    let failure = |error| Dispatcher::failure(error, &context.request_id);
    let listing = dispatcher.listings.current(service, &context.caller, &context.scope).await.map_err(failure)?;
    let shown = service.shown(&context.caller).await.map_err(failure)?;
    let limits = service.limits();
    let shows = Shows::of(&listing, context.tools, shown.management, Limits::size(limits.tools_listed));
    listing.page(context.is_modern(), cursor.as_deref(), Limits::size(limits.page_size_max), shows)
}
