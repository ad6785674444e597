//! Lists of prompts and resources, in pages.

use serde::Serialize;
use serde_json::value::RawValue;

use super::dispatch::{Context, Dispatcher, Reply};
use super::error::{Failure, Kind};
use super::jsonrpc::Payload;
use super::{about, cursor};
use crate::limits::Limits;
use crate::service::offered::Offering;

/// For how long a client may keep a list without asking again.
const FRESH_MS: u64 = 5_000;

/// One page of `list`: the member `name` of the result holds what `line` makes of each offering, in the order
/// of the names that `line` gives it.
///
/// # Errors
/// -32602 when the cursor is not one of ours.
pub(super) fn page<T, L: Serialize>(
    dispatcher: &Dispatcher,
    context: &Context,
    cursor: Option<&str>,
    name: &str,
    list: &[Offering<T>],
    line: impl Fn(&Offering<T>) -> (String, L),
) -> Reply {
    let mut lines: Vec<(String, L)> = list.iter().map(line).collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    let start = match cursor {
        None => 0,
        Some(cursor) => {
            let after = cursor::read(cursor).ok_or_else(|| {
                Failure::new(Kind::InvalidParams, "this cursor is not one of ours; list again without it")
            })?;
            lines.partition_point(|(known, _)| *known <= after)
        }
    };
    let size = Limits::size(dispatcher.service.limits().page_size_max);
    let end = start.saturating_add(size).min(lines.len());
    let shown = lines.get(start..end).unwrap_or_default();
    let next = (end < lines.len()).then(|| shown.last()).flatten().map(|(last, _)| cursor::after(last));
    let written: Result<Vec<Box<RawValue>>, _> =
        shown.iter().map(|(_, line)| serde_json::value::to_raw_value(line)).collect();
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
