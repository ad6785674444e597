//! One open HTTP/1.1 connection: sends a request, reads the response within its bounds.
//!
//! A connection has no task of its own. It moves only while somebody awaits an exchange on it, and
//! whoever drops the exchange or the link has closed the socket. A response is read frame by frame and
//! given up at the first byte over a bound; no more than a read buffer is held beyond it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::ext::on_informational;
use hyper::header::HeaderValue;
use hyper::http::response::Parts;
use hyper::{Request, Response};

use super::connector::Stream;
use super::{EgressSettings, OutboundResponse};

/// Most headers of a response; the parser makes room for so many each time.
pub(super) const HEADERS: usize = 512;

/// What a head without headers has at least: `HTTP/1.1 100`, two line ends and a space.
const STATUS_LINE_BYTES: usize = 17;

/// The smallest read buffer that hyper takes.
const READ_BUFFER_BYTES: usize = 8 << 10;

pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    carrier: Option<Carrier>,
}

/// What moves the bytes when it is polled.
type Carrier = Pin<Box<Connection<Stream, Full<Bytes>>>>;

/// Why an exchange came to nothing.
pub(super) enum Failure {
    /// The connection was closed before any of the request was sent; here it is again.
    Unsent(Box<Request<Full<Bytes>>>),
    HeadersTooLarge,
    BodyTooLarge,
    /// In words for the tool's author.
    Broken(&'static str),
}

const BROKEN_OFF: &str = "the connection was closed before the answer was whole";

impl Link {
    /// # Errors
    /// When the stream is already broken.
    pub(super) async fn open(stream: Stream, settings: &EgressSettings) -> Result<Self, Failure> {
        let (sender, connection) = http1::Builder::new()
            .max_headers(HEADERS)
            .max_header_size(settings.header_bytes)
            .max_buf_size(settings.header_bytes.max(READ_BUFFER_BYTES))
            .handshake(stream)
            .await
            .map_err(|error| broken(&error))?;
        Ok(Self { sender, carrier: Some(Box::pin(connection)) })
    }

    /// Sends a request and reads the whole response. After an error the link is of no more use.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        settings: &EgressSettings,
    ) -> Result<OutboundResponse, Failure> {
        let Self { sender, carrier } = self;
        drive(carrier, async { read(ask(sender, request, settings).await?, settings).await }).await
    }

    /// Sends a request and answers as soon as the head of the response is there.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) async fn begin(
        mut self,
        request: Request<Full<Bytes>>,
        settings: &EgressSettings,
    ) -> Result<(Parts, Arriving), Failure> {
        let Self { sender, carrier } = &mut self;
        let (head, body) = drive(carrier, ask(sender, request, settings)).await?.into_parts();
        if headers_bytes(&head) > settings.header_bytes {
            return Err(Failure::HeadersTooLarge);
        }
        Ok((head, Arriving { link: self, body }))
    }

    /// Lets a connection that was told to end, end. Says whether it can carry another request.
    pub(super) async fn is_open(&mut self) -> bool {
        drive(&mut self.carrier, async {}).await;
        self.carrier.is_some() && self.sender.is_ready()
    }
}

/// A response whose body is still to come, with the connection that carries it.
pub(super) struct Arriving {
    link: Link,
    body: Incoming,
}

impl Arriving {
    /// The next bytes; none when the body is whole.
    pub(super) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if self.link.carrier.as_mut().is_some_and(|carrier| carrier.as_mut().poll(cx).is_ready()) {
            self.link.carrier = None;
        }
        loop {
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Failure::Broken(BROKEN_OFF)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    // Trailers are not handed on.
                    Err(_) => continue,
                },
            };
        }
    }

    /// The connection, when the body was read to its end and another request may follow.
    pub(super) fn into_link(self) -> Option<Link> {
        self.link.carrier.is_some().then_some(self.link)
    }
}

/// Waits for the turn of a request, sends it and waits for the head of the answer.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    mut request: Request<Full<Bytes>>,
    settings: &EgressSettings,
) -> Result<Response<Incoming>, Failure> {
    let interim_bytes = count_interim(&mut request);
    if sender.ready().await.is_err() {
        return Err(Failure::Unsent(Box::new(request)));
    }
    let mut answer = pin!(sender.try_send_request(request));
    std::future::poll_fn(|cx| {
        if interim_bytes.load(Ordering::Relaxed) > settings.header_bytes {
            return Poll::Ready(Err(Failure::HeadersTooLarge));
        }
        answer.as_mut().poll(cx).map_err(|mut error| match error.take_message() {
            Some(request) => Failure::Unsent(Box::new(request)),
            None => broken(error.error()),
        })
    })
    .await
}

/// Counts the heads that come before the answer (1xx, RFC 9110, section 15.2), which hyper reads without
/// end: a server could keep us parsing them until the time is over.
fn count_interim(request: &mut Request<Full<Bytes>>) -> Arc<AtomicUsize> {
    let bytes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&bytes);
    on_informational(request, move |interim| {
        let headers: usize = interim.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        counted.fetch_add(STATUS_LINE_BYTES + headers, Ordering::Relaxed);
    });
    bytes
}

/// Polls the work and, before it, the connection that carries it.
async fn drive<T>(carrier: &mut Option<Carrier>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|cx: &mut Context<'_>| -> Poll<T> {
        // How it ended is told to the work, which waits on it. Dropped at once, it fails what is still queued.
        if carrier.as_mut().is_some_and(|carrier| carrier.as_mut().poll(cx).is_ready()) {
            *carrier = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

async fn read(response: Response<Incoming>, settings: &EgressSettings) -> Result<OutboundResponse, Failure> {
    let (head, mut body) = response.into_parts();
    if headers_bytes(&head) > settings.header_bytes {
        return Err(Failure::HeadersTooLarge);
    }
    // The length that is announced, when one is: refused before anything is read.
    let announced = body.size_hint().lower();
    if announced > u64::try_from(settings.body_bytes).unwrap_or(u64::MAX) {
        return Err(Failure::BodyTooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Failure::Broken(BROKEN_OFF)) };
        // Trailers are not handed on.
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > settings.body_bytes {
                return Err(Failure::BodyTooLarge);
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(OutboundResponse { status: head.status.as_u16(), headers: written(&head), body: bytes })
}

fn headers_bytes(head: &Parts) -> usize {
    head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The headers as they are handed on.
pub(super) fn written(head: &Parts) -> Vec<(String, String)> {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    head.headers.iter().map(|(name, text)| (name.as_str().to_owned(), value(text))).collect()
}

fn broken(error: &hyper::Error) -> Failure {
    if error.is_parse_too_large() {
        Failure::HeadersTooLarge
    } else if error.is_parse() {
        Failure::Broken("the answer is not HTTP/1.1")
    } else if error.is_incomplete_message() {
        Failure::Broken(BROKEN_OFF)
    } else {
        Failure::Broken("the connection broke")
    }
}
