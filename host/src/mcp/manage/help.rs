//! `mcpbox_help`: how to write tools here, for a model that has never seen this host.
//!
//! The texts are in `help/`, one for each topic; their examples are run by a test. What every tool needs
//! stays under 1,500 tokens together; what only some do is told when it is asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answered, Call, Effect, Management, schema};
use crate::domain::content::Content;
use crate::service::Error;

pub(super) struct Help;

/// In the order in which they are read.
const TEXTS: [(Topic, &str); 8] = [
    (Topic::Workflow, include_str!("help/workflow.md")),
    (Topic::Python, include_str!("help/python.md")),
    (Topic::Javascript, include_str!("help/javascript.md")),
    (Topic::Network, include_str!("help/network.md")),
    (Topic::Secrets, include_str!("help/secrets.md")),
    (Topic::Results, include_str!("help/results.md")),
    (Topic::Modules, include_str!("help/modules.md")),
    (Topic::Context, include_str!("help/context.md")),
];

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Topic {
    Workflow,
    Python,
    Javascript,
    Network,
    Secrets,
    Results,
    Modules,
    Context,
}

impl Topic {
    /// Whether it is read with all the others.
    fn is_for_all(self) -> bool {
        self != Self::Context
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default)]
    topic: Option<Topic>,
}

#[derive(Serialize)]
struct Answer {
    topics: [Topic; TEXTS.len()],
    text: String,
}

/// The text of a topic, or of what is for all tools.
fn text(topic: Option<Topic>) -> String {
    let texts = TEXTS.iter().filter(|(of, _)| topic.map_or(of.is_for_all(), |topic| topic == *of));
    texts.map(|(_, text)| *text).collect::<Vec<_>>().join("\n")
}

impl Management for Help {
    const NAME: &'static str = "mcpbox_help";
    const TITLE: &'static str = "How to write tools";
    const DESCRIPTION: &'static str = "Read this before you write your first tool: how a tool in Python or JavaScript \
        is written, what it can use (http, fetch, secrets, log, progress, modules), how results and errors are given, \
        and how it is approved, with examples that run as they stand. About 1,500 tokens; give a topic for a part. Topic \
        context: a tool that asks the person or the model, answers with pictures, or takes long.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Arguments;

    fn input() -> Value {
        schema::arguments(
            json!({
                "topic": {"type": "string", "enum": TEXTS.map(|(topic, _)| topic),
                          "description": "One part; without it all of them but context"},
            }),
            &[],
        )
    }

    fn output() -> Value {
        schema::answer(
            json!({
                "topics": {"type": "array", "items": {"type": "string"}},
                "text": {"type": "string", "description": "Markdown"},
            }),
            &["topics", "text"],
        )
    }

    #[cfg(test)]
    fn example() -> Value {
        json!({"topic": "python"})
    }

    async fn run(_call: Call<'_>, Arguments { topic }: Arguments) -> Result<Answered, Error> {
        let text = text(topic);
        let mut answered = Answered::of(&Answer { topics: TEXTS.map(|(topic, _)| topic), text: text.clone() })?;
        // As it is written, not as JSON: it is to be read.
        answered.result.content = vec![Content::text(text)];
        Ok(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a model would be charged at most: a run of letters or digits is a token for each eight
    /// begun, and each other visible character is one. Tokenizers merge more than that; a thousand
    /// words of plain English come to 1,300 by them.
    fn tokens(text: &str) -> usize {
        let word = |c: &char| c.is_ascii_alphanumeric();
        let marks = text.chars().filter(|c| !word(c) && !c.is_whitespace()).count();
        let words = text.split(|c: char| !word(&c)).map(|run| run.len().div_ceil(8)).sum::<usize>();
        words + marks
    }

    #[test]
    fn everything_together_is_read_for_less_than_1500_tokens() {
        let all = text(None);
        let counted = tokens(&all).max(all.len() / 4).max(all.split_whitespace().count() * 14 / 10);
        assert!((1_000..1_500).contains(&counted), "{counted}");
        let asked = tokens(text(Some(Topic::Context)).as_str());
        assert!((400..900).contains(&asked), "{asked}");
    }

    #[test]
    fn each_topic_has_its_text_and_names_only_tools_that_exist() {
        for (topic, text) in TEXTS {
            let name = serde_json::to_value(topic).expect("a topic");
            assert!(text.starts_with(&format!("# {}", name.as_str().expect("a text"))), "{text}");
            for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                assert!(!word.starts_with("mcpbox_") || super::super::find(word).is_some(), "{word}");
            }
        }
    }
}
