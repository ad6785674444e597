//! Everything that happens to a request before its handler and after it, in one place and in order.

use std::any::Any;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, Response, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse as _;
use futures_util::FutureExt as _;
use http_body_util::Limited;

use super::ApiState;
use super::doors::Straight;
use super::export;
use super::extract::{Peer, Tls, too_large};
use super::problem::{self, Problem};
use super::upload;
use crate::auth;
use crate::auth::proxies::Client;
use crate::domain::activity::LogType;
use crate::domain::outcome::LogLevel;
use crate::limits::Limits;
use crate::service::activity::NewActivity;
use crate::telemetry::metrics::{HttpExchange, http_exchange};
use crate::telemetry::{self, REQUEST_ID_HEADER, RequestId};

/// Carries a request's id, in and out.
const X_REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

/// Stands for all addresses that do not exist.
const NO_ROUTE: &str = "none";

/// Where a request that went well has its line at level `debug` only: it is in the activity log, or a machine
/// asks all the time.
const TOLD_ELSEWHERE: [&str; 7] =
    ["/mcp", "/mcp/servers/{server}", "/mcp/health", "/health", "/health/live", "/health/ready", "/metrics"];

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
        // What follows is for both doors: one layer, because each one boxes its future and clones what is
        // further in, for every request.
        .merge(beside)
        .layer(from_fn_with_state(state.clone(), outermost))
}

/// For what the router leads to.
async fn outermost(State(state): State<ApiState>, mut request: Request, next: Next) -> Response<Body> {
    let began = Instant::now();
    let id = id_of(&request);
    request.extensions_mut().insert(id.clone());
    let peer = request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| *peer);
    let peer = peer.map(|peer| {
        let Client { peer, tls } = state.settings.trusted_proxies.client(peer, request.headers());
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Tls(tls));
        peer
    });
    let route = request.extensions().get().cloned().map_or(Route::None, Route::Matched);
    let seen = Seen::of(&request, began, route, peer);
    exchange(&state, id, seen, next.run(request)).await
}

/// The same for what goes round the router.
pub(super) async fn straight<S: Straight>(
    state: ApiState,
    to: S,
    peer: SocketAddr,
    request: Request,
) -> Response<Body> {
    let began = Instant::now();
    let id = id_of(&request);
    let Client { peer, .. } = state.settings.trusted_proxies.client(peer, request.headers());
    let seen = Seen::of(&request, began, Route::Straight(S::PATH), Some(peer));
    // It stays where it is: each function that it was handed to would have a place for all of it.
    let answer = pin!(to.answer(peer, id.clone(), request));
    exchange(&state, id, seen, answer).await
}

/// In this order: everything speaks of the request's id; everything, the log too, counts the client and not
/// its proxy; one line and one count for each request, whatever came of it; problems are written out where
/// the log of a failure has the id; and a panic is one failed request, not a closed connection.
async fn exchange(
    state: &ApiState,
    id: RequestId,
    seen: Seen,
    answer: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    let value = HeaderValue::from_str(id.as_str());
    let answered = async {
        let mut response = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => panicked(&*panic),
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            Box::pin(write_problem(state, &seen, &id, problem, &mut response)).await;
        }
        seen.answered(&response);
        response
    };
    let mut response = telemetry::of_request(id.clone(), answered).await;
    if let Ok(value) = value {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The id that a client or proxy chose, if it can be one, or a new one.
fn id_of(request: &Request) -> RequestId {
    let given = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
    RequestId::given_or_new(given)
}

/// What is told of a request when it is answered.
struct Seen {
    began: Instant,
    method: Method,
    uri: Uri,
    route: Route,
    peer: Option<IpAddr>,
    bytes: Option<u64>,
}

/// Where a request leads.
enum Route {
    Matched(MatchedPath),
    Straight(&'static str),
    None,
}

impl Seen {
    fn of(request: &Request, began: Instant, route: Route, peer: Option<SocketAddr>) -> Self {
        Self {
            began,
            method: request.method().clone(),
            uri: request.uri().clone(),
            route,
            peer: peer.map(|peer| peer.ip()),
            bytes: request.body().size_hint().exact(),
        }
    }

    fn route(&self) -> &str {
        match &self.route {
            Route::Matched(path) => path.as_str(),
            Route::Straight(path) => path,
            Route::None => NO_ROUTE,
        }
    }

    fn answered(&self, response: &Response<Body>) {
        let status = response.status();
        let duration = self.began.elapsed();
        http_exchange(HttpExchange {
            method: self.method.as_str(),
            handler: self.route(),
            status: status.as_u16(),
            duration,
            request_bytes: self.bytes,
            response_bytes: response.body().size_hint().exact(),
        });
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = %self.method,
                    // Without the query, which may hold what was searched for.
                    path = self.uri.path(),
                    status = status.as_u16(),
                    duration_ms = duration.as_secs_f64() * 1e3,
                    peer = self.peer.map(tracing::field::display),
                    "answered"
                )
            };
        }
        if status.is_success() && TOLD_ELSEWHERE.contains(&self.route()) {
            line!(debug);
        } else {
            line!(info);
        }
    }
}

async fn write_problem(state: &ApiState, seen: &Seen, id: &RequestId, problem: Problem, response: &mut Response<Body>) {
    if problem.is_of_the_host() {
        let failed = format!("{} {} failed; the log of the host says why", seen.method, seen.route());
        let row = NewActivity::new(LogType::Error, LogLevel::Error, failed);
        state.service.refusal_add(NewActivity { request_id: Some(id.clone()), ..row }).await;
    }
    let (parts, body) = problem.write(id.as_str()).into_parts();
    *response.body_mut() = body;
    response.headers_mut().extend(parts.headers);
}

fn panicked(panic: &(dyn Any + Send)) -> Response<Body> {
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
    let limit = match route {
        Some(export::IMPORT) => export::body_limit(limits),
        _ if is_upload => upload::body_limit(limits),
        _ => limits.request_body_bytes,
    };
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
