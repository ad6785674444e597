//! `mcpbox_request_module`: a person is asked to let tools import a module.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asking::tool_ids;
use super::{Answered, Call, Effect, Management, asking, schema};
use crate::domain::request::RequestStatus;
use crate::service::Error;
use crate::service::module_requests::ModuleRequestView;

pub(super) struct RequestModule;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default)]
    tool_id: Option<String>,
    #[serde(default)]
    tool_ids: Vec<String>,
    module_name: String,
    justification: String,
}

#[derive(Serialize)]
struct Requests {
    requests: Vec<ModuleRequestView>,
}

impl Management for RequestModule {
    const NAME: &'static str = "mcpbox_request_module";
    const TITLE: &'static str = "Ask for a module";
    const DESCRIPTION: &'static str = "Asks a person to let one or several Python tools import a module that \
        mcpbox_get_server_modules does not list. Save the code that imports it first: then asking makes no new version, \
        and the decision holds without another approval of the tool. Prefer the standard library where it will do.";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        asking::arguments(
            &json!({"module_name": {"type": "string", "minLength": 1, "maxLength": 128,
                                    "description": "As it is imported, for example `yaml`"}}),
            "module_name",
            "what the tool needs it for",
        )
    }

    fn output() -> Value {
        schema::requests(schema::module_request())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "tool_id": "01990000-0000-7000-8000-000000000002",
            "tool_ids": ["01990000-0000-7000-8000-000000000003"],
            "module_name": "yaml",
            "justification": "The service answers in YAML",
        })
    }

    async fn run(call: Call<'_>, arguments: Arguments) -> Result<Answered, Error> {
        let Arguments { tool_id, tool_ids: several, module_name, justification } = arguments;
        let tool_ids = tool_ids(tool_id, &several)?;
        let requests = call.service.module_request_create(call.caller, tool_ids, &module_name, &justification).await?;
        let waits = requests.iter().any(|request| request.status == RequestStatus::Pending);
        let message = match waits {
            true => format!("A person has to allow the module {module_name}. Tell the user."),
            false => format!("The tool may import {module_name} once this version of it is approved."),
        };
        Answered::done(&Requests { requests }, message)
    }
}
