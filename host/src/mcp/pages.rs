//! Lists of prompts, resources and skills, in pages.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dispatch::{Context, Dispatcher, Reply};
use super::error::Failure;
use super::jsonrpc::{Params, Payload};
use super::scope::Scope;
use super::skills::Entry;
use super::{about, cursor, methods};
use crate::domain::component::{Prompt, Resource, ResourceTemplate};
use crate::domain::skill::Skill;
use crate::limits::Limits;
use crate::service::offered::Offering;

/// For how long a client may keep a list without asking again.
pub(super) const FRESH_MS: u64 = 5_000;

/// A page ends with what brings it to this size, however few things it has.
const PAGE_BYTES: usize = 1 << 20;

/// `PaginatedRequestParams`.
#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) cursor: Option<String>,
}

/// What clients list by a name or a URI.
pub(super) trait Own {
    /// What clients see of it.
    type Shown: Serialize;
    /// What its component calls it.
    fn key(&self) -> &str;
    /// The same as clients see it, called otherwise.
    fn under(&self, key: &str) -> Self::Shown;
}

impl Own for Prompt {
    type Shown = Self;

    fn key(&self) -> &str {
        &self.name
    }

    fn under(&self, key: &str) -> Self {
        Self { name: key.to_owned(), ..self.clone() }
    }
}

impl Own for Resource {
    type Shown = Self;

    fn key(&self) -> &str {
        &self.uri
    }

    fn under(&self, key: &str) -> Self {
        Self { uri: key.to_owned(), ..self.clone() }
    }
}

impl Own for ResourceTemplate {
    type Shown = Self;

    fn key(&self) -> &str {
        &self.uri_template
    }

    fn under(&self, key: &str) -> Self {
        Self { uri_template: key.to_owned(), ..self.clone() }
    }
}

impl Own for Skill {
    type Shown = Entry;

    fn key(&self) -> &str {
        &self.uri
    }

    fn under(&self, key: &str) -> Entry {
        Entry::of(self, key)
    }
}

/// What clients of this scope call it.
pub(super) fn called<'a, T: Own>(offering: &'a Offering<T>, scope: &Scope) -> &'a str {
    match scope {
        Scope::Everything => &offering.name,
        Scope::Server(_) => offering.own.key(),
    }
}

/// One page of `list`, in the order of the names, as the member `name` of the result, which a client may keep for a
/// while.
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
    let lines = list.iter().map(|offering| (called(offering, &context.scope), &offering.own)).collect();
    let mut members = members(dispatcher, context, params, name, lines)?;
    if context.is_modern() {
        cached(&mut members, FRESH_MS);
        about::complete(&mut members);
    }
    Payload::of(&members).map_err(|_| Failure::internal(&context.request_id))
}

/// The same of things with what they are called here, without a word on how long it may be kept.
///
/// # Errors
/// -32602 when the cursor is not one of ours.
pub(super) fn members<T: Own>(
    dispatcher: &Dispatcher,
    context: &Context,
    params: &Params,
    name: &str,
    mut lines: Vec<(&str, &T)>,
) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let List { cursor } = methods::read(params)?;
    lines.sort_by_key(|(key, _)| *key);
    let start = cursor::start(cursor.as_deref(), |last| lines.partition_point(|(key, _)| *key <= last))?;
    let size = Limits::size(dispatcher.service.limits().page_size_max);
    let broken = |_| Failure::internal(&context.request_id);
    let (mut written, mut bytes, mut last): (Vec<Box<RawValue>>, _, _) = (Vec::new(), 0, None);
    let mut following = lines.get(start..).unwrap_or_default().iter();
    while written.len() < size && bytes < PAGE_BYTES {
        let Some((key, own)) = following.next() else { break };
        let line = serde_json::value::to_raw_value(&own.under(key)).map_err(broken)?;
        bytes += line.get().len();
        written.push(line);
        last = Some(*key);
    }
    let next = last.filter(|_| following.len() > 0).map(cursor::after);
    let mut members = serde_json::Map::new();
    members.insert(name.to_owned(), serde_json::to_value(written).map_err(broken)?);
    members.extend(next.map(|next| ("nextCursor".to_owned(), next.into())));
    Ok(members)
}

/// Says how long a client may keep a modern result, and that it is nobody else's.
pub(super) fn cached(members: &mut serde_json::Map<String, serde_json::Value>, fresh_ms: u64) {
    members.insert("ttlMs".to_owned(), fresh_ms.into());
    members.insert("cacheScope".to_owned(), "private".into());
}
