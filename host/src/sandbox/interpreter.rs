//! An interpreter and one source: one generic instance per call, prepared ahead when that is possible.
//!
//! A call takes a prepared instance if there is one; otherwise it makes its own. Either way the
//! instance serves this one call and is dropped.

use std::sync::Arc;

use wasmtime::Store;

use super::bindings::interpreter::exports::mcpbox::guest::runner;
use super::bindings::interpreter::{Interpreter, InterpreterPre};
use super::content::{content, size_bytes};
use super::guest::{Ended, Watch, supervise, timed};
use super::javascript::Script;
use super::state::State;
use crate::domain::content::{Content, ToolResult};
use crate::domain::json;
use crate::domain::modules::Imports;
use crate::domain::outcome::{Bound, Exception, Outcome};

/// What the interpreter found in a source.
#[derive(Clone, Debug)]
pub struct Description {
    /// The source, compiled to the interpreter's own code.
    pub code: Arc<[u8]>,
    pub summary: String,
    /// JSON Schema of the arguments.
    pub input_schema: String,
    /// JSON Schema of the structured result, if the author gave a type.
    pub output_schema: Option<String>,
    /// The modules that its import statements name, each once.
    pub modules: Vec<String>,
    /// What only the host knows of it; none for Python, whose interpreter reads the types itself.
    pub(super) script: Option<Script>,
}

/// An interpreter that lives.
pub(super) struct Live {
    pub(super) store: Store<State>,
    instance: Interpreter,
}

/// Whether an instance could be prepared ahead of its call.
pub(super) enum Prepared {
    Ready(Live),
    /// The top level wants what only a call has, or fails without it.
    NeedsCall,
}

/// Makes an instance of the interpreter.
pub(super) async fn start(
    pre: &InterpreterPre<State>,
    mut store: Store<State>,
    watch: &Watch,
) -> (Store<State>, Ended<Interpreter>) {
    let instance = timed("instantiate", &mut store, watch, async |store| pre.instantiate_async(store).await).await;
    (store, instance)
}

/// Compiles a source and derives its schemas, running none of it.
pub(super) async fn describe(
    store: &mut Store<State>,
    instance: &Interpreter,
    watch: &Watch,
    source: &str,
) -> Ended<Description> {
    let runner = instance.mcpbox_guest_runner();
    let answer = supervise(store, watch, async |store| runner.call_describe(store, source).await).await?;
    let found = answer.map_err(raised)?;
    Ok(Description {
        code: found.code.into(),
        summary: found.summary,
        input_schema: found.input_schema,
        output_schema: found.output_schema,
        modules: found.modules,
        script: None,
    })
}

/// Runs the top level of a tool ahead of any call.
pub(super) async fn prepare(
    mut store: Store<State>,
    instance: Interpreter,
    watch: &Watch,
    code: &[u8],
    source: &str,
    imports: &Imports,
) -> Prepared {
    let runner = instance.mcpbox_guest_runner();
    let imports = handed(imports);
    let loaded =
        supervise(&mut store, watch, async |store| runner.call_load(store, code, source, true, None, &imports).await)
            .await;
    match loaded {
        Ok(Ok(runner::Loaded::Ready)) => Prepared::Ready(Live { store, instance }),
        // What fails here may succeed within a call; if not, the call tells why.
        _ => Prepared::NeedsCall,
    }
}

/// Runs the top level of a tool within its call.
pub(super) async fn load(
    store: &mut Store<State>,
    instance: &Interpreter,
    watch: &Watch,
    code: &[u8],
    source: &str,
    arguments: &str,
    imports: &Imports,
) -> Ended<()> {
    let runner = instance.mcpbox_guest_runner();
    let imports = handed(imports);
    let loaded = timed("load", store, watch, async |store| {
        runner.call_load(store, code, source, false, Some(arguments), &imports).await
    })
    .await?;
    loaded.map(|_| ()).map_err(raised)
}

fn handed(imports: &Imports) -> runner::Imports {
    let Imports { modules, advice, packages } = imports;
    runner::Imports { modules: modules.to_vec(), advice: advice.clone(), packages: packages.is_some() }
}

/// Compiles a module of a package; none when it cannot be compiled.
pub(super) async fn compile_module(
    store: &mut Store<State>,
    instance: &Interpreter,
    watch: &Watch,
    source: &[u8],
    file: &str,
) -> Ended<Option<Vec<u8>>> {
    let runner = instance.mcpbox_guest_runner();
    supervise(store, watch, async |store| runner.call_compile_module(store, source, file).await).await
}

/// Runs `main`.
pub(super) async fn call(
    store: &mut Store<State>,
    instance: &Interpreter,
    watch: &Watch,
    script: Option<&Script>,
    arguments: &str,
) -> Outcome {
    let runner = instance.mcpbox_guest_runner();
    let result_bytes = store.data().budget.result_bytes;
    let answer = timed("call", store, watch, async |store| runner.call_call(store, arguments).await).await;
    match answer {
        Err(outcome) => outcome,
        Ok(Err(exception)) => raised(exception),
        Ok(Ok(mut outcome)) => {
            if let Some(script) = script
                && outcome.result.len() <= result_bytes
            {
                outcome.structured = match &outcome.content {
                    None => script.structured(&outcome.result),
                    Some(_) => match script.structured_beside_content(&outcome.result) {
                        Ok(structured) => structured,
                        Err(exception) => return Outcome::Raised(exception),
                    },
                };
            }
            returned(outcome, result_bytes)
        }
    }
}

impl Live {
    pub(super) fn parts(self) -> (Store<State>, Interpreter) {
        (self.store, self.instance)
    }
}

/// The result in MCP's shape: content as it is; otherwise a text is a text, and everything else its JSON.
fn returned(outcome: runner::Outcome, result_bytes: usize) -> Outcome {
    let size = outcome.result.len() + outcome.structured.as_ref().map_or(0, String::len);
    let content_size: usize = outcome.content.iter().flatten().map(size_bytes).sum();
    if outcome.result.len() > result_bytes || content_size > result_bytes || size > result_bytes.saturating_mul(2) {
        return Outcome::Stopped(Bound::ResultSize);
    }
    let text = match serde_json::from_str::<&serde_json::value::RawValue>(&outcome.result) {
        Ok(json) if json.get().starts_with('"') => serde_json::from_str(json.get()).unwrap_or_default(),
        Ok(_) => outcome.result,
        Err(error) => return not_json(&error),
    };
    let structured_content = match outcome.structured.map(serde_json::value::RawValue::from_string).transpose() {
        Ok(structured) => structured,
        Err(error) => return not_json(&error),
    };
    if structured_content.as_deref().is_some_and(|json| json::is_too_deep(json.get())) {
        return Outcome::Raised(Exception {
            kind: "ValueError".to_owned(),
            message: format!("main returned a value that is nested deeper than {} levels", json::DEPTH_MAX),
            ..Exception::default()
        });
    }
    let content = match outcome.content {
        Some(pieces) => pieces.into_iter().map(content).collect(),
        None => vec![Content::text(text)],
    };
    Outcome::Returned(ToolResult { content, structured_content })
}

fn not_json(error: &serde_json::Error) -> Outcome {
    Outcome::Trapped { message: format!("the interpreter answered what is not JSON: {error}") }
}

fn raised(exception: runner::Exception) -> Outcome {
    Outcome::Raised(Exception {
        kind: exception.kind,
        message: exception.message,
        line: exception.line,
        traceback: exception.traceback,
        excerpt: exception.excerpt,
    })
}
