//! What goes into a call and what comes out of it, held to the schemas of what is called.
//!
//! Arguments are checked before anything runs, results before anybody reads them. A tool whose schema cannot
//! be used is in quarantine: it is not listed, and a call of it says why.

use std::sync::Arc;

use moka::future::Cache;

use super::Service;
use super::error::{Error, Problem};
use crate::domain::content::ToolResult;
use crate::domain::digest::Digest;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::schema::{Misfit, Schema, SchemaError, Unfit, in_words};

/// Schemas by their text's digest, also those that cannot be used.
pub(super) struct Schemas(Cache<Digest, Arc<Result<Schema, SchemaError>>>);

/// Bytes of the texts of schemas that are kept ready; what is made of them takes several times as much.
const KEPT_BYTES: u64 = 8 << 20;
/// What a schema takes beside its text, as bytes of text.
const BESIDE_BYTES: usize = 1_000;

impl Default for Schemas {
    fn default() -> Self {
        let weigher = |_: &Digest, read: &Arc<Result<Schema, SchemaError>>| {
            let text = read.as_ref().as_ref().map_or(0, Schema::size_bytes);
            u32::try_from(text + BESIDE_BYTES).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT_BYTES).weigher(weigher).build())
    }
}

impl Service {
    /// A schema, read once while it is kept.
    pub(super) async fn schema(&self, text: &str) -> Arc<Result<Schema, SchemaError>> {
        let key = Digest::of(text.as_bytes());
        self.0.schemas.0.get_with(key, async { Arc::new(Schema::read(text)) }).await
    }

    /// Checks arguments, given as JSON text, against the schema of a tool.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Invalid`] with the place of each problem, or [`Error::Forbidden`] when the
    /// schema is one that nothing can be held to.
    pub(super) async fn arguments_checked(&self, tool: &str, schema: &str, arguments: &str) -> Result<(), Error> {
        let limit = self.limits().arguments_bytes;
        if arguments.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the arguments have more than {limit} bytes") });
        }
        let value: serde_json::Value =
            serde_json::from_str(arguments).map_err(|error| Error::invalid("", format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(Error::invalid("", "the arguments must be a JSON object"));
        }
        let read = self.schema(schema).await;
        let schema = read.as_ref().as_ref().map_err(|why| unusable(tool, "input", why))?;
        match schema.check(&value, self.limits().schema_steps) {
            Ok(()) => Ok(()),
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

    /// Sees to it that the schema of a tool's results can be used.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when nothing can be held to it.
    pub(super) async fn output_usable(&self, tool: &str, schema: Option<&str>) -> Result<(), Error> {
        let Some(schema) = schema else { return Ok(()) };
        self.schema(schema).await.as_ref().as_ref().map(drop).map_err(|why| unusable(tool, "output", why))
    }

    /// Holds what a tool returned to its output schema. What does not fit is a failure of the tool.
    pub(super) async fn result_checked(&self, schema: Option<&str>, mut report: Report) -> Report {
        if let (Some(schema), Outcome::Returned(result)) = (schema, &report.outcome)
            && let Some(message) = self.misfit_of(schema, result).await
        {
            report.outcome = Outcome::InvalidResult { message };
        }
        report
    }

    /// What is wrong with a result, in one sentence for whoever can mend the tool.
    async fn misfit_of(&self, schema: &str, result: &ToolResult) -> Option<String> {
        const MEND: &str = "its author has to mend the tool or its output schema";
        let read = self.schema(schema).await;
        let schema = match read.as_ref() {
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
        let misfits = match schema.check(&value, self.limits().schema_steps) {
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
}

/// A tool whose schema cannot be used is out of reach until its author mends it.
fn unusable(tool: &str, which: &str, why: &SchemaError) -> Error {
    Error::forbidden(format!("the tool `{tool}` is in quarantine: {}; its author has to mend it", in_words(which, why)))
}
