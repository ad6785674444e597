//! `mcpbox_request_network_access`: a person is asked to let tools reach a host.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asking::tool_ids;
use super::{Answered, Call, Effect, Management, asking, schema};
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
        asking::arguments(
            &json!({
                "host": {"type": "string", "description": "A name such as api.example.com, *.example.com for all \
                                                           below it, or an address"},
                "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535,
                         "description": "Only this port; without it, any"},
            }),
            "host",
            "what the tool does there",
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
