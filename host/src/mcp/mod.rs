//! The front door for models: MCP, in both eras, at one address for everything and one for each server.
//!
//! Accepts requests of known callers from this machine or from origins that the operator listed.
//! Refuses what its headers and its body tell differently. Never rewrites what a model or a guest
//! said, never decides what may run (the service does), never keeps more of a client than its
//! session.
//!
//! `transport` is HTTP; `dispatch` and below know nothing of it.

mod abilities;
pub mod about;
mod asking;
pub mod body;
mod call;
pub mod call_through;
pub mod cursor;
pub mod dispatch;
pub mod error;
pub mod fit;
mod form;
pub mod headers;
pub mod jsonrpc;
mod kept;
pub mod listing;
pub mod manage;
pub mod meta;
pub mod methods;
pub mod mirror;
pub mod nearest;
mod notices;
pub mod origin;
pub mod outbox;
mod pages;
pub mod peer;
mod record;
pub mod scope;
pub mod session;
pub mod sessions;
mod skills;
mod spoken;
mod standing;
pub mod stream;
mod tasks;
mod transport;
mod uris;
pub mod versions;
mod wishes;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::dispatch::Dispatcher;
use self::kept::Kept;
pub use self::origin::McpSettings;
use self::scope::Scope;
pub use self::scope::Wish;
use self::sessions::Sessions;
use self::stream::Streams;
use crate::auth::McpAuth;
use crate::domain::caller::{Caller, Who};
use crate::limits::Limits;
use crate::service::Service;
use crate::telemetry::RequestId;

/// Where everything is served.
pub const ADDRESS: &str = transport::EVERYTHING;

/// All that the routes need. Clones share sessions, streams and the written list of tools.
#[derive(Clone)]
pub struct McpState(Arc<Inner>);

/// What an [`McpState`] shares.
#[derive(Clone)]
pub struct Inner {
    dispatcher: Dispatcher,
    auth: McpAuth,
    settings: Arc<McpSettings>,
    pub sessions: Sessions,
    pub streams: Streams,
    kept: Kept,
    /// Calls run on it, so that the process waits for them when it stops.
    tracker: TaskTracker,
    /// Cancelled at a soft stop: streams that only listen end; calls go on.
    shutdown: CancellationToken,
    signs: transport::Signs,
    conversations: transport::Conversations,
}

impl McpState {
    pub fn new(
        service: Service,
        auth: McpAuth,
        settings: McpSettings,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            sessions: Sessions::new(&service),
            streams: Streams::new(service.limits()),
            kept: Kept::new(service.limits(), service.clock().clone()),
            dispatcher: Dispatcher::new(service),
            auth,
            settings: Arc::new(settings),
            tracker,
            shutdown,
            signs: transport::Signs::default(),
            conversations: transport::Conversations::default(),
        }))
    }

    /// The same door at another listener, under other rules.
    pub fn at(&self, auth: McpAuth, settings: McpSettings) -> Self {
        Self(Arc::new(Inner { auth, settings: Arc::new(settings), ..Inner::clone(self) }))
    }

    /// Answers a `POST` to [`ADDRESS`], as the routes do.
    pub fn post(
        &self,
        peer: SocketAddr,
        request_id: RequestId,
        request: Request,
    ) -> impl Future<Output = Response> + Send {
        transport::post(self, peer, request_id, request)
    }

    /// Ends sessions that nobody uses, now and then, and those of keys that are revoked, when one may have been; until
    /// the process stops.
    pub async fn sweep_sessions(self) {
        let mut pause = tokio::time::interval(self.sessions.swept_every());
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut credentials = self.dispatcher.service.events().credentials();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = pause.tick() => {}
                // It never fails: the service has the other end.
                _ = credentials.changed() => {}
            }
            match self.sessions.sweep().await {
                Ok(0) => {}
                Ok(ended) => tracing::debug!(ended, "sessions ended"),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "sessions were not swept"),
            }
        }
    }

    fn limits(&self) -> &Limits {
        self.dispatcher.service.limits()
    }

    fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.limits().sse_keep_alive_s)
    }
}

impl std::ops::Deref for McpState {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Why a conversation did not come about, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    #[error("there is no running server `{0}`; without --server all are served")]
    Server(String),
    #[error(transparent)]
    Service(#[from] crate::service::Error),
    #[error("standard input or output broke off: {0}")]
    Broken(#[from] io::Error),
}

/// Serves one client over a pair of byte streams, a message a line: everything, or one running server; `tools` is
/// what it wants to see in the list of everything. It is a client on this machine, and is shown what those are.
///
/// # Errors
/// See [`ConverseError`].
pub async fn converse(
    state: &McpState,
    server: Option<&str>,
    tools: Wish,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> Result<(), ConverseError> {
    let caller = Caller { who: Who::Local, from: None };
    let scope = match server {
        None => Scope::Everything,
        Some(name) => {
            let catalogue = state.dispatcher.service.catalogue(&caller).await?;
            let found = catalogue.server(name).map(|server| Scope::Server(server.name.clone()));
            found.ok_or_else(|| ConverseError::Server(name.to_owned()))?
        }
    };
    Ok(transport::stdio::serve(state, (scope, tools), caller, input, output).await?)
}

/// The routes `/mcp`, `/mcp/servers/{server}` and `/mcp/health`. They need `ConnectInfo<SocketAddr>`.
pub fn router(state: McpState) -> Router {
    transport::router(state)
}
