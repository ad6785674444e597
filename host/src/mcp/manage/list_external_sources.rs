//! `mcpbox_list_external_sources`: which other MCP servers a server takes tools from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list_servers::{first, usual};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::service::external_mcp_sources::SourceView;
use crate::service::{Error, PageRequest};

pub(super) struct ListExternalSources;

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
struct Sources {
    sources: Vec<SourceView>,
    total: u64,
    page: u64,
    page_size: u64,
    pages: u64,
}

impl Management for ListExternalSources {
    const NAME: &'static str = "mcpbox_list_external_sources";
    const TITLE: &'static str = "List external sources";
    const DESCRIPTION: &'static str = "Lists the other MCP servers that a server takes tools from: where they are, \
        how they stand (`problem` says what went wrong), whether a person has still to allow them, and how many \
        tools they offer.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        let mut properties = json!({"server_id": {"type": "string", "description": "The server's id"}});
        for (name, property) in schema::paging() {
            properties[name] = property;
        }
        schema::arguments(properties, &["server_id"])
    }

    fn output() -> Value {
        schema::page("sources", &schema::source())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001", "page": 1, "page_size": 20})
    }

    async fn run(call: Call<'_>, Arguments { server_id, page, page_size }: Arguments) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, "mcpbox_list_servers")?;
        let page = PageRequest { page: Some(page), page_size: Some(page_size) };
        let found = call.service.source_list(call.caller, server, page).await?;
        Answered::of(&Sources {
            sources: found.items,
            total: found.total,
            page: found.page,
            page_size: found.page_size,
            pages: found.pages,
        })
    }
}
