//! The methods of MCP that are answered here, one file each.

pub mod cancelled;
pub mod complete;
pub mod directory_read;
pub mod discover;
pub mod initialize;
pub mod listen;
pub mod ping;
pub mod prompts_get;
pub mod prompts_list;
pub mod resources_list;
pub mod resources_read;
pub mod resources_subscribe;
pub mod set_level;
pub mod skills_get;
pub mod skills_list;
pub mod tasks_cancel;
pub mod tasks_get;
pub mod tasks_update;
pub mod templates_list;
pub mod tools_call;
pub mod tools_list;

use serde::de::DeserializeOwned;

use super::error::{Failure, Kind};
use super::jsonrpc::Params;

/// A method that a request may name. `initialize` is not among them: it makes the session that the
/// others need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Ping,
    SetLevel,
    Discover,
    ToolsList,
    ToolsCall,
    PromptsList,
    PromptsGet,
    ResourcesList,
    TemplatesList,
    ResourcesRead,
    Complete,
    ResourcesSubscribe,
    ResourcesUnsubscribe,
    Listen,
    TasksGet,
    TasksUpdate,
    TasksCancel,
    SkillsList,
    SkillsGet,
    DirectoryRead,
}

/// Name, whether legacy sessions have it, whether modern requests have it.
const TABLE: [(&str, Method, bool, bool); 20] = [
    ("ping", Method::Ping, true, false),
    ("logging/setLevel", Method::SetLevel, true, false),
    ("server/discover", Method::Discover, false, true),
    ("tools/list", Method::ToolsList, true, true),
    ("tools/call", Method::ToolsCall, true, true),
    ("prompts/list", Method::PromptsList, true, true),
    ("prompts/get", Method::PromptsGet, true, true),
    ("resources/list", Method::ResourcesList, true, true),
    ("resources/templates/list", Method::TemplatesList, true, true),
    ("resources/read", Method::ResourcesRead, true, true),
    ("completion/complete", Method::Complete, true, true),
    ("resources/subscribe", Method::ResourcesSubscribe, true, false),
    ("resources/unsubscribe", Method::ResourcesUnsubscribe, true, false),
    ("subscriptions/listen", Method::Listen, false, true),
    ("tasks/get", Method::TasksGet, false, true),
    ("tasks/update", Method::TasksUpdate, false, true),
    ("tasks/cancel", Method::TasksCancel, false, true),
    ("skills/list", Method::SkillsList, false, true),
    ("skills/get", Method::SkillsGet, false, true),
    ("resources/directory/read", Method::DirectoryRead, false, true),
];

impl Method {
    /// The method of this name in the given era.
    ///
    /// # Errors
    /// -32601.
    pub fn of(name: &str, modern: bool) -> Result<Self, Failure> {
        let found = TABLE.into_iter().find(|(known, ..)| *known == name);
        match found {
            Some((_, method, _, true)) if modern => Ok(method),
            Some((_, method, true, _)) if !modern => Ok(method),
            _ => Err(Failure::unknown_method(name)),
        }
    }

    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        TABLE.into_iter().find(|(_, method, ..)| *method == self).map_or("", |(name, ..)| name)
    }

    /// Whether it may run for long and say something before its answer.
    pub fn is_long(self) -> bool {
        matches!(self, Self::ToolsCall | Self::PromptsGet | Self::ResourcesRead | Self::Complete | Self::Listen)
    }

    /// Whether what it says before its answer is what it is for, so that a stream alone can carry it.
    pub fn is_stream(self) -> bool {
        self == Self::Listen
    }
}

/// The parameters of a method; absent ones are `{}`.
///
/// # Errors
/// -32602 that says what does not fit.
pub(super) fn read<T: DeserializeOwned>(params: &Params) -> Result<T, Failure> {
    let text = params.as_deref().map_or("{}", |raw| raw.get());
    serde_json::from_str(text).map_err(|error| Failure::new(Kind::InvalidParams, format!("`params`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_has_its_methods() {
        for (name, legacy, modern) in [
            ("ping", true, false),
            ("logging/setLevel", true, false),
            ("server/discover", false, true),
            ("tools/list", true, true),
            ("tools/call", true, true),
            ("prompts/list", true, true),
            ("resources/read", true, true),
            ("completion/complete", true, true),
            ("initialize", false, false),
            ("resources/subscribe", true, false),
            ("subscriptions/listen", false, true),
            ("tasks/get", false, true),
            ("tasks/list", false, false),
            ("skills/list", false, true),
            ("skills/get", false, true),
            ("resources/directory/read", false, true),
            ("TOOLS/LIST", false, false),
            ("", false, false),
        ] {
            assert_eq!(Method::of(name, false).is_ok(), legacy, "{name}");
            assert_eq!(Method::of(name, true).is_ok(), modern, "{name}");
            for found in [Method::of(name, false), Method::of(name, true)] {
                match found {
                    Ok(method) => assert_eq!(method.as_str(), name),
                    Err(failure) => assert_eq!(failure.kind, Kind::MethodNotFound),
                }
            }
        }
    }
}
