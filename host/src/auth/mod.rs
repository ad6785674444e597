//! Who is asking: from the peer and the headers of a request to a [`Caller`].
//!
//! A credential that is shown decides: when it is wrong the request is refused, whatever else speaks
//! for it. Who shows none is refused too, with one exception: an MCP client that verifiably sits on
//! this machine is let in as [`Who::Local`]. The API knows no exception. The words of a refusal do
//! not tell why a credential is wrong.

mod bearer;
mod peer;

use std::net::SocketAddr;

use axum::http::HeaderMap;

pub use self::peer::{came_directly, is_answered_host, is_private_peer};
use crate::crypto::token::TokenKind;
use crate::domain::caller::{Caller, Who};
use crate::service::sessions::Session;
use crate::service::{Error, Service};

/// What a refusal asks for in `WWW-Authenticate` (RFC 6750, section 3).
pub const CHALLENGE: &str = "Bearer";

/// The credential check of the API: an administrator's access token, nothing else.
#[derive(Clone)]
pub struct AdminAuth {
    service: Service,
}

/// The credential check of MCP: an API key or an administrator's access token; none for clients on
/// this machine.
#[derive(Clone)]
pub struct McpAuth {
    service: Service,
}

impl AdminAuth {
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// The session whose token the request shows.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without a valid access token; what the database fails on.
    pub async fn session(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Session, Error> {
        let token = bearer::token(headers)?.ok_or_else(missing)?;
        match token.kind() {
            TokenKind::Access => self.service.session_of(&token, Some(peer.ip())).await,
            TokenKind::ApiKey => Err(Error::Unauthenticated {
                message: "an API key opens MCP only; log in as an administrator for this".to_owned(),
            }),
        }
    }
}

impl McpAuth {
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// Who sends a request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] with a wrong credential, and without one from anywhere but this
    /// machine; what the database fails on.
    pub async fn caller(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Caller, Error> {
        let from = Some(peer.ip());
        match bearer::token(headers)? {
            Some(token) => match token.kind() {
                TokenKind::Access => Ok(self.service.session_of(&token, from).await?.caller),
                TokenKind::ApiKey => self.service.caller_of_key(&token, from).await,
            },
            None if peer::is_this_machine(peer, headers) => Ok(Caller { who: Who::Local, from }),
            None => Err(missing()),
        }
    }
}

fn missing() -> Error {
    Error::Unauthenticated { message: "this needs a credential: `Authorization: Bearer TOKEN`".to_owned() }
}
