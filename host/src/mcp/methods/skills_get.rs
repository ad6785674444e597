//! `skills/get`: one skill by the URI of its `SKILL.md`. Nothing is run for it.

use serde::Deserialize;
use serde_json::{Map, json};

use super::read;
use crate::mcp::about;
use crate::mcp::dispatch::{Context, Dispatcher, Reply};
use crate::mcp::error::{Failure, Kind};
use crate::mcp::jsonrpc::{Params, Payload};
use crate::mcp::nearest::{nearest_uri, not_there};
use crate::mcp::pages::{FRESH_MS, cached, called};
use crate::mcp::skills::Entry;

/// `GetSkillRequestParams`.
#[derive(Deserialize)]
struct Get {
    uri: String,
}

/// # Errors
/// -32602 when no skill has this URI, and those of the catalogue.
pub async fn answer(dispatcher: &Dispatcher, context: &Context, params: &Params) -> Reply {
    let Get { uri } = read(params)?;
    let catalogue = dispatcher.catalogue(context).await?;
    let Some(skill) = catalogue.offered.skill(&context.scope.full_uri(&uri)) else {
        let known = catalogue.offered.skills.iter().map(|offering| called(offering, &context.scope));
        let message = not_there("skill", &uri, "skills/list", nearest_uri(&uri, known));
        let data = Some(json!({ "uri": uri }));
        return Err(Failure { data, ..Failure::new(Kind::InvalidParams, message) });
    };
    let broken = |_| Failure::internal(&context.request_id);
    let entry = serde_json::to_value(Entry::of(&skill.own, called(skill, &context.scope))).map_err(broken)?;
    let mut members = Map::from_iter([("skill".to_owned(), entry)]);
    cached(&mut members, FRESH_MS);
    about::complete(&mut members);
    Payload::of(&members).map_err(broken)
}
