//! Plain WIT components, made for something else: each function that they export is a tool.
//!
//! `docs/wit-mapping.md` is the mapping of types, names and results; what cannot be mapped is left
//! out by name, with the reason, and the rest works. A component none of whose functions can be a tool
//! is refused.

mod docs;
mod lift;
mod lower;
mod naming;
mod number;
mod schema;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Val};
use wasmtime::{Engine, Store};

use self::docs::Docs;
use self::lift::LiftError;
use self::shape::{Answer, Shape, Signature};
use super::guest::{Ended, Watch, supervise};
use super::state::State;
use crate::domain::component::{Export, Skipped};
use crate::domain::content::{Content, ToolResult};
use crate::domain::outcome::{Bound, Exception, Outcome};

/// Length of a signature in a description.
const SIGNATURE_CHARS: usize = 1_000;
/// Length of the name of a function and its interface together.
const PATH_BYTES: usize = 512;

/// A component that is ready to be called.
pub(super) struct Plain {
    pre: InstancePre<State>,
    /// By the name of the tool.
    functions: BTreeMap<String, Function>,
    pub(super) skipped: Vec<Skipped>,
}

struct Function {
    index: ComponentExportIndex,
    exported: Exported,
    signature: Signature,
    input_schema: String,
    output_schema: Option<String>,
}

/// A function as the component exports it.
struct Exported {
    interface: Option<String>,
    name: String,
    ty: ComponentFunc,
}

impl Exported {
    /// As people write it.
    fn path(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.name),
            None => self.name.to_owned(),
        }
    }
}

impl Plain {
    /// Makes tools of what the component exports.
    ///
    /// # Errors
    /// Why there is none, or that there are more than `tools_max`.
    pub(super) fn new(component: &Component, pre: InstancePre<State>, tools_max: usize) -> Result<Self, String> {
        let mut skipped = Vec::new();
        let exported = exported(component, &mut skipped);
        let count = exported.len() + skipped.len();
        if count > tools_max {
            return Err(format!("the component exports {count} functions; the limit is {tools_max}"));
        }
        let interfaces: BTreeSet<String> = exported.iter().filter_map(|function| function.interface.clone()).collect();
        let prefixes = naming::prefixes(interfaces.iter().map(String::as_str));
        let mut plain = Self { pre, functions: BTreeMap::new(), skipped };
        for function in exported {
            let prefix = function.interface.as_deref().and_then(|interface| prefixes.get(interface));
            let name = naming::tool(prefix.map(String::as_str), &function.name);
            let mut path = function.path();
            if path.len() > PATH_BYTES {
                path.truncate(path.floor_char_boundary(PATH_BYTES));
                plain.skipped.push(Skipped { name: path, reason: "its name is too long".to_owned() });
                continue;
            }
            if let Err(reason) = plain.add(component, function, name) {
                plain.skipped.push(Skipped { name: path, reason });
            }
        }
        if plain.functions.is_empty() {
            return Err(none_is_left(&plain.skipped));
        }
        plain.skipped.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(plain)
    }

    fn add(&mut self, component: &Component, exported: Exported, name: String) -> Result<(), String> {
        if let Some(inner) = exported.name.strip_prefix('[') {
            let kind = inner.split(']').next().unwrap_or(inner);
            return Err(format!("it is a {kind} of a resource, which lives only inside the component"));
        }
        let signature = Signature::of(&exported.ty)?;
        let (input_schema, output_schema) = schema::of(&signature)?;
        if self.functions.contains_key(&name) {
            return Err(format!("another function is already the tool `{name}`"));
        }
        let parent = exported.interface.as_deref().and_then(|interface| component.get_export_index(None, interface));
        let index = component.get_export_index(parent.as_ref(), &exported.name);
        let index = index.ok_or("it cannot be found in the component")?;
        self.functions.insert(name, Function { index, exported, signature, input_schema, output_schema });
        Ok(())
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// The tools, sorted by name. `bytes` is the component as it was uploaded, for its author's words.
    pub(super) fn tools(&self, bytes: &[u8]) -> Vec<Export> {
        let docs = Docs::of(bytes);
        let tool = |(name, function): (&String, &Function)| Export {
            name: name.clone(),
            title: None,
            description: docs
                .function(function.exported.interface.as_deref(), &function.exported.name)
                .unwrap_or_else(|| described(&function.exported, &function.signature)),
            input_schema: function.input_schema.clone(),
            output_schema: function.output_schema.clone(),
            annotations: None,
        };
        self.functions.iter().map(tool).collect()
    }

    /// Calls the function behind a tool with a JSON object of its parameters.
    pub(super) async fn call(&self, store: &mut Store<State>, watch: &Watch, tool: &str, arguments: &str) -> Outcome {
        let Some(Function { index, signature, .. }) = self.functions.get(tool) else {
            return Outcome::Trapped { message: format!("the component has no function for the tool `{tool}`") };
        };
        let params = match lower::arguments(&signature.params, arguments) {
            Ok(params) => params,
            Err(error) => return Outcome::InvalidArguments { message: error.to_string() },
        };
        store.set_hostcall_fuel(lift_bytes(store.data().budget.result_bytes));
        match self.run(store, watch, index, &params, &signature.answer).await {
            Ok(answer) => returned(&signature.answer, answer.as_ref(), store.data().budget.result_bytes),
            Err(outcome) => outcome,
        }
    }

    async fn run(
        &self,
        store: &mut Store<State>,
        watch: &Watch,
        index: &ComponentExportIndex,
        params: &[Val],
        answer: &Answer,
    ) -> Ended<Option<Val>> {
        let instance = supervise(store, watch, async |store| self.pre.instantiate_async(store).await).await?;
        let Some(function) = instance.get_func(&mut *store, index) else {
            return Err(Outcome::Trapped { message: "the function is gone from the instance".to_owned() });
        };
        let mut results = match answer {
            Answer::Nothing => Vec::new(),
            Answer::Value(_) | Answer::Fallible { .. } => vec![Val::Bool(false)],
        };
        supervise(store, watch, async |store| function.call_async(store, params, &mut results).await).await?;
        Ok(results.pop())
    }
}

/// Bytes of the host's memory that lifting a result may take. A list of bytes is lifted value by
/// value, each [`Val`] of it for a byte.
fn lift_bytes(result_bytes: usize) -> usize {
    const AROUND: usize = 1 << 20;
    result_bytes.saturating_mul(size_of::<Val>()).saturating_add(AROUND)
}

/// What componentize-py leaves in the components that it makes: it was called when they were built.
const PYTHON_START: (&str, &str) = ("exports", "init");

/// The functions of the root and of each exported interface; what else is exported and could be taken
/// for one is noted as skipped.
fn exported(component: &Component, skipped: &mut Vec<Skipped>) -> Vec<Exported> {
    let engine = component.engine();
    let mut functions = Vec::new();
    let mut skip = |name: String, reason: &str| skipped.push(Skipped { name, reason: reason.to_owned() });
    for (outer, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                functions.push(Exported { interface: None, name: outer.to_owned(), ty })
            }
            ComponentItem::ComponentInstance(interface) => {
                for (name, item) in interface.exports(engine) {
                    match item.ty {
                        _ if (outer, name) == PYTHON_START => {
                            skip(format!("{outer}#{name}"), "it belongs to componentize-py and has had its call");
                        }
                        ComponentItem::ComponentFunc(ty) => {
                            functions.push(Exported { interface: Some(outer.to_owned()), name: name.to_owned(), ty });
                        }
                        ComponentItem::Type(_) | ComponentItem::Resource(_) => {}
                        _ => skip(format!("{outer}#{name}"), "it is no function"),
                    }
                }
            }
            ComponentItem::Type(_) | ComponentItem::Resource(_) => {}
            ComponentItem::Component(_) | ComponentItem::Module(_) | ComponentItem::CoreFunc(_) => {
                skip(outer.to_owned(), "it is no function");
            }
        }
    }
    functions
}

