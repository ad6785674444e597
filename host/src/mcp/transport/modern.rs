//! The rules of the modern era: each request says all that is needed to answer it.

use axum::response::Response;
use tokio_util::sync::CancellationToken;

use super::Refused;
use super::post::{Sent, Work, answer};
use crate::mcp::McpState;
use crate::mcp::dispatch::{Context, Dispatcher, Era};
use crate::mcp::error::Failure;
use crate::mcp::jsonrpc::{Params, Request};
use crate::mcp::meta::Meta;
use crate::mcp::methods::Method;
use crate::mcp::versions::Version;
use crate::mcp::{headers, mirror};

/// Answers a request that stands alone. A session header on it is ignored.
pub(super) async fn serve(mcp: &McpState, sent: Sent, request: Request, meta: &Meta) -> Result<Response, Refused> {
    let Request { id, method, params } = request;
    let refuse = |failure: Failure| Refused::of(&id, true, failure);
    let declared = meta.declared().map_err(refuse)?;
    headers::check(&sent.headers, &declared.version, &method, &params).map_err(refuse)?;
    if !Version::parse(&declared.version).is_some_and(Version::is_modern) {
        return Err(refuse(Failure::unsupported_version(&declared.version)));
    }
    let method = Method::of(&method, true).map_err(refuse)?;
    if method == Method::ToolsCall {
        check_mirrors(mcp, &sent, &params).await.map_err(refuse)?;
    }
    let cancel = CancellationToken::new();
    let guard = Some(cancel.clone().drop_guard());
    let context = Context {
        era: Era::Modern(declared),
        scope: sent.arrived.scope,
        tools: sent.arrived.tools,
        caller: sent.arrived.caller,
        request_id: sent.arrived.request_id,
        cancel,
        progress_token: meta.progress_token(),
        outbox: None,
    };
    let work = Work { id, method, params, context, running: None, guard };
    answer(mcp, sent.accepts, work).await
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
