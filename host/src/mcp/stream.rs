//! Event streams (HTML standard, "Server-sent events"): one message per event, one write per event.
//!
//! The first byte goes out at once and a comment follows every so often, so that no proxy between
//! here and the client takes a quiet stream for a dead one. The number of open streams is bounded.
//! An event has an id only on a stream that can be taken up again from it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{Failure, Kind};
use super::kept::StreamId;
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

/// The places for open streams of this process; clones share them.
#[derive(Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    most: u64,
}

/// One open stream's place; free again when dropped.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Streams {
    pub fn new(limits: &Limits) -> Self {
        let most = limits.sse_connections;
        Self { places: Arc::new(Semaphore::new(Limits::size(most).min(Semaphore::MAX_PERMITS))), most }
    }

    /// # Errors
    /// 503 that names the limit when all places are taken.
    pub fn place(&self) -> Result<Place, Failure> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map(|permit| Place { _permit: permit, _counted: metrics::sse_connection() });
        place.map_err(|_| {
            let message = format!(
                "{} event streams are open and no more may be (MCPBOX_SSE_CONNECTIONS); close one or try later",
                self.most
            );
            Failure { retry_after: Some(Duration::from_secs(10)), ..Failure::new(Kind::Busy, message) }
        })
    }

    /// How many are open.
    pub fn open(&self) -> u64 {
        self.most.saturating_sub(self.places.available_permits() as u64)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is; none: a message.
    name: Option<&'static str>,
    id: Option<EventId>,
    /// After which time a client that lost the stream is to come back.
    retry: Option<Duration>,
    /// JSON, or nothing in an event that only carries an id.
    data: Bytes,
}

impl Event {
    pub fn message(data: impl Into<Bytes>) -> Self {
        Self { name: None, id: None, retry: None, data: data.into() }
    }

    /// Tells the client from where on to ask, before there is anything to say (2025-11-25, "Sending
    /// Messages").
    pub fn primer(id: EventId) -> Self {
        Self { id: Some(id), ..Self::message(Bytes::new()) }
    }

    /// Tells the client to come back, because the stream is about to be closed.
    pub fn come_back() -> Self {
        Self { retry: Some(RETRY), ..Self::message(Bytes::new()) }
    }

    /// Something else than a message.
    pub fn named(name: &'static str, data: impl Into<Bytes>) -> Self {
        Self { name: Some(name), ..Self::message(data) }
    }

    pub fn with_retry(mut self) -> Self {
        self.retry = Some(RETRY);
        self
    }

    /// The message alone.
    pub fn into_data(self) -> Bytes {
        self.data
    }

    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.data.len() + 48);
        if let Some(name) = self.name {
            out.extend_from_slice(format!("event: {name}\n").as_bytes());
        }
        if let Some(id) = &self.id {
            out.extend_from_slice(format!("id: {id}\n").as_bytes());
        }
        if let Some(retry) = self.retry {
            out.extend_from_slice(format!("retry: {}\n", retry.as_millis()).as_bytes());
        }
        if self.id.is_none() && self.data.is_empty() {
            out.push(b'\n');
            return out.into();
        }
        out.extend_from_slice(b"data: ");
        // A line break would end the event. In JSON it is only ever white space between two tokens.
        out.extend(self.data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        out.extend_from_slice(b"\n\n");
        out.into()
    }
}

/// Names a place on a stream: which stream, and how far on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventId {
    /// A session's own stream. What it tells is that the list of tools has changed, so how far is
    /// the list's generation in the process that told it; no two events have the same number there.
    Session { process: StreamId, generation: u64, number: u64 },
    /// The stream of one call, and how many messages came on it. What begins it when it is taken up again brings no
    /// message, and has the number of its reader, so that no two events have one id.
    Call { stream: StreamId, number: u64, reader: Option<u64> },
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session { process, generation, number } => write!(f, "session-{process}-{generation}-{number}"),
            Self::Call { stream, number, reader: None } => write!(f, "call-{stream}-{number}"),
            Self::Call { stream, number, reader: Some(reader) } => write!(f, "call-{stream}-{number}-{reader}"),
        }
    }
}

