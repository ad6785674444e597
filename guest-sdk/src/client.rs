//! Questions to whoever is behind the call: the person, the model, the client.
//!
//! Clients of the newer protocol answer with another call: the tool then runs **from its start once more**, and
//! what was asked before is answered at once. So ask first and act afterwards, and give a question the same key
//! each time. Where the client cannot be asked, asking is an ordinary error.
//!
//! ```
//! use mcpbox_sdk::{Result, client, tool};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Order {
//!     /// How many.
//!     count: u32,
//!     express: Option<bool>,
//! }
//!
//! /// Orders tea.
//! #[tool]
//! fn order() -> Result<String> {
//!     Ok(match client::elicit::<Order>("order", "How much tea?")?.accepted() {
//!         Some(order) => format!("{} ordered", order.count),
//!         None => "Nothing was ordered".to_owned(),
//!     })
//! }
//!
//! # use mcpbox_sdk::{client::{Abilities, Answer}, testing::Host};
//! let host = Host::new().client(Abilities::ELICITATION, |question| {
//!     assert_eq!(question.key, "order");
//!     Answer::Result(r#"{"action": "accept", "content": {"count": 3}}"#.to_owned())
//! });
//! let result = host.call::<order>(serde_json::json!({})).unwrap();
//! assert_eq!(result.structured.as_deref(), Some(r#"{"result":"3 ordered"}"#));
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bindings::mcpbox::guest::client as contract;
pub use crate::bindings::mcpbox::guest::client::{Abilities, Answer, Method, Question};
use crate::elicitation;
use crate::error::{Error, Result};
use crate::host;

/// What the client of this call can do.
pub fn can() -> Abilities {
    host::client_can()
}

/// Goes on only if the client can do all of this; otherwise the call ends here, and the client is told what it
/// lacks.
pub fn require(abilities: Abilities) {
    host::client_require(abilities);
}

/// Says that what follows takes long: from here on the call is a task, if the client follows tasks.
pub fn become_task() {
    host::become_task();
}

/// Asks everything at once and waits for all answers, in the order of the questions.
///
/// # Errors
/// When the client cannot be asked, or a question cannot be put.
pub fn ask(questions: &[Question]) -> Result<Vec<Answer>, AskError> {
    host::client_ask(questions).map_err(AskError::from)
}

impl Question {
    /// A form for the person, whose fields are those of `T`: texts, numbers, yes or no, and choices.
    ///
    /// # Errors
    /// When `T` has a field that no form can have.
    pub fn form<T: JsonSchema>(key: impl Into<String>, message: impl Into<String>) -> Result<Self> {
        Ok(Self::form_of(key, message, &elicitation::schema::<T>()?))
    }

    /// The same, with the schema as it is.
    pub fn form_of(key: impl Into<String>, message: impl Into<String>, schema: &Value) -> Self {
        let params = json!({"message": message.into(), "requestedSchema": schema});
        Self { key: key.into(), method: Method::Elicitation, params: params.to_string() }
    }

    /// An address for the person to visit. `id` names the matter, so that its end can be told.
    pub fn visit(
        key: impl Into<String>,
        message: impl Into<String>,
        url: impl Into<String>,
        id: impl Into<String>,
    ) -> Self {
        let params = json!({"mode": "url", "message": message.into(), "url": url.into(), "elicitationId": id.into()});
        Self { key: key.into(), method: Method::Elicitation, params: params.to_string() }
    }

    /// A request to the model.
    pub fn sampling(key: impl Into<String>, sampling: &Sampling) -> Self {
        Self { key: key.into(), method: Method::Sampling, params: Value::Object(sampling.0.clone()).to_string() }
    }

    /// Which folders the client works on.
    pub fn roots(key: impl Into<String>) -> Self {
        Self { key: key.into(), method: Method::Roots, params: "{}".to_owned() }
    }
}

impl Answer {
    /// The answer, as the type that it has.
    ///
    /// # Errors
    /// When the client refused, or answered something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        match self {
            Self::Result(json) => {
                serde_json::from_str(json).map_err(|error| Error::from(error).context("the answer of the client"))
            }
            Self::Refused(why) => Err(Error::new(format!("the client refused: {why}"))),
        }
    }
}

fn ask_one(question: Question) -> Result<Answer> {
    let mut answers = ask(&[question])?;
    answers.pop().ok_or_else(|| Error::new("the host answered nothing"))
}

