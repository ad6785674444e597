//! What a model asks of people: hosts, modules, secrets, approval. It can ask and look, never decide.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Host, Model};

const SOURCE: &str = "def main() -> str:\n    return secrets['API_KEY']\n";

/// Two tools on one server; answers their ids after the server's.
async fn two_tools(model: &Model<'_>) -> (String, [String; 2]) {
    let (server, first) = model.make("weather", "forecast", SOURCE).await;
    let arguments = json!({"server_id": server, "name": "history", "python_code": SOURCE});
    let second = model.done("mcpbox_create_tool", arguments).await;
    (server, [first, second["id"].as_str().expect("an id").to_owned()])
}

fn statuses(answer: &Value) -> Vec<&str> {
    let requests = answer["requests"].as_array().expect("a list");
    requests.iter().map(|request| request["status"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn several_tools_ask_for_a_host_and_a_module_at_once() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (_, tools) = two_tools(&model).await;
    let why = "the forecast is there";
    let asked = json!({"tool_ids": tools, "host": "api.example.com", "port": 443, "justification": why});
    let answer = model.done("mcpbox_request_network_access", asked).await;
    assert_eq!(statuses(&answer), ["pending", "pending"], "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("api.example.com")), "{answer}");
    let asked = json!({"tool_ids": tools, "module_name": "yaml", "justification": "the service answers in it"});
    let answer = model.done("mcpbox_request_module", asked.clone()).await;
    assert_eq!(statuses(&answer), ["pending", "pending"], "{answer}");

    // All or none: one of these has asked already.
    let (_, third) = model.make("other", "tool", SOURCE).await;
    let mixed = json!({"tool_ids": [third, tools[0]], "module_name": "yaml", "justification": "it is needed too"});
    let told = model.failed("mcpbox_request_module", mixed).await;
    assert!(told.contains("has asked for `yaml` already; a person has yet to decide"), "{told}");
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": third})).await;
    assert_eq!(status["module_requests"], json!([]), "{status}");
    assert_eq!(status["current_version"], json!(1), "{status}");

    model.done("mcpbox_request_publish", json!({"tool_id": tools[0], "notes": "please"})).await;
    let pending = model.done("mcpbox_list_pending_requests", json!({})).await;
    assert_eq!(
        pending["summary"],
        json!({"tools": 1, "modules": 2, "network": 2, "sources": 0, "total": 5}),
        "{pending}"
    );
    assert_eq!(pending["pending_tools"][0]["name"], json!("forecast"), "{pending}");
    assert_eq!(pending["pending_tools"][0]["publish_notes"], json!("please"), "{pending}");
    assert_eq!(pending["pending_module_requests"][0]["module_name"], json!("yaml"), "{pending}");
    assert_eq!(pending["pending_network_requests"][0]["tool_name"], json!("forecast"), "{pending}");

    let id = pending["pending_network_requests"][0]["id"].as_str().expect("an id");
    let body = json!({"action": "reject", "reason": "use the mirror"});
    admin.ask(Method::POST, &format!("/api/approvals/network/{id}/action"), Some(body)).await;
    let again =
        json!({"tool_id": tools[0], "host": "api.example.com", "port": 443, "justification": "it is needed still"});
    let told = model.failed("mcpbox_request_network_access", again).await;
    assert!(told.contains("use the mirror") && told.contains("only a person"), "{told}");
    let pending = model.done("mcpbox_list_pending_requests", json!({})).await;
    assert_eq!(pending["summary"]["network"], json!(1), "{pending}");
}

#[tokio::test]
async fn what_makes_no_sense_to_ask_for_is_refused_with_what_to_do() {
    let host = Host::start().await;
    let model = host.model();
    let (_, tools) = two_tools(&model).await;
    let why = "it is needed for the job";
    for (arguments, words) in [
        (json!({"tool_id": tools[0], "module_name": "xml.etree", "justification": why}), "it need not be asked for"),
        (json!({"tool_id": tools[0], "module_name": "not a name", "justification": why}), "identifiers joined by dots"),
        (json!({"module_name": "yaml", "justification": why}), "mcpbox_list_tools"),
        (json!({"tool_id": "forecast", "module_name": "yaml", "justification": why}), "is not an id"),
        (json!({"tool_id": tools[0], "module_name": "yaml", "justification": "short"}), "justification"),
        (json!({"tool_id": tools[0], "justification": why}), "module_name"),
    ] {
        let told = model.failed("mcpbox_request_module", arguments).await;
        assert!(told.contains(words), "{words}: {told}");
    }
    let told =
        model.failed("mcpbox_request_network_access", json!({"host": "api.example.com", "justification": why})).await;
    assert!(told.contains("mcpbox_list_tools"), "{told}");
}

#[tokio::test]
async fn a_model_makes_the_place_for_a_secret_and_a_person_fills_it() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let (server, tools) = two_tools(&model).await;
    let new = json!({"server_id": server, "key": "API_KEY", "description": "from weather.example"});
    let made = model.done("mcpbox_create_server_secret", new.clone()).await;
    assert_eq!((&made["key"], &made["has_value"], &made["success"]), (&json!("API_KEY"), &json!(false), &json!(true)));
    let told = model.failed("mcpbox_create_server_secret", new).await;
    assert!(told.contains("already has a secret `API_KEY`"), "{told}");
    let told = model.failed("mcpbox_create_server_secret", json!({"server_id": server, "key": "api-key"})).await;
    assert!(told.contains("/key"), "{told}");
    // There is no way for a model to give a value.
    let valued = json!({"server_id": server, "key": "OTHER", "value": "mine"});
    model.failed("mcpbox_create_server_secret", valued).await;

    admin.approve(&tools[0]).await;
    let told = model.failed("weather__forecast", json!({})).await;
    assert!(told.contains("API_KEY"), "{told}");
    let path = format!("/api/servers/{server}/secrets/API_KEY");
    admin.ask(Method::PUT, &path, Some(json!({"value": "correct-horse"}))).await;
    let listed = model.done("mcpbox_list_server_secrets", json!({"server_id": server})).await;
    let expected =
        json!([{"key": "API_KEY", "description": "from weather.example", "has_value": true, "binding": null}]);
    assert_eq!(listed["secrets"], expected, "{listed}");
    assert!(!listed.to_string().contains("correct-horse"));
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": "[redacted]"}));
}
