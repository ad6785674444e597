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
        mut request: Request<Full<Bytes>>,
        settings: &EgressSettings,
    ) -> Result<OutboundResponse, Failure> {
        let interim_bytes = count_interim(&mut request);
        let Self { sender, carrier } = self;
        drive(carrier, async {
            if sender.ready().await.is_err() {
                return Err(Failure::Unsent(Box::new(request)));
            }
            let mut answer = pin!(sender.try_send_request(request));
            let answer = std::future::poll_fn(|cx| {
                if interim_bytes.load(Ordering::Relaxed) > settings.header_bytes {
                    return Poll::Ready(Err(Failure::HeadersTooLarge));
                }
                answer.as_mut().poll(cx).map_err(|mut error| match error.take_message() {
                    Some(request) => Failure::Unsent(Box::new(request)),
                    None => broken(error.error()),
                })
            });
            read(answer.await?, settings).await
        })
        .await
    }

    /// Lets a connection that was told to end, end. Says whether it can carry another request.
    pub(super) async fn is_open(&mut self) -> bool {
        drive(&mut self.carrier, async {}).await;
        self.carrier.is_some() && self.sender.is_ready()
    }
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
    let header_bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > settings.header_bytes {
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
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(OutboundResponse { status: head.status.as_u16(), headers, body: bytes })
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
