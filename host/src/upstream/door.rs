//! Our side of a session, as a source sees it: it may say that its list of tools is another one, and is refused
//! whatever it asks of us. No model, no person and no folder of this machine is lent to a source.

use std::future::ready;
use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{ClientConfig, ClientResult, ErrorCode, ErrorData, ServerNotification, ServerRequest};
use rmcp::service::{NotificationContext, RequestContext, Service};
use serde_json::Value;

use super::shown;

/// Told that the list of a source is another one.
pub(super) type Changed = Arc<dyn Fn() + Send + Sync>;

pub(super) struct Door {
    config: ClientConfig,
    changed: Changed,
}

impl Door {
    pub(super) fn new(config: ClientConfig, changed: Changed) -> Self {
        Self { config, changed }
    }
}

impl Service<RoleClient> for Door {
    fn handle_request(
        &self,
        request: ServerRequest,
        _: RequestContext<RoleClient>,
    ) -> impl Future<Output = Result<ClientResult, ErrorData>> + Send + '_ {
        ready(match request {
            ServerRequest::PingRequest(_) => Ok(ClientResult::empty(())),
            other => Err(refusal(&other)),
        })
    }

    fn handle_notification(
        &self,
        notification: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        if let ServerNotification::ToolListChangedNotification(_) = notification {
            (self.changed)();
        }
        ready(Ok(()))
    }

    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }
}

fn refusal(request: &ServerRequest) -> ErrorData {
    let request = serde_json::to_value(request).unwrap_or_default();
    let method = shown(request.get("method").and_then(Value::as_str).unwrap_or("this"));
    let message = format!(
        "`{method}` is not answered here: MCPbox only calls the tools of this server, and lends it no model, no person \
         and no folder; answer the call without it"
    );
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}
