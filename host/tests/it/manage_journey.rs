//! The whole life of a tool, in the words of those who live it: a model builds, asks and calls by an MCP client
//! that others wrote, a person decides at the API, and nothing runs that nobody approved.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use mcpbox::egress::MappedNetwork;
use reqwest::Method;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ServiceExt as _, model::ErrorCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};
use crate::internet::Site;

const BROKEN: &str = "async def main(city: str) -> str\n    return city\n";

/// It asks a host.
fn source(word: &str) -> String {
    format!(
        "async def main(city: str) -> str:\n    \
             \"\"\"Tells the weather.\"\"\"\n    \
             response = await http.get('http://weather.example/now')\n    \
             return f'{word} {{city}}: {{response.text}}'\n"
    )
}

/// A model, speaking by the client of the Rust SDK.
struct Peer(RunningService<RoleClient, ()>);

impl Peer {
    async fn open(host: &Host) -> Self {
        let transport = StreamableHttpClientTransport::from_uri(format!("{}/mcp", host.base));
        Self(().serve(transport).await.expect("a session"))
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        let arguments = arguments.as_object().expect("an object").clone();
        self.0.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await
    }

    /// Calls what must succeed; answers its structured content.
    async fn done(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await.expect("an answer");
        assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
        result.structured_content.expect("structured content")
    }

    /// Calls what must fail; answers its words.
    async fn failed(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await.expect("an answer");
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        serde_json::to_string(&result.content).expect("JSON")
    }

    async fn answer(&self) -> Value {
        self.done("weather__forecast", json!({"city": "Oslo"})).await["result"].clone()
    }

    /// There is nothing of that name.
    async fn refused(&self) {
        match self.call("weather__forecast", json!({"city": "Oslo"})).await {
            Err(ServiceError::McpError(error)) => assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{error:?}"),
            other => panic!("{other:?}"),
        }
    }

    async fn offers(&self, name: &str) -> bool {
        self.0.list_all_tools().await.expect("a list").iter().any(|tool| tool.name == name)
    }
}

async fn decide(admin: &Admin<'_>, path: &str, action: &str, reason: &str) {
    admin.ask(Method::POST, path, Some(json!({"action": action, "reason": reason}))).await;
}

#[tokio::test]
async fn a_model_runs_the_life_of_a_tool_and_a_person_decides_it() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let router = Router::new().route("/now", get(|| async { "sunny" }));
    let site = Site::open(&network, "weather.example", "93.184.215.14", router).await;
    let (model, admin) = (Peer::open(&host).await, host.admin().await);

    // A first try that does not parse, and a second.
    let server = model.done("mcpbox_create_server", json!({"name": "weather"})).await;
    let mut new = json!({"server_id": server["id"], "name": "forecast", "python_code": BROKEN});
    let told = model.failed("mcpbox_create_tool", new.clone()).await;
    assert!(told.contains("line 1") && told.contains("python_code"), "{told}");
    new["python_code"] = json!(source("first"));
    let tool = model.done("mcpbox_create_tool", new).await;
    let tool = tool["id"].as_str().expect("an id");
    let decisions = format!("/api/approvals/tools/{tool}/action");
    model.refused().await;

    // What it reaches is asked for, then that it be published; a person wants a better reason first.
    let host_asked = json!({"tool_id": tool, "host": "weather.example", "justification": "the weather is there"});
    let asked = model.done("mcpbox_request_network_access", host_asked).await;
    let request = asked["requests"][0]["id"].as_str().expect("an id").to_owned();
    let requests = format!("/api/approvals/network/{request}/action");
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    assert_eq!(model.done("mcpbox_list_pending_requests", json!({})).await["summary"]["total"], json!(2));
    decide(&admin, &decisions, "reject", "say first what you know").await;
    model.refused().await;
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert!(status["waiting"].to_string().contains("say first what you know"), "{status}");

    // Mended, asked again, approved; the host is still to be granted.
    let fixed = json!({"tool_id": tool, "python_code": source("mended")});
    assert_eq!(model.done("mcpbox_update_tool", fixed).await["approval_status"], json!("draft"));
    model.done("mcpbox_request_publish", json!({"tool_id": tool, "notes": "says it now"})).await;
    decide(&admin, &decisions, "approve", "").await;
    let told = model.failed("weather__forecast", json!({"city": "Oslo"})).await;
    assert!(told.contains("weather.example") && told.contains("mcpbox_request_network_access"), "{told}");
    assert!(site.got().is_empty());
    decide(&admin, &requests, "approve", "").await;
    assert_eq!(model.answer().await, json!("mended Oslo: sunny"));
    assert_eq!(model.done("mcpbox_list_pending_requests", json!({})).await["summary"]["total"], json!(0));

    // An edit waits while the approved version answers.
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": source("edited")})).await;
    assert_eq!(model.answer().await, json!("mended Oslo: sunny"));
    decide(&admin, &decisions, "approve", "").await;
    assert_eq!(model.answer().await, json!("edited Oslo: sunny"));

    // Back to the version before, which has to be approved too.
    let versions = model.done("mcpbox_list_tool_versions", json!({"tool_id": tool})).await;
    let before = versions["versions"][1]["version"].clone();
    model.done("mcpbox_rollback_tool", json!({"tool_id": tool, "version": before})).await;
    assert_eq!(model.answer().await, json!("edited Oslo: sunny"));
    decide(&admin, &decisions, "approve", "").await;
    assert_eq!(model.answer().await, json!("mended Oslo: sunny"));

    // A grant that is taken back holds at once; so does an approval.
    decide(&admin, &requests, "revoke", "not any more").await;
    let told = model.failed("weather__forecast", json!({"city": "Oslo"})).await;
    assert!(told.contains("weather.example"), "{told}");
    let revocation = json!({"reason": "not any more"});
    admin.ask(Method::POST, &format!("/api/approvals/tools/{tool}/revoke"), Some(revocation)).await;
    model.refused().await;
    assert!(!model.offers("weather__forecast").await);
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert_eq!((&status["callable"], &status["live_version"]), (&json!(false), &json!(null)), "{status}");
    model.0.cancel().await.expect("the session ends");
}
