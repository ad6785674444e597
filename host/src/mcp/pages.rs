//! Lists of prompts and resources, in pages.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dispatch::{Context, Dispatcher, Reply};
use super::error::Failure;
use super::jsonrpc::{Params, Payload};
use super::scope::Scope;
use super::{about, cursor, methods};
use crate::domain::component::{Prompt, Resource, ResourceTemplate};
use crate::limits::Limits;
use crate::service::offered::Offering;

/// For how long a client may keep a list without asking again.
pub(super) const FRESH_MS: u64 = 5_000;

/// `PaginatedRequestParams`.
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

/// What clients list by a name or a URI.
pub(super) trait Own: Serialize {
    /// What its component calls it.
    fn key(&self) -> &str;
    /// The same, called otherwise.
    fn under(&self, key: &str) -> Self;
}

impl Own for Prompt {
    fn key(&self) -> &str {
        &self.name
    }

    fn under(&self, key: &str) -> Self {
        Self { name: key.to_owned(), ..self.clone() }
    }
}

impl Own for Resource {
    fn key(&self) -> &str {
        &self.uri
    }

    fn under(&self, key: &str) -> Self {
        Self { uri: key.to_owned(), ..self.clone() }
    }
}

impl Own for ResourceTemplate {
    fn key(&self) -> &str {
        &self.uri_template
    }

    fn under(&self, key: &str) -> Self {
        Self { uri_template: key.to_owned(), ..self.clone() }
    }
}

/// What clients of this scope call it.
pub(super) fn called<'a, T: Own>(offering: &'a Offering<T>, scope: &Scope) -> &'a str {
    match scope {
        Scope::Everything => &offering.name,
        Scope::Server(_) => offering.own.key(),
    }
}

/// One page of `list`, in the order of the names, as the member `name` of the result.
///
/// # Errors
/// -32602 when the cursor is not one of ours.
pub(super) fn page<T: Own>(
    dispatcher: &Dispatcher,
    context: &Context,
    params: &Params,
    name: &str,
    list: &[Offering<T>],
) -> Reply {
    let List { cursor } = methods::read(params)?;
    let mut lines: Vec<(&str, &T)> =
        list.iter().map(|offering| (called(offering, &context.scope), &offering.own)).collect();
    lines.sort_by_key(|(key, _)| *key);
    let start = cursor::start(cursor.as_deref(), |last| lines.partition_point(|(key, _)| *key <= last))?;
    let size = Limits::size(dispatcher.service.limits().page_size_max);
    let end = start.saturating_add(size).min(lines.len());
    let shown = lines.get(start..end).unwrap_or_default();
    let next = (end < lines.len()).then(|| shown.last()).flatten().map(|(last, _)| cursor::after(last));
    let written: Result<Vec<Box<RawValue>>, _> =
        shown.iter().map(|(key, own)| serde_json::value::to_raw_value(&own.under(key))).collect();
    let broken = |_| Failure::internal(&context.request_id);
    let mut members = serde_json::Map::new();
    members.insert(name.to_owned(), serde_json::to_value(written.map_err(broken)?).map_err(broken)?);
    members.extend(next.map(|next| ("nextCursor".to_owned(), next.into())));
    if context.is_modern() {
        cached(&mut members, FRESH_MS);
        about::complete(&mut members);
    }
    Payload::of(&members).map_err(broken)
}

/// Says how long a client may keep a modern result, and that it is nobody else's.
pub(super) fn cached(members: &mut serde_json::Map<String, serde_json::Value>, fresh_ms: u64) {
    members.insert("ttlMs".to_owned(), fresh_ms.into());
    members.insert("cacheScope".to_owned(), "private".into());
}
