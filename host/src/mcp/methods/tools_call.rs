//! `tools/call`: runs a management tool or a guest and tells what came of it.
//!
//! A guest's failure, and arguments that do not fit, are results with `isError`, so that the model
//! reads them; a name that nobody knows is a protocol error that says what to do, unless it came through
//! `mcpbox_call_tool`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::component::Entry;
use crate::domain::content::{Content, ToolResult};
use crate::domain::task::TaskStatus;
use crate::mcp::about::{COMPLETE, ResultMeta};
use crate::mcp::asking::Retried;
use crate::mcp::call::{Again, Call, lacks, words};
use crate::mcp::call_through;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind, Told, tell};
use crate::mcp::fit::fit;
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::manage::{self, Answered};
use crate::mcp::methods::Method;
use crate::mcp::nearest::{nearest, not_there};
use crate::mcp::outbox::events_of_a_call;
use crate::mcp::record::Record;
use crate::mcp::spoken::Spoken;
use crate::mcp::tasks::{created, follow};
use crate::mcp::uris::placed;
use crate::service::Error;
use crate::service::calls::{CallAnswer, End, Execution};
use crate::service::tasks::{TaskEnd, TaskView};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// `CallToolRequestParams`; what else is in it is for others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    name: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_state: Option<&'a RawValue>,
}

/// The name and the arguments of a call, and what it brings when it is made again.
///
/// # Errors
/// -32602 when there is no name, or arguments that are no object.
fn read(params: &Params) -> Result<(String, Option<Box<RawValue>>, Again<'_>), Failure> {
    let text = params.as_deref().map_or("{}", RawValue::get);
    let invalid = |message: String| Failure::new(Kind::InvalidParams, message);
    let Named { name, arguments, input_responses, request_state } =
        serde_json::from_str(text).map_err(|error| invalid(format!("`params`: {error}")))?;
    if arguments.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(invalid("`params.arguments` must be an object".to_owned()));
    }
    Ok((name, arguments.map(ToOwned::to_owned), Again { input_responses, request_state }))
}

/// # Errors
/// -32602 for a name that nobody knows, and what only the client's program can mend.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let mut record = Record::of(&dispatcher.service, context, Method::ToolsCall);
    let reply = call(dispatcher, context, params, &mut record).await;
    record.end(reply).await
}

async fn call(dispatcher: &Dispatcher, context: &Context, params: &Params, record: &mut Record) -> Reply {
    let (mut name, mut arguments, again) = read(params)?;
    let goes_through = context.scope.has_management() && name == call_through::NAME;
    if goes_through {
        match call_through::inner(arguments.as_deref()) {
            Ok(inner) => (name, arguments) = inner,
            Err(message) => {
                record.begin_call(&name, true, arguments.as_deref()).await;
                return said(context, message, record);
            }
        }
    }
    let shown = dispatcher.service.shown(&context.caller).await;
    let shown = shown.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    let management = manage::find(&name)
        .filter(|tool| context.scope.has_management() && (shown.management || manage::is_meta(tool.name)));
    let full_name = context.scope.full_name(&name).unwrap_or_default().into_owned();
    record.begin_call(&full_name, management.is_some(), arguments.as_deref()).await;
    if let Some(tool) = management {
        let answered = manage(dispatcher, context, tool, arguments.as_deref()).await;
        return match answered {
            Ok(Answered { result, is_error, execution }) => {
                record.called(is_error, execution.as_ref());
                write(context, result, is_error, execution.as_ref())
            }
            Err(error) => mend(context, error, record),
        };
    }
    let call = Call::new(dispatcher, context, again, Entry::Tool(full_name.clone()), arguments).await?;
    let answered = match call.follower() {
        None => call.run(dispatcher, context).await,
        Some(client) => match run_or_follow(dispatcher, context, &call, &full_name, client).await {
            Ran::Answered(answered) => answered,
            Ran::Task(task) => {
                record.called(false, None);
                return created(&task).map_err(|_| Failure::internal(&context.request_id));
            }
        },
    };
    match answered {
        Ok(answer) => match call.protocol_reply(dispatcher, context, &answer) {
            Ok(Some(reply)) => {
                record.called(answer.is_error, Some(&answer.execution));
                reply
            }
            Ok(None) => {
                record.called(answer.is_error, Some(&answer.execution));
                told(context, answer)
            }
            Err(error) => mend(context, error, record),
        },
        Err(Error::NotFound { .. }) => {
            let message = unknown(dispatcher, context, &name, shown.management).await;
            if goes_through { said(context, message, record) } else { Err(Failure::new(Kind::InvalidParams, message)) }
        }
        Err(error) => mend(context, error, record),
    }
}

/// What came of a call that may become a task.
enum Ran {
    Answered(Result<CallAnswer, Error>),
    Task(TaskView),
}

