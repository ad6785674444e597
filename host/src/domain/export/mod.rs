//! The file of an export: what stands in it, and how it is read.
//!
//! It holds servers with their tools, versions, requests and places for secrets, the policies, and the bytes
//! of components by digest. It never holds a secret value, an account, a key or a folder of the machine. What
//! is read here is only taken apart: nothing of it is believed but names, texts and sources, and all of these
//! are checked again where they are kept. Schemas do not stand in it; they are derived anew from the sources.
//!
//! Files of the first MCPbox, versions 1.0 to 1.2, are read into the same shape ([`original`]).

mod canonical;
mod original;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::canonical::canonical;
use super::binding::GivenBinding;
use super::digest::Digest;
use super::request::RequestStatus;
use super::source::{SourceAuth, SourceTransport};
use super::tool::{ApprovalStatus, ServerStatus, ToolKind};

/// What `format` says.
pub const FORMAT: &str = "mcpbox-export";
/// The version that is written.
pub const VERSION: &str = "2.0";
/// The member that is not signed, because it is the signature.
pub const SIGNATURE: &str = "signature";

/// A file without its signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub format: String,
    pub version: String,
    pub exported_at: String,
    /// The policies that people set, by name.
    #[serde(default)]
    pub settings: Map<String, Value>,
    #[serde(default)]
    pub servers: Vec<ServerPart>,
    /// By digest.
    #[serde(default)]
    pub components: BTreeMap<String, ComponentPart>,
    /// What an older format has and this one has not, in words.
    #[serde(skip)]
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPart {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub status: Option<ServerStatus>,
    #[serde(default)]
    pub default_timeout_ms: Option<u64>,
    /// Hosts that people opened to the whole server, or asked for it.
    #[serde(default)]
    pub hosts: Vec<HostPart>,
    #[serde(default)]
    pub secrets: Vec<SecretPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourcePart>,
    #[serde(default)]
    pub tools: Vec<ToolPart>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretPart {
    pub key_name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<GivenBinding>,
}

/// Another MCP server, without what lets us in there; its tools are imported again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePart {
    pub name: String,
    pub url: String,
    pub transport_type: SourceTransport,
    pub auth_type: SourceAuth,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_header_name: Option<String>,
    #[serde(default)]
    pub private_network: bool,
}

/// A request for a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPart {
    /// `host` or `host:port`.
    pub host: String,
    pub justification: String,
    pub status: RequestStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
}

/// A request for a module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModulePart {
    pub module_name: String,
    pub justification: String,
    pub status: RequestStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolPart {
    /// By which it is known on its server; its newest version may bring another one.
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Of a component: those of its tools that are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled_tools: Vec<String>,
    /// The oldest first; the last one is the newest.
    pub versions: Vec<VersionPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_requests: Vec<HostPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub module_requests: Vec<ModulePart>,
}

/// One state of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionPart {
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub kind: ToolKind,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// The source; not of a component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The digest of a component's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// What files said that their tools ask for. Tools ask for no secrets, so it is read and makes nothing.
    #[serde(default, skip_serializing)]
    pub secret_names: Vec<String>,
    /// Where it stood; it is never taken over as approved.
    pub approval_status: ApprovalStatus,
    #[serde(default)]
    pub is_live: bool,
    #[serde(default)]
    pub change_summary: String,
    /// What its approval covered, for those who compare two installations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The bytes of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentPart {
    pub size_bytes: u64,
    /// In base64. None: they were left out, and are looked for where the file is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

fn yes() -> bool {
    true
}

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExportError {
    /// JSON Pointer (RFC 6901) into the file.
    pub pointer: String,
    pub message: String,
}

impl ExportError {
    fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// Takes a file apart, with its signature taken off before.
///
/// # Errors
/// When it is no export, of a version that is not known, or not in its shape; with the place.
pub fn read(file: Map<String, Value>) -> Result<Export, ExportError> {
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    match (text("format"), text("version")) {
        (Some(FORMAT), Some(VERSION)) => typed(Value::Object(file)),
        (Some(FORMAT), other) => Err(ExportError::at(
            "/version",
            format!("version `{}` of an export is not known here; this installation reads {VERSION}", short(other)),
        )),
        (None, Some("1.0" | "1.1" | "1.2")) => original::read(file),
        (None, Some(other)) => Err(ExportError::at(
            "/version",
            format!(
                "version `{}` is not known here; files of the first MCPbox are 1.0, 1.1 or 1.2",
                short(Some(other))
            ),
        )),
        _ => Err(ExportError::at("", "this is no export of MCPbox: it has no `format` and no `version`")),
    }
}

fn short(text: Option<&str>) -> String {
    text.unwrap_or("(none)").chars().take(32).collect()
}

/// A value in the shape of `T`; what does not fit is pointed at.
fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ExportError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                serde_path_to_error::Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                serde_path_to_error::Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
                _ => break,
            }
        }
        ExportError::at(pointer, error.inner().to_string())
    })
}

