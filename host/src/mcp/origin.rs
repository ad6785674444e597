//! Who may reach this door from a browser, and under which name.
//!
//! A page of a stranger can make a browser talk to `127.0.0.1`, or make its own name point there
//! (DNS rebinding). So a request that says where it comes from (`Origin`) must come from this
//! machine or from an origin that the operator listed, and the name that was dialled (`Host`) must be
//! this machine's or one that the operator listed. On a listener for other machines addresses are names
//! of it as well, and every name is until the operator lists some. Refusals are 403.

use std::net::IpAddr;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue};

use super::error::{Failure, Kind, shorten};
use crate::auth;

/// What the operator says about one listener.
#[derive(Clone, Debug, Default)]
pub struct McpSettings {
    /// Whether only this machine reaches the listener.
    pub local: bool,
    /// Origins besides this machine's, as browsers write them: `https://claude.ai`.
    pub allowed_origins: Vec<String>,
    /// Names besides this machine's, with or without a port: `box.example.com`.
    pub allowed_hosts: Vec<String>,
    /// Whether the deprecated transport of the oldest revision is served too.
    pub legacy_sse: bool,
}

/// An origin that was let in; answers to it are readable by its page.
#[derive(Clone, Debug)]
pub struct Allowed(HeaderValue);

impl McpSettings {
    /// Lets a request in or refuses it. Answers the origin when there is one.
    ///
    /// # Errors
    /// 403 that names what was refused.
    pub fn judge(&self, headers: &HeaderMap) -> Result<Option<Allowed>, Failure> {
        if !auth::is_answered_host(headers, self.local, &self.allowed_hosts) {
            let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
            return Err(forbidden(&format!(
                "`Host: {}` is not a name of this host; if it should be one, add it to MCPBOX_ALLOWED_HOSTS",
                shorten(host)
            )));
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        let text = origin.to_str().ok().filter(|_| origins.next().is_none());
        match text {
            Some(text) if self.is_allowed_origin(text) => Ok(Some(Allowed(origin.clone()))),
            _ => Err(forbidden(&format!(
                "`Origin: {}` is not allowed (MCP_CORS_ORIGINS lists those that are)",
                shorten(text.unwrap_or("…"))
            ))),
        }
    }

    fn is_allowed_origin(&self, origin: &str) -> bool {
        let listed = |own: &String| !own.is_empty() && own.trim_end_matches('/').eq_ignore_ascii_case(origin);
        self.allowed_origins.iter().any(listed) || is_loopback_origin(origin)
    }
}

/// The host of `host` or `host:port`, an IPv6 address without its brackets. None for anything else.
fn without_port(host: &str) -> Option<&str> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let legal = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    legal.then_some(name)
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Of this machine by HTTP or HTTPS, at any port.
fn is_loopback_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.and_then(without_port).is_some_and(is_loopback)
}

fn forbidden(message: &str) -> Failure {
    Failure::new(Kind::Forbidden, message)
}

