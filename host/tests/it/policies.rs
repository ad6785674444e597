//! Every policy holds, through the doors that people and models use. In the host that came before this one
//! three of them were stored and shown, and changed nothing.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use mcpbox::domain::caller::{Caller, Who};
use mcpbox::domain::policy::TABLE;
use mcpbox::egress::MappedNetwork;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Admin, Host, PASSWORD, REVISION, Wishes};
use crate::internet::Site;

const ONE: &str = "def main() -> int:\n    return 1\n";
const TWO: &str = "def main() -> int:\n    return 2\n";

async fn set(admin: &Admin<'_>, policies: Value) -> Value {
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policies)).await
}

/// A call of a management tool by a client with a key on another machine.
async fn from_afar(host: &Host, key: &str, tool: &str, arguments: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
    "name": tool, "arguments": arguments, "_meta": {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", REVISION),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    let (_, _, answer) = host.send(Method::POST, "/mcp", Some(key), &headers, Some(&body)).await;
    answer["result"].clone()
}

#[test]
fn every_policy_has_a_test_that_it_holds() {
    let marks = include_str!("policies.rs");
    for policy in TABLE {
        assert!(marks.contains(&format!("/// Enforces: {}.", policy.name)), "{}", policy.name);
    }
}

#[tokio::test]
async fn people_read_and_change_the_policies() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let told = admin.ask(Method::GET, "/api/settings/security-policy", None).await;
    assert_eq!((&told["profile"], &told["four_eyes"]), (&json!("balanced"), &json!("off")), "{told}");
    let told = set(&admin, json!({"log_retention_days": 7, "redact_secrets_in_output": false})).await;
    assert_eq!((&told["log_retention_days"], &told["profile"]), (&json!(7), &json!(null)), "{told}");
    for (change, place) in [
        (json!({"four_eyes": "maybe"}), "/four_eyes"),
        (json!({"log_retention_days": 0}), "/log_retention_days"),
        (json!({"mcp_rate_limit_rpm": 10_001}), "/mcp_rate_limit_rpm"),
        (json!({"unknown": 1, "four_eyes": "on"}), "/unknown"),
    ] {
        let (status, answer) = admin.refused(Method::PATCH, "/api/settings/security-policy", Some(change)).await;
        assert_eq!((status.as_u16(), &answer["errors"][0]["pointer"]), (422, &json!(place)), "{answer}");
    }
    let body = Some(json!({"profile": "strict"}));
    let told = admin.ask(Method::PATCH, "/api/settings/security-profile", body).await;
    assert_eq!((&told["profile"], &told["on_tool_edit"]), (&json!("strict"), &json!("take_down")), "{told}");
    assert_eq!(told["log_retention_days"], json!(7), "a profile leaves numbers alone");

    let listed = admin.ask(Method::GET, "/api/settings", None).await;
    assert_eq!(listed["total"], json!(TABLE.len()), "{listed}");
    let row = listed["items"].as_array().expect("rows").iter().find(|row| row["name"] == "four_eyes").expect("a row");
    assert_eq!(
        (&row["value"], &row["default"], &row["updated_by"]),
        (&json!("on"), &json!("off"), &json!("admin:ada"))
    );
    let rows = admin.ask(Method::GET, "/api/audit", None).await;
    let row = &rows["items"][0];
    assert_eq!((&row["action"], &row["object_id"]), (&json!("policy.set"), &json!("strict")), "{rows}");
    assert_eq!((&row["before"]["four_eyes"], &row["after"]["four_eyes"]), (&json!("off"), &json!("on")));
}

#[tokio::test]
async fn what_another_process_decided_holds_within_two_seconds() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = model.make("weather", "forecast", ONE).await;
    set(&admin, json!({"draft_tests": "no_secrets_no_network"})).await;
    model.done("mcpbox_test_code", json!({"tool_id": tool})).await;
    host.tamper("UPDATE settings SET value = 'blocked' WHERE key = 'draft_tests'").await;
    host.clock.turn(chrono::TimeDelta::seconds(2));
    model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
}

