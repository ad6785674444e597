//! A host for unit tests, which run natively with `cargo test`.
//!
//! ```
//! use mcpbox_sdk::testing::{Host, response};
//! use mcpbox_sdk::{Result, http, secrets, tool};
//!
//! /// Answers the title of a page.
//! #[tool]
//! async fn title(
//!     /// Address of the page.
//!     url: String,
//! ) -> Result<String> {
//!     let page = http::get(url).bearer(secrets::require("TOKEN")?).send().await?.error_for_status()?;
//!     Ok(page.text()?.to_uppercase())
//! }
//!
//! let host = Host::new().secret("TOKEN", "t0p").on_request(|request| match request.url.as_str() {
//!     "https://a.example/" => Ok(response(200, "a page")),
//!     _ => Ok(response(404, "nothing here")),
//! });
//! let result = host.call::<title>(serde_json::json!({"url": "https://a.example/"})).unwrap();
//! assert_eq!(result.structured.as_deref(), Some(r#"{"result":"A PAGE"}"#));
//! assert_eq!(host.requests()[0].headers, [("authorization".to_owned(), "Bearer t0p".to_owned())]);
//!
//! let failed = host.call::<title>(serde_json::json!({"url": "https://b.example/"})).unwrap_err();
//! assert_eq!(failed, mcpbox_sdk::ToolError::Failed("the server answered 404: nothing here".into()));
//! ```
//!
//! Time stands still but for sleeps, which pass at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::client::{self, Abilities, Question};
use crate::component::Tool;
use crate::content::ToolResult;
use crate::error::ToolError;
use crate::http::{Error, Response};
use crate::log::Level;

/// A request as the host gets it.
pub use crate::bindings::mcpbox::guest::http::Request;
/// A list of which a tool said that it has changed.
pub use crate::bindings::mcpbox::guest::notify::Listing;

type Answer = Box<dyn FnMut(&Request) -> Result<Response, Error>>;
type ClientAnswer = Box<dyn FnMut(&Question) -> client::Answer>;

/// What a tool sees while [`call`](Host::call) or [`run`](Host::run) is under way in this thread.
#[derive(Clone, Default)]
pub struct Host(Rc<RefCell<State>>);

struct State {
    secrets: BTreeMap<String, String>,
    answer: Option<Answer>,
    requests: Vec<Request>,
    /// Results that wait to be taken.
    ended: BTreeMap<u32, Result<Response, Error>>,
    log: Vec<(Level, String)>,
    progress: Vec<Progress>,
    abilities: Abilities,
    client: Option<ClientAnswer>,
    questions: Vec<Question>,
    notices: Vec<Notice>,
    is_task: bool,
    clock_ns: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            secrets: BTreeMap::new(),
            answer: None,
            requests: Vec::new(),
            ended: BTreeMap::new(),
            log: Vec::new(),
            progress: Vec::new(),
            abilities: Abilities::empty(),
            client: None,
            questions: Vec::new(),
            notices: Vec::new(),
            is_task: false,
            clock_ns: 0,
        }
    }
}

/// A progress report.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub progress: f64,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// What a tool told all clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A list has changed.
    List(Listing),
    /// A resource has.
    Resource(String),
}

/// A response without headers.
pub fn response(status: u16, body: impl Into<Vec<u8>>) -> Response {
    let headers = Vec::new();
    Response(crate::bindings::mcpbox::guest::http::Response { status, headers, body: body.into() })
}

impl Host {
    /// A host without secrets, where no request is answered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a secret.
    #[must_use]
    pub fn secret(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.borrow_mut().secrets.insert(name.into(), value.into());
        self
    }

    /// Says how requests are answered.
    #[must_use]
    pub fn on_request(self, answer: impl FnMut(&Request) -> Result<Response, Error> + 'static) -> Self {
        self.0.borrow_mut().answer = Some(Box::new(answer));
        self
    }

    /// Says what the client can do, and how it answers questions. Without it nobody can be asked.
    #[must_use]
    pub fn client(self, abilities: Abilities, answer: impl FnMut(&Question) -> client::Answer + 'static) -> Self {
        let mut state = self.0.borrow_mut();
        state.abilities = abilities;
        state.client = Some(Box::new(answer));
        drop(state);
        self
    }

    /// Calls a tool by its type, which has the name of its function, as MCPbox does.
    ///
    /// # Errors
    /// When the arguments do not fit or the tool fails.
    #[expect(clippy::needless_pass_by_value, reason = "it is written in place: json!({…})")]
    pub fn call<T: Tool>(&self, arguments: serde_json::Value) -> Result<ToolResult, ToolError> {
        self.run(|| T::call(&arguments.to_string()))
    }

    /// Runs code that uses the host.
    pub fn run<T>(&self, code: impl FnOnce() -> T) -> T {
        let _before = Entered(CURRENT.replace(Some(self.clone())));
        code()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.borrow().requests.clone()
    }