impl Allowed {
    /// Makes an answer readable by the page, with the headers that a client needs of it.
    pub fn decorate(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(
                "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, X-Request-Id",
            ),
        );
    }

    /// The answer to a browser that asks before it sends. It names the headers that were asked for:
    /// `Mcp-Param-*` cannot be listed ahead, and the origin is trusted already.
    pub fn preflight(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        self.decorate(answer);
        answer.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
        if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(local: bool) -> McpSettings {
        McpSettings {
            local,
            allowed_origins: vec!["https://claude.ai".into(), "vscode-file://vscode-app/".into()],
            allowed_hosts: vec!["box.example.com".into(), "other.example.com:8443".into()],
            legacy_sse: false,
        }
    }

    fn judged(settings: &McpSettings, host: Option<&'static str>, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, HeaderValue::from_static(host));
        }
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        settings.judge(&headers).is_ok()
    }

    #[test]
    fn an_origin_is_of_this_machine_or_listed() {
        for (origin, good) in [
            (None, true),
            (Some("http://localhost"), true),
            (Some("http://localhost:6274"), true),
            (Some("https://localhost:3000"), true),
            (Some("http://LOCALHOST:3000"), true),
            (Some("http://127.0.0.1:8000"), true),
            (Some("http://127.9.9.9"), true),
            (Some("http://[::1]:3000"), true),
            (Some("http://[::1]"), true),
            (Some("https://claude.ai"), true),
            (Some("https://CLAUDE.ai"), true),
            (Some("vscode-file://vscode-app"), true),
            (Some("http://claude.ai"), false),
            (Some("https://claude.ai:444"), false),
            (Some("https://claude.ai.evil.example"), false),
            (Some("http://evil.example.com"), false),
            (Some("http://localhost.evil.example"), false),
            (Some("http://127.0.0.1.evil.example"), false),
            (Some("http://localhost@evil.example"), false),
            (Some("http://evil.example/localhost"), false),
            (Some("http://localhost:evil.example"), false),
            (Some("http://[::1].evil.example"), false),
            (Some("http://[::1]evil.example:80"), false),
            (Some("http://192.168.1.2"), false),
            (Some("file://localhost"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            assert_eq!(judged(&settings(true), Some("localhost"), origin), good, "{origin:?}");
            assert_eq!(judged(&settings(false), Some("localhost"), origin), good, "{origin:?}");
        }
    }

    #[test]
    fn on_the_local_listener_the_host_is_a_name_of_this_machine() {
        for (host, good) in [
            (Some("localhost"), true),
            (Some("localhost:8000"), true),
            (Some("127.0.0.1:8000"), true),
            (Some("[::1]:8000"), true),
            (Some("[::1]"), true),
            (Some("box.example.com"), true),
            (Some("BOX.example.com:1234"), true),
            (Some("other.example.com:8443"), true),
            (Some("other.example.com"), false),
            (Some("evil.example.com"), false),
            (Some("localhost.evil.example"), false),
            (Some("127.0.0.1.nip.io:8000"), false),
            (Some("192.168.1.2:8000"), false),
            (Some("0.0.0.0:8000"), false),
            (Some("[::1].evil.example"), false),
            (Some("[::1"), false),
            (Some("localhost:"), false),
            (Some("localhost:evil.example"), false),
            (Some("localhost/evil.example"), false),
            (Some("evil@localhost"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(judged(&settings(true), host, None), good, "{host:?}");
            let nobody_listed = McpSettings { allowed_hosts: Vec::new(), ..settings(false) };
            assert!(judged(&nobody_listed, host, None), "{host:?}");
        }
    }

    #[test]
    fn on_another_listener_the_host_is_listed_or_an_address_once_some_are_listed() {
        for (host, good) in [
            (Some("localhost:8000"), true),
            (Some("box.example.com"), true),
            (Some("192.168.1.2:8000"), true),
            (Some("[fd00::2]"), true),
            (Some("evil.example.com"), false),
            (Some("192.168.1.2.nip.io"), false),
            (None, false),
        ] {
            assert_eq!(judged(&settings(false), host, None), good, "{host:?}");
        }
    }

    #[test]
    fn two_hosts_or_two_origins_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("localhost"));
        headers.append(HOST, HeaderValue::from_static("localhost"));
        assert!(settings(true).judge(&headers).is_err());
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        headers.append(ORIGIN, HeaderValue::from_static("https://claude.ai"));
        headers.append(ORIGIN, HeaderValue::from_static("https://claude.ai"));
        assert!(settings(true).judge(&headers).is_err());
    }

    #[test]
    fn an_allowed_page_may_read_the_session_id() {
        let mut asked = HeaderMap::new();
        asked.insert(HOST, HeaderValue::from_static("box.example.com"));
        asked.insert(ORIGIN, HeaderValue::from_static("https://claude.ai"));
        asked.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("mcp-param-region,authorization"));
        let allowed = settings(false).judge(&asked).expect("allowed").expect("an origin");
        let mut answer = HeaderMap::new();
        allowed.preflight(&asked, &mut answer);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "https://claude.ai");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "mcp-param-region,authorization");
        assert!(answer[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().is_ok_and(|names| names.contains("Mcp-Session-Id")));
        assert_eq!(answer.get_all(VARY).iter().count(), 2);
    }
}
