//! Cookies of a browser session: the two tokens, which no page can read, and what a page shows beside
//! them (RFC 6265).
//!
//! A name is taken only when it comes once: with two of a name nobody can tell which one this host
//! set, and which one a neighbour at another port or path did.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::crypto::token::{Token, TokenKind};

/// Bytes of cookies, and cookies, that are looked at; a request with more has none.
const BYTES: usize = 16 * 1024;
const COOKIES: usize = 100;

/// One of the cookies of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    pub name: &'static str,
    pub kind: TokenKind,
    path: &'static str,
    http_only: bool,
}

pub const SESSION: Cookie = Cookie { name: "mcpbox_session", kind: TokenKind::Access, path: "/", http_only: true };
/// Sent to one address only.
pub const REFRESH: Cookie =
    Cookie { name: "mcpbox_refresh", kind: TokenKind::Refresh, path: "/auth/refresh", http_only: true };
/// A page reads it and repeats it in a header.
pub const CSRF: Cookie = Cookie { name: "mcpbox_csrf", kind: TokenKind::Csrf, path: "/", http_only: false };

/// All of them.
pub const COOKIES_OF_A_SESSION: [Cookie; 3] = [SESSION, REFRESH, CSRF];

impl Cookie {
    /// The `Set-Cookie` that gives a browser a token for `seconds`; it goes back to pages of this
    /// site only, and when it is `secure` over TLS only.
    pub fn set(self, token: &Token, seconds: u64, secure: bool) -> Option<HeaderValue> {
        self.written(token.reveal(), seconds, secure)
    }

    /// The `Set-Cookie` that takes it back.
    pub fn clear(self, secure: bool) -> Option<HeaderValue> {
        self.written("", 0, secure)
    }

    fn written(self, value: &str, seconds: u64, secure: bool) -> Option<HeaderValue> {
        let Self { name, path, http_only, .. } = self;
        let http_only = if http_only { "; HttpOnly" } else { "" };
        let secure = if secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Strict{http_only}{secure}");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What a request shows under this name.
    pub(super) fn shown(self, headers: &HeaderMap) -> Shown<'_> {
        let mut found = Shown::Nothing;
        for value in pairs(headers).filter(|(name, _)| *name == self.name).map(|(_, value)| value) {
            found = match found {
                Shown::Nothing => Shown::Value(value),
                _ => return Shown::Ambiguous,
            };
        }
        found
    }
}

/// What a request shows under the name of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    Nothing,
    Value(&'a str),
    Ambiguous,
}

impl Shown<'_> {
    /// The token that it is; none when it is none of this kind.
    pub(super) fn token(self, kind: TokenKind) -> Option<Token> {
        let Self::Value(value) = self else { return None };
        value.parse().ok().filter(|token: &Token| token.kind() == kind)
    }
}

/// Name and value of every cookie, as they were sent.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let bytes: usize = headers.get_all(COOKIE).iter().map(HeaderValue::len).sum();
    let all = move || headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    let all = move || all().flat_map(|text| text.split(';'));
    let few = bytes <= BYTES && all().take(COOKIES + 1).count() <= COOKIES;
    all().filter(move |_| few).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim_matches([' ', '\t']);
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Some((name.trim_matches([' ', '\t']), quoted.unwrap_or(value)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (COOKIE, HeaderValue::from_str(value).expect("a header"))).collect()
    }

    #[test]
    fn a_cookie_is_read_when_it_comes_once() {
        for (sent, shown) in [
            (&["mcpbox_session=a"][..], Shown::Value("a")),
            (&["x=1; mcpbox_session=a; y=2"], Shown::Value("a")),
            (&["x=1;mcpbox_session = a ;y"], Shown::Value("a")),
            (&["x=1", "mcpbox_session=a"], Shown::Value("a")),
            (&["mcpbox_session=\"a\""], Shown::Value("a")),
            (&["mcpbox_session=\"a"], Shown::Value("\"a")),
            (&["mcpbox_session="], Shown::Value("")),
            (&["mcpbox_session=a=b"], Shown::Value("a=b")),
            (&["mcpbox_session=a; mcpbox_session=a"], Shown::Ambiguous),
            (&["mcpbox_session=a", "mcpbox_session=b"], Shown::Ambiguous),
            (&["MCPBOX_SESSION=a"], Shown::Nothing),
            (&["mcpbox_session"], Shown::Nothing),
            (&["xmcpbox_session=a; mcpbox_session2=b; y=mcpbox_session=c"], Shown::Nothing),
            (&[""], Shown::Nothing),
            (&[], Shown::Nothing),
        ] {
            assert_eq!(SESSION.shown(&headers(sent)), shown, "{sent:?}");
        }
    }

    #[test]
    fn a_request_with_too_many_cookies_has_none() {
        let many = format!("{}mcpbox_session=a", "x=1; ".repeat(COOKIES - 1));
        assert_eq!(SESSION.shown(&headers(&[&many])), Shown::Value("a"));
        assert_eq!(SESSION.shown(&headers(&[&many, "y=2"])), Shown::Nothing);
        let long = format!("mcpbox_session=a; x={}", "x".repeat(BYTES));
        assert_eq!(SESSION.shown(&headers(&[&long])), Shown::Nothing);
    }

    #[test]
    fn a_cookie_is_for_this_site_and_a_token_in_it_for_no_page() {
        let token = Token::new(TokenKind::Refresh);
        let set = REFRESH.set(&token, 60, true).expect("a header");
        let expected = format!(
            "mcpbox_refresh={}; Path=/auth/refresh; Max-Age=60; SameSite=Strict; HttpOnly; Secure",
            token.reveal()
        );
        assert_eq!(set.to_str().expect("a text"), expected);
        assert!(!format!("{set:?}").contains(token.reveal()));
        let clear = CSRF.clear(false).expect("a header");
        assert_eq!(clear.to_str().expect("a text"), "mcpbox_csrf=; Path=/; Max-Age=0; SameSite=Strict");
    }

    #[test]
    fn only_a_token_of_its_kind_is_one() {
        let (access, csrf) = (Token::new(TokenKind::Access), Token::new(TokenKind::Csrf));
        let shown = |token: &Token| {
            SESSION
                .shown(&headers(&[&format!("mcpbox_session={}", token.reveal())]))
                .token(TokenKind::Access)
                .map(|token| token.hash())
        };
        assert_eq!(shown(&access), Some(access.hash()));
        assert_eq!(shown(&csrf), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_fail(texts in proptest::collection::vec("[ -~\t]{0,200}", 0..4)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let _ = SESSION.shown(&headers(&texts));
        }

        #[test]
        fn what_was_set_is_read_among_others(
            before in proptest::collection::vec("[a-z]{1,8}=[!-:<-~]{0,20}", 0..10),
            after in proptest::collection::vec("[a-z]{1,8}=[!-:<-~]{0,20}", 0..10),
        ) {
            let token = Token::new(TokenKind::Access);
            let own = format!("mcpbox_session={}", token.reveal());
            let all: Vec<&str> = before.iter().map(String::as_str).chain([own.as_str()]).chain(after.iter().map(String::as_str)).collect();
            let headers = headers(&[&all.join("; ")]);
            prop_assert_eq!(SESSION.shown(&headers), Shown::Value(token.reveal()));
        }
    }
}