/// Runs a call, and makes a task of it when its guest wants that, or when it takes long.
async fn run_or_follow(
    dispatcher: &Dispatcher,
    context: &Context,
    call: &Call,
    name: &str,
    client: Arc<Retried>,
) -> Ran {
    // Of its own: a task does not end with its request.
    let cancel = CancellationToken::new();
    let mut work = Box::pin(call.running(dispatcher, context, cancel.clone()));
    let long = tokio::time::sleep(Duration::from_millis(dispatcher.service.limits().task_after_ms));
    tokio::pin!(long);
    let mut may_wait = true;
    loop {
        tokio::select! {
            biased;
            answered = &mut work => return Ran::Answered(answered),
            () = context.cancel.cancelled() => {
                cancel.cancel();
                return Ran::Answered(work.await);
            }
            () = client.wanted() => {}
            () = &mut long, if may_wait => {
                may_wait = false;
                if !client.want() {
                    continue;
                }
            }
        }
        match dispatcher.service.task_create(&context.caller, name).await {
            Ok(Some(task)) => {
                client.decide(true);
                let aside = context.aside();
                let ended = async move { end_of(&aside, work.await) };
                let (caller, id) = (context.caller.clone(), task.id);
                dispatcher.service.beside_calls(follow(dispatcher.clone(), caller, id, client, cancel, ended));
                return Ran::Task(task);
            }
            Ok(None) => client.decide(false),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a task could not be kept; it stays a call");
                client.decide(false);
            }
        }
    }
}

/// What is kept of a task. A tool that failed has completed; a guest that broke, or was stopped, has not.
fn end_of(context: &Context, answered: Result<CallAnswer, Error>) -> TaskEnd {
    let completed = |reply: Reply| match reply {
        Ok(payload) => {
            let json = String::from_utf8(payload.text()).ok().and_then(|text| RawValue::from_string(text).ok());
            TaskEnd { status: TaskStatus::Completed, json }
        }
        Err(Failure { kind, message, data, .. }) => TaskEnd::error(kind.code(), &message, data.as_ref()),
    };
    match answered {
        Ok(answer) => match answer.end {
            End::Trapped => TaskEnd::failed(&words(&answer)),
            End::MissingAbilities(missing) => completed(Err(lacks(missing))),
            End::Cancelled => TaskEnd::failed("the task was stopped before it ended; call the tool again"),
            _ => completed(told(context, answer)),
        },
        Err(error) => match tell(error, &context.request_id) {
            // It never began: the host was full, or is going down.
            Told::Client(failure) if failure.kind == Kind::Busy => TaskEnd::failed(&failure.message),
            Told::Client(failure) => completed(Err(failure)),
            Told::Model(text) => completed(wrong(context, text)),
        },
    }
}

async fn manage(
    dispatcher: &Dispatcher,
    context: &Context,
    tool: &manage::Tool,
    arguments: Option<&RawValue>,
) -> Result<Answered, Error> {
    let (events, spoken) = Spoken::of(context, events_of_a_call(dispatcher.service.limits()));
    let call = manage::Call {
        service: &dispatcher.service,
        caller: &context.caller,
        request_id: &context.request_id,
        cancel: &context.cancel,
        events,
    };
    let answered = tool.call(call, arguments);
    match spoken {
        None => answered.await,
        Some(spoken) => spoken.while_waiting(answered).await,
    }
}

/// An error that a model can mend is a result that says how.
fn mend(context: &Context, error: Error, record: &mut Record) -> Reply {
    match tell(error, &context.request_id) {
        Told::Client(failure) => Err(failure),
        Told::Model(text) => said(context, text, record),
    }
}

/// What is wrong, for a model to read, of a call that is recorded.
fn said(context: &Context, text: String, record: &mut Record) -> Reply {
    record.called(true, None);
    wrong(context, text)
}

fn wrong(context: &Context, text: String) -> Reply {
    let result = ToolResult { content: vec![Content::text(text)], structured_content: None };
    write(context, result, true, None)
}

/// What a guest answered.
fn told(context: &Context, answer: CallAnswer) -> Reply {
    let CallAnswer { result, is_error, uris_of, execution, .. } = answer;
    let content = placed(result.content, &context.scope, uris_of.as_deref());
    write(context, ToolResult { content, ..result }, is_error, Some(&execution))
}

/// `CallToolResult`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    content: &'a [Content],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
    is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "ResultMeta::is_empty")]
    meta: ResultMeta<'a>,
}

fn write(context: &Context, result: ToolResult, is_error: bool, execution: Option<&Execution>) -> Reply {
    let ToolResult { content, structured_content } = fit(result, context.version());
    let modern = context.is_modern();
    let written = Written {
        content: &content,
        structured_content: structured_content.as_deref(),
        is_error,
        result_type: modern.then_some(COMPLETE),
        meta: ResultMeta::new(modern, execution),
    };
    Payload::of(&written).map_err(|_| Failure::internal(&context.request_id))
}

async fn unknown(dispatcher: &Dispatcher, context: &Context, name: &str, shows_management: bool) -> String {
    let listing = dispatcher.listings.current(&dispatcher.service, &context.caller, &context.scope).await.ok();
    let near = listing.iter().find_map(|listing| nearest(name, listing.names(shows_management)));
    not_there("tool", name, "tools/list", near)
}
