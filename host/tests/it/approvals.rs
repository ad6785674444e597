//! What people decide about tools and what they ask for, and the versions that come of it.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use mcpbox::domain::caller::{Caller, Who};
use mcpbox::egress::MappedNetwork;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};
use crate::internet::Site;

const ONE: &str = "def main() -> int:\n    return 1\n";
const TWO: &str = "def main() -> int:\n    return 2\n";

fn names(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows["items"].as_array().expect("rows");
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn of_many_decisions_each_has_its_own_result() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, one) = model.make("weather", "one", ONE).await;
    let mut ids = vec![one];
    for name in ["two", "three"] {
        let arguments = json!({"server_id": server, "name": name, "python_code": ONE});
        let made = model.done("mcpbox_create_tool", arguments).await;
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    admin.approve(&ids[1]).await;
    let bulk = "/api/approvals/tools/bulk-action";
    let seen = "ab".repeat(32);
    let body = json!({"action": "approve", "tool_ids": ids, "digests": {ids[2].clone(): seen}});
    let told = admin.ask(Method::POST, bulk, Some(body)).await;
    assert_eq!((&told["succeeded"], &told["failed"]), (&json!(1), &json!(2)), "{told}");
    assert_eq!(told["results"][0], json!({"id": ids[0], "success": true, "error": null}), "{told}");
    let why = |at: usize| told["results"][at]["error"].as_str().unwrap_or_default().to_owned();
    assert!(why(1).contains("cannot be approved") && why(2).contains("has changed"), "{told}");
    let listed = model.tools().await;
    assert!(listed.contains(&"weather__one".to_owned()) && !listed.contains(&"weather__three".to_owned()));

    for (body, place) in [
        (json!({"action": "reject", "tool_ids": ids}), "/reason"),
        (json!({"action": "approve", "tool_ids": []}), "/tool_ids"),
        (json!({"action": "approve", "tool_ids": vec![ids[0].clone(); 101]}), "/tool_ids"),
    ] {
        let (status, answer) = admin.refused(Method::POST, bulk, Some(body)).await;
        assert_eq!((status.as_u16(), &answer["errors"][0]["pointer"]), (422, &json!(place)), "{answer}");
    }
    let body = json!({"action": "revoke", "tool_ids": [ids[0], ids[1]], "reason": "not any more"});
    assert_eq!(admin.ask(Method::POST, bulk, Some(body)).await["succeeded"], json!(2));
    assert!(!model.tools().await.contains(&"weather__one".to_owned()));
    // Each decision is in the audit log under the name of who decided.
    let rows = admin.ask(Method::GET, "/api/audit", None).await;
    let acts = names(&rows, "action");
    assert_eq!(acts.iter().filter(|act| *act == "tool.revoke").count(), 2, "{acts:?}");
    assert_eq!(rows["items"][0]["actor"], json!("admin:ada"));
}

#[tokio::test]
async fn a_host_that_is_taken_back_is_not_reached_by_the_next_call() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let (admin, model) = (host.admin().await, host.model());
    let hello = Router::new().route("/", any(|| async { "hello" }));
    let site = Site::open(&network, "api.example.com", "93.184.215.14", hello).await;
    let source = "async def main() -> str:\n    return (await http.get('http://api.example.com/')).text\n";
    let (server, tool) = model.make("net", "fetch", source).await;
    let ask = json!({"tool_id": tool, "host": "api.example.com", "justification": "the weather is there"});
    let asked = model.done("mcpbox_request_network_access", ask.clone()).await;
    let id = asked["requests"][0]["id"].as_str().expect("an id").to_owned();
    admin.approve(&tool).await;
    let body = json!({"action": "approve", "request_ids": [id]});
    let told = admin.ask(Method::POST, "/api/approvals/network/bulk-action", Some(body)).await;
    assert_eq!(told["succeeded"], json!(1), "{told}");
    assert_eq!(model.done("net__fetch", json!({})).await, json!({"result": "hello"}));

    let path = format!("/api/approvals/network/{id}");
    let (status, _) = admin.refused(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "what grants something is not deleted");
    admin.ask(Method::POST, &format!("{path}/revoke"), Some(json!({"reason": "no longer"}))).await;
    model.failed("net__fetch", json!({})).await;
    assert_eq!(site.got().len(), 1);
    let told = model.failed("mcpbox_request_network_access", ask.clone()).await;
    assert!(told.contains("no longer"), "{told}");
    let rows = admin.ask(Method::GET, &format!("/api/approvals/server/{server}/network?status=rejected"), None).await;
    assert_eq!(names(&rows, "host"), ["api.example.com"]);
    admin.ask(Method::DELETE, &path, None).await;
    model.done("mcpbox_request_network_access", ask).await;
}

