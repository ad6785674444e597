//! What a guest asks of whoever is behind its call, and what it tells all clients.
//!
//! A question is checked and counted before anybody hears it. While its answers are waited for, the
//! guest's time stands still; its caller can still cancel. A question whose answer comes with another
//! call ends this one.

use serde_json::value::RawValue;

use super::bindings::tool::mcpbox::guest::{client, notify};
use super::state::State;
use crate::domain::client::{Abilities, Asked, Asking, Question, Said, Unasked};
use crate::domain::outcome::{GuestEvent, Listing, Outcome};
use crate::domain::{json, uri_template};

/// Length of a question's key.
const KEY_BYTES: usize = 64;

impl client::Host for State {
    async fn can(&mut self) -> wasmtime::Result<client::Abilities> {
        self.host_call(0).await?;
        Ok(told(self.client_abilities()))
    }

    async fn require(&mut self, abilities: client::Abilities) -> wasmtime::Result<()> {
        self.host_call(0).await?;
        match heard(abilities).missing_in(self.client_abilities()) {
            Some(missing) => Err(self.end(Outcome::MissingAbilities { missing })),
            None => Ok(()),
        }
    }

    async fn ask(
        &mut self,
        questions: Vec<client::Question>,
    ) -> wasmtime::Result<Result<Vec<client::Answer>, client::AskError>> {
        let size = questions.iter().map(|question| question.key.len() + question.params.len()).sum();
        self.host_call(size).await?;
        let questions = match self.checked(questions) {
            Ok(questions) => questions,
            Err(why) => return Ok(Err(client::AskError::Invalid(why))),
        };
        let Some(client) = self.reach.as_ref().map(|reach| std::sync::Arc::clone(&reach.client)) else {
            return Ok(Err(client::AskError::Unsupported("nobody can be asked before there is a call".to_owned())));
        };
        if questions.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let asked = {
            let _standing = self.stand_still();
            client.ask(questions).await
        };
        match asked {
            Asked::Answered(said) => Ok(Ok(said.into_iter().map(answer).collect())),
            Asked::Later(questions) => Err(self.end(Outcome::InputRequired { questions })),
            Asked::Failed(why) => Ok(Err(match why {
                Unasked::Unsupported(text) => client::AskError::Unsupported(text),
                Unasked::Invalid(text) => client::AskError::Invalid(text),
                Unasked::Unanswered(text) => client::AskError::Unanswered(text),
            })),
        }
    }

    async fn become_task(&mut self) -> wasmtime::Result<()> {
        self.host_call(0).await?;
        if let Some(reach) = &self.reach {
            reach.client.become_task();
        }
        Ok(())
    }
}

impl notify::Host for State {
    async fn list_changed(&mut self, listing: notify::Listing) -> wasmtime::Result<()> {
        self.host_call(0).await?;
        self.notice(GuestEvent::ListChanged(match listing {
            notify::Listing::Tools => Listing::Tools,
            notify::Listing::Prompts => Listing::Prompts,
            notify::Listing::Resources => Listing::Resources,
        }));
        Ok(())
    }

    async fn resource_updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.host_call(uri.len()).await?;
        // Nobody can have subscribed to what is no address.
        if uri_template::is_absolute(&uri) {
            self.notice(GuestEvent::ResourceUpdated(uri));
        }
        Ok(())
    }
}

impl State {
    fn client_abilities(&self) -> Abilities {
        self.reach.as_ref().map(|reach| reach.client.abilities()).unwrap_or_default()
    }

    fn notice(&mut self, event: GuestEvent) {
        if self.notices >= self.budget.notices {
            self.dropped_lines += 1;
            return;
        }
        self.notices += 1;
        self.tell(event);
    }

    /// # Errors
    /// What is wrong with the questions, in words for the author.
    fn checked(&mut self, questions: Vec<client::Question>) -> Result<Vec<Question>, String> {
        let most = self.budget.questions;
        if questions.len() > most.saturating_sub(self.questions) {
            return Err(format!("one call may put at most {most} questions"));
        }
        let mut checked: Vec<Question> = Vec::with_capacity(questions.len());
        for client::Question { key, method, params } in questions {
            if !is_key(&key) {
                let begins: String = key.chars().take(KEY_BYTES).collect();
                return Err(format!("the key `{begins}` is not 1 to {KEY_BYTES} of `A-Z`, `a-z`, `0-9`, `_` and `-`"));
            }
            if checked.iter().any(|other| other.key == key) {
                return Err(format!("the key `{key}` stands for two questions"));
            }
            let method = match method {
                client::Method::Elicitation => Asking::Elicitation,
                client::Method::Sampling => Asking::Sampling,
                client::Method::Roots => Asking::Roots,
            };
            let bytes = self.budget.question_bytes;
            if params.len() > bytes {
                return Err(format!("the parameters of `{key}` have more than {bytes} bytes"));
            }
            let params = object(params).and_then(|params| method.check(&params).map(|()| params));
            let params = params.map_err(|why| format!("the parameters of `{key}` {why}"))?;
            checked.push(Question { key, method, params });
        }
        self.questions += checked.len();
        Ok(checked)
    }
}

fn is_key(key: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(is_letter)
}

/// A JSON object, or what it is instead.
fn object(text: String) -> Result<Box<RawValue>, String> {
    // Depth first: a reader that recurses must not see what is too deep.
    if json::is_too_deep(&text) {
        return Err(format!("are nested deeper than {} levels", json::DEPTH_MAX));
    }
    let value = RawValue::from_string(text).map_err(|error| format!("are not JSON: {error}"))?;
    if value.get().starts_with('{') { Ok(value) } else { Err("are not a JSON object".to_owned()) }
}

fn answer(said: Said) -> client::Answer {
    match said {
        Said::Result(result) => client::Answer::Result(result.get().to_owned()),
        Said::Refused(why) => client::Answer::Refused(why),
    }
}

const WORDS: [(client::Abilities, fn(&mut Abilities) -> &mut bool); 6] = [
    (client::Abilities::ELICITATION, |can| &mut can.elicitation),
    (client::Abilities::ELICITATION_URL, |can| &mut can.elicitation_url),
    (client::Abilities::SAMPLING, |can| &mut can.sampling),
    (client::Abilities::SAMPLING_TOOLS, |can| &mut can.sampling_tools),
    (client::Abilities::ROOTS, |can| &mut can.roots),
    (client::Abilities::TASKS, |can| &mut can.tasks),
];

fn told(mut abilities: Abilities) -> client::Abilities {
    let there = WORDS.iter().filter(|(_, field)| *field(&mut abilities));
    there.fold(client::Abilities::empty(), |all, (word, _)| all | *word)
}

fn heard(given: client::Abilities) -> Abilities {
    let mut abilities = Abilities::default();
    for (word, field) in WORDS {
        *field(&mut abilities) = given.contains(word);
    }
    abilities
}
