//! Requests of MCP clients on their way to their answers: each is one row of the activity log.
//!
//! A request is handed to the writer of the log when it begins, and its row is made when its batch is due, 50 ms
//! later at most. What is answered by then has one row from the start. What takes longer has a row that says so,
//! which is written over when the answer is there; if it never comes, because the client went away or the
//! process was killed, the row stays as it is and tells of that.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Service;
use super::activity::{self, Made};
use super::activity_log::Row;
use crate::db::Address;
use crate::db::activity_logs::ActivityLog;
use crate::domain::activity::LogType;
use crate::domain::caller::Caller;
use crate::domain::ids::{ActivityId, CallId, ServerId};
use crate::domain::outcome::LogLevel;
use crate::domain::text::Text;
use crate::telemetry::RequestId;

/// What a client wants.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of the protocol.
    pub method: &'static str,
    /// What the row speaks of, in our own words.
    pub subject: Cow<'static, str>,
    pub arguments_bytes: Option<usize>,
    pub server_id: Option<ServerId>,
    pub caller: Caller,
    /// What stands for the session; never its id.
    pub session: Option<Arc<str>>,
    pub request_id: RequestId,
}

/// How a request was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub level: LogLevel,
    /// In our own words, behind what the row speaks of.
    pub end: &'static str,
    pub duration: Duration,
    /// Of an error of the protocol.
    pub code: Option<i32>,
    /// Of the call that was made for it.
    pub call: Option<CallEnd>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallEnd {
    pub call_id: CallId,
    pub outcome: &'static str,
    pub fuel: u64,
}

/// A request that has begun.
#[must_use = "its row says that it is not answered until `exchange_end` is told how it was"]
pub struct Exchange(Arc<Shared>);

/// What the writer and those who answer have in common.
pub(super) struct Shared {
    id: ActivityId,
    at: DateTime<Utc>,
    asked: Asked,
    progress: Mutex<Progress>,
}

enum Progress {
    /// No row is made yet.
    Waiting,
    /// Nor now, but the row will tell all.
    Answered(Answered),
    /// A row is made.
    Told,
}

/// Facts of a row.
#[derive(Default, PartialEq, Serialize)]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl Facts {
    fn text(&self) -> Text {
        if *self == Self::default() {
            return "{}".into();
        }
        // Numbers and plain words: it is always JSON.
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

impl Service {
    /// Takes note of a request. Waits when too many rows are on their way.
    pub async fn exchange_begin(&self, asked: Asked) -> Exchange {
        let (id, at, progress) = (ActivityId::new(), self.clock().now(), Mutex::new(Progress::Waiting));
        let begun = Arc::new(Shared { id, at, asked, progress });
        self.0.activity.push(Made::Asked(Arc::clone(&begun))).await;
        Exchange(begun)
    }

    /// Takes note of its answer.
    pub async fn exchange_end(&self, Exchange(begun): Exchange, answered: Answered) {
        if let Some(answered) = begun.answer(answered) {
            self.0.activity.push(Made::Answered(begun, Box::new(answered))).await;
        }
    }
}

impl Shared {
    /// Keeps the answer for the row, or gives it back when there is a row already.
    fn answer(&self, answered: Answered) -> Option<Answered> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*progress, Progress::Told) {
            return Some(answered);
        }
        *progress = Progress::Answered(answered);
        None
    }

    /// The row of a request, with its answer if there is one by now.
    pub(super) fn row(&self) -> Row {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *progress, Progress::Told) {
            Progress::Answered(answered) => Row::New(self.log(Some(&answered))),
            Progress::Waiting | Progress::Told => Row::New(self.log(None)),
        }
    }

    /// What is written over a row that had to say that there was no answer.
    pub(super) fn answered_row(&self, answered: &Answered) -> Row {
        Row::Answered(self.log(Some(answered)))
    }

    fn log(&self, answered: Option<&Answered>) -> ActivityLog {
        let Asked { method, subject, arguments_bytes, server_id, caller, session, request_id } = &self.asked;
        let end = answered.map(|answered| answered.end);
        let mut message = String::with_capacity(subject.len() + end.map_or(0, |end| end.len() + 2));
        message.push_str(subject);
        if let Some(end) = end {
            // To a text nothing fails to be written.
            let _ = write!(message, ": {end}");
        }
        let call = answered.and_then(|answered| answered.call);
        let facts = Facts {
            arguments_bytes: *arguments_bytes,
            call_id: call.map(|call| call.call_id),
            code: answered.and_then(|answered| answered.code),
            fuel: call.map(|call| call.fuel),
            outcome: call.map(|call| call.outcome),
        };
        ActivityLog {
            id: self.id,
            at: self.at,
            log_type: if answered.is_some() { LogType::McpResponse } else { LogType::McpRequest },
            level: answered.map_or(LogLevel::Info, |answered| answered.level),
            message: activity::line(message),
            details: facts.text(),
            method: Some((*method).into()),
            server_id: *server_id,
            caller: Some(activity::name_of(caller)),
            session: session.clone().map(Text::from),
            from_address: caller.from.map(Address),
            request_id: Some(request_id.shared().into()),
            duration_us: answered.map(|answered| activity::micros(answered.duration)),
        }
    }
}
