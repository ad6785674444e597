//! JavaScript and TypeScript sources, before they run: parsed, their types read and taken out, in a
//! bounded child process; and exceptions afterwards, in the lines of their author.

mod jsdoc;
mod positions;
mod schema;
mod signature;
#[cfg(test)]
mod tests;
mod transpile;
mod types;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Semaphore;

use self::positions::{Origins, excerpt};
pub use self::transpile::transpile_here;
use self::transpile::{Answer, Mistake, Module};
use super::child::{self, ChildBounds, ChildEnd};
use crate::domain::outcome::{Exception, Outcome};

/// What one source may use while it is read: a hundred times what a large one needs.
const MEMORY_BYTES: u64 = 1 << 30;
const CPU_S: u64 = 5;
const TIME: Duration = Duration::from_secs(15);
/// The child's answer for each byte of source, and for the smallest one: code, positions and schemas.
const ANSWER_BYTES_PER_BYTE: u64 = 200;
const ANSWER_BYTES: u64 = 8 << 20;
/// Children at the same time; others wait.
const AT_ONCE: usize = 4;

/// What the host keeps of a source beside its compiled code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    origins: Origins,
    promised: Promised,
}

/// What the type of `main`'s result says of the structured one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Promised {
    #[default]
    Nothing,
    Object,
    /// An object `{"result": …}`, around what is none.
    Wrapped,
}

/// A source that was read.
pub(super) struct Read {
    /// None: the source itself.
    pub(super) code: Option<String>,
    pub(super) summary: String,
    pub(super) input_schema: String,
    pub(super) output_schema: Option<String>,
    pub(super) script: Script,
}

pub(super) struct Transpiler {
    program: PathBuf,
    places: Semaphore,
}

impl Transpiler {
    /// `program` is the `mcpbox` executable.
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program, places: Semaphore::new(AT_ONCE) }
    }

    /// Reads a source in a child. The outer error is the host's; the inner one the author's.
    ///
    /// # Errors
    /// When this machine cannot start the child.
    pub(super) async fn read(&self, source: &str) -> Result<Result<Read, Outcome>, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let output_bytes = ANSWER_BYTES + ANSWER_BYTES_PER_BYTE * source.len() as u64;
        let bounds = ChildBounds { memory_bytes: MEMORY_BYTES, cpu_s: CPU_S, time: TIME, output_bytes };
        let ended = child::run(&self.program, ["transpile".into()], source.as_bytes(), bounds).await;
        match ended.map_err(|error| error.to_string())? {
            ChildEnd::Done(answer) => decode(&answer, source),
            // Rust's own words; what else ends a child by a signal is one of its bounds.
            ChildEnd::Killed(said) if said.contains("overflowed its stack") => {
                Ok(Err(refused("the code is nested too deeply to be read; make it flatter")))
            }
            ChildEnd::Killed(_) | ChildEnd::TooSlow => {
                Ok(Err(refused("reading the code needs too much memory or time; make it simpler")))
            }
            ChildEnd::Refused(said) | ChildEnd::Failed(said) => Err(said),
        }
    }
}

fn refused(message: &str) -> Outcome {
    let kind = "SyntaxError".to_owned();
    let traceback = format!("{kind}: {message}");
    Outcome::Raised(Exception { kind, message: message.to_owned(), traceback, ..Exception::default() })
}

fn decode(answer: &[u8], source: &str) -> Result<Result<Read, Outcome>, String> {
    match serde_json::from_slice(answer).map_err(|error| format!("the child's answer cannot be read: {error}"))? {
        Answer::Module(Module { code, origins, summary, input_schema, output_schema, wrapped }) => {
            let promised = match (&output_schema, wrapped) {
                (None, _) => Promised::Nothing,
                (Some(_), false) => Promised::Object,
                (Some(_), true) => Promised::Wrapped,
            };
            let script = Script { origins, promised };
            Ok(Ok(Read { code, summary, input_schema, output_schema, script }))
        }
        Answer::Mistake(Mistake { kind, message, position }) => {
            let place = position.map(|at| format!("\n    at <tool>:{}:{}", at.line, at.column)).unwrap_or_default();
            let traceback = format!("{kind}: {message}{place}");
            let excerpt = position.map(|position| excerpt(source, position)).unwrap_or_default();
            let line = position.map(|position| position.line);
            Ok(Err(Outcome::Raised(Exception { kind, message, line, traceback, excerpt })))
        }
    }
}

impl Script {
    /// How a call ended, as the author of `source` should read it.
    pub(super) fn told(&self, outcome: Outcome, source: &str) -> Outcome {
        match outcome {
            Outcome::Raised(exception) => Outcome::Raised(positions::told(exception, &self.origins, source)),
            other => other,
        }
    }

    /// The structured result of a result, by the same rules as Python's.
    pub(super) fn structured(&self, result: &str) -> Option<String> {
        if self.promised == Promised::Wrapped {
            return Some(format!("{{\"result\":{result}}}"));
        }
        result.starts_with('{').then(|| result.to_owned())
    }

    /// The same of what stands beside content, where `null` is nothing.
    ///
    /// # Errors
    /// When it is not what the type of `main` promises.
    pub(super) fn structured_beside_content(&self, result: &str) -> Result<Option<String>, Exception> {
        let message = match (result, self.promised) {
            ("null", Promised::Nothing) => return Ok(None),
            ("null", _) => {
                "main returned content without the structured result that its type promises; return \
                 ctx.result(content, value), or give main the type Content"
            }
            _ => match self.structured(result) {
                Some(structured) => return Ok(Some(structured)),
                None => {
                    "what stands beside content in ctx.result is no object; put it into one, such as { value }, or \
                     say its type as that of main's result"
                }
            },
        };
        let (kind, message) = ("TypeError".to_owned(), message.to_owned());
        let traceback = format!("{kind}: {message}");
        Err(Exception { kind, message, traceback, ..Exception::default() })
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.origins.size_bytes()
    }
}
