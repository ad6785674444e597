//! Compiled tools: a component of the contract's world `tool`, a fresh instance per call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use wasmtime::Store;

use super::bindings::tool::exports::mcpbox::guest::tools;
use super::bindings::tool::mcpbox::guest::types;
use super::bindings::tool::{Tool, ToolPre};
use super::compile::CompileError;
use super::guest::{Ended, Watch, supervise};
use super::state::State;
use crate::domain::component::{Export, ToolAnnotations};
use crate::domain::content::{Annotations, Content, EmbeddedResource, ResourceBody, Role, ToolResult};
use crate::domain::json;
use crate::domain::outcome::{Bound, Exception, Outcome};
use crate::limits::Limits;

async fn start(pre: &ToolPre<State>, store: &mut Store<State>, watch: &Watch) -> Ended<Tool> {
    supervise(store, watch, async |store| pre.instantiate_async(store).await).await
}

/// The tools of a component.
pub(super) async fn list(pre: &ToolPre<State>, store: &mut Store<State>, watch: &Watch) -> Ended<Vec<Export>> {
    let instance = start(pre, store, watch).await?;
    let guest = instance.mcpbox_guest_tools();
    let listed = supervise(store, watch, async |store| guest.call_list_tools(store).await).await?;
    Ok(listed
        .into_iter()
        .map(|tool| Export {
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
        })
        .collect())
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
        let name: String = tool.name.chars().take(NAME_MAX).collect();
        let fault = if !is_name(&tool.name) {
            Some(format!("its name is not 1 to {NAME_MAX} of `A-Z`, `a-z`, `0-9`, `_` and `-`"))
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

/// Length of a tool's name.
const NAME_MAX: usize = 64;

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_letter)
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

/// Calls one tool of a component.
pub(super) async fn call(
    pre: &ToolPre<State>,
    store: &mut Store<State>,
    watch: &Watch,
    name: &str,
    arguments: &str,
) -> Outcome {
    let instance = match start(pre, store, watch).await {
        Ok(instance) => instance,
        Err(outcome) => return outcome,
    };
    let result_bytes = store.data().budget.result_bytes;
    let guest = instance.mcpbox_guest_tools();
    match supervise(store, watch, async |store| guest.call_call_tool(store, name, arguments).await).await {
        Err(outcome) => outcome,
        Ok(Ok(result)) => returned(result, result_bytes),
        Ok(Err(tools::ToolError::UnknownTool)) => {
            Outcome::Trapped { message: format!("the component does not know its own tool `{name}`") }
        }
        Ok(Err(tools::ToolError::InvalidArguments(message))) => Outcome::InvalidArguments { message },
        Ok(Err(tools::ToolError::Failed(message))) => Outcome::Raised(Exception { message, ..Exception::default() }),
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

/// What a piece of content weighs; text and bytes count, the words around them do not.
fn size_bytes(content: &types::Content) -> usize {
    match content {
        types::Content::Text(text) => text.text.len(),
        types::Content::Image(blob) | types::Content::Audio(blob) => blob.data.len(),
        types::Content::ResourceLink(link) => link.uri.len() + link.name.len(),
        types::Content::Resource(resource) => match &resource.body {
            types::ResourceBody::Text(text) => text.len(),
            types::ResourceBody::Blob(bytes) => bytes.len(),
        },
    }
}

fn content(content: types::Content) -> Content {
    match content {
        types::Content::Text(text) => Content::Text { text: text.text, annotations: text.annotations.map(annotations) },
        types::Content::Image(blob) => Content::Image {
            data: STANDARD.encode(blob.data),
            mime_type: blob.mime_type,
            annotations: blob.annotations.map(annotations),
        },
        types::Content::Audio(blob) => Content::Audio {
            data: STANDARD.encode(blob.data),
            mime_type: blob.mime_type,
            annotations: blob.annotations.map(annotations),
        },
        types::Content::ResourceLink(link) => Content::ResourceLink {
            uri: link.uri,
            name: link.name,
            title: link.title,
            description: link.description,
            mime_type: link.mime_type,
            size: link.size,
            annotations: link.annotations.map(annotations),
        },
        types::Content::Resource(resource) => Content::Resource {
            resource: EmbeddedResource {
                uri: resource.uri,
                mime_type: resource.mime_type,
                body: match resource.body {
                    types::ResourceBody::Text(text) => ResourceBody::Text(text),
                    types::ResourceBody::Blob(bytes) => ResourceBody::Blob(STANDARD.encode(bytes)),
                },
            },
            annotations: resource.annotations.map(annotations),
        },
    }
}

fn annotations(given: types::ContentAnnotations) -> Annotations {
    Annotations {
        audience: given
            .audience
            .into_iter()
            .map(|role| match role {
                types::Role::User => Role::User,
                types::Role::Assistant => Role::Assistant,
            })
            .collect(),
        priority: given.priority.filter(|priority| priority.is_finite()),
        last_modified: given.last_modified,
    }
}
