//! Sessions of the legacy era: what client and server agreed on, and what of it is running.
//!
//! A session belongs to the caller that opened it; to anybody else it does not exist. Their number
//! is bounded: the one that rested longest makes room. One that nobody used for a while ends. Ending
//! a session stops its calls and closes its stream.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::jsonrpc::{Id, Response};
use super::meta::Threshold;
use super::scope::Scope;
use super::versions::Version;
use crate::clock::Clock;
use crate::domain::caller::{Caller, Who};
use crate::limits::Limits;
use crate::telemetry::metrics::{self, Counted};

/// What was agreed on at the start. All that another process would need to take a session over.
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
    /// Whether the client said that a guest may ask it something.
    pub fn can_be_asked(&self) -> bool {
        ["elicitation", "sampling", "roots"].into_iter().any(|ability| self.capabilities.contains_key(ability))
    }
}

/// One session.
pub struct Session {
    id: String,
    owner: Who,
    pub agreed: Agreed,
    /// Microseconds since 1970 of the last use.
    used: AtomicI64,
    /// 0: no level set; otherwise one more than the level's place.
    log_level: AtomicU8,
    calls: Mutex<HashMap<Id, CancellationToken>>,
    /// What the client was asked and has not answered, and how many that may be.
    questions: Mutex<HashMap<Id, oneshot::Sender<Said>>>,
    questions_most: usize,
    /// Ends the stream that is open, if one is.
    stream: Mutex<Option<CancellationToken>>,
    ended: CancellationToken,
    _counted: Counted,
}

/// What a client said to a question: a result, or the message of an error.
type Said = Result<Box<RawValue>, String>;

/// All sessions of this process; clones are the same.
#[derive(Clone)]
pub struct Sessions {
    clock: Clock,
    most: usize,
    questions_most: usize,
    idle: TimeDelta,
    open: Arc<Mutex<HashMap<String, Arc<Session>>>>,
}

impl Sessions {
    pub fn new(limits: &Limits, clock: Clock) -> Self {
        let idle = i64::try_from(limits.session_idle_s).ok().and_then(TimeDelta::try_seconds);
        Self {
            clock,
            most: Limits::size(limits.sessions),
            questions_most: Limits::size(limits.open_questions),
            idle: idle.unwrap_or(TimeDelta::MAX),
            open: Arc::default(),
        }
    }

    /// Opens a session. When there are as many as may be, idle ones end first, then the one that
    /// rested longest, whether or not it is due.
    pub fn open(&self, caller: &Caller, agreed: Agreed) -> Arc<Session> {
        let now = self.clock.now();
        let session = Arc::new(Session::new(caller.who.clone(), agreed, now, self.questions_most));
        if self.count() >= self.most {
            self.sweep(now);
        }
        let mut open = held(&self.open);
        while open.len() >= self.most {
            let Some(rested) = open.values().min_by_key(|session| session.rest_key()).cloned() else { break };
            open.remove(&rested.id);
            rested.ended.cancel();
        }
        open.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// The session of this id, if it is this caller's and still lives. Counts as a use.
    pub fn find(&self, id: &str, caller: &Caller) -> Option<Arc<Session>> {
        let now = self.clock.now();
        let mut open = held(&self.open);
        let session = open.get(id).filter(|session| session.owner == caller.who)?;
        if session.is_over(now, self.idle) {
            let session = open.remove(id)?;
            session.ended.cancel();
            return None;
        }
        session.touch(now);
        Some(Arc::clone(session))
    }

    /// Ends a session of this caller. False when there was none.
    pub fn end(&self, id: &str, caller: &Caller) -> bool {
        let mut open = held(&self.open);
        if open.get(id).is_none_or(|session| session.owner != caller.who) {
            return false;
        }
        if let Some(session) = open.remove(id) {
            session.ended.cancel();
        }
        true
    }

    /// Ends every session that has rested too long; answers how many.
    pub fn sweep(&self, now: DateTime<Utc>) -> usize {
        let mut open = held(&self.open);
        let before = open.len();
        open.retain(|_, session| {
            let over = session.is_over(now, self.idle);
            if over {
                session.ended.cancel();
            }
            !over
        });
        before - open.len()
    }

    pub fn count(&self) -> usize {
        held(&self.open).len()
    }

    /// Marks a session as used now: when a call ends, not only when it begins.
    pub fn touch(&self, session: &Session) {
        session.touch(self.clock.now());
    }
}

impl fmt::Debug for Session {
    /// Not the id, which is as good as a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("owner", &self.owner).field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

impl Session {
    fn new(owner: Who, agreed: Agreed, now: DateTime<Utc>, questions_most: usize) -> Self {
        // 192 random bits, from the generator that the operating system seeds.
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
        Self {
            id,
            owner,
            agreed,
            used: AtomicI64::new(now.timestamp_micros()),
            log_level: AtomicU8::new(0),
            calls: Mutex::default(),
            questions: Mutex::default(),
            questions_most,
            stream: Mutex::default(),
            ended: CancellationToken::new(),
            _counted: metrics::mcp_session(),
        }
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
        let place = self.log_level.load(Ordering::Relaxed).checked_sub(1)?;
        Threshold::ALL.get(usize::from(place)).copied()
    }

