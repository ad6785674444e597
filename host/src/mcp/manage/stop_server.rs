//! `mcpbox_stop_server`: a server's tools are no longer offered.

use serde_json::Value;
#[cfg(test)]
use serde_json::json;

use super::get_server::{SERVER_IDS, ServerArgument, server_argument};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;

pub(super) struct StopServer;

impl Management for StopServer {
    const NAME: &'static str = "mcpbox_stop_server";
    const TITLE: &'static str = "Stop a server";
    const DESCRIPTION: &'static str = "Takes a server's tools off the list for every client, until mcpbox_start_server. Nothing is lost: code, \
        approvals and secrets stay.";
    const EFFECT: Effect = Effect::Sets;
    type Arguments = ServerArgument;

    fn input() -> Value {
        server_argument()
    }

    fn output() -> Value {
        schema::done(&schema::server())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001"})
    }

    async fn run(call: Call<'_>, ServerArgument { server_id }: ServerArgument) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, SERVER_IDS)?;
        let server = call.service.server_stop(call.caller, server).await?;
        let message = format!("Server `{}` is stopped. mcpbox_start_server offers its tools again.", server.name);
        Answered::done(&server, message)
    }
}
