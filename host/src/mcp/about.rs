//! What this server says of itself, in the words of each era.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::abilities::TASKS;
use super::meta::SERVER_INFO;
use super::skills::SKILLS;
use super::versions::Version;
use crate::domain::names::ServerName;
use crate::service::calls::Execution;

/// `Implementation` of the schema.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Implementation {
    name: &'static str,
    title: &'static str,
    version: &'static str,
}

pub const IMPLEMENTATION: Implementation =
    Implementation { name: "mcpbox", title: "MCPbox", version: env!("CARGO_PKG_VERSION") };

/// What a model is told before it sees any tool, when it may write some.
pub const INSTRUCTIONS: &str = "MCPbox runs tools that you write yourself, each call in a fresh sandbox. \
Tools named `server__tool` are ready to be called. \
To make a new one: mcpbox_create_server (or mcpbox_list_servers), mcpbox_validate_code, mcpbox_create_tool, \
mcpbox_request_publish; then a person approves it, and it appears in the list of tools as `server__tool` as long \
as its server runs (mcpbox_start_server). A tool is Python or JavaScript with a function `main`; mcpbox_help tells all about it. \
If mcpbox_search_tools is listed, there are more tools than the list shows: find them with it. \
When a tool is unknown, list the tools again: the list changes whenever a person approves one.";

/// The same for a caller to whom no tools of management are shown.
pub const INSTRUCTIONS_OF_A_CALLER: &str = "Tools of MCPbox, each call of them in a fresh sandbox. \
If mcpbox_search_tools is listed, there are more tools than the list shows: find them with it. \
When a tool is unknown, list the tools again: the list changes whenever a person approves one.";

/// The same for one server that is served by itself.
pub fn instructions_of(server: &ServerName, description: &str) -> String {
    let mut text = format!("The tools of `{server}`, each call of them in a fresh sandbox of MCPbox. ");
    if !description.is_empty() {
        text.push_str(description);
        text.push(' ');
    }
    text.push_str("When a tool is unknown, list the tools again: the list changes whenever a person approves one.");
    text
}

/// `ServerCapabilities`. Prompts, resources, skills and completions are always served: their lists may be empty.
pub fn capabilities(version: Version) -> Value {
    let mut capabilities = json!({
        "logging": {},
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"subscribe": true, "listChanged": true},
    });
    if version >= Version::V2025_03_26 {
        capabilities["completions"] = json!({});
    }
    if version.is_modern() {
        capabilities["extensions"] = json!({ TASKS: {}, SKILLS: {"directoryRead": true} });
    }
    capabilities
}

/// `_meta` of a result.
#[derive(Debug, Default, Serialize)]
pub struct ResultMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/serverInfo", skip_serializing_if = "Option::is_none")]
    server_info: Option<Implementation>,
    #[serde(rename = "mcpbox/execution", skip_serializing_if = "Option::is_none")]
    execution: Option<&'a Execution>,
}

impl<'a> ResultMeta<'a> {
    /// A modern result says who made it; in an older one `initialize` has said so.
    pub fn new(modern: bool, execution: Option<&'a Execution>) -> Self {
        Self { server_info: modern.then_some(IMPLEMENTATION), execution }
    }

    pub fn is_empty(&self) -> bool {
        self.server_info.is_none() && self.execution.is_none()
    }
}

/// The members that end every modern result, as text: `"resultType":…,"_meta":…`.
pub(super) fn modern_members() -> &'static str {
    static MEMBERS: LazyLock<String> = LazyLock::new(|| {
        let meta = json!({SERVER_INFO: IMPLEMENTATION});
        format!(r#""resultType":"{COMPLETE}","_meta":{meta}"#)
    });
    &MEMBERS
}

/// A modern result: what it says, and what ends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modern<T> {
    #[serde(flatten)]
    said: T,
    result_type: &'static str,
    #[serde(rename = "_meta")]
    meta: ResultMeta<'static>,
}

impl<T> Modern<T> {
    /// One of this `resultType`.
    pub(super) fn new(said: T, result_type: &'static str) -> Self {
        Self { said, result_type, meta: ResultMeta::new(true, None) }
    }
}

/// Adds what ends a modern result that is all there is.
pub(super) fn complete(members: &mut Map<String, Value>) {
    members.insert("resultType".to_owned(), COMPLETE.into());
    members.insert("_meta".to_owned(), json!({ SERVER_INFO: IMPLEMENTATION }));
}

/// `resultType` of a result that is all there is.
pub const COMPLETE: &str = "complete";

#[cfg(test)]
mod tests {
    use super::super::manage;
    use super::*;

    #[test]
    fn the_instructions_name_only_tools_that_exist() {
        let names = |text: &'static str| {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            words.filter(|word| word.starts_with("mcpbox_"))
        };
        for word in names(INSTRUCTIONS) {
            assert!(manage::find(word).is_some(), "{word}");
        }
        for word in names(INSTRUCTIONS_OF_A_CALLER) {
            assert!(manage::is_meta(word), "{word}");
        }
    }

    #[test]
    fn the_members_of_a_modern_result_are_json() {
        let value: Value = serde_json::from_str(&format!("{{{}}}", modern_members())).expect("JSON");
        assert_eq!(value["resultType"], "complete");
        assert_eq!(value["_meta"][SERVER_INFO]["name"], "mcpbox");
    }
}
