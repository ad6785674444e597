//! `wasi:http` of components that were made for something else: the same grants, the same way out and
//! the same bounds as the contract's own interface.
//!
//! A request's body is read whole before it is sent, and a response's before it is answered, each
//! within its bound; redirects are answered, never followed. A response keeps its place among the
//! requests of its call until its body is dropped. Error codes of `wasi:http` carry no text, but for
//! one; so that the author learns what to ask for, a refusal is told in words there, and every failure
//! is a line of the call's log.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{self, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, WasiHttpView as _};

use super::fetch::{Admitted, Failures, Fetches};
use super::pace::replace;
use super::state::State;
use crate::egress::{OutboundRequest, OutboundResponse, SendError};

/// The longest name of a method, in bytes: those that are registered have at most 17.
const METHOD_BYTES: usize = 64;

/// Refuses methods that are too long: each request that a guest makes would keep its own.
///
/// # Errors
/// When WASI is defined under another version.
pub(super) fn bound_methods(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let name = "[method]outgoing-request.set-method";
    replace(linker, "wasi:http/types", name, |mut store, (request, method): (Resource<HostOutgoingRequest>, Method)| {
        Box::new(async move {
            if matches!(&method, Method::Other(name) if name.len() > METHOD_BYTES) {
                return Ok((Err(()),));
            }
            Ok((types::HostOutgoingRequest::set_method(&mut store.data_mut().http(), request, method)?,))
        })
    })
}

/// A task that is stopped when this is dropped.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the trait wants beside a response: what is left to do once it is there.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Fetches {
    /// The way out names the host itself, from what it judged.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Rest,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Rest), Error>> + Send> {
        let failures = self.failures.clone();
        let started = self.admit(&request.uri().to_string()).map(|admitted| {
            let body_max = self.body_max();
            let io = admitted.io.clone();
            let failures = failures.clone();
            AbortOnDrop(io.spawn(exchange(admitted, request, options, body_max, failures)))
        });
        Box::new(async move {
            let mut task = started.map_err(|error| told(&failures, error))?;
            let response = (&mut task.0).await.map_err(|error| Error::InternalError(Some(error.to_string())))??;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Rest))
        })
    }
}

/// One request, on the runtime that serves.
async fn exchange(
    admitted: Admitted,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
    body_max: usize,
    failures: Failures,
) -> Result<Response<WasiBody>, Error> {
    let place = admitted.place().await;
    let (parts, body) = request.into_parts();
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        let Ok(value) = value.to_str() else {
            return Err(told(&failures, SendError::Invalid(format!("the value of header `{name}` is not plain text"))));
        };
        headers.push((name.as_str().to_owned(), value.to_owned()));
    }
    let body = whole(body, body_max).await?;
    let request = OutboundRequest {
        method: parts.method.to_string(),
        url: parts.uri.to_string(),
        headers,
        body: (!body.is_empty()).then_some(body),
        timeout: options.and_then(timeout),
    };
    let response = admitted.send(request).await.map_err(|error| told(&failures, error))?;
    Ok(answer(response, place))
}

/// All three bounds of the options one after the other, because here they are one exchange; none when
/// one of them is not given.
fn timeout(options: RequestOptions) -> Option<Duration> {
    Some(options.connect_timeout? + options.first_byte_timeout? + options.between_bytes_timeout?)
}

/// The body of a request, which the guest may still be writing.
async fn whole(mut body: WasiBody, body_max: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are not sent: HTTP/1 servers rarely read them.
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > body_max {
            return Err(Error::HttpRequestBodySize(u64::try_from(body_max).ok()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

fn answer(response: OutboundResponse, place: Option<OwnedSemaphorePermit>) -> Response<WasiBody> {
    let body = Received { bytes: Some(response.body.into()), _place: place };
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in response.headers {
        // Both were read from a response, so both are what they should be.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// The body of a response, and the place that it holds until it is dropped.
struct Received {
    bytes: Option<Bytes>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The code for a failure, and its sentence in the log.
fn told(failures: &Failures, error: SendError) -> Error {
    failures.add(error.to_string());
    match error {
        // There are codes for these, but none says what to do about it.
        SendError::Denied(text) | SendError::Invalid(text) => Error::InternalError(Some(text)),
        SendError::Unreachable(_) => Error::DestinationUnavailable,
        SendError::TimedOut(_) => Error::HttpResponseTimeout,
        SendError::TooLarge(text) => Error::InternalError(Some(text)),
    }
}
