//! `GET`: the stream of a session, on which the server speaks without being asked.
//!
//! What it tells is that the list of tools has changed. Its event ids carry the generation of that
//! list, so that a client that comes back after a break is told at once what it missed.
//!
//! With the id of an event of a call it is the stream of that call, from there on.

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::arrive::Arrived;
use super::post::Told;
use super::{Refused, legacy};
use crate::mcp::McpState;
use crate::mcp::body::Accepts;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc;
use crate::mcp::session::Session;
use crate::mcp::stream::{Event, EventId, answer};
use crate::mcp::versions::Version;

pub(super) async fn receive(
    State(mcp): State<McpState>,
    Extension(arrived): Extension<Arrived>,
    headers: HeaderMap,
) -> Response {
    open(&mcp, arrived, &headers).await.unwrap_or_else(|failure| Refused::from(failure).into_response())
}

async fn open(mcp: &McpState, arrived: Arrived, headers: &HeaderMap) -> Result<Response, Failure> {
    let Some(id) = legacy::named(headers)? else {
        return Err(Failure::new(Kind::MethodNotAllowed, "GET opens the stream of a session and names none"));
    };
    let session = legacy::find(mcp, id, &arrived).await?;
    legacy::check_version(headers)?;
    if !Accepts::of(headers).events {
        return Err(Failure::new(Kind::NotAcceptable, "send `Accept: text/event-stream`"));
    }
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let last = match last.map(EventId::parse) {
        None => None,
        Some(Some(EventId::Session { generation })) => Some(generation),
        Some(Some(EventId::Call { stream, number })) => {
            let reader = mcp.kept.find(&session, stream).and_then(|outbox| outbox.resume(number));
            let reader = reader.ok_or_else(nothing_to_take_up)?;
            let place = mcp.streams.place()?;
            let told =
                Told { stream: Some(stream), may_close: session.agreed.version >= Version::V2025_11_25, _guard: None };
            return Ok(answer(told.rest(mcp, reader), mcp.keep_alive(), place));
        }
        Some(None) => return Err(nothing_to_take_up()),
    };
    let place = mcp.streams.place()?;
    let mut listening = Listening::of(mcp, arrived, &session);
    let first = listening.first(&session, last).await;
    let later = stream::unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((event, listening))
    });
    Ok(answer(stream::iter(first).chain(later), mcp.keep_alive(), place))
}

/// # Errors
/// 405: the client asks for a stream that is not here.
fn nothing_to_take_up() -> Failure {
    Failure::new(Kind::MethodNotAllowed, "no stream of this session can be taken up from that event")
}

/// An open stream. When it is dropped, the session knows that nobody listens any more.
pub(super) struct Listening {
    changes: watch::Receiver<u64>,
    /// The session has ended, or a newer stream took this one's place.
    over: CancellationToken,
    _closed: DropGuard,
    mcp: McpState,
    arrived: Arrived,
    /// The generation of which the client knows.
    told: Option<u64>,
}

impl Listening {
    /// Listens from now on; a stream of this session that is open ends.
    pub(super) fn of(mcp: &McpState, arrived: Arrived, session: &Session) -> Self {
        let over = session.open_stream();
        Self {
            // Before the generation is read: a change in between is told, not missed.
            changes: mcp.dispatcher.service.events().catalogue(),
            _closed: over.clone().drop_guard(),
            over,
            told: None,
            mcp: mcp.clone(),
            arrived,
        }
    }

    /// What is said at once: from where on to ask after a break, or that something was missed in
    /// one.
    pub(super) async fn first(&mut self, session: &Session, last: Option<u64>) -> Option<Event> {
        let generation = self.generation().await?;
        self.told = Some(generation);
        match last {
            Some(last) if last != generation => Some(changed(Some(generation))),
            Some(_) => None,
            None => {
                (session.agreed.version >= Version::V2025_11_25).then(|| Event::primer(EventId::Session { generation }))
            }
        }
    }

    /// Waits for a change. Several that come together are told as one. None: the stream is over.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                () = self.over.cancelled() => return None,
                () = self.mcp.shutdown.cancelled() => return None,
                change = self.changes.changed() => if change.is_err() {
                    return None;
                },
                // Another process on the same database says nothing here: look now and then.
                () = tokio::time::sleep(self.mcp.keep_alive()) => {}
            }
            let now = self.generation().await;
            if now.is_none() || now != self.told {
                self.told = now;
                return Some(changed(now));
            }
        }
    }

    /// None when the catalogue cannot be read now; the client is told to list again all the same.
    async fn generation(&self) -> Option<u64> {
        let service = &self.mcp.dispatcher.service;
        let listing = self.mcp.dispatcher.listings.current(service, &self.arrived.caller, &self.arrived.scope).await;
        listing.map(|listing| listing.generation).ok()
    }
}

fn changed(generation: Option<u64>) -> Event {
    let event = Event::message(jsonrpc::notification("notifications/tools/list_changed", &serde_json::json!({})));
    match generation {
        Some(generation) => event.with_id(EventId::Session { generation }),
        None => event,
    }
}
