//! What a guest may ask of whoever is behind its call, and what comes back. The shapes of questions and
//! answers are MCP's own and pass through as JSON.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a client can do for a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// `elicitation/create` with a form.
    pub elicitation: bool,
    /// The same, with fields that are choices of several.
    pub elicitation_choices: bool,
    /// `elicitation/create` with an address to visit.
    pub elicitation_url: bool,
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// The same, with tools.
    pub sampling_tools: bool,
    /// The same, with what the client's other servers say (`includeContext`). Asking for it is all that takes it.
    pub sampling_context: bool,
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
            elicitation_choices: self.elicitation_choices && !other.elicitation_choices,
            elicitation_url: self.elicitation_url && !other.elicitation_url,
            sampling: self.sampling && !other.sampling,
            sampling_tools: self.sampling_tools && !other.sampling_tools,
            sampling_context: self.sampling_context && !other.sampling_context,
            roots: self.roots && !other.roots,
            tasks: self.tasks && !other.tasks,
        };
        (missing != Self::default()).then_some(missing)
    }

    /// What is there, in words.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            (self.elicitation, "elicitation"),
            (self.elicitation_choices, "elicitation with choices of several"),
            (self.elicitation_url, "elicitation by address"),
            (self.sampling, "sampling"),
            (self.sampling_tools, "sampling with tools"),
            (self.sampling_context, "sampling with context"),
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

    /// Whether an answer has the shape of the method's result.
    pub fn is_answered_by(self, answer: &RawValue) -> bool {
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
        let Ok(Answer { action, content, role, model, roots }) = serde_json::from_str(answer.get()) else {
            return false;
        };
        match self {
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
    /// A question cannot be put, or what the client said is no answer to it.
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
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).expect("JSON")
    }

    #[test]
    fn what_is_missing_is_what_was_asked_for_and_is_not_there() {
        let asked = Abilities { sampling: true, roots: true, ..Abilities::default() };
        let has = Abilities { roots: true, elicitation: true, ..Abilities::default() };
        assert_eq!(asked.missing_in(has), Some(Abilities { sampling: true, ..Abilities::default() }));
        assert_eq!(asked.missing_in(asked), None);
        assert_eq!(Abilities::default().missing_in(Abilities::default()), None);
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
            assert_eq!(method.is_answered_by(&raw(&answer)), expected, "{answer}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_judged(text: String, value in "\\{\"(action|content|role|model|roots)\":[\\[\\]{}0-9\"a-z]{0,12}\\}") {
            for text in [text, value] {
                if let Ok(answer) = RawValue::from_string(text) {
                    for method in [Asking::Elicitation, Asking::Sampling, Asking::Roots] {
                        method.is_answered_by(&answer);
                    }
                }
            }
        }
    }
}
