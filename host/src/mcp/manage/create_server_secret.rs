//! `mcpbox_create_server_secret`: a place for a secret, which a person fills.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::get_server::{SERVER_IDS, server_id};
use super::list_server_secrets::{Secret, secret};
use super::{Answered, Call, Effect, Management, id, schema};
use crate::domain::binding::GivenBinding;
use crate::domain::ids::ServerId;
use crate::service::Error;
use crate::service::secrets::NewSecret;

pub(super) struct CreateServerSecret;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    server_id: String,
    key: String,
    #[serde(default)]
    description: String,
    binding: Option<GivenBinding>,
}

#[derive(Serialize)]
struct Created {
    server_id: ServerId,
    #[serde(flatten)]
    secret: Secret,
}

impl Management for CreateServerSecret {
    const NAME: &'static str = "mcpbox_create_server_secret";
    const TITLE: &'static str = "Ask for a secret";
    const DESCRIPTION: &'static str = "Makes an empty place for a secret of a server, such as an API key. Only a \
        person can give it a value, and nobody reads it back: never ask the user to tell it to you. Best propose a \
        `binding`: then the host adds the value to every request to that host by itself, and no tool sees it. \
        Without one, all tools of the server read it as `secrets[\"KEY\"]`. Say in the description where one gets \
        it.";
    const EFFECT: Effect = Effect::Adds;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "server_id": server_id(),
                "key": {
                    "type": "string",
                    "pattern": "^[A-Z][A-Z0-9_]*$",
                    "maxLength": 100,
                    "description": "An upper-case letter, then upper-case letters, digits and underscores, for \
                                    example `API_KEY`"
                },
                "description": {"type": "string", "default": "",
                                "description": "For the person who sets it: what it is and where one gets it"},
                "binding": {
                    "type": "object",
                    "description": "Where the host adds it; the person who sets the value decides",
                    "properties": {
                        "host": {"type": "string", "description": "host, host:port or *.domain"},
                        "header": {"type": "string", "description": "The header that carries it; this or query"},
                        "query": {"type": "string", "description": "The query parameter that carries it"},
                        "template": {"type": "string", "default": "{secret}",
                                     "description": "The words around it: `Bearer {secret}`, `Basic {base64}`"},
                    },
                    "required": ["host"],
                    "additionalProperties": false,
                },
            }),
            &["server_id", "key"],
        )
    }

    fn output() -> Value {
        let mut created = secret();
        created["properties"]["server_id"] = json!({"type": "string"});
        schema::done(&created)
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({
            "server_id": "01990000-0000-7000-8000-000000000001",
            "key": "API_KEY",
            "description": "From your account at weather.example",
            "binding": {"host": "api.weather.example", "header": "Authorization", "template": "Bearer {secret}"},
        })
    }

    async fn run(
        call: Call<'_>,
        Arguments { server_id, key, description, binding }: Arguments,
    ) -> Result<Answered, Error> {
        let server_id = id("server_id", &server_id, SERVER_IDS)?;
        let new = NewSecret { key_name: key, description, value: None, binding };
        let secret = Secret::from(call.service.secret_create(call.caller, server_id, new).await?);
        let use_of_it = match &secret.binding {
            Some(_) => "Your tools do not see it and must not set it: the host adds it to the requests it is bound to.",
            None => "",
        };
        let message = format!(
            "The secret `{}` waits for its value. Tell the user that an administrator has to set it; do not ask \
             for the value yourself. mcpbox_list_server_secrets says when it is there. {use_of_it}",
            secret.key
        );
        Answered::done(&Created { server_id, secret }, message.trim_end().to_owned())
    }
}
