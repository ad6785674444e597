//! One gate for each source: its breaker, its places, and the sessions that wait for the next call.
//!
//! A gate refuses at once; nobody queues before a source that does not answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::session::Session;
use super::{Access, UpstreamError};
use crate::domain::circuit::{Circuit, CircuitView, Patience};
use crate::domain::digest::Digest;
use crate::domain::ids::SourceId;
use crate::limits::Limits;
use crate::telemetry::metrics;

/// Sessions of one source that wait for a call.
const IDLE_SESSIONS: usize = 2;
/// For how long one waits.
const IDLE: TimeDelta = TimeDelta::seconds(60);

pub(super) struct Gates {
    patience: Patience,
    places: usize,
    gates: Mutex<HashMap<SourceId, Arc<Gate>>>,
}

pub(super) struct Gate {
    name: Mutex<String>,
    circuit: Mutex<Circuit>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    turns: Turns,
    /// Whether the source said that its list is another one since it was last asked for it.
    stale: AtomicBool,
}

/// Whose turn it is to renew what is known of a source.
#[derive(Default)]
struct Turns {
    login: Arc<tokio::sync::Mutex<()>>,
    list: Arc<tokio::sync::Mutex<()>>,
}

struct Idle {
    key: Digest,
    since: DateTime<Utc>,
    session: Session,
}

/// Held while a source is asked.
pub(super) struct Place(#[expect(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gates {
    pub(super) fn new(limits: &Limits) -> Self {
        let patience = Patience {
            failure_threshold: limits.circuit_failures,
            success_threshold: limits.circuit_successes,
            open_s: limits.circuit_open_s,
        };
        Self { patience, places: Limits::size(limits.source_calls_at_once), gates: Mutex::default() }
    }

    pub(super) fn of(&self, access: &Access) -> Arc<Gate> {
        let mut gates = locked(&self.gates);
        let gate = gates.entry(access.id).or_insert_with(|| {
            Arc::new(Gate {
                name: Mutex::new(access.name.clone()),
                circuit: Mutex::new(Circuit::new(self.patience)),
                places: Arc::new(Semaphore::new(self.places)),
                idle: Mutex::default(),
                turns: Turns::default(),
                stale: AtomicBool::new(false),
            })
        });
        locked(&gate.name).clone_from(&access.name);
        Arc::clone(gate)
    }

    /// A source says that its list is another one; whether that is news.
    pub(super) fn outdated(&self, id: SourceId) -> bool {
        locked(&self.gates).get(&id).is_some_and(|gate| !gate.stale.swap(true, Ordering::Relaxed))
    }

    pub(super) fn is_outdated(&self, id: SourceId) -> bool {
        locked(&self.gates).get(&id).is_some_and(|gate| gate.stale.load(Ordering::Relaxed))
    }

    pub(super) fn views(&self, now: DateTime<Utc>) -> Vec<CircuitView> {
        let mut views: Vec<CircuitView> = locked(&self.gates).iter().map(|(id, gate)| gate.view(*id, now)).collect();
        views.sort_by(|one, other| one.service_name.cmp(&other.service_name));
        views
    }

    /// How many were meant and are closed now.
    pub(super) fn reset(&self, meant: impl Fn(SourceId, &str) -> bool) -> usize {
        let gates: Vec<Arc<Gate>> = {
            let gates = locked(&self.gates);
            let of = gates.iter().filter(|(id, gate)| meant(**id, &locked(&gate.name)));
            of.map(|(_, gate)| Arc::clone(gate)).collect()
        };
        for gate in &gates {
            *locked(&gate.circuit) = Circuit::new(self.patience);
        }
        self.count_open();
        gates.len()
    }

    pub(super) fn forget(&self, id: SourceId) {
        locked(&self.gates).remove(&id);
        self.count_open();
    }

    pub(super) fn sweep(&self, now: DateTime<Utc>) {
        let gates: Vec<Arc<Gate>> = locked(&self.gates).values().cloned().collect();
        for gate in gates {
            gate.dismiss(now);
        }
    }

    /// Tells the metrics how many sources are left alone now.
    pub(super) fn count_open(&self) {
        let open = locked(&self.gates).values().filter(|gate| locked(&gate.circuit).is_open()).count();
        metrics::circuits_open(open);
    }
}

impl Gate {
    /// A place to ask, if the breaker lets somebody through.
    ///
    /// # Errors
    /// [`UpstreamError::Busy`].
    pub(super) fn enter(&self, now: DateTime<Utc>) -> Result<Place, UpstreamError> {
        let place = self.place()?;
        locked(&self.circuit).enter(now).map_err(|refused| {
            let retry_after = refused.retry_after.to_std().unwrap_or_default();
            UpstreamError::Busy {
                message: format!(
                    "the source `{}` failed too often and is left alone for {} s; try again then",
                    locked(&self.name),
                    retry_after.as_secs() + 1
                ),
                retry_after,
            }
        })?;
        Ok(place)
    }

    /// A place to ask, whatever the breaker says.
    ///
    /// # Errors
    /// [`UpstreamError::Busy`].
    pub(super) fn place(&self) -> Result<Place, UpstreamError> {
        Arc::clone(&self.places).try_acquire_owned().map(Place).map_err(|_| UpstreamError::Busy {
            message: format!(
                "as many calls wait for the source `{}` as may (MCPBOX_SOURCE_CALLS_AT_ONCE); try again in a moment",
                locked(&self.name)
            ),
            retry_after: Duration::from_secs(1),
        })
    }

    pub(super) async fn login_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turns.login).lock_owned().await
    }

    pub(super) async fn list_turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turns.list).lock_owned().await
    }

    /// The list is about to be asked for.
    pub(super) fn listing(&self) {
        self.stale.store(false, Ordering::Relaxed);
    }

    pub(super) fn succeeded(&self) {
        locked(&self.circuit).succeeded();
    }

    pub(super) fn failed(&self, now: DateTime<Utc>) {
        if locked(&self.circuit).failed(now) {
            tracing::warn!(source = %locked(&self.name), "a source failed too often and is left alone for a while");
        }
    }

    pub(super) fn left(&self) {
        locked(&self.circuit).left();
    }

    /// A session that waits for a call like this.
    pub(super) fn idle(&self, access: &Access, now: DateTime<Utc>) -> Option<Session> {
        self.dismiss(now);
        let key = access.key();
        let mut idle = locked(&self.idle);
        // What was opened with another address or credential serves nobody any more.
        idle.retain(|waiting| waiting.key == key);
        idle.pop().map(|waiting| waiting.session)
    }

    pub(super) fn keep(&self, access: &Access, session: Session, now: DateTime<Utc>) {
        let mut idle = locked(&self.idle);
        if idle.len() < IDLE_SESSIONS {
            idle.push(Idle { key: access.key(), since: now, session });
        }
    }

    fn dismiss(&self, now: DateTime<Utc>) {
        locked(&self.idle).retain(|waiting| waiting.since <= now && now - waiting.since < IDLE);
    }

    fn view(&self, id: SourceId, now: DateTime<Utc>) -> CircuitView {
        let circuit = locked(&self.circuit);
        CircuitView {
            id,
            service_name: locked(&self.name).clone(),
            state: circuit.state(now),
            failure_count: circuit.failures(),
            success_count: circuit.successes(),
            last_failure_time: circuit.last_failure(),
            config: circuit.patience(),
        }
    }
}
