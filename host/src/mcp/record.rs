//! What of MCP stands in the activity log: who opened a session, asked for the list, called a tool and how
//! that ended, and who was turned away.
//!
//! A row names what is known here (a method, a tool of the list, a kind of failure) and counts the rest. What
//! a client wrote, arguments, names that do not exist and the words of an error that may quote them, is not
//! in it; of a session's id there is a digest.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::McpState;
use super::dispatch::{Context, Era, Reply};
use super::error::{Failure, Kind};
use super::methods::Method;
use super::session::Session;
use crate::domain::activity::LogType;
use crate::domain::caller::Caller;
use crate::domain::component::Entry;
use crate::domain::digest::Digest;
use crate::domain::ids::ServerId;
use crate::domain::outcome::LogLevel;
use crate::service::Service;
use crate::service::activity::NewActivity;
use crate::service::calls::Execution;
use crate::telemetry::RequestId;

/// Characters of the digest that stands for a session.
const SESSION_CHARACTERS: usize = 16;

/// One request on its way to its answer.
pub(super) struct Record {
    service: Service,
    caller: Caller,
    request_id: RequestId,
    session: Option<String>,
    method: Method,
    /// What the rows speak of.
    subject: String,
    server_id: Option<ServerId>,
    began: Instant,
    end: Map<String, Value>,
    is_error: bool,
}

impl Record {
    /// Writes nothing yet.
    pub(super) fn of(service: &Service, context: &Context, method: Method) -> Self {
        let session = match &context.era {
            Era::Modern(_) => None,
            Era::Legacy(session) => Some(stands_for(session)),
        };
        Self {
            service: service.clone(),
            caller: context.caller.clone(),
            request_id: context.request_id.clone(),
            session,
            method,
            subject: method.as_str().to_owned(),
            server_id: None,
            began: Instant::now(),
            end: Map::new(),
            is_error: false,
        }
    }

    /// Writes that the request is here.
    pub(super) async fn begin(service: &Service, context: &Context, method: Method) -> Self {
        let record = Self::of(service, context, method);
        record.service.activity_add(record.row(LogType::McpRequest, LogLevel::Info, record.subject.clone())).await;
        record
    }

    /// Writes that a call is here, by the name under which the service knows the tool.
    pub(super) async fn begin_call(&mut self, name: &str, is_management: bool, arguments: Option<&RawValue>) {
        let known = match self.service.catalogue(&self.caller).await {
            Ok(catalogue) => catalogue.led(name).map(|led| led.server),
            // What is wrong with it is told where it is needed.
            Err(_) => None,
        };
        self.server_id = known;
        self.subject = match is_management || known.is_some() {
            true => format!("{} {name}", self.method.as_str()),
            false => format!("{} of a tool that is not there", self.method.as_str()),
        };
        let row = self.row(LogType::McpRequest, LogLevel::Info, self.subject.clone());
        self.service.activity_add(row.with("arguments_bytes", arguments.map_or(0, |raw| raw.get().len()))).await;
    }

    /// Writes that somebody wants a prompt, a resource or a completion. A URI may hold what a client wrote, and is
    /// not named.
    pub(super) async fn begin_entry(&mut self, entry: &Entry, name: &str) {
        let owner = match self.service.catalogue(&self.caller).await {
            Ok(catalogue) => catalogue.offered.owner(entry).map(|owner| owner.server),
            // What is wrong with it is told where it is needed.
            Err(_) => None,
        };
        self.server_id = owner;
        self.subject = match (owner, entry) {
            (None, _) => format!("{} of something that is not there", self.method.as_str()),
            (Some(_), Entry::Prompt { .. }) => format!("{} {name}", self.method.as_str()),
            (Some(_), _) => self.method.as_str().to_owned(),
        };
        self.service.activity_add(self.row(LogType::McpRequest, LogLevel::Info, self.subject.clone())).await;
    }

    /// Takes note of how a call ended.
    pub(super) fn called(&mut self, is_error: bool, execution: Option<&Execution>) {
        self.is_error = is_error;
        if let Some(Execution { call_id, outcome, fuel, .. }) = execution {
            self.end.insert("call_id".to_owned(), call_id.to_string().into());
            self.end.insert("outcome".to_owned(), (*outcome).into());
            self.end.insert("fuel".to_owned(), (*fuel).into());
        }
    }

    /// Writes what the client is answered, and passes it on.
    pub(super) async fn end(self, reply: Reply) -> Reply {
        let (level, end) = match &reply {
            Err(failure) => (level(failure), told(failure.kind).to_owned()),
            Ok(_) if self.is_error => (LogLevel::Warning, "answered with an error".to_owned()),
            Ok(_) => (LogLevel::Info, "answered".to_owned()),
        };
        let mut row = self.row(LogType::McpResponse, level, format!("{}: {end}", self.subject));
        row.duration = Some(self.began.elapsed());
        if let Err(failure) = &reply {
            row = row.with("code", failure.kind.code());
        }
        row.details.extend(self.end);
        self.service.activity_add(row).await;
        reply
    }

    fn row(&self, log_type: LogType, level: LogLevel, message: String) -> NewActivity {
        NewActivity {
            method: Some(self.method.as_str()),
            server_id: self.server_id,
            caller: Some(self.caller.clone()),
            session: self.session.clone(),
            request_id: Some(self.request_id.clone()),
            ..NewActivity::new(log_type, level, message)
        }
    }
}

/// Writes that a client opened a session.
pub(super) async fn opened(mcp: &McpState, request_id: &RequestId, caller: &Caller, session: &Session) {
    let client = session.agreed.client.as_deref().unwrap_or("a client without a name");
    for (log_type, message) in [
        (LogType::McpRequest, format!("initialize by {client}")),
        (LogType::McpResponse, format!("initialize: protocol version {}", session.agreed.version)),
    ] {
        let row = NewActivity {
            method: Some("initialize"),
            caller: Some(caller.clone()),
            session: Some(stands_for(session)),
            request_id: Some(request_id.clone()),
            ..NewActivity::new(log_type, LogLevel::Info, message)
        };
        mcp.dispatcher.service.activity_add(row).await;
    }
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

/// What stands for a session in rows: its id itself is as good as a key.
fn stands_for(session: &Session) -> String {
    Digest::of(session.id().as_bytes()).to_string().chars().take(SESSION_CHARACTERS).collect()
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
