//! The transport of the oldest revision (2024-11-05, "HTTP with SSE"), for clients that know no other: `GET /sse`
//! opens an event stream, whose first event says where to `POST` messages; all answers come on the stream. It is
//! deprecated, and served only when the operator says so.
//!
//! When the host stops, no message is taken any more, and the stream ends when what runs is answered.
//!
//! A conversation belongs to the caller that opened it, and ends with its stream; the stream with what the caller
//! showed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::arrive::Arrived;
use super::conversation::Conversation;
use super::{Refused, accepted};
use crate::auth::Admitted;
use crate::domain::caller::Caller;
use crate::mcp::McpState;
use crate::mcp::body::{self, Accepts};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::record;
use crate::mcp::standing::Standing;
use crate::mcp::stream::{Event, answer};

/// The open conversations of this process, by the ids that their clients were told; clones are the same.
#[derive(Clone, Default)]
pub(in crate::mcp) struct Conversations(Arc<Mutex<HashMap<String, Conversation>>>);

impl Conversations {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Conversation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conversation of this id, if it is this caller's.
    fn find(&self, id: &str, caller: &Caller) -> Option<Conversation> {
        self.held().get(id).filter(|found| found.caller().who == caller.who).cloned()
    }
}

/// An open stream; its conversation ends when this is dropped.
struct Open {
    conversations: Conversations,
    id: String,
    conversation: Conversation,
    said: mpsc::Receiver<Bytes>,
    standing: Standing,
    shutdown: CancellationToken,
    /// What is left to do when the host stops: to answer what runs.
    finishing: Option<BoxFuture<'static, ()>>,
}

impl Open {
    /// What is said next. None: nothing more is.
    async fn next(&mut self) -> Option<Bytes> {
        while self.standing.goes_on().await {
            let (is_finishing, finishing) = (self.finishing.is_some(), &mut self.finishing);
            let finished = async {
                match finishing {
                    Some(finishing) => finishing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.standing.is_due() => {}
                message = self.said.recv() => return message,
                () = finished => {
                    // What was said until now is heard all the same.
                    self.said.close();
                    self.finishing = Some(std::future::pending().boxed());
                }
                () = self.shutdown.cancelled(), if !is_finishing => {
                    self.conversations.held().remove(&self.id);
                    let conversation = self.conversation.clone();
                    self.finishing = Some(async move { conversation.finish().await }.boxed());
                }
            }
        }
        None
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.conversations.held().remove(&self.id);
        self.conversation.end();
    }
}

/// `GET /sse`: opens a conversation. Their number is bounded by that of streams.
pub(super) async fn open(
    State(mcp): State<McpState>,
    Extension(arrived): Extension<Arrived>,
    headers: HeaderMap,
) -> Response {
    let place = match Accepts::of(&headers).events {
        true => mcp.streams.place(),
        false => Err(Failure::new(Kind::NotAcceptable, "send `Accept: text/event-stream`")),
    };
    let place = match place {
        Ok(place) => place,
        Err(failure) => {
            record::refused(&mcp, arrived.caller, arrived.request_id, &failure).await;
            return Refused::from(failure).into_response();
        }
    };
    let Arrived { scope, tools, caller, login, .. } = arrived;
    let standing = Standing::of(&mcp.dispatcher.service, &caller, login);
    let (conversation, said) = Conversation::new(&mcp, (scope, tools), Admitted { caller, login }, false);
    let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    let endpoint = Event::named("endpoint", format!("/messages?sessionId={id}"));
    mcp.conversations.held().insert(id.clone(), conversation.clone());
    let open = Open {
        conversations: mcp.conversations.clone(),
        id,
        conversation,
        said,
        standing,
        shutdown: mcp.shutdown.clone(),
        finishing: None,
    };
    let rest = stream::unfold(open, |mut open| async move { Some((Event::message(open.next().await?), open)) });
    answer(stream::iter([endpoint]).chain(rest), mcp.keep_alive(), place)
}

#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(rename = "sessionId")]
    session_id: String,
}

/// `POST /messages`: takes what a client says; the answer comes on its stream.
pub(super) async fn take(
    State(mcp): State<McpState>,
    Extension(arrived): Extension<Arrived>,
    named: Result<Query<Named>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let taken = async {
        let Ok(Query(Named { session_id })) = named else {
            return Err(Failure::new(Kind::SessionMissing, "`sessionId` is missing: open a stream with GET /sse"));
        };
        let unknown = || Failure::new(Kind::SessionUnknown, "this session is not open here; open one with GET /sse");
        let conversation = mcp.conversations.find(&session_id, &arrived.caller).ok_or_else(unknown)?;
        let message = body::read(&headers, body, mcp.limits().request_body_bytes).await?;
        conversation.take(&message).await;
        Ok(accepted())
    };
    match taken.await {
        Ok(response) => response,
        Err(failure) => {
            record::refused(&mcp, arrived.caller, arrived.request_id, &failure).await;
            Refused::from(failure).into_response()
        }
    }
}
