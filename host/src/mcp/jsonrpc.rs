//! JSON-RPC 2.0 as MCP narrows it: from bytes to messages and back.
//!
//! Accepts one message or an array of them; ids are strings or integers, never null; parameters are
//! an object and stay as they came (`RawValue`), because what a model wrote is passed on, not
//! rewritten. Refuses what is nested deeper than [`DEPTH_MAX`] before anything recurses into it, and
//! a member given twice, so that no two readers of a message can disagree about it. Never panics,
//! whatever the bytes.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::error::{Failure, Kind};

/// Arrays and objects within each other. The JSON parser's own bound is 128; this one leaves room
/// for what a message is wrapped in later.
pub const DEPTH_MAX: usize = 100;

/// Characters kept of the message of a client's error.
const ERROR_CHARACTERS: usize = 1_000;

/// The name of a request, chosen by its sender; also the form of a progress token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// Without fraction, from -2^63 to 2^64-1.
    Integer(Number),
    Text(String),
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an integer")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id::Integer(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Integer(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Parameters as they came: the text of a JSON object.
pub type Params = Option<Box<RawValue>>;

/// A request: it wants an answer.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: Id,
    pub method: String,
    pub params: Params,
}

/// Something said without waiting for an answer.
#[derive(Clone, Debug)]
pub struct Notification {
    pub method: String,
    pub params: Params,
}

/// One message from a client.
#[derive(Clone, Debug)]
pub enum Message {
    Request(Request),
    Notification(Notification),
    Response(Response),
}

/// An answer to something that the server asked.
#[derive(Clone, Debug)]
pub struct Response {
    pub id: Id,
    /// The result as it came, or the message of the error.
    pub said: Result<Box<RawValue>, String>,
}

/// What cannot be understood, and the id under which to say so when there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    pub id: Option<Id>,
    pub failure: Failure,
}

impl Malformed {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { id: None, failure: Failure::new(kind, message) }
    }
}

/// A whole request body.
#[derive(Clone, Debug)]
pub enum Incoming {
    One(Message),
    /// Never empty.
    Batch(Vec<Result<Message, Malformed>>),
}

/// Reads a body.
///
/// # Errors
/// -32700 when it is not JSON, -32600 when it is but is not a message, is nested too deep, or is an
/// array of none or of more than `batch_max`.
pub fn parse(body: &[u8], batch_max: usize) -> Result<Incoming, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Malformed::new(Kind::Parse, format!("the body is not UTF-8 (byte {})", error.valid_up_to()))
    })?;
    let is_batch = text.trim_start().starts_with('[');
    // Few messages open so much that they could be nested too deep, and to count is quick.
    let opened = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if !is_batch && opened <= DEPTH_MAX {
        return message(text).map(Incoming::One);
    }
    let shape = Shape::of(body);
    if shape.depth > DEPTH_MAX {
        let message = format!("the body is nested deeper than {DEPTH_MAX} levels");
        return Err(Malformed::new(Kind::InvalidRequest, message));
    }
    if !is_batch {
        return message(text).map(Incoming::One);
    }
    if shape.items > batch_max {
        let message = format!("a batch holds at most {batch_max} messages (MCPBOX_BATCH_MESSAGES)");
        return Err(Malformed::new(Kind::InvalidRequest, message));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if items.is_empty() {
        return Err(Malformed::new(Kind::InvalidRequest, "a batch holds at least one message"));
    }
    Ok(Incoming::Batch(items.into_iter().map(|item| message(item.get())).collect()))
}

fn not_json(error: &serde_json::Error) -> Malformed {
    Malformed::new(Kind::Parse, format!("the body is not JSON: {error}"))
}

fn no_object() -> Malformed {
    Malformed::new(Kind::InvalidRequest, "a message is a JSON object")
}

/// A message's members, none of them looked into yet.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

fn message(text: &str) -> Result<Message, Malformed> {
    let is_object = text.trim_start().starts_with('{');
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data if is_object => {
            Malformed::new(Kind::InvalidRequest, format!("not a JSON-RPC message: {error}"))
        }
        serde_json::error::Category::Data => no_object(),
        _ => not_json(&error),
    })?;
    // An array would be read as the members in their order.
    if !is_object {
        return Err(no_object());
    }
    let id: Option<Result<Id, _>> = wire.id.map(|raw| serde_json::from_str(raw.get()));
    let known = id.as_ref().and_then(|id| id.as_ref().ok()).cloned();
    let refuse = |message: &str| Malformed { id: known.clone(), ..Malformed::new(Kind::InvalidRequest, message) };

    if wire.jsonrpc.map(RawValue::get) != Some(r#""2.0""#) {
        return Err(refuse("`jsonrpc` must be \"2.0\""));
    }
    let id = match id {
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(refuse("`id` must be a string or an integer")),
        None => None,
    };
    let Some(method) = wire.method else {
        let said = match (wire.result, wire.error) {
            (Some(result), None) => Ok(result.to_owned()),
            (None, Some(error)) => Err(error_message(error)),
            _ => return Err(refuse("`method` is missing")),
        };
        let Some(id) = id else { return Err(refuse("`method` is missing")) };
        return Ok(Message::Response(Response { id, said }));
    };
    let Ok(method) = serde_json::from_str::<String>(method.get()) else {
        return Err(refuse("`method` must be a string"));
    };
    let params = wire.params.filter(|raw| raw.get() != "null");
    if params.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(refuse("`params` must be an object"));
    }
    let params = params.map(ToOwned::to_owned);
    Ok(match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification(Notification { method, params }),
    })
}

