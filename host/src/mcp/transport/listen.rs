//! `GET`: the stream of a session, on which the server speaks without being asked.
//!
//! What it tells is that a list has changed, or a resource that the session subscribed to. Its event ids carry
//! the generation of the list of tools in this process, so that a client that comes back after a break is told at
//! once what it missed of that; one that was with another process before may have missed it. It ends with the
//! session, and with what its client showed.
//!
//! With the id of an event of a call it is the stream of that call, from there on.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::arrive::Arrived;
use super::post::Told;
use super::{Refused, legacy};
use crate::domain::outcome::Listing;
use crate::mcp::McpState;
use crate::mcp::body::Accepts;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc;
use crate::mcp::notices::{Notices, method_of, notifications};
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
        // The one refusal that the protocol has beside a stream ("Listening for Messages from the Server").
        let message = "GET is answered by a stream alone; send `Accept: text/event-stream`";
        return Err(Failure::new(Kind::MethodNotAllowed, message));
    }
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let last = match last.map(EventId::parse) {
        None => None,
        Some(Some(last @ EventId::Session { .. })) => Some(last),
        Some(Some(EventId::Call { stream, number, .. })) => {
            let reader = mcp.kept.find(&session, stream).and_then(|outbox| outbox.resume(number));
            let reader = reader.ok_or_else(nothing_to_take_up)?;
            let place = mcp.streams.place()?;
            let may_close = session.agreed.version >= Version::V2025_11_25;
            // It may be closed again before anything is said, and its client comes back with what it read on this one.
            let id = EventId::Call { stream, number, reader: Some(reader.number()) };
            let primer = may_close.then(|| Event::primer(id).with_retry());
            let told = Told { stream: Some(stream), may_close, _guard: None };
            return Ok(answer(stream::iter(primer).chain(told.rest(mcp, reader)), mcp.keep_alive(), place));
        }
        Some(None) => return Err(nothing_to_take_up()),
    };
    let place = mcp.streams.place()?;
    let mut listening = Listening::of(mcp, &arrived, &session).await;
    let first = listening.first(last);
    let later = stream::unfold(Some(listening), |listening| async move {
        let mut listening = listening?;
        match listening.next().await {
            Some(event) => Some((event, Some(listening))),
            None => listening.goes_on_elsewhere().then(|| (Event::come_back(), None)),
        }
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
    notices: Notices,
    session: Arc<Session>,
    /// What is to be said next.
    ready: VecDeque<Event>,
    /// The session has ended, or a newer stream took this one's place.
    over: CancellationToken,
    _closed: DropGuard,
    mcp: McpState,
}

impl Listening {
    /// Listens from now on; a stream of this session that is open ends.
    pub(super) async fn of(mcp: &McpState, arrived: &Arrived, session: &Arc<Session>) -> Self {
        let over = session.open_stream();
        Self {
            notices: Notices::new(&mcp.dispatcher, &arrived.caller, arrived.login, &arrived.scope).await,
            session: Arc::clone(session),
            ready: VecDeque::new(),
            _closed: over.clone().drop_guard(),
            over,
            mcp: mcp.clone(),
        }
    }

    /// What is said at once: from where on to ask after a break, or that something was missed in
    /// one.
    pub(super) fn first(&mut self, last: Option<EventId>) -> Option<Event> {
        let generation = self.notices.seen?.generation;
        match last {
            Some(last) if !self.mcp.kept.is_newest(last, generation) => Some(self.changed()),
            _ => {
                let primes = self.session.agreed.version >= Version::V2025_11_25;
                primes.then(|| Event::primer(self.mcp.kept.event_of_session(generation)))
            }
        }
    }

    /// Waits for a change. Several that come together are told as one. None: the stream is over.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let told = tokio::select! {
                biased;
                () = self.over.cancelled() => return None,
                () = self.mcp.shutdown.cancelled() => return None,
                told = self.notices.next() => told?,
            };
            let uris = self.session.wishes.all().subscriptions;
            let said = told.iter().flat_map(|told| notifications(told, uris.clone()));
            let events: Vec<Event> = said.filter_map(|(method, params)| self.event(method, &params)).collect();
            self.ready.extend(events);
        }
    }

    /// Whether the stream is over because the process stops, which the session outlives: its client is to come back.
    fn goes_on_elsewhere(&self) -> bool {
        let polls = self.session.agreed.version >= Version::V2025_11_25;
        polls && self.mcp.shutdown.is_cancelled() && !self.over.is_cancelled()
    }

    /// A notification as this session is told of it, if it is.
    fn event(&self, method: &str, params: &Map<String, Value>) -> Option<Event> {
        if method == method_of(Listing::Tools) {
            return Some(self.changed());
        }
        let uri = params.get("uri").and_then(Value::as_str);
        let wanted = uri.is_none_or(|uri| self.session.wishes.is_subscribed(uri));
        wanted.then(|| Event::message(jsonrpc::notification(method, params)))
    }

    fn changed(&self) -> Event {
        let event = Event::message(jsonrpc::notification(method_of(Listing::Tools), &Map::new()));
        match self.notices.seen {
            Some(seen) => event.with_id(self.mcp.kept.event_of_session(seen.generation)),
            None => event,
        }
    }
}
