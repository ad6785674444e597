//! What a handler takes out of a request, checked; each refusal is a [`Problem`] with its place.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection};
use axum::extract::{self, ConnectInfo, FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::ApiState;
use super::problem::{self, Problem};
use crate::auth::AdminAuth;
use crate::domain::caller::Caller;
use crate::limits::pace::TooSlow;
use crate::service::sessions::Session;
use crate::service::{Error, PageRequest};

/// A JSON body, in or out.
pub(super) struct Json<T>(pub(super) T);

/// The values in the path. A value that is no id names nothing that exists.
pub(super) struct Path<T>(pub(super) T);

/// The parameters behind the question mark. Unknown ones are refused when `T` refuses them.
pub(super) struct Query<T>(pub(super) T);

/// Who connected.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Whether the client's connection is sealed.
#[derive(Clone, Copy)]
pub(super) struct Tls(pub(super) bool);

/// An administrator with a session in force.
pub(super) struct Admin(pub(super) Session);

/// Which page of a list, in a query.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// From 1; absent: 1.
    #[param(minimum = 1)]
    page: Option<u64>,
    /// Rows on a page; absent: 50, or the limit `page_size_max` if that is less. More than the limit is the limit.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

impl From<PageQuery> for PageRequest {
    fn from(PageQuery { page, page_size }: PageQuery) -> Self {
        Self { page, page_size }
    }
}

impl Admin {
    pub(super) fn caller(&self) -> &Caller {
        &self.0.caller
    }
}

impl FromRequestParts<ApiState> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        match parts.extensions.get() {
            Some(ConnectInfo(peer)) => Ok(Self(*peer)),
            None => Err(Problem::internal("asking the listener for the peer", "it does not tell")),
        }
    }
}

/// Whether the client speaks TLS, by what a proxy says that is believed.
impl FromRequestParts<ApiState> for Tls {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(false)))
    }
}

/// The credential is checked once in a request: the route table asks for it first, the handler finds
/// the session.
impl FromRequestParts<ApiState> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        if let Some(session) = parts.extensions.get::<Session>() {
            return Ok(Self(session.clone()));
        }
        let Peer(peer) = Peer::from_request_parts(parts, state).await?;
        let session = AdminAuth::new(state.service.clone()).session(peer, &parts.method, &parts.headers).await?;
        parts.extensions.insert(session.clone());
        Ok(Self(session))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<ApiState> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(values)) => Ok(Self(values)),
            Err(error @ PathRejection::FailedToDeserializePathParams(_)) if error.status().is_client_error() => {
                Err(no_such_address(parts.uri.path()))
            }
            Err(error) => Err(Problem::internal("reading the path", error)),
        }
    }
}

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        match extract::Query::try_from_uri(&parts.uri) {
            Ok(extract::Query(values)) => Ok(Self(values)),
            Err(error) => {
                let text = error.body_text();
                let said = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(Error::invalid("", format!("the query: {said}")).into())
            }
        }
    }
}

impl<T: DeserializeOwned> FromRequest<ApiState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body as `Content-Type: application/json`";
            return Err(Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|error| match error {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                too_large(state.service.limits().request_body_bytes)
            }
            error if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                too_large(state.service.limits().request_body_bytes)
            }
            error => match TooSlow::behind(&error) {
                Some(slow) => Problem::new(&problem::TOO_SLOW, slow.to_string()),
                None => Problem::new(&problem::MALFORMED, format!("the body breaks off: {}", error.body_text())),
            },
        })?;
        Ok(Self(from_json(&bytes)?))
    }
}

/// A body that may be left out: none without a `Content-Type`.
impl<T: DeserializeOwned> OptionalFromRequest<ApiState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Option<Self>, Problem> {
        if !request.headers().contains_key(CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<ApiState>>::from_request(request, state).await.map(Some)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Reads a JSON object; what does not fit is pointed at.
fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let said = error.inner().to_string();
        if error.inner().is_data() {
            Problem::from(Error::invalid(pointer(error.path()), said))
        } else {
            Problem::new(&problem::MALFORMED, format!("the body is not JSON: {said}"))
        }
    })?;
    json.end()
        .map_err(|error| Problem::new(&problem::MALFORMED, format!("the body is not one JSON value: {error}")))?;
    // An array would be taken for the fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid("", "give a JSON object with named fields, not an array").into());
    }
    Ok(value)
}

/// The place of a value as RFC 6901 writes it.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            // What lies below has no name in the JSON.
            Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    pointer
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

pub(super) fn too_large(limit: u64) -> Problem {
    Problem::new(&problem::TOO_LARGE, format!("the body has more than {limit} bytes"))
}

pub(super) fn no_such_address(path: &str) -> Problem {
    let shown: String = path.chars().take(200).collect();
    Problem::new(&problem::NOT_FOUND, format!("there is nothing at `{shown}`"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::proptest;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is of interest")]
    struct Given {
        name: String,
        sizes: Vec<u8>,
    }

    #[test]
    fn what_does_not_fit_is_pointed_at() {
        for (json, kind, place) in [
            (r#"{"name": 1, "sizes": []}"#, "Invalid", "/name"),
            (r#"{"name": "a", "sizes": [1, "x"]}"#, "Invalid", "/sizes/1"),
            (r#"{"name": "a", "sizes": [], "a/b~c": 1}"#, "Invalid", "/a~1b~0c"),
            (r#"{"name": "a"}"#, "Invalid", "missing field `sizes`"),
            ("{", "The request cannot be read", "not JSON"),
            ("", "The request cannot be read", "not JSON"),
            (r#"{"name": "a", "sizes": []} x"#, "The request cannot be read", "not one JSON value"),
            (r#" ["a", [1]]"#, "Invalid", "not an array"),
        ] {
            let Err(problem) = from_json::<Given>(json.as_bytes()) else { panic!("{json} was taken") };
            let shown = format!("{problem:?}");
            assert!(shown.contains(kind) && shown.contains(place), "{json}: {shown}");
        }
        assert!(from_json::<Given>(br#" {"sizes": [255], "name": "a"} "#).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_a_problem_of_the_client(
            bytes in "(\\{|\\[|\\}|\\]|\"name\"|\"sizes\"|:|,|[0-9]{1,4}|\"[a-z\\\\u{0}]{0,3}\"| ){0,12}",
            raw in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        ) {
            for bytes in [bytes.as_bytes(), &raw] {
                if let Err(problem) = from_json::<Given>(bytes) {
                    assert!(problem.into_response().status().is_client_error());
                }
            }
        }
    }

    #[test]
    fn json_is_known_by_its_content_type() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