/// Enforces: tool_approval_mode.
#[tokio::test]
async fn with_auto_approve_what_is_submitted_or_changed_is_live_at_once() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    set(&admin, json!({"tool_approval_mode": "auto_approve"})).await;
    let (_, tool) = model.make("weather", "forecast", ONE).await;
    assert!(!model.tools().await.contains(&"weather__forecast".to_owned()), "a draft is nobody's wish yet");
    let told = model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    assert_eq!((&told["approval_status"], &told["live_version"]), (&json!("approved"), &json!(1)), "{told}");
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 1}));
    let told = model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": TWO})).await;
    assert_eq!((&told["approval_status"], &told["live_version"]), (&json!("approved"), &json!(2)), "{told}");
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 2}));
    let version = admin.ask(Method::GET, &format!("/api/tools/{tool}/versions/2"), None).await;
    assert_eq!(version["reviewed_by"], json!("policy:tool_approval_mode"), "{version}");

    set(&admin, json!({"tool_approval_mode": "require_approval"})).await;
    let told = model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": ONE})).await;
    assert_eq!((&told["approval_status"], &told["live_version"]), (&json!("pending_review"), &json!(2)), "{told}");
}

/// Enforces: network_access_policy.
/// Fault: 2.network.
#[tokio::test]
async fn with_allow_all_public_a_name_is_granted_at_once_and_an_address_waits() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let (admin, model) = (host.admin().await, host.model());
    let hello = Router::new().route("/", any(|| async { "hello" }));
    let _site = Site::open(&network, "api.example.com", "93.184.215.14", hello).await;
    let inner = Site::open(&network, "inner.example.com", "192.168.1.5", Router::new()).await;
    set(&admin, json!({"network_access_policy": "allow_all_public"})).await;
    let source = "async def main(url: str) -> str:\n    return (await http.get(url)).text\n";
    let (_, tool) = model.make("net", "fetch", source).await;
    let ask = |host: &str| json!({"tool_id": tool, "host": host, "justification": "the weather is there"});
    for (name, status) in
        [("api.example.com", "approved"), ("inner.example.com", "approved"), ("192.168.1.5", "pending")]
    {
        let told = model.done("mcpbox_request_network_access", ask(name)).await;
        assert_eq!(told["requests"][0]["status"], json!(status), "{told}");
        assert_eq!(told["requests"][0]["requested_by"], json!("local"), "{told}");
    }
    admin.approve(&tool).await;
    let got = model.done("net__fetch", json!({"url": "http://api.example.com/"})).await;
    assert_eq!(got, json!({"result": "hello"}));
    // A public name that leads into a private network is no public host.
    model.failed("net__fetch", json!({"url": "http://inner.example.com/"})).await;
    assert!(inner.got().is_empty());

    set(&admin, json!({"network_access_policy": "require_approval"})).await;
    let told = model.done("mcpbox_request_network_access", ask("other.example.com")).await;
    assert_eq!(told["requests"][0]["status"], json!("pending"), "{told}");
}

/// Enforces: module_approval_mode.
/// Fault: 2.modules.
#[tokio::test]
async fn with_auto_approve_a_module_is_granted_at_once() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, tool) = model.make("weather", "forecast", ONE).await;
    let ask = async |module: &str| {
        let caller = Caller { who: Who::Local, from: None };
        let tools = vec![tool.parse().expect("an id")];
        host.app().service().module_request_create(&caller, tools, module, "it reads the tables").await.expect("asked");
    };
    ask("yaml").await;
    set(&admin, json!({"module_approval_mode": "auto_approve"})).await;
    ask("os.path").await;
    let path = format!("/api/approvals/server/{server}/modules");
    let rows = admin.ask(Method::GET, &path, None).await;
    let told: Vec<_> =
        rows["items"].as_array().expect("rows").iter().map(|row| (&row["module_name"], &row["status"])).collect();
    assert_eq!(told, [(&json!("yaml"), &json!("pending")), (&json!("os.path"), &json!("approved"))]);
    assert_eq!(rows["items"][1]["reviewed_by"], json!("policy:module_approval_mode"));
    let joins = "import os.path\ndef main() -> str:\n    return os.path.join('a', 'b')\n";
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": joins})).await;
    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": "a/b"}));
}

