//! Instances that were prepared ahead: instantiated, the tool's top level run, waiting for one call.
//!
//! They hold no secrets, no grants and nobody's arguments; the call brings those. They are kept only
//! for sources that are being called, bounded in number, and dropped when they have waited too long
//! or when somebody says that the source is no longer wanted. A spare serves only calls that have the
//! same grants, and may import the same, as the call for whose sake it was made. Here is also what is wished for: which sources
//! had a call and have fewer spares than they might.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::interpreter::Live;
use super::sources::Source;
use crate::domain::digest::Digest;
use crate::domain::grant::Grants;
use crate::domain::modules::Imports;
use crate::domain::tool::Language;
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

/// What a spare is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    language: Language,
    source: Digest,
    grants: Digest,
}

impl Key {
    pub(super) fn new(source: &Source, grants: &Grants) -> Self {
        let hosts: Vec<String> = grants.hosts.iter().map(ToString::to_string).collect();
        let Imports { modules, advice, packages } = &grants.imports;
        let packages = packages.as_ref().map(|set| *set.digest.as_bytes()).unwrap_or_default();
        // One list after the other, each with its length before it.
        let lists = [hosts.iter(), modules.iter()].map(|list| Digest::of_parts(list.map(|text| text.as_bytes())));
        let parts = [&lists[0].as_bytes()[..], lists[1].as_bytes(), advice.as_bytes(), &packages];
        Self { language: source.language, source: source.digest, grants: Digest::of_parts(parts) }
    }
}

struct Spare {
    live: Live,
    until: Instant,
    _ready: Counted,
}

/// A source that should get spares.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) key: Key,
    pub(super) source: Source,
    pub(super) imports: Imports,
}

#[derive(Default)]
struct Shelf {
    ready: HashMap<Key, Vec<Spare>>,
    count: usize,
    wishes: VecDeque<Wish>,
    /// What is being prepared, unless it was forgotten meanwhile.
    under_way: Option<Key>,
    /// Where the top level wants what only a call has, or fails.
    unpreparable: HashSet<Key>,
}

pub(super) struct Spares {
    shelf: Mutex<Shelf>,
    wished: Notify,
    per_tool: usize,
    total: usize,
    idle: Duration,
}

/// What is remembered as unpreparable; forgetting one costs a vain attempt.
const UNPREPARABLE_MAX: usize = 10_000;
/// Sources that wait for spares; the one that waits longest gives way.
const WISHES_MAX: usize = 64;