    /// Every line of the log so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.0.borrow().log.clone()
    }

    /// Every question to the client so far.
    pub fn questions(&self) -> Vec<Question> {
        self.0.borrow().questions.clone()
    }

    /// Every change that was told so far.
    pub fn notices(&self) -> Vec<Notice> {
        self.0.borrow().notices.clone()
    }

    /// Whether the call has become a task.
    pub fn is_task(&self) -> bool {
        self.0.borrow().is_task
    }

    /// Every progress report so far.
    pub fn progress(&self) -> Vec<Progress> {
        self.0.borrow().progress.clone()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Puts the host back that was there before, also after a panic.
struct Entered(Option<Host>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

pub(crate) mod imports {
    //! The functions of the contract, answered by this thread's host.

    use std::time::Duration;

    use super::{Abilities, CURRENT, Level, Listing, Notice, Progress, Question, Request, State, client};
    use crate::bindings::mcpbox::guest::client::AskError;
    use crate::bindings::mcpbox::guest::http::{Error, Response};
    use crate::http;

    const NOWHERE: &str = "there is no host: this code runs outside MCPbox; in a test, use mcpbox_sdk::testing::Host";

    fn state<T>(ask: impl FnOnce(&mut State) -> T) -> Option<T> {
        let host = CURRENT.with_borrow(Clone::clone)?;
        let mut state = host.0.borrow_mut();
        Some(ask(&mut state))
    }

    pub(crate) fn http_start(request: &Request) -> Result<u32, Error> {
        // The answer may itself use the host, so nothing is borrowed meanwhile.
        let answer = state(|state| {
            state.requests.push(request.clone());
            state.answer.take()
        });
        let Some(answer) = answer else { return Err(Error::Unreachable(NOWHERE.to_owned())) };
        let Some(mut answer) = answer else {
            return Err(Error::Denied(format!("the host of this test answers no request: {}", request.url)));
        };
        let answered = answer(request);
        let id = state(|state| {
            let id = u32::try_from(state.requests.len()).unwrap_or(u32::MAX);
            state.ended.insert(id, answered);
            state.answer.get_or_insert(answer);
            id
        });
        id.ok_or_else(|| Error::Unreachable(NOWHERE.to_owned()))
    }

    pub(crate) fn http_wait(ids: &[u32], timeout_ms: Option<u64>) -> Vec<u32> {
        if ids.is_empty() {
            let _ = state(|state| state.clock_ns += timeout_ms.unwrap_or(0).saturating_mul(1_000_000));
        }
        ids.to_vec()
    }

    pub(crate) fn http_take(id: u32) -> Result<Response, Error> {
        let ended = state(|state| state.ended.remove(&id)).flatten();
        match ended {
            Some(ended) => ended.map(|response| response.0).map_err(contract_error),
            None => Err(Error::Invalid("there is no such request".to_owned())),
        }
    }

    fn contract_error(error: http::Error) -> Error {
        match error {
            http::Error::Denied(text) => Error::Denied(text),
            http::Error::Invalid(text) => Error::Invalid(text),
            http::Error::Unreachable(text) => Error::Unreachable(text),
            http::Error::TimedOut(text) => Error::TimedOut(text),
            http::Error::TooLarge(text) => Error::TooLarge(text),
        }
    }

    pub(crate) fn http_cancel(id: u32) {
        let _ = state(|state| state.ended.remove(&id));
    }

    pub(crate) fn client_can() -> Abilities {
        state(|state| state.abilities).unwrap_or(Abilities::empty())
    }

    pub(crate) fn client_require(wanted: Abilities) {
        let missing = wanted.difference(client_can());
        // Within MCPbox the call ends here, so nothing after it may run.
        assert!(missing.is_empty(), "the call ends: the client lacks {}", client::Words(missing));
    }

    pub(crate) fn client_ask(questions: &[Question]) -> Result<Vec<client::Answer>, AskError> {
        // The answer may itself use the host, so nothing is borrowed meanwhile.
        let answer = state(|state| {
            state.questions.extend_from_slice(questions);
            state.client.take()
        });
        let Some(mut answer) = answer.flatten() else {
            return Err(AskError::Unsupported("there is nobody to ask".to_owned()));
        };
        let answers = questions.iter().map(&mut answer).collect();
        let _ = state(|state| state.client = Some(answer));
        Ok(answers)
    }

    pub(crate) fn become_task() {
        let _ = state(|state| state.is_task = state.abilities.contains(Abilities::TASKS));
    }

    pub(crate) fn list_changed(listing: Listing) {
        let _ = state(|state| state.notices.push(Notice::List(listing)));
    }

    pub(crate) fn resource_updated(uri: &str) {
        let _ = state(|state| state.notices.push(Notice::Resource(uri.to_owned())));
    }

    pub(crate) fn secret(name: &str) -> Option<String> {
        state(|state| state.secrets.get(name).cloned()).flatten()
    }

    pub(crate) fn secret_names() -> Vec<String> {
        state(|state| state.secrets.keys().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn log_emit(level: Level, message: &str) {
        if state(|state| state.log.push((level, message.to_owned()))).is_none() {
            eprintln!("{message}");
        }
    }

    pub(crate) fn progress_report(progress: f64, total: Option<f64>, message: Option<&str>) {
        let message = message.map(str::to_owned);
        let _ = state(|state| state.progress.push(Progress { progress, total, message }));
    }

    pub(crate) fn monotonic_ns() -> u64 {
        state(|state| state.clock_ns).unwrap_or(0)
    }

    pub(crate) fn wall_time() -> Duration {
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    /// Numbers that look random and are the same in each test.
    pub(crate) fn random_bytes(len: u64) -> Vec<u8> {
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        let next = |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[0]
        };
        (0..len).map(next).collect()
    }
}
