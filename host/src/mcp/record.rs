//! What of MCP stands in the activity log: who opened a session, asked for the list, called a tool and how
//! that ended, and who was turned away.
//!
//! A request and its answer are one row. A row names what is known here (a method, a tool of the list, a kind of failure) and counts the rest. What
//! a client wrote, arguments, names that do not exist and the words of an error that may quote them, is not
//! in it; of a session's id there is a digest.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;

use super::McpState;
use super::dispatch::{Context, Era, Reply};
use super::error::{Failure, Kind};
use super::methods::Method;
use super::session::Session;
use crate::domain::activity::LogType;
use crate::domain::caller::Caller;
use crate::domain::component::Entry;
use crate::domain::ids::ServerId;
use crate::domain::outcome::LogLevel;
use crate::service::Service;
use crate::service::activity::NewActivity;
use crate::service::calls::Execution;
use crate::service::exchanges::{Answered, Asked, CallEnd, Exchange};
use crate::telemetry::RequestId;

/// One request on its way to its answer.
pub(super) struct Record {
    service: Service,
    caller: Caller,
    request_id: RequestId,
    session: Option<Arc<str>>,
    method: Method,
    began: Instant,
    /// Once it is written down.
    exchange: Option<Exchange>,
    call: Option<CallEnd>,
    is_error: bool,
}

/// What a request speaks of.
struct Subject {
    words: Cow<'static, str>,
    server_id: Option<ServerId>,
    arguments_bytes: Option<usize>,
}

impl Record {
    /// Writes nothing yet.
    pub(super) fn of(service: &Service, context: &Context, method: Method) -> Self {
        let session = match &context.era {
            Era::Modern(_) => None,
            Era::Legacy(session) => Some(session.stands_for()),
        };
        Self {
            service: service.clone(),
            caller: context.caller.clone(),
            request_id: context.request_id.clone(),
            session,
            method,
            began: Instant::now(),
            exchange: None,
            call: None,
            is_error: false,
        }
    }

    /// Writes that the request is here.
    pub(super) async fn begin(service: &Service, context: &Context, method: Method) -> Self {
        let mut record = Self::of(service, context, method);
        record.exchange = Some(record.begun(Subject::of(method.as_str())).await);
        record
    }

    /// Writes that a call is here, by the name under which the service knows the tool.
    pub(super) async fn begin_call(&mut self, name: &str, is_management: bool, arguments: Option<&RawValue>) {
        let known = match self.service.catalogue(&self.caller).await {
            Ok(catalogue) => catalogue.led(name).map(|led| led.server),
            // What is wrong with it is told where it is needed.
            Err(_) => None,
        };
        let method = self.method.as_str();
        let words = match is_management || known.is_some() {
            true => format!("{method} {name}"),
            false => format!("{method} of a tool that is not there"),
        };
        let arguments_bytes = Some(arguments.map_or(0, |raw| raw.get().len()));
        self.exchange = Some(self.begun(Subject { words: words.into(), server_id: known, arguments_bytes }).await);
    }

    /// Writes that somebody wants a prompt, a resource or a completion. A URI may hold what a client wrote, and is
    /// not named.
    pub(super) async fn begin_entry(&mut self, entry: &Entry, name: &str) {
        let owner = match self.service.catalogue(&self.caller).await {
            Ok(catalogue) => catalogue.offered.owner(entry).map(|owner| owner.server),
            // What is wrong with it is told where it is needed.
            Err(_) => None,
        };
        let method = self.method.as_str();
        let words = match (owner, entry) {
            (None, _) => format!("{method} of something that is not there").into(),
            (Some(_), Entry::Prompt { .. }) => format!("{method} {name}").into(),
            (Some(_), _) => method.into(),
        };
        self.exchange = Some(self.begun(Subject { words, server_id: owner, arguments_bytes: None }).await);
    }

    async fn begun(&self, subject: Subject) -> Exchange {
        let Subject { words, server_id, arguments_bytes } = subject;
        let asked = Asked {
            method: self.method.as_str(),
            subject: words,
            arguments_bytes,
            server_id,
            caller: self.caller.clone(),
            session: self.session.clone(),
            request_id: self.request_id.clone(),
        };
        self.service.exchange_begin(asked).await
    }

    /// Takes note of how a call ended.
    pub(super) fn called(&mut self, is_error: bool, execution: Option<&Execution>) {
        self.is_error = is_error;
        self.call =
            execution.map(|&Execution { call_id, outcome, fuel, .. }| CallEnd { call_id, outcome, fuel }).or(self.call);
    }