    pub fn set_log_level(&self, level: Threshold) {
        self.log_level.store(level as u8 + 1, Ordering::Relaxed);
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

    /// What the client says. None: the session has ended.
    pub(super) async fn answer(&mut self) -> Option<Said> {
        tokio::select! {
            said = &mut self.said => said.ok(),
            () = self.session.ended.cancelled() => None,
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
mod tests {
    use super::*;

    fn sessions(most: u64, idle_s: u64) -> (Sessions, Clock) {
        let clock = Clock::system();
        let limits = Limits { sessions: most, session_idle_s: idle_s, ..Limits::default() };
        (Sessions::new(&limits, clock.clone()), clock)
    }

    fn agreed() -> Agreed {
        Agreed { version: Version::NEWEST_LEGACY, scope: Scope::Everything, capabilities: Map::new(), client: None }
    }

    fn local() -> Caller {
        Caller { who: Who::Local, from: None }
    }

    #[test]
    fn ids_are_long_visible_and_never_the_same() {
        let (sessions, _) = sessions(10, 60);
        let one = sessions.open(&local(), agreed());
        let two = sessions.open(&local(), agreed());
        assert_ne!(one.id(), two.id());
        assert_eq!(one.id().len(), 32);
        assert!(one.id().bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
    }

    #[test]
    fn a_session_is_nobody_elses() {
        let (sessions, _) = sessions(10, 60);
        let session = sessions.open(&local(), agreed());
        assert!(sessions.find(session.id(), &Caller::operator()).is_none());
        assert!(!sessions.end(session.id(), &Caller::operator()));
        assert!(sessions.find(session.id(), &local()).is_some());
        assert!(sessions.end(session.id(), &local()));
        assert!(sessions.find(session.id(), &local()).is_none());
        assert!(!sessions.end(session.id(), &local()));
    }

    #[test]
    fn the_one_that_rested_longest_makes_room() {
        let (sessions, clock) = sessions(2, 600);
        let first = sessions.open(&local(), agreed());
        clock.turn(TimeDelta::seconds(1));
        let second = sessions.open(&local(), agreed());
        clock.turn(TimeDelta::seconds(1));
        assert!(sessions.find(first.id(), &local()).is_some());
        let third = sessions.open(&local(), agreed());
        assert!(second.ended.is_cancelled());
        assert!(sessions.find(first.id(), &local()).is_some() && sessions.find(third.id(), &local()).is_some());
        assert_eq!(sessions.count(), 2);
    }

    #[test]
    fn one_that_is_at_work_makes_room_last() {
        let (sessions, clock) = sessions(2, 600);
        let working = sessions.open(&local(), agreed());
        let call = working.begin(&Id::Text("a".into())).expect("a new id");
        clock.turn(TimeDelta::seconds(1));
        let resting = sessions.open(&local(), agreed());
        sessions.open(&local(), agreed());
        assert!(resting.ended.is_cancelled() && !call.cancel.is_cancelled());
    }

    #[test]
    fn idle_sessions_end_and_busy_ones_do_not() {
        let (sessions, clock) = sessions(10, 60);
        let idle = sessions.open(&local(), agreed());
        let calling = sessions.open(&local(), agreed());
        let listening = sessions.open(&local(), agreed());
        let call = calling.begin(&Id::Text("a".into()));
        let stream = listening.open_stream();
        clock.turn(TimeDelta::seconds(59));
        assert_eq!(sessions.sweep(clock.now()), 0);
        clock.turn(TimeDelta::seconds(2));
        assert!(sessions.find(idle.id(), &local()).is_none(), "also without a sweep");
        assert_eq!(sessions.sweep(clock.now()), 0);
        drop(call);
        stream.cancel();
        assert_eq!(sessions.sweep(clock.now()), 2);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn a_running_request_is_cancelled_by_its_id_and_by_the_end_of_its_session() {
        let (sessions, _) = sessions(10, 60);
        let session = sessions.open(&local(), agreed());
        let (one, two) = (Id::Integer(1.into()), Id::Text("1".into()));
        let first = session.begin(&one).expect("a new id");
        let second = session.begin(&two).expect("another id, though it looks alike");
        assert!(session.begin(&one).is_none(), "the id is in use");
        assert!(session.cancel(&one) && !session.cancel(&Id::Integer(2.into())));
        assert!(first.cancel.is_cancelled() && !second.cancel.is_cancelled());
        drop(first);
        assert!(session.begin(&one).is_some());
        sessions.end(session.id(), &local());
        assert!(second.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn an_answer_reaches_the_question_that_it_names_once() {
        let clock = Clock::system();
        let sessions = Sessions::new(&Limits { open_questions: 2, ..Limits::default() }, clock);
        let session = sessions.open(&local(), agreed());
        let said = |id: &Id, text: &str| Response { id: id.clone(), said: Err(text.to_owned()) };
        let (mut one, two) = (session.question().expect("open"), session.question().expect("open"));
        assert_ne!(one.id(), two.id());
        assert_eq!(session.question().err(), Some(2));
        assert!(session.answered(said(one.id(), "no")));
        assert!(!session.answered(said(one.id(), "yes")), "it came before");
        assert!(!session.answered(said(&Id::Integer(1.into()), "yes")), "nobody asked");
        assert_eq!(one.answer().await.map(|said| said.err()), Some(Some("no".to_owned())));
        let late = two.id().clone();
        drop(two);
        assert!(!session.answered(said(&late, "yes")), "nobody waits");
        let mut last = session.question().expect("there is room again");
        sessions.end(session.id(), &local());
        assert!(last.answer().await.is_none(), "the session has ended");
    }

    #[test]
    fn a_newer_stream_takes_the_place_of_the_older() {
        let (sessions, _) = sessions(10, 60);
        let session = sessions.open(&local(), agreed());
        let older = session.open_stream();
        let newer = session.open_stream();
        assert!(older.is_cancelled() && !newer.is_cancelled());
    }

    #[test]
    fn the_log_level_is_none_until_it_is_set() {
        let (sessions, _) = sessions(10, 60);
        let session = sessions.open(&local(), agreed());
        assert_eq!(session.log_level(), None);
        for level in Threshold::ALL {
            session.set_log_level(level);
            assert_eq!(session.log_level(), Some(level));
        }
    }
}
