//! What a component offers and what it asks for, as an inspection finds it. None of it is trusted: it
//! is what a person looks at before anything runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::Annotations;
use super::skill::Skill;

/// MCP's `ToolAnnotations`: hints of the author that a client may show, never a permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolAnnotations {
    #[serde(rename = "readOnlyHint", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub read_only: Option<bool>,
    #[serde(rename = "destructiveHint", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub destructive: Option<bool>,
    #[serde(rename = "idempotentHint", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub idempotent: Option<bool>,
    #[serde(rename = "openWorldHint", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub open_world: Option<bool>,
}

/// One tool of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// 1 to 64 of `[A-Za-z0-9_-]`, unique in the component.
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    /// JSON Schema of an object, as text.
    pub input_schema: String,
    /// JSON Schema of the structured result, as text.
    pub output_schema: Option<String>,
    pub annotations: Option<ToolAnnotations>,
}

/// A picture of a tool, a prompt or a resource: MCP's `Icon`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Icon {
    /// `https:` or `data:`.
    pub src: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mime_type: Option<String>,
    /// Such as `48x48` or `any`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub theme: Option<Theme>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    Light,
    Dark,
}

/// MCP's `PromptArgument`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromptArgument {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    #[serde(default)]
    pub required: bool,
}

/// MCP's `Prompt`; its name is the component's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Prompt {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    pub description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PromptArgument>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
}

/// MCP's `Resource`; its URI is the component's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    pub uri: String,
    #[serde(flatten)]
    pub face: ResourceFace,
    /// In bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub size: Option<u64>,
}

/// MCP's `ResourceTemplate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTemplate {
    /// RFC 6570.
    pub uri_template: String,
    #[serde(flatten)]
    pub face: ResourceFace,
}

/// What resources and templates have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFace {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub annotations: Option<Annotations>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
}

/// What a component offers beside its tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<Prompt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<ResourceTemplate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Skill>,
    /// Whether it suggests values for arguments.
    #[serde(default)]
    pub completes: bool,
    /// Icons of its tools, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tool_icons: BTreeMap<String, Vec<Icon>>,
}

/// What of a component is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The arguments are those of the job.
    Tool(String),
    Prompt {
        name: String,
        arguments: BTreeMap<String, String>,
    },
    Resource {
        uri: String,
    },
    Completion(Completion),
}

/// What a value is wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    pub of: CompletionOf,
    /// The argument of the prompt, the variable of the template.
    pub name: String,
    /// What was typed so far.
    pub value: String,
    /// The arguments that are settled.
    pub others: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompletionOf {
    Prompt(String),
    Template(String),
}

/// A function of a component that cannot be a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// As the component names it, such as `ns:pkg/files@1.0.0#open`.
    pub name: String,
    pub reason: String,
}

/// What a component can come to use when a call's grants allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Requests to granted hosts.
    Http,
    /// Granted folders.
    Files,
    /// The secrets of its server.
    Secrets,
    Clocks,
    Random,
    /// Standard output and error, which are kept.
    Output,
    Log,
    Progress,
    /// Questions to the person, the model or the client behind a call.
    Client,
    /// Telling clients that a list or a resource has changed.
    Notify,
}

/// Whose words a component speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComponentWorld {
    /// It exports `mcpbox:guest/tools` and lists its tools itself.
    Contract,
    /// It was made for something else: each function that it exports is a tool.
    Plain,
}

/// Everything that is known of a component without calling one of its tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    pub world: ComponentWorld,
    /// Names with versions, sorted.
    pub exports: Vec<String>,
    /// Names with versions, sorted.
    pub imports: Vec<String>,
    /// What its imports let it use, sorted.
    pub capabilities: Vec<Capability>,
    pub tools: Vec<Export>,
    pub skipped: Vec<Skipped>,
    pub offer: Offer,
}

/// What is kept of an inspection beside the tools themselves, so that a person sees it without the
/// component being opened again. It follows from the bytes and decides nothing: what a call may use is
/// decided when the component is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Surface {
    pub world: ComponentWorld,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    pub capabilities: Vec<Capability>,
    pub skipped: Vec<Skipped>,
    #[serde(flatten)]
    pub offer: Offer,
}

impl Inspection {
    /// The tools, and the rest.
    pub fn split(self) -> (Vec<Export>, Surface) {
        let Self { world, exports, imports, capabilities, tools, skipped, offer } = self;
        (tools, Surface { world, exports, imports, capabilities, skipped, offer })
    }
}
