//! Who is asking: from the peer and the headers of a request to a [`Caller`].
//!
//! A credential that is shown decides: when it is wrong the request is refused, whatever else speaks
//! for it. Who shows none is refused too, with one exception: an MCP client that verifiably sits on
//! this machine is let in as [`Who::Local`]. The API knows no exception. The words of a refusal do
//! not tell why a credential is wrong.
//!
//! A browser sends its cookie with requests that a stranger's page makes. So a cookie opens nothing
//! to a page of another origin, and changes something only together with what our own page knows. It
//! opens the API alone, never MCP; and where `Authorization` comes too, that alone counts.

mod bearer;
pub mod cookies;
mod peer;
pub mod proxies;
mod site;

use std::net::{IpAddr, SocketAddr};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, Method};

use self::cookies::Shown;
pub use self::peer::{came_directly, is_answered_host, is_private_peer};
use self::site::Site;
use crate::crypto::token::{Token, TokenKind};
use crate::domain::caller::{Caller, Who};
use crate::domain::ids::SessionId;
use crate::service::sessions::{Session, SessionKind};
use crate::service::{Error, Service};

/// What a refusal asks for in `WWW-Authenticate` (RFC 6750, section 3).
pub const CHALLENGE: &str = "Bearer";

/// Where a page repeats its cookie [`cookies::CSRF`].
pub const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// The credential check of the API: an administrator's access token, in `Authorization` or in the
/// cookie of a browser session, nothing else.
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

/// Somebody whom MCP is open to.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub caller: Caller,
    /// The login of an administrator, who is admitted no longer than it is in force.
    pub login: Option<SessionId>,
}

/// What a browser shows to have its tokens exchanged.
pub struct RefreshCookie {
    pub refresh: Token,
    pub csrf: Token,
}

impl AdminAuth {
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    /// The session whose token the request shows.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without a valid access token; [`Error::CrossSite`] for a cookie with
    /// a request that none of our pages made; what the database fails on.
    pub async fn session(&self, peer: SocketAddr, method: &Method, headers: &HeaderMap) -> Result<Session, Error> {
        let from = Some(peer.ip());
        let Some(token) = bearer::token(headers)? else {
            let token = access_cookie(headers)?;
            let changes = !method.is_safe();
            match site::of(headers) {
                Site::Own => {}
                Site::Unknown if !changes => {}
                Site::Unknown | Site::Foreign => return Err(not_from_here()),
            }
            let session = self.service.session_of(&token, SessionKind::Cookie, from).await?;
            if changes && !csrf(headers).is_some_and(|csrf| session.has_csrf(&csrf)) {
                return Err(without_csrf());
            }
            return Ok(session);
        };
        match token.kind() {
            TokenKind::Access => self.service.session_of(&token, SessionKind::Bearer, from).await,
            TokenKind::ApiKey => Err(Error::Unauthenticated {
                message: "an API key opens MCP only; log in as an administrator for this".to_owned(),
            }),
            TokenKind::Refresh | TokenKind::Csrf | TokenKind::Ticket => Err(no_access_token()),
        }
    }

    /// The same for a socket. A browser opens sockets of any page to any host and sends the cookie along, so
    /// a cookie counts only when one of our pages is known to have asked.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub async fn socket_session(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Session, Error> {
        if !headers.contains_key(AUTHORIZATION) {
            access_cookie(headers)?;
            from_own_page(headers)?;
        }
        self.session(peer, &Method::GET, headers).await
    }
}

/// Refuses a request whose answer would give cookies to a page of another origin, or to no page.
///
/// # Errors
/// [`Error::CrossSite`].
pub fn from_own_page(headers: &HeaderMap) -> Result<(), Error> {
    if site::of(headers) == Site::Own { Ok(()) } else { Err(not_from_here()) }
}

/// The refresh token that a browser shows, with what its page knows.
///
/// # Errors
/// [`Error::Unauthenticated`] without one, [`Error::CrossSite`] for a request that none of our pages
/// made.
pub fn refresh_cookie(headers: &HeaderMap) -> Result<RefreshCookie, Error> {
    let refresh =
        match cookies::REFRESH.shown(headers) {
            Shown::Nothing => return Err(Error::Unauthenticated {
                message:
                    "there is no refresh token; send `{\"refresh_token\": TOKEN}`, or the cookie of a browser session"
                        .to_owned(),
            }),
            shown => shown.token(TokenKind::Refresh).ok_or_else(wrong_cookie)?,
        };
    from_own_page(headers)?;
    let csrf = csrf(headers).ok_or_else(without_csrf)?;
    Ok(RefreshCookie { refresh, csrf })
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
    pub async fn admit(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<Admitted, Error> {
        let from = Some(peer.ip());
        match bearer::token(headers)? {
            // Boxed: a request without a credential would carry the place for this along.
            Some(token) => Box::pin(self.admit_by(&token, from)).await,
            None if peer::is_this_machine(peer, headers) => {
                Ok(Admitted { caller: Caller { who: Who::Local, from }, login: None })
            }
            None => Err(missing()),
        }
    }

    async fn admit_by(&self, token: &Token, from: Option<IpAddr>) -> Result<Admitted, Error> {
        match token.kind() {
            TokenKind::Access => {
                let session = self.service.session_of(token, SessionKind::Bearer, from).await?;
                Ok(Admitted { login: Some(session.id), caller: session.caller })
            }
            TokenKind::ApiKey => Ok(Admitted { caller: self.service.caller_of_key(token, from).await?, login: None }),
            TokenKind::Refresh | TokenKind::Csrf | TokenKind::Ticket => Err(no_access_token()),
        }
    }
}

fn access_cookie(headers: &HeaderMap) -> Result<Token, Error> {
    match cookies::SESSION.shown(headers) {
        Shown::Nothing => Err(missing()),
        shown => shown.token(TokenKind::Access).ok_or_else(wrong_cookie),
    }
}

/// What the page repeats of its cookie; none when it is no such token, or comes twice.
fn csrf(headers: &HeaderMap) -> Option<Token> {
    let mut shown = headers.get_all(X_CSRF_TOKEN).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else { return None };
    value.to_str().ok()?.parse().ok().filter(|token: &Token| token.kind() == TokenKind::Csrf)
}

fn missing() -> Error {
    Error::Unauthenticated { message: "this needs a credential: `Authorization: Bearer TOKEN`".to_owned() }
}

fn no_access_token() -> Error {
    Error::Unauthenticated { message: "the credential is no access token; log in for one".to_owned() }
}

fn wrong_cookie() -> Error {
    Error::Unauthenticated { message: "the cookie holds no token of this host, or came twice; log in again".to_owned() }
}

fn not_from_here() -> Error {
    Error::cross_site(
        "the request shows a session by its cookie and does not come from a page of this host; programs send \
         `Authorization: Bearer TOKEN`",
    )
}

fn without_csrf() -> Error {
    Error::cross_site("repeat the value of the cookie `mcpbox_csrf` in the header `X-CSRF-Token`")
}
