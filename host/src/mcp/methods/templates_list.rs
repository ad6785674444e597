//! `resources/templates/list`: the templates of resources of running servers, in pages.

use serde::Deserialize;

use super::read;
use crate::domain::component::ResourceTemplate;
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
    page(dispatcher, context, cursor.as_deref(), "resourceTemplates", &catalogue.offered.templates, |offering| {
        let uri_template = match context.scope {
            Scope::Everything => offering.name.clone(),
            Scope::Server(_) => offering.own.uri_template.clone(),
        };
        (uri_template.clone(), ResourceTemplate { uri_template, ..offering.own.clone() })
    })
}
