//! HTTP of one session: what the client library asks for goes through the egress, with the credential,
//! and what comes back is bounded before it is read.
//!
//! The credential is added here and nowhere else, so that it is in no configuration, error or log line of
//! the library.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::http::{HeaderName, HeaderValue};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use super::heard::{Heard, Listener};
use super::{Access, Bounds};
use crate::domain::budget::Budget;
use crate::domain::secret::SecretValue;
use crate::egress::{Arrival, Egress, OutboundRequest, Reach, SendError};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const BOTH: &str = "application/json, text/event-stream";

/// The longest wait for the head of an answer; who calls has a deadline of its own before that.
const HEAD_TIME: Duration = Duration::from_secs(3_600);

/// Clones share everything.
#[derive(Clone)]
pub(super) struct Wire(Arc<Inner>);

struct Inner {
    egress: Egress,
    reach: Reach,
    credential: Option<(String, SecretValue)>,
    bounds: Bounds,
    heard: Heard,
    requests: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    /// What last went wrong, in a sentence of ours: the library has its own words for it.
    failure: Mutex<Option<WireError>>,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("it wants another credential (HTTP {0})")]
    Unauthorized(u16),
    #[error("it answered HTTP {0}, and redirects are not followed")]
    Redirect(u16),
    #[error("it answered HTTP {0}")]
    Status(u16),
    #[error("it answered with {0}, which is no MCP")]
    Alien(String),
}

type Answer<T> = Result<T, StreamableHttpError<WireError>>;

impl Wire {
    pub(super) fn new(egress: Egress, access: &Access, bounds: Bounds) -> Self {
        Self(Arc::new(Inner {
            egress,
            reach: access.reach.clone(),
            credential: access.credential.clone(),
            bounds,
            heard: Heard::default(),
            requests: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            failure: Mutex::default(),
        }))
    }

    /// A call begins: it is heard, and its traffic counted.
    pub(super) fn begin(&self, listener: Option<Listener>, budget: &Budget) {
        self.0.heard.listen(listener, budget.log_lines, budget.log_line_bytes);
        for counter in [&self.0.requests, &self.0.sent_bytes, &self.0.received_bytes] {
            counter.store(0, Ordering::Relaxed);
        }
        self.failure();
    }

    pub(super) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    pub(super) fn traffic(&self) -> Traffic {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Inner { requests, sent_bytes, received_bytes, .. } = &*self.0;
        Traffic { requests: read(requests), sent_bytes: read(sent_bytes), received_bytes: read(received_bytes) }
    }

    /// What last went wrong, once.
    pub(super) fn failure(&self) -> Option<WireError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn failed(&self, error: WireError) -> WireError {
        *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        error
    }

    /// Sends a request and answers at the head, whatever its status.
    async fn send(
        &self,
        method: &str,
        url: &str,
        mut headers: Vec<(String, String)>,
        body: Option<Vec<u8>>,
    ) -> Result<Arrival, WireError> {
        if let Some((name, value)) = &self.0.credential {
            headers.push((name.clone(), value.reveal().to_owned()));
        }
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.sent_bytes.fetch_add(body.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
        let body = body.map(Bytes::from);
        let request = OutboundRequest { method: method.to_owned(), url: url.to_owned(), headers, body, timeout: None };
        let sent = self.0.egress.send_named(&self.0.reach, request, HEAD_TIME, self.0.bounds.answer_bytes).await;
        sent.map_err(|error| self.failed(error.into()))
    }

    /// A GET whose answer is a stream of events.
    pub(super) async fn listen(
        &self,
        url: &str,
        headers: Vec<(String, String)>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, WireError> {
        let mut headers = headers;
        headers.push(("accept".to_owned(), EVENTS.to_owned()));
        let arrival = self.send("GET", url, headers, None).await?;
        if let Some(error) = status_error(arrival.status) {
            return Err(self.failed(error));
        }
        if !is_media_type(&arrival, EVENTS) {
            return Err(self.failed(alien(&arrival)));
        }
        Ok(self.events(arrival))
    }

    /// A POST whose answer is of no interest, as in the first transport.
    pub(super) async fn deliver(&self, url: &str, message: &ClientJsonRpcMessage) -> Result<(), WireError> {
        let headers = vec![("content-type".to_owned(), JSON.to_owned())];
        let body = self.written(message)?;
        let arrival = self.send("POST", url, headers, Some(body)).await?;
        match status_error(arrival.status) {
            Some(error) => Err(self.failed(error)),
            None => Ok(()),
        }
    }

    fn written(&self, message: &ClientJsonRpcMessage) -> Result<Vec<u8>, WireError> {
        let body = serde_json::to_vec(message)
            .map_err(|error| self.failed(SendError::Invalid(format!("the message is no JSON: {error}")).into()))?;
        self.0.heard.sending(&body);
        Ok(body)
    }

    fn events(&self, arrival: Arrival) -> BoxStream<'static, Result<Sse, SseError>> {
        let (counting, noting, hearing) = (self.clone(), self.clone(), self.clone());
        let bytes = arrival
            .body
            .inspect_ok(move |bytes| counting.received(bytes.len()))
            .map_err(move |error| noting.failed(error.into()));
        let events = SseStream::from_bytes_stream(bytes).inspect_ok(move |event: &Sse| {
            if let Some(data) = &event.data {
                hearing.0.heard.event(data);
            }
        });
        events.boxed()
    }

    fn received(&self, bytes: usize) {
        self.0.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    async fn whole(&self, arrival: Arrival) -> Result<Vec<u8>, WireError> {
        let body = arrival.body.whole().await.map_err(|error| self.failed(error.into()))?;
        self.received(body.len());
        Ok(body)
    }
}

fn status_error(status: u16) -> Option<WireError> {
    match status {
        200..300 => None,
        300..=399 => Some(WireError::Redirect(status)),
        401 | 403 => Some(WireError::Unauthorized(status)),
        _ => Some(WireError::Status(status)),
    }
}

fn is_media_type(arrival: &Arrival, expected: &str) -> bool {
    let given = arrival.header("content-type").unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

fn alien(arrival: &Arrival) -> WireError {
    WireError::Alien(match arrival.header("content-type") {
        Some(kind) => format!("`{}`", kind.chars().take(60).collect::<String>()),
        None => "no content type".to_owned(),
    })
}

/// The library's headers in ours.
fn spelled(
    accept: &str,
    session: Option<&str>,
    last_event: Option<String>,
    custom: HashMap<HeaderName, HeaderValue>,
) -> Vec<(String, String)> {
    let mut headers = vec![("accept".to_owned(), accept.to_owned())];
    headers.extend(session.map(|id| ("mcp-session-id".to_owned(), id.to_owned())));
    headers.extend(last_event.map(|id| ("last-event-id".to_owned(), id)));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.extend(custom.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))));
    headers
}

