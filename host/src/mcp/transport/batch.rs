//! Several messages in one body, as only 2025-03-26 has them.
//!
//! Each is answered for itself; the answers come together, in the order of the questions.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream;
use tokio::task::{JoinError, JoinHandle};

use super::arrive::Arrived;
use super::conversation::Conversation;
use super::post::{Sent, run};
use super::{Refused, accepted, json, legacy};
use crate::mcp::McpState;
use crate::mcp::dispatch::{Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{self, Id, Malformed, Message, Request};
use crate::mcp::meta::Meta;
use crate::mcp::outbox::text;
use crate::mcp::record;
use crate::mcp::session::Session;
use crate::mcp::stream::{self as events, Event};
use crate::telemetry;

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
    let session = legacy::session(mcp, &sent).await?;
    if !session.agreed.version.has_batches() {
        let message = format!("protocol version {} has no batches; send one message", session.agreed.version);
        return Err(Failure::new(Kind::InvalidRequest, message).into());
    }
    let answers = answers(mcp, &session, &sent.arrived, Noting::Session, messages).await;
    if answers.is_empty() {
        return Ok(accepted());
    }
    if !sent.accepts.json {
        let place = mcp.streams.place()?;
        return Ok(events::answer(stream::iter(answers.into_iter().map(Event::message)), mcp.keep_alive(), place));
    }
    Ok(json(StatusCode::OK, array(&answers), None))
}

/// Several answers as one text.
pub(super) fn array(answers: &[Vec<u8>]) -> Vec<u8> {
    let mut text = b"[".to_vec();
    text.extend(answers.join(&b','));
    text.push(b']');
    text
}

/// Who takes note of the notifications of a batch.
#[derive(Clone, Copy)]
pub(super) enum Noting<'a> {
    Session,
    /// In its order.
    Conversation(&'a Conversation),
}

/// The answers to all requests of a batch.
pub(super) async fn answers(
    mcp: &McpState,
    session: &Arc<Session>,
    arrived: &Arrived,
    noting: Noting<'_>,
    messages: Vec<Result<Message, Malformed>>,
) -> Vec<Vec<u8>> {
    let mut pending = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Err(malformed) => pending.push(failed(mcp, arrived, malformed.id.as_ref(), &malformed.failure).await),
            Ok(Message::Response(response)) => {
                session.answered(response);
            }
            Ok(Message::Notification(notification)) => {
                let noted = match noting {
                    Noting::Session => mcp.dispatcher.notification(session, &notification).await,
                    Noting::Conversation(conversation) => conversation.notification(&notification).await,
                };
                if let Err(error) = noted {
                    let failure = Dispatcher::failure(error, &arrived.request_id);
                    pending.push(failed(mcp, arrived, None, &failure).await);
                }
            }
            Ok(Message::Request(request)) => pending.push(begin(mcp, session, arrived, request).await),
        }
    }
    let mut answers = Vec::with_capacity(pending.len());
    for answer in pending {
        match answer {
            Pending::There(text) => answers.push(text),
            Pending::Coming(id, task) => {
                let reply = task.await.unwrap_or_else(|error| Some(Err(broken(&error))));
                answers.extend(reply.map(|reply| text(&id, &reply)));
            }
        }
    }
    answers
}

async fn begin(mcp: &McpState, session: &Arc<Session>, arrived: &Arrived, request: Request) -> Pending {
    let id = request.id.clone();
    if request.method == "initialize" {
        let failure = Failure::new(Kind::InvalidRequest, "`initialize` cannot be part of a batch");
        return failed(mcp, arrived, Some(&id), &failure).await;
    }
    // The body was counted once; here each of its requests is.
    if let Err(error) = mcp.dispatcher.service.rate_count(&arrived.caller).await {
        return failed(mcp, arrived, Some(&id), &Dispatcher::failure(error, &arrived.request_id)).await;
    }
    let work = Meta::read(&request.params)
        .map_err(|failure| Refused::of(&id, false, failure))
        .and_then(|meta| legacy::work(session, arrived, request, &meta));
    match work {
        Err(refused) => failed(mcp, arrived, refused.id.as_ref(), &refused.failure).await,
        Ok(work) => {
            let mcp = mcp.clone();
            let tracker = mcp.tracker.clone();
            Pending::Coming(id, tracker.spawn(telemetry::carried(async move { run(&mcp, work).await })))
        }
    }
}

async fn failed(mcp: &McpState, arrived: &Arrived, id: Option<&Id>, failure: &Failure) -> Pending {
    let Arrived { caller, request_id, .. } = arrived.clone();
    record::refused(mcp, caller, request_id, failure).await;
    Pending::There(jsonrpc::error(id, failure))
}

/// A task that did not end by itself: a fault of ours that the panic hook has logged.
fn broken(error: &JoinError) -> Failure {
    let message = if error.is_panic() { "internal error" } else { "MCPbox is going down" };
    Failure::new(Kind::Internal, message)
}
