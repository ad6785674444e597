//! `prompts/get`: the messages of a prompt, filled in by its component.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::read;
use crate::domain::component::Entry;
use crate::domain::content::{Content, Role};
use crate::mcp::about::{COMPLETE, ResultMeta};
use crate::mcp::call::{Again, Call, failed, refused};
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::fit::fit_block;
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::methods::Method;
use crate::mcp::nearest::{nearest, not_there};
use crate::mcp::pages::called;
use crate::mcp::record::Record;
use crate::mcp::uris::placed;
use crate::service::Error;
use crate::service::calls::{CallAnswer, End};

/// `GetPromptRequestParams`.
#[derive(Deserialize)]
struct Get {
    name: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// `GetPromptResult`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Got {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    messages: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    role: Role,
    content: Content,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(flatten)]
    got: Got,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "ResultMeta::is_empty")]
    meta: ResultMeta<'a>,
}

/// # Errors
/// -32602 for a name that nobody knows and arguments that do not fit, -32603 when the guest fails.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let mut record = Record::of(&dispatcher.service, context, Method::PromptsGet);
    let reply = get(dispatcher, context, params, &mut record).await;
    record.end(reply).await
}

async fn get(dispatcher: &Dispatcher, context: &Context, params: &Params, record: &mut Record) -> Reply {
    let Get { name, arguments } = read(params)?;
    let full_name = context.scope.full_name(&name).unwrap_or_default().into_owned();
    let entry = Entry::Prompt { name: full_name.clone(), arguments };
    record.begin_entry(&entry, &full_name).await;
    let call = Call::new(dispatcher, context, Again::of(params)?, entry, None).await?;
    match call.run(dispatcher, context).await {
        Ok(answer) => {
            record.called(answer.is_error, Some(&answer.execution));
            if let Some(reply) = call.protocol_reply(dispatcher, context, &answer).map_err(|e| refused(e, context))? {
                return reply;
            }
            write(context, answer)
        }
        Err(Error::NotFound { .. }) => Err(unknown(dispatcher, context, &name).await),
        Err(error) => Err(refused(error, context)),
    }
}

fn write(context: &Context, answer: CallAnswer) -> Reply {
    if let Some(failure) = failed(&answer) {
        return Err(failure);
    }
    let CallAnswer { end: End::Answered(json), uris_of, execution, .. } = answer else {
        return Err(Failure::internal(&context.request_id));
    };
    let broken = |_| Failure::internal(&context.request_id);
    let Got { description, messages } = serde_json::from_str(json.get()).map_err(broken)?;
    let messages = messages.into_iter().flat_map(|Message { role, content }| {
        let content = placed(vec![content], &context.scope, uris_of.as_deref());
        content.into_iter().map(move |content| Message { role, content: fit_block(content, context.version()) })
    });
    let modern = context.is_modern();
    let written = Written {
        got: Got { description, messages: messages.collect() },
        result_type: modern.then_some(COMPLETE),
        meta: ResultMeta::new(modern, Some(&execution)),
    };
    Payload::of(&written).map_err(broken)
}

pub(super) async fn unknown(dispatcher: &Dispatcher, context: &Context, name: &str) -> Failure {
    let catalogue = dispatcher.catalogue(context).await.ok();
    let offered = catalogue.iter().flat_map(|catalogue| &catalogue.offered.prompts);
    let near = nearest(name, offered.map(|offering| called(offering, &context.scope)));
    Failure::new(Kind::InvalidParams, not_there("prompt", name, "prompts/list", near))
}
