//! The management tools about tools and servers: where they stand, what they were, going back,
//! deleting. Each through MCP, as a model uses it.

use std::collections::BTreeSet;

use mcpbox::domain::modules;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Admin, Host};

const SOURCE: &str = "def main() -> str:\n    return 'first'\n";

/// A decision of a person about a tool.
async fn decide(admin: &Admin<'_>, tool: &str, action: &str, reason: &str) {
    let body = json!({"action": action, "reason": reason});
    admin.ask(Method::POST, &format!("/api/approvals/tools/{tool}/action"), Some(body)).await;
}

/// What `mcpbox_get_tool_status` says about whose turn it is.
fn turns(status: &Value) -> Vec<String> {
    let steps = status["waiting"].as_array().expect("a list");
    steps.iter().map(|step| format!("{}: {}", step["who"].as_str().unwrap(), step["what"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_status_says_whose_turn_it_is_at_every_step() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, tool) = model.make("weather", "forecast", SOURCE).await;
    let asked = json!({"tool_id": tool});
    let status = model.done("mcpbox_get_tool_status", asked.clone()).await;
    assert_eq!(status["approval_status"], json!("draft"));
    assert_eq!((&status["callable"], &status["live_version"]), (&json!(false), &json!(null)), "{status}");
    assert!(turns(&status)[0].starts_with("model: ask for approval of version 1"), "{status}");

    model.done("mcpbox_request_publish", json!({"tool_id": tool, "notes": "reads one page"})).await;
    let status = model.done("mcpbox_get_tool_status", asked.clone()).await;
    assert_eq!(turns(&status), ["person: approve or reject version 1"]);
    assert_eq!(status["publish_notes"], json!("reads one page"));
    assert!(status["approval_requested_at"].is_string(), "{status}");

    decide(&admin, &tool, "reject", "say which page").await;
    let status = model.done("mcpbox_get_tool_status", asked.clone()).await;
    assert_eq!(status["rejection_reason"], json!("say which page"));
    let steps = turns(&status);
    assert!(steps[0].starts_with("model: mend version 1") && steps[0].contains("say which page"), "{status}");

    let host_asked = json!({"tool_id": tool, "host": "api.example.com", "justification": "the page is there"});
    model.done("mcpbox_request_network_access", host_asked).await;
    model.done("mcpbox_create_server_secret", json!({"server_id": server, "key": "API_KEY"})).await;
    decide(&admin, &tool, "approve", "").await;
    let status = model.done("mcpbox_get_tool_status", asked.clone()).await;
    assert_eq!((&status["callable"], &status["live_version"]), (&json!(true), &json!(2)), "{status}");
    assert_eq!(status["approved_by"], json!("admin:ada"), "{status}");
    assert_eq!(status["network_access_requests"][0]["status"], json!("pending"), "{status}");
    let expected =
        ["person: decide the request for the host api.example.com", "person: set the value of the secret API_KEY"];
    assert_eq!(turns(&status), expected);

    model.done("mcpbox_stop_server", json!({"server_id": server})).await;
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "enabled": false})).await;
    let status = model.done("mcpbox_get_tool_status", asked).await;
    assert_eq!(status["callable"], json!(false));
    assert!(turns(&status).iter().any(|step| step.contains("mcpbox_start_server")), "{status}");
    assert!(turns(&status).iter().any(|step| step.contains("mcpbox_update_tool")), "{status}");
}

#[tokio::test]
async fn an_old_version_is_found_in_the_list_and_comes_back_with_an_approval() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (_, tool) = admin.tool("weather", "forecast", SOURCE).await;
    let second = SOURCE.replace("first", "second");
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": second})).await;
    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": "second"}));

    let back = model.done("mcpbox_rollback_tool", json!({"tool_id": tool, "version": 1})).await;
    assert_eq!((&back["current_version"], &back["live_version"]), (&json!(3), &json!(2)), "{back}");
    assert_eq!(back["approval_status"], json!("pending_review"), "{back}");
    assert!(back["message"].as_str().is_some_and(|text| text.contains("waits for a person")), "{back}");
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": "second"}));
    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": "first"}));

    let listed = model.done("mcpbox_list_tool_versions", json!({"tool_id": tool})).await;
    let lines = listed["versions"].as_array().expect("a list");
    let told: Vec<_> = lines.iter().map(|line| (line["version"].as_i64(), line["is_live"].as_bool())).collect();
    assert_eq!(told, [(Some(3), Some(true)), (Some(2), Some(false)), (Some(1), Some(false))], "{listed}");
    assert_eq!(lines[0]["change_source"], json!("rollback"), "{listed}");
    assert!(lines[0]["change_summary"].as_str().is_some_and(|text| text.contains("version 1")), "{listed}");
    assert_eq!(lines[1]["change_source"], json!("llm"), "{listed}");
    assert!(lines[1]["change_summary"].as_str().is_some_and(|text| text.contains("changed the code")), "{listed}");
    let small = json!({"tool_id": tool, "page": 2, "page_size": 2});
    let page = model.done("mcpbox_list_tool_versions", small).await;
    assert_eq!((page["total"].as_u64(), page["versions"][0]["version"].as_i64()), (Some(3), Some(1)), "{page}");

    let told = model.failed("mcpbox_rollback_tool", json!({"tool_id": tool, "version": 9})).await;
    assert!(told.contains("there is no version `9`") && told.contains("3"), "{told}");
    model.failed("mcpbox_rollback_tool", json!({"tool_id": tool, "version": 3})).await;
}

