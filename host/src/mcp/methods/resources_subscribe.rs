//! `resources/subscribe` and `resources/unsubscribe`: which resources a session wants to hear of. Kept with the
//! session; what changes is told on its stream.

use serde::Deserialize;

use super::read;
use super::resources_read::unknown;
use crate::mcp::dispatch::{Context, Dispatcher, Era, Reply};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::sessions;
use crate::service::mcp_sessions::McpWish;

#[derive(Deserialize)]
struct Subscribe {
    uri: String,
}

/// # Errors
/// That there is no such resource, or that no more may be subscribed to.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Subscribe { uri } = read(params)?;
    let catalogue = dispatcher.catalogue(context).await?;
    if catalogue.offered.owner_of_uri(&context.scope.full_uri(&uri)).is_none() {
        return Err(unknown(dispatcher, context, &uri).await);
    }
    keep(dispatcher, context, McpWish::Subscribe(uri)).await
}

/// Also of a resource that is there no more, or that nobody subscribed to.
///
/// # Errors
/// Those of the database.
pub async fn undo(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Subscribe { uri } = read(params)?;
    keep(dispatcher, context, McpWish::Unsubscribe(uri)).await
}

async fn keep(dispatcher: &Dispatcher, context: &Context, wish: McpWish) -> Reply {
    if let Era::Legacy(session) = &context.era {
        let kept = sessions::wish(&dispatcher.service, session, wish).await;
        kept.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    }
    Ok(Payload::empty())
}
