//! `mcpbox_start_server`: a server's approved tools are offered.

use serde_json::Value;
#[cfg(test)]
use serde_json::json;

use super::get_server::{SERVER_IDS, ServerArgument, server_argument};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;

pub(super) struct StartServer;

impl Management for StartServer {
    const NAME: &'static str = "mcpbox_start_server";
    const TITLE: &'static str = "Start a server";
    const DESCRIPTION: &'static str = "Offers the approved, enabled tools of a stopped server to every client again, under `server__tool`. A \
        new server runs already, and a tool that is not approved stays hidden. Then list the tools again.";
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
        let server = call.service.server_start(call.caller, server).await?;
        let message =
            format!("Server `{}` runs. Its approved tools are in the list of tools; list them again.", server.name);
        Answered::done(&server, message)
    }
}
