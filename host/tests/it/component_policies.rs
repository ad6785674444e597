//! A component is under the same policies as a source, and goes the same ways: back to an older version, as a
//! test, off the list, and away while somebody brings another one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};

async fn set(admin: &Admin<'_>, policies: Value) {
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policies)).await;
}

fn id(made: &Value) -> String {
    made["id"].as_str().expect("an id").to_owned()
}

async fn said(host: &Host, tool: &str) -> Value {
    let (_, answer) = host.model().request("tools/call", json!({"name": tool, "arguments": {}})).await;
    answer["result"]["content"][0]["text"].clone()
}

#[tokio::test]
async fn with_auto_approve_a_component_is_live_when_it_is_submitted_and_at_each_further_upload() {
    let host = Host::start().await;
    let admin = host.admin().await;
    set(&admin, json!({"tool_approval_mode": "auto_approve"})).await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    // As with a source: who uploads something has not offered it yet.
    assert_eq!(made["approval_status"], json!("draft"), "{made}");
    assert_eq!(said(&host, "lab__one").await, Value::Null);
    let submit = format!("/api/approvals/tools/{}/action", id(&made));
    admin.ask(Method::POST, &submit, Some(json!({"action": "submit"}))).await;
    assert_eq!(said(&host, "lab__one").await, json!("one"));
    let path = format!("/api/servers/{server}/components/pair");
    let (_, next) = admin.upload(Method::PUT, &path, fixtures::component("echo")).await;
    assert_eq!((&next["approval_status"], &next["live_version"]), (&json!("approved"), &json!(2)), "{next}");
    assert_eq!(said(&host, "lab__one").await, Value::Null);
    assert_eq!(host.model().call("lab__echo", json!({})).await["isError"], json!(false));
}

#[tokio::test]
async fn with_take_down_a_component_answers_no_more_once_it_was_replaced() {
    let host = Host::start().await;
    let admin = host.admin().await;
    set(&admin, json!({"on_tool_edit": "take_down"})).await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    admin.approve(&id(&made)).await;
    assert_eq!(said(&host, "lab__one").await, json!("one"));
    let path = format!("/api/servers/{server}/components/pair");
    let (_, next) = admin.upload(Method::PUT, &path, fixtures::component("echo")).await;
    assert_eq!((&next["approval_status"], &next["live_version"]), (&json!("pending_review"), &json!(null)), "{next}");
    assert_eq!(said(&host, "lab__one").await, Value::Null);
    admin.approve(&id(&made)).await;
    assert_eq!(host.model().call("lab__echo", json!({})).await["isError"], json!(false));
}

#[tokio::test]
async fn a_component_is_rolled_back_to_the_bytes_of_an_older_version() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    let tool = id(&made);
    admin.approve(&tool).await;
    let path = format!("/api/servers/{server}/components/pair");
    admin.upload(Method::PUT, &path, fixtures::component("echo")).await;
    admin.approve(&tool).await;
    assert_eq!(said(&host, "lab__one").await, Value::Null);
    let back = admin.ask(Method::POST, &format!("/api/tools/{tool}/versions/1/rollback"), None).await;
    assert_eq!((&back["current_version"], &back["approval_status"]), (&json!(3), &json!("pending_review")), "{back}");
    assert_eq!((&back["live_version"], &back["exports"][0]["name"]), (&json!(2), &json!("one")));
    assert_eq!(back["component"], made["component"], "what it could use is told again");
    let version = admin.ask(Method::GET, &format!("/api/tools/{tool}/versions/3"), None).await;
    assert_eq!(version["change_source"], json!("rollback"));
    assert_eq!(host.model().call("lab__echo", json!({})).await["isError"], json!(false), "it goes on answering");
    admin.approve(&tool).await;
    assert_eq!(said(&host, "lab__one").await, json!("one"));
    assert_eq!(said(&host, "lab__echo").await, Value::Null);
}

