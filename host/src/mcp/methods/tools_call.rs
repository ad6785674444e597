//! `tools/call`: runs a management tool or a guest and tells what came of it.
//!
//! A guest's failure, and arguments that do not fit, are results with `isError`, so that the model
//! reads them; a name that nobody knows is a protocol error that says what to do.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::domain::content::{Content, ToolResult};
use crate::domain::outcome::{GuestEvent, LogLevel, LogLine, Progress};
use crate::mcp::about::{COMPLETE, ResultMeta};
use crate::mcp::call_through;
use crate::mcp::dispatch::{Context, Dispatcher, Outbox, Reply, events_of_a_call};
use crate::mcp::error::{Failure, Kind, Told, shorten, tell};
use crate::mcp::fit::fit;
use crate::mcp::jsonrpc::{Id, Params, Payload};
use crate::mcp::manage::{self, Answered};
use crate::mcp::meta::Threshold;
use crate::mcp::methods::Method;
use crate::mcp::nearest::nearest;
use crate::mcp::record::Record;
use crate::service::Error;
use crate::service::calls::{CallRequest, Execution};

/// `CallToolRequestParams`; what else is in it is for others.
#[derive(Deserialize)]
struct Call<'a> {
    name: String,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// The name and the arguments of a call.
///
/// # Errors
/// -32602 when there is no name, or arguments that are no object.
fn read(params: &Params) -> Result<(String, Option<Box<RawValue>>), Failure> {
    let text = params.as_deref().map_or("{}", RawValue::get);
    let invalid = |message: String| Failure::new(Kind::InvalidParams, message);
    let Call { name, arguments } = serde_json::from_str(text).map_err(|error| invalid(format!("`params`: {error}")))?;
    if arguments.is_some_and(|raw| !raw.get().starts_with('{')) {
        return Err(invalid("`params.arguments` must be an object".to_owned()));
    }
    Ok((name, arguments.map(ToOwned::to_owned)))
}

/// # Errors
/// -32602 for a name that nobody knows, and what only the client's program can mend.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let mut record = Record::of(&dispatcher.service, context, Method::ToolsCall);
    let reply = call(dispatcher, context, params, &mut record).await;
    record.end(reply).await
}

async fn call(dispatcher: &Dispatcher, context: &Context, params: &Params, record: &mut Record) -> Reply {
    let (mut name, mut arguments) = read(params)?;
    if context.scope.has_management() && name == call_through::NAME {
        (name, arguments) = call_through::inner(arguments.as_deref())?;
    }
    let shown = dispatcher.service.shown(&context.caller).await;
    let shown = shown.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    let management = manage::find(&name)
        .filter(|tool| context.scope.has_management() && (shown.management || manage::is_meta(tool.name)));
    let full_name = context.scope.full_name(&name).unwrap_or_default().into_owned();
    record.begin_call(&full_name, management.is_some(), arguments.as_deref()).await;
    let (events, spoken) = Spoken::of(context, events_of_a_call(dispatcher.service.limits()));
    let answered = async {
        if let Some(tool) = management {
            let call = manage::Call {
                service: &dispatcher.service,
                caller: &context.caller,
                request_id: &context.request_id,
                cancel: &context.cancel,
                events,
            };
            return tool.call(call, arguments.as_deref()).await;
        }
        let request = CallRequest {
            name: full_name,
            arguments,
            request_id: context.request_id.clone(),
            cancel: context.cancel.clone(),
            events,
        };
        dispatcher.service.call_run(&context.caller, request).await.map(Answered::from)
    };
    let answered = match spoken {
        None => answered.await,
        Some(spoken) => spoken.while_waiting(answered).await,
    };
    match answered {
        Ok(Answered { result, is_error, execution }) => {
            record.called(is_error, execution.as_ref());
            write(context, result, is_error, execution.as_ref())
        }
        Err(Error::NotFound { .. }) if management.is_none() => {
            Err(unknown(dispatcher, context, &name, shown.management).await)
        }
        Err(error) => match tell(error, &context.request_id) {
            Told::Client(failure) => Err(failure),
            Told::Model(text) => {
                record.called(true, None);
                let result = ToolResult { content: vec![Content::text(text)], structured_content: None };
                write(context, result, true, None)
            }
        },
    }
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

/// What a model reads when it calls what is not there: its list is old, or it slipped.
async fn unknown(dispatcher: &Dispatcher, context: &Context, name: &str, shows_management: bool) -> Failure {
    let mut message = format!("there is no tool `{}`; call tools/list again, the list may have changed", shorten(name));
    if let Ok(listing) = dispatcher.listings.current(&dispatcher.service, &context.caller, &context.scope).await
        && let Some(near) = nearest(name, listing.names(shows_management))
    {
        message.push_str(&format!("; did you mean `{near}`?"));
    }
    Failure::new(Kind::InvalidParams, message)
}

/// What a guest says while it runs, turned into notifications for the client.
struct Spoken {
    events: mpsc::Receiver<GuestEvent>,
    outbox: Outbox,
    token: Option<Id>,
    log_level: Option<Threshold>,
    /// The last progress told: each must be greater than the one before.
    told: Option<f64>,
}

impl Spoken {
    /// Nothing, when nobody listens or what could be said is not wanted.
    fn of(context: &Context, capacity: usize) -> (Option<mpsc::Sender<GuestEvent>>, Option<Self>) {
        let (token, log_level) = (context.progress_token.clone(), context.log_level());
        let Some(outbox) = context.outbox.clone().filter(|_| token.is_some() || log_level.is_some()) else {
            return (None, None);
        };
        let (sender, events) = mpsc::channel(capacity);
        (Some(sender), Some(Self { events, outbox, token, log_level, told: None }))
    }

    /// Passes on what is said until `work` is done, all of it.
    async fn while_waiting<T>(mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.tell(event),
                done = &mut work => break done,
            }
        };
        while let Ok(event) = self.events.try_recv() {
            self.tell(event);
        }
        done
    }

    fn tell(&mut self, event: GuestEvent) {
        match event {
            GuestEvent::Progress(report) => self.tell_progress(&report),
            GuestEvent::Log(line) => self.tell_log(&line),
            // Told to everybody who listens, not to the caller alone.
            GuestEvent::ListChanged(_) | GuestEvent::ResourceUpdated(_) => {}
        }
    }

    fn tell_progress(&mut self, report: &Progress) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a> {
            progress_token: &'a Id,
            progress: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
        }
        let Some(progress_token) = &self.token else { return };
        let grows = report.progress.is_finite() && self.told.is_none_or(|told| report.progress > told);
        if !grows {
            return;
        }
        self.told = Some(report.progress);
        let total = report.total.filter(|total| total.is_finite());
        let params = Params { progress_token, progress: report.progress, total, message: report.message.as_deref() };
        self.outbox.say("notifications/progress", &params);
    }

    fn tell_log(&self, line: &LogLine) {
        #[derive(Serialize)]
        struct Params<'a> {
            level: LogLevel,
            logger: &'static str,
            data: &'a str,
        }
        if self.log_level.is_some_and(|threshold| threshold.lets_through(line.level)) {
            let params = Params { level: line.level, logger: "tool", data: &line.message };
            self.outbox.say("notifications/message", &params);
        }
    }
}
