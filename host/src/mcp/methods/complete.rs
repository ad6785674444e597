//! `completion/complete`: what an argument of a prompt, or a variable of a template, could become.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::prompts_get::unknown;
use super::read;
use crate::domain::component::{Completion, CompletionOf, Entry};
use crate::mcp::about::{COMPLETE, ResultMeta};
use crate::mcp::call::{failed, refused};
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::methods::Method;
use crate::mcp::record::Record;
use crate::service::Error;
use crate::service::calls::{CallAnswer, CallRequest, End};

/// `CompleteRequestParams`.
#[derive(Deserialize)]
struct Complete {
    #[serde(rename = "ref")]
    of: Reference,
    argument: Argument,
    #[serde(default)]
    context: Others,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Template { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
struct Others {
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// `CompleteResult`.
#[derive(Serialize)]
struct Completed {
    completion: Suggestions,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suggestions {
    values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(flatten)]
    completed: Completed,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "ResultMeta::is_empty")]
    meta: ResultMeta<'a>,
}

/// # Errors
/// -32602 for a reference that leads nowhere, -32603 when the guest fails.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let mut record = Record::of(&dispatcher.service, context, Method::Complete);
    let reply = complete(dispatcher, context, params, &mut record).await;
    record.end(reply).await
}

async fn complete(dispatcher: &Dispatcher, context: &Context, params: &Params, record: &mut Record) -> Reply {
    let Complete { of, argument, context: others } = read(params)?;
    let (of, prompt) = match of {
        Reference::Prompt { name } => {
            let full_name = context.scope.full_name(&name).unwrap_or_default().into_owned();
            (CompletionOf::Prompt(full_name), Some(name))
        }
        Reference::Template { uri } => (CompletionOf::Template(context.scope.full_uri(&uri)), None),
    };
    let Argument { name, value } = argument;
    let entry = Entry::Completion(Completion { of, name, value, others: others.arguments });
    record.begin_entry(&entry, "").await;
    let catalogue = dispatcher.catalogue(context).await?;
    if catalogue.offered.owner(&entry).is_some_and(|owner| !owner.completes) {
        return write(context, Suggestions::default(), ResultMeta::new(context.is_modern(), None));
    }
    let request = CallRequest::new(entry, context.request_id.clone(), context.cancel.clone());
    let answer = match (dispatcher.service.call_run(&context.caller, request).await, prompt) {
        (Ok(answer), _) => answer,
        (Err(Error::NotFound { .. }), Some(name)) => return Err(unknown(dispatcher, context, &name).await),
        (Err(error), _) => return Err(refused(error, context)),
    };
    record.called(answer.is_error, Some(&answer.execution));
    if let Some(failure) = failed(&answer) {
        return Err(failure);
    }
    let CallAnswer { end: End::Answered(json), execution, .. } = &answer else {
        return Err(Failure::internal(&context.request_id));
    };
    let completion: Suggestions =
        serde_json::from_str(json.get()).map_err(|_| Failure::internal(&context.request_id))?;
    write(context, completion, ResultMeta::new(context.is_modern(), Some(execution)))
}

fn write(context: &Context, completion: Suggestions, meta: ResultMeta<'_>) -> Reply {
    let result_type = context.is_modern().then_some(COMPLETE);
    let written = Written { completed: Completed { completion }, result_type, meta };
    Payload::of(&written).map_err(|_| Failure::internal(&context.request_id))
}
