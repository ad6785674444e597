//! What one call says to its client before its answer, and then the answer: in order, numbered, bounded.
//!
//! Whoever carries it to the client reads it here. There is one reader at a time: a later one takes the
//! place of the one before. What was read is dropped, unless it is kept so that a reader may come back: then
//! so many bytes of it are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Notify;

use super::dispatch::Reply;
use super::error::{Failure, Kind};
use super::jsonrpc::{self, Id};
use crate::limits::Limits;

/// What comes of a request; none when its client cancelled it and waits for nothing.
pub type Answer = Option<Reply>;

/// The messages of one call; clones are the same.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Id,
    /// Messages that wait to be read.
    most: usize,
    /// Bytes of what was read that are kept.
    kept: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// So many messages came before the first that is here.
    before: u64,
    /// So many have been read.
    read: u64,
    /// Which reader is the one.
    reader: u64,
    /// Something was said that cannot wait for the answer.
    is_urgent: bool,
    /// Nobody reads before the answer.
    is_closed: bool,
    end: End,
}

#[derive(Debug, Default)]
enum End {
    /// The call goes on.
    #[default]
    Open,
    /// This is still to be read, after all messages.
    Answered(Reply),
    /// Nothing more comes.
    Over,
}

impl Outbox {
    /// An outbox that holds all that one call may say, so that nothing is lost to a slow client and
    /// memory stays bounded by the limits of the call.
    pub fn new(id: Id, limits: &Limits) -> Self {
        Self::holding(id, events_of_a_call(limits), 0)
    }

    /// An outbox with room for all that one subscription can be told at once: of each list, resource and task that it
    /// names. Who speaks hears when there is no room, and can say later what was missed.
    pub fn of_subscription(id: Id, limits: &Limits) -> Self {
        Self::holding(id, Limits::size(limits.session_subscriptions.saturating_mul(2).saturating_add(LISTS)), 0)
    }

    /// The same, of which what was read can be read again.
    pub fn kept(id: Id, limits: &Limits) -> Self {
        Self::holding(id, events_of_a_call(limits), Limits::size(limits.stream_kept_bytes))
    }

    fn holding(id: Id, most: usize, kept: usize) -> Self {
        Self(Arc::new(Inner { id, most, kept, state: Mutex::default(), changed: Notify::new() }))
    }

    /// The id of the request whose outbox this is.
    pub(super) fn id(&self) -> &Id {
        &self.0.id
    }

    /// Says something; dropped when nobody will hear it. False when it was dropped because too much waits to be read.
    pub fn say(&self, method: &str, params: &impl Serialize) -> bool {
        let mut state = self.held();
        let has_room = state.waiting() < self.0.most;
        if has_room {
            state.push(jsonrpc::notification(method, params));
        }
        drop(state);
        self.0.changed.notify_waiters();
        has_room
    }

    /// Resolves when all that was said has been read.
    pub(super) async fn is_read(&self) {
        self.when(|state| (state.waiting() == 0).then_some(())).await;
    }

    /// Puts a question, which makes the client's answer a stream if it was to be none. False when nobody
    /// will hear it.
    pub(super) fn ask(&self, id: &Id, method: &str, params: &impl Serialize) -> bool {
        let mut state = self.held();
        if state.is_closed || !matches!(state.end, End::Open) {
            return false;
        }
        state.push(jsonrpc::request(id, method, params));
        state.is_urgent = true;
        drop(state);
        self.0.changed.notify_waiters();
        true
    }

