//! What goes into a call and what comes out of it, held to the schemas of what is called.
//!
//! Arguments are checked before anything runs, results before anybody reads them. A tool whose schema cannot
//! be used is in quarantine: it is not listed, and a call of it says why.

use std::sync::Arc;

use moka::future::Cache;

use super::Service;
use super::error::{Error, Problem};
use super::programs::Runnable;
use crate::domain::content::ToolResult;
use crate::domain::digest::Digest;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::schema::{Misfit, Schema, SchemaError, Unfit, in_words};
use crate::limits::Limits;

/// Schemas by their text's digest, also those that cannot be used.
pub(super) struct Schemas(Cache<Digest, Read>);

/// A schema, or why nothing can be held to it.
pub(super) type Read = Arc<Result<Schema, SchemaError>>;

/// What the arguments and the results of something are held to.
pub struct Held {
    input: Read,
    output: Option<Read>,
}

/// Bytes of the texts of schemas that are kept ready; what is made of them takes several times as much.
const KEPT_BYTES: u64 = 8 << 20;
/// What a schema takes beside its text, as bytes of text.
const BESIDE_BYTES: usize = 1_000;

impl Default for Schemas {
    fn default() -> Self {
        let weigher = |_: &Digest, read: &Read| {
            let text = read.as_ref().as_ref().map_or(0, Schema::size_bytes);
            u32::try_from(text + BESIDE_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT_BYTES).weigher(weigher).build())
    }
}

impl Service {
    /// A schema, read once while it is kept.
    pub(super) async fn schema(&self, text: &str) -> Read {
        let key = Digest::of(text.as_bytes());
        self.0.schemas.0.get_with(key, async { Arc::new(Schema::read(text)) }).await
    }

    /// What calls of this are held to.
    pub(super) async fn held(&self, runnable: &Runnable) -> Held {
        let output = match &runnable.output_schema {
            Some(schema) => Some(self.schema(schema).await),
            None => None,
        };
        Held { input: self.schema(&runnable.input_schema).await, output }
    }
}

impl Held {
    /// Reads the schemas of a tool that no host keeps.
    pub fn read(input: &str, output: Option<&str>) -> Self {
        let read = |text| Arc::new(Schema::read(text));
        Self { input: read(input), output: output.map(read) }
    }

    /// Checks arguments, given as JSON text, against the schema of a tool, and sees to it that the schema of its
    /// results can be used.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Invalid`] with the place of each problem, or [`Error::Forbidden`] when a
    /// schema is one that nothing can be held to.
    pub fn arguments_checked(&self, tool: &str, arguments: &str, limits: &Limits) -> Result<(), Error> {
        let limit = limits.arguments_bytes;
        if arguments.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the arguments have more than {limit} bytes") });
        }
        let value: serde_json::Value =
            serde_json::from_str(arguments).map_err(|error| Error::invalid("", format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(Error::invalid("", "the arguments must be a JSON object"));
        }
        let schema = self.input.as_ref().as_ref().map_err(|why| unusable(tool, "input", why))?;
        match schema.check(&value, limits.schema_steps) {
            Ok(()) => match self.output.as_deref() {
                Some(Err(why)) => Err(unusable(tool, "output", why)),
                Some(Ok(_)) | None => Ok(()),
            },
            Err(Unfit::Misfits(misfits)) => {
                let problem = |misfit: Misfit| Problem { pointer: misfit.pointer, message: misfit.expected };
                Err(Error::Invalid { problems: misfits.into_iter().map(problem).collect() })
            }
            Err(Unfit::TooMuch) => {
                let message = "to hold these arguments to the schema takes too long; send less at once";
                Err(Error::TooLarge { message: message.to_owned() })
            }
        }
    }

    /// Holds what a tool returned to its output schema. What does not fit is a failure of the tool.
    pub fn result_checked(&self, mut report: Report, limits: &Limits) -> Report {
        if let (Some(schema), Outcome::Returned(result)) = (self.output.as_deref(), &report.outcome)
            && let Some(message) = misfit_of(schema, result, limits.schema_steps)
        {
            report.outcome = Outcome::InvalidResult { message };
        }
        report
    }
}

/// What is wrong with a result, in one sentence for whoever can mend the tool.
fn misfit_of(schema: &Result<Schema, SchemaError>, result: &ToolResult, steps_max: u64) -> Option<String> {
    const MEND: &str = "its author has to mend the tool or its output schema";
    let schema = match schema {
        Ok(schema) => schema,
        Err(why) => return Some(format!("the output schema of the tool cannot be used: {why}; {MEND}")),
    };
    let Some(given) = &result.structured_content else {
        return Some(format!("the tool returned no structured content, which its output schema promises; {MEND}"));
    };
    let value = match serde_json::from_str(given.get()) {
        Ok(value) => value,
        Err(error) => return Some(format!("the structured content of the result cannot be read: {error}; {MEND}")),
    };
    let misfits = match schema.check(&value, steps_max) {
        Ok(()) => return None,
        Err(Unfit::TooMuch) => {
            return Some(format!("to hold the result to its output schema takes too long; {MEND}"));
        }
        Err(Unfit::Misfits(misfits)) => misfits,
    };
    let places: Vec<String> = misfits
        .into_iter()
        .map(|misfit| match misfit.pointer.as_str() {
            "" => misfit.expected,
            pointer => format!("{pointer}: {}", misfit.expected),
        })
        .collect();
    Some(format!("the result does not fit the output schema of the tool: {}; {MEND}", places.join("; ")))
}

/// A tool whose schema cannot be used is out of reach until its author mends it.
fn unusable(tool: &str, which: &str, why: &SchemaError) -> Error {
    Error::forbidden(format!("the tool `{tool}` is in quarantine: {}; its author has to mend it", in_words(which, why)))
}
