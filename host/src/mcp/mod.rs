//! The front door for models: MCP, in both eras, at one address for everything and one for each server.
//!
//! Accepts requests of known callers from this machine or from origins that the operator listed.
//! Refuses what its headers and its body tell differently. Never rewrites what a model or a guest
//! said, never decides what may run (the service does), never keeps more of a client than its
//! session.
//!
//! `transport` is HTTP; `dispatch` and below know nothing of it.

pub mod about;
pub mod body;
pub mod call_through;
pub mod cursor;
pub mod dispatch;
pub mod error;
pub mod fit;
pub mod headers;
pub mod jsonrpc;
pub mod listing;
pub mod manage;
pub mod meta;
pub mod methods;
pub mod mirror;
pub mod nearest;
pub mod origin;
mod record;
pub mod scope;
pub mod session;
pub mod stream;
mod transport;
pub mod versions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::dispatch::Dispatcher;
pub use self::origin::McpSettings;
use self::session::Sessions;
use self::stream::Streams;
use crate::auth::McpAuth;
use crate::limits::Limits;
use crate::service::Service;

/// All that the routes need. Clones share sessions, streams and the written list of tools.
#[derive(Clone)]
pub struct McpState {
    dispatcher: Dispatcher,
    auth: McpAuth,
    settings: Arc<McpSettings>,
    pub sessions: Sessions,
    pub streams: Streams,
    /// Calls run on it, so that the process waits for them when it stops.
    tracker: TaskTracker,
    /// Cancelled at a soft stop: streams that only listen end; calls go on.
    shutdown: CancellationToken,
    signs: transport::Signs,
}

impl McpState {
    pub fn new(
        service: Service,
        auth: McpAuth,
        settings: McpSettings,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            sessions: Sessions::new(service.limits(), service.clock().clone()),
            streams: Streams::new(service.limits()),
            dispatcher: Dispatcher::new(service),
            auth,
            settings: Arc::new(settings),
            tracker,
            shutdown,
            signs: transport::Signs::default(),
        }
    }

    /// The same door at another listener, under other rules.
    pub fn at(&self, auth: McpAuth, settings: McpSettings) -> Self {
        Self { auth, settings: Arc::new(settings), ..self.clone() }
    }

    /// Ends sessions that nobody uses, once a minute, until the process stops.
    pub async fn sweep_sessions(self) {
        const PAUSE: Duration = Duration::from_secs(60);
        let clock = self.dispatcher.service.clock().clone();
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let ended = self.sessions.sweep(clock.now());
            if ended > 0 {
                tracing::debug!(ended, "idle sessions ended");
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

/// The routes `/mcp`, `/mcp/servers/{server}` and `/mcp/health`. They need `ConnectInfo<SocketAddr>`.
pub fn router(state: McpState) -> Router {
    transport::router(state)
}
