//! Places for running calls: so many in all, so many for one server, so many for one caller; a
//! bounded number of calls waits for a place, each until its deadline.
//!
//! A caller or a server that fills its own places keeps nobody else waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ExecutorError;
use crate::domain::ids::ServerId;
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

/// Held while a call runs.
pub struct Place {
    _permits: [OwnedSemaphorePermit; 3],
    _running: Counted,
    has_waited: bool,
}

impl Place {
    /// Whether it was not free at once.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }
}

pub(super) struct Places {
    all: Arc<Semaphore>,
    servers: Shares<ServerId>,
    callers: Shares<String>,
    /// Of calls that wait.
    queue: Arc<Semaphore>,
    waiting_max: u64,
    wait: Duration,
}

/// One semaphore for each key that somebody uses at the moment.
struct Shares<K> {
    size: usize,
    used: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Hash + Eq> Shares<K> {
    fn new(size: u64) -> Self {
        Self { size: Limits::size(size), used: Mutex::default() }
    }

    fn of(&self, key: K) -> Arc<Semaphore> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = used.get(&key).and_then(Weak::upgrade) {
            return semaphore;
        }
        // Rarely: only when a key comes into use again. Keeps the map as small as what is in use.
        used.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.size));
        used.insert(key, Arc::downgrade(&semaphore));
        semaphore
    }
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(Limits::size(limits.calls_at_once))),
            servers: Shares::new(limits.calls_at_once_per_server),
            callers: Shares::new(limits.calls_at_once_per_caller),
            queue: Arc::new(Semaphore::new(Limits::size(limits.calls_waiting))),
            waiting_max: limits.calls_waiting,
            wait: Duration::from_millis(limits.call_wait_ms),
        }
    }

    /// A place for one call; waits for it.
    ///
    /// # Errors
    /// [`ExecutorError::Busy`] when too many wait already, or the wait is over.
    pub(super) async fn take(&self, server: ServerId, caller: &str) -> Result<Place, ExecutorError> {
        // The narrow ones first, so that a call that waits for its own kind holds none of the rest.
        let wanted = [self.callers.of(caller.to_owned()), self.servers.of(server), Arc::clone(&self.all)];
        let (permits, has_waited) = match at_once(&wanted) {
            Some(permits) => (permits, false),
            // Boxed: few calls wait, and all would carry the place for it along.
            None => (Box::pin(self.queue(wanted)).await?, true),
        };
        Ok(Place { _permits: permits, _running: metrics::call_running(), has_waited })
    }

    async fn queue(&self, wanted: [Arc<Semaphore>; 3]) -> Result<[OwnedSemaphorePermit; 3], ExecutorError> {
        let Ok(_queued) = self.queue.try_acquire() else {
            return Err(self.busy(format!("{} calls are waiting already", self.waiting_max)));
        };
        let _waiting = metrics::call_waiting();
        let [caller, server, all] = wanted;
        let all_of_them = async {
            Ok::<_, tokio::sync::AcquireError>([
                caller.acquire_owned().await?,
                server.acquire_owned().await?,
                all.acquire_owned().await?,
            ])
        };
        match tokio::time::timeout(self.wait, all_of_them).await {
            Ok(Ok(permits)) => Ok(permits),
            _ => Err(self.busy(format!("no place became free in {} ms", self.wait.as_millis()))),
        }
    }

    fn busy(&self, why: String) -> ExecutorError {
        ExecutorError::Busy {
            message: format!("too many calls at once: {why}; try again soon"),
            retry_after: Duration::from_secs(1),
        }
    }
}

/// A permit of each, if all have one now.
fn at_once([first, second, third]: &[Arc<Semaphore>; 3]) -> Option<[OwnedSemaphorePermit; 3]> {
    let permit = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().ok();
    Some([permit(first)?, permit(second)?, permit(third)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: u64, per_server: u64, per_caller: u64, waiting: u64) -> Places {
        Places::new(&Limits {
            calls_at_once: all,
            calls_at_once_per_server: per_server,
            calls_at_once_per_caller: per_caller,
            calls_waiting: waiting,
            call_wait_ms: 20,
            ..Limits::default()
        })
    }

    #[tokio::test]
    async fn a_caller_that_fills_its_own_places_leaves_the_others_theirs() -> Result<(), ExecutorError> {
        let places = places(4, 4, 2, 10);
        let server = ServerId::new();
        let first = places.take(server, "a").await?;
        let _second = places.take(server, "a").await?;
        assert!(matches!(places.take(server, "a").await, Err(ExecutorError::Busy { .. })));
        let _other = places.take(server, "b").await?;
        drop(first);
        let _again = places.take(server, "a").await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_server_that_is_full_leaves_the_others_their_places() -> Result<(), ExecutorError> {
        let places = places(4, 1, 4, 10);
        let full = ServerId::new();
        let _one = places.take(full, "a").await?;
        assert!(places.take(full, "b").await.is_err());
        assert!(places.take(ServerId::new(), "b").await.is_ok());
        Ok(())
    }

    #[tokio::test]
    async fn a_call_too_many_is_refused_at_once_when_the_queue_is_full() -> Result<(), ExecutorError> {
        let places = places(1, 1, 1, 0);
        let _one = places.take(ServerId::new(), "a").await?;
        let Err(ExecutorError::Busy { message, .. }) = places.take(ServerId::new(), "b").await else {
            panic!("there was no place");
        };
        assert!(message.contains("0 calls are waiting already"), "{message}");
        Ok(())
    }
}
