//! A request as a guest gives it, checked and made into the one that is sent.
//!
//! Method and headers are the guest's, but for what belongs to the connection: `Host`, lengths and
//! hop-by-hop headers are ours and the guest's are dropped without a word, as the contract says.
//! Nothing is added that the guest could not see but `User-Agent` and `Accept` when it sets none: many
//! servers refuse requests without them. `Accept-Encoding` is never added, so that bodies come plain.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::target::Target;
use super::{EgressSettings, SendError};
use crate::domain::binding::CONNECTION_HEADERS;

/// One request of a guest.
#[derive(Clone, Debug, Default)]
pub struct OutboundRequest {
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Names in any case; a name may occur more than once.
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    /// From the name look-up to the last byte. The settings' bound applies too.
    pub timeout: Option<Duration>,
}

/// Methods that mean the same in any case; others keep theirs (RFC 9110, section 9.1).
const STANDARD_METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "TRACK"];

/// Methods that open a tunnel or make a server repeat the request's secrets.
const REFUSED_METHODS: &[&str] = &["CONNECT", "TRACE", "TRACK"];

/// Longest method, in bytes; the longest registered one has 17.
const METHOD_BYTES: usize = 32;

/// Sent when the guest names no `User-Agent`.
const USER_AGENT: &str = concat!("mcpbox/", env!("CARGO_PKG_VERSION"));

/// Makes the request that is sent.
///
/// # Errors
/// `Invalid` for a method or header that is none, `TooLarge` for a body or headers over the bound. The
/// value of a header is never repeated.
pub(super) fn prepare(
    target: &Target,
    asked: OutboundRequest,
    settings: &EgressSettings,
) -> Result<Request<Full<Bytes>>, SendError> {
    let method = method(&asked.method)?;
    let body_bytes = asked.body.as_ref().map_or(0, Bytes::len);
    if body_bytes > settings.body_bytes {
        return Err(SendError::TooLarge(format!(
            "the request's body has {body_bytes} bytes, more than the {} that are sent",
            settings.body_bytes
        )));
    }
    let mut headers = headers(&asked.headers, settings.header_bytes)?;
    let authority = HeaderValue::try_from(target.authority())
        .map_err(|_| SendError::Invalid("the URL's host is no host name".to_owned()))?;
    headers.insert(header::HOST, authority);
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if asked.body.is_some() || [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body_bytes));
    }

    let mut request = Request::new(Full::new(asked.body.unwrap_or_default()));
    *request.method_mut() = method;
    *request.uri_mut() = target.path().clone();
    *request.headers_mut() = headers;
    Ok(request)
}

fn method(text: &str) -> Result<Method, SendError> {
    let upper = text.to_ascii_uppercase();
    if REFUSED_METHODS.contains(&upper.as_str()) {
        return Err(SendError::Invalid(format!("the method {upper} is not sent")));
    }
    let text = if STANDARD_METHODS.contains(&upper.as_str()) { &upper } else { text };
    if text.len() > METHOD_BYTES {
        return Err(SendError::Invalid(format!("the method is longer than {METHOD_BYTES} letters")));
    }
    Method::from_bytes(text.as_bytes())
        .map_err(|_| SendError::Invalid("the method is no HTTP token such as GET or POST".to_owned()))
}

