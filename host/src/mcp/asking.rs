//! The client behind a call, as its guest gets to ask it.
//!
//! In the legacy era a question is a request on the call's own stream, and the guest waits. In the modern era
//! the client makes the call again with the answers, so that they are there when the guest asks, or else the
//! call ends with what is open. In both, a question that a client did not say it can answer is never put, and what
//! does not fit a question never reaches a guest as its answer: in the legacy era the guest is told so, in the modern
//! one it is asked again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::{Notify, Semaphore, watch};

use super::peer::{Peer, PeerError};
use super::{abilities, form};
use crate::domain::client::{Abilities, Asked, Client, Question, Said, Unasked};
use crate::limits::Limits;

/// Answers by the keys of their questions.
pub(super) type Answers = BTreeMap<String, Said>;

/// The places for calls that wait for an answer; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    most: usize,
    within: Duration,
}

impl Waiting {
    pub(super) fn new(limits: &Limits) -> Self {
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

/// A legacy client, asked while the guest waits.
#[derive(Debug)]
pub(super) struct Live {
    peer: Peer,
    can: Abilities,
    waiting: Waiting,
    /// What it said so far: the same key has the same answer, or none for the same reason.
    heard: Mutex<BTreeMap<String, Heard>>,
}

/// What a client said to a question, or why that is no answer.
type Heard = Result<Said, Unasked>;

impl Live {
    pub(super) fn new(peer: Peer, can: Abilities, waiting: Waiting) -> Self {
        Self { peer, can, waiting, heard: Mutex::default() }
    }

    /// The parameters of a question in the words of this client's revision.
    fn worded<'a>(&self, question: &'a Question) -> Cow<'a, RawValue> {
        let takes = abilities::of(question);
        let worded = if takes.elicitation_url {
            with_matter(&question.params)
        } else if takes.elicitation && !self.can.elicitation_choices {
            form::with_enum_names(&question.params)
        } else {
            None
        };
        worded.map_or_else(|| Cow::Borrowed(&*question.params), Cow::Owned)
    }

    async fn put(&self, question: &Question) -> Heard {
        let unfit = |why| Unasked::Invalid(format!("the client's answer to the question `{}` {why}", question.key));
        let (method, params) = (question.method, self.worded(question));
        match self.peer.request(method.as_str(), &params, self.waiting.within()).await {
            Ok(answer) => question.check_answer(&answer).map(|()| Said::Result(answer)).map_err(unfit),
            Err(PeerError::NoObject(text)) => Err(unfit(format!("is no object: {text}"))),
            Err(PeerError::Refused(message)) => Ok(Said::Refused(message)),
            Err(error) => Err(Unasked::Unanswered(error.to_string())),
        }
    }

    async fn ask_all(&self, questions: Vec<Question>) -> Asked {
        if let Some(why) = unsupported(self.can, &questions) {
            return Asked::Failed(why);
        }
        let open: Vec<&Question> = {
            let heard = held(&self.heard);
            questions.iter().filter(|question| !heard.contains_key(&question.key)).collect()
        };
        if !open.is_empty() {
            let all = join_all(open.iter().map(|question| self.put(question)));
            let answers = match self.waiting.for_answer(all).await {
                Ok(answers) => answers,
                Err(why) => return Asked::Failed(why),
            };
            for (question, answer) in open.into_iter().zip(answers) {
                match answer {
                    Err(Unasked::Unanswered(why)) => return Asked::Failed(Unasked::Unanswered(why)),
                    heard => held(&self.heard).insert(question.key.clone(), heard),
                };
            }
        }
        let heard = held(&self.heard);
        let missing = || Err(Unasked::Unanswered("an answer is missing".to_owned()));
        let all = questions.iter().map(|question| heard.get(&question.key).cloned().unwrap_or_else(missing));
        all.collect::<Result<Vec<Said>, Unasked>>().map_or_else(Asked::Failed, Asked::Answered)
    }
}

