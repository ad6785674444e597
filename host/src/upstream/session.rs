//! One session with a source: a handshake of whichever era it speaks, lists and calls.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, Implementation,
    ListToolsRequest, PaginatedRequestParams, ProtocolVersion, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, PeerRequestOptions, RequestHandle, RunningService, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;
use tokio_util::task::TaskTracker;

use super::door::{Changed, Door};
use super::heard::error_text;
use super::sse::SseTransport;
use super::wire::{Wire, WireError};
use super::{Access, FAREWELL, ToolCall, UpstreamError, shown};
use crate::domain::source::{About, SourceTransport};

/// Pages of one list; a source that has more of them never comes to an end.
const PAGES: usize = 100;
/// How often a stream that broke off is taken up again, and how long is waited before.
const RETRIES: usize = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(200);

type Running = RunningService<RoleClient, Door>;

pub(super) struct Session {
    service: Running,
    wire: Wire,
    transport: SourceTransport,
    /// Whether the tools were listed in it.
    knows_tools: bool,
}

/// How a call ended.
pub(super) enum Ended {
    /// With a result, of whichever kind.
    Answered(Value),
    /// With an error of the protocol.
    Refused(String),
    /// With none.
    Failed(String),
    Unauthorized(u16),
    TimedOut,
    Cancelled,
}

impl From<UpstreamError> for Ended {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Unauthorized { status } => Self::Unauthorized(status),
            UpstreamError::TimedOut(_) => Self::TimedOut,
            UpstreamError::Busy { message, .. } | UpstreamError::Failed(message) => Self::Failed(message),
        }
    }
}

impl Session {
    /// Shakes hands. `changed` is told when the source says that its list is another one, for as long as the
    /// session lives.
    ///
    /// # Errors
    /// [`UpstreamError::Failed`] or `Unauthorized`.
    pub(super) async fn open(wire: Wire, access: &Access, changed: Changed) -> Result<Self, UpstreamError> {
        let about_us = Implementation::new("mcpbox", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig::new(ClientCapabilities::default(), about_us);
        let transport = access.transport;
        let begun = match transport {
            SourceTransport::StreamableHttp => {
                let mut settings = StreamableHttpClientTransportConfig::with_uri(access.url.as_str());
                let mut patience = ExponentialBackoff::default();
                patience.max_times = Some(RETRIES);
                patience.base_duration = RETRY_PAUSE;
                settings.retry_config = Arc::new(patience);
                let eras = ClientLifecycleMode::Auto {
                    preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                    legacy_version: Some(ProtocolVersion::V_2025_11_25),
                };
                let http = StreamableHttpClientTransport::with_client(wire.clone(), settings);
                serve_client_with_lifecycle(Door::new(config, changed), http, eras).await
            }
            SourceTransport::Sse => {
                let config = config.with_protocol_version(ProtocolVersion::V_2024_11_05);
                let events = SseTransport::open(wire.clone(), &access.url).await.map_err(UpstreamError::from)?;
                serve_client_with_lifecycle(Door::new(config, changed), events, ClientLifecycleMode::Initialize).await
            }
        };
        match begun {
            Ok(service) => Ok(Self { service, wire, transport, knows_tools: false }),
            Err(error) => Err(not_begun(&wire, &error)),
        }
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// What the source said of itself.
    pub(super) fn about(&self) -> About {
        let Some(info) = self.service.peer().peer_info() else { return About::default() };
        let server = info.server_info.as_ref();
        About {
            protocol_version: Some(info.protocol_version.to_string()),
            server_name: server.map(|server| shown(&server.name)),
            server_version: server.map(|server| shown(&server.version)),
        }
    }

    /// All tools, as the source lists them.
    ///
    /// # Errors
    /// When it answers with no list, or with too much.
    pub(super) async fn tools(&mut self, tools_max: usize) -> Result<Vec<Value>, UpstreamError> {
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor);
            let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
            let answer = self.service.peer().send_request(request).await;
            let answer = answer.map_err(|error| failed(&self.wire, &error))?;
            // One tool that the library cannot read must not hide the others: then it answers the plain value.
            let page = serde_json::to_value(answer).unwrap_or_default();
            let Some(listed) = page.get("tools").and_then(Value::as_array) else {
                return Err(UpstreamError::Failed("it answered `tools/list` with no list".to_owned()));
            };
            tools.extend(listed.iter().cloned());
            if tools.len() > tools_max {
                return Err(UpstreamError::Failed(format!(
                    "it offers more than {tools_max} tools (MCPBOX_SOURCE_TOOLS)"
                )));
            }
            cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                self.knows_tools = true;
                return Ok(tools);
            }
        }
        Err(UpstreamError::Failed(format!("its list of tools has more than {PAGES} pages")))
    }

    /// Lists the tools, if that was not done in this session: some calls are sent by what the list says.
    ///
    /// # Errors
    /// As [`tools`](Self::tools).
    pub(super) async fn know_tools(&mut self, tools_max: usize) -> Result<(), UpstreamError> {
        if !self.knows_tools {
            self.tools(tools_max).await?;
        }
        Ok(())
    }

    /// Calls a tool. The session comes back when it can serve another call. Dropping the future tells the
    /// source that nobody waits any more, in a task among `tasks`, and ends the session.
    pub(super) async fn call(self, call: &ToolCall, tasks: &TaskTracker) -> (Ended, Option<Self>) {
        let Self { service, wire, transport, .. } = self;
        let Ok(Value::Object(arguments)) = serde_json::from_str(&call.arguments) else {
            return (Ended::Failed("the arguments are no object".to_owned()), None);
        };
        let params = CallToolRequestParams::new(call.tool.clone()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let sent = service.peer().send_cancellable_request(request, PeerRequestOptions::no_options()).await;
        let handle = match sent {
            Ok(handle) => handle,
            Err(error) => return (failed(&wire, &error).into(), None),
        };
        let mut underway = Underway { call: Some((handle, service)), tasks: tasks.clone() };
        let answer = underway.answer().await;
        let Some(service) = underway.over() else { return (Ended::Cancelled, None) };
        let rest = |service| match transport {
            SourceTransport::StreamableHttp => {
                Some(Self { service, wire: wire.clone(), transport, knows_tools: self.knows_tools })
            }
            // Its stream may break while nobody listens.
            SourceTransport::Sse => None,
        };
        match answer {
            Ok(result) => (Ended::Answered(serde_json::to_value(result).unwrap_or_default()), rest(service)),
            Err(ServiceError::McpError(error)) => {
                (Ended::Refused(error_text(&error.message, error.data.as_ref())), rest(service))
            }
            Err(error) => (failed(&wire, &error).into(), None),
        }
    }
}

