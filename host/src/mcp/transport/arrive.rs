//! What every request passes before it is read: where it comes from, and who sends it.

use std::net::SocketAddr;

use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Refused;
use crate::auth::{self, Admitted};
use crate::domain::caller::Caller;
use crate::domain::ids::SessionId;
use crate::mcp::McpState;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::origin::Allowed;
use crate::mcp::record;
use crate::mcp::scope::{self, Scope, Wish};
use crate::telemetry::RequestId;

/// A request that was let in. Handlers ask for this; without what stands below there is none, and
/// they cannot be reached.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) request_id: RequestId,
    /// The address.
    pub(super) scope: Scope,
    /// What the address says of the list of tools.
    pub(super) tools: Wish,
    pub(super) caller: Caller,
    /// The login that an administrator came by.
    pub(super) login: Option<SessionId>,
}

/// Stands before handlers that ask for [`Arrived`] as an extension.
pub(super) async fn guard(
    State(mcp): State<McpState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    server: Result<Option<Path<String>>, PathRejection>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let server = named(server);
    let came = Came { peer, request_id: request_id(&head), server: server.as_deref() };
    match let_in(&mcp, came, &head).await {
        Ok((arrived, origin)) => {
            head.extensions.insert(arrived);
            let_out(next.run(Request::from_parts(head, body)).await, origin.as_ref())
        }
        Err(answered) => answered,
    }
}

/// Where a request came from and to, as long as it is not known who sends it.
pub(super) struct Came<'a> {
    pub(super) peer: SocketAddr,
    pub(super) request_id: RequestId,
    /// The one server that is served there.
    pub(super) server: Option<&'a str>,
}

/// The server that an address names. What is no text is a name that no server has: whoever asks for it is told so
/// after all that comes before.
pub(super) fn named(server: Result<Option<Path<String>>, PathRejection>) -> Option<String> {
    match server {
        Ok(server) => server.map(|Path(name)| name),
        Err(_) => Some(char::REPLACEMENT_CHARACTER.to_string()),
    }
}

/// The id that the layers around both doors gave a request.
pub(super) fn request_id(head: &Parts) -> RequestId {
    head.extensions.get().cloned().unwrap_or_else(RequestId::new)
}

/// Lets a request in, with the origin to which its answer is readable, or answers it here.
pub(super) async fn let_in(
    mcp: &McpState,
    came: Came<'_>,
    head: &Parts,
) -> Result<(Arrived, Option<Allowed>), Response> {
    let origin = match mcp.settings.judge(&head.headers) {
        Ok(origin) => origin,
        Err(failure) => {
            // What is told of a refusal is boxed: every request would carry the place for it along.
            Box::pin(record::turned_away(mcp, came.peer, &came.request_id, &failure)).await;
            return Err(let_out(Refused::from(failure).into_response(), None));
        }
    };
    if let Some(origin) = &origin
        && head.method == Method::OPTIONS
    {
        let mut response = StatusCode::NO_CONTENT.into_response();
        origin.preflight(&head.headers, response.headers_mut());
        return Err(response);
    }
    match enter(mcp, came, head).await {
        Ok(arrived) => Ok((arrived, origin)),
        Err(refused) => Err(let_out(refused, origin.as_ref())),
    }
}

/// Passes an answer on, whatever it is: never stored by anybody between, and readable by the page that the request
/// was sent from when that is allowed.
pub(super) fn let_out(mut response: Response, origin: Option<&Allowed>) -> Response {
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        origin.decorate(headers);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn enter(mcp: &McpState, Came { peer, request_id, server }: Came<'_>, head: &Parts) -> Result<Arrived, Response> {
    if head.method == Method::OPTIONS {
        let message = "OPTIONS is for browsers, which say where they come from";
        return Err(Refused::from(Failure::new(Kind::MethodNotAllowed, message)).into_response());
    }
    if head.method == Method::HEAD {
        // It would be served as GET, which takes the place of the session's stream.
        return Err(Refused::from(Failure::new(Kind::MethodNotAllowed, "HEAD has no meaning here")).into_response());
    }
    let Admitted { caller, login } = match mcp.auth.admit(peer, &head.headers).await {
        Ok(admitted) => admitted,
        Err(error) => {
            let failure = Dispatcher::failure(error, &request_id);
            Box::pin(record::turned_away(mcp, peer, &request_id, &failure)).await;
            return Err(deny(failure));
        }
    };
    if let Err(error) = mcp.dispatcher.service.rate_count(&caller).await {
        let failure = Dispatcher::failure(error, &request_id);
        Box::pin(record::turned_away(mcp, peer, &request_id, &failure)).await;
        return Err(Refused::from(failure).into_response());
    }
    match address(mcp, &caller, server, head.uri.query(), &request_id).await {
        Ok((scope, tools)) => Ok(Arrived { request_id, scope, tools, caller, login }),
        Err(failure) => {
            Box::pin(record::refused(mcp, caller, request_id, &failure)).await;
            Err(Refused::from(failure).into_response())
        }
    }
}

/// What an address serves to this caller.
///
/// # Errors
/// 404 when there is no running server of this name, 400 for a query that is not known here.
async fn address(
    mcp: &McpState,
    caller: &Caller,
    server: Option<&str>,
    query: Option<&str>,
    request_id: &RequestId,
) -> Result<(Scope, Wish), Failure> {
    let tools = Wish::of(query)?;
    let Some(server) = server else { return Ok((Scope::Everything, tools)) };
    let catalogue = mcp.dispatcher.service.catalogue(caller).await;
    let catalogue = catalogue.map_err(|error| Dispatcher::failure(error, request_id))?;
    match catalogue.server(server) {
        Some(found) => Ok((Scope::Server(found.name.clone()), tools)),
        None => Err(scope::unknown(server, &catalogue)),
    }
}

/// What somebody reads who did not say who they are, or may not.
fn deny(failure: Failure) -> Response {
    let unknown = failure.kind == Kind::Unauthenticated;
    let mut response = Refused::from(failure).into_response();
    if unknown {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(auth::CHALLENGE));
    }
    response
}
