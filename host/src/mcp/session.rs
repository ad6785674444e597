//! Sessions of the legacy era: what client and server agreed on, and what of it is running.
//!
//! A session belongs to the caller that opened it; to anybody else it does not exist. Their number
//! is bounded: the one that rested longest makes room. One that nobody used for a while ends. Ending
//! a session stops its calls and closes its stream.
//!
//! What is here is what this process has at hand; [`super::sessions`] knows what is in the database.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::abilities;
use super::jsonrpc::{Id, Response};
use super::meta::Threshold;
use super::scope::Scope;
use super::versions::Version;
use super::wishes::Wishes;
use crate::clock::Clock;
use crate::domain::caller::{Caller, Who};
use crate::domain::client::Abilities;
use crate::domain::digest::Digest;
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

/// What was agreed on at the start.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub version: Version,
    /// The address at which it was opened; at another one it does not exist.
    pub scope: Scope,
    /// What the client said it can do.
    pub capabilities: Map<String, Value>,
    /// What the client calls itself; believed by nobody.
    pub client: Option<String>,
}

impl Agreed {
    /// What the client said that it can do for a guest.
    pub(super) fn abilities(&self) -> Abilities {
        abilities::declared(&self.capabilities, self.version)
    }

    /// Whether the client said that a guest may ask it something.
    pub fn can_be_asked(&self) -> bool {
        self.abilities() != Abilities::default()
    }
}

/// One session.
pub struct Session {
    id: String,
    /// The first characters of its digest, which stand for it in logs: the id itself is as good as a key.
    stands_for: Arc<str>,
    owner: Who,
    pub agreed: Agreed,
    /// Microseconds since 1970 of the last use.
    used: AtomicI64,
    /// The same of the last use that the database knows of; none for a session that is in no database.
    noted: Option<AtomicI64>,
    pub(super) wishes: Wishes,
    calls: Mutex<HashMap<Id, CancellationToken>>,
    /// What the client was asked and has not answered, and how many that may be.
    questions: Mutex<HashMap<Id, oneshot::Sender<Said>>>,
    questions_most: usize,
    /// Ends the stream that is open, if one is.
    stream: Mutex<Option<CancellationToken>>,
    ended: CancellationToken,
    /// The client said that it is ready to be asked.
    initialized: CancellationToken,
    /// The client says nothing any more.
    silent: CancellationToken,
    _counted: Counted,
}

/// What a client said to a question: a result, or the message of an error.
type Said = Result<Box<RawValue>, String>;

/// The sessions that this process has at hand; clones are the same.
#[derive(Clone)]
pub(super) struct Here {
    clock: Clock,
    bounds: Bounds,
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
}

/// What limits sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    most: usize,
    questions: usize,
    idle: TimeDelta,
}

/// A use is noted in the database at most this often, and before a tenth of the time is over that a session
/// lives without one.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        let idle = i64::try_from(limits.session_idle_s).ok().and_then(TimeDelta::try_seconds);
        Self {
            most: Limits::size(limits.sessions),
            questions: Limits::size(limits.open_questions),
            idle: idle.unwrap_or(TimeDelta::MAX),
        }
    }

    fn noted_every(self) -> TimeDelta {
        NOTED_EVERY.min(self.idle / 10)
    }
}

impl Here {
    pub(super) fn new(limits: &Limits, clock: Clock) -> Self {
        Self { clock, bounds: Bounds::of(limits), open: Arc::default() }
    }

    /// A new session, not among the others yet.
    pub(super) fn make(&self, caller: &Caller, agreed: Agreed) -> Session {
        // 192 random bits, from the generator that the operating system seeds.
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        self.known(id, caller, agreed)
    }

    /// A session of this id, not among the others yet.
    pub(super) fn known(&self, id: String, caller: &Caller, agreed: Agreed) -> Session {
        Session::new(id, caller.who.clone(), agreed, self.clock.now(), self.bounds)
    }

    /// Takes a session in, and answers the one of this id that is here now. When there are as many as may be,
    /// idle ones end first, then the one that rested longest, whether or not it is due; that one is answered
    /// too.
    pub(super) fn take(&self, session: Session) -> (Arc<Session>, Option<Arc<Session>>) {
        if self.count() >= self.bounds.most {
            self.sweep();
        }
        let mut open = held(&self.open);
        if let Some(known) = open.get(&session.id).filter(|known| known.owner == session.owner) {
            return (Arc::clone(known), None);
        }
        let mut gone = None;
        while open.len() >= self.bounds.most {
            let Some(rested) = open.values().min_by_key(|session| session.rest_key()).cloned() else { break };
            open.remove(&rested.id);
            rested.ended.cancel();
            gone = Some(rested);
        }
        let session = Arc::new(session);
        open.insert(session.id.clone(), Arc::clone(&session));
        (session, gone)
    }