/// The parameters of an address for a legacy client: it has a name of its matter there (2025-11-25, "URL Mode
/// Elicitation Requests"), which later revisions do without.
fn with_matter(params: &RawValue) -> Option<Box<RawValue>> {
    let mut params: Map<String, Value> = serde_json::from_str(params.get()).ok()?;
    params.entry("elicitationId").or_insert_with(|| format!("mcpbox-{:032x}", rand::random::<u128>()).into());
    serde_json::value::to_raw_value(&params).ok()
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

/// Whether a call is, or is to be, a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was decided.
    Call,
    /// It is to become one as soon as that is written down.
    Wanted,
    Task,
    /// It stays a call: its guest has asked something that comes with another call, or there is no room.
    Settled,
}

/// A modern client, whose answers come with the call; of a task, whenever they come.
#[derive(Debug)]
pub(super) struct Retried {
    can: Abilities,
    waiting: Waiting,
    /// What came along. Nobody looks at it before a guest asks for it.
    brought: Mutex<Answers>,
    /// What of it was asked for.
    settled: Mutex<Answers>,
    /// None: the client does not follow tasks.
    task: Option<Box<MayBeTask>>,
}

/// What a call has that is a task, or may become one.
#[derive(Debug)]
struct MayBeTask {
    stage: watch::Sender<Stage>,
    /// Questions that are to be put.
    open: Mutex<Vec<Question>>,
    asks: Notify,
    /// Counts what was brought.
    news: watch::Sender<u64>,
}

impl MayBeTask {
    fn new() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Call),
            open: Mutex::default(),
            asks: Notify::new(),
            news: watch::Sender::new(0),
        }
    }

    /// Whether the call is a task, once that is decided. One that is none now stays none: its guest asks.
    async fn is_task(&self) -> bool {
        self.stage.send_if_modified(|stage| {
            let settles = *stage == Stage::Call;
            if settles {
                *stage = Stage::Settled;
            }
            settles
        });
        let mut stage = self.stage.subscribe();
        let decided = stage.wait_for(|stage| matches!(stage, Stage::Task | Stage::Settled)).await;
        decided.is_ok_and(|stage| *stage == Stage::Task)
    }
}

impl Retried {
    pub(super) fn new(can: Abilities, brought: Answers, waiting: Waiting) -> Self {
        Self {
            can,
            waiting,
            brought: Mutex::new(brought),
            settled: Mutex::default(),
            task: can.tasks.then(|| Box::new(MayBeTask::new())),
        }
    }

    /// The answers that the guest has used.
    pub(super) fn settled(&self) -> Answers {
        held(&self.settled).clone()
    }

    /// Asks that the call become a task. False when it cannot any more.
    pub(super) fn want(&self) -> bool {
        let Some(task) = &self.task else { return false };
        task.stage.send_if_modified(|stage| {
            let is_new = *stage == Stage::Call;
            if is_new {
                *stage = Stage::Wanted;
            }
            is_new
        });
        *task.stage.borrow() == Stage::Wanted
    }

    /// Resolves when the guest wants the call to be a task.
    pub(super) async fn wanted(&self) {
        match &self.task {
            // The sender is here, so that waiting does not end otherwise.
            Some(task) => drop(task.stage.subscribe().wait_for(|stage| *stage == Stage::Wanted).await),
            None => std::future::pending().await,
        }
    }

    /// Says what became of the wish.
    pub(super) fn decide(&self, is_task: bool) {
        if let Some(task) = &self.task {
            task.stage.send_replace(if is_task { Stage::Task } else { Stage::Settled });
        }
    }

    /// Resolves when the guest of a task asks, with what is open, and when it waits no longer, with nothing.
    pub(super) async fn parked(&self) -> Vec<Question> {
        let Some(task) = &self.task else { return std::future::pending().await };
        task.asks.notified().await;
        held(&task.open).clone()
    }

    /// Takes answers in that came later; what was answered once stays as it is.
    pub(super) fn bring(&self, answers: Answers) {
        let mut brought = held(&self.brought);
        let before = brought.len();
        for (key, said) in answers {
            brought.entry(key).or_insert(said);
        }
        if let Some(task) = &self.task
            && brought.len() > before
        {
            task.news.send_modify(|news| *news += 1);
        }
    }