impl StreamableHttpClient for Wire {
    type Error = WireError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<StreamableHttpPostResponse> {
        let body = self.written(&message).map_err(StreamableHttpError::Client)?;
        let mut headers = spelled(BOTH, session_id.as_deref(), None, custom_headers);
        headers.push(("content-type".to_owned(), JSON.to_owned()));
        let arrival = self.send("POST", &uri, headers, Some(body)).await.map_err(StreamableHttpError::Client)?;
        let status = arrival.status;
        let waits = matches!(message, JsonRpcMessage::Request(_));
        match status {
            202 | 204 => return Ok(StreamableHttpPostResponse::Accepted),
            // Nothing that a notification is answered with matters.
            200..300 if !waits => return Ok(StreamableHttpPostResponse::Accepted),
            404 if session_id.is_some() => return Err(StreamableHttpError::SessionExpired),
            401 => {
                self.failed(WireError::Unauthorized(status));
                let challenge = arrival.header("www-authenticate").unwrap_or_default().to_owned();
                return Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(challenge)));
            }
            403 => return Err(StreamableHttpError::Client(self.failed(WireError::Unauthorized(status)))),
            _ => {}
        }
        let session = arrival.header("mcp-session-id").map(str::to_owned);
        let (is_json, is_events) = (is_media_type(&arrival, JSON), is_media_type(&arrival, EVENTS));
        if is_events && (200..300).contains(&status) {
            return Ok(StreamableHttpPostResponse::Sse(self.events(arrival), session));
        }
        if !is_json {
            if let Some(answer) = as_legacy(&message, status, session_id.is_some(), None) {
                return Ok(answer);
            }
            let error = status_error(status).unwrap_or_else(|| alien(&arrival));
            return Err(StreamableHttpError::Client(self.failed(error)));
        }
        let body = self.whole(arrival).await.map_err(StreamableHttpError::Client)?;
        let read: Result<ServerJsonRpcMessage, _> = serde_json::from_slice(&body);
        match (status_error(status), read) {
            (None, Ok(read)) => Ok(StreamableHttpPostResponse::Json(read, session)),
            (None, Err(_)) => {
                let error = WireError::Alien("JSON that is no message".to_owned());
                Err(StreamableHttpError::Client(self.failed(error)))
            }
            // An error of the protocol beside one of HTTP says more than that.
            (Some(error), read) => {
                let told = match read {
                    Ok(JsonRpcMessage::Error(told)) => Some(told),
                    _ => None,
                };
                if let Some(answer) =
                    as_legacy(&message, status, session_id.is_some(), told.as_ref().map(|told| told.error.clone()))
                {
                    return Ok(answer);
                }
                match told {
                    Some(told) => Ok(StreamableHttpPostResponse::Json(JsonRpcMessage::Error(told), session)),
                    None => Err(StreamableHttpError::Client(self.failed(error))),
                }
            }
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<()> {
        // Not every source can end sessions, and none has to.
        let headers = spelled(BOTH, Some(&session_id), None, custom_headers);
        self.send("DELETE", &uri, headers, None).await.map(drop).map_err(StreamableHttpError::Client)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Answer<BoxStream<'static, Result<Sse, SseError>>> {
        let headers = spelled(EVENTS, session_id.as_deref(), last_event_id, custom_headers);
        let arrival = self.send("GET", &uri, headers, None).await.map_err(StreamableHttpError::Client)?;
        match status_error(arrival.status) {
            None if is_media_type(&arrival, EVENTS) => Ok(self.events(arrival)),
            // Whatever the reason, it will not get better by asking again.
            _ => Err(StreamableHttpError::ServerDoesNotSupportSse),
        }
    }
}

/// A refusal of `server/discover` by HTTP alone means a source of the era before it; the library hears of
/// it as the JSON-RPC error that it decides by.
fn as_legacy(
    message: &ClientJsonRpcMessage,
    status: u16,
    in_session: bool,
    told: Option<ErrorData>,
) -> Option<StreamableHttpPostResponse> {
    let JsonRpcMessage::Request(request) = message else { return None };
    if in_session || !(400..500).contains(&status) || !matches!(request.request, ClientRequest::DiscoverRequest(_)) {
        return None;
    }
    let error = told.unwrap_or_else(|| ErrorData::invalid_request(Cow::from(format!("HTTP {status}")), None));
    let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
    Some(StreamableHttpPostResponse::Json(answer, None))
}
