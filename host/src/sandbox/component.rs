//! Components of the contract: a fresh instance for each tool that is called, prompt that is made and
//! resource that is read.

use serde::Serialize;
use serde_json::value::RawValue;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, InstancePre};
use wasmtime::{Engine, Store};

use super::bindings::tool::exports::mcpbox::guest::{completion, icons, prompts, resources, skills, tools};
use super::compile::CompileError;
use super::content::{body_bytes, content, embedded, role, size_bytes};
use super::guest::{Ended, Watch, supervise};
use super::offers::{self, Listed};
use super::skills::listed as skills_listed;
use super::state::State;
use crate::domain::component::{Completion, CompletionOf, Entry, Export, ToolAnnotations};
use crate::domain::content::{Content, EmbeddedResource, Role, ToolResult};
use crate::domain::json;
use crate::domain::outcome::{Bound, Exception, Outcome};
use crate::limits::Limits;

/// Suggestions in one answer, as MCP has it.
const SUGGESTIONS_MAX: usize = 100;

/// A component that speaks the contract, ready to be instantiated, with the interfaces that it has.
pub(super) struct Contract {
    pre: InstancePre<State>,
    tools: tools::GuestIndices,
    /// Found once: to look up an interface by name, and hold all its functions to their types, takes as long as a
    /// short call.
    call_tool: ComponentExportIndex,
    icons: Option<icons::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    skills: Option<skills::GuestIndices>,
    completion: Option<completion::GuestIndices>,
}

