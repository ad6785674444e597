//! `tasks/get`: how a task goes, and what came of it.

use crate::mcp::about::{COMPLETE, Modern};
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::tasks::{Detailed, named};

/// # Errors
/// -32021 for a client that follows no tasks; -32602 when this caller has no such task.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let id = named(context, params)?;
    let task = dispatcher.service.task_get(&context.caller, id).await;
    let task = task.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    Payload::of(&Modern::new(Detailed::of(&task), COMPLETE)).map_err(|_| Failure::internal(&context.request_id))
}
