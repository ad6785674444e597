//! What this server asks of a legacy client while a call of it runs: a request on the stream of that call,
//! answered by a message of the client in the same session.
//!
//! Nobody is asked before saying that it is ready to be. A question is open until it is answered, until its time is
//! over, or until whoever asked no longer wants to know; the client is told of one that was given up. Its id is
//! random, so that no late answer to a question of another time or process can be taken for one to this. How many are
//! open in one session is bounded.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::error::shorten;
use super::outbox::Outbox;
use super::session::{Question, Session};

/// How long a client that makes calls may take to say that it is ready to be asked.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Whoever is at the other end of a legacy call, ready to be asked. Clones are the same.
#[derive(Clone, Debug)]
pub struct Peer {
    session: Arc<Session>,
    outbox: Outbox,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The client answered with an error, in its words.
    #[error("the client refused: {0}")]
    Refused(String),
    /// What it answered is no object.
    #[error("the client's answer is no object: {0}")]
    NoObject(String),
    /// Nobody answered in time, or nobody is there.
    #[error("the client did not answer")]
    Unanswered,
    /// It did not say in time that it is ready to be asked.
    #[error("the client did not say that it is ready (`notifications/initialized`)")]
    NotReady,
    /// So many questions of this session are open already.
    #[error("{0} questions to this client are open and no more may be (MCPBOX_OPEN_QUESTIONS)")]
    TooMany(usize),
}

impl Peer {
    pub(super) fn new(session: Arc<Session>, outbox: Outbox) -> Self {
        Self { session, outbox }
    }

    /// Asks the client and waits for what it says, a JSON object. Dropping the future gives the question up.
    ///
    /// # Errors
    /// See [`PeerError`].
    pub async fn request(
        &self,
        method: &str,
        params: &impl Serialize,
        within: Duration,
    ) -> Result<Box<RawValue>, PeerError> {
        let until = Instant::now() + within;
        // "Initialization", 2025-11-25.
        let is_ready = tokio::select! {
            is_ready = self.session.initialized() => is_ready,
            () = self.outbox.closed() => false,
            () = tokio::time::sleep(READY_WITHIN.min(within)) => return Err(PeerError::NotReady),
        };
        if !is_ready {
            return Err(PeerError::Unanswered);
        }
        let mut question = self.session.question().map_err(PeerError::TooMany)?;
        if !self.outbox.ask(question.id(), method, params) {
            return Err(PeerError::Unanswered);
        }
        let mut open = Open { outbox: &self.outbox, question: &mut question, is_open: true };
        let said = tokio::select! {
            said = open.question.answer() => said,
            () = self.outbox.closed() => None,
            () = tokio::time::sleep_until(until) => None,
        };
        let Some(said) = said else { return Err(PeerError::Unanswered) };
        open.is_open = false;
        match said {
            Ok(result) if result.get().starts_with('{') => Ok(result),
            Ok(result) => Err(PeerError::NoObject(shorten(result.get()))),
            Err(message) => Err(PeerError::Refused(message)),
        }
    }
}