    /// The session of this id, if it is this caller's and still lives. Counts as a use.
    pub(super) fn find(&self, id: &str, caller: &Caller) -> Option<Arc<Session>> {
        let now = self.clock.now();
        let mut open = held(&self.open);
        let session = open.get(id).filter(|session| session.owner == caller.who)?;
        if session.is_over(now, self.bounds.idle) {
            let session = open.remove(id)?;
            session.ended.cancel();
            return None;
        }
        session.touch(now);
        Some(Arc::clone(session))
    }

    /// How often the uses of a session are to be noted while it is at work.
    pub(super) fn noted_every(&self) -> Duration {
        // It is longer than nothing.
        self.bounds.noted_every().to_std().unwrap_or_default()
    }

    /// Whether the database does not know of the last uses of a session.
    pub(super) fn is_due(&self, session: &Session) -> bool {
        session.noted.as_ref().is_some_and(|noted| {
            let since = self.clock.now().timestamp_micros().saturating_sub(noted.load(Ordering::Relaxed));
            since >= self.bounds.noted_every().num_microseconds().unwrap_or(i64::MAX)
        })
    }

    /// Ends a session of this caller. False when there was none.
    pub(super) fn end(&self, id: &str, caller: &Caller) -> bool {
        let mut open = held(&self.open);
        if open.get(id).is_none_or(|session| session.owner != caller.who) {
            return false;
        }
        if let Some(session) = open.remove(id) {
            session.ended.cancel();
        }
        true
    }

    /// Whose API keys have sessions here.
    pub(super) fn keys(&self) -> HashSet<Who> {
        let open = held(&self.open);
        let owners = open.values().map(|session| &session.owner);
        owners.filter(|owner| matches!(owner, Who::ApiKey { .. })).cloned().collect()
    }

    /// Ends all sessions of a caller; answers how many.
    pub(super) fn end_all(&self, caller: &Caller) -> usize {
        self.end_those(|session| session.owner == caller.who)
    }

    /// Ends every session that has rested too long; answers how many.
    pub(super) fn sweep(&self) -> usize {
        let now = self.clock.now();
        self.end_those(|session| session.is_over(now, self.bounds.idle))
    }

    fn end_those(&self, are_over: impl Fn(&Session) -> bool) -> usize {
        let mut open = held(&self.open);
        let before = open.len();
        open.retain(|_, session| {
            let over = are_over(session);
            if over {
                session.ended.cancel();
            }
            !over
        });
        before - open.len()
    }

    /// Those that are at work and of whose last uses the database does not know.
    pub(super) fn unnoted(&self) -> Vec<Arc<Session>> {
        let open: Vec<_> = held(&self.open).values().cloned().collect();
        open.into_iter().filter(|session| session.is_busy() && self.is_due(session)).collect()
    }

    pub(super) fn count(&self) -> usize {
        held(&self.open).len()
    }

    /// Marks a session as used now: when a call ends, not only when it begins.
    pub(super) fn touch(&self, session: &Session) {
        session.touch(self.clock.now());
    }