    /// Writes what the client is answered, and passes it on.
    pub(super) async fn end(mut self, reply: Reply) -> Reply {
        let (level, end) = match &reply {
            Err(failure) => (level(failure), told(failure.kind)),
            Ok(_) if self.is_error => (LogLevel::Warning, "answered with an error"),
            Ok(_) => (LogLevel::Info, "answered"),
        };
        let code = reply.as_ref().err().map(|failure| failure.kind.code());
        let answered = Answered { level, end, duration: self.began.elapsed(), code, call: self.call };
        let exchange = match self.exchange.take() {
            Some(exchange) => exchange,
            None => self.begun(Subject::of(self.method.as_str())).await,
        };
        self.service.exchange_end(exchange, answered).await;
        reply
    }
}

impl Subject {
    fn of(method: &'static str) -> Self {
        Self { words: method.into(), server_id: None, arguments_bytes: None }
    }
}

/// Writes that a client opened a session.
pub(super) async fn opened(mcp: &McpState, request_id: &RequestId, caller: &Caller, session: &Session) {
    let client = session.agreed.client.as_deref().unwrap_or("a client without a name");
    let message = format!("initialize by {client}: protocol version {}", session.agreed.version);
    let row = NewActivity {
        method: Some("initialize"),
        caller: Some(caller.clone()),
        session: Some(session.stands_for()),
        request_id: Some(request_id.clone()),
        ..NewActivity::new(LogType::McpResponse, LogLevel::Info, message)
    };
    mcp.dispatcher.service.activity_add(row).await;
}

/// Writes that a message of a known caller could not be read or served.
pub(super) async fn refused(mcp: &McpState, caller: Caller, request_id: RequestId, failure: &Failure) {
    let row = NewActivity {
        caller: Some(caller),
        request_id: Some(request_id),
        ..NewActivity::new(LogType::Error, level(failure), format!("a message was not served: {}", told(failure.kind)))
    };
    mcp.dispatcher.service.activity_add(row.with("code", failure.kind.code())).await;
}

/// Writes that somebody was turned away before their message was read, unless that happens too often.
pub(super) async fn turned_away(mcp: &McpState, peer: SocketAddr, request_id: &RequestId, failure: &Failure) {
    let (log_type, level) = match level(failure) {
        LogLevel::Error => (LogType::Error, LogLevel::Error),
        level => (LogType::Alert, level),
    };
    let row = NewActivity {
        from: Some(peer.ip()),
        request_id: Some(request_id.clone()),
        ..NewActivity::new(log_type, level, format!("an MCP client was turned away: {}", told(failure.kind)))
    };
    mcp.dispatcher.service.refusal_add(row).await;
}

fn level(failure: &Failure) -> LogLevel {
    if failure.kind == Kind::Internal { LogLevel::Error } else { LogLevel::Warning }
}

/// A failure in words that quote nobody.
fn told(kind: Kind) -> &'static str {
    match kind {
        Kind::Parse => "it is not JSON",
        Kind::InvalidRequest => "it is no valid request",
        Kind::MethodNotFound => "the method is not known here",
        Kind::InvalidParams => "its parameters do not fit",
        Kind::ResourceUnknown => "there is no such resource",
        Kind::GuestFailed => "the guest failed",
        Kind::InvalidMeta => "its `_meta` lacks what it must have",
        Kind::Internal => "the host failed",
        Kind::HeaderMismatch => "its headers and its body differ",
        Kind::MissingCapability => "the client lacks a capability",
        Kind::UnsupportedVersion => "the protocol version is not spoken here",
        Kind::TooLarge => "it is too large",
        Kind::TooSlow => "it did not arrive in time",
        Kind::MediaType => "its body is not JSON by its content type",
        Kind::NotAcceptable => "the client accepts no answer of ours",
        Kind::MethodNotAllowed => "the HTTP method is not taken here",
        Kind::SessionMissing => "it names no session",
        Kind::SessionUnknown => "its session is not known here",
        Kind::AddressUnknown => "it names no server that runs",
        Kind::Unauthenticated => "it shows no valid credential",
        Kind::Forbidden => "it comes from where nobody may ask, or asks for what is not allowed",
        Kind::RateLimited => "the caller asks too often",
        Kind::Busy => "there was no place for it",
    }
}