/// A member's name within a JSON Pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Export {
    /// Servers, tools, versions, requests, secrets, sources and components together.
    pub fn items(&self) -> usize {
        let of_tool = |tool: &ToolPart| {
            1 + tool.versions.len()
                + tool.network_requests.len()
                + tool.module_requests.len()
                + tool.disabled_tools.len()
                + tool.versions.iter().map(|v| v.hosts.len() + v.modules.len() + v.secret_names.len()).sum::<usize>()
        };
        let of_server = |server: &ServerPart| {
            1 + server.hosts.len()
                + server.secrets.len()
                + server.sources.len()
                + server.tools.iter().map(of_tool).sum::<usize>()
        };
        self.servers.iter().map(of_server).sum::<usize>() + self.components.len() + self.settings.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn what_is_no_export_is_refused_with_its_place() {
        for (file, pointer, words) in [
            (json!({}), "", "no export"),
            (json!({"format": "other", "version": "2.0"}), "", "no export"),
            (json!({"format": FORMAT, "version": "3.0"}), "/version", "reads 2.0"),
            (json!({"format": FORMAT}), "/version", "(none)"),
            (json!({"version": "0.9"}), "/version", "1.0, 1.1 or 1.2"),
            (json!({"format": FORMAT, "version": "2.0"}), "", "exported_at"),
            (json!({"format": FORMAT, "version": "2.0", "exported_at": "", "extra": 1}), "/extra", "unknown field"),
            (
                json!({"format": FORMAT, "version": "2.0", "exported_at": "", "servers": [{"name": "a", "tools": 1}]}),
                "/servers/0/tools",
                "invalid type",
            ),
        ] {
            let error = read(object(file.clone())).expect_err("it is no export");
            assert!(error.message.contains(words), "{file} {error}");
            assert_eq!(error.pointer, pointer, "{file} {error}");
        }
    }

    #[test]
    fn a_file_that_says_which_secrets_a_tool_asks_for_is_read_and_it_is_not_said_again() {
        let version =
            json!({"name": "count", "kind": "python_code", "secret_names": ["KEY"], "approval_status": "approved"});
        let tool = json!({"name": "count", "versions": [version]});
        let file = json!({"format": FORMAT, "version": "2.0", "exported_at": "",
                          "servers": [{"name": "a", "tools": [tool]}]});
        let read = read(object(file)).expect("it is an export");
        assert_eq!(read.servers[0].tools[0].versions[0].secret_names, ["KEY"]);
        let written = serde_json::to_string(&read).expect("JSON");
        assert!(!written.contains("secret_names"), "{written}");
    }

    /// Any JSON, with the words of our formats in it more often than chance would have them.
    fn any_json() -> impl Strategy<Value = Value> {
        let word = prop::sample::select(vec![
            "format",
            "version",
            "servers",
            "tools",
            "versions",
            "name",
            "kind",
            "code",
            "component",
            "components",
            "secrets",
            "hosts",
            "host",
            "status",
            "settings",
            "mcpbox-export",
            "2.0",
            "1.0",
            "1.1",
            "1.2",
            "python_code",
            "approved",
            "allowed_hosts",
            "module_requests",
            "network_access_requests",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            word.clone().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((word.clone(), inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_panics_and_what_is_read_is_written_alike(mut file in any_json(), version in prop::sample::select(vec!["2.0", "1.0", "1.1", "1.2"])) {
            if let Some(file) = file.as_object_mut() {
                file.insert("version".into(), version.into());
                if version == "2.0" {
                    file.insert("format".into(), FORMAT.into());
                    file.insert("exported_at".into(), "".into());
                } else {
                    file.remove("format");
                }
                if let Ok(export) = read(file.clone()) {
                    prop_assert!(export.items() < 10_000);
                    let written = serde_json::to_value(&export).expect("JSON");
                    let again = read(object(written)).expect("it was written here");
                    prop_assert_eq!(Export { left_out: vec![], ..export }, again);
                }
            }
        }
    }
}
