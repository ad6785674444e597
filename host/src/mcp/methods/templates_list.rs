//! `resources/templates/list`: the templates of resources of running servers, in pages.

use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::pages::page;

/// # Errors
/// -32602 for a cursor that is not ours, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let catalogue = dispatcher.catalogue(context).await?;
    page(dispatcher, context, params, "resourceTemplates", &catalogue.offered.templates)
}
