//! The rules of the modern era: each request says all that is needed to answer it.

use std::sync::Arc;

use axum::response::Response;
use tokio_util::sync::CancellationToken;

use super::arrive::Arrived;
use super::post::{Sent, Work, answer};
use super::{Refused, legacy};
use crate::mcp::McpState;
use crate::mcp::dispatch::{Context, Dispatcher, Era};
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::{Id, Params, Request};
use crate::mcp::meta::{Declared, Meta};
use crate::mcp::methods::Method;
use crate::mcp::session::Session;
use crate::mcp::versions::Version;
use crate::mcp::{headers, mirror};

/// Answers a request that stands alone. A session header on it is ignored.
pub(super) async fn serve(mcp: &McpState, sent: Sent, request: Request, meta: Meta) -> Result<Response, Refused> {
    let refuse = |failure: Failure| Refused::of(&request.id, true, failure);
    let progress_token = meta.progress_token();
    let declared = meta.declared().map_err(refuse)?;
    headers::check(&sent.headers, &declared.version, &request.method, &request.params).map_err(refuse)?;
    if spoken(&declared).is_ok() && request.method == Method::ToolsCall.as_str() {
        check_mirrors(mcp, &sent, &request.params).await.map_err(refuse)?;
    }
    let mut work = work(sent.arrived, request, declared, progress_token, None)?;
    // Whatever is quick is dropped where it stands.
    work.guard = work.method.is_long().then(|| work.context.cancel.clone().drop_guard());
    answer(mcp, sent.accepts, work).await
}

/// A request that stands alone, ready to be answered; with `running` others, it may be cancelled by its id.
///
/// # Errors
/// A version that is not spoken here, an unknown method, or an id under which another request is running.
pub(super) fn work(
    arrived: Arrived,
    request: Request,
    declared: Declared,
    progress_token: Option<Id>,
    running: Option<&Arc<Session>>,
) -> Result<Work, Refused> {
    let Request { id, method, params } = request;
    let refuse = |failure: Failure| Refused::of(&id, true, failure);
    spoken(&declared).map_err(refuse)?;
    let method = Method::of(&method, true).map_err(refuse)?;
    let running = match running.filter(|_| method.is_long()) {
        Some(others) => Some(legacy::begun(others, &id)?),
        None => None,
    };
    let cancel = running.as_ref().map_or_else(CancellationToken::new, |running| running.cancel.clone());
    let Arrived { request_id, scope, tools, caller, login } = arrived;
    let context = Context {
        era: Era::Modern(declared),
        scope,
        tools,
        caller,
        login,
        request_id,
        cancel,
        progress_token,
        outbox: None,
        peer: None,
    };
    Ok(Work { id, method, params, context, running, guard: None })
}

/// # Errors
/// When the version is not spoken here, or by sessions alone.
fn spoken(declared: &Declared) -> Result<(), Failure> {
    match Version::parse(&declared.version) {
        Some(version) if version.is_modern() => Ok(()),
        _ => Err(Failure::unsupported_version(&declared.version)),
    }
}

/// Compares the headers that repeat arguments, for tools whose schema asks for it.
async fn check_mirrors(mcp: &McpState, sent: &Sent, params: &Params) -> Result<(), Failure> {
    #[derive(serde::Deserialize)]
    struct Call<'a> {
        name: String,
        #[serde(borrow, default)]
        arguments: Option<&'a serde_json::value::RawValue>,
    }
    // What is no call is refused by the method itself.
    let Some(Ok(call)) = params.as_deref().map(|raw| serde_json::from_str::<Call<'_>>(raw.get())) else {
        return Ok(());
    };
    let listing = mcp
        .dispatcher
        .listings
        .current(&mcp.dispatcher.service, &sent.arrived.caller, &sent.arrived.scope)
        .await
        .map_err(|error| Dispatcher::failure(error, &sent.arrived.request_id))?;
    mirror::check(listing.mirrors(&call.name), &sent.headers, call.arguments)
}