#[tokio::test]
async fn a_deleted_tool_is_gone_for_everybody() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, tool) = admin.tool("weather", "forecast", SOURCE).await;
    let other = admin.another_tool(&server, "history", SOURCE).await;
    let gone = model.done("mcpbox_delete_tool", json!({"tool_id": tool})).await;
    assert_eq!((&gone["id"], &gone["success"]), (&json!(tool), &json!(true)), "{gone}");
    let (_, answer) = model.request("tools/call", json!({"name": "weather__forecast", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
    for name in ["mcpbox_get_tool", "mcpbox_get_tool_status", "mcpbox_delete_tool"] {
        let told = model.failed(name, json!({"tool_id": tool})).await;
        assert!(told.contains("there is no tool"), "{told}");
    }
    assert_eq!(model.done("weather__history", json!({})).await, json!({"result": "first"}));

    model.done("mcpbox_delete_server", json!({"server_id": server})).await;
    assert!(!model.tools().await.contains(&"weather__history".to_owned()));
    assert_eq!(model.done("mcpbox_list_servers", json!({})).await["total"], json!(0));
    model.failed("mcpbox_get_tool", json!({"tool_id": other})).await;
    let told = model.failed("mcpbox_delete_server", json!({"server_id": server})).await;
    assert!(told.contains("there is no server"), "{told}");
    let told = model.failed("mcpbox_delete_server", json!({"server_id": "weather"})).await;
    assert!(told.contains("is not an id; take it from mcpbox_list_servers"), "{told}");
}

#[tokio::test]
async fn the_log_of_a_tool_shows_what_it_used_and_what_was_cut() {
    let mut host = Host::start().await;
    let tool = {
        let admin = host.admin().await;
        let source = "def main(n: int) -> str:\n    print('x' * n)\n    return 'done'\n";
        admin.tool("loud", "shout", source).await.1
    };
    host.model().done("loud__shout", json!({"n": 3})).await;
    host.model().done("loud__shout", json!({"n": 200_000})).await;
    // Rows are written by the time the host has stopped.
    host.restart().await;
    let logs = host.model().done("mcpbox_get_tool_logs", json!({"tool_id": tool})).await;
    let rows = logs["logs"].as_array().expect("rows");
    assert_eq!(rows.len(), 2, "{logs}");
    for row in rows {
        assert!(row["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{row}");
        assert!(row["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{row}");
    }
    let cut = rows[0]["stdout"].as_str().expect("a text");
    assert!(cut.ends_with("more bytes)") && cut.len() < 200_000, "{} bytes", cut.len());
    assert_eq!(rows[1]["stdout"], json!("xxx\n"));
}

#[tokio::test]
async fn the_modules_that_can_be_listed_are_those_that_the_interpreter_imports() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let source = "\
import contextlib, importlib, io, sys
def main() -> list[str]:
    found = []
    for name in sys.stdlib_module_names:
        if not name.startswith('_'):
            with contextlib.suppress(ImportError), contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
                found.append(name)
    return sorted(found)
";
    admin.open_modules(modules::standard()).await;
    admin.tool("modules", "importable", source).await;
    let imported = model.done("modules__importable", json!({})).await;
    assert_eq!(imported["result"], json!(modules::standard()));
    let listed = model.done("mcpbox_get_server_modules", json!({})).await;
    let every: BTreeSet<&str> = modules::standard().iter().chain(modules::default_list()).copied().collect();
    assert_eq!(listed["allowed_modules"], json!(every));
    assert_eq!(listed["default_modules"], json!(modules::default_list()));
    assert_eq!(
        (&listed["total_allowed"], &listed["is_custom_config"]),
        (&json!(every.len()), &json!(true)),
        "{listed}"
    );
}
