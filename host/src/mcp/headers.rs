//! The headers in which a modern client repeats what its body says, compared with the body.
//!
//! Proxies decide by these headers; the body is what is done. A request whose two halves disagree
//! is refused with -32020 (2026-07-28, "Server Validation"), so that nothing is let past by the one
//! and done by the other. Values are compared exactly; names are of any case.

use std::borrow::Cow;

use axum::http::header::AsHeaderName;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Failure, Kind, shorten};
use super::jsonrpc::Params;

pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Compares version, method and name.
///
/// # Errors
/// -32020 that names the header.
pub fn check(headers: &HeaderMap, version: &str, method: &str, params: &Params) -> Result<(), Failure> {
    require(headers, &VERSION, single(headers, &VERSION)?, version)?;
    require(headers, &METHOD, single(headers, &METHOD)?, method)?;
    let named = named_in_body(method, params)?;
    let header = single(headers, &NAME)?.map(|text| decode(NAME.as_str(), text)).transpose()?;
    match (&named, &header) {
        (Some(named), header) => require(headers, &NAME, header.as_deref(), named),
        (None, Some(header)) if member_that_is_named(method).is_some() => {
            Err(mismatch(NAME.as_str(), header, "the body, which names nothing"))
        }
        (None, _) => Ok(()),
    }
}

/// The one value of a header, without white space around it.
///
/// # Errors
/// -32020 when it is there twice or is not plain ASCII.
pub fn single<N>(headers: &HeaderMap, name: N) -> Result<Option<&str>, Failure>
where
    N: AsHeaderName + AsRef<str> + Copy,
{
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fault = |what: &str| refused(format!("header `{}` {what}", name.as_ref()));
    if values.next().is_some() {
        return Err(fault("is there more than once"));
    }
    let text = value.to_str().map_err(|_| fault("holds characters that are not allowed"))?;
    Ok(Some(text.trim_matches([' ', '\t'])))
}

/// Undoes the `=?base64?…?=` form in which clients send what is not plain ASCII.
///
/// # Errors
/// -32020 when the form is there and what is in it is not base64 of UTF-8.
pub fn decode<'v>(name: &str, value: &'v str) -> Result<Cow<'v, str>, Failure> {
    let inner = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(inner) = inner else { return Ok(value.into()) };
    let bytes =
        STANDARD.decode(inner).map_err(|_| refused(format!("header `{name}` holds base64 that is not valid")))?;
    let text = String::from_utf8(bytes);
    text.map(Cow::Owned).map_err(|_| refused(format!("header `{name}` holds base64 of something else than UTF-8")))
}

fn require(headers: &HeaderMap, name: &HeaderName, header: Option<&str>, body: &str) -> Result<(), Failure> {
    match header {
        Some(header) if header == body => Ok(()),
        Some(header) => Err(mismatch(name.as_str(), header, &format!("the body, which says `{}`", shorten(body)))),
        None if headers.contains_key(name) => Err(refused(format!("header `{name}` is empty"))),
        None => Err(refused(format!("header `{name}` is missing; the body says `{}`", shorten(body)))),
    }
}

/// Which member of the parameters `Mcp-Name` repeats.
fn member_that_is_named(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// None: the body names nothing, or not by a string, and the method will say so.
fn named_in_body(method: &str, params: &Params) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        name: Option<&'a RawValue>,
        #[serde(borrow, default)]
        uri: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "taskId")]
        task_id: Option<&'a RawValue>,
    }
    let (Some(member), Some(params)) = (member_that_is_named(method), params) else { return Ok(None) };
    let named: Named<'_> = serde_json::from_str(params.get())
        .map_err(|error| Failure::new(Kind::InvalidParams, format!("`params`: {error}")))?;
    let raw = match member {
        "name" => named.name,
        "uri" => named.uri,
        _ => named.task_id,
    };
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

fn mismatch(name: &str, header: &str, other: &str) -> Failure {
    refused(format!("header `{name}` says `{}` and does not match {other}", shorten(header)))
}

