//! Everything that happens to a request before its handler and after it, in one place and in order.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Response};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use http_body_util::Limited;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::ApiState;
use super::extract::{Peer, Tls, too_large};
use super::problem::{self, Problem};
use super::upload;
use crate::auth;
use crate::auth::proxies::Client;
use crate::limits::Limits;
use crate::telemetry::metrics::{HttpExchange, http_exchange};
use crate::telemetry::{REQUEST_ID_HEADER, RequestId};

/// Carries a request's id, in and out.
const X_REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

/// Stands for all addresses that do not exist.
const NO_ROUTE: &str = "none";

/// What a browser may do with an answer: show it to the program that asked, and nothing else.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
    // A type is what it says it is.
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Nobody's page frames it; for browsers that do not know the policy below.
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Opened as a page it loads and runs nothing.
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    // Ids in addresses stay here.
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Answers hold tokens and sources.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Puts the layers round the routes, the innermost first. `counted` are the routes that have a rate,
/// `probes` those that machines ask all the time, `beside` another door, which has rules of its own.
pub(super) fn around(state: &ApiState, counted: Router<ApiState>, probes: Router<ApiState>, beside: Router) -> Router {
    counted
        // Who asks too often gets no further: before bodies are read and credentials looked up.
        .layer(from_fn_with_state(state.clone(), rate))
        .merge(probes)
        // Counts the body as it arrives; whoever reads it fails at the limit.
        .layer(from_fn_with_state(state.clone(), body))
        // A page whose own name was made to point here (DNS rebinding) speaks under that name.
        .layer(from_fn_with_state(state.clone(), host))
        // On every answer of the API, refusals too.
        .layer(from_fn(security))
        .with_state(state.clone())
        // What follows is for both doors.
        .merge(beside)
        // A panic is one failed request, not a closed connection.
        .layer(CatchPanicLayer::custom(panicked))
        // Writes problems out; inside the span, so that the log of a failure has the request id.
        .layer(from_fn(write_problem))
        // One span, one log line and one count for each request, whatever came of it.
        .layer(from_fn(observe))
        // Everything further in, both doors and the log, counts the client and not its proxy.
        .layer(from_fn_with_state(state.clone(), unproxy))
        // Outermost: everything else speaks of the id.
        .layer(from_fn(identify))
}

/// Takes the id that a client or proxy chose, if it can be one, or makes one; the answer says it.
async fn identify(mut request: Request, next: Next) -> Response<Body> {
    let given = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = RequestId::given_or_new(given);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

async fn unproxy(State(state): State<ApiState>, mut request: Request, next: Next) -> Response<Body> {
    if let Some(ConnectInfo(peer)) = request.extensions().get().copied() {
        let Client { peer, tls } = state.settings.trusted_proxies.client(peer, request.headers());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Tls(tls));
    }
    next.run(request).await
}

async fn observe(request: Request, next: Next) -> Response<Body> {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
    let request_bytes = request.body().size_hint().exact();
    let span = tracing::info_span!("request", request_id = %id);
    // Without the query, which may hold what was searched for.
    let path = request.uri().path().to_owned();
    async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let duration = began.elapsed();
        http_exchange(HttpExchange {
            method: method.as_str(),
            handler: route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str),
            status,
            duration,
            request_bytes,
            response_bytes: response.body().size_hint().exact(),
        });
        tracing::info!(
            %method,
            path,
            status,
            duration_ms = duration.as_secs_f64() * 1e3,
            peer = peer.map(tracing::field::display),
            "answered"
        );
        response
    }
    .instrument(span)
    .await
}

async fn write_problem(request: Request, next: Next) -> Response<Body> {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(RequestId::new);
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let (parts, body) = problem.write(id.as_str()).into_parts();
    *response.body_mut() = body;
    response.headers_mut().extend(parts.headers);
    response
}

fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal("answering a request", said.unwrap_or("it panicked").to_owned()).into_response()
}

async fn security(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        // A page says itself what it needs.
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

async fn host(State(state): State<ApiState>, request: Request, next: Next) -> Result<Response<Body>, Problem> {
    let settings = &state.settings;
    if !auth::is_answered_host(request.headers(), settings.local, &settings.allowed_hosts) {
        let detail = "`Host` is not a name of this host; if it should be one, add it to MCPBOX_ALLOWED_HOSTS";
        return Err(Problem::new(&problem::MISDIRECTED, detail));
    }
    Ok(next.run(request).await)
}

async fn body(State(state): State<ApiState>, request: Request, next: Next) -> Result<Response<Body>, Problem> {
    let limits = state.service.limits();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_upload = route.is_some_and(|path| upload::PATHS.contains(&path));
    let limit = if is_upload { upload::body_limit(limits) } else { limits.request_body_bytes };
    // A body that says its size need not arrive to be refused.
    if request.body().size_hint().lower() > limit {
        return Err(if is_upload { upload::too_large(limits.component_bytes) } else { too_large(limit) });
    }
    let request = request.map(|body| Body::new(Limited::new(body, Limits::size(limit))));
    Ok(next.run(request).await)
}

async fn rate(
    State(state): State<ApiState>,
    Peer(peer): Peer,
    request: Request,
    next: Next,
) -> Result<Response<Body>, Response<Body>> {
    match state.rate.count(peer.ip()) {
        Ok(left) => {
            let mut response = next.run(request).await;
            left.show(response.headers_mut());
            Ok(response)
        }
        Err((wait, left)) => {
            let seconds = problem::seconds(wait);
            let detail = format!("more than {} requests in a minute; try again in {seconds} s", left.limit);
            let mut response = Problem::new(&problem::RATE_LIMITED, detail).retry_after(wait).into_response();
            left.show(response.headers_mut());
            Err(response)
        }
    }
}
