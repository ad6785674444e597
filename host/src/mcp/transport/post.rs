//! `POST`: one message, or in one old revision several, and the answer to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::arrive::{self, Arrived, Came};
use super::{Refused, accepted, batch, legacy, modern, written};
use crate::limits::Limits;
use crate::mcp::McpState;
use crate::mcp::body::{self, Accepts};
use crate::mcp::dispatch::{Context, Dispatcher, Era};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::headers;
use crate::mcp::jsonrpc::{self, Id, Incoming, Message, Params};
use crate::mcp::kept::StreamId;
use crate::mcp::meta::Meta;
use crate::mcp::methods::Method;
use crate::mcp::outbox::{Answer, Ending, Outbox, Reader, text};
use crate::mcp::record;
use crate::mcp::session::{Running, Session};
use crate::mcp::stream::{self as events, Event, EventId, Place};
use crate::mcp::versions::Version;
use crate::service::begun::Begun;

/// A body and who sent it.
pub(super) struct Sent {
    pub(super) arrived: Arrived,
    pub(super) headers: HeaderMap,
    pub(super) accepts: Accepts,
}

pub(super) async fn receive(
    State(mcp): State<McpState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    server: Result<Option<Path<String>>, PathRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let server = arrive::named(server);
    let came = Came { peer, request_id: arrive::request_id(&head), server: server.as_deref() };
    take(&mcp, came, head, body).await
}

/// Lets a request in and serves it.
pub(super) async fn take(mcp: &McpState, came: Came<'_>, head: Parts, body: Body) -> Response {
    let (arrived, origin) = match arrive::let_in(mcp, came, &head).await {
        Ok(entered) => entered,
        Err(answered) => return answered,
    };
    let (caller, request_id) = (arrived.caller.clone(), arrived.request_id.clone());
    let response = match serve(mcp, arrived, head.headers, body).await {
        Ok(response) => response,
        Err(refused) => {
            Box::pin(record::refused(mcp, caller, request_id, &refused.failure)).await;
            refused.into_response()
        }
    };
    arrive::let_out(response, origin.as_ref())
}

async fn serve(mcp: &McpState, arrived: Arrived, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let limits = mcp.limits();
    let accepts = Accepts::of(&headers).check()?;
    let bytes = body::read(&headers, body, limits.request_body_bytes).await?;
    let incoming = jsonrpc::parse(&bytes, Limits::size(limits.batch_messages)).map_err(|malformed| Refused {
        id: malformed.id,
        modern: false,
        failure: malformed.failure,
    })?;
    let sent = Sent { arrived, headers, accepts };
    match incoming {
        // Boxed, as all that is asked seldom: every request would carry the place for it along.
        Incoming::Batch(messages) => Box::pin(batch::serve(mcp, sent, messages)).await,
        Incoming::One(Message::Request(request)) => {
            let meta = Meta::read(&request.params).map_err(|failure| Refused::of(&request.id, false, failure))?;
            // The handshake has no version header yet, or one that is only a wish.
            let handshake = request.method == "initialize" && !meta.is_modern();
            if !handshake && (is_modern(&sent.headers, &meta) || request.method == "server/discover") {
                modern::serve(mcp, sent, request, meta).await
            } else if handshake {
                Box::pin(legacy::open(mcp, &sent, &request)).await
            } else {
                legacy::serve(mcp, sent, request, &meta).await
            }
        }
        Incoming::One(Message::Notification(notification)) => {
            if is_modern(&sent.headers, &Meta::read(&notification.params)?) {
                // The revision defines none for HTTP: closing the answer is how to cancel.
                return Ok(accepted());
            }
            let session = legacy::session(mcp, &sent).await?;
            let noted = mcp.dispatcher.notification(&session, &notification).await;
            noted.map_err(|error| Dispatcher::failure(error, &sent.arrived.request_id))?;
            Ok(accepted())
        }
        Incoming::One(Message::Response(response)) => {
            if is_modern(&sent.headers, &Meta::default()) {
                let message = "a client sends no responses in this protocol version";
                // Its id is of a question of ours, not of a request that this could be the answer to.
                return Err(Refused { id: None, modern: true, failure: Failure::new(Kind::InvalidRequest, message) });
            }
            // One that nobody waits for is taken all the same: the two may have crossed on their way.
            legacy::session(mcp, &sent).await?.answered(response);
            Ok(accepted())
        }
    }
}

/// Whether a message is of the modern era: it says so itself, or its header does.
fn is_modern(headers: &HeaderMap, meta: &Meta) -> bool {
    let named = headers.get(headers::VERSION).and_then(|value| Version::parse(value.to_str().ok()?.trim()));
    meta.is_modern() || named.is_some_and(Version::is_modern)
}

/// A request, ready to be answered.
pub(super) struct Work {
    pub(super) id: Id,
    pub(super) method: Method,
    pub(super) params: Params,
    pub(super) context: Context,
    /// Legacy: the session's note of it; the client may cancel by its id.
    pub(super) running: Option<Running>,
    /// Modern: a client that closes the answer cancels.
    pub(super) guard: Option<DropGuard>,
}

