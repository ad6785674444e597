//! The list of tools, as clients get it: what is wrong with one tool harms no other, what comes out of a tool is
//! what it promised, a list that is too long gives way to a search, and nobody sees what is not for him.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};
use crate::mcp_client::{Client, ECHO, offer};

const LIES: &str = "def main(honest: bool) -> list[int]:\n    return [1, 2] if honest else [1, 'hunter2']\n";

fn names(listed: &Value) -> Vec<&str> {
    listed["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

async fn limited(limits: impl FnOnce(&mut Limits)) -> Host {
    let mut wishes = Wishes::default();
    limits(&mut wishes.limits);
    Host::with(wishes).await
}

/// Makes a key; answers its id and the key.
async fn key(admin: &Admin<'_>, name: &str) -> (String, String) {
    let made = admin.ask(Method::POST, "/api/api-keys", Some(json!({ "name": name }))).await;
    let text = |member: &str| made[member].as_str().expect("a text").to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn a_tool_with_a_bad_schema_is_in_quarantine_and_its_neighbours_are_not() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("bad_schema")).await;
    assert!(made["exports"][0].get("quarantine").is_none(), "{made}");
    let reason = made["exports"][1]["quarantine"].as_str().expect("a reason");
    assert!(reason.contains("input schema") && reason.contains("http://a.b/c"), "{reason}");
    let tool = made["id"].as_str().expect("an id");
    admin.ask(Method::POST, &format!("/api/approvals/tools/{tool}/action"), Some(json!({"action": "submit"}))).await;
    let waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(waiting["items"][0]["version"]["exports"][1]["quarantine"], reason, "a person sees it: {waiting}");
    admin.approve(tool).await;

    let client = Client::of(&host);
    let listed = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert!(names(&listed).contains(&"lab__one") && !names(&listed).contains(&"lab__two"), "{listed}");
    let good = client.modern(&[], "tools/call", json!({"name": "lab__one"})).await.result().await;
    assert_eq!(text(&good), "one");
    let bad = client.modern(&[], "tools/call", json!({"name": "lab__two"})).await.result().await;
    assert_eq!(bad["isError"], true);
    assert!(text(&bad).contains("quarantine") && text(&bad).contains(reason), "{bad}");
    let shown = admin.ask(Method::GET, &format!("/api/tools/{tool}"), None).await;
    assert_eq!(shown["exports"][1]["quarantine"], reason);
    let cost = admin.ask(Method::GET, "/api/mcp/catalogue", None).await;
    assert_eq!((&cost["tools"], &cost["quarantined"]), (&json!(1), &json!(1)));
    let servers = admin.ask(Method::GET, "/api/mcp/catalogue/servers", None).await;
    assert_eq!(servers["items"][0]["quarantined"], json!([{"name": "lab__two", "reason": reason}]));
}

#[tokio::test]
async fn a_result_that_does_not_fit_its_schema_is_the_tools_error() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let ids = offer(&host, &admin, &[("lies", LIES)]).await;
    let client = Client::of(&host);
    let call = async |honest: bool| {
        let call = json!({"name": "s__lies", "arguments": {"honest": honest}});
        client.modern(&[], "tools/call", call).await.result().await
    };
    let good = call(true).await;
    assert_eq!((&good["isError"], &good["structuredContent"]), (&json!(false), &json!({"result": [1, 2]})));
    let bad = call(false).await;
    assert_eq!(bad["isError"], true);
    assert!(bad.get("structuredContent").is_none(), "{bad}");
    let words = text(&bad);
    assert!(words.contains("/result/1: ") && words.contains("integer") && words.contains("author"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
    assert_eq!(bad["_meta"]["mcpbox/execution"]["outcome"], "invalid_result");
    let outcome = crate::mcp_client::outcome_of_last_call(&host, &ids[0]).await;
    assert_eq!(outcome, "invalid_result");
    let logs = admin.ask(Method::GET, "/api/execution-logs?outcome=invalid_result", None).await;
    assert_eq!((&logs["total"], &logs["items"][0]["success"]), (&json!(1), &json!(false)), "{logs}");
}

/// Holds: schema_steps.
#[tokio::test]
async fn to_hold_a_value_to_a_schema_takes_a_bounded_number_of_steps() {
    let host = limited(|limits| limits.schema_steps = 1_000).await;
    let admin = host.admin().await;
    let source = "def main(items: list[int], times: int = 1) -> list[int]:\n    return items * times\n";
    offer(&host, &admin, &[("many", source)]).await;
    let client = Client::of(&host);
    let call = async |items: usize, times: usize| {
        let arguments = json!({"items": vec![7; items], "times": times});
        client.modern(&[], "tools/call", json!({"name": "s__many", "arguments": arguments})).await.result().await
    };
    assert_eq!(call(10, 1).await["isError"], false);
    let arguments = call(5_000, 1).await;
    assert!(text(&arguments).contains("takes too long"), "{arguments}");
    let result = call(10, 1_000).await;
    assert_eq!(result["_meta"]["mcpbox/execution"]["outcome"], "invalid_result");
    assert!(text(&result).contains("takes too long"), "{result}");
}

/// Holds: tools_listed.
#[tokio::test]
async fn in_place_of_too_many_tools_a_model_gets_two_that_find_and_call_them() {
    let host = limited(|limits| limits.tools_listed = 1).await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let client = Client::of(&host);
    let list = async |path: &str| Client::of(&host).at(path).modern(&[], "tools/list", json!({})).await.result().await;
    assert!(names(&list("/mcp").await).ends_with(&["s__echo"]), "as many as may be");
    assert!(names(&list("/mcp?tools=search").await).ends_with(&["mcpbox_search_tools", "mcpbox_call_tool"]));
    let server = admin.server("t").await;
    admin.another_tool(&server, "lies", LIES).await;
    let listed = list("/mcp").await;
    assert!(names(&listed).iter().all(|name| name.starts_with("mcpbox_")), "{:?}", names(&listed));
    assert!(names(&listed).ends_with(&["mcpbox_search_tools", "mcpbox_call_tool"]));
    assert!(names(&list("/mcp?tools=all").await).ends_with(&["s__echo", "t__lies"]));
    assert_eq!(names(&list("/mcp/servers/s").await), ["echo"], "one server is never too many");
    assert_eq!(Client::of(&host).at("/mcp?tools=x").modern(&[], "tools/list", json!({})).await.status, 400);

    let tool = async |name: &str, arguments: Value| {
        client.modern(&[], "tools/call", json!({"name": name, "arguments": arguments})).await
    };
    let found = tool("mcpbox_search_tools", json!({"query": "echo"})).await.result().await["structuredContent"].clone();
    assert_eq!((&found["total"], &found["tools"][0]["name"]), (&json!(1), &json!("s__echo")), "{found}");
    assert_eq!(found["tools"][0]["input_schema"]["properties"]["text"]["type"], "string");
    let nothing = tool("mcpbox_search_tools", json!({"query": "weather"})).await.result().await;
    assert_eq!(nothing["structuredContent"]["tools"], json!([]));

    let through = async |name: &str, arguments: Value| {
        tool("mcpbox_call_tool", json!({"name": name, "arguments": arguments})).await
    };
    let echoed = through("s__echo", json!({"text": "a"})).await.result().await;
    assert_eq!(echoed["structuredContent"], json!({"text": "a"}));
    let misfit = through("s__echo", json!({"text": 7})).await.result().await;
    assert!(text(&misfit).contains("/text"), "{misfit}");
    // The tool that it called is there, so that it reads what is wrong.
    for (name, words) in [("s__ecko", "`s__echo`"), ("mcpbox_call_tool", "not itself")] {
        let told = through(name, json!({})).await.result().await;
        assert!(told["isError"] == true && text(&told).contains(words), "{told}");
    }
    let told = tool("mcpbox_call_tool", json!({})).await.result().await;
    assert!(told["isError"] == true && text(&told).contains("missing field `name`"), "{told}");
    let listing = through("mcpbox_list_servers", json!({})).await.result().await;
    assert_eq!(listing["isError"], false, "management tools too");
    assert_eq!(tool("s__echo", json!({"text": "b"})).await.result().await["isError"], false, "and by their names");
}

#[tokio::test]
async fn what_is_outside_a_profile_does_not_exist_for_its_caller() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let server = admin.server("t").await;
    admin.another_tool(&server, "lies", LIES).await;
    let (id, key) = key(&admin, "claude").await;
    let bearer = format!("Bearer {key}");
    let shows = [("authorization", bearer.as_str())];
    let client = Client::of(&host);
    let (session, _) = {
        let answer = client.post(&shows, &crate::mcp_client::initialize("2025-06-18")).await;
        (answer.headers["mcp-session-id"].to_str().expect("ASCII").to_owned(), answer)
    };
    let list = async || client.modern(&shows, "tools/list", json!({})).await.result().await;
    assert!(names(&list().await).ends_with(&["s__echo", "t__lies"]), "without a profile it is everything");

    let path = format!("/api/mcp/profiles/{id}");
    let before = admin.ask(Method::GET, &path, None).await;
    assert_eq!(
        (&before["name"], &before["servers"], &before["management"]),
        (&json!("claude"), &json!(null), &json!(true))
    );
    let set = json!({"servers": [server], "management": false});
    let after = admin.ask(Method::PUT, &path, Some(set)).await;
    assert_eq!(after["servers"], json!([{"id": server, "name": "t"}]));
    assert_eq!(admin.ask(Method::GET, "/api/mcp/profiles", None).await["items"][0], after);

    assert_eq!(names(&list().await), ["t__lies"]);
    let legacy = [shows[0], ("mcp-session-id", session.as_str())];
    let listed = client.post(&legacy, &crate::mcp_client::request(1, "tools/list", &json!({}))).await.result().await;
    assert_eq!(names(&listed), ["t__lies"], "also in a session that was open before");
    let call = async |name: &str| client.modern(&shows, "tools/call", json!({ "name": name })).await.json().await;
    for name in ["s__echo", "mcpbox_list_servers"] {
        let answer = call(name).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        let words = answer["error"]["message"].as_str().expect("words");
        assert!(!words.contains("did you mean"), "{words}");
    }
    let through = json!({"name": "mcpbox_call_tool", "arguments": {"name": "s__echo"}});
    let told = client.modern(&shows, "tools/call", through).await.result().await;
    assert!(told["isError"] == true && !text(&told).contains("did you mean"), "{told}");
    let discovered = client.modern(&shows, "server/discover", json!({})).await.result().await;
    let words = discovered["instructions"].as_str().expect("words");
    assert!(words.contains("list the tools again") && !words.contains("mcpbox_create"), "{words}");
    let search = json!({"name": "mcpbox_search_tools", "arguments": {"query": "echo lies"}});
    let found = client.modern(&shows, "tools/call", search).await.result().await;
    assert_eq!(found["structuredContent"]["total"], 1, "{found}");
    assert_eq!(call("t__lies").await["result"]["isError"], true, "it is there, and wants an argument");
    let at = |server: &str| Client::of(&host).at(&format!("/mcp/servers/{server}"));
    let unknown = at("s").modern(&shows, "tools/list", json!({})).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json().await["error"]["data"]["addresses"], json!(["/mcp", "/mcp/servers/t"]));
    assert_eq!(at("t").modern(&shows, "tools/list", json!({})).await.status, 200);

    // Others are not touched, and it can be taken back.
    assert!(names(&client.modern(&[], "tools/list", json!({})).await.result().await).contains(&"s__echo"));
    admin.ask(Method::PUT, "/api/mcp/profiles/local", Some(json!({"servers": []}))).await;
    let local = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert!(names(&local).iter().all(|name| name.starts_with("mcpbox_")), "{local}");
    admin.ask(Method::PUT, &path, Some(json!({"servers": null}))).await;
    assert!(names(&list().await).contains(&"s__echo"));
    let acts = admin.ask(Method::GET, "/api/audit?action=profile.set", None).await;
    assert_eq!(acts["total"], 3, "{acts}");
    for (path, body, status) in [
        ("/api/mcp/profiles/nobody", json!({"servers": null}), StatusCode::NOT_FOUND),
        (path.as_str(), json!({"servers": [id]}), StatusCode::UNPROCESSABLE_ENTITY),
        (path.as_str(), json!({}), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(admin.refused(Method::PUT, path, Some(body.clone())).await.0, status, "{path} {body}");
    }
}

#[tokio::test]
async fn what_the_list_costs_is_told_in_all_and_by_server() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    admin.server("empty").await;
    let cost = admin.ask(Method::GET, "/api/mcp/catalogue", None).await;
    let (bytes, tokens) = (cost["size_bytes"].as_u64().expect("bytes"), cost["tokens"].as_u64().expect("tokens"));
    assert_eq!((cost["tools"].as_u64(), tokens), (Some(1), bytes.div_ceil(4)), "{cost}");
    assert!(bytes > 50, "{cost}");
    let servers = admin.ask(Method::GET, "/api/mcp/catalogue/servers", None).await;
    assert_eq!((&servers["total"], &servers["items"][0]["name"]), (&json!(2), &json!("empty")));
    assert_eq!((&servers["items"][0]["tokens"], &servers["items"][1]["tokens"]), (&json!(0), &json!(tokens)));
    let id = servers["items"][1]["server_id"].as_str().expect("an id");
    let status = admin.ask(Method::GET, &format!("/api/sandbox/servers/{id}/status"), None).await;
    assert_eq!(status["tokens"], tokens, "{status}");
}

