//! `tasks/update`: answers to what the guest of a task asks, all of them or some.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::read;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::tasks::{acknowledged, named};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    input_responses: BTreeMap<String, Box<RawValue>>,
}

/// # Errors
/// As of `tasks/get`; -32602 for answers that are no map.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let id = named(context, params)?;
    let Update { input_responses } = read(params)?;
    let updated = dispatcher.service.task_update(&context.caller, id, input_responses).await;
    updated.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    dispatcher.tasks.nudge(id);
    acknowledged(context)
}
