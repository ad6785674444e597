//! `mcpbox_list_servers`: which groups of tools there are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
#[cfg(test)]
use serde_json::json;

use super::{Answered, Call, Effect, Management, schema};
use crate::service::Error;
use crate::service::PageRequest;
use crate::service::servers::ServerView;

pub(super) struct ListServers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default = "first")]
    page: u64,
    #[serde(default = "usual")]
    page_size: u64,
}

pub(super) fn first() -> u64 {
    1
}

pub(super) fn usual() -> u64 {
    50
}

#[derive(Serialize)]
struct Servers {
    servers: Vec<ServerView>,
    total: u64,
    page: u64,
    page_size: u64,
    pages: u64,
}

impl Management for ListServers {
    const NAME: &'static str = "mcpbox_list_servers";
    const TITLE: &'static str = "List servers";
    const DESCRIPTION: &'static str = "Lists the servers. A server is a group of tools that share secrets and \
        network hosts; its name is the first half of what its tools are called (`server__tool`). Begin here to find \
        a server's id, then look at its tools with mcpbox_list_tools, or make a new one with mcpbox_create_server.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(schema::paging().into_iter().collect(), &[])
    }

    fn output() -> Value {
        schema::page("servers", &schema::server())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"page": 1, "page_size": 20})
    }

    async fn run(call: Call<'_>, Arguments { page, page_size }: Arguments) -> Result<Answered, Error> {
        let found =
            call.service.server_list(call.caller, PageRequest { page: Some(page), page_size: Some(page_size) }).await?;
        Answered::of(&Servers {
            servers: found.items,
            total: found.total,
            page: found.page,
            page_size: found.page_size,
            pages: found.pages,
        })
    }
}
