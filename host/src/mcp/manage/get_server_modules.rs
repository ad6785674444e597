//! `mcpbox_get_server_modules`: what a Python tool can import.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::service::Error;

pub(super) struct GetServerModules;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {}

impl Management for GetServerModules {
    const NAME: &'static str = "mcpbox_get_server_modules";
    const TITLE: &'static str = "List importable modules";
    const DESCRIPTION: &'static str = "Lists the modules that Python code of any server can import, with what is below \
        them: the standard library, without what has no use in a sandbox. Anything else, other modules of the standard \
        library and packages from PyPI, has to be asked for with mcpbox_request_module. JavaScript imports nothing.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(json!({}), &[])
    }

    fn output() -> Value {
        schema::answer(
            json!({
                "is_custom_config": {"type": "boolean", "description": "Whether a person changed the list"},
                "allowed_modules": {"type": "array", "items": {"type": "string"},
                                    "description": "What is below them can be imported too"},
                "default_modules": {"type": "array", "items": {"type": "string"},
                                    "description": "The list when no person has changed it"},
                "total_allowed": {"type": "integer"},
            }),
            &["is_custom_config", "allowed_modules", "default_modules", "total_allowed"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({})
    }

    async fn run(call: Call<'_>, Arguments {}: Arguments) -> Result<Answered, Error> {
        Answered::of(&call.service.modules(call.caller).await?)
    }
}
