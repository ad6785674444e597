//! What a component offers and what it asks for, as an inspection finds it. None of it is trusted: it
//! is what a person looks at before anything runs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What is kept of an inspection beside the tools themselves, so that a person sees it without the
/// component being opened again. It follows from the bytes and decides nothing: what a call may use is
/// decided when the component is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Surface {
    pub world: ComponentWorld,
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    pub capabilities: Vec<Capability>,
    pub skipped: Vec<Skipped>,
}

impl Inspection {
    /// The tools, and the rest.
    pub fn split(self) -> (Vec<Export>, Surface) {
        let Self { world, exports, imports, capabilities, tools, skipped } = self;
        (tools, Surface { world, exports, imports, capabilities, skipped })
    }
}
