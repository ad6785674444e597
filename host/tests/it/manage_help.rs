//! What `mcpbox_help` teaches is true: its examples are tools that do what it says.

use std::sync::Arc;

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use mcpbox::egress::MappedNetwork;
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};
use crate::internet::Site;
use crate::mcp_client::Client;

/// The code of a text: its language and its lines, in order.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, code) = after.split_once('\n').expect("a fence");
        let (code, after) = code.split_once("\n```\n").expect("the end of a fence");
        found.push((language.to_owned(), format!("{code}\n")));
        rest = after;
    }
    found
}

async fn weather(Query(asked): Query<Value>, headers: HeaderMap) -> Json<Value> {
    let known = headers.get("authorization").is_some_and(|value| value == "Bearer sunny-key-1");
    let celsius = match asked["city"].as_str() {
        Some("Oslo") if known => json!(3.5),
        Some("Rome") if known => json!(21.0),
        _ => json!(null),
    };
    Json(json!({"celsius": celsius}))
}

#[tokio::test]
async fn the_examples_of_the_help_run_as_they_stand() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    Site::open(&network, "weather.example", "93.184.215.14", Router::new().route("/now", get(weather))).await;
    let (model, admin) = (host.model(), host.admin().await);
    let server = model.done("mcpbox_create_server", json!({"name": "help"})).await;
    let server = server["id"].as_str().expect("an id");
    admin.secret(server, "WEATHER_KEY", "sunny-key-1").await;
    admin.allow(server, "weather.example").await;

    let help = model.done("mcpbox_help", json!({})).await;
    let examples = examples(help["text"].as_str().expect("a text"));
    let runs = [
        ("python", json!({"prices": [1.0, 2.0], "kind": "mean"}), json!({"mean": 1.5})),
        ("typescript", json!({"text": "one or two", "least": 3}), json!({"words": 2})),
        ("python", json!({"cities": ["Oslo", "Rome"]}), json!({"Oslo": 3.5, "Rome": 21.0})),
        ("javascript", json!({"city": "Oslo"}), json!({"celsius": 3.5})),
    ];
    let languages: Vec<&str> = examples.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, runs.each_ref().map(|(language, _, _)| *language), "each example is run");
    for (at, ((language, code), (_, arguments, expected))) in examples.iter().zip(runs).enumerate() {
        // The made-up internet has no certificates.
        let code = code.replace("https://", "http://");
        let language = if language == "typescript" { "javascript" } else { language };
        let name = format!("example_{at}");
        let new = json!({"server_id": server, "name": name, "code": code, "language": language});
        let tool = model.done("mcpbox_create_tool", new).await;
        admin.approve(tool["id"].as_str().expect("an id")).await;
        assert_eq!(model.done(&format!("help__{name}"), arguments).await, expected, "{code}");
    }
    let told = model.failed("help__example_0", json!({"prices": []})).await;
    assert!(told.starts_with("ValueError: give at least one price"), "{told}");
}

#[tokio::test]
async fn the_examples_of_a_question_ask_and_heed_the_answer() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let server = model.done("mcpbox_create_server", json!({"name": "s"})).await;
    let help = model.done("mcpbox_help", json!({"topic": "context"})).await;
    let examples = examples(help["text"].as_str().expect("a text"));
    let languages: Vec<&str> = examples.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, ["python", "javascript"], "each example is run");
    let client = Client::of(&host);
    for (language, code) in &examples {
        let name = format!("cancels_{language}");
        let new = json!({"server_id": server["id"], "name": name, "code": code, "language": language});
        let tool = model.done("mcpbox_create_tool", new).await;
        assert_eq!(tool["description"], "Cancels an order, if the person wants that.", "{tool}");
        admin.approve(tool["id"].as_str().expect("an id")).await;
        let call = async |answers: Value| {
            let can = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
            let params = json!({"name": format!("s__{name}"), "arguments": {"order": "A-7"}, "_meta": can,
                "inputResponses": answers});
            client.modern(&[], "tools/call", params).await.result().await
        };
        let asked = call(json!({})).await;
        let questions = asked["inputRequests"].as_object().unwrap_or_else(|| panic!("no questions: {asked}"));
        let (key, question) = questions.iter().next().expect("a question");
        assert_eq!(question["params"]["message"], "Cancel A-7?", "{language}");
        for (sure, expected) in [(true, "cancelled: late"), (false, "kept")] {
            let answer = json!({"action": "accept", "content": {"sure": sure, "why": "late"}});
            let told = call(json!({key.as_str(): answer})).await;
            assert_eq!(told["content"][0]["text"], expected, "{language}: {told}");
        }
        let declined = call(json!({key.as_str(): {"action": "decline"}})).await;
        assert_eq!(declined["content"][0]["text"], "kept", "{language}: {declined}");
    }
}

#[tokio::test]
async fn a_topic_is_a_part_of_the_whole() {
    let host = Host::start().await;
    let model = host.model();
    let whole = model.call("mcpbox_help", json!({})).await;
    let text = whole["content"][0]["text"].as_str().expect("a text");
    assert_eq!(whole["structuredContent"]["text"], json!(text));
    let topics = whole["structuredContent"]["topics"].as_array().expect("topics");
    assert_eq!(topics.len(), 8);
    for topic in topics {
        let part = model.done("mcpbox_help", json!({"topic": topic})).await;
        let part = part["text"].as_str().expect("a text");
        assert!(part.len() < text.len() / 2, "{topic}");
        assert_eq!(text.contains(part), topic != "context", "{topic}");
    }
    assert!(text.contains("topic `context`"), "what is told apart is named");
    let told = model.failed("mcpbox_help", json!({"topic": "cooking"})).await;
    for topic in topics {
        assert!(told.contains(&topic.to_string()), "all that there are, {topic} too: {told}");
    }
}