#[tokio::test]
async fn a_module_is_asked_for_decided_taken_back_and_deleted() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("weather", "forecast", ONE).await;
    let caller = Caller { who: Who::Local, from: None };
    let service = host.app().service();
    let tools = || vec![tool.parse().expect("an id")];
    for (name, why) in [("no module", "it reads the tables"), ("yaml", "short")] {
        service.module_request_create(&caller, tools(), name, why).await.expect_err(name);
    }
    let asked = service.module_request_create(&caller, tools(), "yaml", "it reads the tables").await.expect("asked");
    let waiting = admin.ask(Method::GET, "/api/approvals/modules?status=pending&search=YAML", None).await;
    assert_eq!(names(&waiting, "requested_by"), ["local"]);
    // Asking changed what an approval covers; what was approved goes on answering.
    let tools_waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(tools_waiting["items"][0]["version"]["modules"], json!(["yaml"]), "{tools_waiting}");
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 1}));
    let pending = service.requests_pending(&caller).await.expect("a list");
    assert_eq!((pending.summary.tools, pending.summary.modules, pending.summary.total), (1, 1, 2));
    let stats = admin.ask(Method::GET, "/api/approvals/stats", None).await;
    assert_eq!((&stats["modules"]["pending"], &stats["pending_total"]), (&json!(1), &json!(2)), "{stats}");

    let path = format!("/api/approvals/modules/{}", asked[0].id);
    let decided = admin.ask(Method::POST, &format!("{path}/action"), Some(json!({"action": "approve"}))).await;
    assert_eq!((&decided["status"], &decided["reviewed_by"]), (&json!("approved"), &json!("admin:ada")));
    let (status, _) = admin.refused(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    admin.ask(Method::POST, &format!("{path}/revoke"), Some(json!({"reason": "too large"}))).await;
    let again = service.module_request_create(&caller, tools(), "yaml", "it reads the tables").await;
    assert!(again.expect_err("it was refused").to_string().contains("too large"));
    let body = json!({"action": "reject", "request_ids": [asked[0].id.to_string()], "reason": "no"});
    let told = admin.ask(Method::POST, "/api/approvals/modules/bulk-action", Some(body)).await;
    assert_eq!(told["failed"], json!(1), "it is rejected already: {told}");
    admin.ask(Method::DELETE, &path, None).await;
    service.module_request_create(&caller, tools(), "yaml", "it reads the tables").await.expect("asked again");
}

#[tokio::test]
async fn the_queue_is_read_by_state_by_text_and_by_page() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, forecast) = admin.tool("weather", "forecast", ONE).await;
    let (_, jams) = model.make("traffic", "jams_100", ONE).await;
    let list = async |query: &str| {
        let rows = admin.ask(Method::GET, &format!("/api/approvals/tools{query}"), None).await;
        names(&rows, "gateway_name")
    };
    assert_eq!(list("").await, [""; 0]);
    assert_eq!(list("?status=approved").await, ["weather__forecast"]);
    assert_eq!(list("?status=draft").await, ["traffic__jams_100"]);
    model.done("mcpbox_request_publish", json!({"tool_id": jams})).await;
    model.done("mcpbox_update_tool", json!({"tool_id": forecast, "python_code": TWO})).await;
    assert_eq!(list("").await, ["traffic__jams_100", "weather__forecast"]);
    assert_eq!(list("?search=WEATHER").await, ["weather__forecast"]);
    assert_eq!(list("?search=s_1").await, ["traffic__jams_100"]);
    assert_eq!(list("?search=j%25m").await, [""; 0], "a percent sign is a percent sign");
    assert_eq!(list("?page=2&page_size=1").await, ["weather__forecast"]);
    // The version that answers is listed as long as it does.
    assert_eq!(list("?status=approved").await, ["weather__forecast"]);
    let path = format!("/api/approvals/tools/{forecast}/action");
    let (status, answer) = admin.refused(Method::POST, &path, Some(json!({"action": "reject"}))).await;
    assert_eq!((status.as_u16(), &answer["errors"][0]["pointer"]), (422, &json!("/reason")), "{answer}");
    admin.ask(Method::POST, &path, Some(json!({"action": "reject", "reason": "leaks"}))).await;
    assert_eq!(list("?status=rejected").await, ["weather__forecast"]);
    assert!(!server.is_empty());
}

#[tokio::test]
async fn versions_are_compared_and_rolled_back() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("weather", "forecast", ONE).await;
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": TWO, "timeout_ms": 5_000})).await;
    let compare =
        async |query: &str| admin.ask(Method::GET, &format!("/api/tools/{tool}/versions/compare?{query}"), None).await;
    let told = compare("from=2&to=live").await;
    assert_eq!((&told["from"], &told["to"], &told["is_same"]), (&json!(2), &json!(1), &json!(false)), "{told}");
    assert_eq!(told["texts"][0]["field"], json!("code"), "{told}");
    let diff = told["texts"][0]["diff"].as_str().unwrap_or_default();
    assert_eq!(diff, "@@ -1,2 +1,2 @@\n def main() -> int:\n-    return 2\n+    return 1\n");
    assert_eq!(told["fields"][0], json!({"field": "timeout_ms", "before": 5_000, "after": null}), "{told}");
    assert_eq!(compare("from=latest&to=2").await["is_same"], json!(true));
    let path = format!("/api/tools/{tool}/versions/compare?from=1&to=new");
    assert_eq!(admin.refused(Method::GET, &path, None).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/api/tools/{tool}/versions");
    assert_eq!(admin.refused(Method::GET, &format!("{path}/9"), None).await.0, StatusCode::NOT_FOUND);
    let one = admin.ask(Method::GET, &format!("{path}/1"), None).await;
    assert_eq!((&one["code"], &one["is_live"]), (&json!(ONE), &json!(true)), "{one}");

    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 2}));
    let back = admin.ask(Method::POST, &format!("{path}/1/rollback"), None).await;
    assert_eq!((&back["current_version"], &back["live_version"]), (&json!(3), &json!(2)), "{back}");
    assert_eq!(back["approval_status"], json!("pending_review"), "an older version is approved as any change is");
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 2}));
    let third = admin.ask(Method::GET, &format!("{path}/3"), None).await;
    assert_eq!((&third["change_source"], &third["code"]), (&json!("rollback"), &json!(ONE)), "{third}");
    let (status, answer) = admin.refused(Method::POST, &format!("{path}/1/rollback"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    admin.approve(&tool).await;
    assert_eq!(model.done("weather__forecast", json!({})).await, json!({"result": 1}));
}
