//! What every request passes before it is read: where it comes from, and who sends it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Refused;
use crate::auth;
use crate::domain::caller::Caller;
use crate::mcp::McpState;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::error::{Failure, Kind};
use crate::mcp::record;
use crate::mcp::scope::{self, Scope, Wish};
use crate::telemetry::{REQUEST_ID_HEADER, RequestId};

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
}

const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

/// Stands before handlers that ask for [`Arrived`] as an extension.
pub(super) async fn guard(
    State(mcp): State<McpState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    server: Option<Path<String>>,
    request: Request,
    next: Next,
) -> Response {
    let further = async |mut request: Request, arrived| {
        request.extensions_mut().insert(arrived);
        next.run(request).await
    };
    let_in(&mcp, peer, server.as_deref().map(String::as_str), request, further).await
}

/// Lets a request in, to what serves it, or answers it here. Whatever the answer, it carries the request's id,
/// is never stored by anybody between, and is readable by the page it was sent from when that is allowed.
pub(super) async fn let_in(
    mcp: &McpState,
    peer: SocketAddr,
    server: Option<&str>,
    request: Request,
    further: impl AsyncFnOnce(Request, Arrived) -> Response,
) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
    let mut response = match mcp.settings.judge(request.headers()) {
        Err(failure) => {
            record::turned_away(mcp, peer, &request_id, &failure).await;
            Refused::from(failure).into_response()
        }
        Ok(origin) => {
            let mut response = match &origin {
                Some(origin) if request.method() == Method::OPTIONS => {
                    let mut response = StatusCode::NO_CONTENT.into_response();
                    origin.preflight(request.headers(), response.headers_mut());
                    return response;
                }
                _ => enter(mcp, peer, request_id.clone(), server, request, further).await,
            };
            if let Some(origin) = origin {
                origin.decorate(response.headers_mut());
            }
            response
        }
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn enter(
    mcp: &McpState,
    peer: SocketAddr,
    request_id: RequestId,
    server: Option<&str>,
    request: Request,
    further: impl AsyncFnOnce(Request, Arrived) -> Response,
) -> Response {
    if request.method() == Method::OPTIONS {
        let message = "OPTIONS is for browsers, which say where they come from";
        return Refused::from(Failure::new(Kind::MethodNotAllowed, message)).into_response();
    }
    if request.method() == Method::HEAD {
        // It would be served as GET, which takes the place of the session's stream.
        return Refused::from(Failure::new(Kind::MethodNotAllowed, "HEAD has no meaning here")).into_response();
    }
    match mcp.auth.caller(peer, request.headers()).await {
        Ok(caller) => match mcp.dispatcher.service.rate_count(&caller).await {
            Ok(()) => match address(mcp, &caller, server, request.uri().query(), &request_id).await {
                Ok((scope, tools)) => further(request, Arrived { request_id, scope, tools, caller }).await,
                Err(failure) => {
                    record::refused(mcp, caller, request_id, &failure).await;
                    Refused::from(failure).into_response()
                }
            },
            Err(error) => {
                let failure = Dispatcher::failure(error, &request_id);
                record::turned_away(mcp, peer, &request_id, &failure).await;
                Refused::from(failure).into_response()
            }
        },
        Err(error) => {
            let failure = Dispatcher::failure(error, &request_id);
            record::turned_away(mcp, peer, &request_id, &failure).await;
            deny(failure)
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
