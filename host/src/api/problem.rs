//! What goes wrong, as the API tells it: RFC 9457, `application/problem+json`.
//!
//! A handler fails with a [`Problem`]; the layer that knows the request id writes it out, and logs
//! the host's own failures there, once. Of those the answer says nothing but the id.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::auth;
use crate::service::Error;
use crate::service::error::Problem as Wrong;
use crate::telemetry::RequestId;

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A kind of problem: the `type` of an answer is `/problems/{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// What it means and what to do.
    pub sentence: &'static str,
}

macro_rules! kinds {
    ($($constant:ident $status:ident $name:literal $title:literal $sentence:literal;)*) => {
        $(pub(super) const $constant: Kind = Kind {
            name: $name, status: StatusCode::$status, title: $title, sentence: $sentence,
        };)*

        /// Every kind, in the order in which documents print them.
        pub const KINDS: &[Kind] = &[$($constant,)*];
    };
}

kinds! {
    MALFORMED BAD_REQUEST "malformed" "The request cannot be read"
        "The body is not JSON, or the request breaks off; send it again as the documentation has it.";
    UNAUTHENTICATED UNAUTHORIZED "unauthenticated" "No valid credential"
        "Log in at `POST /auth/login` and send `Authorization: Bearer TOKEN`, or the cookies of a browser session; a token that expired, was exchanged or was revoked opens nothing. `POST /auth/refresh` gives new ones.";
    CROSS_SITE FORBIDDEN "cross-site" "Not from a page of this host"
        "A request that changes something and shows a session by its cookie comes from a page of this host and repeats the cookie `mcpbox_csrf` in the header `X-CSRF-Token`; programs send `Authorization: Bearer TOKEN` in place of the cookie.";
    FORBIDDEN FORBIDDEN "forbidden" "Not allowed"
        "The caller is known and may not do this; asking again changes nothing.";
    NOT_FOUND NOT_FOUND "not-found" "Not found"
        "There is no such thing, or no such address.";
    METHOD_NOT_ALLOWED METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed"
        "The address exists and takes other methods; `Allow` lists them.";
    TOO_SLOW REQUEST_TIMEOUT "too-slow" "Too slow"
        "The request did not arrive in time; send it again, faster. `GET /api/limits` has the times.";
    CONFLICT CONFLICT "conflict" "In conflict with what there is"
        "The name is taken, the state does not allow the step, or somebody else was first; read again and decide.";
    TOO_LARGE PAYLOAD_TOO_LARGE "too-large" "Too large"
        "The body is larger than a limit; `GET /api/limits` lists them.";
    UNSUPPORTED_MEDIA_TYPE UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "Not a type that is read here"
        "Send the body as `Content-Type: application/json`; a component as `application/wasm` or in a form.";
    MISDIRECTED MISDIRECTED_REQUEST "misdirected" "Not a name of this host"
        "The request dialled a name that is not this host's (a page of a stranger could have made it); if it should be one, add it to MCPBOX_ALLOWED_HOSTS.";
    INVALID UNPROCESSABLE_ENTITY "invalid" "Invalid"
        "What was given breaks a rule; `errors` names each place and its rule.";
    SOURCE_FAILED FAILED_DEPENDENCY "source-failed" "An external source failed"
        "An external MCP server, or the authorization server that lets us in there, did not answer as it should; `detail` says how. Ask again, look at the source, or log in there again.";
    RATE_LIMITED TOO_MANY_REQUESTS "rate-limited" "Too many requests"
        "Wait for the seconds in `Retry-After`.";
    INTERNAL INTERNAL_SERVER_ERROR "internal" "Internal error"
        "The host failed; its log says why under the request id.";
    BUSY SERVICE_UNAVAILABLE "busy" "No place now"
        "As much runs as may run at the same time; try again after the seconds in `Retry-After`.";
    STOPPING SERVICE_UNAVAILABLE "stopping" "Stopping"
        "The host is going down and takes no new work.";
}

const PAGE_HEAD: &str = "\
# Problems

What the API answers when it does not do what was asked: `application/problem+json` as RFC 9457 has
it, with `type`, `title`, `status`, `detail`, `request_id`, and for wrong input `errors`, a list of
`pointer` (JSON Pointer, RFC 6901; empty for the whole) and `detail`.

This page is made from the table in `host/src/api/problem.rs`: change that, then run
`make docs`.

| type | status | title | what it means, and what to do |
| --- | --- | --- | --- |
";

/// `docs/problems.md`.
pub fn markdown() -> String {
    let mut page = String::from(PAGE_HEAD);
    for Kind { name, status, title, sentence } in KINDS {
        page += &format!("| `/problems/{name}` | {} | {title} | {sentence} |\n", status.as_u16());
    }
    page
}

/// One answer that is no success.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    wrong: Vec<Wrong>,
    retry_after: Option<Duration>,
    cause: Option<Cause>,
}

/// Why the host failed, for its log only.
#[derive(Clone, Debug)]
struct Cause {
    doing: &'static str,
    source: Arc<dyn StdError + Send + Sync>,
}

/// What is sent when something is not done (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Told {
    /// The kind, as the table of problems has it.
    #[serde(rename = "type")]
    #[schema(schema_with = types)]
    kind: String,
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What to do.
    detail: String,
    /// Where what was given breaks a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ToldError>,
    /// Under which the host's log tells of it.
    request_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProblemPlace)]
pub(super) struct ToldError {
    /// JSON Pointer (RFC 6901) into what was given; empty: the whole.
    #[schema(format = "json-pointer")]
    pointer: String,
    detail: String,
}

/// One of the kinds.
fn types() -> Object {
    let types = KINDS.iter().map(|kind| format!("/problems/{}", kind.name));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(types)).build()
}

impl ToldError {
    fn of(wrong: &Wrong) -> Self {
        Self { pointer: wrong.pointer.clone(), detail: wrong.message.clone() }
    }
}

impl Problem {
    pub(super) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), wrong: Vec::new(), retry_after: None, cause: None }
    }

    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(super) fn internal(doing: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = Cause { doing, source: Arc::from(source.into()) };
        Self { cause: Some(cause), ..Self::new(&INTERNAL, "") }
    }

    /// Whether the host itself failed.
    pub(super) fn is_of_the_host(&self) -> bool {
        self.cause.is_some()
    }

    /// The JSON of the answer. The host's own failure is logged here and nowhere else.
    pub(super) fn body(&self, request_id: &str) -> Vec<u8> {
        if let Some(Cause { doing, source }) = &self.cause {
            tracing::error!(error = &**source as &dyn StdError, "{doing} failed");
        }
        let Self { kind, wrong, .. } = self;
        let internal = format!("internal error; the log of the host tells of request {request_id}");
        let told = Told {
            kind: format!("/problems/{}", kind.name),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: if self.cause.is_some() { internal } else { self.detail.clone() },
            errors: wrong.iter().map(ToldError::of).collect(),
            request_id: request_id.to_owned(),
        };
        serde_json::to_vec(&told).unwrap_or_default()
    }

    /// The answer in full.
    pub(super) fn write(&self, request_id: &str) -> Response<Body> {
        let kind = self.kind;
        let mut response = Response::new(Body::from(self.body(request_id)));
        *response.status_mut() = kind.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if kind.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(auth::CHALLENGE));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

/// What a connection is told whose request broke off in its head: an answer as it goes over the wire.
pub fn late_head(time: Duration) -> Vec<u8> {
    let detail = format!("the head of the request took longer than {} ms (MCPBOX_REQUEST_HEAD_MS)", time.as_millis());
    let body = Problem::new(&TOO_SLOW, detail).body(RequestId::new().as_str());
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        TOO_SLOW.status,
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Whole seconds after which a wait is over.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::NotFound { .. } => Self::new(&NOT_FOUND, said),
            Error::Invalid { problems } => Self { wrong: problems, ..Self::new(&INVALID, said) },
            Error::Conflict { message } => Self::new(&CONFLICT, message),
            Error::Forbidden { message } => Self::new(&FORBIDDEN, message),
            Error::Unauthenticated { message } => Self::new(&UNAUTHENTICATED, message),
            Error::CrossSite { message } => Self::new(&CROSS_SITE, message),
            Error::RateLimited { retry_after, message } => Self::new(&RATE_LIMITED, message).retry_after(retry_after),
            Error::Busy { retry_after, message } => Self::new(&BUSY, message).retry_after(retry_after),
            Error::TooLarge { message } => Self::new(&TOO_LARGE, message),
            Error::SourceFailed { message } => Self::new(&SOURCE_FAILED, message),
            Error::Stopping => Self::new(&STOPPING, said),
            Error::Internal { doing, source } => Self::internal(doing, source),
        }
    }
}

/// The answer without its body, which the layer writes that knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind.status;
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    async fn told(problem: impl Into<Problem>) -> (StatusCode, Value) {
        let response = problem.into().write("r-1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn each_error_has_its_kind_and_status() {
        let wait = Duration::from_millis(1_500);
        let m = || "so it is".to_owned();
        for (error, status, name) in [
            (Error::not_found("tool", "x", "look again"), 404, "not-found"),
            (Error::invalid("/name", "too long"), 422, "invalid"),
            (Error::Conflict { message: m() }, 409, "conflict"),
            (Error::Forbidden { message: m() }, 403, "forbidden"),
            (Error::Unauthenticated { message: m() }, 401, "unauthenticated"),
            (Error::CrossSite { message: m() }, 403, "cross-site"),
            (Error::RateLimited { retry_after: wait, message: m() }, 429, "rate-limited"),
            (Error::Busy { retry_after: wait, message: m() }, 503, "busy"),
            (Error::TooLarge { message: m() }, 413, "too-large"),
            (Error::SourceFailed { message: m() }, 424, "source-failed"),
            (Error::Stopping, 503, "stopping"),
            (Error::internal("reading", "disk on fire"), 500, "internal"),
        ] {
            let (answered, body) = told(error).await;
            assert_eq!((answered.as_u16(), body["status"].as_u64()), (status, Some(status.into())), "{name}");
            assert_eq!(body["type"], format!("/problems/{name}"));
            assert_eq!(body["request_id"], "r-1");
            assert!(body["title"].is_string() && body["detail"].is_string(), "{name}");
        }
    }

    #[tokio::test]
    async fn an_invalid_field_is_pointed_at() {
        let problems = vec![
            Wrong { pointer: "/name".into(), message: "too long".into() },
            Wrong { pointer: String::new(), message: "odd".into() },
        ];
        let (_, body) = told(Error::Invalid { problems }).await;
        assert_eq!(
            body["errors"],
            json!([{"pointer": "/name", "detail": "too long"}, {"pointer": "", "detail": "odd"}])
        );
    }

    #[tokio::test]
    async fn the_cause_of_an_internal_error_stays_here() {
        let (_, body) = told(Error::internal("reading secrets", "disk on fire")).await;
        let text = body.to_string();
        assert!(!text.contains("disk") && !text.contains("reading"), "{text}");
        assert!(text.contains("r-1"));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        let problem = Problem::new(&BUSY, "").retry_after(Duration::from_millis(1_001));
        assert_eq!(problem.write("r-1").headers()[RETRY_AFTER], "2");
        assert_eq!(seconds(Duration::from_secs(3)), 3);
    }

    #[test]
    fn a_refusal_says_what_credential_is_wanted() {
        assert_eq!(Problem::new(&UNAUTHENTICATED, "").write("r-1").headers()[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn kinds_have_names_of_their_own_and_a_sentence() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.sentence.ends_with('.') && kind.status.as_u16() >= 400, "{}", kind.name);
        }
    }
}
