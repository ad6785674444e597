//! The only way out for guests, and, by stricter words about where and looser ones about how long, for what
//! a person named (see [`named`]).
//!
//! A request goes out when its destination is granted and every address that is dialled for it passed
//! the guard. It is bounded in size and in time, from the look-up to the last byte. Never followed: a
//! redirect (it is answered, and the guest may ask for the next address itself, with a decision of its
//! own). Never used: a proxy of the environment, cookies, credentials of the host, decompression.
//!
//! Connections are kept only within one [`Egress::for_call`], so that no call meets a connection on
//! which another call has spoken: a server that reads a body as the start of the next request, or that
//! authenticates connections instead of requests, cannot mix two tools. Keeping them weakens no rule.
//! The destination of every request is judged, and a kept connection is found only by that scheme, host
//! and port; a name's connection was dialled to an address that is public, an address's to that address.
//!
//! Bound secrets are added here, once the destination is judged, and taken out of the answer ([`bound`]).
//!
//! Errors name scheme, host and port; never the path, the query, a header's value or the body.

mod bound;
mod connector;
pub mod guard;
mod link;
pub mod mapped;
pub mod named;
pub mod network;
mod request;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use rustls::ClientConfig;
use tokio::time::Instant;

use self::connector::Connector;
use self::link::{Failure, Link};
pub use self::mapped::MappedNetwork;
pub use self::named::{Arrival, ArrivingBody, Reach};
pub use self::network::{Network, RealNetwork};
pub use self::request::OutboundRequest;
use self::target::{Purpose, Target};
use crate::domain::binding::BoundSecrets;
use crate::domain::grant::Grants;
use crate::limits::Limits;
use crate::telemetry::metrics;

/// The bounds of each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressSettings {
    /// Of a request's body and of a response's, each.
    pub body_bytes: usize,
    /// Of a request's headers and of a response's head, each, together.
    pub header_bytes: usize,
    /// From the name look-up to the last byte.
    pub time: Duration,
}

