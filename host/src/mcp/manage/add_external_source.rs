//! `mcpbox_add_external_source`: another MCP server, whose tools a server can offer.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::source::{SourceAuth, SourceStatus, SourceTransport};
use crate::service::Error;
use crate::service::external_mcp_sources::NewSource;

/// Where the id of a source comes from.
pub(super) const SOURCE_IDS: &str = "mcpbox_list_external_sources";

pub(super) struct AddExternalSource;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_id: String,
    name: String,
    url: String,
    #[serde(default = "no_auth")]
    auth_type: SourceAuth,
    #[serde(default)]
    auth_secret_name: Option<String>,
    #[serde(default)]
    auth_header_name: Option<String>,
    #[serde(default = "streamable_http")]
    transport_type: SourceTransport,
}

fn no_auth() -> SourceAuth {
    SourceAuth::None
}

fn streamable_http() -> SourceTransport {
    SourceTransport::StreamableHttp
}

impl Management for AddExternalSource {
    const NAME: &'static str = "mcpbox_add_external_source";
    const TITLE: &'static str = "Add an external source";
    const DESCRIPTION: &'static str = "Adds another MCP server as a source of tools to a server. A person allows it \
        before it is asked for anything; addresses on this machine or in private networks are added by people only. \
        A secret that lets us in there is named here and set by a person (mcpbox_create_server_secret). Once it is \
        allowed: mcpbox_discover_external_tools, then mcpbox_import_external_tools.";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "server_id": {"type": "string", "description": "The server that offers its tools"},
                "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$",
                         "description": "Begins the names of its tools: lower-case letters, digits, underscores"},
                "url": {"type": "string", "maxLength": 2048, "description": "Its MCP endpoint, http or https"},
                "auth_type": {"type": "string", "enum": ["none", "bearer", "header", "oauth"], "default": "none",
                              "description": "How it lets us in; with oauth a person logs in there"},
                "auth_secret_name": {"type": ["string", "null"],
                                     "description": "The server's secret with the token, for bearer and header"},
                "auth_header_name": {"type": ["string", "null"], "description": "The header for it, for header"},
                "transport_type": {"type": "string", "enum": ["streamable_http", "sse"], "default": "streamable_http",
                                   "description": "sse for servers of before 2025"},
            }),
            &["server_id", "name", "url"],
        )
    }

    fn output() -> Value {
        schema::done(&schema::source())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "server_id": "01990000-0000-7000-8000-000000000001",
            "name": "github",
            "url": "https://mcp.example.com/mcp",
            "auth_type": "header",
            "auth_secret_name": "GITHUB_TOKEN",
            "auth_header_name": "X-API-Key",
            "transport_type": "sse",
        })
    }

    async fn run(call: Call<'_>, arguments: Arguments) -> Result<Answered, Error> {
        let server = id("server_id", &arguments.server_id, "mcpbox_list_servers")?;
        let new = NewSource {
            name: arguments.name,
            url: arguments.url,
            transport_type: arguments.transport_type,
            auth_type: arguments.auth_type,
            auth_secret_name: arguments.auth_secret_name,
            auth_header_name: arguments.auth_header_name,
            private_network: None,
        };
        let source = call.service.source_create(call.caller, server, new).await?;
        let message = match source.status {
            SourceStatus::Disabled => {
                "A person has to allow this source, its address and what lets us in there. Tell the user."
            }
            _ => "Ask it for its tools with mcpbox_discover_external_tools.",
        };
        Answered::done(&source, message.to_owned())
    }
}
