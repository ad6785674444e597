//! Calls that became tasks: what their callers may fetch of them, answer in them and cancel.
//!
//! A task is its caller's alone; to anybody else it does not exist. Its row is written before its caller hears
//! of it, says all that there is to say, and is what every process on the database goes by: the process that
//! runs the call looks at it, and says in it that it is still there. When that process is not heard of any
//! more, the task has failed. A task never expires while it is run; what came of it is kept for a while.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::request_state::Answers;
use super::{Error, Service};
use crate::crypto::vault::Context;
use crate::db::Tx;
use crate::db::tasks::{self as rows, Task as Row};
use crate::domain::caller::Caller;
use crate::domain::client::{Question, Said};
use crate::domain::ids::TaskId;
use crate::domain::task::TaskStatus;
use crate::events::Notice;

/// Rows deleted in one transaction.
const AT_ONCE: u64 = 500;
/// JSON-RPC's code for a fault that is not the caller's.
const INTERNAL: i32 = -32603;

/// A task as its caller sees it.
#[derive(Clone, Debug)]
pub struct TaskView {
    pub id: TaskId,
    pub status: TaskStatus,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub ttl_ms: u64,
    /// What has no answer yet.
    pub open: Vec<Question>,
    /// Of one that is over: the result, or the error.
    pub end: Option<Box<RawValue>>,
}

/// What came of a task: the members of the result, or of the error.
#[derive(Debug)]
pub struct TaskEnd {
    pub status: TaskStatus,
    pub json: Option<Box<RawValue>>,
}

/// What whoever runs a task has to know.
#[derive(Debug)]
pub struct TaskNews {
    /// Its caller cancelled it, or it was given up: nobody waits for what it brings.
    pub is_over: bool,
    /// All that were given so far.
    pub answers: Answers,
}

/// What is sealed.
#[derive(Default, Serialize, Deserialize)]
struct Content {
    open: Vec<Question>,
    answers: Answers,
    end: Option<Box<RawValue>>,
}

impl TaskEnd {
    /// One that has no answer, for a reason that is not the caller's.
    pub fn failed(message: &str) -> Self {
        Self::error(INTERNAL, message, None)
    }

    pub fn error(code: i32, message: &str, data: Option<&serde_json::Value>) -> Self {
        let mut error = serde_json::json!({"code": code, "message": message});
        if let (Some(members), Some(data)) = (error.as_object_mut(), data) {
            members.insert("data".to_owned(), data.clone());
        }
        Self { status: TaskStatus::Failed, json: serde_json::value::to_raw_value(&error).ok() }
    }
}

impl Service {
    /// Makes a task of a running call. None when its caller has as many as may be.
    pub async fn task_create(&self, caller: &Caller, tool_name: &str) -> Result<Option<TaskView>, Error> {
        let now = self.clock().now();
        let owner = caller.principal();
        let tx = self.db().begin_rows().await?;
        if rows::count(&tx, &owner, now).await? >= self.limits().tasks_per_caller {
            return Ok(None);
        }
        let id = TaskId::new();
        let alive_until = self.task_lease(now);
        let row = Row {
            id,
            owner,
            tool_name: tool_name.to_owned(),
            status: TaskStatus::Working,
            content: self.task_seal(id, &Content::default())?,
            created_at: now,
            updated_at: now,
            alive_until,
            expires_at: self.task_kept(alive_until),
        };
        rows::insert(&tx, row.clone()).await?;
        tx.commit().await?;
        Ok(Some(view(&row, Content::default())))
    }

    /// # Errors
    /// [`Error::NotFound`] when this caller has no such task, or no more.
    pub async fn task_get(&self, caller: &Caller, id: TaskId) -> Result<TaskView, Error> {
        let now = self.clock().now();
        let row = there(rows::of_owner(self.db(), &caller.principal(), id).await?, id, now)?;
        if row.is_lost(now) {
            let (tx, row, content) = self.task_locked(caller, id).await?;
            if row.is_lost(now) {
                let end = TaskEnd::failed("the process that ran this task has stopped; call the tool again");
                return self.task_over(tx, row, end).await;
            }
            return Ok(view(&row, content));
        }
        let content = self.task_open(&row)?;
        Ok(view(&row, content))
    }

