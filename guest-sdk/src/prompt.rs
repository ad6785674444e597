//! Prompts: messages that a person picks from a menu, with arguments that are texts.

use std::fmt::Display;

use crate::content::{Content, Role};
use crate::error::{Error, ToolError};
use crate::given::Given;
use crate::icon::Icon;
use crate::optional::prompts::exports::mcpbox::guest::prompts;
use crate::output::told;

pub use prompts::{Argument as PromptArgument, Guest, Prompt as PromptDescription, PromptError, PromptResult};

/// One message of a prompt.
pub use prompts::Message as PromptMessage;

/// A prompt of a component; `#[prompt]` implements it.
pub trait Prompt {
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    const NAME: &'static str;
    /// Whether it has icons.
    const HAS_ICONS: bool = false;

    /// Name, description, arguments.
    fn describe() -> PromptDescription;

    /// Pictures of it.
    fn icons() -> Vec<Icon> {
        Vec::new()
    }

    /// Makes its messages.
    ///
    /// # Errors
    /// When an argument is missing or the prompt fails.
    fn get(arguments: Given) -> Result<PromptResult, Error>;
}

/// What a prompt can return, by itself or in a `Result`: a text or a [`Content`] is one message of the user.
pub trait IntoPrompt {
    /// # Errors
    /// When the prompt failed.
    fn into_prompt(self) -> Result<PromptResult, Error>;
}

impl PromptMessage {
    /// What the user says: a text or a [`Content`].
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// What the model says.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}

impl IntoPrompt for PromptResult {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        Ok(self)
    }
}

impl IntoPrompt for Vec<PromptMessage> {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        Ok(PromptResult { description: None, messages: self })
    }
}

impl<const N: usize> IntoPrompt for [PromptMessage; N] {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        Vec::from(self).into_prompt()
    }
}

impl IntoPrompt for PromptMessage {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        vec![self].into_prompt()
    }
}

impl IntoPrompt for Content {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        PromptMessage::user(self).into_prompt()
    }
}

impl IntoPrompt for String {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        Content::text(self).into_prompt()
    }
}

impl IntoPrompt for &str {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        Content::text(self).into_prompt()
    }
}

impl<T: IntoPrompt, E: Display + 'static> IntoPrompt for Result<T, E> {
    fn into_prompt(self) -> Result<PromptResult, Error> {
        match self {
            Ok(made) => made.into_prompt(),
            Err(error) => Err(Error::from_inner(told(error))),
        }
    }
}

/// A prompt without its type, for the table of the component.
#[derive(Clone, Copy)]
pub struct Entry {
    name: &'static str,
    describe: fn() -> PromptDescription,
    get: fn(Given) -> Result<PromptResult, Error>,
}

impl Entry {
    pub const fn of<T: Prompt>() -> Self {
        Self { name: T::NAME, describe: T::describe, get: T::get }
    }
}

/// Answers the contract's `list-prompts`.
pub fn list(prompts: &[Entry]) -> Vec<PromptDescription> {
    crate::component::tell_of_panics();
    prompts.iter().map(|prompt| (prompt.describe)()).collect()
}

/// Answers the contract's `get-prompt`.
///
/// # Errors
/// When there is no such prompt, an argument is missing, or the prompt fails.
pub fn get(prompts: &[Entry], name: &str, arguments: Vec<(String, String)>) -> Result<PromptResult, PromptError> {
    crate::component::tell_of_panics();
    let prompt = prompts.iter().find(|prompt| prompt.name == name).ok_or(PromptError::UnknownPrompt)?;
    (prompt.get)(Given::new(arguments)).map_err(|error| match error.into_inner() {
        ToolError::InvalidArguments(message) => PromptError::InvalidArguments(message),
        ToolError::Failed(message) => PromptError::Failed(message),
        ToolError::UnknownTool => PromptError::UnknownPrompt,
    })
}
