//! Which page made a request: one of this host, or one of somebody else.
//!
//! Browsers tell in `Sec-Fetch-Site` and in `Origin`, and no page can make them tell otherwise. The
//! first is the browser's own judgement of what it dialled, so it holds behind a proxy too; the
//! second is compared with `Host`. SameSite cookies alone are no answer: another port of this
//! machine is the same site.

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is known of the page that made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// A page of this host, or the person themselves (a bookmark).
    Own,
    Foreign,
    /// Nothing is told: no browser, or one that says nothing of what only reads.
    Unknown,
}

pub(super) fn of(headers: &HeaderMap) -> Site {
    match single(headers, &SEC_FETCH_SITE) {
        Told::Text("same-origin" | "none") => return Site::Own,
        Told::Text(_) | Told::Unreadable => return Site::Foreign,
        Told::Nothing => {}
    }
    match (single(headers, &ORIGIN), single(headers, &HOST)) {
        (Told::Nothing, _) => Site::Unknown,
        (Told::Text(origin), Told::Text(host)) if is_of(origin, host) => Site::Own,
        _ => Site::Foreign,
    }
}

/// Whether an origin is the host that was dialled; the scheme was the browser's affair.
fn is_of(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

enum Told<'a> {
    Nothing,
    Text(&'a str),
    Unreadable,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Told<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Told::Nothing,
        (Some(value), None) => value.to_str().map_or(Told::Unreadable, Told::Text),
        (Some(_), Some(_)) => Told::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_page_of_this_host_is_told_from_others() {
        for (site, origin, host, expected) in [
            (Some("same-origin"), None, "box:8000", Site::Own),
            (Some("same-origin"), Some("https://box.example"), "backend", Site::Own),
            (Some("none"), None, "box:8000", Site::Own),
            (Some("same-site"), Some("http://box:8000"), "box:8000", Site::Foreign),
            (Some("cross-site"), None, "box:8000", Site::Foreign),
            (Some(""), None, "box:8000", Site::Foreign),
            (None, Some("http://box:8000"), "box:8000", Site::Own),
            (None, Some("https://BOX.example"), "box.example", Site::Own),
            (None, Some("http://box:3000"), "box:8000", Site::Foreign),
            (None, Some("http://box"), "box:8000", Site::Foreign),
            (None, Some("http://evil.example/box:8000"), "box:8000", Site::Foreign),
            (None, Some("null"), "box:8000", Site::Foreign),
            (None, Some("http://"), "", Site::Foreign),
            (None, Some("ftp://box:8000"), "box:8000", Site::Foreign),
            (None, None, "box:8000", Site::Unknown),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).expect("a host"));
            for (name, value) in [(SEC_FETCH_SITE, site), (ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_str(value).expect("a value"));
                }
            }
            assert_eq!(of(&headers), expected, "{site:?} {origin:?} {host}");
        }
    }

    #[test]
    fn what_is_told_twice_is_not_believed() {
        for name in [SEC_FETCH_SITE, ORIGIN] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("box"));
            let value = if name == ORIGIN { "http://box" } else { "same-origin" };
            headers.append(&name, HeaderValue::from_static(value));
            headers.append(&name, HeaderValue::from_static(value));
            assert_eq!(of(&headers), Site::Foreign);
        }
    }
}
