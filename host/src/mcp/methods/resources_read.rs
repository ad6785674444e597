//! `resources/read`: what a resource holds now, read by its component.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::read;
use crate::domain::component::Entry;
use crate::domain::content::EmbeddedResource;
use crate::mcp::about::{COMPLETE, ResultMeta};
use crate::mcp::call::{Again, Call, failed, refused};
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::methods::Method;
use crate::mcp::nearest::{nearest_uri, not_there};
use crate::mcp::pages::called;
use crate::mcp::record::Record;
use crate::service::Error;
use crate::service::calls::{CallAnswer, End};

/// `ReadResourceRequestParams`.
#[derive(Deserialize)]
struct Read {
    uri: String,
}

/// `ReadResourceResult`.
#[derive(Serialize, Deserialize)]
struct Contents {
    contents: Vec<EmbeddedResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(flatten)]
    contents: Contents,
    /// A resource may hold something else at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    #[serde(rename = "_meta", skip_serializing_if = "ResultMeta::is_empty")]
    meta: ResultMeta<'a>,
}

/// # Errors
/// That there is no such resource, by the code of each era; -32603 when the guest fails.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let mut record = Record::of(&dispatcher.service, context, Method::ResourcesRead);
    let reply = contents(dispatcher, context, params, &mut record).await;
    record.end(reply).await
}

async fn contents(dispatcher: &Dispatcher, context: &Context, params: &Params, record: &mut Record) -> Reply {
    let Read { uri } = read(params)?;
    let entry = Entry::Resource { uri: context.scope.full_uri(&uri) };
    record.begin_entry(&entry, "").await;
    let call = Call::new(dispatcher, context, Again::of(params)?, entry, None).await?;
    match call.run(dispatcher, context).await {
        Ok(answer) => {
            record.called(answer.is_error, Some(&answer.execution));
            if let Some(reply) = call.protocol_reply(dispatcher, context, &answer).map_err(|e| refused(e, context))? {
                return reply;
            }
            match write(context, answer)? {
                Some(payload) => Ok(payload),
                None => Err(unknown(dispatcher, context, &uri).await),
            }
        }
        Err(Error::NotFound { .. }) => Err(unknown(dispatcher, context, &uri).await),
        Err(error) => Err(refused(error, context)),
    }
}

/// None: its component says that there is no such resource.
fn write(context: &Context, answer: CallAnswer) -> Result<Option<Payload>, Failure> {
    if matches!(answer.end, End::ResourceNotFound) {
        return Ok(None);
    }
    if let Some(failure) = failed(&answer) {
        return Err(failure);
    }
    let CallAnswer { end: End::Answered(json), uris_of, execution, .. } = answer else {
        return Err(Failure::internal(&context.request_id));
    };
    let broken = |_| Failure::internal(&context.request_id);
    let Contents { mut contents } = serde_json::from_str(json.get()).map_err(broken)?;
    if contents.is_empty() {
        return Ok(None);
    }
    if let Some(server) = uris_of {
        for part in &mut contents {
            part.uri = context.scope.uri_here(&server, std::mem::take(&mut part.uri));
        }
    }
    let modern = context.is_modern();
    let written = Written {
        contents: Contents { contents },
        ttl_ms: modern.then_some(0),
        cache_scope: modern.then_some("private"),
        result_type: modern.then_some(COMPLETE),
        meta: ResultMeta::new(modern, Some(&execution)),
    };
    Payload::of(&written).map(Some).map_err(broken)
}

/// By the code of each era, with the resource that was probably meant.
pub(super) async fn unknown(dispatcher: &Dispatcher, context: &Context, uri: &str) -> Failure {
    let kind = if context.is_modern() { Kind::InvalidParams } else { Kind::ResourceUnknown };
    let catalogue = dispatcher.catalogue(context).await.ok();
    let offered = catalogue.iter().flat_map(|catalogue| &catalogue.offered.resources);
    let near = nearest_uri(uri, offered.map(|offering| called(offering, &context.scope)));
    let message = not_there("resource", uri, "resources/list", near);
    Failure { data: Some(json!({ "uri": uri })), ..Failure::new(kind, message) }
}
