//! `mcpbox_request_network_access`: a person is asked to let tools reach a host.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_tool::TOOL_IDS;
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::ids::ToolId;
use crate::domain::request::RequestStatus;
use crate::service::Error;
use crate::service::network_requests::{NetworkRequestView, NewNetworkRequest};

pub(super) struct RequestNetworkAccess;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default)]
    tool_id: Option<String>,
    #[serde(default)]
    tool_ids: Vec<String>,
    host: String,
    #[serde(default)]
    port: Option<u16>,
    justification: String,
}

#[derive(Serialize)]
struct Requests {
    requests: Vec<NetworkRequestView>,
}

impl Management for RequestNetworkAccess {
    const NAME: &'static str = "mcpbox_request_network_access";
    const TITLE: &'static str = "Ask for a host";
    const DESCRIPTION: &'static str = "Asks a person to let one or several tools reach a host over HTTP. A tool \
        reaches nothing else. Ask before mcpbox_request_publish: asking makes a new version of an approved tool, \
        which waits for review. Name the exact host, and the port if it is one only.";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "tool_id": {"type": "string", "description": "The tool's id"},
                "tool_ids": several_tools(),
                "host": {"type": "string", "description": "A name such as api.example.com, *.example.com for all \
                                                           below it, or an address"},
                "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535,
                         "description": "Only this port; without it, any"},
                "justification": {"type": "string", "minLength": 10, "maxLength": 2000,
                                  "description": "For the person who decides: what the tool does there"},
            }),
            &["host", "justification"],
        )
    }

    fn output() -> Value {
        schema::requests(schema::network_request())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "tool_id": "01990000-0000-7000-8000-000000000002",
            "tool_ids": ["01990000-0000-7000-8000-000000000003"],
            "host": "api.example.com",
            "port": 443,
            "justification": "Reads the weather of a city",
        })
    }

    async fn run(call: Call<'_>, arguments: Arguments) -> Result<Answered, Error> {
        let Arguments { tool_id, tool_ids: several, host, port, justification } = arguments;
        let tool_ids = tool_ids(tool_id, &several)?;
        let new = NewNetworkRequest { tool_ids, host: host.clone(), port, justification };
        let requests = call.service.network_request_create(call.caller, new).await?;
        let waits = requests.iter().any(|request| request.status == RequestStatus::Pending);
        let message = match waits {
            true => {
                format!("A person has to let the tool reach {host}; until then it is refused there. Tell the user.")
            }
            false => format!("The tool may reach {host} once this version of it is approved."),
        };
        Answered::done(&Requests { requests }, message)
    }
}

/// How several tools are named among arguments.
pub(super) fn several_tools() -> Value {
    json!({"type": "array", "items": {"type": "string", "description": "A tool's id"}, "maxItems": 50,
           "description": "Several tools, in place of tool_id: for all of them, or for none"})
}

/// The tools that are meant: `tool_id`, and those of `several`.
///
/// # Errors
/// That names the argument, when there is none or one of them is no id.
pub(super) fn tool_ids(one: Option<String>, several: &[String]) -> Result<Vec<ToolId>, Error> {
    let mut ids = Vec::new();
    if let Some(one) = &one {
        ids.push(id("tool_id", one, TOOL_IDS)?);
    }
    for (at, text) in several.iter().enumerate() {
        ids.push(id(&format!("tool_ids/{at}"), text, TOOL_IDS)?);
    }
    if ids.is_empty() {
        return Err(Error::invalid("/tool_id", "say which tool asks; take its id from mcpbox_list_tools"));
    }
    Ok(ids)
}
