//! `mcpbox_get_server`: one server.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;

pub(super) struct GetServer;

/// The argument of every tool that is about one server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerArgument {
    pub(super) server_id: String,
}

/// The schema of [`ServerArgument`].
pub(super) fn server_argument() -> Value {
    schema::arguments(json!({"server_id": server_id()}), &["server_id"])
}

/// How a server is named among arguments.
pub(super) fn server_id() -> Value {
    json!({"type": "string", "description": "The server's id, from mcpbox_list_servers or mcpbox_create_server"})
}

/// Where a model finds a server's id.
pub(super) const SERVER_IDS: &str = "mcpbox_list_servers";

impl Management for GetServer {
    const NAME: &'static str = "mcpbox_get_server";
    const TITLE: &'static str = "Show a server";
    const DESCRIPTION: &'static str = "Shows one server: whether it runs, how many tools it has, which network hosts \
        its tools may reach. Its tools are offered only while it runs; mcpbox_start_server starts a stopped one.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = ServerArgument;

    fn input() -> Value {
        server_argument()
    }

    fn output() -> Value {
        schema::server()
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001"})
    }

    async fn run(call: Call<'_>, ServerArgument { server_id }: ServerArgument) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, SERVER_IDS)?;
        Answered::of(&call.service.server_get(call.caller, server).await?)
    }
}
