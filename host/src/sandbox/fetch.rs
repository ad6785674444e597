//! The HTTP requests of one guest: started, awaited side by side, taken once, cancelled with the
//! guest.
//!
//! They run on the runtime that serves, not on the one that computes, so that endless loops of other
//! guests do not delay them. A response that nobody takes keeps its place: a guest that starts
//! requests and never takes them holds up only itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use crate::domain::budget::Budget;
use crate::domain::grant::Grants;
use crate::egress::{Egress, OutboundRequest, OutboundResponse, SendError};

type Answer = Result<OutboundResponse, SendError>;

/// A response and the place that it holds until it is taken.
struct Ended {
    answer: Answer,
    _place: Option<OwnedSemaphorePermit>,
}

pub(super) struct Fetches {
    egress: Egress,
    io: Option<Handle>,
    places: Arc<Semaphore>,
    open_max: usize,
    started_max: u64,
    started: u64,
    tasks: JoinSet<(u32, Ended)>,
    running: HashMap<u32, AbortHandle>,
    ended: HashMap<u32, Ended>,
    sent_bytes: u64,
    received_bytes: Arc<AtomicU64>,
}

impl Fetches {
    pub(super) fn new(egress: Egress, budget: &Budget) -> Self {
        Self {
            egress,
            io: None,
            places: Arc::new(Semaphore::new(budget.http_in_flight)),
            open_max: budget.handles,
            started_max: budget.http_requests,
            started: 0,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            ended: HashMap::new(),
            sent_bytes: 0,
            received_bytes: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Names the runtime that requests run on.
    pub(super) fn run_on(&mut self, io: Handle) {
        self.io = Some(io);
    }

    /// Begins a request and answers its id.
    ///
    /// # Errors
    /// When it is refused: by the grants, or because there are too many.
    pub(super) fn start(&mut self, grants: &Arc<Grants>, request: OutboundRequest) -> Result<u32, SendError> {
        self.egress.judge(grants, &request.url)?;
        if self.started >= self.started_max {
            return Err(SendError::TooLarge(format!("one call may start {} requests", self.started_max)));
        }
        if self.running.len() + self.ended.len() >= self.open_max {
            return Err(SendError::TooLarge(format!(
                "one call may hold {} requests open; take or cancel some first",
                self.open_max
            )));
        }
        let Some(io) = &self.io else {
            return Err(SendError::Denied("requests are possible only within a call".to_owned()));
        };
        self.started += 1;
        self.sent_bytes += request.body.as_ref().map_or(0, |body| body.len() as u64);
        let id = u32::try_from(self.started).unwrap_or(u32::MAX);
        let (egress, grants, places) = (self.egress.clone(), Arc::clone(grants), Arc::clone(&self.places));
        let received = Arc::clone(&self.received_bytes);
        let task = async move {
            let place = places.acquire_owned().await.ok();
            let answer = egress.send(&grants, request).await;
            if let Ok(response) = &answer {
                received.fetch_add(response.body.len() as u64, Ordering::Relaxed);
            }
            (id, Ended { answer, _place: place })
        };
        let abort = self.tasks.spawn_on(task, io);
        self.running.insert(id, abort);
        Ok(id)
    }

    /// Those of `ids` that have ended, as soon as there is one, or none after `timeout`.
    pub(super) async fn wait(&mut self, ids: &[u32], timeout: Option<Duration>) -> Vec<u32> {
        let until = timeout.map(|timeout| tokio::time::Instant::now() + timeout);
        loop {
            let ready: Vec<u32> = ids.iter().copied().filter(|id| !self.running.contains_key(id)).collect();
            if !ready.is_empty() || (ids.is_empty() && until.is_none()) {
                return ready;
            }
            let next = self.next_end();
            match until {
                Some(until) => {
                    if tokio::time::timeout_at(until, next).await.is_err() {
                        return Vec::new();
                    }
                }
                None => next.await,
            }
        }
    }

    /// Waits until one more request has ended; for ever when none runs.
    async fn next_end(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok((id, ended))) => {
                // A cancelled request may still end; nobody asks for it any more.
                if self.running.remove(&id).is_some() {
                    self.ended.insert(id, ended);
                }
            }
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    /// The answer to a request; waits for it.
    ///
    /// # Errors
    /// The request's own failure, or that there is no such request.
    pub(super) async fn take(&mut self, id: u32) -> Answer {
        while self.running.contains_key(&id) {
            self.next_end().await;
        }
        match self.ended.remove(&id) {
            Some(ended) => ended.answer,
            None => Err(SendError::Invalid(format!("there is no request {id}, or it was already taken"))),
        }
    }

    pub(super) fn cancel(&mut self, id: u32) {
        if let Some(task) = self.running.remove(&id) {
            task.abort();
        }
        self.ended.remove(&id);
    }

    pub(super) fn started(&self) -> u64 {
        self.started
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }
}
