//! `mcpbox_get_tool_status`: where a tool stands, and whose turn it is.

use serde_json::{Value, json};

use super::get_tool::{TOOL_IDS, ToolArgument, tool_argument};
use super::validate_code::modules_to_request;
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::ApprovalStatus;
use crate::service::Error;

pub(super) struct GetToolStatus;

impl Management for GetToolStatus {
    const NAME: &'static str = "mcpbox_get_tool_status";
    const TITLE: &'static str = "Show a tool's status";
    const DESCRIPTION: &'static str = "Shows where a tool stands: its approval, why it was rejected, which version is \
        called, and what became of its requests for hosts and modules. `waiting` says what has to happen next and \
        whether it is for you (`model`) or for a person; tell the user what waits for a person.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = ToolArgument;

    fn input() -> Value {
        tool_argument()
    }

    fn output() -> Value {
        let text = || json!({"type": ["string", "null"]});
        schema::answer(
            json!({
                "tool_id": {"type": "string"},
                "server_id": {"type": "string"},
                "server_name": {"type": "string"},
                "server_status": {"type": "string", "enum": ["running", "stopped"]},
                "name": {"type": "string"},
                "gateway_name": {"type": "string", "description": "The name under which it is called"},
                "enabled": {"type": "boolean"},
                "callable": {"type": "boolean", "description": "Whether a call of it is answered now"},
                "approval_status": {"type": "string", "enum": ApprovalStatus::ALL.map(ApprovalStatus::as_str)},
                "current_version": {"type": "integer"},
                "digest": {"type": "string"},
                "live_version": {"type": ["integer", "null"], "description": "The approved version that calls run"},
                "approval_requested_at": text(),
                "publish_notes": text(),
                "approved_at": text(),
                "approved_by": text(),
                "rejection_reason": text(),
                "module_requests": {"type": "array", "items": schema::module_request()},
                "network_access_requests": {"type": "array", "items": schema::network_request()},
                "modules_to_request": modules_to_request(),
                "packages_missing": {
                    "type": "array",
                    "description": "Modules that it was granted and whose package is not installed",
                    "items": schema::answer(
                        json!({
                            "module_name": {"type": "string"},
                            "installing": {"type": "boolean"},
                            "reason": {"type": ["string", "null"],
                                       "description": "Why it could not be installed the last time"},
                        }),
                        &["module_name", "installing", "reason"],
                    ),
                },
                "waiting": {
                    "type": "array",
                    "description": "What has to happen still; empty when nothing has",
                    "items": schema::answer(
                        json!({
                            "who": {"type": "string", "enum": ["person", "model"]},
                            "what": {"type": "string"},
                        }),
                        &["who", "what"],
                    ),
                },
            }),
            &[
                "tool_id",
                "server_id",
                "name",
                "enabled",
                "callable",
                "approval_status",
                "current_version",
                "live_version",
                "module_requests",
                "network_access_requests",
                "waiting",
            ],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"tool_id": "01990000-0000-7000-8000-000000000002"})
    }

    async fn run(call: Call<'_>, ToolArgument { tool_id }: ToolArgument) -> Result<Answered, Error> {
        let tool = id("tool_id", &tool_id, TOOL_IDS)?;
        Answered::of(&call.service.tool_status(call.caller, tool).await?)
    }
}
