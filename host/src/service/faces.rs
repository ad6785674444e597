//! What clients get of a tool's schemas, made once for each version and kept while it is offered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::digest::Digest;
use crate::domain::schema::{Schema, fit_input, fit_output, in_words};

/// The form of a tool's schemas that every client takes; none where that is the author's.
#[derive(Clone, Debug, Default)]
pub struct Fitted {
    pub input: Option<Arc<RawValue>>,
    pub output: Option<Arc<RawValue>>,
}

/// A tool's form by the digest of its version and its name, or why it has none.
pub(super) type Known = HashMap<(Digest, String), Result<Fitted, String>>;

/// The forms of the tools of the last catalogue.
#[derive(Default)]
pub(super) struct Faces(Mutex<Known>);

impl Faces {
    /// For a load, which there is one of at a time.
    pub(super) fn known(&self) -> Known {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn keep(&self, known: Known) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// A load, which takes over what is still of use.
pub(super) struct Reading {
    before: Known,
    now: Known,
}

impl Reading {
    pub(super) fn of(before: Known) -> Self {
        Self { before, now: Known::new() }
    }

    /// The form of a tool's schemas, or why it cannot be used.
    pub(super) fn of_tool(
        &mut self,
        version: Digest,
        name: &str,
        input: &str,
        output: Option<&str>,
    ) -> Result<Fitted, String> {
        let key = (version, name.to_owned());
        let known = self.before.remove(&key).unwrap_or_else(|| fitted(input, output));
        self.now.insert(key, known.clone());
        known
    }

    pub(super) fn done(self) -> Known {
        self.now
    }
}

fn fitted(input: &str, output: Option<&str>) -> Result<Fitted, String> {
    let read = |which: &str, text: &str| Schema::read(text).map_err(|why| in_words(which, &why));
    let input = read("input", input)?;
    let output = output.map(|text| read("output", text)).transpose()?;
    Ok(Fitted {
        input: fit_input(&input).as_ref().and_then(raw),
        output: output.as_ref().and_then(fit_output).as_ref().and_then(raw),
    })
}

fn raw(value: &Value) -> Option<Arc<RawValue>> {
    RawValue::from_string(value.to_string()).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_made_once_and_forgotten_with_its_tool() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut first = Reading::of(Known::new());
        let made = first.of_tool(one, "a", r#"{"oneOf":[{"properties":{"x":{}}}]}"#, None).expect("a schema");
        let made = made.input.expect("another form");
        assert_eq!(made.get(), r#"{"properties":{"x":{}},"type":"object"}"#);
        assert!(
            first.of_tool(two, "a", r#"{"$ref":"other.json"}"#, None).is_err_and(|why| why.contains("input schema"))
        );
        assert!(first.of_tool(two, "b", "{}", Some("7")).is_err_and(|why| why.contains("output schema")));
        let mut second = Reading::of(first.done());
        let again = second.of_tool(one, "a", "not looked at", None).expect("it is known").input;
        assert!(again.is_some_and(|again| Arc::ptr_eq(&again, &made)));
        assert_eq!(second.done().len(), 1);
    }
}