    /// Ends it; only the first end counts.
    pub(super) fn finish(&self, answer: Answer) {
        let mut state = self.held();
        if matches!(state.end, End::Open) {
            state.end = answer.map_or(End::Over, End::Answered);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Nobody will read what is said before the answer.
    pub(super) fn close(&self) {
        self.held().is_closed = true;
        self.0.changed.notify_waiters();
    }

    /// Resolves when something was said that cannot wait for the answer.
    pub(super) async fn urgent(&self) {
        self.when(|state| state.is_urgent.then_some(())).await;
    }

    /// Resolves when nobody will read what is said before the answer.
    pub(super) async fn closed(&self) {
        self.when(|state| state.is_closed.then_some(())).await;
    }

    /// The answer alone, for a client that reads nothing else.
    pub(super) async fn answer(&self) -> Answer {
        self.when(|state| match std::mem::replace(&mut state.end, End::Over) {
            End::Open => {
                state.end = End::Open;
                None
            }
            End::Answered(reply) => Some(Some(reply)),
            End::Over => Some(None),
        })
        .await
    }

    /// Resolves when nothing more will be said.
    pub(super) async fn ended(&self) {
        self.when(|state| (!matches!(state.end, End::Open)).then_some(())).await;
    }

    /// Bytes of all that is here.
    pub(super) fn bytes(&self) -> usize {
        let state = self.held();
        let answer = match &state.end {
            End::Answered(Ok(payload)) => payload.size(),
            End::Open | End::Answered(Err(_)) | End::Over => 0,
        };
        state.bytes + answer
    }

    /// Reads what was not read yet.
    pub(super) fn reader(&self) -> Reader {
        let mut state = self.held();
        let at = state.read;
        self.read_by_another(&mut state, at)
    }

    /// Reads from the message after `number` on. None when it is not here any more, was never said, or will never
    /// be, because that one was the last.
    pub(super) fn resume(&self, number: u64) -> Option<Reader> {
        let mut state = self.held();
        let said = state.before + state.messages.len() as u64;
        let is_last = number == said && matches!(state.end, End::Over);
        let is_here = (state.before..=said).contains(&number) && !is_last;
        is_here.then(|| self.read_by_another(&mut state, number))
    }

    fn read_by_another(&self, state: &mut State, at: u64) -> Reader {
        state.reader += 1;
        self.0.changed.notify_waiters();
        Reader { outbox: self.clone(), place: state.reader, at }
    }

    async fn when<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.held()) {
                return found;
            }
            changed.await;
        }
    }

    /// The lock, whatever became of who held it before: no invariant spans two of its uses.
    fn held(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a subscription may be told beside its resources and tasks: the acknowledgement, and of three lists.
const LISTS: u64 = 4;
/// What a message takes beside its text.
const MESSAGE_BYTES: usize = 64;

/// Log lines and progress reports that one call may make, together.
pub(super) fn events_of_a_call(limits: &Limits) -> usize {
    Limits::size(limits.call_log_lines.saturating_mul(2)).max(1)
}

impl State {
    fn push(&mut self, message: Vec<u8>) {
        if matches!(self.end, End::Open) {
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Vec<u8>) {
        self.bytes += message.len() + MESSAGE_BYTES;
        self.messages.push_back(message.into());
    }

    /// Messages that were not read yet.
    fn waiting(&self) -> usize {
        let read = usize::try_from(self.read - self.before).unwrap_or(usize::MAX);
        self.messages.len().saturating_sub(read)
    }

    /// The message after number `at`, when it is there.
    fn next(&mut self, id: &Id, at: u64, kept: usize) -> Option<Option<Bytes>> {
        let index = usize::try_from(at.saturating_sub(self.before)).unwrap_or(usize::MAX);
        if index >= self.messages.len() {
            match std::mem::replace(&mut self.end, End::Over) {
                End::Open => {
                    self.end = End::Open;
                    return None;
                }
                End::Answered(reply) => self.keep(text(id, &reply)),
                End::Over => return Some(None),
            }
        }
        let message = self.messages.get(index).cloned();
        self.read = self.read.max(at + 1);
        // Never past what this reader has read: one that came back may stand further back than another before it.
        while self.before <= at && self.bytes > kept {
            let Some(gone) = self.messages.pop_front() else { break };
            self.bytes -= gone.len() + MESSAGE_BYTES;
            self.before += 1;
        }
        Some(message)
    }
}

/// The response to a request, as JSON text.
pub(super) fn text(id: &Id, reply: &Reply) -> Vec<u8> {
    match reply {
        Ok(payload) => jsonrpc::result(id, payload),
        Err(failure) => jsonrpc::error(Some(id), failure),
    }
}

/// Reads what a call says.
pub(super) struct Reader {
    outbox: Outbox,
    place: u64,
    at: u64,
}

impl Reader {
    /// How many readers this outbox had, up to this one.
    pub(super) fn number(&self) -> u64 {
        self.place
    }

    /// Whether the message that came was the last.
    pub(super) fn is_at_end(&self) -> bool {
        let state = self.outbox.held();
        matches!(state.end, End::Over) && self.at >= state.before + state.messages.len() as u64
    }

    /// The next message and its number, counted from 1. None: nothing more comes, or a later reader took
    /// this one's place.
    pub(super) async fn next(&mut self) -> Option<(u64, Bytes)> {
        let (place, at) = (self.place, self.at);
        let Inner { id, kept, .. } = &*self.outbox.0;
        let look = |state: &mut State| if state.reader == place { state.next(id, at, *kept) } else { Some(None) };
        let message = self.outbox.when(look).await?;
        // There is room for more.
        self.outbox.0.changed.notify_waiters();
        self.at += 1;
        Some((self.at, message))
    }
}

/// Sees that a call has an end, also when its task breaks off.
pub(super) struct Ending(pub(super) Outbox);

impl Drop for Ending {
    fn drop(&mut self) {
        let message = if std::thread::panicking() { "internal error" } else { "MCPbox is going down" };
        self.0.finish(Some(Err(Failure::new(Kind::Internal, message))));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::jsonrpc::Payload;

    fn outbox(lines: u64) -> Outbox {
        Outbox::new(Id::Integer(7.into()), &Limits { call_log_lines: lines, ..Limits::default() })
    }

    fn said(message: Option<(u64, Bytes)>) -> (u64, String) {
        let (number, bytes) = message.expect("a message");
        let message: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        (number, message["method"].as_str().unwrap_or("answer").to_owned())
    }

    #[tokio::test]
    async fn messages_come_in_order_and_the_answer_last() {
        let outbox = outbox(10);
        outbox.say("a", &json!({}));
        let mut reader = outbox.reader();
        assert_eq!(said(reader.next().await), (1, "a".to_owned()));
        outbox.say("b", &json!({}));
        outbox.finish(Some(Ok(Payload::empty())));
        outbox.say("c", &json!({}));
        outbox.finish(None);
        assert_eq!(said(reader.next().await), (2, "b".to_owned()));
        assert!(!reader.is_at_end());
        assert_eq!(said(reader.next().await), (3, "answer".to_owned()));
        assert!(reader.is_at_end());
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn more_than_a_call_may_say_is_dropped_but_never_the_answer() {
        let outbox = outbox(1);
        for _ in 0..5 {
            outbox.say("a", &json!({}));
        }
        outbox.finish(Some(Ok(Payload::empty())));
        let mut reader = outbox.reader();
        for expected in [(1, "a"), (2, "a"), (3, "answer")] {
            assert_eq!(said(reader.next().await), (expected.0, expected.1.to_owned()));
        }
    }

    /// Whoever listens hears of everything that it may name at once, however few log lines a call may have; and who
    /// speaks knows when there is no room, and when there is again.
    #[tokio::test]
    async fn an_outbox_of_a_subscription_has_room_for_all_that_it_names() {
        let limits = Limits { session_subscriptions: 3, call_log_lines: 1, ..Limits::default() };
        let outbox = Outbox::of_subscription(Id::Integer(7.into()), &limits);
        assert!((0..10).all(|_| outbox.say("a", &json!({}))), "an acknowledgement, lists, resources, tasks");
        assert!(!outbox.say("a", &json!({})));
        let mut reader = outbox.reader();
        let reads = async {
            for _ in 0..10 {
                reader.next().await.expect("a message");
            }
        };
        tokio::join!(outbox.is_read(), reads);
        assert!(outbox.say("a", &json!({})));
    }

    #[tokio::test]
    async fn a_later_reader_takes_the_place_of_the_one_before() {
        let outbox = outbox(10);
        let mut one = outbox.reader();
        let mut two = outbox.reader();
        outbox.say("a", &json!({}));
        assert_eq!(one.next().await, None);
        assert_eq!(said(two.next().await), (1, "a".to_owned()));
    }

    /// Holds: stream_kept_bytes.
    #[tokio::test]
    async fn what_was_read_can_be_read_again_while_it_is_kept() {
        let limits = Limits { stream_kept_bytes: 400, ..Limits::default() };
        let outbox = Outbox::kept(Id::Integer(7.into()), &limits);
        outbox.say("a", &json!({}));
        outbox.say("b", &json!({}));
        let mut reader = outbox.reader();
        assert_eq!(said(reader.next().await), (1, "a".to_owned()));
        assert_eq!(said(reader.next().await), (2, "b".to_owned()));
        drop(reader);
        outbox.finish(Some(Ok(Payload::empty())));
        let mut again = outbox.resume(1).expect("it is here");
        assert_eq!(said(again.next().await), (2, "b".to_owned()));
        assert_eq!(said(again.next().await), (3, "answer".to_owned()));
        assert_eq!(again.next().await, None);
        let mut whole = outbox.resume(0).expect("all of it is here");
        assert_eq!(said(whole.next().await), (1, "a".to_owned()));
        assert!(outbox.resume(3).is_none(), "nothing comes after the answer");
        assert!(outbox.resume(4).is_none(), "it was never said");

        let outbox = Outbox::kept(Id::Integer(7.into()), &limits);
        for _ in 0..20 {
            outbox.say("a", &json!({}));
        }
        let mut reader = outbox.reader();
        for _ in 0..20 {
            reader.next().await.expect("nothing is lost before it was read");
        }
        assert!(outbox.resume(0).is_none() && outbox.resume(19).is_some());
        assert!(outbox.bytes() <= 400);
    }

    #[tokio::test]
    async fn who_comes_back_reads_each_message_once_however_far_it_had_read_before() {
        let limits = Limits { stream_kept_bytes: 300, ..Limits::default() };
        let outbox = Outbox::kept(Id::Integer(7.into()), &limits);
        let say = |numbers: std::ops::RangeInclusive<u64>| {
            for number in numbers {
                outbox.say(&format!("m{number}"), &json!({}));
            }
        };
        say(1..=5);
        let mut reader = outbox.reader();
        for _ in 0..5 {
            reader.next().await.expect("a message");
        }
        drop(reader);
        say(6..=13);
        let mut again = outbox.resume(3).expect("it is here");
        for number in 4..=13 {
            assert_eq!(said(again.next().await), (number, format!("m{number}")));
        }
        assert!(outbox.resume(3).is_none() && outbox.bytes() <= 300);
    }

    #[tokio::test]
    async fn a_question_is_urgent_unless_nobody_will_hear_it() {
        let outbox = outbox(10);
        let id = Id::Text("q".to_owned());
        assert!(outbox.ask(&id, "roots/list", &json!({})));
        outbox.urgent().await;
        outbox.close();
        outbox.closed().await;
        assert!(!outbox.ask(&id, "roots/list", &json!({})));
    }

    #[tokio::test]
    async fn a_call_that_breaks_off_is_answered_all_the_same() {
        let outbox = outbox(10);
        drop(Ending(outbox.clone()));
        assert!(matches!(outbox.answer().await, Some(Err(failure)) if failure.kind == Kind::Internal));
        assert!(outbox.answer().await.is_none(), "once");
    }
}
