//! JSON Schemas that strangers wrote: what of them is taken, and how a value is held to one.
//!
//! A schema is read whole before it is used, and refused with a reason when it is over a bound, refers to
//! anything outside itself, or refers to itself without end. Nothing is ever fetched for one. What a check
//! of a value costs is measured before the value is checked ([`measure`]), because schemas exist whose check
//! takes longer than the world will last; what a pattern costs is read from what it is compiled to
//! ([`patterns`]).

mod fit;
mod measure;
mod parts;
mod patterns;
#[cfg(test)]
mod tests;
mod told;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use self::fit::{fit_input, fit_output};
use self::parts::Parts;
pub use self::told::expected;
use self::told::shorten;
use super::json::is_too_deep;

/// Size of one schema, as text.
pub const BYTES_MAX: usize = 128 << 10;
/// How deep the parts of a schema may be nested, references followed, before the check goes into the value.
pub const DEPTH_MAX: usize = 64;
/// Schemas within a schema.
pub const PARTS_MAX: usize = 10_000;
/// Regular expressions in one schema, and the length of one.
pub const PATTERNS_MAX: usize = 256;
pub const PATTERN_BYTES_MAX: usize = 1_000;
/// Memory of all of them, compiled and in use.
pub const PATTERNS_MEMORY_MAX: usize = 16 << 20;

/// Memory for one compiled regular expression, and for what it remembers while it runs.
const PATTERN_MEMORY_BYTES: usize = 256 << 10;
/// Steps back that a regular expression may take that needs any; most need none.
const BACKTRACKS: usize = 2_000;
/// What is made of a schema takes so many times as much as its text, patterns apart.
const TIMES_TEXT: usize = 8;
/// Problems that are told at once.
const PROBLEMS: usize = 10;
/// Above these steps one problem is enough: looking for all of them takes several times as long. A check that
/// takes more is not one for a thread on which others wait.
const STEPS_FOR_ALL: u64 = 50_000;
/// Steps that are taken at once where they had to be found out one by one.
const STEPS_AT_ONCE: u64 = 10_000;

/// Why a schema is not taken, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SchemaError(String);

/// A schema, ready for use.
pub struct Schema {
    value: Value,
    size_bytes: usize,
    parts: Parts,
    validator: Validator,
}

/// Why a tool with these schemas cannot be used, if that is so.
pub fn problem(input: &str, output: Option<&str>) -> Option<String> {
    let read = |which: &str, text: &str| Schema::read(text).err().map(|why| in_words(which, &why));
    read("input", input).or_else(|| read("output", output?))
}

/// The reason for a quarantine.
pub fn in_words(which: &str, why: &SchemaError) -> String {
    format!("its {which} schema cannot be used: {why}")
}

/// One place of a value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// JSON pointer; empty for the whole.
    pub pointer: String,
    /// What was expected there. It quotes the schema, never the value.
    pub expected: String,
}

/// What a value is not held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    Misfits(Vec<Misfit>),
    /// To find out takes more steps than it may.
    TooMuch,
}

impl Schema {
    /// # Errors
    /// In words for the author of the schema.
    pub fn read(text: &str) -> Result<Self, SchemaError> {
        if text.len() > BYTES_MAX {
            return Err(SchemaError(format!("it has more than {BYTES_MAX} bytes; describe less of it")));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| SchemaError(format!("it is no JSON: {error}")))?;
        if is_too_deep(text) {
            return Err(SchemaError("it is nested too deeply".to_owned()));
        }
        Self::of(value, text.len())
    }

    fn of(value: Value, text_bytes: usize) -> Result<Self, SchemaError> {
        let draft = draft(&value);
        let parts = Parts::of(&value)?;
        let size_bytes = text_bytes * TIMES_TEXT + parts.patterns.size_bytes;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS)
            .size_limit(PATTERN_MEMORY_BYTES)
            .dfa_size_limit(PATTERN_MEMORY_BYTES);
        let options = jsonschema::options().with_draft(draft).offline().with_pattern_options(patterns);
        let built = match &value {
            // A dialect that is not known is read as the newest that is.
            Value::Object(members) if !knows(members.get("$schema")) => {
                let mut members = members.clone();
                members.remove("$schema");
                options.build(&Value::Object(members))
            }
            _ => options.build(&value),
        };
        let validator =
            built.map_err(|error| SchemaError(format!("it is no JSON Schema: {}", shorten(&error.to_string()))))?;
        Ok(Self { value, size_bytes, parts, validator })
    }

    /// About what it takes in memory, in use.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// As it was written.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether it is soon known if a value fits: so soon that others may wait meanwhile.
    pub fn is_quick(&self, value: &Value) -> bool {
        measure::simple(&self.parts, value, STEPS_FOR_ALL).is_some()
            || measure::steps(&self.value, &self.parts, value, STEPS_AT_ONCE).is_some()
    }

    /// Holds a value to the schema, in so many steps at most. It takes a while where [`Schema::is_quick`] says no.
    ///
    /// # Errors
    /// Where the value does not fit.
    pub fn check(&self, value: &Value, steps_max: u64) -> Result<(), Unfit> {
        let steps = measure::steps(&self.value, &self.parts, value, steps_max).ok_or(Unfit::TooMuch)?;
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let misfit = |error: jsonschema::ValidationError<'_>| Misfit {
            pointer: error.instance_path().to_string(),
            expected: expected(&error),
        };
        let misfits = if steps > STEPS_FOR_ALL {
            self.validator.validate(value).err().map(misfit).into_iter().collect()
        } else {
            self.validator.iter_errors(value).take(PROBLEMS).map(misfit).collect()
        };
        Err(Unfit::Misfits(misfits))
    }
}

/// The dialect of a schema; 2020-12 when it names none or another one.
fn draft(schema: &Value) -> Draft {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    DRAFTS.into_iter().find(|(word, _)| named.contains(word)).map_or(Draft::Draft202012, |(_, draft)| draft)
}

const DRAFTS: [(&str, Draft); 5] = [
    ("draft-04", Draft::Draft4),
    ("draft-06", Draft::Draft6),
    ("draft-07", Draft::Draft7),
    ("2019-09", Draft::Draft201909),
    ("2020-12", Draft::Draft202012),
];

/// Whether `$schema` is absent or the very address of a dialect.
fn knows(named: Option<&Value>) -> bool {
    let Some(named) = named.and_then(Value::as_str) else { return named.is_none() };
    let address = named.trim_end_matches('#');
    matches!(
        address,
        "http://json-schema.org/draft-04/schema"
            | "http://json-schema.org/draft-06/schema"
            | "http://json-schema.org/draft-07/schema"
            | "https://json-schema.org/draft/2019-09/schema"
            | "https://json-schema.org/draft/2020-12/schema"
    )
}
