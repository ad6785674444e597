//! `mcpbox_delete_server`: a server goes, and everything on it.

use serde::Serialize;
use serde_json::{Value, json};

use super::get_server::{SERVER_IDS, ServerArgument, server_argument};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::ids::ServerId;
use crate::service::Error;

pub(super) struct DeleteServer;

#[derive(Serialize)]
struct Deleted {
    id: ServerId,
}

impl Management for DeleteServer {
    const NAME: &'static str = "mcpbox_delete_server";
    const TITLE: &'static str = "Delete a server";
    const DESCRIPTION: &'static str = "Deletes a server with its tools, their versions, its secrets and its requests, \
        for good; only the log of past calls stays. Ask the user first. mcpbox_stop_server takes its tools off the \
        list and keeps everything.";
    const EFFECT: Effect = Effect::Removes;
    type Arguments = ServerArgument;

    fn input() -> Value {
        server_argument()
    }

    fn output() -> Value {
        schema::done(&schema::answer(json!({"id": {"type": "string"}}), &["id"]))
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001"})
    }

    async fn run(call: Call<'_>, ServerArgument { server_id }: ServerArgument) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, SERVER_IDS)?;
        call.service.server_delete(call.caller, server).await?;
        let message = "The server and its tools are deleted. Clients have to list the tools again.".to_owned();
        Answered::done(&Deleted { id: server }, message)
    }
}
