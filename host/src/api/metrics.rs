//! What the host counts, as Prometheus reads it.

use axum::extract::{FromRequestParts, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::describe::{Answer, Description};
use super::extract::{Peer, no_such_address};
use super::problem::Problem;
use crate::auth;

/// A peer on this machine or in a private network, with no proxy between. To others the address does
/// not exist.
pub(super) struct PrivatePeer;

impl FromRequestParts<ApiState> for PrivatePeer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let Peer(peer) = Peer::from_request_parts(parts, state).await?;
        if state.settings.metrics && auth::is_private_peer(peer, &parts.headers) {
            Ok(Self)
        } else {
            Err(no_such_address(parts.uri.path()))
        }
    }
}

/// The text format, version 0.0.4.
pub(super) struct Metrics(String);

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0).into_response()
    }
}

impl Answer for Metrics {
    fn describe(to: &mut Description) {
        <&'static str>::describe(to);
    }
}

pub(super) async fn show(State(state): State<ApiState>) -> Metrics {
    Metrics(state.telemetry.render())
}
