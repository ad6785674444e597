//! The id of one request, from the door to the guest and into every log line and row on the way.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// The header in which a caller may give an id, and in which every answer carries it.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

const MAX_CHARACTERS: usize = 64;

/// 1 to 64 characters of `[A-Za-z0-9_-]`, so that it can stand in any header, log line or row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 1 to {MAX_CHARACTERS} letters, digits, underscores and hyphens")]
pub struct RequestIdError;

impl RequestId {
    /// A new one: a UUIDv7, so that later ones sort behind earlier ones.
    #[expect(clippy::new_without_default, reason = "a new id is not a default")]
    pub fn new() -> Self {
        let mut text = Uuid::encode_buffer();
        Self(Arc::from(&*uuid_v7().hyphenated().encode_lower(&mut text)))
    }

    /// The caller's id where it is well formed, otherwise a new one.
    pub fn given_or_new(header: Option<&str>) -> Self {
        header.and_then(|text| text.parse().ok()).unwrap_or_else(Self::new)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text, without a copy.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let fits = (1..=MAX_CHARACTERS).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            Ok(Self(text.into()))
        } else {
            Err(RequestIdError)
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

tokio::task_local! {
    /// Of the request that a task works for.
    static CURRENT: Option<RequestId>;
}

/// Does `work` for a request: each line that it logs says so.
pub fn of_request<F: Future>(id: RequestId, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Some(id), work)
}

/// The same for work that goes on in a task of its own, for the request of the task that starts it.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), work)
}

/// The request that this task works for.
pub(super) fn current() -> Option<RequestId> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// A new UUIDv7 (RFC 9562, section 5.7). Within a process those made later sort behind those made
/// earlier: the twelve bits behind the milliseconds count what was made in the same one, and run over into
/// the next. The rest is random, from a generator that the machine seeds: to ask the machine itself costs a
/// system call for each.
pub fn uuid_v7() -> Uuid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    #[expect(
        clippy::disallowed_methods,
        reason = "an id holds the time at which it was made, not the time that tests turn"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (u64::try_from(since.as_millis()).unwrap_or(u64::MAX >> COUNTER_BITS)) << COUNTER_BITS;
    let next = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    let stamp = next(last.unwrap_or_else(|last| last));
    let mut bytes: [u8; 10] = rand::random();
    // The builder puts the version over the four highest bits.
    let counter = u16::try_from(stamp & ((1 << COUNTER_BITS) - 1)).unwrap_or_default();
    bytes[..2].copy_from_slice(&counter.to_be_bytes());
    Builder::from_unix_timestamp_millis(stamp >> COUNTER_BITS, &bytes).into_uuid()
}

/// Bits of the number that tells ids of one millisecond apart.
const COUNTER_BITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_kept_and_another_is_replaced() {
        for good in ["a", "req_1-B", &"x".repeat(64)] {
            assert_eq!(RequestId::given_or_new(Some(good)).as_str(), good);
        }
        for bad in ["", " a", "a b", "a\n", "ä", "a\"", "../x", &"x".repeat(65)] {
            let id = RequestId::given_or_new(Some(bad));
            assert_ne!(id.as_str(), bad);
            assert_eq!(id.as_str().parse(), Ok(id.clone()), "{bad}");
        }
        assert_ne!(RequestId::given_or_new(None), RequestId::given_or_new(None));
    }

    #[test]
    fn ids_sort_in_the_order_in_which_they_were_made() {
        let before = Uuid::now_v7();
        let made: Vec<Uuid> = (0..10_000).map(|_| uuid_v7()).collect();
        assert!(made.is_sorted_by(|one, next| one < next), "more than a millisecond's counter holds");
        assert!(made.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
        let millis = |id: &Uuid| id.as_u128() >> 80;
        assert!((millis(&before)..millis(&before) + 60_000).contains(&millis(&made[0])));
    }

    #[tokio::test]
    async fn work_that_goes_on_in_another_task_is_still_for_its_request() {
        assert_eq!(current(), None);
        let id = RequestId::new();
        let tasks = tokio_util::task::TaskTracker::new();
        let seen = of_request(id.clone(), async { tasks.spawn(carried(async { current() })).await });
        assert_eq!(seen.await.expect("no panic"), Some(id));
        assert_eq!(tasks.spawn(carried(async { current() })).await.expect("no panic"), None);
    }

    #[test]
    fn a_new_id_is_a_uuid_of_version_7() {
        let id = Uuid::parse_str(RequestId::new().as_str()).expect("a UUID");
        assert_eq!(id.get_version_num(), 7);
    }
}
