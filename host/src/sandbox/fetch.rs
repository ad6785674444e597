//! The HTTP requests of one guest: started, awaited side by side, taken once, cancelled with the
//! guest.
//!
//! They run on the runtime that serves, not on the one that computes, so that endless loops of other
//! guests do not delay them. A response that nobody takes keeps its place: a guest that starts
//! requests and never takes them holds up only itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use crate::domain::binding::BoundSecrets;
use crate::domain::budget::Budget;
use crate::domain::grant::Grants;
use crate::egress::{Egress, OutboundRequest, OutboundResponse, SendError};

type Answer = Result<OutboundResponse, SendError>;

/// A response and the place that it holds until it is taken.
struct Ended {
    answer: Answer,
    _place: Option<OwnedSemaphorePermit>,
}

/// The way out of one guest. What belongs to requests is made for the first of them: most guests send none, and to
/// make it costs a good part of what a short call does.
pub(super) struct Network {
    egress: Egress,
    /// Where requests run, what they may reach, and the secrets that they carry; none before the call has begun.
    call: Option<(Handle, Arc<Grants>, Arc<BoundSecrets>)>,
    fetches: Option<Box<Fetches>>,
}

impl Network {
    pub(super) fn new(egress: Egress) -> Self {
        Self { egress, call: None, fetches: None }
    }

    /// Names the runtime that requests run on, what they may reach, and the secrets that they carry.
    pub(super) fn begin_call(&mut self, io: Handle, grants: Arc<Grants>, bound: Arc<BoundSecrets>) {
        if let Some(fetches) = &mut self.fetches {
            fetches.begin_call(io.clone(), Arc::clone(&grants), Arc::clone(&bound));
        }
        self.call = Some((io, grants, bound));
    }

    /// The requests of the guest, within its budget.
    pub(super) fn fetches(&mut self, budget: &Budget) -> &mut Fetches {
        self.fetches.get_or_insert_with(|| {
            let mut fetches = Box::new(Fetches::new(self.egress.for_call(), budget));
            if let Some((io, grants, bound)) = &self.call {
                fetches.begin_call(io.clone(), Arc::clone(grants), Arc::clone(bound));
            }
            fetches
        })
    }

    /// Those that were begun so far, if there was any.
    pub(super) fn begun(&self) -> Option<&Fetches> {
        self.fetches.as_deref()
    }
}

pub(super) struct Fetches {
    egress: Egress,
    /// Where requests run and what they may reach; none before the call has begun.
    call: Option<(Handle, Arc<Grants>)>,
    places: Arc<Semaphore>,
    body_max: usize,
    open_max: usize,
    started_max: u64,
    started: u64,
    tasks: JoinSet<(u32, Ended)>,
    running: HashMap<u32, AbortHandle>,
    ended: HashMap<u32, Ended>,
    /// What became of requests of `wasi:http` that failed; a few of them, in words.
    pub(super) failures: Failures,
    traffic: Arc<Traffic>,
}

/// Sentences about requests that failed, each once, up to a bound. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Failures(Arc<Mutex<Vec<String>>>);

impl Failures {
    const MAX: usize = 20;

    pub(super) fn add(&self, text: String) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if texts.len() < Self::MAX && !texts.contains(&text) {
            texts.push(text);
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that may begin.
pub(super) struct Admitted {
    number: u64,
    pub(super) io: Handle,
    grants: Arc<Grants>,
    egress: Egress,
    places: Arc<Semaphore>,
    traffic: Arc<Traffic>,
}

impl Admitted {
    /// Waits for a place among those that run at the same time. The place is kept as long as its
    /// response is.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    pub(super) async fn send(&self, request: OutboundRequest) -> Answer {
        self.traffic.sent(request.body.as_ref().map_or(0, bytes::Bytes::len));
        let answer = self.egress.send(&self.grants, request).await;
        if let Ok(response) = &answer {
            self.traffic.received(response.body.len());
        }
        answer
    }
}

/// What went over the network for one guest.
#[derive(Default)]
pub(super) struct Traffic {
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Traffic {
    fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Fetches {
    fn new(egress: Egress, budget: &Budget) -> Self {
        Self {
            egress,
            call: None,
            places: Arc::new(Semaphore::new(budget.http_in_flight)),
            body_max: budget.http_body_bytes,
            open_max: budget.handles,
            started_max: budget.http_requests,
            started: 0,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            ended: HashMap::new(),
            failures: Failures::default(),
            traffic: Arc::default(),
        }
    }

    fn begin_call(&mut self, io: Handle, grants: Arc<Grants>, bound: Arc<BoundSecrets>) {
        self.egress.carry(bound);
        self.call = Some((io, grants));
    }

    /// Lets one more request begin.
    ///
    /// # Errors
    /// When it is refused: by the grants, or because there are too many.
    pub(super) fn admit(&mut self, url: &str) -> Result<Admitted, SendError> {
        let Some((io, grants)) = &self.call else {
            return Err(SendError::Denied("requests are possible only within a call".to_owned()));
        };
        self.egress.judge(grants, url)?;
        if self.started >= self.started_max {
            return Err(SendError::TooLarge(format!("one call may start {} requests", self.started_max)));
        }
        self.started += 1;
        Ok(Admitted {
            number: self.started,
            io: io.clone(),
            grants: Arc::clone(grants),
            egress: self.egress.clone(),
            places: Arc::clone(&self.places),
            traffic: Arc::clone(&self.traffic),
        })
    }

    /// Begins a request and answers its id.
    ///
    /// # Errors
    /// When it is refused: by the grants, or because there are too many.
    pub(super) fn start(&mut self, request: OutboundRequest) -> Result<u32, SendError> {
        if self.running.len() + self.ended.len() >= self.open_max {
            return Err(SendError::TooLarge(format!(
                "one call may hold {} requests open; take or cancel some first",
                self.open_max
            )));
        }
        let admitted = self.admit(&request.url)?;
        let id = u32::try_from(admitted.number).unwrap_or(u32::MAX);
        let io = admitted.io.clone();
        let task = async move {
            let place = admitted.place().await;
            (id, Ended { answer: admitted.send(request).await, _place: place })
        };
        let abort = self.tasks.spawn_on(task, &io);
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

    /// Bytes that the body of one request may have.
    pub(super) fn body_max(&self) -> usize {
        self.body_max
    }

    pub(super) fn started(&self) -> u64 {
        self.started
    }
    pub(super) fn sent_bytes(&self) -> u64 {
        self.traffic.sent_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.traffic.received_bytes.load(Ordering::Relaxed)
    }
}
