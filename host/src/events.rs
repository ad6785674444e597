//! What changed, told to whoever listens: the stream of a session of MCP, the dashboard, a script.
//!
//! Everything is told once and in one order, whichever door it came through, and not before it is in the
//! database: an act when its transaction is committed, a row of a log when its batch is. An event holds ids
//! and small facts, nothing secret, and says all by itself in less than 8,000 bytes of JSON, which is what a
//! notification of PostgreSQL carries.
//!
//! Nobody is waited for. One who is too slow misses events and is told how many; one who was away goes on
//! behind the last event that it knows, as long as that one is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::db::Database;
use crate::db::audit::Act;
use crate::domain::activity::LogType;
use crate::domain::ids::{ActivityId, CallId, EventId, ServerId, TaskId, ToolId};
use crate::domain::outcome::{Listing, LogLevel};
use crate::domain::text::Text;

/// Events that are kept for those who come back, and that a slow listener may be behind.
pub const KEPT: usize = 1_024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Later ones sort behind earlier ones.
    pub id: EventId,
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A row of the activity log.
    Activity(Activity),
    /// A call came to its end.
    Execution(Execution),
    /// Clients are offered other tools, or another face of one.
    CatalogueChanged,
    /// Something waits for a person.
    ApprovalRequested(Done),
    /// A person, or a policy, decided.
    ApprovalDecided(Done),
    /// Somebody changed something else.
    Changed(Done),
}

/// A row of the activity log, without its details.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Activity {
    pub activity_id: ActivityId,
    pub log_type: LogType,
    pub level: LogLevel,
    pub message: Text,
    pub method: Option<Text>,
    pub server_id: Option<ServerId>,
    pub caller: Option<Text>,
    pub request_id: Option<Text>,
    pub duration_ms: Option<f64>,
}

/// A row of the execution log, without what went in and came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Execution {
    pub call_id: CallId,
    pub server_id: ServerId,
    pub tool_id: ToolId,
    pub tool_name: Text,
    pub caller: Text,
    pub request_id: Text,
    pub is_test: bool,
    pub outcome: Text,
    pub success: bool,
    pub duration_ms: f64,
}

/// An act, as its row of the audit log tells it, without before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Noun and verb: `server.stop`.
    pub action: String,
    pub object_kind: String,
    pub object_id: String,
    pub actor: String,
}

impl Change {
    /// What an act changed.
    fn of(act: Act) -> Self {
        let Act { actor, action, object_kind, object_id, .. } = act;
        let (noun, verb) = action.split_once('.').unwrap_or((&action, ""));
        let is_request = matches!(noun, "network_request" | "module_request");
        let change = match verb {
            "submit" => Self::ApprovalRequested,
            "create" if is_request => Self::ApprovalRequested,
            "approve" | "reject" | "revoke" if is_request || noun == "tool" => Self::ApprovalDecided,
            _ => Self::Changed,
        };
        change(Done { action, object_kind, object_id, actor })
    }

    /// The word for it, as `kind` has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Activity(_) => "activity",
            Self::Execution(_) => "execution",
            Self::CatalogueChanged => "catalogue_changed",
            Self::ApprovalRequested(_) => "approval_requested",
            Self::ApprovalDecided(_) => "approval_decided",
            Self::Changed(_) => "changed",
        }
    }

    /// Whether a login may have ended by it.
    pub fn concerns_sessions(&self) -> bool {
        matches!(self, Self::Changed(done) if matches!(done.object_kind.as_str(), "admin" | "session"))
    }

    /// Whether a login or an API key may have ended by it.
    fn concerns_credentials(&self) -> bool {
        self.concerns_sessions() || matches!(self, Self::Changed(done) if done.object_kind == "api_key")
    }
}

/// Something that MCP clients may have asked to hear of: no act of anybody, and kept for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A guest says so of its server.
    ListChanged { server: String, listing: Listing },
    /// By the URI that clients of everything know.
    ResourceUpdated { uri: String },
    /// A task of this caller, by what tells it apart from every other.
    TaskChanged { id: TaskId, owner: String },
}