    /// Takes answers; what nobody asked for, or what has not the shape of an answer, is not taken.
    ///
    /// # Errors
    /// As [`task_get`](Self::task_get).
    pub async fn task_update(
        &self,
        caller: &Caller,
        id: TaskId,
        answers: BTreeMap<String, Box<RawValue>>,
    ) -> Result<(), Error> {
        let (tx, mut row, mut content) = self.task_locked(caller, id).await?;
        let mut answers = answers;
        let mut open = Vec::new();
        for question in std::mem::take(&mut content.open) {
            match answers.remove(&question.key).filter(|answer| question.is_answered_by(answer)) {
                Some(answer) => {
                    content.answers.insert(question.key, Said::Result(answer));
                }
                None => open.push(question),
            }
        }
        content.open = open;
        if row.status == TaskStatus::InputRequired && content.open.is_empty() {
            row.status = TaskStatus::Working;
        }
        if !row.status.is_over() {
            self.task_write(tx, row, &content).await?;
        }
        Ok(())
    }

    /// Cancels a task; one that is over stays as it is.
    ///
    /// # Errors
    /// As [`task_get`](Self::task_get).
    pub async fn task_cancel(&self, caller: &Caller, id: TaskId) -> Result<(), Error> {
        let (tx, row, _) = self.task_locked(caller, id).await?;
        if !row.status.is_over() {
            self.task_over(tx, row, TaskEnd { status: TaskStatus::Cancelled, json: None }).await?;
        }
        Ok(())
    }

    /// Puts the questions of a guest that waits; none, when it has waited for long enough and goes on. For whoever
    /// runs it.
    pub async fn task_ask(&self, caller: &Caller, id: TaskId, questions: Vec<Question>) -> Result<(), Error> {
        let (tx, mut row, mut content) = self.task_locked(caller, id).await?;
        if !row.status.is_over() {
            row.status = if questions.is_empty() { TaskStatus::Working } else { TaskStatus::InputRequired };
            content.open = questions;
            self.task_write(tx, row, &content).await?;
        }
        Ok(())
    }

    /// Says that the task is being run, so that it does not expire, and learns what its caller said. For whoever
    /// runs it.
    ///
    /// # Errors
    /// As [`task_get`](Self::task_get): whatever comes of it reaches nobody any more.
    pub async fn task_news(&self, caller: &Caller, id: TaskId) -> Result<TaskNews, Error> {
        let now = self.clock().now();
        let mut row = there(rows::of_owner(self.db(), &caller.principal(), id).await?, id, now)?;
        let alive_until = self.task_lease(now);
        if row.alive_until < now + (alive_until - now) / 2 && !row.status.is_over() {
            let (tx, locked, _) = self.task_locked(caller, id).await?;
            row = locked;
            if !row.status.is_over() {
                row = Row { alive_until, expires_at: self.task_kept(alive_until), ..row };
                rows::update(&tx, row.clone()).await?;
                tx.commit().await?;
            }
        }
        let answers = self.task_open(&row)?.answers;
        Ok(TaskNews { is_over: row.status.is_over(), answers })
    }

    /// Ends a task, unless it was ended otherwise. For whoever ran it.
    pub async fn task_end(&self, caller: &Caller, id: TaskId, end: TaskEnd) -> Result<(), Error> {
        let (tx, row, _) = self.task_locked(caller, id).await?;
        if !row.status.is_over() {
            self.task_over(tx, row, end).await?;
        }
        Ok(())
    }

    /// Runs what belongs to calls; the process waits for it when it stops.
    pub fn beside_calls(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.parts.calls.spawn(work.instrument(tracing::Span::current()));
    }

