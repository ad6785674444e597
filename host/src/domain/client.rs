//! What a guest may ask of whoever is behind its call, and what comes back. The shapes of questions and
//! answers are MCP's own and pass through as JSON.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a client can do for a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// `elicitation/create` with a form.
    pub elicitation: bool,
    /// `elicitation/create` with an address to visit.
    pub elicitation_url: bool,
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// The same, with tools.
    pub sampling_tools: bool,
    /// `roots/list`.
    pub roots: bool,
    /// It follows tasks.
    pub tasks: bool,
}

impl Abilities {
    /// What of this `other` lacks; none when it lacks nothing.
    pub fn missing_in(self, other: Self) -> Option<Self> {
        let missing = Self {
            elicitation: self.elicitation && !other.elicitation,
            elicitation_url: self.elicitation_url && !other.elicitation_url,
            sampling: self.sampling && !other.sampling,
            sampling_tools: self.sampling_tools && !other.sampling_tools,
            roots: self.roots && !other.roots,
            tasks: self.tasks && !other.tasks,
        };
        (missing != Self::default()).then_some(missing)
    }

    /// What is there, in words.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.elicitation, "elicitation"),
            (self.elicitation_url, "elicitation by address"),
            (self.sampling, "sampling"),
            (self.sampling_tools, "sampling with tools"),
            (self.roots, "roots"),
            (self.tasks, "tasks"),
        ];
        all.into_iter().filter_map(|(there, name)| there.then_some(name)).collect()
    }
}

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asking {
    #[serde(rename = "elicitation/create")]
    Elicitation,
    #[serde(rename = "sampling/createMessage")]
    Sampling,
    #[serde(rename = "roots/list")]
    Roots,
}

impl Asking {
    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }
}

/// One question of a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// 1 to 64 of `[A-Za-z0-9_-]`; names it among all of the call.
    pub key: String,
    pub method: Asking,
    /// A JSON object: the method's parameters.
    pub params: Box<RawValue>,
}

/// What a client said to one question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A JSON object: the method's result.
    Result(Box<RawValue>),
    /// It answered with an error.
    Refused(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// The client lacks what it takes.
    Unsupported(String),
    /// A question cannot be put.
    Invalid(String),
    /// Nobody answered in time, or nobody is there.
    Unanswered(String),
}

/// What came of asking.
#[derive(Clone, Debug)]
pub enum Asked {
    /// One for each question, in their order.
    Answered(Vec<Said>),
    /// The answers come with another call: this one ends with the questions that are open.
    Later(Vec<Question>),
    Failed(Unasked),
}

/// Whoever is behind a call, as its guest knows them.
pub trait Client: Debug + Send + Sync {
    fn abilities(&self) -> Abilities;

    /// Asks all of it and waits for the answers, within a bound of its own.
    fn ask(&self, questions: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>>;

    /// The guest says that what follows takes long.
    fn become_task(&self);
}

/// Nobody who could be asked: a call by the API or the command line, a test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Client for Nobody {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn ask(&self, _: Vec<Question>) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        let why = "this call comes from no MCP client, so that there is nobody to ask".to_owned();
        Box::pin(std::future::ready(Asked::Failed(Unasked::Unsupported(why))))
    }

    fn become_task(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_was_asked_for_and_is_not_there() {
        let asked = Abilities { sampling: true, roots: true, ..Abilities::default() };
        let has = Abilities { roots: true, elicitation: true, ..Abilities::default() };
        assert_eq!(asked.missing_in(has), Some(Abilities { sampling: true, ..Abilities::default() }));
        assert_eq!(asked.missing_in(asked), None);
        assert_eq!(Abilities::default().missing_in(Abilities::default()), None);
    }
}
