//! The client behind a call, as its guest gets to ask it.
//!
//! In the legacy era a question is a request on the call's own stream, and the guest waits. In the modern era
//! the client makes the call again with the answers, so that they are there when the guest asks, or else the
//! call ends with what is open. In both, a question that a client did not say it can answer is never put, and
//! an answer has the shape that the protocol gives it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::abilities;
use super::peer::{Peer, PeerError};
use crate::domain::client::{Abilities, Asked, Asking, Client, Question, Said, Unasked};
use crate::limits::Limits;

/// Answers by the keys of their questions.
pub(super) type Answers = BTreeMap<String, Said>;

/// The places for calls that wait for an answer; clones share them.
#[derive(Clone, Debug)]
pub struct Waiting {
    places: Arc<Semaphore>,
    most: usize,
    within: Duration,
}

impl Waiting {
    pub fn new(limits: &Limits) -> Self {
        let most = Limits::size(limits.calls_asking).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(most)), most, within: Duration::from_secs(limits.answer_wait_s) }
    }

    /// Waits for `answer`, if there is a place to wait in, and not for ever.
    pub(super) async fn for_answer<T>(&self, answer: impl Future<Output = T>) -> Result<T, Unasked> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(Unasked::Unanswered(format!(
                "{} calls wait for an answer and no more may (MCPBOX_CALLS_ASKING); try again later",
                self.most
            )));
        };
        let waited = tokio::time::timeout(self.within, answer).await;
        let seconds = self.within.as_secs();
        waited.map_err(|_| Unasked::Unanswered(format!("nobody answered in {seconds} s (MCPBOX_ANSWER_WAIT_S)")))
    }

    pub(super) fn within(&self) -> Duration {
        self.within
    }
}

/// What stands in the way of putting these questions to a client.
pub(super) fn unsupported(can: Abilities, questions: &[Question]) -> Option<Unasked> {
    let missing = questions.iter().find_map(|question| abilities::of(question).missing_in(can))?;
    Some(Unasked::Unsupported(format!("the client did not say that it can do this: {}", missing.names().join(", "))))
}

/// Whether an answer has the shape of the method's result.
pub(super) fn has_shape(method: Asking, answer: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        action: Option<String>,
        content: Option<Value>,
        role: Option<String>,
        model: Option<String>,
        roots: Option<Vec<Value>>,
    }
    // An array would be read as the members in their order.
    if !answer.get().starts_with('{') {
        return false;
    }
    let Ok(Answer { action, content, role, model, roots }) = serde_json::from_str(answer.get()) else { return false };
    match method {
        Asking::Elicitation => {
            let is_known = matches!(action.as_deref(), Some("accept" | "decline" | "cancel"));
            is_known && content.is_none_or(|content| content.is_object())
        }
        Asking::Sampling => {
            let is_content = content.is_some_and(|content| content.is_object() || content.is_array());
            is_content && model.is_some() && matches!(role.as_deref(), Some("user" | "assistant"))
        }
        Asking::Roots => {
            let has_uri = |root: &Value| root.get("uri").is_some_and(Value::is_string);
            roots.is_some_and(|roots| roots.iter().all(has_uri))
        }
    }
}

/// A legacy client, asked while the guest waits.
#[derive(Debug)]
pub(super) struct Live {
    peer: Peer,
    can: Abilities,
    waiting: Waiting,
    /// What it said so far: the same key has the same answer.
    said: Mutex<Answers>,
}

impl Live {
    pub(super) fn new(peer: Peer, can: Abilities, waiting: Waiting) -> Self {
        Self { peer, can, waiting, said: Mutex::default() }
    }

    async fn put(&self, question: &Question) -> Result<Said, PeerError> {
        let Question { method, params, .. } = question;
        match self.peer.request(method.as_str(), params, self.waiting.within()).await {
            Ok(answer) if has_shape(*method, &answer) => Ok(Said::Result(answer)),
            Ok(_) => Ok(Said::Refused(format!("the answer has not the shape of a result of `{}`", method.as_str()))),
            Err(PeerError::Refused(message)) => Ok(Said::Refused(message)),
            Err(error) => Err(error),
        }
    }

    async fn ask_all(&self, questions: Vec<Question>) -> Asked {
        if let Some(why) = unsupported(self.can, &questions) {
            return Asked::Failed(why);
        }
        let open: Vec<&Question> = {
            let said = held(&self.said);
            questions.iter().filter(|question| !said.contains_key(&question.key)).collect()
        };
        if !open.is_empty() {
            let all = join_all(open.iter().map(|question| self.put(question)));
            let answers = match self.waiting.for_answer(all).await {
                Ok(answers) => answers,
                Err(why) => return Asked::Failed(why),
            };
            for (question, answer) in open.into_iter().zip(answers) {
                match answer {
                    Ok(said) => held(&self.said).insert(question.key.clone(), said),
                    Err(error) => return Asked::Failed(Unasked::Unanswered(error.to_string())),
                };
            }
        }
        answered(&questions, &held(&self.said))
    }
}

impl Client for Live {
    fn abilities(&self) -> Abilities {
        self.can
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        Box::pin(self.ask_all(questions))
    }

    /// Tasks are of the modern era.
    fn become_task(&self) {}
}

/// A modern client, whose answers come with the call.
#[derive(Debug)]
pub(super) struct Retried {
    can: Abilities,
    /// What came along. Nobody looks at it before a guest asks for it.
    brought: Answers,
    /// What of it was asked for.
    settled: Mutex<Answers>,
}

impl Retried {
    pub(super) fn new(can: Abilities, brought: Answers) -> Self {
        Self { can, brought, settled: Mutex::default() }
    }

