//! `mcpbox_list_server_secrets`: which secrets a server has, never what they are.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_server::{SERVER_IDS, server_id};
use super::list_servers::{first, usual};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::binding::Binding;
use crate::service::secrets::SecretView;
use crate::service::{Error, PageRequest};

pub(super) struct ListServerSecrets;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_id: String,
    #[serde(default = "first")]
    page: u64,
    #[serde(default = "usual")]
    page_size: u64,
}

/// A secret by the names that the first MCPbox gave its members.
#[derive(Serialize)]
pub(super) struct Secret {
    pub(super) key: String,
    description: String,
    has_value: bool,
    /// Where the host adds it; then no tool sees it.
    pub(super) binding: Option<Binding>,
}

impl From<SecretView> for Secret {
    fn from(SecretView { key_name, description, has_value, binding, .. }: SecretView) -> Self {
        Self { key: key_name, description, has_value, binding }
    }
}

/// The schema of [`Secret`].
pub(super) fn secret() -> Value {
    schema::answer(
        json!({
            "key": {"type": "string"},
            "description": {"type": "string"},
            "has_value": {"type": "boolean", "description": "False: a person has yet to set it"},
            "binding": {
                "type": ["object", "null"],
                "description": "Where the host adds it to requests by itself; then no tool sees it. Null: tools read it",
            },
        }),
        &["key", "description", "has_value"],
    )
}

#[derive(Serialize)]
struct Secrets {
    secrets: Vec<Secret>,
    total: u64,
    page: u64,
    page_size: u64,
    pages: u64,
}

impl Management for ListServerSecrets {
    const NAME: &'static str = "mcpbox_list_server_secrets";
    const TITLE: &'static str = "List a server's secrets";
    const DESCRIPTION: &'static str = "Lists the names of a server's secrets and whether each has a value; the values \
        themselves are never shown. A tool reads them as `secrets[\"KEY\"]`, but for those with a `binding`: the host \
        adds these to the requests that they are bound to. A new one is made with mcpbox_create_server_secret.";
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
        schema::page("secrets", &secret())
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"server_id": "01990000-0000-7000-8000-000000000001", "page": 1, "page_size": 20})
    }

    async fn run(call: Call<'_>, Arguments { server_id, page, page_size }: Arguments) -> Result<Answered, Error> {
        let server = id("server_id", &server_id, SERVER_IDS)?;
        let page = PageRequest { page: Some(page), page_size: Some(page_size) };
        let found = call.service.secret_list(call.caller, server, page).await?;
        Answered::of(&Secrets {
            secrets: found.items.into_iter().map(Secret::from).collect(),
            total: found.total,
            page: found.page,
            page_size: found.page_size,
            pages: found.pages,
        })
    }
}
