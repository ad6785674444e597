//! What goes into a call and what comes out of it, held to the schemas of what is called.
//!
//! Arguments are checked before anything runs, results before anybody reads them. What takes a while is done on a
//! thread of its own, so many at once, and never on one that serves. A tool whose schema cannot be used is in
//! quarantine: it is not listed, and a call of it says why.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Service;
use super::apart::{apart, busy, turn};
use super::error::Error;
use super::programs::Runnable;
use crate::domain::content::ToolResult;
use crate::domain::digest::Digest;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::schema::{Schema, SchemaError, Unfit, in_words};
use crate::limits::Limits;

/// What calls are held to.
pub(super) struct Schemas {
    /// Schemas by their text's digest, also those that cannot be used.
    kept: Cache<Digest, Read>,
    /// Of arguments that are checked on a thread of their own.
    arguments: Arc<Semaphore>,
    /// Of arguments that wait for that.
    queue: Semaphore,
    /// Of results: they wait for each other, and there are no more of them than running calls.
    results: Arc<Semaphore>,
}

/// A schema, or why nothing can be held to it.
pub(super) type Read = Arc<Result<Schema, SchemaError>>;

/// What the arguments and the results of something are held to.
pub struct Held {
    input: Read,
    output: Option<Read>,
}

impl Held {
    /// About what it takes in memory.
    pub(super) fn size_bytes(&self) -> usize {
        [Some(&self.input), self.output.as_ref()].into_iter().flatten().map(size_bytes).sum()
    }
}

/// Memory of the schemas that are kept ready.
const KEPT_BYTES: u64 = 64 << 20;
/// What a schema takes beside what is made of its text.
const BESIDE_BYTES: usize = 4_000;
/// Arguments, and results, that are checked at the same time on threads of their own.
const APART_AT_ONCE: usize = 2;
const CHECKING: &str = "holding a value to its schema";
const BUSY: &str = "too many arguments are being held to their schemas; try again soon, or send less at once";
/// A longer text takes a while to read alone.
const HERE_BYTES: usize = 64 << 10;

fn size_bytes(read: &Read) -> usize {
    BESIDE_BYTES + read.as_ref().as_ref().map_or(0, Schema::size_bytes)
}

impl Schemas {
    pub(super) fn new(limits: &Limits) -> Self {
        let weigher = |_: &Digest, read: &Read| u32::try_from(size_bytes(read)).unwrap_or(u32::MAX);
        Self {
            kept: Cache::builder().max_capacity(KEPT_BYTES).weigher(weigher).build(),
            arguments: Arc::new(Semaphore::new(APART_AT_ONCE)),
            queue: Semaphore::new(Limits::size(limits.calls_waiting)),
            results: Arc::new(Semaphore::new(APART_AT_ONCE)),
        }
    }
}

impl Service {
    /// A schema, read once while it is kept.
    async fn schema(&self, text: &str) -> Result<Read, Error> {
        let key = Digest::of(text.as_bytes());
        let kept = &self.0.schemas.kept;
        if let Some(read) = kept.get(&key).await {
            return Ok(read);
        }
        let text = text.to_owned();
        // To compile its patterns takes a while.
        let read = async { tokio::task::spawn_blocking(move || Arc::new(Schema::read(&text))).await };
        kept.try_get_with(key, read).await.map_err(|error| Error::internal("reading a schema", error))
    }

    /// What calls of this are held to.
    pub(super) async fn held(&self, runnable: &Runnable) -> Result<Held, Error> {
        let output = match &runnable.output_schema {
            Some(schema) => Some(self.schema(schema).await?),
            None => None,
        };
        Ok(Held { input: self.schema(&runnable.input_schema).await?, output })
    }
}

impl Held {
    /// Reads the schemas of a tool that no host keeps.
    pub fn read(input: &str, output: Option<&str>) -> Self {
        let read = |text| Arc::new(Schema::read(text));
        Self { input: read(input), output: output.map(read) }
    }

    /// Checks arguments, given as JSON text, where nobody else waits.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Invalid`] with the place of each problem, or [`Error::Forbidden`] when a
    /// schema is one that nothing can be held to.
    pub fn arguments_checked(&self, tool: &str, arguments: &str, limits: &Limits) -> Result<(), Error> {
        fitting(self.usable(tool, arguments, limits)?, &object(arguments)?, limits.schema_steps)
    }

    /// Holds what a tool returned to its output schema, where nobody else waits.
    pub fn result_checked(&self, mut report: Report, limits: &Limits) -> Report {
        if let (Some(output), Outcome::Returned(result)) = (&self.output, &report.outcome) {
            let found = promised(output, result).and_then(|(schema, given)| {
                let value = serde_json::from_str(given.get()).map_err(|error| unreadable(&error))?;
                misfit(schema, &value, limits.schema_steps).map_or(Ok(()), Err)
            });
            if let Err(message) = found {
                report.outcome = Outcome::InvalidResult { message };
            }
        }
        report
    }

    /// The schema of the arguments, when they are not too large and the schema of the results can be used too.
    fn usable(&self, tool: &str, arguments: &str, limits: &Limits) -> Result<&Schema, Error> {
        let limit = limits.arguments_bytes;
        if arguments.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the arguments have more than {limit} bytes") });
        }
        let schema = self.input.as_ref().as_ref().map_err(|why| unusable(tool, "input", why))?;
        match self.output.as_deref() {
            Some(Err(why)) => Err(unusable(tool, "output", why)),
            Some(Ok(_)) | None => Ok(schema),
        }
    }
}

