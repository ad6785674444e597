//! `notifications/cancelled`: a legacy client no longer wants an answer; the guest is stopped.

use serde::Deserialize;

use super::read;
use crate::mcp::jsonrpc::{Id, Params};
use crate::mcp::session::Session;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    request_id: Id,
}

/// Stops the request. One that is unknown or has ended is ignored: the two may cross on their way.
pub fn note(session: &Session, params: &Params) {
    match read::<Cancelled>(params) {
        Ok(Cancelled { request_id }) => {
            let running = session.cancel(&request_id);
            tracing::debug!(mcp.id = %request_id, running, "cancelled by the client");
        }
        Err(failure) => tracing::debug!(message = failure.message, "a cancellation that names no request"),
    }
}
