//! `resources/subscribe` and `resources/unsubscribe`: which resources a session wants to hear of. Kept with the
//! session; what changes is told on its stream.

use serde::Deserialize;

use super::read;
use super::resources_read::unknown;
use crate::mcp::dispatch::{Context, Dispatcher, Era, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::sessions::keep_wishes;

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
    if let Era::Legacy(session) = &context.era {
        session.subscribe(&uri).map_err(|most| {
            let message = format!(
                "this session is subscribed to {most} resources and no more may be (MCPBOX_SESSION_SUBSCRIPTIONS); \
                 unsubscribe from one first"
            );
            Failure::new(Kind::InvalidParams, message)
        })?;
    }
    kept(dispatcher, context).await
}

/// Also of a resource that is there no more, or that nobody subscribed to.
///
/// # Errors
/// Those of the database.
pub async fn undo(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Subscribe { uri } = read(params)?;
    if let Era::Legacy(session) = &context.era {
        session.unsubscribe(&uri);
    }
    kept(dispatcher, context).await
}

async fn kept(dispatcher: &Dispatcher, context: &Context) -> Reply {
    if let Era::Legacy(session) = &context.era {
        let kept = keep_wishes(&dispatcher.service, session).await;
        kept.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    }
    Ok(Payload::empty())
}
