//! `mcpbox_create_tool`: a new tool, as a draft.

use serde::Deserialize;
use serde_json::{Value, json};

use super::get_server::{SERVER_IDS, server_id};
use super::validate_code::{about_modules, code, language, python_code};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::tool::Language;
use crate::service::Error;
use crate::service::code::GivenCode;
use crate::service::tools::NewTool;

pub(super) struct CreateTool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_id: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    python_code: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// How a tool's name is given among arguments.
pub(super) fn name() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "description": "A lower-case letter, then lower-case letters, digits and underscores, for example `forecast`"
    })
}

/// How a tool's time limit is given among arguments.
pub(super) fn timeout_ms() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": 3_600_000,
           "description": "Longest run of one call in milliseconds; usual is 30000"})
}

impl Management for CreateTool {
    const NAME: &'static str = "mcpbox_create_tool";
    const TITLE: &'static str = "Create a tool";
    const DESCRIPTION: &'static str = "Saves code as a new tool of a server, as a draft that nobody can call \
        yet. Check the code with mcpbox_validate_code first. Next, mcpbox_request_publish asks a person to approve \
        it; once approved it is in the list of tools, as `server__name`.";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "server_id": server_id(),
                "name": name(),
                "description": {"type": "string", "description": "What it does, for the models that will call it; \
                                                                  usually the docstring of `main` is enough"},
                "code": code(),
                "language": language(),
                "python_code": python_code(),
                "timeout_ms": timeout_ms(),
            }),
            &["server_id", "name"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::tool())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "server_id": "01990000-0000-7000-8000-000000000001",
            "name": "forecast",
            "description": "Tomorrow's weather",
            "code": "async def main(city: str) -> str:\n    return city\n",
            "language": "python",
            "python_code": null,
            "timeout_ms": 10_000,
        })
    }

    async fn run(call: Call<'_>, arguments: Arguments) -> Result<Answered, Error> {
        let Arguments { server_id, name, description, code, language, python_code, timeout_ms } = arguments;
        let server_id = id("server_id", &server_id, SERVER_IDS)?;
        let code = GivenCode::required(code, language, python_code)?;
        let new = NewTool { server_id, name, description, code, timeout_ms };
        let tool = call.service.tool_create(call.caller, new).await?;
        let modules = about_modules(&tool);
        let message =
            format!("Tool `{}` is saved as a draft.{modules} Ask for approval with mcpbox_request_publish.", tool.name);
        Answered::done(&tool, message)
    }
}
