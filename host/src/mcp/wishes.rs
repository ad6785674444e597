//! What the client of a legacy session wants to hear of: how serious the log lines of guests have to be, and which
//! resources it follows.
//!
//! Where a session is in the database, that is where its wishes are, and what is here is how they were last read or
//! written. Both happen in one turn, so that what is here is never older than what was answered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::meta::Threshold;
use crate::service::mcp_sessions::McpWishes;

/// Of one session.
#[derive(Default)]
pub(super) struct Wishes {
    /// 0: no level set; otherwise one more than the level's place.
    log_level: AtomicU8,
    /// Addresses of the resources of which the client wants to hear.
    subscriptions: Mutex<BTreeSet<String>>,
    /// Held while the wishes are read from the database, or written to it, and set here.
    turn: tokio::sync::Mutex<()>,
}

impl Wishes {
    /// Waits for the turn to change them.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The least serious log line that the client wants; none until it said so.
    pub(super) fn log_level(&self) -> Option<Threshold> {
        let place = self.log_level.load(Ordering::Relaxed).checked_sub(1)?;
        Threshold::ALL.get(usize::from(place)).copied()
    }

    /// Whether the client wants to hear of this resource.
    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        self.subscriptions().contains(uri)
    }

    pub(super) fn all(&self) -> McpWishes {
        let log_level = self.log_level().map(|level| level.as_str().to_owned());
        McpWishes { log_level, subscriptions: self.subscriptions().iter().cloned().collect() }
    }

    /// In place of all that there were.
    pub(super) fn set(&self, wishes: McpWishes) {
        let level = wishes.log_level.and_then(|word| Threshold::parse(&word).ok());
        self.log_level.store(level.map_or(0, |level| level as u8 + 1), Ordering::Relaxed);
        *self.subscriptions() = wishes.subscriptions.into_iter().collect();
    }

    /// The lock, whatever became of who held it before: no invariant spans two of its uses.
    fn subscriptions(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_level_is_none_until_it_is_set() {
        let wishes = Wishes::default();
        assert_eq!(wishes.log_level(), None);
        for level in Threshold::ALL {
            wishes.set(McpWishes { log_level: Some(level.as_str().to_owned()), ..wishes.all() });
            assert_eq!(wishes.log_level(), Some(level));
        }
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_was_there() {
        let wishes = Wishes::default();
        let uris = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect();
        wishes.set(McpWishes { log_level: Some("info".to_owned()), subscriptions: uris(&["x:1", "x:2"]) });
        wishes.set(McpWishes { log_level: None, subscriptions: uris(&["x:2", "x:3"]) });
        assert_eq!(["x:1", "x:2", "x:3"].map(|uri| wishes.is_subscribed(uri)), [false, true, true]);
        assert_eq!(wishes.all(), McpWishes { log_level: None, subscriptions: uris(&["x:2", "x:3"]) });
    }
}
