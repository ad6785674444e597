//! Files of the first MCPbox, versions 1.0 to 1.2: `{version, exported_at, servers, admin_module_requests,
//! signature}`.
//!
//! Its signature was made with the other installation's encryption key, so that nobody else can verify it:
//! such a file counts as unsigned. Members that are not known are passed over, and what has no place here is
//! left out and said. Names there could hold spaces and capitals, which no MCP client can call; they are made
//! into names that can be.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Export, ExportError, FORMAT, HostPart, ModulePart, ServerPart, ToolPart, VERSION, VersionPart, typed};
use crate::domain::modules;
use crate::domain::request::RequestStatus;
use crate::domain::tool::{ApprovalStatus, ToolKind};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    exported_at: Option<String>,
    #[serde(default)]
    servers: Vec<Server>,
    #[serde(default)]
    admin_module_requests: Option<Vec<Module>>,
}

#[derive(Deserialize)]
struct Server {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    allowed_hosts: Option<Vec<String>>,
    #[serde(default)]
    default_timeout_ms: Option<u64>,
    #[serde(default)]
    admin_network_requests: Option<Vec<Host>>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    python_code: Option<String>,
    #[serde(default)]
    module_requests: Option<Vec<Module>>,
    #[serde(default)]
    network_access_requests: Option<Vec<Host>>,
}

#[derive(Deserialize)]
struct Module {
    module_name: String,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    status: Option<RequestStatus>,
}

#[derive(Deserialize)]
struct Host {
    host: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    status: Option<RequestStatus>,
}

/// What stands where nobody said why.
const NO_REASON: &str = "taken over from the first MCPbox";
/// As the requests here have it.
const REASON_MIN: usize = 10;

pub(super) fn read(file: Map<String, Value>) -> Result<Export, ExportError> {
    let file: File = typed(Value::Object(file))?;
    let mut left_out = Vec::new();
    for module in file.admin_module_requests.into_iter().flatten() {
        left_out.push(format!(
            "the module `{}` was approved for all tools; here a tool asks for what it imports",
            module.module_name
        ));
    }
    let servers = file.servers.into_iter().map(|server| of_server(server, &mut left_out)).collect();
    Ok(Export {
        format: FORMAT.to_owned(),
        version: VERSION.to_owned(),
        exported_at: file.exported_at.unwrap_or_default(),
        servers,
        left_out,
        ..Export::default()
    })
}

fn of_server(server: Server, left_out: &mut Vec<String>) -> ServerPart {
    let name = legal(&server.name, SERVER_NAME, "server", left_out);
    let mut hosts: Vec<HostPart> = server.admin_network_requests.into_iter().flatten().map(of_host).collect();
    for host in server.allowed_hosts.into_iter().flatten() {
        if !hosts.iter().any(|known| known.host == host) {
            let status = RequestStatus::Approved;
            hosts.push(HostPart { host, justification: NO_REASON.to_owned(), status, rejection_reason: None });
        }
    }
    let tools = server.tools.into_iter().flatten();
    ServerPart {
        tools: tools.filter_map(|tool| of_tool(&name, tool, left_out)).collect(),
        name,
        description: server.description.unwrap_or_default(),
        default_timeout_ms: server.default_timeout_ms,
        hosts,
        ..ServerPart::default()
    }
}

fn of_tool(server: &str, tool: Tool, left_out: &mut Vec<String>) -> Option<ToolPart> {
    let Some(code) = tool.python_code else {
        left_out.push(format!("the tool `{}` of `{server}` has no source", tool.name));
        return None;
    };
    let name = legal(&tool.name, TOOL_NAME, "tool", left_out);
    let network_requests: Vec<HostPart> = tool.network_access_requests.into_iter().flatten().map(of_host).collect();
    let asked = tool.module_requests.into_iter().flatten();
    // What every Python tool may import is not asked for.
    let asked = asked.filter(|module| !modules::is_standard(&module.module_name));
    let module_requests: Vec<ModulePart> = asked.map(of_module).collect();
    let asks = |status: RequestStatus| status != RequestStatus::Rejected;
    let version = VersionPart {
        name: name.clone(),
        description: tool.description.unwrap_or_default(),
        kind: ToolKind::PythonCode,
        timeout_ms: tool.timeout_ms,
        code: Some(code),
        component: None,
        hosts: network_requests.iter().filter(|it| asks(it.status)).map(|it| it.host.clone()).collect(),
        modules: module_requests.iter().filter(|it| asks(it.status)).map(|it| it.module_name.clone()).collect(),
        secret_names: Vec::new(),
        // What came with a file waited for review there, too.
        approval_status: ApprovalStatus::PendingReview,
        is_live: false,
        change_summary: String::new(),
        digest: None,
    };
    Some(ToolPart {
        name,
        enabled: tool.enabled.unwrap_or(true),
        versions: vec![version],
        network_requests,
        module_requests,
        ..ToolPart::default()
    })
}