/// What is said of a function whose author said nothing.
fn described(function: &Exported, signature: &Signature) -> String {
    let mut text = signature.to_string();
    if let Some((end, _)) = text.char_indices().nth(SIGNATURE_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    match &function.interface {
        Some(interface) => format!("`{}` of `{interface}`: {text}", function.name),
        None => format!("`{}`: {text}", function.name),
    }
}

/// Every reason, because each may be the one that the author can remove.
fn none_is_left(skipped: &[Skipped]) -> String {
    if skipped.is_empty() {
        return "the component exports no function, so it has no tools".to_owned();
    }
    let reasons: Vec<String> = skipped.iter().map(|Skipped { name, reason }| format!("`{name}`: {reason}")).collect();
    format!("no function of the component can be a tool. {}", reasons.join("; "))
}

/// The result in MCP's shape: a text is a text, everything else its JSON, and the same as structured
/// content, under `result` when it is no object.
fn returned(answer: &Answer, value: Option<&Val>, result_bytes: usize) -> Outcome {
    let outcome = match (answer, value) {
        (Answer::Nothing, None) => Ok(nothing()),
        (Answer::Value(shape), Some(value)) => succeeded(shape, value, result_bytes),
        (Answer::Fallible { ok, err }, Some(Val::Result(value))) => match value {
            Ok(None) => Ok(nothing()),
            Ok(Some(value)) => ok.as_ref().map_or(Err(LiftError::OtherType), |ok| succeeded(ok, value, result_bytes)),
            Err(value) => failed(err.as_ref(), value.as_deref(), result_bytes),
        },
        _ => Err(LiftError::OtherType),
    };
    outcome.unwrap_or_else(|error| match error {
        LiftError::TooLarge => Outcome::Stopped(Bound::ResultSize),
        LiftError::OtherType => Outcome::Trapped { message: error.to_string() },
    })
}

fn nothing() -> Outcome {
    Outcome::Returned(ToolResult { content: vec![Content::text("null".to_owned())], structured_content: None })
}

fn succeeded(shape: &Shape, value: &Val, result_bytes: usize) -> Result<Outcome, LiftError> {
    let json = lift::json(shape, value, result_bytes)?;
    let structured = if shape.is_object() { json.clone() } else { format!("{{\"result\":{json}}}") };
    let structured = RawValue::from_string(structured).map_err(|_| LiftError::OtherType)?;
    let text = told(json);
    Ok(Outcome::Returned(ToolResult { content: vec![Content::text(text)], structured_content: Some(structured) }))
}

/// What JSON says to people: a text is a text, everything else its JSON.
fn told(json: String) -> String {
    match json.starts_with('"') {
        true => serde_json::from_str(&json).unwrap_or(json),
        false => json,
    }
}

fn failed(shape: Option<&Shape>, value: Option<&Val>, result_bytes: usize) -> Result<Outcome, LiftError> {
    let message = match (shape, value) {
        (None, None) => "the function answered an error without a value".to_owned(),
        (Some(shape), Some(value)) => told(lift::json(shape, value, result_bytes)?),
        _ => return Err(LiftError::OtherType),
    };
    Ok(Outcome::Raised(Exception { message, ..Exception::default() }))
}
