//! HTTP through the host, which is the only network there is: to hosts that the tool was granted.
//!
//! ```
//! use mcpbox_sdk::{Result, http};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Forecast {
//!     celsius: f64,
//! }
//!
//! async fn forecast(city: &str) -> Result<Forecast> {
//!     let response = http::get("https://api.example/forecast").query("city", city).send().await?;
//!     Ok(response.error_for_status()?.json()?)
//! }
//! ```
//!
//! Redirects are answered, never followed: each hop is a request of its own, to a host that must be
//! granted.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::mcpbox::guest::http as contract;
use crate::host;
use crate::task::{block_on, reactor};

/// Begins a `GET`.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// Begins a `POST`.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// Begins a `PUT`.
pub fn put(url: impl Into<String>) -> Request {
    Request::new("PUT", url)
}

/// Begins a `PATCH`.
pub fn patch(url: impl Into<String>) -> Request {
    Request::new("PATCH", url)
}

/// Begins a `DELETE`.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

/// A request that is being put together.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    inner: contract::Request,
    /// What could not be put into it; told when it is sent.
    fault: Option<String>,
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let inner = contract::Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            timeout_ms: None,
        };
        Self { inner, fault: None }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer …`.
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a parameter to the URL, encoded as it must be.
    ///
    /// ```
    /// let request = mcpbox_sdk::http::get("https://a.example/?x=1#top").query("q", "fish & chips");
    /// assert_eq!(request.url(), "https://a.example/?x=1&q=fish%20%26%20chips#top");
    /// ```
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        let url = &mut self.inner.url;
        let fragment = url.find('#').map(|at| url.split_off(at));
        url.push(if url.contains('?') { '&' } else { '?' });
        encode(name, url);
        url.push('=');
        encode(&value.to_string(), url);
        url.extend(fragment);
        self
    }

    /// Gives it a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.inner.body = Some(body.into());
        self
    }

    /// Gives it a body of JSON, and says so in a header.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.header("content-type", "application/json").body(body),
            Err(error) => {
                self.fault = Some(format!("the body has no JSON form: {error}"));
                self
            }
        }
    }

    /// Bounds how long it may take until the whole response is there. The host has a bound too.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.inner.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// The URL as it is so far.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// Sends it. The request begins when the future is first polled; dropping the future cancels it.
    pub fn send(self) -> Sending {
        Sending(State::New(self))
    }

    /// Sends it and waits, for tools that are not `async`.
    ///
    /// # Errors
    /// When there is no response.
    pub fn send_blocking(self) -> Result<Response, Error> {
        block_on(self.send())
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The future of [`Request::send`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Sending(State);

enum State {
    New(Request),
    Running(u32),
    Over,
}

impl Future for Sending {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let id = match std::mem::replace(&mut self.0, State::Over) {
            State::New(Request { fault: Some(fault), .. }) => return Poll::Ready(Err(Error::Invalid(fault))),
            State::New(request) => match host::http_start(&request.inner) {
                Ok(id) => id,
                Err(error) => return Poll::Ready(Err(error.into())),
            },
            State::Running(id) => id,
            State::Over => panic!("a request was awaited again after it had ended"),
        };
        if reactor::has_ended(id, context.waker()) {
            reactor::forget(id);
            return Poll::Ready(host::http_take(id).map(Response).map_err(Error::from));
        }
        self.0 = State::Running(id);
        Poll::Pending
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let State::Running(id) = self.0 {
            reactor::forget(id);
            host::http_cancel(id);
        }
    }
}

/// Why there is no response. Its text is the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The tool has no grant for this host. The text says what to request.
    Denied(String),
    /// The URL, the method, a header or the body is not valid.
    Invalid(String),
    /// No connection, or it broke.
    Unreachable(String),
    /// It took too long.
    TimedOut(String),
    /// A body over the limit, or too many requests in one call.
    TooLarge(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text)
        | Self::Invalid(text)
        | Self::Unreachable(text)
        | Self::TimedOut(text)
        | Self::TooLarge(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<contract::Error> for Error {
    fn from(error: contract::Error) -> Self {
        match error {
            contract::Error::Denied(text) => Self::Denied(text),
            contract::Error::Invalid(text) => Self::Invalid(text),
            contract::Error::Unreachable(text) => Self::Unreachable(text),
            contract::Error::TimedOut(text) => Self::TimedOut(text),
            contract::Error::TooLarge(text) => Self::TooLarge(text),
        }
    }
}

/// What was answered, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Response(pub(crate) contract::Response);

impl Response {
    /// For example 200.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Whether the status is one of success, 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.0.status)
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every header, in the order they came.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.0.body
    }

    /// The body, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(&self.0.body)
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// When it is no JSON, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0.body)
    }

    /// Itself, if it is a success.
    ///
    /// # Errors
    /// With the status and the beginning of the body, if not.
    pub fn error_for_status(self) -> Result<Self, crate::Error> {
        if self.is_success() {
            return Ok(self);
        }
        let body: String = String::from_utf8_lossy(&self.0.body).chars().take(SHOWN_CHARS).collect();
        let colon = if body.is_empty() { "" } else { ": " };
        Err(crate::Error::new(format!("the server answered {}{colon}{body}", self.0.status)))
    }
}

/// How much of an unwanted body stands in an error.
const SHOWN_CHARS: usize = 300;