fn headers(asked: &[(String, String)], bound: usize) -> Result<HeaderMap, SendError> {
    let total: usize = asked.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > bound {
        return Err(SendError::TooLarge(format!(
            "the request's headers have {total} bytes, more than the {bound} that are sent"
        )));
    }
    let mut headers = HeaderMap::new();
    for (position, (name, value)) in asked.iter().enumerate() {
        let position = position + 1;
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(SendError::Invalid(format!("header {position} has a name that is no HTTP token")));
        };
        if CONNECTION_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            continue;
        }
        let Ok(value) = HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes()) else {
            return Err(SendError::Invalid(format!(
                "the value of header `{name}` holds a line break or another control character"
            )));
        };
        if headers.try_append(name, value).is_err() {
            return Err(SendError::TooLarge("the request has more headers than can be sent".to_owned()));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: EgressSettings =
        EgressSettings { body_bytes: 100, header_bytes: 200, time: Duration::from_secs(1) };

    fn try_prepare(asked: OutboundRequest) -> Result<Request<Full<Bytes>>, SendError> {
        prepare(&Target::parse("https://api.example.com:8443/v1?x=1").expect("a target"), asked, &SETTINGS)
    }

    fn asked(method: &str, headers: &[(&str, &str)], body: Option<&'static str>) -> OutboundRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        OutboundRequest {
            method: method.to_owned(),
            headers,
            body: body.map(Bytes::from),
            ..OutboundRequest::default()
        }
    }

    #[test]
    fn the_headers_of_the_connection_are_ours() {
        let theirs = [
            ("HOST", "evil.example"),
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "x-a"),
            ("Proxy-Authorization", "x"),
            ("TE", "trailers"),
            ("Upgrade", "websocket"),
            ("Keep-Alive", "1"),
            ("Expect", "100-continue"),
            ("X-Own", "1"),
            ("x-own", " 2 "),
            ("user-agent", "mine"),
        ];
        let sent = try_prepare(asked("post", &theirs, Some("hello!"))).expect("a request");
        let seen: Vec<(&str, &str)> =
            sent.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        assert_eq!(
            seen,
            [
                ("x-own", "1"),
                ("x-own", "2"),
                ("user-agent", "mine"),
                ("host", "api.example.com:8443"),
                ("accept", "*/*"),
                ("content-length", "6"),
            ]
        );
        assert_eq!((sent.method(), sent.uri().to_string().as_str()), (&Method::POST, "/v1?x=1"));
    }

    #[tokio::test]
    async fn a_request_without_headers_gets_those_that_servers_demand() {
        let sent = try_prepare(asked("GET", &[], None)).expect("a request");
        assert_eq!(sent.headers()[header::USER_AGENT], USER_AGENT);
        assert!(!sent.headers().contains_key(header::ACCEPT_ENCODING));
        assert!(!sent.headers().contains_key(header::CONTENT_LENGTH));
        assert!(sent.collect().await.expect("a body").to_bytes().is_empty());
        let sent = try_prepare(asked("PUT", &[], None)).expect("a request");
        assert_eq!(sent.headers()[header::CONTENT_LENGTH], "0");
    }

    #[test]
    fn methods_that_tunnel_or_echo_and_methods_that_are_none_are_invalid() {
        for method in ["CONNECT", "connect", "TRACE", "Track", "", "GET ", "G\r\nET", "GÉT", &"X".repeat(33)] {
            assert!(matches!(try_prepare(asked(method, &[], None)), Err(SendError::Invalid(_))), "{method}");
        }
        for (method, sent) in [("get", "GET"), ("PROPFIND", "PROPFIND"), ("custom", "custom")] {
            assert_eq!(
                try_prepare(asked(method, &[], None)).map(|request| request.method().to_string()),
                Ok(sent.into())
            );
        }
    }

    #[test]
    fn a_header_that_breaks_the_line_is_invalid_and_its_value_is_not_repeated() {
        for header in
            [("x-a", "hidden\r\nHost: evil"), ("x-a", "hidden\0"), ("hidden\n", "v"), ("", "hidden"), ("a b", "v")]
        {
            match try_prepare(asked("GET", &[header], None)) {
                Err(SendError::Invalid(text)) => assert!(!text.contains("hidden"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_body_or_headers_over_the_bound_are_too_large() {
        let body = "x".repeat(101);
        let over = OutboundRequest { body: Some(Bytes::from(body)), ..asked("POST", &[], None) };
        assert!(matches!(try_prepare(over), Err(SendError::TooLarge(_))));
        assert!(matches!(try_prepare(asked("GET", &[("a", &"x".repeat(200))], None)), Err(SendError::TooLarge(_))));
        assert!(try_prepare(asked("GET", &[("a", &"x".repeat(199))], None)).is_ok());
    }

    proptest! {
        #[test]
        fn no_header_of_a_guest_reaches_the_frame(name in "\\PC{0,20}", value in any::<String>()) {
            if let Ok(sent) = try_prepare(asked("GET", &[(&name, &value)], None)) {
                prop_assert_eq!(&sent.headers()[header::HOST], "api.example.com:8443");
                for (_, value) in sent.headers() {
                    prop_assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                }
                prop_assert!(!sent.headers().contains_key(header::TRANSFER_ENCODING));
            }
        }
    }
}
