//! What Python tools may import, through the doors that models and people use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::Host;

const JOINS: &str = "import os.path\ndef main() -> str:\n    return os.path.join('a', 'b')\n";
const COUNTS: &str =
    "import sqlite3\ndef main() -> int:\n    return sqlite3.connect(':memory:').execute('select 7').fetchone()[0]\n";

#[tokio::test]
async fn an_import_beyond_the_list_is_requested_decided_and_holds_from_the_next_call() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let check = model.done("mcpbox_validate_code", json!({"code": JOINS})).await;
    assert_eq!((&check["modules"], &check["modules_to_request"]), (&json!(["os.path"]), &json!(["os.path"])));
    let server = model.done("mcpbox_create_server", json!({"name": "paths"})).await["id"].clone();
    let made =
        model.done("mcpbox_create_tool", json!({"server_id": server, "name": "join", "python_code": JOINS})).await;
    assert_eq!((&made["modules"], &made["modules_to_request"]), (&json!(["os.path"]), &json!(["os.path"])));
    assert!(made["message"].as_str().is_some_and(|text| text.contains("mcpbox_request_module")), "{made}");
    let tool = made["id"].as_str().expect("an id").to_owned();
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert!(status["waiting"].to_string().contains("ask for the module os.path"), "{status}");
    admin.approve(&tool).await;

    // The sentence says which call requests it, in a test as in a call.
    let words = format!("mcpbox_request_module (tool_id \"{tool}\", module_name \"os.path\")");
    let called = model.failed("paths__join", json!({})).await;
    let tested = model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
    let tested: Value = serde_json::from_str(&tested).expect("JSON");
    for told in [called.as_str(), tested["content"][0]["text"].as_str().expect("a text")] {
        assert!(told.starts_with("ModuleNotAllowed: ") && told.contains(&words), "{told}");
    }
    let ask = json!({"tool_id": tool, "module_name": "os.path", "justification": "it joins paths"});
    let asked = model.done("mcpbox_request_module", ask).await;
    let id = asked["requests"][0]["id"].as_str().expect("an id").to_owned();
    model.failed("paths__join", json!({})).await;
    let decide = async |what: &str, body: Value| {
        admin.ask(Method::POST, &format!("/api/approvals/modules/{id}/{what}"), Some(body)).await
    };
    decide("action", json!({"action": "approve"})).await;
    for _ in 0..3 {
        assert_eq!(model.done("paths__join", json!({})).await, json!({"result": "a/b"}));
    }
    let seen = model.done("mcpbox_get_tool", json!({"tool_id": tool})).await;
    assert_eq!((&seen["current_version"], &seen["live_version"]), (&json!(1), &json!(1)), "no other version: {seen}");
    assert_eq!(seen["modules_to_request"], Value::Null, "{seen}");
    decide("revoke", json!({"reason": "do without"})).await;
    model.failed("paths__join", json!({})).await;
}

#[tokio::test]
async fn what_was_approved_for_one_tool_opens_nothing_to_another() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, first) = admin.tool("paths", "join", JOINS).await;
    admin.another_tool(&server, "join_too", JOINS).await;
    let ask = json!({"tool_id": first, "module_name": "os", "justification": "it joins paths"});
    let asked = model.done("mcpbox_request_module", ask).await;
    let path = format!("/api/approvals/modules/{}/action", asked["requests"][0]["id"].as_str().expect("an id"));
    admin.ask(Method::POST, &path, Some(json!({"action": "approve"}))).await;
    // The version asks for `os.path`; asking for more made another one, which waits.
    assert_eq!(model.done("paths__join", json!({})).await, json!({"result": "a/b"}));
    model.failed("paths__join_too", json!({})).await;
}

#[tokio::test]
async fn a_version_asks_for_what_its_source_imports_and_no_longer_for_what_it_does_not() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let source = "import json, yaml.nodes\nfrom os import path\nimport _thread\ndef main(): ...\n";
    let (_, tool) = model.make("paths", "join", source).await;
    let waiting = async || {
        let waiting = admin.ask(Method::GET, "/api/approvals/tools?status=draft", None).await;
        waiting["items"][0].clone()
    };
    let shown = waiting().await;
    assert_eq!(shown["version"]["modules"], json!(["os", "yaml"]), "{shown}");
    assert_eq!(shown["modules"][0]["status"], Value::Null, "{shown}");
    let ask = json!({"tool_id": tool, "module_name": "yaml.nodes", "justification": "the service answers in it"});
    let asked = model.done("mcpbox_request_module", ask).await;
    assert_eq!(asked["requests"][0]["module_name"], json!("yaml"), "a package is asked for as a whole");
    assert_eq!(waiting().await["modules"][1]["status"], json!("pending"));
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": "def main(): ...\n"})).await;
    let shown = waiting().await;
    assert_eq!(shown["version"]["modules"], json!(["yaml"]), "what it has requested, it asks for: {shown}");
    let summary = shown["version"]["change_summary"].as_str().expect("a text");
    assert!(summary.contains("no longer asks for the module os"), "{summary}");
}

