//! `subscriptions/listen`: a modern client hears of what it asked for, until it closes the answer, the host stops, or
//! what it showed opens nothing any more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::read;
use crate::domain::ids::TaskId;
use crate::domain::outcome::Listing;
use crate::mcp::about;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{Id, Params, Payload};
use crate::mcp::methods::Method;
use crate::mcp::notices::{Notices, Told, method_of, notifications};
use crate::mcp::outbox::Outbox;
use crate::mcp::record::Record;
use crate::mcp::tasks::Detailed;

/// Which subscription a message belongs to: the id of the request that opened it.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

#[derive(Deserialize)]
struct Listen {
    notifications: Filter,
}

/// `SubscriptionFilter`, with what the tasks extension adds. What is not known here is not honoured.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    #[serde(skip_serializing_if = "is_not")]
    tools_list_changed: bool,
    #[serde(skip_serializing_if = "is_not")]
    prompts_list_changed: bool,
    #[serde(skip_serializing_if = "is_not")]
    resources_list_changed: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resource_subscriptions: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    task_ids: BTreeSet<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference in")]
fn is_not(wanted: &bool) -> bool {
    !wanted
}

impl Filter {
    fn wants(&self, listing: Listing) -> bool {
        match listing {
            Listing::Tools => self.tools_list_changed,
            Listing::Prompts => self.prompts_list_changed,
            Listing::Resources => self.resources_list_changed,
        }
    }

    /// Whether a notification of this method is one of those that were asked for.
    fn lets_through(&self, method: &str, params: &Map<String, Value>) -> bool {
        let lists = [Listing::Tools, Listing::Prompts, Listing::Resources];
        match lists.into_iter().find(|listing| method_of(*listing) == method) {
            Some(listing) => self.wants(listing),
            None => params["uri"].as_str().is_some_and(|uri| self.resource_subscriptions.contains(uri)),
        }
    }
}

/// # Errors
/// -32602 for a filter that is none or names too much; -32021 for one that names tasks, of a client that follows none.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let record = Record::begin(&dispatcher.service, context, Method::Listen).await;
    let reply = listen(dispatcher, context, params).await;
    record.end(reply).await
}

async fn listen(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Listen { notifications: filter } = read(params)?;
    let most = dispatcher.service.limits().session_subscriptions;
    if filter.resource_subscriptions.len() as u64 > most || filter.task_ids.len() as u64 > most {
        let message =
            format!("one subscription names at most {most} resources or tasks (MCPBOX_SESSION_SUBSCRIPTIONS)");
        return Err(Failure::new(Kind::InvalidParams, message));
    }
    if !filter.task_ids.is_empty() {
        context.must_follow_tasks()?;
    }
    let Some(outbox) = &context.outbox else {
        return Err(Failure::new(Kind::NotAcceptable, "a subscription is a stream; send `Accept: text/event-stream`"));
    };
    // Before the acknowledgement: what happens from then on is told.
    let mut notices = Notices::new(dispatcher, &context.caller, context.login, &context.scope).await;
    let mut acknowledged = Map::new();
    acknowledged.insert("notifications".to_owned(), json!(filter));
    say(outbox, "notifications/subscriptions/acknowledged", acknowledged);
    let stopping = dispatcher.service.stopping();
    // Whether something could not be said, because the client does not read.
    let mut missed = false;
    loop {
        let told = tokio::select! {
            () = context.cancel.cancelled() => break,
            () = stopping.cancelled() => break,
            () = outbox.is_read(), if missed => {
                missed = false;
                Some(vec![Told::Missed])
            }
            told = notices.next() => told,
        };
        let Some(told) = told else { break };
        // Until the client reads again nothing is added to what it missed.
        if !missed {
            missed = !tell(dispatcher, context, outbox, &filter, told).await;
        }
    }
    ended(context, outbox.id())
}

/// Tells what the client asked for. False when there was no room for all of it.
async fn tell(
    dispatcher: &Dispatcher,
    context: &Context,
    outbox: &Outbox,
    filter: &Filter,
    all: impl IntoIterator<Item = Told>,
) -> bool {
    let mut is_said = true;
    for told in all {
        let tasks = match told {
            Told::Task(id) => vec![id],
            Told::Missed => filter.task_ids.iter().filter_map(|id| id.parse().ok()).collect(),
            Told::ListChanged(_) | Told::Updated(_) => Vec::new(),
        };
        for id in tasks {
            is_said &= tell_of_task(dispatcher, context, outbox, filter, id).await;
        }
        for (method, params) in notifications(&told, filter.resource_subscriptions.clone()) {
            if filter.lets_through(method, &params) {
                is_said &= say(outbox, method, params);
            }
        }
    }
    is_said
}

async fn tell_of_task(
    dispatcher: &Dispatcher,
    context: &Context,
    outbox: &Outbox,
    filter: &Filter,
    id: TaskId,
) -> bool {
    if !filter.task_ids.contains(&id.to_string()) {
        return true;
    }
    // One that is gone meanwhile is told of no more.
    match dispatcher.service.task_get(&context.caller, id).await {
        Ok(task) => say(outbox, "notifications/tasks", Detailed::of(&task)),
        Err(_) => true,
    }
}

/// False when there was no room for it.
fn say(outbox: &Outbox, method: &str, params: impl Serialize) -> bool {
    #[derive(Serialize)]
    struct Params<P> {
        #[serde(flatten)]
        own: P,
        #[serde(rename = "_meta")]
        meta: Value,
    }
    outbox.say(method, &Params { own: params, meta: json!({ SUBSCRIPTION: outbox.id() }) })
}

/// What a client reads whose subscription ends in good order.
fn ended(context: &Context, id: &Id) -> Reply {
    let mut members = Map::new();
    about::complete(&mut members);
    if let Some(Value::Object(meta)) = members.get_mut("_meta") {
        meta.insert(SUBSCRIPTION.to_owned(), json!(id));
    }
    Payload::of(&members).map_err(|_| Failure::internal(&context.request_id))
}