#[tokio::test]
async fn what_another_process_switches_off_is_listed_for_two_seconds_at_most() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = offer(&host, &admin, &[("echo", ECHO)]).await.remove(0);
    let server = admin.ask(Method::GET, &format!("/api/tools/{tool}"), None).await["server_id"].clone();
    let server = server.as_str().expect("an id");
    let other = host.beside().await;
    let client = Client::of(&other);
    let lists_it =
        async || names(&client.modern(&[], "tools/list", json!({})).await.result().await).contains(&"s__echo");
    assert!(lists_it().await);
    // It is looked at again and again, and nothing is another.
    for _ in 0..3 {
        host.clock.turn(chrono::TimeDelta::seconds(2));
        assert!(lists_it().await);
    }
    let tool_path = format!("/api/tools/{tool}");
    let server_path = |act: &str| format!("/api/sandbox/servers/{server}/{act}");
    let switches = [
        (Method::PATCH, tool_path.clone(), Some(json!({"enabled": false})), false),
        (Method::PATCH, tool_path, Some(json!({"enabled": true})), true),
        (Method::POST, server_path("stop"), None, false),
        (Method::POST, server_path("start"), None, true),
        (Method::POST, format!("/api/approvals/tools/{tool}/revoke"), Some(json!({"reason": "no longer"})), false),
    ];
    for (method, path, body, is_listed) in switches {
        admin.ask(method, &path, body).await;
        host.clock.turn(chrono::TimeDelta::seconds(2));
        assert_eq!(lists_it().await, is_listed, "{path}");
    }
    other.stop().await;
}
