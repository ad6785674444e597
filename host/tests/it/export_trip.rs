//! Whatever servers and tools there are, an export brings all of it to another host: what that host exports
//! again is the same, but for what a person has to decide anew. And the same at the command line.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::beside;
use crate::export_import::{export, import, trust};
use crate::fixtures;
use crate::harness::{Admin, Host, PASSWORD};

#[derive(Clone, Debug)]
struct Tool {
    name: String,
    description: String,
    /// 0: Python, 1: JavaScript, 2: a component.
    kind: usize,
    timeout_ms: Option<u64>,
    enabled: bool,
    submitted: bool,
    hosts: Vec<String>,
    edits: usize,
}

#[derive(Clone, Debug)]
struct Server {
    description: String,
    timeout_ms: Option<u64>,
    tools: Vec<Tool>,
    secrets: Vec<(String, Option<bool>)>,
    runs: bool,
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let host = prop::sample::select(vec!["api.example.com", "*.example.org:8443", "10.0.0.5", "[fd00::5]:80"]);
    let tool = (
        "[a-z]{1,6}",
        "[ -~äß\u{4e16}]{0,40}",
        0..3_usize,
        prop::option::of(100..300_000_u64),
        any::<bool>(),
        any::<bool>(),
        prop::collection::btree_set(host, 0..3),
        0..3_usize,
    );
    let tool = tool.prop_map(|(name, description, kind, timeout_ms, enabled, submitted, hosts, edits)| Tool {
        name,
        description,
        kind,
        timeout_ms,
        enabled,
        submitted,
        hosts: hosts.into_iter().map(str::to_owned).collect(),
        edits,
    });
    prop::collection::vec(tool, 0..4)
}

fn server() -> impl Strategy<Value = Server> {
    let secret = ("[A-Z]{2,6}", prop::option::of(any::<bool>()));
    (
        "[ -~äß]{0,30}",
        prop::option::of(100..300_000_u64),
        tools(),
        prop::collection::btree_map(secret.0, secret.1, 0..3),
        any::<bool>(),
    )
        .prop_map(|(description, timeout_ms, tools, secrets, runs)| Server {
            description,
            timeout_ms,
            tools,
            secrets: secrets.into_iter().collect(),
            runs,
        })
}

async fn build(admin: &Admin<'_>, number: usize, server: &Server) {
    let id = admin.server(&format!("server{number}")).await;
    let path = format!("/api/servers/{id}");
    let mut change = json!({"description": server.description});
    if let Some(ms) = server.timeout_ms {
        change["default_timeout_ms"] = ms.into();
    }
    admin.ask(Method::PATCH, &path, Some(change)).await;
    for (name, bound) in &server.secrets {
        let mut body = json!({"key_name": name, "description": "for the forecast"});
        match bound {
            Some(true) => body["binding"] = json!({"host": format!("{}.example", name.to_lowercase()), "query": "key"}),
            Some(false) => body["value"] = json!("hunter22 of ada"),
            None => {}
        }
        admin.ask(Method::POST, &format!("{path}/secrets"), Some(body)).await;
    }
    for (at, tool) in server.tools.iter().enumerate() {
        let name = format!("{}{at}", tool.name);
        // One server has each export once, so that there is one component at most.
        let is_component = tool.kind == 2 && server.tools[..at].iter().all(|other| other.kind != 2);
        let made = if is_component {
            admin.component(&id, &name, fixtures::component("many_tools")).await
        } else {
            let (language, code) = match tool.kind {
                1 => ("javascript", format!("export function main() {{ return {at} }}\n")),
                _ => ("python", format!("def main(a: int = {at}):\n    return a\n")),
            };
            let body = json!({"name": name, "language": language, "code": code});
            admin.ask(Method::POST, &format!("{path}/tools"), Some(body)).await
        };
        let tool_id = made["id"].as_str().expect("an id").to_owned();
        let mut change = json!({"enabled": tool.enabled});
        if !tool.description.trim().is_empty() {
            change["description"] = tool.description.clone().into();
        }
        if let Some(ms) = tool.timeout_ms {
            change["timeout_ms"] = ms.into();
        }
        admin.ask(Method::PATCH, &format!("/api/tools/{tool_id}"), Some(change)).await;
        for edit in 0..tool.edits {
            let change = json!({"description": format!("edit {edit} of {}", tool.description)});
            admin.ask(Method::PATCH, &format!("/api/tools/{tool_id}"), Some(change)).await;
        }
        for host in &tool.hosts {
            let ask = json!({"tool_id": tool_id, "host": host, "justification": "the forecast is there"});
            admin.host.model().done("mcpbox_request_network_access", ask).await;
        }
        if tool.submitted {
            admin.host.model().done("mcpbox_request_publish", json!({"tool_id": tool_id})).await;
        }
    }
    if !server.runs {
        admin.ask(Method::POST, &format!("/api/sandbox/servers/{id}/stop"), None).await;
    }
}

