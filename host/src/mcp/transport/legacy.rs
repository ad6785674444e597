//! The rules of the legacy era: a session is opened, used and ended.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio_util::sync::CancellationToken;

use super::arrive::Arrived;
use super::post::{Sent, Work, answer};
use super::{Refused, json};
use crate::mcp::McpState;
use crate::mcp::dispatch::{Context, Dispatcher, Era};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::headers;
use crate::mcp::jsonrpc::{self, Id, Request};
use crate::mcp::meta::Meta;
use crate::mcp::methods::{Method, initialize};
use crate::mcp::record;
use crate::mcp::session::{Running, Session};
use crate::mcp::stream::{self as events, Event};
use crate::mcp::versions::Version;

/// Opens a session; the answer carries its id in a header.
pub(super) async fn open(mcp: &McpState, sent: &Sent, request: &Request) -> Result<Response, Refused> {
    let refuse = |failure: Failure| Refused::of(&request.id, false, failure);
    let Arrived { request_id, scope, caller, .. } = &sent.arrived;
    let instructions = mcp.dispatcher.instructions(caller, scope).await;
    let instructions = instructions.map_err(|error| refuse(Dispatcher::failure(error, request_id)))?;
    let (agreed, payload) =
        initialize::answer(&request.params, request_id, scope.clone(), &instructions).map_err(refuse)?;
    let body = jsonrpc::result(&request.id, &payload);
    let mut response = if sent.accepts.json {
        json(StatusCode::OK, body, None)
    } else {
        let place = mcp.streams.place().map_err(refuse)?;
        let only = futures_util::stream::iter([Event::message(body)]);
        events::answer(only, mcp.keep_alive(), place)
    };
    let session = mcp.sessions.open(caller, agreed).await;
    let session = session.map_err(|error| refuse(Dispatcher::failure(error, request_id)))?;
    tracing::info!(version = %session.agreed.version, "session opened");
    record::opened(mcp, &sent.arrived.request_id, &sent.arrived.caller, &session).await;
    if let Ok(value) = HeaderValue::try_from(session.id()) {
        response.headers_mut().insert(headers::SESSION, value);
    }
    Ok(response)
}

/// Answers a request within a session.
pub(super) async fn serve(mcp: &McpState, sent: Sent, request: Request, meta: &Meta) -> Result<Response, Refused> {
    let session = session(mcp, &sent).await.map_err(|failure| Refused::of(&request.id, false, failure))?;
    let work = work(&session, &sent.arrived, request, meta)?;
    answer(mcp, sent.accepts, work).await
}

/// A request of a session, ready to be answered.
///
/// # Errors
/// An unknown method, or an id under which another request is running.
pub(super) fn work(session: &Arc<Session>, arrived: &Arrived, request: Request, meta: &Meta) -> Result<Work, Refused> {
    let Request { id, method, params } = request;
    let refuse = |failure: Failure| Refused::of(&id, false, failure);
    let method = Method::of(&method, false).map_err(refuse)?;
    let running = if method.is_long() { Some(begun(session, &id)?) } else { None };
    let cancel = running.as_ref().map_or_else(CancellationToken::new, |running| running.cancel.clone());
    let context = Context {
        era: Era::Legacy(Arc::clone(session)),
        scope: arrived.scope.clone(),
        tools: arrived.tools,
        caller: arrived.caller.clone(),
        login: arrived.login,
        request_id: arrived.request_id.clone(),
        cancel,
        progress_token: meta.progress_token(),
        outbox: None,
        peer: None,
    };
    Ok(Work { id, method, params, context, running, guard: None })
}

/// # Errors
/// When another request of this id is running.
pub(super) fn begun(session: &Arc<Session>, id: &Id) -> Result<Running, Refused> {
    session.begin(id).ok_or_else(|| {
        let message = format!("a request with the id {id} is running");
        Refused::of(id, false, Failure::new(Kind::InvalidRequest, message))
    })
}

/// The session that a request names.
///
/// # Errors
/// 400 when it names none, 404 when there is none of that id for this caller (then a client opens a
/// new one), 400 when it names a version that is not spoken here.
pub(super) async fn session(mcp: &McpState, sent: &Sent) -> Result<Arc<Session>, Failure> {
    let session = match named(&sent.headers)? {
        Some(id) => find(mcp, id, &sent.arrived).await?,
        None => return Err(Failure::new(Kind::SessionMissing, MISSING)),
    };
    check_version(&sent.headers)?;
    Ok(session)
}

const MISSING: &str = "the header `Mcp-Session-Id` is missing: begin with `initialize`, or send the `_meta` of protocol \
                       version 2026-07-28 with each request";

/// The session id of a request.
///
/// # Errors
/// 400 when there are two.
pub(super) fn named(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut values = headers.get_all(headers::SESSION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // What is no text is nobody's id.
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or_default().trim())),
        (Some(_), Some(_)) => Err(Failure::new(Kind::SessionMissing, "the header `Mcp-Session-Id` is there twice")),
    }
}

/// # Errors
/// 404 when there is none of that id for this caller at this address.
pub(super) async fn find(mcp: &McpState, id: &str, arrived: &Arrived) -> Result<Arc<Session>, Failure> {
    let gone = || Failure::new(Kind::SessionUnknown, "this session is not known here; begin again with `initialize`");
    let found = mcp.sessions.find(id, &arrived.caller).await;
    let found = found.map_err(|error| Dispatcher::failure(error, &arrived.request_id))?;
    found.filter(|session| session.agreed.scope == arrived.scope).ok_or_else(gone)
}

/// # Errors
/// 400 when the header names a version that has no sessions or is not spoken here.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Failure> {
    // Without the header it is what was agreed on, which the session knows.
    let Some(value) = headers.get(headers::VERSION) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default().trim();
    match Version::parse(text) {
        Some(version) if !version.is_modern() => Ok(()),
        _ => Err(Failure::unsupported_version(text)),
    }
}

/// `DELETE`: ends a session; its calls stop.
pub(super) async fn end(
    State(mcp): State<McpState>,
    Extension(arrived): Extension<Arrived>,
    headers: HeaderMap,
) -> Response {
    let ended = close(&mcp, &arrived, &headers).await;
    ended.map_or_else(|failure| Refused::from(failure).into_response(), |()| StatusCode::NO_CONTENT.into_response())
}

async fn close(mcp: &McpState, arrived: &Arrived, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(id) = named(headers)? else {
        return Err(Failure::new(Kind::MethodNotAllowed, "DELETE ends a session and names none"));
    };
    find(mcp, id, arrived).await?;
    check_version(headers)?;
    let ended = mcp.sessions.end(id, &arrived.caller).await;
    ended.map(drop).map_err(|error| Dispatcher::failure(error, &arrived.request_id))
}
