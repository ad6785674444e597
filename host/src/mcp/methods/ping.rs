//! `ping`: the other side is there.

use crate::mcp::dispatch::Reply;
use crate::mcp::jsonrpc::Payload;

pub fn answer() -> Reply {
    Ok(Payload::empty())
}
