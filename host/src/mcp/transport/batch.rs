//! Several messages in one body, as only 2025-03-26 has them.
//!
//! Each is answered for itself; the answers come together, in the order of the questions.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::arrive::Arrived;
use super::post::{Sent, run, text};
use super::{Refused, accepted, json, legacy};
use crate::mcp::McpState;
use crate::mcp::dispatch::{Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{self, Id, Malformed, Message, Request};
use crate::mcp::meta::Meta;
use crate::mcp::record;
use crate::mcp::session::Session;
use crate::mcp::stream::{self as events, Event};

/// The answer to one message, there or on its way.
enum Pending {
    There(Vec<u8>),
    Coming(Id, JoinHandle<Option<Reply>>),
}

pub(super) async fn serve(
    mcp: &McpState,
    sent: Sent,
    messages: Vec<Result<Message, Malformed>>,
) -> Result<Response, Refused> {
    let session = legacy::session(mcp, &sent)?;
    if !session.agreed.version.has_batches() {
        let message = format!("protocol version {} has no batches; send one message", session.agreed.version);
        return Err(Failure::new(Kind::InvalidRequest, message).into());
    }
    let mut pending = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Err(malformed) => pending.push(failed(mcp, &sent, malformed.id.as_ref(), &malformed.failure).await),
            Ok(Message::Response(_)) => {}
            Ok(Message::Notification(notification)) => mcp.dispatcher.notification(&session, &notification),
            Ok(Message::Request(request)) => pending.push(begin(mcp, &session, &sent, request).await),
        }
    }
    let mut answers = Vec::with_capacity(pending.len());
    for answer in pending {
        match answer {
            Pending::There(text) => answers.push(text),
            Pending::Coming(id, task) => {
                let reply = task.await.unwrap_or_else(|error| Some(Err(super::post::broken(&error))));
                answers.extend(reply.map(|reply| text(&id, &reply)));
            }
        }
    }
    if answers.is_empty() {
        return Ok(accepted());
    }
    if !sent.accepts.json {
        let place = mcp.streams.place()?;
        return Ok(events::answer(stream::iter(answers.into_iter().map(Event::message)), mcp.keep_alive(), place));
    }
    let mut body = b"[".to_vec();
    body.extend(answers.join(&b','));
    body.push(b']');
    Ok(json(StatusCode::OK, body, None))
}

async fn begin(mcp: &McpState, session: &Arc<Session>, sent: &Sent, request: Request) -> Pending {
    let id = request.id.clone();
    if request.method == "initialize" {
        let failure = Failure::new(Kind::InvalidRequest, "`initialize` cannot be part of a batch");
        return failed(mcp, sent, Some(&id), &failure).await;
    }
    // The body was counted once; here each of its requests is.
    if let Err(error) = mcp.dispatcher.service.rate_count(&sent.arrived.caller).await {
        return failed(mcp, sent, Some(&id), &Dispatcher::failure(error, &sent.arrived.request_id)).await;
    }
    let work = Meta::read(&request.params)
        .map_err(|failure| Refused::of(&id, false, failure))
        .and_then(|meta| legacy::work(session, sent, request, &meta));
    match work {
        Err(refused) => failed(mcp, sent, refused.id.as_ref(), &refused.failure).await,
        Ok(work) => {
            let mcp = mcp.clone();
            let tracker = mcp.tracker.clone();
            Pending::Coming(id, tracker.spawn(async move { run(&mcp, work).await }.in_current_span()))
        }
    }
}

async fn failed(mcp: &McpState, sent: &Sent, id: Option<&Id>, failure: &Failure) -> Pending {
    let Arrived { caller, request_id, .. } = sent.arrived.clone();
    record::refused(mcp, caller, request_id, failure).await;
    Pending::There(jsonrpc::error(id, failure))
}
