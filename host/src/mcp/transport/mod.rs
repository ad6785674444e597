//! MCP over HTTP: addresses that take `POST`, and for sessions `GET` and `DELETE`. Beside it, over connections that
//! carry everything: standard input and output, and the event stream of the oldest revision.
//!
//! What arrives passes in this order: origin and host, caller, address, size and type, JSON-RPC, the era's
//! own rules. Whoever is refused at one step is not looked at further.

mod arrive;
mod batch;
mod conversation;
mod health;
mod legacy;
mod listen;
mod modern;
mod post;
mod sse;
pub(super) mod stdio;

pub(super) use self::health::Signs;
pub(super) use self::sse::Conversations;

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post as on_post};

use super::McpState;
use super::error::{Failure, Kind};
use super::jsonrpc::{self, Id};
use crate::telemetry::RequestId;

/// The address where everything is served.
pub(super) const EVERYTHING: &str = "/mcp";

/// What the routes do for a `POST` to [`EVERYTHING`].
pub(super) fn post(
    mcp: &McpState,
    peer: SocketAddr,
    request_id: RequestId,
    request: Request,
) -> impl Future<Output = Response> + Send {
    let (head, body) = request.into_parts();
    post::take(mcp, arrive::Came { peer, request_id, server: None }, head, body)
}

/// The routes. Whoever serves them hands in the peer's address (`ConnectInfo<SocketAddr>`).
pub(super) fn router(state: McpState) -> Router {
    let guard = middleware::from_fn_with_state(state.clone(), arrive::guard);
    // What is asked most goes through the guard without a layer, which costs as much as the guard itself.
    let endpoint = get(listen::receive).delete(legacy::end).layer(guard.clone()).post(post::receive);
    let mut routes = Router::new();
    if state.settings.legacy_sse {
        routes = routes.route("/sse", get(sse::open)).route("/messages", on_post(sse::take));
    }
    routes
        .layer(guard)
        .route(EVERYTHING, endpoint.clone())
        .route("/mcp/servers/{server}", endpoint)
        .route("/mcp/health", get(health::show))
        .with_state(state)
}

/// A request that is not served, and under which id and rules to say so.
struct Refused {
    id: Option<Id>,
    modern: bool,
    failure: Failure,
}

impl Refused {
    fn of(id: &Id, modern: bool, failure: Failure) -> Self {
        Self { id: Some(id.clone()), modern, failure }
    }

    fn into_response(self) -> Response {
        let body = jsonrpc::error(self.id.as_ref(), &self.failure);
        json(self.failure.kind.status(self.modern), body, Some(&self.failure))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { id: None, modern: false, failure }
    }
}

/// A JSON answer to a request that was served.
fn written(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A JSON answer; a failure adds what HTTP has a header for.
fn json(status: StatusCode, body: Vec<u8>, failure: Option<&Failure>) -> Response {
    let mut response = written(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(failure) = failure {
        describe(failure, headers);
    }
    response
}

fn describe(failure: &Failure, headers: &mut HeaderMap) {
    if let Some(wait) = failure.retry_after {
        // Whole seconds, and never too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if failure.kind == Kind::MethodNotAllowed {
        headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    }
}

/// Taken, and nothing to say about it.
fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}