impl EventId {
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("call-") {
            let (stream, place) = rest.split_once('-')?;
            let (number, reader) = match place.split_once('-') {
                Some((number, reader)) => (number, Some(reader.parse().ok()?)),
                None => (place, None),
            };
            return Some(Self::Call { stream: stream.parse().ok()?, number: number.parse().ok()?, reader });
        }
        let (process, place) = text.strip_prefix("session-")?.split_once('-')?;
        let (generation, number) = place.split_once('-')?;
        Some(Self::Session {
            process: process.parse().ok()?,
            generation: generation.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// When a client is to come back to a stream that it lost.
const RETRY: Duration = Duration::from_secs(1);

const COMMENT: &[u8] = b":\n\n";

/// The answer that carries `events` until they end. Dropping it drops them.
pub fn answer(events: impl Stream<Item = Event> + Send + 'static, keep_alive: Duration, place: Place) -> Response {
    let first = stream::once(std::future::ready(Bytes::from_static(COMMENT)));
    let rest = stream::unfold((Box::pin(events), place), move |(mut events, place)| async move {
        let written = match tokio::time::timeout(keep_alive, events.next()).await {
            Ok(Some(event)) => event.write(),
            Ok(None) => return None,
            Err(_) => Bytes::from_static(COMMENT),
        };
        Some((written, (events, place)))
    });
    let mut response = Response::new(Body::from_stream(first.chain(rest).map(Ok::<_, std::convert::Infallible>)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn streams(most: u64) -> Streams {
        Streams::new(&Limits { sse_connections: most, ..Limits::default() })
    }

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn a_stream_begins_with_a_comment_and_has_one_event_per_message() {
        let told = |generation| EventId::Session { process: "b0".parse().expect("an id"), generation, number: 9 };
        let events = stream::iter([
            Event::primer(told(3)),
            Event::message(&b"{\"a\":\r\n 1}"[..]),
            Event::message(&b"{}"[..]).with_id(told(4)).with_retry(),
            Event::named("endpoint", &b"/here"[..]),
            Event::come_back(),
        ]);
        let response = answer(events, Duration::from_secs(60), streams(1).place().expect("a place"));
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let process = format!("{:0>32}", "b0");
        let expected = format!(
            ":\n\nid: session-{process}-3-9\ndata: \n\ndata: {{\"a\":   1}}\n\nid: session-{process}-4-9\nretry: 1000\n\
             data: {{}}\n\nevent: endpoint\ndata: /here\n\nretry: 1000\n\n"
        );
        assert_eq!(text(response).await, expected);
    }

    #[tokio::test]
    async fn a_quiet_stream_is_kept_alive() {
        let place = streams(1).place().expect("a place");
        let mut body = answer(stream::pending(), Duration::from_millis(1), place).into_body();
        for _ in 0..3 {
            let frame = body.frame().await.expect("a frame").expect("no error");
            assert_eq!(frame.data_ref().map(AsRef::as_ref), Some(COMMENT));
        }
    }

    #[tokio::test]
    async fn places_are_bounded_and_come_back_when_a_stream_is_dropped() {
        let streams = streams(2);
        let one = answer(stream::pending(), Duration::from_secs(1), streams.place().expect("a place"));
        let two = answer(stream::pending(), Duration::from_secs(1), streams.place().expect("a place"));
        assert_eq!(streams.open(), 2);
        let failure = streams.place().err().expect("no place");
        assert_eq!(failure.kind.status(false).as_u16(), 503);
        assert!(failure.message.contains("2 event streams") && failure.retry_after.is_some());
        drop(one);
        assert!(streams.place().is_ok());
        drop(two);
        assert_eq!(streams.open(), 0);
    }

    #[test]
    fn an_event_id_reads_back_and_anything_else_is_none() {
        let process = "f00".parse().expect("a process");
        let id = EventId::Session { process, generation: u64::MAX, number: 7 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for reader in [None, Some(2)] {
            let id = EventId::Call { stream: "f00".parse().expect("a stream"), number: 7, reader };
            assert_eq!(EventId::parse(&id.to_string()), Some(id));
        }
        for bad in [
            "",
            "session-",
            "session--1",
            "session-1",
            "session-f00-1",
            "session-f00-1-",
            "session-f00--1-1",
            "call-1",
            "call-1-",
            "call-f00-1-",
            "call-f00-1-2-3",
            "call--1",
            "call-x-1",
            "session-f00-1x-1",
            "session-f00-99999999999999999999999-1",
        ] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }
}
