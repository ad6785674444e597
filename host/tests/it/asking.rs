//! Guests that ask, through the sandbox: what reaches the client, what comes back, and what ends the call.
//! The guests are modules of a few lines, made here, so that they can misbehave.

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::{Abilities, Asked, Asking, Client, Nobody, Question, Said, Unasked};
use mcpbox::domain::component::{Capability, Completion, CompletionOf, Entry};
use mcpbox::domain::digest::Digest;
use mcpbox::domain::outcome::{Bound, GuestEvent, Listing, Outcome, Report};
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Program};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fixtures;
use crate::plain::{inspect, sandbox};
use crate::sandbox::text;

/// What most guests here ask for.
const FORM: &str = r#"{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#;

/// The end of each module: one tool, `t`; texts from 1000, answers of the host at 2000.
const TOOL: &str = r#"
  (memory (export "memory") 2)
  (data (i32.const 160) (i32 0) (i32 192 1) (i32 0 0 0))
  (data (i32.const 192) (i32 0 0) (i32 0 0) (i32 0))
  (func (export "mcpbox:guest/tools@1.0.0#list-tools") (result i32) (i32.const 16))
  (data (i32.const 16) (i32 24 1))
  (data (i32.const 24) (i32 96 1) (i32 0 0 0) (i32 96 1) (i32 128 17) (i32 0 0 0) (i32 0 0 0))
  (data (i32.const 96) "t")
  (data (i32.const 128) "{\22type\22:\22object\22}")
  (global $free (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (loop $grow
      (if (i32.gt_u (global.get $free) (i32.shl (memory.size) (i32.const 16)))
        (then (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
    (local.get $at))"#;

/// A component of the contract's world, of this code.
fn guest(code: &str) -> Vec<u8> {
    let wit = "package a:asker; world w { include mcpbox:guest/tool@1.0.0; }";
    fixtures::built(wit, &format!("(module {code} {TOOL})"))
}

/// Asks `times` times, with its arguments as the parameters and this key; answers what it was told last.
fn asker(key: &str, times: u32) -> Vec<u8> {
    guest(&format!(
        r#"
  (import "mcpbox:guest/client@1.0.0" "ask" (func $ask (param i32 i32 i32)))
  (data (i32.const 1100) "{key}")
  (data (i32.const 1000) (i32 1100 {length}) (i32 0))
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32) (local $left i32)
    (i32.store (i32.const 1012) (local.get 2))
    (i32.store (i32.const 1016) (local.get 3))
    (local.set $left (i32.const {times}))
    (loop $again
      (call $ask (i32.const 1000) (i32.const 1) (i32.const 2000))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (if (i32.load8_u (i32.const 2000))
      (then
        (i32.store (i32.const 200) (i32.load (i32.const 2008)))
        (i32.store (i32.const 204) (i32.load (i32.const 2012))))
      (else
        (i32.store (i32.const 200) (i32.load (i32.add (i32.load (i32.const 2004)) (i32.const 4))))
        (i32.store (i32.const 204) (i32.load (i32.add (i32.load (i32.const 2004)) (i32.const 8))))))
    (i32.const 160))"#,
        length = key.len(),
    ))
}

/// What the client of a test does when it is asked.
#[derive(Clone, Copy, Debug, Default)]
enum Habit {
    #[default]
    Answers,
    Refuses,
    AnswersLater,
    IsGone,
    NeverAnswers,
    /// Takes longer than the guest has.
    TakesItsTime,
}

#[derive(Debug, Default)]
struct Person {
    habit: Habit,
    can: Abilities,
    heard: Mutex<Vec<(String, Asking, String)>>,
    is_asked: Notify,
    tasks: Mutex<u32>,
}

impl Person {
    fn who(habit: Habit) -> Arc<Self> {
        Arc::new(Self { habit, ..Self::default() })
    }

    fn heard(&self) -> Vec<(String, Asking, String)> {
        self.heard.lock().expect("no test failed here").clone()
    }
}

impl Client for Person {
    fn abilities(&self) -> Abilities {
        self.can
    }

    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        let asked = questions.iter().map(|one| (one.key.clone(), one.method, one.params.get().to_owned()));
        self.heard.lock().expect("no test failed here").extend(asked);
        self.is_asked.notify_one();
        let count = questions.len();
        let each = move |said: Said| Asked::Answered(vec![said; count]);
        let answer = RawValue::from_string(r#"{"action":"accept"}"#.to_owned()).expect("JSON");
        match self.habit {
            Habit::Answers => Box::pin(ready(each(Said::Result(answer)))),
            Habit::Refuses => Box::pin(ready(each(Said::Refused("not now".to_owned())))),
            Habit::AnswersLater => Box::pin(ready(Asked::Later(questions))),
            Habit::IsGone => Box::pin(ready(Asked::Failed(Unasked::Unanswered("it has gone".to_owned())))),
            Habit::NeverAnswers => Box::pin(pending()),
            Habit::TakesItsTime => Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                each(Said::Result(answer))
            }),
        }
    }

    fn become_task(&self) {
        *self.tasks.lock().expect("no test failed here") += 1;
    }
}

fn job(bytes: &[u8], arguments: &str, client: Arc<dyn Client>) -> Job {
    Job {
        program: program(bytes, Entry::Tool("t".to_owned())),
        arguments: arguments.to_owned(),
        secrets: Arc::default(),
        bound: Arc::default(),
        grants: Arc::default(),
        budget: Budget { time: Duration::from_secs(20), ..Budget::new(&Limits::default(), None) },
        client,
    }
}

fn program(bytes: &[u8], entry: Entry) -> Program {
    Program::Component { digest: Digest::of(bytes), bytes: Arc::new(Arc::<[u8]>::from(bytes)), entry }
}

async fn run(job: Job) -> Report {
    sandbox().run(job, CancellationToken::new(), None).await.expect("the host is sound")
}

async fn ask(key: &str, arguments: &str, client: &Arc<Person>) -> Report {
    run(job(&asker(key, 1), arguments, Arc::clone(client) as _)).await
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_guest() {
    let person = Person::who(Habit::Answers);
    let report = ask("who-1", FORM, &person).await;
    assert_eq!(text(&report), r#"{"action":"accept"}"#);
    let question = ("who-1".to_owned(), Asking::Elicitation, FORM.to_owned());
    assert_eq!(person.heard(), [question]);
    assert_eq!(text(&ask("k", FORM, &Person::who(Habit::Refuses)).await), "not now");
    assert_eq!(text(&ask("k", FORM, &Person::who(Habit::IsGone)).await), "it has gone");
    let nobody = run(job(&asker("k", 1), FORM, Arc::new(Nobody))).await;
    assert!(text(&nobody).contains("no MCP client"), "{nobody:?}");
    let found = inspect(&asker("k", 1)).await;
    assert_eq!(found.capabilities, [Capability::Client]);
}

#[tokio::test]
async fn an_answer_that_comes_with_another_call_ends_this_one_with_the_question() {
    let report = ask("k", FORM, &Person::who(Habit::AnswersLater)).await;
    let Outcome::InputRequired { questions } = &report.outcome else { panic!("{report:?}") };
    let [Question { key, method: Asking::Elicitation, params }] = questions.as_slice() else { panic!("{report:?}") };
    assert_eq!((key.as_str(), params.get()), ("k", FORM));
}

/// Holds: call_question_bytes.
#[tokio::test]
async fn a_question_that_cannot_be_put_is_the_guests_error_and_nobody_hears_it() {
    let person = Person::who(Habit::Answers);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = "x".repeat(65);
    for (key, arguments, why) in [
        (long.as_str(), "{}", "is not 1 to 64"),
        ("", "{}", "is not 1 to 64"),
        ("two words", "{}", "is not 1 to 64"),
        ("k", "{", "are not JSON"),
        ("k", "", "are not JSON"),
        ("k", "[1]", "are not a JSON object"),
        ("k", "{}", "have no `message`"),
        ("k", r#"{"message":"?"}"#, "have no form"),
        ("k", &deep[..60_000], "nested deeper"),
        ("k", &deep, "more than 65536 bytes"),
    ] {
        let report = ask(key, arguments, &person).await;
        assert!(text(&report).contains(why), "{key}: {}", text(&report));
    }
    assert!(person.heard().is_empty());
    let small = Budget { question_bytes: 10, ..Budget::new(&Limits::default(), None) };
    let report = run(Job { budget: small, ..job(&asker("k", 1), r#"{"a":"bcdef"}"#, person) }).await;
    assert!(text(&report).contains("more than 10 bytes"), "{report:?}");
}

/// Holds: call_questions.
#[tokio::test]
async fn a_guest_that_asks_ten_thousand_questions_is_heard_a_hundred_times() {
    let person = Person::who(Habit::Answers);
    let report = run(job(&asker("k", 10_000), FORM, Arc::clone(&person) as _)).await;
    assert_eq!(text(&report), "one call may put at most 100 questions");
    assert_eq!(person.heard().len(), 100);
    assert_eq!(report.usage.host_calls, 10_000);
}

#[tokio::test]
async fn the_time_of_waiting_is_not_the_guests() {
    let brief = |client: Arc<Person>| Job {
        budget: Budget { time: Duration::from_secs(1), ..Budget::new(&Limits::default(), None) },
        ..job(&asker("k", 1), FORM, client)
    };
    let report = run(brief(Person::who(Habit::TakesItsTime))).await;
    assert_eq!(text(&report), r#"{"action":"accept"}"#, "a second of its own, and the answer took longer");
    assert!(report.usage.duration >= Duration::from_millis(1_500), "{:?}", report.usage);
    // What it does afterwards is its own time again.
    let spins = guest(
        r#"
  (import "mcpbox:guest/client@1.0.0" "ask" (func $ask (param i32 i32 i32)))
  (data (i32.const 1100) "k{}")
  (data (i32.const 1000) (i32 1100 1) (i32 2) (i32 1101 2))
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32)
    (call $ask (i32.const 1000) (i32.const 1) (i32.const 2000))
    (loop $ever (br $ever))
    unreachable)"#,
    );
    let budget = Budget { time: Duration::from_secs(1), fuel: u64::MAX, ..Budget::new(&Limits::default(), None) };
    let report = run(Job { budget, ..job(&spins, "{}", Person::who(Habit::TakesItsTime)) }).await;
    assert!(matches!(report.outcome, Outcome::Stopped(Bound::Time)), "{report:?}");
    assert!(report.usage.duration >= Duration::from_millis(2_400), "{:?}", report.usage);
}

#[tokio::test]
async fn a_call_that_waits_for_an_answer_that_never_comes_ends_when_it_is_cancelled() {
    let (person, cancel) = (Person::who(Habit::NeverAnswers), CancellationToken::new());
    let sandbox = sandbox();
    let running = sandbox.run(job(&asker("k", 1), FORM, Arc::clone(&person) as _), cancel.clone(), None);
    let (report, ()) = tokio::join!(running, async {
        person.is_asked.notified().await;
        cancel.cancel();
    });
    let report = report.expect("the host is sound");
    assert!(matches!(report.outcome, Outcome::Cancelled), "{report:?}");
}

/// Goes on only with sampling and roots, and then says that it takes long.
const REQUIRES: &str = r#"
  (import "mcpbox:guest/client@1.0.0" "require" (func $require (param i32)))
  (import "mcpbox:guest/client@1.0.0" "can" (func $can (result i32)))
  (import "mcpbox:guest/client@1.0.0" "become-task" (func $become_task))
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32)
    (call $require (i32.const 20))
    (call $become_task)
    (i32.store8 (i32.const 1000) (i32.add (i32.const 64) (call $can)))
    (i32.store (i32.const 200) (i32.const 1000))
    (i32.store (i32.const 204) (i32.const 1))
    (i32.const 160))"#;

#[tokio::test]
async fn a_guest_that_requires_what_the_client_lacks_ends_with_what_is_missing() {
    let sampling = Abilities { sampling: true, ..Abilities::default() };
    let lacks = Arc::new(Person { can: sampling, ..Person::default() });
    let report = run(job(&guest(REQUIRES), "{}", Arc::clone(&lacks) as _)).await;
    let Outcome::MissingAbilities { missing } = report.outcome else { panic!("{report:?}") };
    assert_eq!(missing, Abilities { roots: true, ..Abilities::default() });
    assert_eq!(*lacks.tasks.lock().expect("sound"), 0);
    let can = Arc::new(Person { can: Abilities { roots: true, tasks: true, ..sampling }, ..Person::default() });
    let report = run(job(&guest(REQUIRES), "{}", Arc::clone(&can) as _)).await;
    assert_eq!(text(&report), "t", "sampling is 4, roots 16, tasks 32, and 64");
    assert_eq!(*can.tasks.lock().expect("sound"), 1);
}

/// Says ten thousand times that a resource, and that its list, has changed; the resource is its arguments.
const NOTIFIES: &str = r#"
  (import "mcpbox:guest/notify@1.0.0" "resource-updated" (func $updated (param i32 i32)))
  (import "mcpbox:guest/notify@1.0.0" "list-changed" (func $changed (param i32)))
  (func (export "mcpbox:guest/tools@1.0.0#call-tool") (param i32 i32 i32 i32) (result i32) (local $left i32)
    (local.set $left (i32.const 10000))
    (loop $again
      (call $updated (local.get 2) (local.get 3))
      (call $changed (i32.const 2))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (i32.const 160))"#;

/// Holds: call_notices.
#[tokio::test]
async fn a_guest_that_notifies_without_end_is_heard_up_to_the_bound() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = |events: &Arc<Mutex<Vec<GuestEvent>>>| {
        let events = Arc::clone(events);
        Arc::new(move |event| events.lock().expect("no test failed here").push(event)) as mcpbox::sandbox::Listener
    };
    let notifies = job(&guest(NOTIFIES), "notes://today", Arc::new(Nobody));
    let ran = sandbox().run(notifies, CancellationToken::new(), Some(listen(&heard))).await;
    let report = ran.expect("the host is sound");
    let events = heard.lock().expect("no test failed here").clone();
    assert_eq!((events.len(), report.dropped_lines), (100, 19_900));
    let expected =
        [GuestEvent::ResourceUpdated("notes://today".to_owned()), GuestEvent::ListChanged(Listing::Resources)];
    assert_eq!(events[..2], expected);
    let heard = Arc::default();
    let nowhere = job(&guest(NOTIFIES), "no address", Arc::new(Nobody));
    sandbox().run(nowhere, CancellationToken::new(), Some(listen(&heard))).await.expect("the host is sound");
    let lists = |event: &GuestEvent| matches!(event, GuestEvent::ListChanged(_));
    assert!(heard.lock().expect("no test failed here").iter().all(lists));
}

#[tokio::test]
async fn what_a_component_does_not_have_is_not_found_there() {
    let with_tools_only = guest(REQUIRES);
    let plain = fixtures::plain("shapes");
    for bytes in [&with_tools_only, &plain] {
        let entry = async |entry: Entry| {
            run(Job { program: program(bytes, entry), ..job(bytes, "{}", Arc::new(Nobody)) }).await.outcome
        };
        let prompt = entry(Entry::Prompt { name: "p".to_owned(), arguments: Default::default() }).await;
        assert!(matches!(&prompt, Outcome::InvalidArguments { message } if message.contains("`p`")), "{prompt:?}");
        let resource = entry(Entry::Resource { uri: "a:b".to_owned() }).await;
        assert!(matches!(&resource, Outcome::ResourceNotFound { uri } if uri == "a:b"), "{resource:?}");
        let of = CompletionOf::Prompt("p".to_owned());
        let (name, value, others) = ("a".to_owned(), String::new(), Default::default());
        let values = entry(Entry::Completion(Completion { of, name, value, others })).await;
        let Outcome::Answered(values) = values else { panic!("{values:?}") };
        assert_eq!(values.get(), r#"{"values":[],"hasMore":false}"#);
    }
}