/// Enforces: redact_secrets_in_output.
/// Fault: 2.redaction.
#[tokio::test]
async fn secrets_are_shown_when_people_want_it_so_and_kept_in_no_log() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let source = "def main() -> str:\n    print(secrets['TOKEN'])\n    return secrets['TOKEN']\n";
    let (server, tool) = admin.tool("vault", "open", source).await;
    admin.secret(&server, "TOKEN", "hunter22-hunter22").await;
    let holds = |value: &Value| value.to_string().contains("hunter22-hunter22");
    assert!(!holds(&model.call("vault__open", json!({})).await));
    set(&admin, json!({"redact_secrets_in_output": false})).await;
    let shown = model.call("vault__open", json!({})).await;
    assert_eq!(shown["structuredContent"]["result"], json!("hunter22-hunter22"), "{shown}");
    set(&admin, json!({"redact_secrets_in_output": true})).await;
    assert!(!holds(&model.call("vault__open", json!({})).await));
    let token = admin.token;
    let mut host = host;
    // The rows are written when the host has stopped.
    host.restart().await;
    let admin = Admin { host: &host, token };
    let logs = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    assert_eq!(logs["total"], json!(3), "{logs}");
    assert!(!holds(&logs), "{logs}");
}

/// Enforces: mcp_rate_limit_rpm.
#[tokio::test]
async fn the_rate_is_the_one_that_people_set() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    set(&admin, json!({"mcp_rate_limit_rpm": 10})).await;
    for _ in 0..10 {
        assert_eq!(model.request("tools/list", json!({})).await.0, StatusCode::OK);
    }
    let (status, answer) = model.request("tools/list", json!({})).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    set(&admin, json!({"mcp_rate_limit_rpm": 10_000})).await;
    assert_eq!(model.request("tools/list", json!({})).await.0, StatusCode::OK);
}

/// Enforces: on_tool_edit.
#[tokio::test]
async fn with_take_down_a_changed_tool_answers_no_more_until_it_is_approved() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("weather", "forecast", ONE).await;
    set(&admin, json!({"on_tool_edit": "take_down"})).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 1}));
    let told = model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": TWO})).await;
    assert_eq!((&told["approval_status"], &told["live_version"]), (&json!("pending_review"), &json!(null)), "{told}");
    let (_, answer) = model.request("tools/call", json!({"name": "weather__forecast", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
    assert!(!model.tools().await.contains(&"weather__forecast".to_owned()));
    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 2}));
}

/// Enforces: draft_tests.
#[tokio::test]
async fn a_draft_is_tested_without_secrets_and_without_network_where_that_is_allowed() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let (admin, model) = (host.admin().await, host.model());
    let site = Site::open(&network, "api.example.com", "93.184.215.14", Router::new()).await;
    let source = "\
async def main() -> dict:
    try:
        await http.get('http://api.example.com/')
        reached = True
    except Exception:
        reached = False
    return {'secrets': sorted(secrets), 'reached': reached}
