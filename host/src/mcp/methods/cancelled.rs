//! `notifications/cancelled`: a legacy client no longer wants an answer; the guest is stopped.

use serde::Deserialize;

use super::read;
use crate::domain::activity::one_line;
use crate::mcp::jsonrpc::{Id, Params};
use crate::mcp::session::Session;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    request_id: Id,
    #[serde(default)]
    reason: Option<String>,
}

/// Characters kept of why something was cancelled.
const REASON_CHARACTERS: usize = 200;

/// Stops the request. One that is unknown or has ended is ignored: the two may cross on their way.
pub fn note(session: &Session, params: &Params) {
    match read::<Cancelled>(params) {
        Ok(Cancelled { request_id, reason }) => {
            let running = session.cancel(&request_id);
            let reason = reason.map(|reason| one_line(&reason, REASON_CHARACTERS)).unwrap_or_default();
            tracing::debug!(mcp.id = %request_id, running, reason, "cancelled by the client");
        }
        Err(failure) => tracing::debug!(message = failure.message, "a cancellation that names no request"),
    }
}
