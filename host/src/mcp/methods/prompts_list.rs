//! `prompts/list`: the prompts of running servers, in pages.

use serde::Deserialize;

use super::read;
use crate::domain::component::Prompt;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::pages::page;
use crate::mcp::scope::Scope;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    cursor: Option<String>,
}

/// # Errors
/// -32602 for a cursor that is not ours, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let List { cursor } = read(params)?;
    let catalogue = dispatcher.catalogue(context).await?;
    page(dispatcher, context, cursor.as_deref(), "prompts", &catalogue.offered.prompts, |offering| {
        let name = match context.scope {
            Scope::Everything => offering.name.clone(),
            Scope::Server(_) => offering.own.name.clone(),
        };
        (name.clone(), Prompt { name, ..offering.own.clone() })
    })
}
