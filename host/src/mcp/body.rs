//! What a request carries and what its sender can read: body, content type, accepted types.
//!
//! A body is counted as it arrives and dropped at the limit, whatever its length header says.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

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
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match TooSlow::behind(&error) {
            Some(slow) => Failure::new(Kind::TooSlow, slow.to_string()),
            None => Failure::new(Kind::InvalidRequest, "the body breaks off"),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if (read.len() + data.len()) as u64 > limit {
            return Err(too_large(limit));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
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
                let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
                if parts.any(is_weight_of_nothing) {
                    continue;
                }
                found.json |= matches!(kind.as_str(), "application/json" | "application/*" | "*/*");
                found.events |= matches!(kind.as_str(), "text/event-stream" | "text/*" | "*/*");
                found.events_named |= kind == "text/event-stream";
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
    async fn a_body_is_counted_as_it_arrives() {
        let chunks = |sizes: &[usize]| {
            let parts: Vec<_> =
                sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; *size]))).collect();
            Body::from_stream(futures_util::stream::iter(parts))
        };
        let whole = read(&json_headers(), chunks(&[4, 4, 2]), 10).await;
        assert_eq!(whole.map(|bytes| bytes.len()), Ok(10));
        let over = read(&json_headers(), chunks(&[4, 4, 3]), 10).await.map_err(|failure| failure.kind);
        assert_eq!(over, Err(Kind::TooLarge));
        let mut announced = json_headers();
        announced.insert(CONTENT_LENGTH, HeaderValue::from_static("11"));
        let failure = read(&announced, Body::empty(), 10).await.expect_err("refused before it is read");
        assert!(failure.message.contains("10 bytes"), "{}", failure.message);
    }
}