/// A header that does not agree with the body, in the protocol's code.
pub(super) fn refused(message: String) -> Failure {
    Failure::new(Kind::HeaderMismatch, message)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        map
    }

    fn judged(pairs: &[(HeaderName, &'static str)], method: &str, params: &Value) -> Option<i32> {
        let params = serde_json::value::to_raw_value(params).ok();
        check(&headers(pairs), "2026-07-28", method, &params).err().map(|failure| failure.kind.code())
    }

    #[test]
    fn version_and_method_are_on_every_request_and_match_exactly() {
        const V: (HeaderName, &str) = (VERSION, "2026-07-28");
        const M: (HeaderName, &str) = (METHOD, "tools/list");
        for (pairs, code) in [
            (&[V, M][..], None),
            (&[V, (METHOD, "  tools/list\t")], None),
            (&[V, M, (NAME, "whatever")], None),
            (&[M], Some(-32020)),
            (&[V], Some(-32020)),
            (&[], Some(-32020)),
            (&[V, (METHOD, "TOOLS/LIST")], Some(-32020)),
            (&[V, (METHOD, "prompts/list")], Some(-32020)),
            (&[V, (METHOD, "")], Some(-32020)),
            (&[V, M, M], Some(-32020)),
            (&[V, V, M], Some(-32020)),
            (&[(VERSION, "2025-11-25"), M], Some(-32020)),
            (&[V, (METHOD, "tools/list\u{e4}")], Some(-32020)),
            (&[V, (METHOD, "=?base64?dG9vbHMvbGlzdA==?=")], Some(-32020)),
        ] {
            assert_eq!(judged(pairs, "tools/list", &json!({})), code, "{pairs:?}");
        }
    }

    #[test]
    fn the_name_is_compared_after_decoding() {
        const V: (HeaderName, &str) = (VERSION, "2026-07-28");
        for (method, header, params, code) in [
            ("tools/call", Some("a__b"), json!({"name": "a__b"}), None),
            ("tools/call", Some("a__c"), json!({"name": "a__b"}), Some(-32020)),
            ("tools/call", None, json!({"name": "a__b"}), Some(-32020)),
            ("tools/call", Some("=?base64?YV9fYg==?="), json!({"name": "a__b"}), None),
            ("tools/call", Some("=?base64?w6Q=?="), json!({"name": "ä"}), None),
            ("tools/call", Some("=?base64?w6Q?="), json!({"name": "ä"}), Some(-32020)),
            ("tools/call", Some("=?base64?!!!!?="), json!({"name": "ä"}), Some(-32020)),
            ("tools/call", Some("=?base64?/w==?="), json!({"name": "ä"}), Some(-32020)),
            ("tools/call", Some("YV9fYg=="), json!({"name": "a__b"}), Some(-32020)),
            ("tools/call", Some("=?BASE64?YV9fYg==?="), json!({"name": "a__b"}), Some(-32020)),
            ("tools/call", Some("a"), json!({}), Some(-32020)),
            ("tools/call", None, json!({}), None),
            ("prompts/get", Some("p"), json!({"name": "p"}), None),
            ("resources/read", Some("test://x"), json!({"uri": "test://x", "name": "other"}), None),
            ("tasks/get", Some("7"), json!({"taskId": "7"}), None),
            ("tasks/get", Some("8"), json!({"taskId": "7"}), Some(-32020)),
        ] {
            let mut pairs = vec![V, (METHOD, method)];
            pairs.extend(header.map(|value| (NAME, value)));
            assert_eq!(judged(&pairs, method, &params), code, "{method} {header:?}");
        }
    }

    #[test]
    fn a_name_given_twice_in_the_body_is_refused() {
        let params = RawValue::from_string(r#"{"name":"a","name":"b"}"#.to_owned()).ok();
        let found = check(
            &headers(&[(VERSION, "2026-07-28"), (METHOD, "tools/call"), (NAME, "a")]),
            "2026-07-28",
            "tools/call",
            &params,
        );
        assert_eq!(found.err().map(|failure| failure.kind.code()), Some(-32602));
    }
}