/// What the error of a response says, bounded.
fn error_message(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Inner {
        message: String,
    }
    let message = serde_json::from_str::<Inner>(error.get()).map(|Inner { message }| message);
    message.unwrap_or_else(|_| "an error without a message".to_owned()).chars().take(ERROR_CHARACTERS).collect()
}

/// What can be told of a JSON text without recursion. Exact for valid JSON; for anything else the
/// parser has the last word.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    depth: usize,
    /// Elements of the outermost array or object.
    items: usize,
}

impl Shape {
    fn of(text: &[u8]) -> Self {
        let mut shape = Self::default();
        let mut depth = 0_usize;
        let mut in_string = false;
        let mut escaped = false;
        let mut anything = false;
        for byte in text {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'"' => in_string = true,
                b'[' | b'{' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                    if depth == 1 {
                        continue;
                    }
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    continue;
                }
                b',' if depth == 1 => shape.items += 1,
                _ => {}
            }
            anything |= depth >= 1;
        }
        shape.items += usize::from(anything);
        shape
    }
}

/// The text of a result: a JSON object, complete. Large ones may come in pieces, which others share, so that
/// nobody copies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    first: Bytes,
    rest: Vec<Bytes>,
}

/// Up to this many bytes a response is written as one text: to copy them costs less than to pass on pieces.
const ONE_TEXT: usize = 4 * 1024;

impl Payload {
    /// The object without members.
    pub fn empty() -> Self {
        Self { first: Bytes::from_static(b"{}"), rest: Vec::new() }
    }

    /// # Errors
    /// When the value cannot be written as JSON, which is a fault of ours.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(serde_json::to_vec(value)?.into())
    }

    /// One that is so many pieces, in their order.
    pub fn of_pieces(first: Bytes, rest: Vec<Bytes>) -> Self {
        Self { first, rest }
    }

    /// Bytes of the whole text.
    pub fn size(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    /// The whole text.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        self.pieces().for_each(|piece| out.extend_from_slice(piece));
        out
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(text: Vec<u8>) -> Self {
        Self { first: text.into(), rest: Vec::new() }
    }
}

/// What stands before the result of a response.
fn before(id: &Id, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity + 64);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    write(&mut out, id);
    out.extend_from_slice(br#","result":"#);
    out
}

/// The text of a response with a result.
pub fn result(id: &Id, payload: &Payload) -> Vec<u8> {
    let mut out = before(id, payload.size());
    payload.pieces().for_each(|piece| out.extend_from_slice(piece));
    out.push(b'}');
    out
}

/// The same in pieces, none of which was copied when it is large.
pub fn result_in_pieces(id: &Id, payload: Payload) -> Vec<Bytes> {
    if payload.size() <= ONE_TEXT {
        return vec![result(id, &payload).into()];
    }
    let Payload { first, rest: mut pieces } = payload;
    pieces.splice(..0, [before(id, 0).into(), first]);
    pieces.push(Bytes::from_static(b"}"));
    pieces
}

/// The text of a response with an error. Without a readable id there is none, as MCP's schema has it
/// since 2025-11-25.
pub fn error(id: Option<&Id>, failure: &Failure) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a Id>,
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        code: i32,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_json::Value>,
    }
    let inner = Inner { code: failure.kind.code(), message: &failure.message, data: failure.data.as_ref() };
    let mut out = Vec::with_capacity(128);
    write(&mut out, &Wire { jsonrpc: "2.0", id, error: inner });
    out
}

/// The text of a request.
pub fn request(id: &Id, method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a, P> {
        jsonrpc: &'static str,
        id: &'a Id,
        method: &'a str,
        params: &'a P,
    }
    let mut out = Vec::with_capacity(256);
    write(&mut out, &Wire { jsonrpc: "2.0", id, method, params });
    out
}

/// The text of a notification.
pub fn notification(method: &str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a, P> {
        jsonrpc: &'static str,
        method: &'a str,
        params: &'a P,
    }
    let mut out = Vec::with_capacity(128);
    write(&mut out, &Wire { jsonrpc: "2.0", method, params });
    out
}

/// Writes what cannot fail: strings, numbers and maps with string keys into memory.
fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "plain data is always JSON");
}

#[cfg(test)]
#[path = "jsonrpc_tests.rs"]
mod tests;