impl From<&Limits> for EgressSettings {
    fn from(limits: &Limits) -> Self {
        Self {
            body_bytes: Limits::size(limits.http_body_bytes),
            header_bytes: Limits::size(limits.http_header_bytes),
            time: Duration::from_millis(limits.http_time_ms),
        }
    }
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundResponse {
    pub status: u16,
    /// In the order they came, names in lower case, those that occur more than once next to each other;
    /// what is not UTF-8 in a value is replaced.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why there is no response; each a sentence for the tool's author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not granted, or never reached whatever is granted. The sentence says what to ask for.
    #[error("{0}")]
    Denied(String),
    /// The URL, the method or a header is not valid.
    #[error("{0}")]
    Invalid(String),
    /// No address, no connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    TimedOut(String),
    /// A body or headers over their bound.
    #[error("{0}")]
    TooLarge(String),
}

impl SendError {
    /// The word that metrics have for it.
    fn label(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::Invalid(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timed_out",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// Most connections that wait for another request of their call; the oldest gives way.
const KEPT_CONNECTIONS: usize = 8;

type Kept = Arc<Mutex<Vec<(String, Link)>>>;

fn put_by(kept: &Kept, origin: String, link: Link) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == KEPT_CONNECTIONS {
        kept.remove(0);
    }
    kept.push((origin, link));
}

/// Sends requests. Clones share everything.
#[derive(Clone)]
pub struct Egress {
    settings: Arc<EgressSettings>,
    connector: Arc<Connector>,
    /// Open connections by origin, the latest last. None: each request has its own.
    kept: Option<Kept>,
    /// Added to requests, and taken out of answers.
    bound: Arc<BoundSecrets>,
}

impl Egress {
    /// Reads the machine's root certificates.
    pub fn new(settings: EgressSettings, network: Arc<dyn Network>) -> Self {
        Self::with_tls(settings, network, tls::machine_roots())
    }

    fn with_tls(settings: EgressSettings, network: Arc<dyn Network>, tls: ClientConfig) -> Self {
        let connector = Arc::new(Connector { network, tls: Arc::new(tls) });
        Self { settings: Arc::new(settings), connector, kept: None, bound: Arc::default() }
    }

    /// The same way out for one call: it and its clones use a connection again for the next request to
    /// the same host. The connections are closed with the last clone.
    pub fn for_call(&self) -> Self {
        Self { kept: Some(Kept::default()), ..self.clone() }
    }

    /// From now on it adds these secrets to the requests that they are bound to.
    pub fn carry(&mut self, bound: Arc<BoundSecrets>) {
        self.bound = bound;
    }

    /// Whether a request to `url` would be let out, as far as that can be said without a look-up. One that
    /// would not is counted as refused.
    ///
    /// # Errors
    /// `Invalid` or `Denied`, as [`Self::send`] would answer.
    pub fn judge(&self, grants: &Grants, url: &str) -> Result<(), SendError> {
        let judged = Target::parse(url).and_then(|target| target.permit(grants));
        if let Err(error) = &judged {
            metrics::egress_request(error.label());
        }
        judged
    }

    /// Sends a request and reads the whole response. Dropping the future closes the connection.
    ///
    /// A request is sent once: it is repeated only on a kept connection that turned out to be closed
    /// before any of it was sent.
    ///
    /// # Errors
    /// See [`SendError`]. Nothing is looked up or dialled for what is denied or invalid.
    pub async fn send(&self, grants: &Grants, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
        let sent = self.send_uncounted(grants, request).await;
        metrics::egress_request(sent.as_ref().err().map_or("answered", SendError::label));
        sent
    }

    async fn send_uncounted(
        &self,
        grants: &Grants,
        mut request: OutboundRequest,
    ) -> Result<OutboundResponse, SendError> {
        let mut target = Target::parse(&request.url)?;
        target.permit(grants)?;
        let added = bound::add(&self.bound, &mut target, &mut request)?;
        let time = request.timeout.map_or(self.settings.time, |asked| asked.min(self.settings.time));
        let prepared = request::prepare(&target, request, &self.settings)?;
        let deadline = Instant::now() + time;
        let answer = tokio::time::timeout_at(deadline, self.exchange(&target, prepared, deadline))
            .await
            .unwrap_or_else(|_| {
                let (origin, ms) = (target.origin(), time.as_millis());
                Err(SendError::TimedOut(format!("no whole answer from {origin} within {ms} ms")))
            })?;
        bound::clean(&self.bound, &added, &target.origin(), answer)
    }

    async fn exchange(
        &self,
        target: &Target,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<OutboundResponse, SendError> {
        let origin = target.origin();
        while let Some(mut link) = self.take(&origin) {
            match link.exchange(request, &self.settings).await {
                Ok(response) => return Ok(self.keep(origin, link, response).await),
                Err(Failure::Unsent(again)) => request = *again,
                Err(failure) => return Err(self.error(&origin, failure)),
            }
        }
        let stream = self.connector.connect(target, Purpose::Guest, deadline).await?;
        let mut link = Link::open(stream, &self.settings).await.map_err(|failure| self.error(&origin, failure))?;
        match link.exchange(request, &self.settings).await {
            Ok(response) => Ok(self.keep(origin, link, response).await),
            Err(failure) => Err(self.error(&origin, failure)),
        }
    }

    fn take(&self, origin: &str) -> Option<Link> {
        let mut kept = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let position = kept.iter().rposition(|(of, _)| of == origin)?;
        Some(kept.remove(position).1)
    }

    /// Keeps a link that can carry another request, and hands the response through.
    async fn keep(&self, origin: String, mut link: Link, response: OutboundResponse) -> OutboundResponse {
        if let Some(kept) = &self.kept
            && link.is_open().await
        {
            put_by(kept, origin, link);
        }
        response
    }

    fn error(&self, origin: &str, failure: Failure) -> SendError {
        let EgressSettings { body_bytes, header_bytes, .. } = *self.settings;
        match failure {
            Failure::Unsent(_) => SendError::Unreachable(format!("{origin} closed the connection at once")),
            Failure::Broken(why) => SendError::Unreachable(format!("no answer from {origin}: {why}")),
            Failure::BodyTooLarge => {
                SendError::TooLarge(format!("the answer of {origin} is larger than {body_bytes} bytes"))
            }
            Failure::HeadersTooLarge => {
                let count = link::HEADERS;
                SendError::TooLarge(format!("the headers of {origin} are over {header_bytes} bytes or {count} lines"))
            }
        }
    }
}