/// A call that is waited for. Dropped before its end, the source is told.
struct Underway {
    call: Option<(RequestHandle<RoleClient>, Running)>,
    tasks: TaskTracker,
}

impl Underway {
    async fn answer(&mut self) -> Result<ServerResult, ServiceError> {
        match &mut self.call {
            Some((handle, _)) => (&mut handle.rx).await.unwrap_or(Err(ServiceError::TransportClosed)),
            None => Err(ServiceError::TransportClosed),
        }
    }

    /// There is nothing left to tell.
    fn over(&mut self) -> Option<Running> {
        self.call.take().map(|(_, service)| service)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let Some((handle, service)) = self.call.take() else { return };
        self.tasks.spawn(async move {
            // If it does not listen, it is not waited for.
            let _ = tokio::time::timeout(FAREWELL, handle.cancel(Some("nobody waits any more".to_owned()))).await;
            drop(service);
        });
    }
}

impl From<WireError> for UpstreamError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Unauthorized(status) => Self::Unauthorized { status },
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Why a handshake failed: what the wire knows says more than the library does.
fn not_begun(wire: &Wire, error: &ClientInitializeError) -> UpstreamError {
    if let Some(known) = wire.failure() {
        return known.into();
    }
    UpstreamError::Failed(match error {
        ClientInitializeError::JsonRpcError(error) => {
            format!("it refused the handshake: {}", error_text(&error.message, error.data.as_ref()))
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => match &**fallback {
            ClientInitializeError::JsonRpcError(error) => {
                format!("it refused the handshake: {}", error_text(&error.message, error.data.as_ref()))
            }
            _ => "it speaks no revision of MCP that is known here".to_owned(),
        },
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks no revision of MCP that is known here".to_owned()
        }
        _ => "it did not shake hands as MCP has it".to_owned(),
    })
}

/// Why a request came to nothing.
fn failed(wire: &Wire, error: &ServiceError) -> UpstreamError {
    let known = wire.failure();
    if let ServiceError::McpError(error) = error {
        return UpstreamError::Failed(error_text(&error.message, error.data.as_ref()));
    }
    if let Some(known) = known {
        return known.into();
    }
    UpstreamError::Failed(match error {
        ServiceError::TransportClosed | ServiceError::TransportSend(_) => {
            "the connection ended before the answer was whole".to_owned()
        }
        _ => "it answered with something else than was asked for".to_owned(),
    })
}