impl Contract {
    /// # Errors
    /// When an interface that it exports lacks a function.
    pub(super) fn new(pre: InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            call_tool: function(&pre, "tools", "call-tool")?,
            tools: tools::GuestIndices::new(&pre)?,
            icons: exports(&pre, "icons").then(|| icons::GuestIndices::new(&pre)).transpose()?,
            prompts: exports(&pre, "prompts").then(|| prompts::GuestIndices::new(&pre)).transpose()?,
            resources: exports(&pre, "resources").then(|| resources::GuestIndices::new(&pre)).transpose()?,
            skills: exports(&pre, "skills").then(|| skills::GuestIndices::new(&pre)).transpose()?,
            completion: exports(&pre, "completion").then(|| completion::GuestIndices::new(&pre)).transpose()?,
            pre,
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// Its tools, and what it lists beside them. Refused is what it says of its skills, when that cannot be.
    pub(super) async fn list(
        &self,
        store: &mut Store<State>,
        watch: &Watch,
        limits: &Limits,
    ) -> Ended<Result<(Vec<Export>, Listed), CompileError>> {
        let instance = supervise(store, watch, async |store| self.pre.instantiate_async(store).await).await?;
        let tools = supervise(store, watch, async |store| {
            self.tools.load(&mut *store, &instance)?.call_list_tools(store).await
        });
        let tools = tools.await?.into_iter().map(export).collect();
        let mut listed = Listed { completes: self.completion.is_some(), ..Listed::default() };
        if let Some(prompts) = &self.prompts {
            listed.prompts = supervise(store, watch, async |store| {
                prompts.load(&mut *store, &instance)?.call_list_prompts(store).await
            })
            .await?;
        }
        if let Some(resources) = &self.resources {
            (listed.resources, listed.templates) = supervise(store, watch, async |store| {
                let resources = resources.load(&mut *store, &instance)?;
                Ok((resources.call_list_resources(&mut *store).await?, resources.call_list_templates(store).await?))
            })
            .await?;
        }
        if let Some(icons) = &self.icons {
            listed.icons =
                supervise(store, watch, async |store| icons.load(&mut *store, &instance)?.call_list_icons(store).await)
                    .await?;
        }
        if let Some(skills) = &self.skills {
            let found = supervise(store, watch, async |store| {
                skills.load(&mut *store, &instance)?.call_list_skills(store).await
            });
            let found = found.await?;
            let resources = self.resources.as_ref().map(|resources| (resources, &instance));
            listed.skills = match skills_listed(found, resources, store, watch, limits).await? {
                Ok(skills) => skills,
                Err(refused) => return Ok(Err(refused)),
            };
        }
        Ok(Ok((tools, listed)))
    }

    /// Runs one thing of it to its end.
    pub(super) async fn run(&self, store: &mut Store<State>, watch: &Watch, entry: &Entry, arguments: &str) -> Outcome {
        let result_bytes = store.data().budget.result_bytes;
        let ended = match (entry, self) {
            (Entry::Tool(name), _) => {
                let called = supervise(store, watch, async |store| {
                    let instance = self.pre.instantiate_async(&mut *store).await?;
                    let call = instance.get_typed_func::<(&str, &str), (ToolAnswer,)>(&mut *store, &self.call_tool)?;
                    Ok(call.call_async(store, (name, arguments)).await?.0)
                });
                called.await.map(|answer| tool_answered(name, answer, result_bytes))
            }
            (Entry::Prompt { name, arguments }, Self { prompts: Some(prompts), .. }) => {
                let arguments = pairs(arguments);
                let called = supervise(store, watch, async |store| {
                    let instance = self.pre.instantiate_async(&mut *store).await?;
                    prompts.load(&mut *store, &instance)?.call_get_prompt(store, name, &arguments).await
                });
                called.await.map(|answer| prompt_answered(entry, answer, result_bytes))
            }
            (Entry::Resource { uri }, Self { resources: Some(resources), .. }) => {
                let called = supervise(store, watch, async |store| {
                    let instance = self.pre.instantiate_async(&mut *store).await?;
                    resources.load(&mut *store, &instance)?.call_read_resource(store, uri).await
                });
                called.await.map(|answer| resource_answered(entry, answer, result_bytes))
            }
            (Entry::Completion(wanted), Self { completion: Some(completion), .. }) => {
                let Completion { of, name, value, others } = wanted;
                let (of, others) = (reference(of), pairs(others));
                let called = supervise(store, watch, async |store| {
                    let instance = self.pre.instantiate_async(&mut *store).await?;
                    let completion = completion.load(&mut *store, &instance)?;
                    completion.call_complete(store, &of, name, value, &others).await
                });
                called.await.map(|suggestions| suggested(suggestions, result_bytes))
            }
            (other, _) => Ok(has_none(other)),
        };
        ended.unwrap_or_else(|outcome| outcome)
    }
}

/// Whether a component exports this interface of the contract.
fn exports(pre: &InstancePre<State>, interface: &str) -> bool {
    exported(pre, interface).is_some()
}

/// The name under which a component exports this interface of the contract.
fn exported(pre: &InstancePre<State>, interface: &str) -> Option<String> {
    let name = format!("mcpbox:guest/{interface}@1.");
    let component = pre.component();
    let ty = component.component_type();
    let mut exports = ty.exports(component.engine());
    let found = exports
        .find(|(export, item)| export.starts_with(&name) && matches!(item.ty, ComponentItem::ComponentInstance(_)));
    found.map(|(export, _)| export.to_owned())
}

/// Where a component has this function of the contract.
///
/// # Errors
/// When it has none.
fn function(pre: &InstancePre<State>, interface: &str, name: &str) -> wasmtime::Result<ComponentExportIndex> {
    let component = pre.component();
    let found = exported(pre, interface)
        .and_then(|interface| component.get_export_index(None, &interface))
        .and_then(|interface| component.get_export_index(Some(&interface), name));
    found.ok_or_else(|| wasmtime::Error::msg(format!("no exported function `{name}` of `{interface}` found")))
}

type ToolAnswer = Result<tools::ToolResult, tools::ToolError>;

fn pairs(arguments: &std::collections::BTreeMap<String, String>) -> Vec<(String, String)> {
    arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn reference(of: &CompletionOf) -> completion::Reference {
    match of {
        CompletionOf::Prompt(name) => completion::Reference::Prompt(name.clone()),
        CompletionOf::Template(template) => completion::Reference::Template(template.clone()),
    }
}

fn export(tool: tools::Tool) -> Export {
    Export {
        name: tool.name,
        title: tool.title,
        description: tool.description,
        input_schema: tool.input_schema,
        output_schema: tool.output_schema,
        annotations: tool.annotations.map(|hints| ToolAnnotations {
            read_only: hints.read_only,
            destructive: hints.destructive,
            idempotent: hints.idempotent,
            open_world: hints.open_world,
        }),
    }
}

/// What a component says of its tools, if it can be.
///
/// # Errors
/// Refuses the component for the first tool that cannot be, with what is wrong with it.
pub(super) fn checked(mut tools: Vec<Export>, limits: &Limits) -> Result<Vec<Export>, CompileError> {
    let count = tools.len();
    if count == 0 {
        return Err(CompileError::Refused("the component lists no tools".to_owned()));
    }
    if count as u64 > limits.component_tools {
        return Err(CompileError::Refused(format!(
            "the component lists {count} tools; the limit is {}",
            limits.component_tools
        )));
    }
    tools.sort_by(|one, other| one.name.cmp(&other.name));
    for (at, tool) in tools.iter().enumerate() {
        let name: String = tool.name.chars().take(offers::NAME_BYTES).collect();
        let fault = if !offers::is_name(&tool.name) {
            Some(offers::NAME_RULE.to_owned())
        } else if at > 0 && tools[at - 1].name == tool.name {
            Some("it is listed twice".to_owned())
        } else {
            let output = tool.output_schema.as_deref().and_then(|schema| schema_fault("output schema", schema));
            schema_fault("input schema", &tool.input_schema).or(output)
        };
        if let Some(fault) = fault {
            return Err(CompileError::Refused(format!("the component lists a tool `{name}` that cannot be: {fault}")));
        }
    }
    Ok(tools)
}

/// MCP wants the schema of an object for both.
fn schema_fault(what: &str, schema: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    // Depth first: a reader that recurses must not see what is too deep. What is not JSON is told next.
    if json::is_too_deep(schema) {
        return Some(format!("its {what} is nested deeper than {} levels", json::DEPTH_MAX));
    }
    match serde_json::from_str::<Head<'_>>(schema) {
        Err(error) => Some(format!("its {what} is not a JSON object: {error}")),
        Ok(Head { kind }) if kind.is_none_or(|kind| kind.get() != "\"object\"") => {
            Some(format!("its {what} lacks `\"type\": \"object\"`"))
        }
        Ok(_) => None,
    }
}

/// What becomes of a request for something that a component does not have at all.
pub(super) fn has_none(entry: &Entry) -> Outcome {
    match entry {
        Entry::Tool(name) => Outcome::Trapped { message: format!("the component does not know its own tool `{name}`") },
        Entry::Prompt { name, .. } => Outcome::InvalidArguments { message: format!("there is no prompt `{name}`") },
        Entry::Resource { uri } => Outcome::ResourceNotFound { uri: uri.clone() },
        Entry::Completion(_) => answered(&Suggested { values: Vec::new(), total: None, has_more: false }),
    }
}

fn raised(message: String) -> Outcome {
    Outcome::Raised(Exception { message, ..Exception::default() })
}

fn refused(message: String) -> Outcome {
    Outcome::InvalidArguments { message }
}

/// Of an error no more is told than of a result.
fn bounded(message: String, result_bytes: usize, outcome: fn(String) -> Outcome) -> Outcome {
    if message.len() > result_bytes { Outcome::Stopped(Bound::ResultSize) } else { outcome(message) }
}

/// The members of MCP's result.
fn answered(members: &impl Serialize) -> Outcome {
    match serde_json::value::to_raw_value(members) {
        Ok(json) => Outcome::Answered(json),
        Err(error) => Outcome::Trapped { message: format!("the answer is no JSON: {error}") },
    }
}

fn tool_answered(name: &str, answer: ToolAnswer, result_bytes: usize) -> Outcome {
    match answer {
        Ok(result) => returned(result, result_bytes),
        Err(tools::ToolError::UnknownTool) => has_none(&Entry::Tool(name.to_owned())),
        Err(tools::ToolError::InvalidArguments(message)) => bounded(message, result_bytes, refused),
        Err(tools::ToolError::Failed(message)) => bounded(message, result_bytes, raised),
    }
}

fn returned(result: tools::ToolResult, result_bytes: usize) -> Outcome {
    let size: usize =
        result.content.iter().map(size_bytes).sum::<usize>() + result.structured.as_ref().map_or(0, String::len);
    if size > result_bytes {
        return Outcome::Stopped(Bound::ResultSize);
    }
    let structured_content = match result.structured.map(RawValue::from_string).transpose() {
        Ok(structured) => structured,
        Err(error) => {
            return Outcome::Trapped { message: format!("the structured result is not JSON: {error}") };
        }
    };
    if structured_content.as_deref().is_some_and(|json| json::is_too_deep(json.get())) {
        return Outcome::Trapped { message: "the structured result is nested too deeply".to_owned() };
    }
    Outcome::Returned(ToolResult { content: result.content.into_iter().map(content).collect(), structured_content })
}

/// MCP's `GetPromptResult`.
#[derive(Serialize)]
struct PromptMade {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct Message {
    role: Role,
    content: Content,
}

fn prompt_answered(
    asked: &Entry,
    answer: Result<prompts::PromptResult, prompts::PromptError>,
    result_bytes: usize,
) -> Outcome {
    let prompts::PromptResult { description, messages } = match answer {
        Ok(result) => result,
        Err(prompts::PromptError::UnknownPrompt) => return has_none(asked),
        Err(prompts::PromptError::InvalidArguments(message)) => return bounded(message, result_bytes, refused),
        Err(prompts::PromptError::Failed(message)) => return bounded(message, result_bytes, raised),
    };
    let size = messages.iter().map(|message| size_bytes(&message.content)).sum::<usize>();
    if size + description.as_ref().map_or(0, String::len) > result_bytes {
        return Outcome::Stopped(Bound::ResultSize);
    }
    let message = |message: prompts::Message| Message { role: role(message.role), content: content(message.content) };
    answered(&PromptMade { description, messages: messages.into_iter().map(message).collect() })
}

/// MCP's `ReadResourceResult`.
#[derive(Serialize)]
struct ResourceRead {
    contents: Vec<EmbeddedResource>,
}

fn resource_answered(
    asked: &Entry,
    answer: Result<Vec<resources::Contents>, resources::ReadError>,
    result_bytes: usize,
) -> Outcome {
    let contents = match answer {
        // What is empty is not there: MCP never answers an empty list.
        Ok(contents) if contents.is_empty() => return has_none(asked),
        Ok(contents) => contents,
        Err(resources::ReadError::NotFound) => return has_none(asked),
        Err(resources::ReadError::Failed(message)) => return bounded(message, result_bytes, raised),
    };
    let size = |one: &resources::Contents| {
        one.uri.len() + one.mime_type.as_ref().map_or(0, String::len) + body_bytes(&one.body)
    };
    if contents.iter().map(size).sum::<usize>() > result_bytes {
        return Outcome::Stopped(Bound::ResultSize);
    }
    let one = |one: resources::Contents| embedded(one.uri, one.mime_type, one.body);
    answered(&ResourceRead { contents: contents.into_iter().map(one).collect() })
}

/// MCP's `completion`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Suggested {
    values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u32>,
    has_more: bool,
}

fn suggested(suggestions: completion::Suggestions, result_bytes: usize) -> Outcome {
    let completion::Suggestions { mut values, total, has_more } = suggestions;
    let has_more = has_more || values.len() > SUGGESTIONS_MAX;
    values.truncate(SUGGESTIONS_MAX);
    if values.iter().map(String::len).sum::<usize>() > result_bytes {
        return Outcome::Stopped(Bound::ResultSize);
    }
    answered(&Suggested { values, total, has_more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_bounded_like_a_result() {
        let long = || "x".repeat(11);
        let is_too_large = |outcome| matches!(outcome, Outcome::Stopped(Bound::ResultSize));
        assert!(is_too_large(tool_answered("t", Err(tools::ToolError::Failed(long())), 10)));
        assert!(is_too_large(tool_answered("t", Err(tools::ToolError::InvalidArguments(long())), 10)));
        let raised = tool_answered("t", Err(tools::ToolError::Failed(long())), 11);
        assert!(matches!(raised, Outcome::Raised(exception) if exception.message == long()));
        let asked = Entry::Resource { uri: "a:b".to_owned() };
        assert!(is_too_large(resource_answered(&asked, Err(resources::ReadError::Failed(long())), 10)));
        let empty = |uri: &str| resources::Contents {
            uri: uri.to_owned(),
            mime_type: None,
            body: resources::ResourceBody::Text(String::new()),
        };
        assert!(is_too_large(resource_answered(&asked, Ok(vec![empty(&long())]), 10)), "names count too");
        assert!(matches!(resource_answered(&asked, Ok(vec![empty("a:b")]), 10), Outcome::Answered(_)));
    }
}
