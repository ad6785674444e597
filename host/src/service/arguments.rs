//! Arguments of a call, held to the schema of what is called before anything runs.

use std::sync::Arc;

use moka::future::Cache;

use super::Service;
use super::error::{Error, Problem};
use crate::domain::digest::Digest;

/// Compiled input schemas by their text's digest.
pub(super) struct Validators(Cache<Digest, Arc<jsonschema::Validator>>);

/// Schemas that are kept compiled.
const VALIDATORS: u64 = 1_000;
/// Problems with arguments that are told at once.
const PROBLEMS: usize = 10;

impl Default for Validators {
    fn default() -> Self {
        Self(Cache::new(VALIDATORS))
    }
}

impl Service {
    /// Checks arguments, given as JSON text, against a schema.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or [`Error::Invalid`] with the place of each problem.
    pub(super) async fn arguments_checked(&self, schema: &str, arguments: &str) -> Result<(), Error> {
        let limit = self.limits().arguments_bytes;
        if arguments.len() as u64 > limit {
            return Err(Error::TooLarge { message: format!("the arguments have more than {limit} bytes") });
        }
        let value: serde_json::Value =
            serde_json::from_str(arguments).map_err(|error| Error::invalid("", format!("not JSON: {error}")))?;
        if !value.is_object() {
            return Err(Error::invalid("", "the arguments must be a JSON object"));
        }
        let key = Digest::of(schema.as_bytes());
        let compiled = self.0.validators.0.try_get_with(key, async { compile(schema) }).await;
        let validator = compiled.map_err(|error| Error::internal("reading an input schema", error.to_string()))?;
        let problems: Vec<Problem> = validator
            .iter_errors(&value)
            .take(PROBLEMS)
            .map(|error| Problem { pointer: error.instance_path().to_string(), message: error.to_string() })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::Invalid { problems }) }
    }
}

/// # Errors
/// In words for the author of the schema.
pub(super) fn compile(schema: &str) -> Result<Arc<jsonschema::Validator>, String> {
    let schema: serde_json::Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    let validator = jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())?;
    Ok(Arc::new(validator))
}
