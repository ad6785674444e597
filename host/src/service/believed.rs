//! What was read of the database, believed until anything is written and for two seconds at most.
//!
//! A look at it is on the way of every call, so it is one look into a map and no more: nothing is kept in order
//! of use. When it is full it begins anew, which costs each of those that are used one more reading.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta};

use crate::clock::Moment;

/// What the database has seen so far, and when.
#[derive(Clone, Copy)]
pub(super) struct AsOf {
    /// [`Database::writes`](crate::db::Database::writes).
    pub(super) writes: u64,
    pub(super) at: Moment,
}

/// How long what was read is believed, because another process may have written.
const BELIEVED: TimeDelta = TimeDelta::seconds(2);

impl AsOf {
    /// Whether what was read then may be believed now.
    fn holds(self, now: Self) -> bool {
        self.writes == now.writes && now.at.since(self.at).abs() < BELIEVED
    }
}

/// Names that may be read at the same time; two of them may have to wait for each other by chance.
const READERS: usize = 64;

pub(super) struct Believed<V> {
    kept: Mutex<Kept<V>>,
    most: usize,
    readers: [tokio::sync::Mutex<()>; READERS],
    hasher: RandomState,
}

struct Kept<V> {
    of: HashMap<String, (AsOf, usize, V)>,
    weight: usize,
    /// When what nobody believes any more was last thrown away.
    cleared: Moment,
}

impl<V: Clone> Believed<V> {
    /// Keeps as much as weighs `most` together.
    pub(super) fn new(most: usize) -> Self {
        let kept = Kept { of: HashMap::new(), weight: 0, cleared: DateTime::UNIX_EPOCH.into() };
        Self {
            kept: Mutex::new(kept),
            most,
            readers: [const { tokio::sync::Mutex::const_new(()) }; READERS],
            hasher: RandomState::new(),
        }
    }

    /// The turn to read what has this name. Whoever waited for it looks again: what all callers of a busy tool
    /// want at the same moment is read once.
    pub(super) async fn turn(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let at = self.hasher.hash_one(name) as usize % READERS;
        self.readers[at].lock().await
    }

    /// What was read by this name, if it may be believed now.
    pub(super) fn get(&self, name: &str, now: AsOf) -> Option<V> {
        let kept = self.kept();
        kept.of.get(name).filter(|(as_of, ..)| as_of.holds(now)).map(|(.., value)| value.clone())
    }

    /// Keeps what was read. `as_of` was taken before.
    pub(super) fn keep(&self, name: String, as_of: AsOf, weight: usize, value: V) {
        if weight > self.most {
            return;
        }
        let mut kept = self.kept();
        let age = as_of.at.since(kept.cleared).abs();
        if age >= BELIEVED || kept.weight.saturating_add(weight) > self.most {
            kept.cleared = as_of.at;
            kept.of.retain(|_, (kept, ..)| kept.holds(as_of));
            kept.weight = kept.of.values().map(|(_, weight, _)| weight).sum();
        }
        if kept.weight.saturating_add(weight) > self.most {
            kept.of.clear();
            kept.weight = 0;
        }
        kept.weight += weight;
        if let Some((_, before, _)) = kept.of.insert(name, (as_of, weight, value)) {
            kept.weight -= before;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn at(writes: u64, ms: i64) -> AsOf {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(ms);
        AsOf { writes, at: at.into() }
    }

    #[test]
    fn what_was_read_is_believed_until_something_is_written_and_not_for_long() {
        let believed = Believed::new(10);
        believed.keep("a".to_owned(), at(7, 10_000), 1, 'x');
        assert_eq!(believed.get("a", at(7, 11_999)), Some('x'));
        assert_eq!(believed.get("b", at(7, 11_999)), None);
        assert_eq!(believed.get("a", at(8, 10_000)), None);
        assert_eq!(believed.get("a", at(7, 12_000)), None);
        assert_eq!(believed.get("a", at(7, 7_000)), None, "the clock was set back");
        believed.keep("a".to_owned(), at(8, 12_000), 1, 'y');
        assert_eq!(believed.get("a", at(8, 12_000)), Some('y'));
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_nothing_for_long_that_nobody_believes() {
        let believed = Believed::new(10);
        let size = || {
            let kept = believed.kept();
            (kept.of.len(), kept.weight)
        };
        for (name, weight) in [("a", 4), ("b", 6), ("a", 4)] {
            believed.keep(name.to_owned(), at(1, 0), weight, ());
        }
        assert_eq!(size(), (1, 4), "the third found it full, and it began anew");
        believed.keep("c".to_owned(), at(1, 0), 11, ());
        assert!(believed.get("c", at(1, 0)).is_none(), "too heavy by itself");
        believed.keep("d".to_owned(), at(1, 0), 9, ());
        believed.keep("e".to_owned(), at(2, 0), 9, ());
        assert_eq!(size(), (1, 9), "what was written over went first");
        believed.keep("f".to_owned(), at(2, 5_000), 1, ());
        assert_eq!(size(), (1, 1), "what was too old is gone");
    }

    #[tokio::test]
    async fn what_all_want_at_once_is_read_once() {
        let believed = Believed::new(10);
        let reads = AtomicUsize::new(0);
        let wants = || async {
            let _turn = believed.turn("a").await;
            if believed.get("a", at(1, 0)).is_none() {
                tokio::task::yield_now().await;
                reads.fetch_add(1, Ordering::Relaxed);
                believed.keep("a".to_owned(), at(1, 0), 1, 'x');
            }
        };
        futures_util::future::join_all((0..16).map(|_| wants())).await;
        assert_eq!((reads.load(Ordering::Relaxed), believed.get("a", at(1, 0))), (1, Some('x')));
    }
}
