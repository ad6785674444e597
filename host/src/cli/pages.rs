//! Reads lists of a running host to their end, page by page: what is said of a list holds for all of it.

use reqwest::Method;
use serde_json::Value;

use super::client::Client;

/// Rows that are asked for at once; a host may answer fewer.
const AT_ONCE: u64 = 100;

/// Looks through a list, a page at a time, until `look` answers something. `path` may have a query of its own.
///
/// # Errors
/// When the host does not answer with a list.
pub(super) async fn look_through<T>(
    client: &Client,
    path: &str,
    mut look: impl FnMut(Value) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    let join = if path.contains('?') { '&' } else { '?' };
    for page in 1_u64.. {
        let path = format!("{path}{join}page_size={AT_ONCE}&page={page}");
        let mut answer = client.json(Method::GET, &path, None).await?;
        let Value::Array(items) = answer["items"].take() else { break };
        if let Some(found) = items.into_iter().find_map(&mut look) {
            return Ok(Some(found));
        }
        if answer["pages"].as_u64().unwrap_or(0) <= page {
            break;
        }
    }
    Ok(None)
}

/// The first row of a list that fits.
///
/// # Errors
/// As [`look_through`].
pub(super) async fn find_by(
    client: &Client,
    path: &str,
    fits: impl Fn(&Value) -> bool,
) -> anyhow::Result<Option<Value>> {
    look_through(client, path, |item| fits(&item).then_some(item)).await
}