impl Service {
    /// Checks arguments, given as JSON text, against the schema of a tool, and sees to it that the schema of its
    /// results can be used. What takes a while is done on a thread of its own.
    ///
    /// # Errors
    /// Those of [`Held::arguments_checked`], or [`Error::Busy`] when too many others are checked.
    pub(super) async fn arguments_checked(&self, tool: &str, held: &Held, arguments: &str) -> Result<(), Error> {
        let schema = held.usable(tool, arguments, self.limits())?;
        let steps_max = self.limits().schema_steps;
        if arguments.len() <= HERE_BYTES {
            let value = object(arguments)?;
            if schema.is_quick(&value) {
                return fitting(schema, &value, steps_max);
            }
        }
        // Boxed: every call would carry the place for this along.
        Box::pin(self.arguments_checked_apart(tool, &held.input, arguments)).await
    }

    async fn arguments_checked_apart(&self, tool: &str, input: &Read, arguments: &str) -> Result<(), Error> {
        let turn = self.checking_turn().await?;
        let steps_max = self.limits().schema_steps;
        let (tool, input, arguments) = (tool.to_owned(), Arc::clone(input), arguments.to_owned());
        apart(CHECKING, turn, move || {
            let schema = input.as_ref().as_ref().map_err(|why| unusable(&tool, "input", why))?;
            fitting(schema, &object(&arguments)?, steps_max)
        })
        .await?
    }

    async fn checking_turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let schemas = &self.0.schemas;
        let wait = Duration::from_millis(self.limits().call_wait_ms);
        if let Ok(turn) = Arc::clone(&schemas.arguments).try_acquire_owned() {
            return Ok(turn);
        }
        let _queued = schemas.queue.try_acquire().map_err(|_| busy(wait, BUSY))?;
        turn(&schemas.arguments, wait, BUSY).await
    }

    /// Holds what a tool returned to its output schema. What does not fit is a failure of the tool.
    ///
    /// # Errors
    /// When it cannot be found out, which is a fault of ours.
    pub(super) async fn result_checked(&self, held: &Held, mut report: Report) -> Result<Report, Error> {
        if let (Some(output), Outcome::Returned(result)) = (&held.output, &report.outcome)
            && let Some(message) = self.misfit_of(output, result).await?
        {
            report.outcome = Outcome::InvalidResult { message };
        }
        Ok(report)
    }

    /// What is wrong with a result, in one sentence for whoever can mend the tool.
    async fn misfit_of(&self, output: &Read, result: &ToolResult) -> Result<Option<String>, Error> {
        let (schema, given) = match promised(output, result) {
            Ok(both) => both,
            Err(message) => return Ok(Some(message)),
        };
        let steps_max = self.limits().schema_steps;
        if given.get().len() <= HERE_BYTES {
            match serde_json::from_str(given.get()) {
                Ok(value) if schema.is_quick(&value) => return Ok(misfit(schema, &value, steps_max)),
                Ok(_) => {}
                Err(error) => return Ok(Some(unreadable(&error))),
            }
        }
        let turn = Arc::clone(&self.0.schemas.results).acquire_owned().await;
        let turn = turn.map_err(|error| Error::internal("holding a result to its schema", error))?;
        let (output, given) = (Arc::clone(output), given.to_owned());
        apart(CHECKING, turn, move || match (output.as_ref(), serde_json::from_str(given.get())) {
            (Ok(schema), Ok(value)) => misfit(schema, &value, steps_max),
            (_, Err(error)) => Some(unreadable(&error)),
            (Err(why), _) => Some(why.to_string()),
        })
        .await
    }
}

fn object(arguments: &str) -> Result<Value, Error> {
    let value: Value =
        serde_json::from_str(arguments).map_err(|error| Error::invalid("", format!("not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(Error::invalid("", "the arguments must be a JSON object")) }
}

fn fitting(schema: &Schema, arguments: &Value, steps_max: u64) -> Result<(), Error> {
    schema.check(arguments, steps_max).map_err(Error::unfit)
}

/// What a result is held to, and what of it.
fn promised<'a>(output: &'a Read, result: &'a ToolResult) -> Result<(&'a Schema, &'a RawValue), String> {
    let unusable = |why| format!("the output schema of the tool cannot be used: {why}; {MEND}");
    let schema = output.as_ref().as_ref().map_err(unusable)?;
    let missing = || format!("the tool returned no structured content, which its output schema promises; {MEND}");
    Ok((schema, result.structured_content.as_deref().ok_or_else(missing)?))
}

const MEND: &str = "its author has to mend the tool or its output schema";

fn unreadable(error: &serde_json::Error) -> String {
    format!("the structured content of the result cannot be read: {error}; {MEND}")
}

fn misfit(schema: &Schema, value: &Value, steps_max: u64) -> Option<String> {
    let misfits = match schema.check(value, steps_max) {
        Ok(()) => return None,
        Err(Unfit::TooMuch) => return Some(format!("to hold the result to its output schema takes too long; {MEND}")),
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
