//! What holds of sessions in the memory of one process.

use super::*;
use crate::domain::ids::ApiKeyId;

fn sessions(most: u64, idle_s: u64) -> (Here, Clock) {
    let clock = Clock::system();
    let limits = Limits { sessions: most, session_idle_s: idle_s, ..Limits::default() };
    (Here::new(&limits, clock.clone()), clock)
}

impl Here {
    fn open(&self, caller: &Caller, agreed: Agreed) -> Arc<Session> {
        self.take(self.make(caller, agreed)).0
    }
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
    assert_eq!(sessions.sweep(), 0);
    clock.turn(TimeDelta::seconds(2));
    assert!(sessions.find(idle.id(), &local()).is_none(), "also without a sweep");
    assert_eq!(sessions.sweep(), 0);
    drop(call);
    stream.cancel();
    assert_eq!(sessions.sweep(), 2);
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
    let sessions = Here::new(&Limits { open_questions: 2, ..Limits::default() }, clock);
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
fn all_sessions_of_a_key_end_together_and_no_others() {
    let (sessions, _) = sessions(10, 60);
    let key = |name: &str| Who::ApiKey { id: ApiKeyId::new(), name: name.to_owned() };
    let caller = |who: &Who| Caller { who: who.clone(), from: None };
    let (one, other) = (key("one"), key("other"));
    let ended = [(); 2].map(|()| sessions.open(&caller(&one), agreed()));
    let goes_on = [sessions.open(&caller(&other), agreed()), sessions.open(&local(), agreed())];
    assert_eq!(sessions.keys(), HashSet::from([one.clone(), other]));
    assert_eq!(sessions.end_all(&caller(&one)), 2);
    assert!(ended.iter().all(|session| session.ended.is_cancelled()));
    assert!(!goes_on.iter().any(|session| session.ended.is_cancelled()));
}

#[test]
fn the_database_is_told_of_a_use_now_and_then() {
    let (sessions, clock) = sessions(2, 600);
    let session = sessions.open(&local(), agreed());
    assert!(!sessions.is_due(&session));
    clock.turn(TimeDelta::seconds(61));
    assert!(sessions.is_due(&session) && sessions.unnoted().is_empty(), "it does nothing");
    let call = session.begin(&Id::Text("a".into()));
    assert_eq!(sessions.unnoted().len(), 1);
    sessions.noted(&session);
    assert!(!sessions.is_due(&session));
    drop(call);
    let alone = Session::of_connection(&local(), agreed(), &Limits::default(), clock.now());
    clock.turn(TimeDelta::seconds(61));
    assert!(!sessions.is_due(&alone));
}