    /// What of these has no answer yet.
    fn unanswered(&self, questions: &[Question]) -> Vec<Question> {
        let (brought, mut settled) = (held(&self.brought), held(&self.settled));
        let mut open = Vec::new();
        for question in questions {
            match brought.get(&question.key) {
                Some(said) if fits(question, said) => {
                    settled.insert(question.key.clone(), said.clone());
                }
                // Another shape than the protocol has, or what does not fit the form, is no answer: it is asked again.
                _ => open.push(question.clone()),
            }
        }
        open
    }

    async fn ask_all(&self, questions: Vec<Question>) -> Asked {
        if let Some(why) = unsupported(self.can, &questions) {
            return Asked::Failed(why);
        }
        let task = self.task.as_deref().map(|task| (task, task.news.subscribe()));
        let open = self.unanswered(&questions);
        if open.is_empty() {
            return answered(&questions, &held(&self.settled));
        }
        let Some((task, mut news)) = task else { return Asked::Later(open) };
        if !task.is_task().await {
            return Asked::Later(open);
        }
        *held(&task.open) = open;
        task.asks.notify_one();
        let all = async {
            // The sender is here, so that waiting does not end otherwise.
            while news.changed().await.is_ok() && !self.unanswered(&questions).is_empty() {}
        };
        match self.waiting.for_answer(all).await {
            Ok(()) => answered(&questions, &held(&self.settled)),
            Err(why) => {
                // Nobody is to answer what nobody waits for.
                held(&task.open).clear();
                task.asks.notify_one();
                Asked::Failed(why)
            }
        }
    }
}

fn fits(question: &Question, said: &Said) -> bool {
    match said {
        Said::Result(answer) => question.is_answered_by(answer),
        Said::Refused(_) => true,
    }
}

impl Client for Retried {
    fn abilities(&self) -> Abilities {
        self.can
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        Box::pin(self.ask_all(questions))
    }

    fn become_task(&self) {
        self.want();
    }
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
    use serde_json::json;

    use super::*;
    use crate::domain::client::Asking;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    fn question(key: &str) -> Question {
        Question { key: key.to_owned(), method: Asking::Elicitation, params: raw(&json!({"message": "?"})) }
    }

    fn client(brought: &Value) -> Retried {
        within(brought, &Limits::default())
    }

    fn within(brought: &Value, limits: &Limits) -> Retried {
        let brought: BTreeMap<String, Box<RawValue>> = serde_json::from_value(brought.clone()).expect("a map");
        let brought = brought.into_iter().map(|(key, answer)| (key, Said::Result(answer))).collect();
        Retried::new(
            Abilities { elicitation: true, tasks: true, ..Abilities::default() },
            brought,
            Waiting::new(limits),
        )
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
    async fn the_guest_of_a_task_waits_for_what_comes_later() {
        let client = client(&json!({}));
        client.become_task();
        client.wanted().await;
        let runner = async {
            client.decide(true);
            let open = client.parked().await;
            assert_eq!(open.len(), 2);
            for key in ["a", "b"] {
                let said = Said::Result(raw(&json!({"action": "cancel"})));
                client.bring([(key.to_owned(), said)].into());
            }
        };
        let (asked, ()) = tokio::join!(client.ask(vec![question("a"), question("b")]), runner);
        assert!(matches!(asked, Asked::Answered(said) if said.len() == 2));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_open_no_more() {
        let client = within(&json!({}), &Limits { answer_wait_s: 1, ..Limits::default() });
        client.become_task();
        client.decide(true);
        let runner = async { (client.parked().await.len(), client.parked().await.len()) };
        let (asked, open) = tokio::join!(client.ask(vec![question("a")]), runner);
        assert!(matches!(asked, Asked::Failed(Unasked::Unanswered(_))));
        assert_eq!(open, (1, 0));
    }

    #[tokio::test]
    async fn a_call_that_has_asked_becomes_no_task() {
        let client = client(&json!({}));
        assert!(matches!(client.ask(vec![question("a")]).await, Asked::Later(_)));
        assert!(!client.want());
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
}