/// A question that was put. Dropped while it is open, it is taken back.
struct Open<'a> {
    outbox: &'a Outbox,
    question: &'a mut Question,
    is_open: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let params = json!({"requestId": self.question.id(), "reason": "nobody waits for the answer any more"});
            self.outbox.say("notifications/cancelled", &params);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::clock::Clock;
    use crate::domain::caller::{Caller, Who};
    use crate::limits::Limits;
    use crate::mcp::jsonrpc::{Id, Response};
    use crate::mcp::outbox::Reader;
    use crate::mcp::scope::Scope;
    use crate::mcp::session::Agreed;
    use crate::mcp::versions::Version;

    const LONG: Duration = Duration::from_secs(60);

    /// A call of a session, and what its client reads of it.
    fn call(most: u64) -> (Arc<Session>, Outbox, Peer, Reader) {
        let found = call_of_a_newcomer(most);
        found.0.set_initialized();
        found
    }

    /// The same, before the client said that it is ready.
    fn call_of_a_newcomer(most: u64) -> (Arc<Session>, Outbox, Peer, Reader) {
        let limits = Limits { open_questions: most, ..Limits::default() };
        let (version, scope) = (Version::NEWEST_LEGACY, Scope::Everything);
        let agreed = Agreed { version, scope, capabilities: Map::new(), client: None };
        let caller = Caller { who: Who::Local, from: None };
        let session = Session::of_connection(&caller, agreed, &limits, Clock::system().now());
        let outbox = Outbox::new(Id::Integer(1.into()), &limits);
        let (peer, reader) = (Peer::new(Arc::clone(&session), outbox.clone()), outbox.reader());
        (session, outbox, peer, reader)
    }

    async fn read(reader: &mut Reader) -> Value {
        let (_, message) = reader.next().await.expect("a message");
        serde_json::from_slice(&message).expect("JSON")
    }

    fn response(question: &Value, said: Result<&str, &str>) -> Response {
        let id = Id::Text(question["id"].as_str().expect("an id").to_owned());
        let raw = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        Response { id, said: said.map(raw).map_err(str::to_owned) }
    }

    #[tokio::test]
    async fn a_question_goes_out_on_the_calls_stream_and_its_answer_comes_back() {
        let (session, _, peer, mut reader) = call(1);
        for (said, heard) in [
            (Ok(r#"{"roots":[]}"#), Ok(r#"{"roots":[]}"#.to_owned())),
            (Err("no roots"), Err(PeerError::Refused("no roots".to_owned()))),
            (Ok("7"), Err(PeerError::NoObject("7".to_owned()))),
        ] {
            let client = async {
                let question = read(&mut reader).await;
                assert_eq!((&question["method"], &question["params"]["a"]), (&json!("roots/list"), &json!(1)));
                assert!(session.answered(response(&question, said)));
            };
            let params = json!({"a": 1});
            let (answer, ()) = tokio::join!(peer.request("roots/list", &params, LONG), client);
            assert_eq!(answer.map(|raw| raw.get().to_owned()), heard);
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_before_saying_that_it_is_ready() {
        let (session, _, peer, mut reader) = call_of_a_newcomer(1);
        let late = peer.request("roots/list", &json!({}), Duration::ZERO).await;
        assert_eq!(late.err(), Some(PeerError::NotReady));
        let nothing = json!({});
        let mut asking = Box::pin(peer.request("roots/list", &nothing, LONG));
        let mut heard = Box::pin(read(&mut reader));
        assert!(futures_util::poll!(&mut asking).is_pending() && futures_util::poll!(&mut heard).is_pending());
        session.set_initialized();
        assert!(futures_util::poll!(&mut asking).is_pending());
        let question = heard.await;
        session.answered(response(&question, Ok("{}")));
        assert!(asking.await.is_ok());
        session.end();
        let (gone, _, peer, _) = call_of_a_newcomer(1);
        gone.hears_no_more();
        assert_eq!(peer.request("roots/list", &json!({}), LONG).await.err(), Some(PeerError::Unanswered));
    }

    /// Holds: open_questions.
    #[tokio::test]
    async fn open_questions_of_a_session_are_bounded() {
        let (session, _, peer, mut reader) = call(1);
        let nothing = json!({});
        let first = peer.request("roots/list", &nothing, LONG);
        let others = async {
            let question = read(&mut reader).await;
            let second = peer.request("roots/list", &json!({}), LONG).await;
            assert_eq!(second.err(), Some(PeerError::TooMany(1)));
            session.answered(response(&question, Ok("{}")));
        };
        let (first, ()) = tokio::join!(first, others);
        assert!(first.is_ok());
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_is_taken_back() {
        let (session, _, peer, mut reader) = call(4);
        // Its time is over.
        let late = peer.request("roots/list", &json!({}), Duration::ZERO).await;
        assert_eq!(late.err(), Some(PeerError::Unanswered));
        // Whoever asked does not wait any more.
        let nothing = json!({});
        tokio::select! {
            biased;
            _ = peer.request("roots/list", &nothing, LONG) => panic!("nobody answered"),
            () = std::future::ready(()) => {}
        }
        for _ in 0..2 {
            let (question, taken_back) = (read(&mut reader).await, read(&mut reader).await);
            assert_eq!(taken_back["method"], "notifications/cancelled");
            assert_eq!(taken_back["params"]["requestId"], question["id"]);
            assert!(!session.answered(response(&question, Ok("{}"))), "too late");
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_who_will_not_hear_it() {
        let (_, outbox, peer, _) = call(1);
        let nothing = json!({});
        let waiting = peer.request("roots/list", &nothing, LONG);
        let closing = async { outbox.close() };
        let (answer, ()) = tokio::join!(waiting, closing);
        assert_eq!(answer.err(), Some(PeerError::Unanswered));
        let answer = peer.request("roots/list", &json!({}), LONG).await;
        assert_eq!(answer.err(), Some(PeerError::Unanswered));
    }
}
