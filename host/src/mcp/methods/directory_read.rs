//! `resources/directory/read`: what lies in a folder of skills. Nothing is run for it.

use serde::Deserialize;
use serde_json::json;

use super::read;
use crate::domain::component::Resource;
use crate::domain::skill::directory;
use crate::mcp::about;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind, shorten};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::pages::{called, members};

/// `ReadResourceDirectoryRequestParams`, without its cursor.
#[derive(Deserialize)]
struct Directory {
    uri: String,
}

/// # Errors
/// -32602 when there is no such folder, or for a cursor that is not ours; and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Directory { uri } = read(params)?;
    let catalogue = dispatcher.catalogue(context).await?;
    let skills = catalogue.offered.skills.iter().map(|skill| (called(skill, &context.scope), &skill.own));
    let Some(children) = directory(skills, &uri) else {
        let message = format!(
            "there is no folder `{}`; folders are those of skills (skills/list), without a `/` at the end, and what \
             is no folder is read by resources/read",
            shorten(&uri)
        );
        let data = Some(json!({ "uri": uri }));
        return Err(Failure { data, ..Failure::new(Kind::InvalidParams, message) });
    };
    let lines: Vec<(&str, &Resource)> = children.iter().map(|child| (child.uri.as_str(), child)).collect();
    let mut members = members(dispatcher, context, params, "resources", lines)?;
    about::complete(&mut members);
    Payload::of(&members).map_err(|_| Failure::internal(&context.request_id))
}