fn of_host(host: Host) -> HostPart {
    let name = match host.port {
        Some(port) => format!("{}:{port}", host.host),
        None => host.host,
    };
    let status = host.status.unwrap_or(RequestStatus::Pending);
    HostPart { host: name, justification: reason(host.justification), status, rejection_reason: None }
}

fn of_module(module: Module) -> ModulePart {
    ModulePart {
        module_name: module.module_name,
        justification: reason(module.justification),
        status: module.status.unwrap_or(RequestStatus::Pending),
        rejection_reason: None,
    }
}

fn reason(given: Option<String>) -> String {
    given.filter(|text| text.trim().chars().count() >= REASON_MIN).unwrap_or_else(|| NO_REASON.to_owned())
}

/// Longest names here, in characters.
const SERVER_NAME: usize = 40;
const TOOL_NAME: usize = 64;

/// A name that can be called, the nearest to the one that was given.
fn legal(given: &str, longest: usize, what: &str, left_out: &mut Vec<String>) -> String {
    let mut name = String::new();
    for letter in given.trim().chars() {
        match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => name.push(letter),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        name.insert_str(0, if name.is_empty() { what } else { "n" });
    }
    let name: String = name.chars().take(longest).collect();
    let name = name.trim_end_matches('_').to_owned();
    if name != given {
        let given: String = given.chars().take(64).collect();
        left_out.push(format!("the {what} `{given}` is called `{name}` here"));
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::names::{ServerName, ToolName};

    fn file(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_file_of_the_first_version_has_servers_with_tools_and_little_else() {
        let read = read(file(json!({
            "version": "1.0", "exported_at": "2026-01-01T00:00:00", "signature": "00",
            "servers": [{"name": "My Server", "tools": [{"name": "look", "python_code": "async def main(): ..."}]}],
        })))
        .expect("an export");
        let server = &read.servers[0];
        assert_eq!((server.name.as_str(), server.default_timeout_ms), ("my_server", None));
        assert_eq!(server.tools[0].versions[0].approval_status, ApprovalStatus::PendingReview);
        assert!(server.tools[0].enabled);
        assert_eq!(read.left_out, ["the server `My Server` is called `my_server` here"]);
    }

    #[test]
    fn a_file_of_the_last_version_brings_its_requests_and_time_limits() {
        let read = read(file(json!({
            "version": "1.2",
            "servers": [{
                "name": "weather", "description": null, "default_timeout_ms": 20_000,
                "allowed_hosts": ["a.example", "b.example:8443"],
                "admin_network_requests": [{"host": "a.example", "port": null, "status": "approved"}],
                "tools": [
                    {
                        "name": "look", "enabled": false, "timeout_ms": 5_000, "python_code": "x",
                        "input_schema": {"type": "object"},
                        "module_requests": [{"module_name": "numpy", "justification": "short", "status": "approved"}],
                        "network_access_requests": [
                            {"host": "c.example", "port": 443, "justification": "the forecast is there"},
                            {"host": "d.example", "status": "rejected"},
                        ],
                    },
                    {"name": "far", "tool_type": "mcp_passthrough"},
                ],
            }],
            "admin_module_requests": [{"module_name": "yaml"}],
        })))
        .expect("an export");
        let server = &read.servers[0];
        assert_eq!(server.default_timeout_ms, Some(20_000));
        let hosts: Vec<&str> = server.hosts.iter().map(|host| host.host.as_str()).collect();
        assert_eq!(hosts, ["a.example", "b.example:8443"]);
        assert_eq!(server.tools.len(), 1);
        let tool = &server.tools[0];
        assert_eq!((tool.enabled, tool.versions[0].timeout_ms), (false, Some(5_000)));
        assert_eq!(tool.versions[0].hosts, ["c.example:443"]);
        assert_eq!(tool.network_requests[0].justification, "the forecast is there");
        assert_eq!(tool.module_requests[0].justification, NO_REASON);
        assert_eq!(read.left_out.len(), 2, "{:?}", read.left_out);
    }

    proptest! {
        #[test]
        fn every_name_becomes_one_that_can_be_called(given in "\\PC{0,100}") {
            prop_assert!(legal(&given, SERVER_NAME, "server", &mut vec![]).parse::<ServerName>().is_ok());
            prop_assert!(legal(&given, TOOL_NAME, "tool", &mut vec![]).parse::<ToolName>().is_ok());
        }
    }
}
