//! Calls of modern clients that become tasks: because the guest says that it takes long, or because it does.
//!
//! A call becomes a task once, and only before its guest has asked something that was answered with another
//! call. From then on the connection no longer matters: the guest goes on, waits for answers where it asks, and
//! what comes of it is kept for a while. A guest never goes on for a task that nobody can fetch any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Map;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::about::{self, Modern};
use super::asking::{Retried, held};
use super::call::InputRequests;
use super::dispatch::{Context, Dispatcher};
use super::error::Failure;
use super::jsonrpc::{Params, Payload};
use crate::domain::caller::Caller;
use crate::domain::ids::TaskId;
use crate::domain::task::TaskStatus;
use crate::mcp::error::Kind;
use crate::service::Error;
use crate::service::tasks::{TaskEnd, TaskView};

/// How often a client may ask how a task goes.
const POLL_MS: u64 = 500;
/// How often whoever runs a task looks at what its caller said to another process, if not more often: four times in
/// the time for which it is believed to be there.
const LOOK: Duration = Duration::from_secs(2);
/// `resultType` of what a call is answered that became a task.
const TASK: &str = "task";

/// The tasks that this process runs; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<HashMap<TaskId, Arc<Notify>>>>);

/// A task that runs here; forgotten when this is dropped.
struct Runs {
    tasks: Tasks,
    id: TaskId,
    said: Arc<Notify>,
}

impl Drop for Runs {
    fn drop(&mut self) {
        held(&self.tasks.0).remove(&self.id);
    }
}

impl Tasks {
    fn enter(&self, id: TaskId) -> Runs {
        let said = Arc::new(Notify::new());
        held(&self.0).insert(id, Arc::clone(&said));
        Runs { tasks: self.clone(), id, said }
    }

    /// Lets whoever runs the task here look at what its caller said.
    pub(super) fn nudge(&self, id: TaskId) {
        if let Some(said) = held(&self.0).get(&id) {
            said.notify_one();
        }
    }
}

/// Runs a task to its end and keeps what came of it. The guest of one that is over before it, or that is not there
/// any more, is stopped.
pub(super) async fn follow(
    dispatcher: Dispatcher,
    caller: Caller,
    id: TaskId,
    client: Arc<Retried>,
    cancel: CancellationToken,
    work: impl Future<Output = TaskEnd> + Send,
) {
    let runs = dispatcher.tasks.enter(id);
    let service = &dispatcher.service;
    let look = LOOK.min(Duration::from_secs(service.limits().task_lease_s) / 4);
    tokio::pin!(work);
    let end = loop {
        tokio::select! {
            end = &mut work => break end,
            questions = client.parked() => {
                // That it is not there any more is seen below.
                if let Err(error) = service.task_ask(&caller, id, questions).await
                    && !matches!(error, Error::NotFound { .. })
                {
                    tracing::error!(task = %id, %error, "the questions of a task could not be kept; ending it");
                    cancel.cancel();
                }
            }
            () = runs.said.notified() => {}
            () = tokio::time::sleep(look) => {}
        }
        match service.task_news(&caller, id).await {
            Ok(news) => {
                if news.is_over {
                    cancel.cancel();
                }
                client.bring(news.answers);
            }
            Err(Error::NotFound { .. }) => {
                tracing::warn!(task = %id, "a task is not there any more; stopping its guest");
                cancel.cancel();
                work.await;
                return;
            }
            Err(error) => tracing::warn!(task = %id, %error, "a task could not be looked at; trying again"),
        }
    };
    if let Err(error) = service.task_end(&caller, id, end).await {
        tracing::error!(task = %id, %error, "what came of a task could not be kept");
    }
}

/// `CreateTaskResult`.
pub(super) fn created(task: &TaskView) -> Result<Payload, serde_json::Error> {
    Payload::of(&Modern::new(Detailed::of(task), TASK))
}

/// `DetailedTask`, as a result and as a notification have it. What guests wrote stays as it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detailed<'a> {
    task_id: TaskId,
    status: TaskStatus,
    /// Why it failed, where its client looks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    created_at: String,
    last_updated_at: String,
    ttl_ms: u64,
    poll_interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_requests: Option<InputRequests<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
}

impl<'a> Detailed<'a> {
    pub(super) fn of(task: &'a TaskView) -> Self {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let end_of = |status| task.end.as_deref().filter(|_| task.status == status);
        let error = end_of(TaskStatus::Failed);
        Self {
            task_id: task.id,
            status: task.status,
            status_message: error.and_then(message_of),
            created_at: time(task.created_at),
            last_updated_at: time(task.updated_at),
            ttl_ms: task.ttl_ms,
            poll_interval_ms: POLL_MS,
            input_requests: (task.status == TaskStatus::InputRequired).then_some(InputRequests(&task.open)),
            result: end_of(TaskStatus::Completed),
            error,
        }
    }
}

/// What a JSON-RPC error says.
fn message_of(error: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Error {
        message: String,
    }
    serde_json::from_str(error.get()).ok().map(|Error { message }| message)
}

/// The task that the parameters name, for a client that follows tasks.
///
/// # Errors
/// -32021 for a client that does not; -32602 for what is no task's id.
pub(super) fn named(context: &Context, params: &Params) -> Result<TaskId, Failure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        task_id: String,
    }
    context.must_follow_tasks()?;
    let Named { task_id } = super::methods::read(params)?;
    task_id.parse().map_err(|_| unknown(&task_id))
}

/// -32602: there is no such task for this caller.
pub(super) fn unknown(id: &str) -> Failure {
    let message = format!("there is no task `{}`; it may have expired", super::error::shorten(id));
    Failure::new(Kind::InvalidParams, message)
}

/// An empty answer.
pub(super) fn acknowledged(context: &Context) -> Result<Payload, Failure> {
    let mut members = Map::new();
    about::complete(&mut members);
    Payload::of(&members).map_err(|_| Failure::internal(&context.request_id))
}
