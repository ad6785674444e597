//! From an error to what an MCP client reads.
//!
//! Two kinds of answer: a [`Failure`] is for the client's program (a JSON-RPC error and an HTTP
//! status), a tool error is for the model (a result with `isError`, in words that say what to do
//! next). [`tell`] is the one place that decides which of the two a service error becomes.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;

use super::versions::Version;
use crate::service::{Error, Problem};
use crate::telemetry::RequestId;

/// What went wrong with a request, as far as the protocol has a word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Parse,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    /// There is no such resource, to a legacy client; a modern one reads of invalid parameters.
    ResourceUnknown,
    /// What the guest of a prompt or a resource said of its failure, or how it broke.
    GuestFailed,
    /// A modern request whose `_meta` lacks what each request must carry.
    InvalidMeta,
    Internal,
    HeaderMismatch,
    MissingCapability,
    UnsupportedVersion,
    /// The request is larger than a limit.
    TooLarge,
    /// The body does not arrive in time.
    TooSlow,
    /// The body is not JSON by its content type.
    MediaType,
    /// The client accepts neither JSON nor an event stream.
    NotAcceptable,
    MethodNotAllowed,
    SessionMissing,
    SessionUnknown,
    /// No server of this name is served.
    AddressUnknown,
    Unauthenticated,
    Forbidden,
    RateLimited,
    /// No place for this now.
    Busy,
}

impl Kind {
    /// The JSON-RPC code. -32020 to -32022 are the protocol's own (2026-07-28, "Error Codes"); what
    /// the protocol has no code for is an invalid request, or lies outside the reserved range.
    pub fn code(self) -> i32 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest
            | Self::TooLarge
            | Self::TooSlow
            | Self::MediaType
            | Self::NotAcceptable
            | Self::MethodNotAllowed
            | Self::SessionMissing
            | Self::SessionUnknown
            | Self::AddressUnknown
            | Self::Unauthenticated
            | Self::Forbidden => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams | Self::InvalidMeta => -32602,
            // "Error Handling" of resources, up to 2025-11-25.
            Self::ResourceUnknown => -32002,
            Self::Internal | Self::GuestFailed => -32603,
            Self::HeaderMismatch => -32020,
            Self::MissingCapability => -32021,
            Self::UnsupportedVersion => -32022,
            Self::RateLimited => 429,
            Self::Busy => 503,
        }
    }

    /// The HTTP status beside it. An unknown method is 404 only in the modern era: to an older
    /// client a 404 means that its session is gone.
    pub fn status(self, modern: bool) -> StatusCode {
        match self {
            Self::Parse
            | Self::InvalidRequest
            | Self::InvalidMeta
            | Self::HeaderMismatch
            | Self::MissingCapability
            | Self::UnsupportedVersion
            | Self::SessionMissing => StatusCode::BAD_REQUEST,
            Self::MethodNotFound if modern => StatusCode::NOT_FOUND,
            Self::MethodNotFound | Self::InvalidParams | Self::ResourceUnknown | Self::GuestFailed => StatusCode::OK,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SessionUnknown | Self::AddressUnknown => StatusCode::NOT_FOUND,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An answer for the client's program.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub data: Option<Value>,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), data: None, retry_after: None }
    }

    pub fn unknown_method(method: &str) -> Self {
        Self::new(Kind::MethodNotFound, format!("method `{}` is not known here", shorten(method)))
    }

    pub fn unsupported_version(requested: &str) -> Self {
        let supported = Version::others(requested);
        let message = format!(
            "protocol version `{}` is not supported here; supported are {}",
            shorten(requested),
            supported.join(", ")
        );
        let data = serde_json::json!({"supported": supported, "requested": requested});
        Self { data: Some(data), ..Self::new(Kind::UnsupportedVersion, message) }
    }

    /// Says no more than the id under which the log says why.
    pub fn internal(request_id: &RequestId) -> Self {
        Self::new(Kind::Internal, format!("internal error; request {request_id}"))
    }

    fn after(kind: Kind, wait: Duration, message: String) -> Self {
        Self { retry_after: Some(wait), ..Self::new(kind, message) }
    }
}

/// What a message quotes of what a client sent.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut out: String = text.chars().take(LONGEST).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// Whom an error is for.
#[derive(Debug)]
pub enum Told {
    /// The text of a result with `isError`: the model can mend it.
    Model(String),
    Client(Failure),
}