#[tokio::test]
async fn a_draft_of_a_component_is_tested_where_the_policy_allows_it() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let tool = id(&admin.component(&server, "pair", fixtures::component("many_tools")).await);
    let test = json!({"tool_id": tool, "export": "two"});
    let refused = host.model().failed("mcpbox_test_code", test.clone()).await;
    assert!(refused.contains("draft_tests"), "{refused}");
    set(&admin, json!({"draft_tests": "no_secrets_no_network"})).await;
    let tested = host.model().done("mcpbox_test_code", test).await;
    assert_eq!(tested["content"][0]["text"], json!("two"), "{tested}");
    assert!(tested["execution"]["notices"].to_string().contains("version 1, which nobody approved"), "{tested}");
    assert_eq!(said(&host, "lab__two").await, Value::Null, "a draft is called by nobody");
}

#[tokio::test]
async fn a_component_with_every_tool_switched_off_is_said_to_answer_nothing() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let tool = id(&admin.component(&server, "pair", fixtures::component("many_tools")).await);
    admin.approve(&tool).await;
    for (off, callable, waits) in [(json!(["one"]), true, 0), (json!(["one", "two"]), false, 1), (json!([]), true, 0)] {
        let change = json!({"disabled_tools": off});
        admin.ask(Method::PATCH, &format!("/api/tools/{tool}"), Some(change)).await;
        let status = host.model().done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
        assert_eq!(status["callable"], json!(callable), "{off}: {status}");
        assert_eq!(status["waiting"].as_array().map(Vec::len), Some(waits), "{off}: {status}");
    }
}

#[tokio::test]
async fn uploads_and_deletes_of_the_same_at_once_leave_nothing_half_done() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (many, echo) = (fixtures::component("many_tools"), fixtures::component("echo"));
    let fine = |status: StatusCode| [200, 201, 204, 404, 409].contains(&status.as_u16());
    for round in 0..6 {
        let name = format!("lab{round}");
        let server = admin.server(&name).await;
        let tool = id(&admin.component(&server, "pair", many.clone()).await);
        let path = format!("/api/servers/{server}/components/pair");
        let delete = |path: String| {
            let token = admin.token.clone();
            let host = &host;
            async move { host.send(Method::DELETE, &path, Some(&token), &[], None).await }
        };
        let ((replaced, told), (deleted, _, gone)) =
            tokio::join!(admin.upload(Method::PUT, &path, echo.clone()), delete(format!("/api/tools/{tool}")));
        assert!(fine(replaced) && fine(deleted), "{replaced} {told} {deleted} {gone}");
        let new = format!("/api/servers/{server}/components?name=other");
        let ((made, told), (deleted, _, gone)) =
            tokio::join!(admin.upload(Method::POST, &new, many.clone()), delete(format!("/api/servers/{server}")));
        assert!(fine(made) && deleted.is_success(), "{made} {told} {deleted} {gone}");
    }
    assert_eq!(admin.ask(Method::GET, "/api/servers", None).await["total"], json!(0));
    for table in ["tools", "tool_versions", "tool_names", "blobs"] {
        assert_eq!(host.read(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
}

#[tokio::test]
async fn a_folder_grows_no_further_than_a_person_said() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::write(root.path().join("old"), "1234567").expect("written");
    let host = Host::with(Wishes { folder_roots: vec![root.path().to_owned()], ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "files", fixtures::plain("files")).await;
    admin.approve(&id(&made)).await;
    let folders = format!("/api/tools/{}/folders", id(&made));
    let give =
        |access: &str| json!({"host_path": root.path(), "guest_path": "/data", "access": access, "max_bytes": 9});
    let (status, refused) = admin.refused(Method::POST, &folders, Some(give("read_only"))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    let given = admin.ask(Method::POST, &folders, Some(give("read_write"))).await;
    assert_eq!(given["items"][0]["max_bytes"], json!(9), "{given}");
    let write = |name: &str| json!({"path": name, "content": "eXk="});
    let model = host.model();
    assert_ne!(model.call("lab__files_write", write("new")).await["isError"], json!(true));
    model.failed("lab__files_write", write("more")).await;
    std::fs::remove_file(root.path().join("old")).expect("removed");
    assert_ne!(model.call("lab__files_write", write("more")).await["isError"], json!(true), "there is room again");
}
