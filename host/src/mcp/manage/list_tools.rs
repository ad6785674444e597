//! `mcpbox_list_tools`: the tools of one server, in any state.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_server::{SERVER_IDS, server_id};
use super::list_servers::{first, usual};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::Error;
use crate::service::PageRequest;
use crate::service::tools::ToolView;

pub(super) struct ListTools;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_id: String,
    #[serde(default = "first")]
    page: u64,
    #[serde(default = "usual")]
    page_size: u64,
}

#[derive(Serialize)]
struct Tools {
    tools: Vec<ToolView>,
    total: u64,
    page: u64,
    page_size: u64,
    pages: u64,
}

impl Management for ListTools {
    const NAME: &'static str = "mcpbox_list_tools";
    const TITLE: &'static str = "List a server's tools";
    const DESCRIPTION: &'static str = "Lists the tools of one server with their approval status, drafts too. (The \
        protocol's own list has only those that can be called.) For a tool's code use mcpbox_get_tool.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        let mut properties = json!({"server_id": server_id()});
        for (name, property) in schema::paging() {
            properties[name] = property;
        }
        schema::arguments(properties, &["server_id"])
    }

    fn output() -> Value {
        schema::page("tools", &schema::tool())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001", "page": 1, "page_size": 20})
    }

    async fn run(call: Call<'_>, Arguments { server_id, page, page_size }: Arguments) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, SERVER_IDS)?;
        let found = call
            .service
            .tool_list(call.caller, server, PageRequest { page: Some(page), page_size: Some(page_size) })
            .await?;
        Answered::of(&Tools {
            tools: found.items,
            total: found.total,
            page: found.page,
            page_size: found.page_size,
            pages: found.pages,
        })
    }
}