#[tokio::test]
async fn people_change_the_list_for_every_tool() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    admin.tool("counts", "seven", COUNTS).await;
    let path = "/api/settings/modules";
    let list = admin.ask(Method::GET, path, None).await;
    assert_eq!((&list["is_custom_config"], &list["allowed_modules"]), (&json!(false), &list["default_modules"]));
    for _ in 0..2 {
        assert_eq!(model.done("counts__seven", json!({})).await, json!({"result": 7}));
    }
    let without = admin.ask(Method::PATCH, path, Some(json!({"remove_modules": ["sqlite3"]}))).await;
    assert_eq!(without["is_custom_config"], json!(true), "{without}");
    assert!(!without["allowed_modules"].to_string().contains("sqlite3"), "{without}");
    let told = model.failed("counts__seven", json!({})).await;
    assert!(told.contains("`sqlite3` is not among the modules"), "{told}");
    let back = admin.ask(Method::PATCH, path, Some(json!({"reset_to_defaults": true}))).await;
    assert_eq!(back, list);
    assert_eq!(model.done("counts__seven", json!({})).await, json!({"result": 7}));

    let audited = admin.ask(Method::GET, "/api/audit?action=modules.set", None).await;
    assert_eq!(audited["total"], json!(2), "{audited}");
    assert_eq!(audited["items"][1]["before"], json!({"removed": ["sqlite3"]}), "{audited}");
    for (change, words) in [
        (json!({"add_modules": ["yaml"]}), "approved tool by tool"),
        (json!({"add_modules": ["ctypes"]}), "needs a system around it"),
        (json!({"add_modules": ["not a name"]}), "identifiers joined by dots"),
        (json!({"remove_modules": ["os"]}), "is not in the list"),
        (json!({"nonsense": 1}), "nonsense"),
    ] {
        let (status, told) = admin.refused(Method::PATCH, path, Some(change)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
        assert!(told.to_string().contains(words), "{words}: {told}");
    }
    assert_eq!(admin.ask(Method::GET, path, None).await, list, "what is refused changes nothing");
}

#[tokio::test]
async fn every_module_of_the_list_and_of_the_requests_is_shown_by_page() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = model.make("paths", "join", JOINS).await;
    let ask = json!({"tool_id": tool, "module_name": "zzz", "justification": "it is the last one"});
    model.done("mcpbox_request_module", ask).await;
    let path = "/api/settings/modules/enhanced";
    let first = admin.ask(Method::GET, &format!("{path}?page_size=2"), None).await;
    let abc = json!({
        "module_name": "abc", "is_standard": true, "is_default": true, "is_allowed": true,
        "requests": {"pending": 0, "approved": 0, "rejected": 0},
    });
    assert_eq!(first["items"][0], abc, "{first}");
    let pages = first["pages"].as_u64().expect("a number");
    let last = admin.ask(Method::GET, &format!("{path}?page_size=2&page={pages}"), None).await;
    let zzz = last["items"].as_array().and_then(|items| items.last()).expect("a line");
    assert_eq!((&zzz["module_name"], &zzz["is_standard"]), (&json!("zzz"), &json!(false)), "{last}");
    assert_eq!((&zzz["is_allowed"], &zzz["requests"]["pending"]), (&json!(false), &json!(1)), "{last}");
}

#[tokio::test]
async fn a_module_that_no_request_could_bring_is_refused_at_once() {
    let host = Host::start().await;
    let model = host.model();
    let (_, tool) = model.make("paths", "join", JOINS).await;
    for (module, words) in
        [("ssl", "needs a system around it"), ("_socket", "private part"), ("json", "every Python tool")]
    {
        let ask = json!({"tool_id": tool, "module_name": module, "justification": "it is needed for the job"});
        let told = model.failed("mcpbox_request_module", ask).await;
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_list_that_another_process_changed_holds_within_two_seconds() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    admin.tool("counts", "seven", COUNTS).await;
    admin.open_modules(&["sys"]).await;
    assert_eq!(model.done("counts__seven", json!({})).await, json!({"result": 7}));
    host.tamper("UPDATE settings SET value = 'json' WHERE key = 'allowed_modules'").await;
    host.clock.turn(chrono::TimeDelta::seconds(2));
    model.failed("counts__seven", json!({})).await;
}

#[tokio::test]
async fn a_draft_under_test_may_import_what_was_approved_for_its_tool() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let policies = json!({"draft_tests": "no_secrets_no_network", "module_approval_mode": "auto_approve"});
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policies)).await;
    let (_, tool) = model.make("paths", "join", JOINS).await;
    let told = model.failed("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert!(told.contains("ModuleNotAllowed"), "{told}");
    let ask = json!({"tool_id": tool, "module_name": "os.path", "justification": "it joins paths"});
    assert_eq!(model.done("mcpbox_request_module", ask).await["requests"][0]["status"], json!("approved"));
    let tested = model.done("mcpbox_test_code", json!({"tool_id": tool})).await;
    assert_eq!(tested["result"], json!({"result": "a/b"}), "{tested}");
}