    /// Notes that the database knows of the uses up to now.
    pub(super) fn noted(&self, session: &Session) {
        if let Some(noted) = &session.noted {
            noted.store(self.clock.now().timestamp_micros(), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Session {
    /// Not the id, which is as good as a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("owner", &self.owner).field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

impl Session {
    fn new(id: String, owner: Who, agreed: Agreed, now: DateTime<Utc>, bounds: Bounds) -> Self {
        Self {
            stands_for: Digest::of(id.as_bytes()).beginning().into(),
            id,
            owner,
            agreed,
            used: AtomicI64::new(now.timestamp_micros()),
            noted: Some(AtomicI64::new(now.timestamp_micros())),
            wishes: Wishes::default(),
            calls: Mutex::default(),
            questions: Mutex::default(),
            questions_most: bounds.questions,
            stream: Mutex::default(),
            ended: CancellationToken::new(),
            initialized: CancellationToken::new(),
            silent: CancellationToken::new(),
            _counted: metrics::mcp_session(),
        }
    }

    /// A session that lives and ends with its connection: no database knows of it.
    pub(super) fn of_connection(caller: &Caller, agreed: Agreed, limits: &Limits, now: DateTime<Utc>) -> Arc<Self> {
        let session = Self::new(String::new(), caller.who.clone(), agreed, now, Bounds::of(limits));
        Arc::new(Self { noted: None, ..session })
    }

    /// The client is ready to be asked.
    pub(super) fn set_initialized(&self) {
        self.initialized.cancel();
    }

    pub(super) fn is_initialized(&self) -> bool {
        self.initialized.is_cancelled()
    }

    /// Waits until the client is ready to be asked. False when it never will be: the session has ended, or the client
    /// says nothing any more.
    pub(super) async fn initialized(&self) -> bool {
        tokio::select! {
            biased;
            () = self.initialized.cancelled() => true,
            () = self.ended.cancelled() => false,
            () = self.silent.cancelled() => false,
        }
    }

    /// The client says nothing any more: what it was asked stays without an answer.
    pub(super) fn hears_no_more(&self) {
        self.silent.cancel();
    }

    /// Whether a request of this id is running.
    pub(super) fn is_running(&self, id: &Id) -> bool {
        held(&self.calls).contains_key(id)
    }

    /// Whose it is.
    pub(super) fn caller(&self) -> Caller {
        Caller { who: self.owner.clone(), from: None }
    }

    /// Whether it is in the database.
    pub(super) fn is_kept(&self) -> bool {
        self.noted.is_some()
    }

    /// Ends it: its calls and its stream with it.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// What may be written down in place of its id.
    pub fn stands_for(&self) -> Arc<str> {
        Arc::clone(&self.stands_for)
    }

    /// Visible ASCII, as the protocol wants it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Resolves when the session ends.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The least serious log line that the client wants; none until it said so.
    pub fn log_level(&self) -> Option<Threshold> {
        self.wishes.log_level()
    }

    /// Takes note of a running request. None when one of this id is running already.
    pub fn begin(self: &Arc<Self>, id: &Id) -> Option<Running> {
        let mut calls = held(&self.calls);
        if calls.contains_key(id) {
            return None;
        }
        let cancel = self.ended.child_token();
        calls.insert(id.clone(), cancel.clone());
        Some(Running { session: Arc::clone(self), id: id.clone(), cancel })
    }

    /// Stops the running request of this id. False when there is none.
    pub fn cancel(&self, id: &Id) -> bool {
        let cancel = held(&self.calls).get(id).cloned();
        cancel.inspect(CancellationToken::cancel).is_some()
    }

    /// Opens a question to the client, under a new id.
    ///
    /// # Errors
    /// How many are open, when no more may be.
    pub(super) fn question(self: &Arc<Self>) -> Result<Question, usize> {
        let mut questions = held(&self.questions);
        if questions.len() >= self.questions_most {
            return Err(questions.len());
        }
        let id = Id::Text(format!("mcpbox-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())));
        let (answer, said) = oneshot::channel();
        questions.insert(id.clone(), answer);
        Ok(Question { session: Arc::clone(self), id, said })
    }

    /// Takes an answer of the client. False when nobody waits for it: it is late, came before, or answers
    /// nothing that was asked.
    pub fn answered(&self, response: Response) -> bool {
        let waiting = held(&self.questions).remove(&response.id);
        waiting.is_some_and(|waiting| waiting.send(response.said).is_ok())
    }

    /// Opens the stream of this session; an older one ends, because a client that asks anew has lost
    /// it. The token says when this one is to end.
    pub fn open_stream(&self) -> CancellationToken {
        let token = self.ended.child_token();
        if let Some(older) = held(&self.stream).replace(token.clone()) {
            older.cancel();
        }
        token
    }

    fn touch(&self, now: DateTime<Utc>) {
        self.used.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
    }

    fn is_busy(&self) -> bool {
        !held(&self.calls).is_empty() || held(&self.stream).as_ref().is_some_and(|token| !token.is_cancelled())
    }

    fn is_over(&self, now: DateTime<Utc>, idle: TimeDelta) -> bool {
        let rested = now.timestamp_micros().saturating_sub(self.used.load(Ordering::Relaxed));
        rested >= idle.num_microseconds().unwrap_or(i64::MAX) && !self.is_busy()
    }

    /// The least is the first to make room: those that do nothing before those that do, then by age
    /// of the last use.
    fn rest_key(&self) -> (bool, i64) {
        (self.is_busy(), self.used.load(Ordering::Relaxed))
    }
}

/// A request that is running; forgotten when this is dropped.
#[derive(Debug)]
pub struct Running {
    session: Arc<Session>,
    id: Id,
    /// Cancelled by the client or by the end of the session.
    pub cancel: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        held(&self.session.calls).remove(&self.id);
    }
}

/// A question that is open; forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct Question {
    session: Arc<Session>,
    id: Id,
    said: oneshot::Receiver<Said>,
}

impl Question {
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// What the client says. None: the session has ended, or the client says nothing any more.
    pub(super) async fn answer(&mut self) -> Option<Said> {
        tokio::select! {
            said = &mut self.said => said.ok(),
            () = self.session.ended.cancelled() => None,
            () = self.session.silent.cancelled() => None,
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        held(&self.session.questions).remove(&self.id);
    }
}

/// The lock, whatever became of who held it before: no invariant spans two of its uses.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