/// Where everything is told and heard. Clones are the same.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Held while something is told, so that everybody hears in one order.
    kept: Mutex<VecDeque<Arc<Event>>>,
    told: broadcast::Sender<Arc<Event>>,
    /// How often the catalogue changed, for those who want to know of nothing else.
    catalogue: watch::Sender<u64>,
    /// The same of logins and API keys, one of which may have ended.
    credentials: watch::Sender<u64>,
    notices: broadcast::Sender<Notice>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Event(Arc<Event>),
    /// Events were missed: so many, or nobody knows how many.
    Missed(Option<u64>),
}

/// One who listens.
pub struct Listener {
    earlier: VecDeque<Heard>,
    later: broadcast::Receiver<Arc<Event>>,
}

impl Events {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            kept: Mutex::new(VecDeque::with_capacity(KEPT)),
            told: broadcast::Sender::new(KEPT),
            catalogue: watch::Sender::new(0),
            credentials: watch::Sender::new(0),
            notices: broadcast::Sender::new(KEPT),
        }))
    }

    /// Tells from now on of every act that is committed to this database by this process.
    pub fn hear(&self, db: &Database) {
        let events = self.clone();
        db.heard_by(move |acts| acts.into_iter().for_each(|act| events.tell(Change::of(act))));
    }

    pub fn tell(&self, change: Change) {
        let Inner { clock, told, catalogue, credentials, .. } = &*self.0;
        let mut kept = self.kept();
        if change == Change::CatalogueChanged {
            catalogue.send_modify(|times| *times += 1);
        }
        if change.concerns_credentials() {
            credentials.send_modify(|times| *times += 1);
        }
        let event = Arc::new(Event { id: EventId::new(), at: clock.now(), change });
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&event));
        // Nobody listening is no failure.
        let _ = told.send(event);
    }

    /// Everything from now on; with `after`, everything behind that event first.
    pub fn listen(&self, after: Option<EventId>) -> Listener {
        let kept = self.kept();
        let earlier = match after {
            None => VecDeque::new(),
            Some(after) => match kept.iter().rposition(|event| event.id == after) {
                Some(at) => kept.range(at + 1..).cloned().map(Heard::Event).collect(),
                None => [Heard::Missed(None)].into(),
            },
        };
        Listener { earlier, later: self.0.told.subscribe() }
    }

    pub fn notice(&self, notice: Notice) {
        // Nobody listening is no failure.
        let _ = self.0.notices.send(notice);
    }

    /// What MCP clients may hear of, from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Changes of the catalogue, and of nothing else.
    pub fn catalogue(&self) -> watch::Receiver<u64> {
        self.0.catalogue.subscribe()
    }

    /// What may have ended a login or an API key, and nothing else.
    pub fn credentials(&self) -> watch::Receiver<u64> {
        self.0.credentials.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// What comes next; none when there will be nothing more. Nothing is lost when this is dropped.
    pub async fn next(&mut self) -> Option<Heard> {
        if let Some(earlier) = self.earlier.pop_front() {
            return Some(earlier);
        }
        match self.later.recv().await {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Missed(Some(missed))),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(action: &str, object_kind: &str) -> Act {
        Act {
            at: DateTime::UNIX_EPOCH,
            actor: "admin:ada".to_owned(),
            action: action.to_owned(),
            object_kind: object_kind.to_owned(),
            object_id: "it".to_owned(),
        }
    }

    fn numbered(number: usize) -> Change {
        Change::of(Act { object_id: number.to_string(), ..act("server.update", "server") })
    }

    fn number(heard: Option<Heard>) -> Option<usize> {
        match heard {
            Some(Heard::Event(event)) => match &event.change {
                Change::Changed(done) => done.object_id.parse().ok(),
                _ => None,
            },
            _ => None,
        }
    }

    #[test]
    fn an_act_is_told_as_what_it_is() {
        for (action, object_kind, kind, sessions) in [
            ("tool.submit", "tool", "approval_requested", false),
            ("network_request.create", "network_request", "approval_requested", false),
            ("module_request.create", "module_request", "approval_requested", false),
            ("tool.approve", "tool", "approval_decided", false),
            ("network_request.revoke", "network_request", "approval_decided", false),
            ("module_request.reject", "module_request", "approval_decided", false),
            ("api_key.revoke", "api_key", "changed", false),
            ("tool.create", "tool", "changed", false),
            ("secret.create", "secret", "changed", false),
            ("admin.logout", "admin", "changed", true),
            ("session.revoke", "session", "changed", true),
            ("session.refresh_reused", "session", "changed", true),
        ] {
            let change = Change::of(act(action, object_kind));
            assert_eq!((change.kind(), change.concerns_sessions()), (kind, sessions), "{action}");
            let told = serde_json::to_value(&change).expect("JSON");
            assert_eq!((&told["kind"], &told["action"]), (&kind.into(), &action.into()));
        }
    }

    #[tokio::test]
    async fn who_comes_back_goes_on_behind_the_last_event_that_it_knows() {
        let events = Events::new(Clock::system());
        let mut first = events.listen(None);
        events.tell(numbered(0));
        let Some(Heard::Event(known)) = first.next().await else { panic!("an event") };
        (1..4).for_each(|number| events.tell(numbered(number)));
        let mut back = events.listen(Some(known.id));
        events.tell(numbered(4));
        for expected in 1..=4 {
            assert_eq!(number(back.next().await), Some(expected));
        }
        let mut stranger = events.listen(Some(EventId::new()));
        assert_eq!(stranger.next().await, Some(Heard::Missed(None)));
        (5..5 + KEPT).for_each(|number| events.tell(numbered(number)));
        assert_eq!(events.listen(Some(known.id)).next().await, Some(Heard::Missed(None)), "it is kept no more");
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_how_many_events_it_missed() {
        let events = Events::new(Clock::system());
        let mut slow = events.listen(None);
        (0..KEPT + 7).for_each(|number| events.tell(numbered(number)));
        assert_eq!(slow.next().await, Some(Heard::Missed(Some(7))));
        assert_eq!(number(slow.next().await), Some(7));
    }

    #[tokio::test]
    async fn who_listens_for_the_catalogue_hears_of_nothing_else() {
        let events = Events::new(Clock::system());
        let mut catalogue = events.catalogue();
        events.tell(numbered(0));
        assert!(matches!(catalogue.has_changed(), Ok(false)));
        events.tell(Change::CatalogueChanged);
        events.tell(Change::CatalogueChanged);
        assert!(catalogue.changed().await.is_ok());
        assert!(matches!(catalogue.has_changed(), Ok(false)), "two that come together are one");
    }

    #[test]
    fn what_may_have_ended_a_credential_is_told_to_those_who_listen_for_that_alone() {
        let events = Events::new(Clock::system());
        for (object_kind, told) in
            [("api_key", true), ("admin", true), ("session", true), ("tool", false), ("server", false)]
        {
            let credentials = events.credentials();
            events.tell(Change::of(act("x.revoke", object_kind)));
            assert_eq!(credentials.has_changed().ok(), Some(told), "{object_kind}");
        }
    }

    #[test]
    fn the_largest_event_fits_a_notification_of_postgresql() {
        // The longest texts that rows hold, of characters that take most in JSON.
        let text = |characters: usize| "\u{10ffff}".repeat(characters);
        let change = Change::Activity(Activity {
            activity_id: ActivityId::new(),
            log_type: LogType::McpResponse,
            level: LogLevel::Warning,
            message: text(301).into(),
            method: Some(text(64).into()),
            server_id: Some(ServerId::new()),
            caller: Some(text(101).into()),
            request_id: Some(text(64).into()),
            duration_ms: Some(f64::MAX),
        });
        let event = Event { id: EventId::new(), at: DateTime::UNIX_EPOCH, change };
        assert!(serde_json::to_string(&event).expect("JSON").len() < 8_000);
    }
}