impl Spares {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            shelf: Mutex::default(),
            wished: Notify::new(),
            per_tool: Limits::size(limits.spares_per_tool),
            total: Limits::size(limits.spares_total),
            idle: Duration::from_secs(limits.spare_idle_s),
        }
    }

    fn shelf<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A spare for this, the freshest.
    pub(super) fn take(&self, key: Key) -> Option<Live> {
        let taken = self.shelf(|shelf| {
            let spare = shelf.ready.get_mut(&key)?.pop()?;
            shelf.count -= 1;
            Some(spare)
        });
        let taken = taken.filter(|spare| spare.until > Instant::now()).map(|spare| spare.live);
        metrics::spare_taken(taken.is_some());
        taken
    }

    /// Whether one more spare for this would be kept.
    fn has_room(&self, shelf: &Shelf, key: Key) -> bool {
        let have = shelf.ready.get(&key).map_or(0, Vec::len);
        have < self.per_tool && shelf.count < self.total && !shelf.unpreparable.contains(&key)
    }

    /// Wishes for spares, if more are wanted.
    pub(super) fn wish(&self, key: Key, source: &Source, imports: &Imports) {
        let is_new = self.shelf(|shelf| {
            if !self.has_room(shelf, key) || shelf.wishes.iter().any(|wish| wish.key == key) {
                return false;
            }
            if shelf.wishes.len() >= WISHES_MAX {
                shelf.wishes.pop_front();
            }
            shelf.wishes.push_back(Wish { key, source: source.clone(), imports: imports.clone() });
            true
        });
        if is_new {
            self.wished.notify_one();
        }
    }

    /// Waits for a wish.
    pub(super) async fn wished(&self) {
        self.wished.notified().await;
    }

    /// The wish that waits longest, which is now under way.
    pub(super) fn next(&self) -> Option<Wish> {
        self.shelf(|shelf| {
            let next = shelf.wishes.pop_front();
            shelf.under_way = next.as_ref().map(|wish| wish.key);
            next
        })
    }

    /// Whether what is under way was not forgotten meanwhile.
    pub(super) fn still_wants(&self, key: Key) -> bool {
        self.shelf(|shelf| shelf.under_way == Some(key) && self.has_room(shelf, key))
    }

    /// Keeps what was under way, unless it is no longer wanted.
    pub(super) fn put(&self, key: Key, live: Live) {
        let until = Instant::now() + self.idle;
        let unwanted = self.shelf(|shelf| {
            if shelf.under_way != Some(key) || !self.has_room(shelf, key) {
                return Some(live);
            }
            shelf.ready.entry(key).or_default().push(Spare { live, until, _ready: metrics::spare_ready() });
            shelf.count += 1;
            None
        });
        // Dropped here, not under the lock: freeing an instance takes a while.
        drop(unwanted);
    }

    pub(super) fn mark_unpreparable(&self, key: Key) {
        self.shelf(|shelf| {
            if shelf.unpreparable.len() >= UNPREPARABLE_MAX {
                shelf.unpreparable.clear();
            }
            shelf.unpreparable.insert(key);
        });
    }

    /// Drops the spares of one source, and what is wished for or under way for it.
    pub(super) fn forget(&self, source: Digest) {
        let dropped = self.shelf(|shelf| {
            shelf.wishes.retain(|wish| wish.key.source != source);
            shelf.under_way = shelf.under_way.filter(|key| key.source != source);
            let dropped: Vec<_> = shelf.ready.extract_if(|key, _| key.source == source).collect();
            shelf.count -= dropped.iter().map(|(_, spares)| spares.len()).sum::<usize>();
            dropped
        });
        drop(dropped);
    }

    /// Drops spares that have waited too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let dropped = self.shelf(|shelf| {
            let mut dropped = Vec::new();
            for spares in shelf.ready.values_mut() {
                dropped.extend(spares.extract_if(.., |spare| spare.until <= now));
            }
            shelf.ready.retain(|_, spares| !spares.is_empty());
            shelf.count -= dropped.len();
            dropped
        });
        drop(dropped);
    }

    pub(super) fn idle(&self) -> Duration {
        self.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { language: Language::Python, text: text.into(), digest: Digest::of(text.as_bytes()) }
    }

    fn key(text: &str) -> Key {
        Key::new(&source(text), &Grants::default())
    }

    #[test]
    fn a_source_that_is_called_often_is_wished_for_once() {
        let spares = Spares::new(&Limits::default());
        for text in ["a", "b", "a"] {
            spares.wish(key(text), &source(text), &Imports::default());
        }
        assert_eq!(spares.next().map(|wish| wish.key), Some(key("a")));
        assert_eq!(spares.next().map(|wish| wish.key), Some(key("b")));
        assert!(spares.next().is_none());
        for number in 0..=WISHES_MAX {
            let text = number.to_string();
            spares.wish(key(&text), &source(&text), &Imports::default());
        }
        assert_eq!(spares.next().map(|wish| wish.key), Some(key("1")), "the one that waited longest gave way");
    }

    #[test]
    fn what_is_forgotten_is_neither_wished_for_nor_under_way() {
        let spares = Spares::new(&Limits::default());
        spares.wish(key("a"), &source("a"), &Imports::default());
        spares.forget(source("a").digest);
        assert!(spares.next().is_none());
        spares.wish(key("a"), &source("a"), &Imports::default());
        let under_way = spares.next().expect("a wish").key;
        assert!(spares.still_wants(under_way));
        spares.forget(source("a").digest);
        assert!(!spares.still_wants(under_way));
        assert!(spares.shelf(|shelf| spares.has_room(shelf, under_way)), "a later call may wish for it again");
    }

    #[test]
    fn a_spare_for_other_grants_another_list_or_another_language_is_another_spare() {
        let granted = Grants { hosts: vec!["a.example".parse().expect("a host")], ..Grants::default() };
        assert_ne!(Key::new(&source("a"), &granted), key("a"));
        let importing = Imports { modules: ["yaml".to_owned()].into(), ..Imports::default() };
        assert_ne!(Key::new(&source("a"), &Grants { imports: importing, ..Grants::default() }), key("a"));
        let other = Source { language: Language::Javascript, ..source("a") };
        assert_ne!(Key::new(&other, &Grants::default()), key("a"));
    }

    #[test]
    fn nothing_is_wished_for_where_there_are_to_be_no_spares_or_there_can_be_none() {
        let none = Spares::new(&Limits { spares_per_tool: 0, ..Limits::default() });
        none.wish(key("a"), &source("a"), &Imports::default());
        assert!(none.next().is_none());
        let spares = Spares::new(&Limits::default());
        spares.mark_unpreparable(key("a"));
        spares.wish(key("a"), &source("a"), &Imports::default());
        assert!(spares.next().is_none());
    }
}
