//! Instances that were prepared ahead: instantiated, the tool's top level run, waiting for one call.
//!
//! They hold no secrets, no grants and nobody's arguments; the call brings those. They are kept only
//! for sources that are being called, bounded in number, and dropped when they have waited too long
//! or when somebody says that the source is no longer wanted.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::interpreter::Live;
use crate::domain::digest::Digest;
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

struct Spare {
    live: Live,
    until: Instant,
    _ready: Counted,
}

#[derive(Default)]
struct Shelf {
    ready: HashMap<Digest, Vec<Spare>>,
    count: usize,
    /// Sources whose top level wants what only a call has.
    unpreparable: HashSet<Digest>,
}

pub(super) struct Spares {
    shelf: Mutex<Shelf>,
    per_tool: usize,
    total: usize,
    idle: Duration,
}

/// Sources that are remembered as unpreparable; forgetting one costs a vain attempt.
const UNPREPARABLE_MAX: usize = 10_000;

impl Spares {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            shelf: Mutex::default(),
            per_tool: Limits::size(limits.spares_per_tool),
            total: Limits::size(limits.spares_total),
            idle: Duration::from_secs(limits.spare_idle_s),
        }
    }

    fn shelf<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A spare for this source, the freshest.
    pub(super) fn take(&self, source: Digest) -> Option<Live> {
        let taken = self.shelf(|shelf| {
            let spares = shelf.ready.get_mut(&source)?;
            let spare = spares.pop()?;
            shelf.count -= 1;
            (spare.until > Instant::now()).then_some(spare.live)
        });
        metrics::spare_taken(taken.is_some());
        taken
    }

    /// Whether one more spare for this source is wanted.
    pub(super) fn wants(&self, source: Digest) -> bool {
        self.shelf(|shelf| {
            let have = shelf.ready.get(&source).map_or(0, Vec::len);
            have < self.per_tool && shelf.count < self.total && !shelf.unpreparable.contains(&source)
        })
    }

    pub(super) fn put(&self, source: Digest, live: Live) {
        let until = Instant::now() + self.idle;
        let unwanted = self.shelf(|shelf| {
            let spares = shelf.ready.entry(source).or_default();
            if spares.len() >= self.per_tool || shelf.count >= self.total {
                return Some(live);
            }
            spares.push(Spare { live, until, _ready: metrics::spare_ready() });
            shelf.count += 1;
            None
        });
        // Dropped here, not under the lock: freeing an instance takes a while.
        drop(unwanted);
    }

    pub(super) fn mark_unpreparable(&self, source: Digest) {
        self.shelf(|shelf| {
            if shelf.unpreparable.len() >= UNPREPARABLE_MAX {
                shelf.unpreparable.clear();
            }
            shelf.unpreparable.insert(source);
        });
    }

    /// Drops the spares of one source.
    pub(super) fn forget(&self, source: Digest) {
        let dropped = self.shelf(|shelf| {
            let spares = shelf.ready.remove(&source).unwrap_or_default();
            shelf.count -= spares.len();
            spares
        });
        drop(dropped);
    }

    /// Drops spares that have waited too long. Answers how many are left.
    pub(super) fn sweep(&self) -> usize {
        let now = Instant::now();
        let (dropped, left) = self.shelf(|shelf| {
            let mut dropped = Vec::new();
            for spares in shelf.ready.values_mut() {
                dropped.extend(spares.extract_if(.., |spare| spare.until <= now));
            }
            shelf.ready.retain(|_, spares| !spares.is_empty());
            shelf.count -= dropped.len();
            (dropped, shelf.count)
        });
        drop(dropped);
        left
    }

    pub(super) fn idle(&self) -> Duration {
        self.idle
    }
}
