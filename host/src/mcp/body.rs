//! What a request carries and what its sender can read: body, content type, accepted types.
//!
//! A body is counted as it arrives and dropped at the limit, whatever its length header says. What is answered may
//! come in pieces, which go out together and are never copied into one.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

use super::error::{Failure, Kind, shorten};
use crate::limits::pace::TooSlow;

/// Reads a JSON body of at most `limit` bytes.
///
/// # Errors
/// 415 for another content type, 413 above the limit, 408 when the body comes too slowly, 400 when it
/// breaks off.
pub async fn read(headers: &HeaderMap, mut body: Body, limit: u64) -> Result<Bytes, Failure> {
    check_content_type(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    // Most bodies come in one piece, which is handed on as it is.
    let (mut first, mut read) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match TooSlow::behind(&error) {
            Some(slow) => Failure::new(Kind::TooSlow, slow.to_string()),
            None => Failure::new(Kind::InvalidRequest, "the body breaks off"),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if (first.len() + read.len() + data.len()) as u64 > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() && read.is_empty() {
            first = data;
            continue;
        }
        read.extend_from_slice(&std::mem::take(&mut first));
        read.extend_from_slice(&data);
    }
    Ok(if read.is_empty() { first } else { read.freeze() })
}

fn too_large(limit: u64) -> Failure {
    Failure::new(Kind::TooLarge, format!("the body is larger than {limit} bytes (MCPBOX_REQUEST_BODY_BYTES)"))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("send `Content-Type: application/json`, not `{}`", shorten(given));
    Err(Failure::new(Kind::MediaType, message))
}

/// A body that is so many pieces, in their order.
pub fn in_pieces(mut pieces: Vec<Bytes>) -> Body {
    match pieces.len() {
        0 | 1 => pieces.pop().unwrap_or_default().into(),
        _ => Body::new(Pieces::of(pieces)),
    }
}

struct Pieces {
    left: std::vec::IntoIter<Bytes>,
    bytes: u64,
}

impl Pieces {
    fn of(pieces: Vec<Bytes>) -> Self {
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { left: pieces.into_iter(), bytes }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.next();
        self.bytes -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

/// What a client reads (RFC 9110, section 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    pub json: bool,
    /// By name or by a wildcard.
    pub events: bool,
    /// By name: the client is one that follows streams.
    pub events_named: bool,
}

impl Accepts {
    /// What `Accept` says; without it, everything.
    pub fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT) {
            return Self { json: true, events: true, events_named: false };
        }
        let mut found = Self { json: false, events: false, events_named: false };
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default();
                if parts.any(is_weight_of_nothing) {
                    continue;
                }
                let is = |name: &str| kind.eq_ignore_ascii_case(name);
                found.json |= is("application/json") || is("application/*") || is("*/*");
                found.events |= is("text/event-stream") || is("text/*") || is("*/*");
                found.events_named |= is("text/event-stream");
            }
        }
        found
    }

    /// # Errors
    /// 406 when neither can be read.
    pub fn check(self) -> Result<Self, Failure> {
        if self.json || self.events {
            return Ok(self);
        }
        let message = "send `Accept: application/json, text/event-stream`";
        Err(Failure::new(Kind::NotAcceptable, message))
    }
}

/// Whether a parameter is `q=0`.
fn is_weight_of_nothing(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn json_headers() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
    }

    #[test]
    fn only_json_is_read() {
        for (given, good) in [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/plain"), false),
            (Some("application/json-patch+json"), false),
            (Some(""), false),
            (None, false),
        ] {
            let headers = given.map(|text| (CONTENT_TYPE, HeaderValue::from_static(text))).into_iter().collect();
            assert_eq!(check_content_type(&headers).is_ok(), good, "{given:?}");
        }
    }

    #[test]
    fn what_a_client_reads_is_what_it_accepts() {
        for (given, json, events, named) in [
            (None, true, true, false),
            (Some("application/json, text/event-stream"), true, true, true),
            (Some("text/event-stream, application/json"), true, true, true),
            (Some("*/*"), true, true, false),
            (Some("application/json"), true, false, false),
            (Some("APPLICATION/*;q=0.5"), true, false, false),
            (Some("text/event-stream"), false, true, true),
            (Some("text/event-stream;q=0, application/json"), true, false, false),
            (Some("text/html"), false, false, false),
            (Some("image/*"), false, false, false),
            (Some(""), false, false, false),
        ] {
            let headers = given.map(|text| (ACCEPT, HeaderValue::from_static(text))).into_iter().collect();
            let found = Accepts::of(&headers);
            assert_eq!(found, Accepts { json, events, events_named: named }, "{given:?}");
            assert_eq!(found.check().is_ok(), json || events, "{given:?}");
        }
    }

    #[tokio::test]
    async fn a_body_in_pieces_has_their_length_and_copies_none() {
        for count in 0..4_u8 {
            let pieces: Vec<Bytes> = (0..count).map(|n| Bytes::from(vec![n; usize::from(n) + 1])).collect();
            let mut body = in_pieces(pieces.clone());
            let whole = pieces.concat();
            assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
            let mut left = pieces.into_iter();
            while let Some(frame) = body.frame().await {
                let data = frame.expect("no error").into_data().expect("data");
                let piece = left.next().expect("as many pieces");
                assert_eq!((data.as_ptr(), data.len()), (piece.as_ptr(), piece.len()));
            }
            assert_eq!(left.next(), None);
            assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
        }
    }

    #[tokio::test]
    async fn a_body_is_counted_as_it_arrives() {
        let chunks = |sizes: &[usize]| {
            let parts: Vec<_> =
                sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; *size]))).collect();
            Body::from_stream(futures_util::stream::iter(parts))
        };
        for sizes in [&[][..], &[10], &[0, 10], &[4, 4, 2], &[4, 0, 6]] {
            let whole = read(&json_headers(), chunks(sizes), 10).await;
            assert_eq!(whole.map(|bytes| bytes.len()), Ok(sizes.iter().sum()), "{sizes:?}");
        }
        let over = read(&json_headers(), chunks(&[4, 4, 3]), 10).await.map_err(|failure| failure.kind);
        assert_eq!(over, Err(Kind::TooLarge));
        let mut announced = json_headers();
        announced.insert(CONTENT_LENGTH, HeaderValue::from_static("11"));
        let failure = read(&announced, Body::empty(), 10).await.expect_err("refused before it is read");
        assert!(failure.message.contains("10 bytes"), "{}", failure.message);
    }
}
