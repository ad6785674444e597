//! `mcpbox_create_server`: a new group of tools.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::service::Error;
use crate::service::servers::NewServer;

pub(super) struct CreateServer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    name: String,
    #[serde(default)]
    description: String,
}

impl Management for CreateServer {
    const NAME: &'static str = "mcpbox_create_server";
    const TITLE: &'static str = "Create a server";
    const DESCRIPTION: &'static str = "Makes a server: a group of tools that share secrets and network hosts. One \
        server per service or topic is a good measure. Answers its id; next, write a tool for it with \
        mcpbox_create_tool. The name is the first half of what its tools are called (`name__tool`).";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 40,
                    "description": "A lower-case letter, then lower-case letters, digits and single underscores, \
                                    for example `weather`"
                },
                "description": {"type": "string", "default": "", "description": "What its tools are for"},
            }),
            &["name"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::server())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"name": "weather", "description": "Forecasts from the national service"})
    }

    async fn run(call: Call<'_>, Arguments { name, description }: Arguments) -> Result<Answered, Error> {
        let server = call.service.server_create(call.caller, NewServer { name, description }).await?;
        let message = format!("Server `{}` is there. Write a tool for it with mcpbox_create_tool.", server.name);
        Answered::done(&server, message)
    }
}
