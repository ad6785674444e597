//! Texts that a caller gives by name: the arguments of a prompt, the variables of a template.

use crate::error::Error;

/// What is given, each until it is taken.
pub struct Given(Vec<(String, String)>);

impl Given {
    pub fn new(given: Vec<(String, String)>) -> Self {
        Self(given)
    }

    /// # Errors
    /// When it is not there and has to be.
    pub fn take<T: Argument>(&mut self, name: &str) -> Result<T, Error> {
        let at = self.0.iter().position(|(given, _)| given == name);
        T::read(at.map(|at| self.0.swap_remove(at).1))
            .ok_or_else(|| Error::invalid_arguments(format!("the argument `{name}` is missing")))
    }
}

/// What the parameter of a prompt or of a template can be: `String` or `&str`, and `Option<String>` for what need
/// not be given.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a prompt or a variable of a template",
    note = "these are texts: use `String`, `&str` or `Option<String>`"
)]
pub trait Argument: Sized {
    /// Whether it has to be there.
    const REQUIRED: bool;

    /// None when it is not there and has to be.
    fn read(given: Option<String>) -> Option<Self>;
}

impl Argument for String {
    const REQUIRED: bool = true;

    fn read(given: Option<String>) -> Option<Self> {
        given
    }
}

impl Argument for Option<String> {
    const REQUIRED: bool = false;

    fn read(given: Option<String>) -> Option<Self> {
        Some(given)
    }
}
