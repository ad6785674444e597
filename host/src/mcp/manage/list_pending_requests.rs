//! `mcpbox_list_pending_requests`: everything that waits for a person.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::service::Error;

pub(super) struct ListPendingRequests;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {}

impl Management for ListPendingRequests {
    const NAME: &'static str = "mcpbox_list_pending_requests";
    const TITLE: &'static str = "List what waits for a person";
    const DESCRIPTION: &'static str = "Lists everything on all servers that waits for a person: tools to approve, \
        requests for modules and for hosts, external sources to allow, oldest first. You cannot decide any of it: tell the user. For one tool \
        use mcpbox_get_tool_status.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(json!({}), &[])
    }

    fn output() -> Value {
        let count = || json!({"type": "integer"});
        let tool = schema::answer(
            json!({
                "tool_id": {"type": "string"},
                "server_id": {"type": "string"},
                "server_name": {"type": "string"},
                "name": {"type": "string"},
                "version": {"type": "integer"},
                "digest": {"type": "string"},
                "publish_notes": {"type": ["string", "null"]},
                "created_by": {"type": "string"},
            }),
            &["tool_id", "server_name", "name", "version"],
        );
        schema::answer(
            json!({
                "pending_tools": {"type": "array", "items": tool},
                "pending_module_requests": {"type": "array", "items": schema::module_request()},
                "pending_network_requests": {"type": "array", "items": schema::network_request()},
                "pending_sources": {"type": "array", "items": schema::source()},
                "summary": schema::answer(
                    json!({"tools": count(), "modules": count(), "network": count(), "sources": count(), "total": count()}),
                    &["tools", "modules", "network", "sources", "total"],
                ),
            }),
            &["pending_tools", "pending_module_requests", "pending_network_requests", "pending_sources", "summary"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({})
    }

    async fn run(call: Call<'_>, Arguments {}: Arguments) -> Result<Answered, Error> {
        Answered::of(&call.service.requests_pending(call.caller).await?)
    }
}