/// What a person answered to a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elicited<T> {
    /// The form, filled in.
    Accepted(T),
    /// The person said no.
    Declined,
    /// The person closed it.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was filled in, if it was.
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(content) => Some(content),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Elicited<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Result {
            action: String,
            #[serde(default)]
            content: Value,
        }
        let Result { action, content } = Result::deserialize(deserializer)?;
        match action.as_str() {
            "accept" => T::deserialize(content).map(Self::Accepted).map_err(serde::de::Error::custom),
            "decline" => Ok(Self::Declined),
            "cancel" => Ok(Self::Cancelled),
            other => Err(serde::de::Error::custom(format!("the action is `{other}`"))),
        }
    }
}

/// Asks the person to fill in a form whose fields are those of `T`.
///
/// # Errors
/// When the client cannot do that, `T` has a field that no form can have, or the answer does not fit.
pub fn elicit<T: JsonSchema + DeserializeOwned>(key: &str, message: &str) -> Result<Elicited<T>> {
    ask_one(Question::form::<T>(key, message)?)?.read()
}

/// A request to the model of the client. A text becomes one that says this.
///
/// ```
/// use mcpbox_sdk::client::Sampling;
///
/// let request = Sampling::new("Write a haiku about tea.").system("You are a poet.").max_tokens(60);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling(serde_json::Map<String, Value>);

impl Sampling {
    /// Says one thing, and lets the model answer with at most 1,000 tokens.
    pub fn new(text: impl Into<String>) -> Self {
        let mut params = serde_json::Map::new();
        params.insert("messages".to_owned(), json!([]));
        params.insert("maxTokens".to_owned(), json!(1_000));
        Self(params).user(text)
    }

    /// Says something more, as the user.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message("user", &text.into())
    }

    /// Puts words into the model's mouth.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message("assistant", &text.into())
    }

    fn message(mut self, role: &str, text: &str) -> Self {
        let message = json!({"role": role, "content": {"type": "text", "text": text}});
        if let Some(Value::Array(messages)) = self.0.get_mut("messages") {
            messages.push(message);
        }
        self
    }

    /// The most that the model may answer.
    #[must_use]
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.set("maxTokens", tokens)
    }

    /// What the model is told before all else.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.set("systemPrompt", text.into())
    }

    /// Any other parameter of MCP's `CreateMessageRequestParams`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }
}

impl From<&str> for Sampling {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampled {
    /// MCP's content block, or a list of them.
    pub content: Value,
    /// Which model it was.
    #[serde(default)]
    pub model: String,
    /// For example `endTurn` or `maxTokens`.
    #[serde(default)]
    pub stop_reason: Option<String>,
}

impl Sampled {
    /// All that it said in words.
    pub fn text(&self) -> String {
        let blocks = match &self.content {
            Value::Array(blocks) => blocks.as_slice(),
            one => std::slice::from_ref(one),
        };
        blocks.iter().filter_map(|block| block["text"].as_str()).collect()
    }
}

/// Lets the model of the client answer.
///
/// # Errors
/// When the client cannot do that, or refuses.
pub fn sample(key: &str, sampling: impl Into<Sampling>) -> Result<Sampled> {
    ask_one(Question::sampling(key, &sampling.into()))?.read()
}

/// A folder that the client works on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// A `file:` address.
    pub uri: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
}

/// What a client answers to [`Question::roots`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Roots {
    /// Its folders.
    pub roots: Vec<Root>,
}

/// Asks which folders the client works on.
///
/// # Errors
/// When the client cannot do that, or refuses.
pub fn roots(key: &str) -> Result<Vec<Root>> {
    ask_one(Question::roots(key))?.read::<Roots>().map(|answer| answer.roots)
}

/// Why nothing was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The client cannot do this, or nobody is there; the text says what is lacking.
    Unsupported(String),
    /// A key, the parameters, or how many questions there are; the text says which.
    Invalid(String),
    /// Nobody answered in time, or the client has gone.
    Unanswered(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unsupported(text) | Self::Invalid(text) | Self::Unanswered(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for AskError {}

impl From<contract::AskError> for AskError {
    fn from(error: contract::AskError) -> Self {
        match error {
            contract::AskError::Unsupported(text) => Self::Unsupported(text),
            contract::AskError::Invalid(text) => Self::Invalid(text),
            contract::AskError::Unanswered(text) => Self::Unanswered(text),
        }
    }
}

/// In words, for the test that ends where a call would end.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct Words(pub(crate) Abilities);

#[cfg(not(target_arch = "wasm32"))]
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter_names().map(|(name, _)| name.to_lowercase().replace('_', " ")).collect();
        f.write_str(&words.join(", "))
    }
}