/// Answers a request, as JSON or as a stream.
///
/// A stream when the client wants to hear of progress or log lines, when a guest may have something to ask
/// it, when it reads nothing else; or when the call takes so long that a proxy might think it dead.
pub(super) async fn answer(mcp: &McpState, accepts: Accepts, mut work: Work) -> Result<Response, Refused> {
    let modern = work.context.is_modern();
    let (id, long) = (work.id.clone(), work.method.is_long());
    let place = if !accepts.json {
        Some(mcp.streams.place().map_err(|failure| Refused::of(&id, modern, failure))?)
    } else if work.method.is_stream() && accepts.events {
        Some(mcp.streams.place().map_err(|failure| Refused::of(&id, modern, failure))?)
    } else if long && accepts.events && work.context.listens() {
        // Without a place the call is answered all the same, in silence until it is done.
        mcp.streams.place().ok()
    } else {
        None
    };
    let guard = work.guard.take();
    if !long {
        let answer = Box::pin(run(mcp, work)).await;
        return Ok(match place {
            Some(place) => {
                let only = answer.map(|reply| Event::message(text(&id, &reply)));
                stream_of(mcp, &id, place, stream::iter(only))
            }
            None => respond(&id, modern, answer),
        });
    }
    let session = match &work.context.era {
        Era::Legacy(session) => Some(Arc::clone(session)),
        Era::Modern(_) => None,
    };
    let outbox = match work.context.version().resumes() {
        true => Outbox::kept(id.clone(), mcp.limits()),
        false if work.method.is_stream() => Outbox::of_subscription(id.clone(), mcp.limits()),
        false => Outbox::new(id.clone(), mcp.limits()),
    };
    let mut begun = begin(mcp, work, &outbox, place.is_some() || accepts.events_named);
    if let Some(place) = place {
        begun.go_on();
        return Ok(stream_of(mcp, &id, place, Told::of(mcp, session.as_deref(), &outbox, guard)));
    }
    let early = tokio::select! {
        biased;
        () = begun.ended() => Some(outbox.answer().await),
        () = outbox.urgent() => None,
        () = tokio::time::sleep(mcp.keep_alive()), if accepts.events_named => None,
    };
    let answer = match early {
        Some(answer) => answer,
        None => {
            begun.go_on();
            if let Ok(place) = mcp.streams.place() {
                return Ok(stream_of(mcp, &id, place, Told::of(mcp, session.as_deref(), &outbox, guard)));
            }
            outbox.close();
            outbox.answer().await
        }
    };
    Ok(respond(&id, modern, answer))
}

/// Gets the work ready. What is said before the answer is kept when it may be `heard`.
pub(super) fn begin(mcp: &McpState, mut work: Work, outbox: &Outbox, heard: bool) -> Begun {
    if heard {
        work.context.hears(outbox);
    }
    let (mcp, ending) = (mcp.clone(), Ending(outbox.clone()));
    let tracker = mcp.tracker.clone();
    let work = async move {
        let answer = run(&mcp, work).await;
        ending.0.finish(answer);
    };
    Begun::of(work, tracker)
}

pub(super) async fn run(mcp: &McpState, work: Work) -> Answer {
    let Work { method, params, context, running, .. } = work;
    let reply = mcp.dispatcher.request(&context, method, &params).await;
    match &running {
        Some(running) if running.cancel.is_cancelled() => None,
        _ => {
            if let Era::Legacy(session) = &context.era {
                mcp.sessions.touch(session);
            }
            Some(reply)
        }
    }
}

fn stream_of(mcp: &McpState, id: &Id, place: Place, rest: impl Stream<Item = Event> + Send + 'static) -> Response {
    tracing::debug!(mcp.id = %id, "answered by a stream");
    events::answer(rest, mcp.keep_alive(), place)
}

/// How what a call says is told on a stream.
pub(super) struct Told {
    /// It can be taken up again under this id.
    pub(super) stream: Option<StreamId>,
    /// Whether it may be closed before the call has ended: the client comes back.
    pub(super) may_close: bool,
    /// Cancels the call when nobody reads any more.
    pub(super) _guard: Option<DropGuard>,
}

impl Told {
    /// The whole stream of a call. One that can be taken up again begins with what it takes to do so, for
    /// clients that know this (2025-11-25, "Sending Messages to the Server").
    fn of(
        mcp: &McpState,
        session: Option<&Session>,
        outbox: &Outbox,
        guard: Option<DropGuard>,
    ) -> impl Stream<Item = Event> + Send + use<> {
        let stream = session.filter(|session| session.agreed.version.resumes()).map(|session| {
            let stream = mcp.kept.begin(session, outbox);
            let (kept, outbox) = (mcp.kept.clone(), outbox.clone());
            mcp.tracker.spawn(async move {
                outbox.ended().await;
                kept.ended(stream);
            });
            stream
        });
        let may_close = session.is_some_and(|session| session.agreed.version >= Version::V2025_11_25);
        let primer = stream.filter(|_| may_close).map(|stream| EventId::Call { stream, number: 0, reader: None });
        let first = stream::iter(primer.map(|id| Event::primer(id).with_retry()));
        first.chain(Self { stream, may_close, _guard: guard }.rest(mcp, outbox.reader()))
    }

    /// What is said from now on, then the answer; or, when that takes too long, the word to come back.
    pub(super) fn rest(self, mcp: &McpState, reader: Reader) -> impl Stream<Item = Event> + Send + use<> {
        let until = Instant::now() + Duration::from_secs(mcp.limits().stream_poll_s);
        stream::unfold(Some((self, reader)), move |state| async move {
            let (told, mut reader) = state?;
            tokio::select! {
                biased;
                message = reader.next() => {
                    let (number, message) = message?;
                    let event = Event::message(message);
                    let event = match told.stream {
                        Some(stream) => event.with_id(EventId::Call { stream, number, reader: None }),
                        None => event,
                    };
                    Some((event, Some((told, reader))))
                }
                () = tokio::time::sleep_until(until), if told.may_close => Some((Event::come_back(), None)),
            }
        })
    }
}

fn respond(id: &Id, modern: bool, answer: Answer) -> Response {
    match answer {
        Some(Ok(payload)) => written(body::in_pieces(jsonrpc::result_in_pieces(id, payload))),
        Some(Err(failure)) => Refused::of(id, modern, failure).into_response(),
        None => accepted(),
    }
}
