//! What an argument of a prompt, or a variable of a template, could become.

use crate::optional::completion::exports::mcpbox::guest::completion;

pub use completion::{Guest, Reference, Suggestions};

/// What is suggested for one argument; `#[completion]` implements it.
pub trait Completion {
    /// The prompt's name or the template.
    const OF: CompletionOf;
    /// The argument or the variable.
    const ARGUMENT: &'static str;

    /// Suggests values for what was typed so far.
    fn complete(value: &str, others: &[(String, String)]) -> Suggestions;
}

/// Whose argument it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionOf {
    /// The prompt of this name.
    Prompt(&'static str),
    /// The template of these addresses.
    Template(&'static str),
}

impl<T: Into<String>> FromIterator<T> for Suggestions {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        Self { total: u32::try_from(values.len()).ok(), values, has_more: false }
    }
}

/// What a completion can return: a list of texts, or [`Suggestions`].
pub trait IntoSuggestions {
    fn into_suggestions(self) -> Suggestions;
}

impl IntoSuggestions for Suggestions {
    fn into_suggestions(self) -> Suggestions {
        self
    }
}

impl<T: Into<String>> IntoSuggestions for Vec<T> {
    fn into_suggestions(self) -> Suggestions {
        self.into_iter().collect()
    }
}

/// A completion without its type, for the table of the component.
#[derive(Clone, Copy)]
pub struct Entry {
    of: CompletionOf,
    argument: &'static str,
    complete: fn(&str, &[(String, String)]) -> Suggestions,
}

impl Entry {
    pub const fn of<T: Completion>() -> Self {
        Self { of: T::OF, argument: T::ARGUMENT, complete: T::complete }
    }
}

/// Answers the contract's `complete`: nothing for what nobody completes.
pub fn complete(
    all: &[Entry],
    reference: &Reference,
    name: &str,
    value: &str,
    others: &[(String, String)],
) -> Suggestions {
    crate::component::tell_of_panics();
    let is_meant = |entry: &&Entry| {
        let is_of = match (entry.of, reference) {
            (CompletionOf::Prompt(of), Reference::Prompt(asked)) => of == asked,
            (CompletionOf::Template(of), Reference::Template(asked)) => of == asked,
            _ => false,
        };
        is_of && entry.argument == name
    };
    match all.iter().find(is_meant) {
        Some(entry) => (entry.complete)(value, others),
        None => Suggestions { values: Vec::new(), total: None, has_more: false },
    }
}
