//! Requests to servers that a person named: external sources and those who let us in there.
//!
//! The rules are those of guests' requests, with two differences. The server that was named may lie on
//! this machine or in its private networks, if the person said so of this address; everybody else, such
//! as an authorization server that it points to, must be public. And a body is handed on as it arrives,
//! so that events can be read from it; it is given up at its bound.
//!
//! Never, whatever was named: a link, a cloud's metadata, a redirect that is followed, an address that
//! was not judged, a proxy of the environment.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;

use super::link::{self, Arriving, Failure, Link};
use super::target::{Purpose, Target};
use super::{Egress, Kept, OutboundRequest, SendError, put_by, request};
use crate::domain::grant::Destination;

/// Where requests of one purpose may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// What may be on this machine or in its networks.
    near: Option<Destination>,
}

/// The head of an answer, and its body on the way.
pub struct Arrival {
    pub status: u16,
    /// As in [`super::OutboundResponse`].
    pub headers: Vec<(String, String)>,
    pub body: ArrivingBody,
}

/// Bytes as they arrive. Dropped before its end, it closes the connection.
pub struct ArrivingBody {
    arriving: Option<Arriving>,
    origin: String,
    kept: Option<Kept>,
    bytes_max: usize,
    bytes: usize,
}

impl Reach {
    /// The open internet.
    pub fn public() -> Self {
        Self { near: None }
    }

    /// The open internet, and the host of this URL wherever it is: a person named it.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn with(url: &str) -> Result<Self, SendError> {
        Ok(Self { near: Some(Target::parse(url)?.destination().clone()) })
    }

    /// Whether a URL can be one of a named server, and whether it means this machine or a private network
    /// by the way it is written.
    ///
    /// # Errors
    /// `Invalid`, or `Denied` when it is never reached.
    pub fn judge(url: &str) -> Result<bool, SendError> {
        let target = Target::parse(url)?;
        target.permit_named(true)?;
        Ok(target.is_near())
    }

    fn is_near(&self, target: &Target) -> bool {
        self.near.as_ref() == Some(target.destination())
    }
}

impl Arrival {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Egress {
    /// Sends a request to a server that was named, and answers at the head of the response.
    ///
    /// `time` is from the name look-up to that head; the body may take as long as the caller waits, and have
    /// up to `bytes_max` bytes. Dropping the future, or the body, closes the connection.
    ///
    /// # Errors
    /// See [`SendError`]. Nothing is looked up or dialled for what is denied or invalid.
    pub async fn send_named(
        &self,
        reach: &Reach,
        request: OutboundRequest,
        time: Duration,
        bytes_max: usize,
    ) -> Result<Arrival, SendError> {
        let target = Target::parse(&request.url)?;
        let near = reach.is_near(&target);
        target.permit_named(near)?;
        let prepared = request::prepare(&target, request, &self.settings)?;
        let deadline = Instant::now() + time;
        let begun = tokio::time::timeout_at(deadline, self.begin(&target, near, prepared, deadline)).await;
        let (head, arriving) = begun.unwrap_or_else(|_| {
            Err(SendError::TimedOut(format!("no answer from {} within {} ms", target.origin(), time.as_millis())))
        })?;
        Ok(Arrival {
            status: head.status.as_u16(),
            headers: link::written(&head),
            body: ArrivingBody {
                arriving: Some(arriving),
                origin: target.origin(),
                kept: self.kept.clone(),
                bytes_max,
                bytes: 0,
            },
        })
    }

    async fn begin(
        &self,
        target: &Target,
        near: bool,
        mut request: Request<Full<Bytes>>,
        deadline: Instant,
    ) -> Result<(hyper::http::response::Parts, Arriving), SendError> {
        let origin = target.origin();
        while let Some(link) = self.take(&origin) {
            match link.begin(request, &self.settings).await {
                Ok(begun) => return Ok(begun),
                Err(Failure::Unsent(again)) => request = *again,
                Err(failure) => return Err(self.error(&origin, failure)),
            }
        }
        let stream = self.connector.connect(target, Purpose::Named { near }, deadline).await?;
        let link = Link::open(stream, &self.settings).await.map_err(|failure| self.error(&origin, failure))?;
        link.begin(request, &self.settings).await.map_err(|failure| self.error(&origin, failure))
    }
}

impl ArrivingBody {
    /// Reads the rest of it.
    ///
    /// # Errors
    /// When it breaks off, or is over its bound.
    pub async fn whole(mut self) -> Result<Vec<u8>, SendError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }
}

impl Stream for ArrivingBody {
    type Item = Result<Bytes, SendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(arriving) = &mut this.arriving else { return Poll::Ready(None) };
        let next = match arriving.poll_bytes(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        let origin = &this.origin;
        let failed = match next {
            Some(Ok(bytes)) => {
                this.bytes = this.bytes.saturating_add(bytes.len());
                if this.bytes <= this.bytes_max {
                    return Poll::Ready(Some(Ok(bytes)));
                }
                SendError::TooLarge(format!("{origin} sent more than {} bytes in one answer", this.bytes_max))
            }
            Some(Err(_)) => {
                SendError::Unreachable(format!("{origin} closed the connection before its answer was whole"))
            }
            None => {
                let link = this.arriving.take().and_then(Arriving::into_link);
                if let (Some(kept), Some(link)) = (&this.kept, link) {
                    put_by(kept, this.origin.clone(), link);
                }
                return Poll::Ready(None);
            }
        };
        this.arriving = None;
        Poll::Ready(Some(Err(failed)))
    }
}