/// A file without what cannot be the same on two hosts: when, by whom, and what was said of each change; and
/// which versions wait, because of the older ones nobody decides any more.
fn comparable(mut file: Value) -> Value {
    for key in ["signature", "exported_at"] {
        file.as_object_mut().expect("an object").remove(key);
    }
    for server in file["servers"].as_array_mut().expect("servers") {
        for tool in server["tools"].as_array_mut().expect("tools") {
            for version in tool["versions"].as_array_mut().expect("versions") {
                for key in ["change_summary", "approval_status"] {
                    version.as_object_mut().expect("an object").remove(key);
                }
            }
        }
    }
    file
}

/// Fault: 9.import.
#[tokio::test]
async fn what_is_exported_comes_back_the_same_whatever_it_is() {
    let (here, there) = (Host::start().await, Host::start().await);
    let (admin, other) = (here.admin().await, there.admin().await);
    let mut runner = TestRunner::deterministic();
    let servers = prop::collection::vec(server(), 8).new_tree(&mut runner).expect("a value").current();
    for (number, server) in servers.iter().enumerate() {
        build(&admin, number, server).await;
    }
    let file = export(&admin, "versions=all").await;
    let (status, report) = import(&other, &trust(&file), &file).await;
    assert!(status.is_success(), "{report}");
    assert_eq!(report["left_out"], json!([]), "{report}");
    let back = export(&other, "versions=all").await;
    assert_eq!(comparable(back.clone()), comparable(file.clone()));
    // There and back again: what this host gets is signed by the other one now.
    let (status, report) = import(&admin, &format!("clashes=rename&{}", trust(&back)), &back).await;
    assert!(status.is_success(), "{report}");
    let doubled = export(&admin, "versions=all").await;
    assert_eq!(doubled["servers"].as_array().map(Vec::len), Some(16));
    let mut half = doubled;
    half["servers"]
        .as_array_mut()
        .expect("servers")
        .retain(|server| server["name"].as_str().is_some_and(|name| name.contains('_')));
    for server in half["servers"].as_array_mut().expect("servers") {
        let name = server["name"].as_str().expect("a name").replace("_2", "");
        server["name"] = json!(name);
    }
    assert_eq!(comparable(half), comparable(file));
}

#[tokio::test]
async fn a_person_exports_and_imports_at_the_command_line() {
    let (here, there) = (Host::start().await, Host::start().await);
    let admin = here.admin().await;
    admin.tool("weather", "forecast", "def main():\n    return 'sunny'\n").await;
    there.admin().await;
    let password = format!("{PASSWORD}\n");
    let written = beside(&here, &["export", "-o", "box.json", "--server", "weather", "-u", "ada"], &password).await;
    assert!(written.stderr.contains("Wrote 1 servers to box.json"), "{written:?}");
    let fingerprint = written.stderr.split("Signed with the key ").nth(1).and_then(|rest| rest.get(..64));
    let fingerprint = fingerprint.expect("a fingerprint").to_owned();
    std::fs::copy(here.data_dir().join("box.json"), there.data_dir().join("box.json")).expect("it is there");

    let refused = beside(&there, &["import", "box.json", "-u", "ada"], &password).await.refused();
    assert!(refused.contains(&format!("repeat with --trust {fingerprint}")), "{refused}");
    let line = ["import", "box.json", "-u", "ada", "--trust", &fingerprint];
    let told = beside(&there, &[&line[..], &["--dry-run"]].concat(), &password).await.done();
    assert!(told.contains("Would import server weather") && told.contains("tool forecast  pending_review"), "{told}");
    let told = beside(&there, &line, &password).await.done();
    assert!(told.contains("Imported server weather"), "{told}");
    let again = beside(&there, &line, &password).await.refused();
    let words = "already a server `weather`; import it under another name (--clashes rename), or leave it out \
                 (--clashes skip)";
    assert!(again.contains(words), "{again}");
    let dry = beside(&there, &[&line[..], &["--dry-run"]].concat(), &password).await;
    assert!(dry.code == Some(1) && dry.stdout.contains("Refused: /servers/0/name"), "{dry:?}");
    assert!(dry.stdout.contains("(--clashes rename)"), "{dry:?}");
    let renamed = beside(&there, &[&line[..], &["--clashes", "rename"]].concat(), &password).await.done();
    assert!(renamed.contains("Imported server weather_2"), "{renamed}");
    let all = beside(&here, &["export", "-u", "ada", "--all-versions", "--without-components"], &password).await.done();
    assert!(serde_json::from_str::<Value>(&all).is_ok_and(|file| file["signature"].is_object()), "{all}");
}
