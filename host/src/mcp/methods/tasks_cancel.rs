//! `tasks/cancel`: stops the guest of a task; of one that is over nothing changes.

use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::jsonrpc::Params;
use crate::mcp::tasks::{acknowledged, named};

/// # Errors
/// As of `tasks/get`.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let id = named(context, params)?;
    let cancelled = dispatcher.service.task_cancel(&context.caller, id).await;
    cancelled.map_err(|error| Dispatcher::failure(error, &context.request_id))?;
    dispatcher.tasks.nudge(id);
    acknowledged(context)
}