";
    let (server, tool) = model.make("vault", "open", source).await;
    admin.secret(&server, "TOKEN", "hunter22-hunter22").await;
    admin.allow(&server, "api.example.com").await;
    let told = model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert!(told.contains("draft_tests") && told.contains("mcpbox_request_publish"), "{told}");
    set(&admin, json!({"draft_tests": "no_secrets_no_network"})).await;
    let told = model.done("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert_eq!(told["result"], json!({"secrets": [], "reached": false}), "{told}");
    assert!(told["execution"]["notices"].to_string().contains("version 1, which nobody approved"), "{told}");
    assert!(site.got().is_empty());
    // A draft is called by nobody, and an approved version gets all that is its own.
    let (_, answer) = model.request("tools/call", json!({"name": "vault__open", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
    admin.approve(&tool).await;
    let told = model.done("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert_eq!(told["result"], json!({"secrets": ["TOKEN"], "reached": true}), "{told}");
    // A draft that was changed behind the host's back does not run either.
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": ONE})).await;
    host.tamper("UPDATE tool_versions SET description = 'harmless' WHERE number = 2").await;
    model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
}

/// Enforces: four_eyes.
#[tokio::test]
async fn with_four_eyes_another_person_approves_what_a_person_wrote_or_submitted() {
    let host = Host::start().await;
    let (ada, model) = (host.admin().await, host.model());
    host.app().service().admin_create(&Caller::operator(), "bob", PASSWORD).await.expect("an account");
    let bob = Admin { host: &host, token: host.login("bob").await };
    set(&ada, json!({"four_eyes": "on", "tool_approval_mode": "auto_approve"})).await;
    let (server, drafted) = model.make("weather", "forecast", ONE).await;
    let approve = json!({"action": "approve"});
    let decide = |tool: &str| format!("/api/approvals/tools/{tool}/action");

    // What a model wrote needs any person, and no policy takes a person's place.
    let told = model.done("mcpbox_request_publish", json!({"tool_id": drafted})).await;
    assert_eq!(told["approval_status"], json!("pending_review"), "{told}");
    ada.approve(&drafted).await;

    // What a person wrote needs another one.
    let body = json!({"name": "tides", "python_code": ONE});
    let written = ada.ask(Method::POST, &format!("/api/servers/{server}/tools"), Some(body)).await;
    let written = written["id"].as_str().expect("an id");
    let (status, answer) = ada.refused(Method::POST, &decide(written), Some(approve.clone())).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("another person")), "{answer}");
    // Also when a model changes a word of it afterwards.
    model.done("mcpbox_update_tool", json!({"tool_id": written, "description": "Tides."})).await;
    let (status, _) = ada.refused(Method::POST, &decide(written), Some(approve.clone())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    bob.approve(written).await;

    // Who changes or submits it has a hand in it.
    let body = json!({"description": "Tides of the world."});
    bob.ask(Method::PATCH, &format!("/api/tools/{written}"), Some(body)).await;
    let (status, _) = bob.refused(Method::POST, &decide(written), Some(approve.clone())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, other) = model.make("traffic", "jams", TWO).await;
    bob.ask(Method::POST, &decide(&other), Some(json!({"action": "submit"}))).await;
    let (status, _) = bob.refused(Method::POST, &decide(&other), Some(approve)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    ada.approve(&other).await;
    assert_eq!(model.done("traffic__jams", json!({})).await, json!({"result": 2}));
}

/// Enforces: four_eyes.
#[tokio::test]
async fn with_four_eyes_another_person_opens_a_host_to_a_whole_server() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let ada = host.admin().await;
    host.app().service().admin_create(&Caller::operator(), "bob", PASSWORD).await.expect("an account");
    let bob = Admin { host: &host, token: host.login("bob").await };
    let site = Site::open(&network, "api.example.com", "93.184.215.14", Router::new()).await;
    let source = "async def main() -> int:\n    return (await http.get('http://api.example.com/')).status\n";
    let (server, _) = ada.tool("weather", "look", source).await;
    set(&ada, json!({"four_eyes": "on"})).await;
    let path = format!("/api/servers/{server}/allowed-hosts");
    let open = json!({"host": "api.example.com"});
    let told = ada.ask(Method::POST, &path, Some(open.clone())).await;
    assert_eq!((&told["allowed_hosts"], &told["pending_requests"]["network"]), (&json!([]), &json!(1)), "{told}");
    assert_eq!(host.model().call("weather__look", json!({})).await["isError"], json!(true));
    assert_eq!(ada.refused(Method::POST, &path, Some(open)).await.0, StatusCode::CONFLICT);
    let waiting = ada.ask(Method::GET, "/api/approvals/network", None).await;
    let request = waiting["items"][0]["id"].as_str().expect("an id");
    let decide = format!("/api/approvals/network/{request}/action");
    let approve = json!({"action": "approve"});
    assert_eq!(ada.refused(Method::POST, &decide, Some(approve.clone())).await.0, StatusCode::FORBIDDEN);
    bob.ask(Method::POST, &decide, Some(approve)).await;
    assert_eq!(host.model().call("weather__look", json!({})).await["isError"], json!(false));
    assert_eq!(site.got().len(), 1);
    let told = ada.ask(Method::GET, &format!("/api/servers/{server}"), None).await;
    assert_eq!(told["allowed_hosts"], json!(["api.example.com"]));
}

/// Enforces: log_retention_days.
#[tokio::test]
async fn calls_are_forgotten_after_the_days_that_people_set() {
    let mut host = Host::start().await;
    let (_, tool) = host.admin().await.tool("weather", "forecast", ONE).await;
    host.model().done("weather__forecast", json!({})).await;
    // Every row is written when a host has stopped.
    host.restart().await;
    let logs = format!("/api/tools/{tool}/logs");
    // Of all times, also those that the limit alone would keep.
    for (policies, days, left) in [
        (json!({}), 20, 1),
        (json!({"log_retention_days": 30}), 0, 1),
        (json!({"log_retention_days": 25}), 4, 1),
        (json!({"log_retention_days": 24}), 0, 0),
    ] {
        host.clock.turn(chrono::TimeDelta::days(days));
        let admin = Admin { host: &host, token: host.login("ada").await };
        set(&admin, policies.clone()).await;
        host.app().service().logs_prune(&CancellationToken::new()).await.expect("it prunes");
        assert_eq!(admin.ask(Method::GET, &logs, None).await["total"], json!(left), "{policies}");
    }
}

/// Enforces: remote_tool_editing.
#[tokio::test]
async fn a_client_with_a_key_edits_only_where_that_is_enabled() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let key = host.app().service().api_key_create(&Caller::operator(), "far").await.expect("a key");
    let key = key.key;
    let (server, tool) = admin.tool("weather", "forecast", ONE).await;
    let edits = [
        ("mcpbox_create_server", json!({"name": "other"})),
        ("mcpbox_create_tool", json!({"server_id": server, "name": "more", "python_code": ONE})),
        ("mcpbox_update_tool", json!({"tool_id": tool, "python_code": TWO})),
    ];
    for (name, arguments) in &edits {
        let answer = from_afar(&host, &key, name, arguments.clone()).await;
        assert_eq!(answer["isError"], json!(true), "{name}: {answer}");
        assert!(answer.to_string().contains("remote_tool_editing"), "{name}: {answer}");
    }
    let called = from_afar(&host, &key, "weather__forecast", json!({})).await;
    assert_eq!(called["structuredContent"], json!({"result": 1}), "calling is no editing");
    let arguments = json!({"tool_id": tool, "host": "api.example.com", "justification": "the weather is there"});
    let asked = from_afar(&host, &key, "mcpbox_request_network_access", arguments).await;
    assert_eq!(asked["isError"], json!(false), "asking is no editing: {asked}");
    set(&admin, json!({"remote_tool_editing": "enabled"})).await;
    for (name, arguments) in edits {
        let answer = from_afar(&host, &key, name, arguments).await;
        assert_eq!(answer["isError"], json!(false), "{name}: {answer}");
    }
}