/// Decides what becomes of a service error. An internal one is logged here, where it stops
/// travelling, and only here.
pub fn tell(error: Error, request_id: &RequestId) -> Told {
    match error {
        Error::NotFound { what, name, hint } => {
            let mut text = format!("there is no {what} `{}`", shorten(&name));
            if !hint.is_empty() {
                text.push_str("; ");
                text.push_str(&hint);
            }
            Told::Model(text)
        }
        Error::Invalid { problems } => Told::Model(arguments_refused(&problems)),
        Error::Conflict { message }
        | Error::Forbidden { message }
        | Error::CrossSite { message }
        | Error::TooLarge { message }
        | Error::SourceFailed { message } => Told::Model(message),
        Error::Unauthenticated { message } => Told::Client(Failure::new(Kind::Unauthenticated, message)),
        Error::RateLimited { retry_after, message } => {
            Told::Client(Failure::after(Kind::RateLimited, retry_after, message))
        }
        Error::Busy { retry_after, message } => Told::Client(Failure::after(Kind::Busy, retry_after, message)),
        Error::Stopping => {
            let message = "MCPbox is going down; try again in a moment".to_owned();
            Told::Client(Failure::after(Kind::Busy, Duration::from_secs(5), message))
        }
        Error::Internal { doing, source } => {
            tracing::error!(%request_id, doing, error = source.as_ref() as &dyn std::error::Error, "internal error");
            Told::Client(Failure::internal(request_id))
        }
    }
}

/// The sentence that names each argument and what is wrong with it.
pub(super) fn arguments_refused(problems: &[Problem]) -> String {
    let mut text = String::from("the arguments do not fit");
    for (Problem { pointer, message }, mark) in
        problems.iter().zip(std::iter::once(": ").chain(std::iter::repeat("; ")))
    {
        let _ = match pointer.as_str() {
            "" => write!(text, "{mark}{message}"),
            pointer => write!(text, "{mark}{pointer}: {message}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: Error) -> Told {
        tell(error, &RequestId::new())
    }

    #[test]
    fn what_a_model_can_mend_is_told_to_the_model() {
        let hint = "list them with mcpbox_list_tools".to_owned();
        let Told::Model(text) = told(Error::NotFound { what: "tool", name: "a".into(), hint }) else {
            panic!("not for the model");
        };
        assert_eq!(text, "there is no tool `a`; list them with mcpbox_list_tools");
        let problems = vec![
            Problem { pointer: "/city".into(), message: "is required".into() },
            Problem { pointer: String::new(), message: "is not an object".into() },
        ];
        let Told::Model(text) = told(Error::Invalid { problems }) else { panic!("not for the model") };
        assert_eq!(text, "the arguments do not fit: /city: is required; is not an object");
        assert!(matches!(told(Error::Conflict { message: "no".into() }), Told::Model(_)));
        assert!(matches!(told(Error::Forbidden { message: "no".into() }), Told::Model(_)));
        assert!(matches!(told(Error::TooLarge { message: "no".into() }), Told::Model(_)));
        assert!(matches!(told(Error::SourceFailed { message: "no".into() }), Told::Model(_)));
    }

    #[test]
    fn what_only_the_client_can_mend_is_a_protocol_error_with_its_status() {
        let wait = Duration::from_secs(7);
        for (error, status, code) in [
            (Error::RateLimited { retry_after: wait, message: "slow".into() }, 429, 429),
            (Error::Busy { retry_after: wait, message: "full".into() }, 503, 503),
            (Error::Stopping, 503, 503),
            (Error::Unauthenticated { message: "who".into() }, 401, -32600),
        ] {
            let Told::Client(failure) = told(error) else { panic!("not for the client") };
            assert_eq!((failure.kind.status(true).as_u16(), failure.kind.code()), (status, code));
            assert_eq!(failure.retry_after.is_some(), status == 429 || status == 503);
        }
    }

    #[test]
    fn an_internal_error_says_nothing_but_the_request() {
        let source = std::io::Error::other("the password is hunter2");
        let id = RequestId::new();
        let error = Error::Internal { doing: "reading a row", source: Box::new(source) };
        let Told::Client(failure) = tell(error, &id) else { panic!("not for the client") };
        assert_eq!(failure.kind.code(), -32603);
        assert_eq!(failure.message, format!("internal error; request {id}"));
    }

    #[test]
    fn an_unknown_method_is_404_only_where_404_does_not_mean_a_lost_session() {
        assert_eq!(Kind::MethodNotFound.status(true), StatusCode::NOT_FOUND);
        assert_eq!(Kind::MethodNotFound.status(false), StatusCode::OK);
    }

    #[test]
    fn codes_keep_out_of_the_ranges_that_the_protocol_reserves() {
        for kind in [
            Kind::Parse,
            Kind::InvalidRequest,
            Kind::MethodNotFound,
            Kind::InvalidParams,
            Kind::GuestFailed,
            Kind::InvalidMeta,
            Kind::Internal,
            Kind::HeaderMismatch,
            Kind::MissingCapability,
            Kind::UnsupportedVersion,
            Kind::TooLarge,
            Kind::TooSlow,
            Kind::MediaType,
            Kind::NotAcceptable,
            Kind::MethodNotAllowed,
            Kind::SessionMissing,
            Kind::SessionUnknown,
            Kind::AddressUnknown,
            Kind::Unauthenticated,
            Kind::Forbidden,
            Kind::RateLimited,
            Kind::Busy,
        ] {
            let code = kind.code();
            let defined = matches!(code, -32700 | -32603..=-32600 | -32022..=-32020);
            assert!(defined || !(-32768..=-32000).contains(&code), "{kind:?}");
        }
    }
}