    /// The answers that the guest has used.
    pub(super) fn settled(&self) -> Answers {
        held(&self.settled).clone()
    }

    /// What of these has no answer yet.
    pub(super) fn open(&self, questions: &[Question]) -> Vec<Question> {
        let mut settled = held(&self.settled);
        let mut open = Vec::new();
        for question in questions {
            match self.brought.get(&question.key) {
                Some(said) if fits(question, said) => {
                    settled.insert(question.key.clone(), said.clone());
                }
                // Another shape than the protocol has is no answer: it is asked again.
                _ => open.push(question.clone()),
            }
        }
        open
    }

    pub(super) fn answers(&self, questions: &[Question]) -> Asked {
        answered(questions, &held(&self.settled))
    }
}

fn fits(question: &Question, said: &Said) -> bool {
    match said {
        Said::Result(answer) => has_shape(question.method, answer),
        Said::Refused(_) => true,
    }
}

impl Client for Retried {
    fn abilities(&self) -> Abilities {
        self.can
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        let asked = unsupported(self.can, &questions).map_or_else(
            || match self.open(&questions) {
                open if open.is_empty() => self.answers(&questions),
                open => Asked::Later(open),
            },
            Asked::Failed,
        );
        Box::pin(std::future::ready(asked))
    }

    fn become_task(&self) {}
}

/// The answers to these questions, all of which are there.
pub(super) fn answered(questions: &[Question], answers: &Answers) -> Asked {
    let said: Option<Vec<Said>> = questions.iter().map(|question| answers.get(&question.key).cloned()).collect();
    said.map_or_else(|| Asked::Failed(Unasked::Unanswered("an answer is missing".to_owned())), Asked::Answered)
}

/// The lock, whatever became of who held it before: no invariant spans two of its uses.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn question(key: &str) -> Question {
        Question { key: key.to_owned(), method: Asking::Elicitation, params: raw(&json!({"message": "?"})) }
    }

    fn client(brought: &Value) -> Retried {
        let brought: BTreeMap<String, Box<RawValue>> = serde_json::from_value(brought.clone()).expect("a map");
        let brought = brought.into_iter().map(|(key, answer)| (key, Said::Result(answer))).collect();
        Retried::new(Abilities { elicitation: true, ..Abilities::default() }, brought)
    }

    #[test]
    fn an_answer_has_the_shape_of_its_question() {
        for (method, answer, expected) in [
            (Asking::Elicitation, json!({"action": "accept", "content": {"a": 1}}), true),
            (Asking::Elicitation, json!({"action": "decline"}), true),
            (Asking::Elicitation, json!({"action": "accept", "content": 7}), false),
            (Asking::Elicitation, json!({"action": "perhaps"}), false),
            (Asking::Elicitation, json!(["accept"]), false),
            (Asking::Sampling, json!({"role": "assistant", "model": "m", "content": {"type": "text"}}), true),
            (Asking::Sampling, json!({"role": "assistant", "content": {"type": "text"}}), false),
            (Asking::Roots, json!({"roots": []}), true),
            (Asking::Roots, json!({"roots": [{"uri": "file:///a"}]}), true),
            (Asking::Roots, json!({"roots": [{}]}), false),
            (Asking::Roots, json!({}), false),
        ] {
            assert_eq!(has_shape(method, &raw(&answer)), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn what_came_along_is_answered_and_the_rest_is_asked_later() {
        let client = client(&json!({"a": {"action": "decline"}, "b": {"action": "?"}, "extra": 7}));
        assert!(matches!(client.ask(vec![question("a")]).await, Asked::Answered(said) if said.len() == 1));
        let Asked::Later(open) = client.ask(vec![question("a"), question("b"), question("c")]).await else {
            panic!("not later")
        };
        let open: Vec<&str> = open.iter().map(|question| question.key.as_str()).collect();
        assert_eq!(open, ["b", "c"], "also what has another shape");
        assert_eq!(client.settled().into_keys().collect::<Vec<_>>(), ["a"], "nothing that nobody asked for");
    }

    #[tokio::test]
    async fn nothing_is_asked_that_the_client_cannot_do() {
        let roots = Question { method: Asking::Roots, ..question("a") };
        let asked = client(&json!({"a": {"roots": []}})).ask(vec![question("b"), roots]).await;
        assert!(matches!(asked, Asked::Failed(Unasked::Unsupported(why)) if why.contains("roots")));
    }

    /// Holds: calls_asking.
    #[tokio::test]
    async fn calls_that_wait_for_an_answer_are_bounded() {
        let waiting = Waiting::new(&Limits { calls_asking: 1, ..Limits::default() });
        let first = waiting.for_answer(std::future::pending::<()>());
        tokio::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = waiting.for_answer(std::future::ready(())).await;
        assert!(matches!(second, Err(Unasked::Unanswered(why)) if why.contains("MCPBOX_CALLS_ASKING")));
    }

    /// Holds: answer_wait_s.
    #[tokio::test]
    async fn an_answer_is_not_waited_for_for_ever() {
        let waiting = Waiting::new(&Limits { answer_wait_s: 0, ..Limits::default() });
        let waited = waiting.for_answer(std::future::pending::<()>()).await;
        assert!(matches!(waited, Err(Unasked::Unanswered(why)) if why.contains("in 0 s")));
    }

    proptest! {
        #[test]
        fn any_answer_is_judged(text: String, value in "\\{\"(action|content|role|model|roots)\":[\\[\\]{}0-9\"a-z]{0,12}\\}") {
            for text in [text, value] {
                if let Ok(answer) = RawValue::from_string(text) {
                    for method in [Asking::Elicitation, Asking::Sampling, Asking::Roots] {
                        has_shape(method, &answer);
                    }
                }
            }
        }
    }
}
