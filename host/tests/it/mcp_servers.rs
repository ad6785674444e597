//! One server by itself: `/mcp/servers/{server}` has its tools under their own names, in both eras, and
//! nothing of the others.

use serde_json::{Value, json};

use crate::harness::Host;
use crate::mcp_client::{Client, ECHO, FAILS, initialize, offer};

/// Names of the tools in a `ListToolsResult`.
fn names(listed: &Value) -> Vec<&str> {
    listed["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect()
}

/// A host with a server `s`, which has tools, and a server `empty`.
async fn furnished() -> Host {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("fails", FAILS), ("echo", ECHO)]).await;
    admin.server("empty").await;
    host
}

#[tokio::test]
async fn a_server_is_served_by_itself_with_its_own_names() {
    let host = furnished().await;
    let client = Client::of(&host).at("/mcp/servers/s");
    let listed = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert_eq!(names(&listed), ["echo", "fails"]);
    let call = json!({"name": "echo", "arguments": {"text": "a"}});
    let result = client.modern(&[], "tools/call", call.clone()).await.result().await;
    assert_eq!(result["structuredContent"], json!({"text": "a"}));
    let discovered = client.modern(&[], "server/discover", json!({})).await.result().await;
    let instructions = discovered["instructions"].as_str().expect("words");
    assert!(instructions.contains("`s`") && !instructions.contains("mcpbox_"), "{instructions}");
    for (name, near) in [("s__echo", Some("`echo`")), ("ecko", Some("`echo`")), ("mcpbox_list_servers", None)] {
        let answer = client.modern(&[], "tools/call", json!({"name": name})).await.json().await;
        let message = answer["error"]["message"].as_str().expect("words");
        assert_eq!(answer["error"]["code"], -32602, "{name}");
        assert!(message.contains("tools/list") && near.is_none_or(|near| message.contains(near)), "{message}");
    }

    let (session, opened) = client.open("2025-06-18").await;
    assert!(opened["instructions"].as_str().is_some_and(|text| text.contains("`s`")), "{opened}");
    let listed = client.ask(&session, "tools/list", json!({})).await.result().await;
    assert_eq!(names(&listed), ["echo", "fails"]);
    assert_eq!(client.ask(&session, "tools/call", call).await.result().await["isError"], false);

    // One that has no tools is there all the same.
    let empty = Client::of(&host).at("/mcp/servers/empty").modern(&[], "tools/list", json!({})).await.result().await;
    assert!(names(&empty).is_empty());
    // And where everything is served, nothing has changed.
    let whole = Client::of(&host).modern(&[], "tools/list", json!({})).await.result().await;
    assert!(names(&whole).ends_with(&["s__echo", "s__fails"]));
}

#[tokio::test]
async fn a_session_is_of_the_address_where_it_was_opened() {
    let host = furnished().await;
    let at = |path: &str| Client::of(&host).at(path);
    let (own, other, whole) = (at("/mcp/servers/s"), at("/mcp/servers/empty"), at("/mcp"));
    let (session, _) = own.open("2025-11-25").await;
    let (of_whole, _) = whole.open("2025-11-25").await;
    for (client, session) in [(&other, &session), (&whole, &session), (&own, &of_whole)] {
        assert_eq!(client.ask(session, "tools/list", json!({})).await.code().await, (404, -32600));
        assert_eq!(client.listen(session, &[]).await.status, 404);
        assert_eq!(client.send("DELETE", &[("mcp-session-id", session)], "").await.status, 404);
    }
    assert_eq!(own.ask(&session, "ping", json!({})).await.status, 200);
    assert!(own.listen(&session, &[]).await.event().await.is_some());
    assert_eq!(own.send("DELETE", &[("mcp-session-id", &session)], "").await.status, 204);
}

#[tokio::test]
async fn where_no_server_runs_the_answer_says_which_do() {
    let host = furnished().await;
    let addresses = json!(["/mcp", "/mcp/servers/empty", "/mcp/servers/s"]);
    for path in ["/mcp/servers/nothing", "/mcp/servers/S", "/mcp/servers/a%20b"] {
        let client = Client::of(&host).at(path);
        let modern = client.modern(&[], "tools/list", json!({})).await;
        let legacy = client.post(&[], &initialize("2025-06-18")).await;
        for answer in [modern, legacy] {
            assert_eq!(answer.status, 404, "{path}");
            let error = answer.json().await["error"].clone();
            assert_eq!((&error["code"], &error["data"]["addresses"]), (&json!(-32600), &addresses), "{path}");
        }
    }
    let client = Client::of(&host).at("/mcp/servers/s");
    let (session, _) = client.open("2025-06-18").await;
    let model = host.model();
    let servers = model.done("mcpbox_list_servers", json!({})).await;
    let server = servers["servers"].as_array().expect("servers").iter().find(|server| server["name"] == "s");
    model.done("mcpbox_stop_server", json!({"server_id": server.expect("the server")["id"]})).await;
    assert_eq!(client.ask(&session, "tools/list", json!({})).await.status, 404, "one that is stopped is not served");
}

#[tokio::test]
async fn a_stranger_learns_of_no_server() {
    let host = furnished().await;
    for path in ["/mcp/servers/s", "/mcp/servers/nothing"] {
        let client = Client::of(&host).at(path);
        let through_a_proxy = [("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client.modern(&through_a_proxy, "tools/list", json!({})).await.status, 401, "{path}");
        let foreign = [("origin", "https://evil.example")];
        assert_eq!(client.modern(&foreign, "tools/list", json!({})).await.status, 403, "{path}");
    }
}