    /// Deletes tasks that have expired. Answers how many.
    pub async fn tasks_prune(&self, stop: &CancellationToken) -> Result<u64, Error> {
        let mut deleted = 0;
        while !stop.is_cancelled() {
            let tx = self.db().begin_rows().await?;
            let some = rows::delete_expired(&tx, self.clock().now(), AT_ONCE).await?;
            tx.commit().await?;
            deleted += some;
            if some < AT_ONCE {
                break;
            }
        }
        Ok(deleted)
    }

    /// Until when whoever runs a task is believed to be there that says so now.
    fn task_lease(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        after(now, self.limits().task_lease_s)
    }

    /// Until when a task is kept that ends then.
    fn task_kept(&self, end: DateTime<Utc>) -> DateTime<Utc> {
        after(end, self.limits().task_ttl_s)
    }

    async fn task_locked(&self, caller: &Caller, id: TaskId) -> Result<(Tx, Row, Content), Error> {
        let now = self.clock().now();
        let tx = self.db().begin_rows().await?;
        let row = there(rows::lock(&tx, &caller.principal(), id).await?, id, now)?;
        let content = self.task_open(&row)?;
        Ok((tx, row, content))
    }

    /// Nothing is kept of an ended task but its end; that as long as any, however long it ran.
    async fn task_over(&self, tx: Tx, mut row: Row, end: TaskEnd) -> Result<TaskView, Error> {
        row.status = end.status;
        row.expires_at = row.expires_at.max(self.task_kept(self.clock().now()));
        let content = Content { end: end.json, ..Content::default() };
        let row = self.task_write(tx, row, &content).await?;
        Ok(view(&row, content))
    }

    async fn task_write(&self, tx: Tx, row: Row, content: &Content) -> Result<Row, Error> {
        let row = Row { content: self.task_seal(row.id, content)?, updated_at: self.clock().now(), ..row };
        rows::update(&tx, row.clone()).await?;
        tx.commit().await?;
        self.0.events.notice(Notice::TaskChanged { id: row.id, owner: row.owner.clone() });
        Ok(row)
    }

    fn task_seal(&self, id: TaskId, content: &Content) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(content).map_err(|error| Error::internal("writing a task", error))?;
        let row = id.to_string();
        Ok(self.vault().seal(&Context { table: "tasks", row: &row, column: "content" }, &text))
    }

    fn task_open(&self, row: &Row) -> Result<Content, Error> {
        let id = row.id.to_string();
        let text = self.vault().open(&Context { table: "tasks", row: &id, column: "content" }, &row.content);
        let text = text.map_err(|error| Error::internal("opening a task", error))?;
        serde_json::from_slice(&text).map_err(|error| Error::internal("reading a task", error))
    }
}

impl Row {
    /// Whether nobody runs it who should.
    fn is_lost(&self, now: DateTime<Utc>) -> bool {
        !self.status.is_over() && self.alive_until < now
    }
}

/// The row, unless it has expired.
fn there(row: Option<Row>, id: TaskId, now: DateTime<Utc>) -> Result<Row, Error> {
    row.filter(|row| now < row.expires_at).ok_or_else(|| unknown(id))
}

fn after(at: DateTime<Utc>, seconds: u64) -> DateTime<Utc> {
    let later = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
    at.checked_add_signed(later.unwrap_or(TimeDelta::MAX)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn unknown(id: TaskId) -> Error {
    Error::not_found("task", id.to_string(), "it may have expired")
}

fn view(row: &Row, content: Content) -> TaskView {
    let ttl = row.expires_at.signed_duration_since(row.created_at).num_milliseconds();
    TaskView {
        id: row.id,
        status: row.status,
        created_at: row.created_at,
        updated_at: row.updated_at,
        ttl_ms: u64::try_from(ttl).unwrap_or_default(),
        open: content.open,
        end: content.end,
    }
}
