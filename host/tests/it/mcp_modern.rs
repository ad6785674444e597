//! The modern era: each request stands alone, its headers repeat its body, and closing the answer
//! cancels it.

use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Host, REVISION, Wishes};
use crate::mcp_client::{
    Client, ECHO, FAILS, LINGERS, TALKS, WAITS, modern_params, offer, outcome_of_last_call, request,
};

#[tokio::test]
async fn discover_says_what_is_spoken_and_offered() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let answer = client.modern(&[], "server/discover", json!({})).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("mcp-session-id"), "no session is made");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let result = answer.result().await;
    assert_eq!(result["supportedVersions"][0], REVISION);
    assert_eq!(result["supportedVersions"].as_array().map(Vec::len), Some(5));
    assert_eq!(result["capabilities"]["tools"], json!({"listChanged": true}));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcpbox");
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("private")));
    assert!(result["ttlMs"].as_u64().is_some() && result["instructions"].is_string());
}

#[tokio::test]
async fn a_request_without_its_metadata_is_malformed() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let headers = [("mcp-protocol-version", REVISION), ("mcp-method", "server/discover")];
    let (version, capabilities) =
        ("io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities");
    for params in [
        json!({}),
        json!({"_meta": {}}),
        json!({"_meta": {version: REVISION}}),
        json!({"_meta": {capabilities: {}}}),
        json!({"_meta": {version: 7, capabilities: {}}}),
    ] {
        let answer = client.post(&headers, &request(9, "server/discover", &params)).await;
        assert_eq!(answer.status, 400, "{params}");
        let answer = answer.json().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(9), &json!(-32602)), "{params}");
    }
    // Also without any header that says which era it is.
    let bare = client.post(&[], &request(9, "server/discover", &json!({}))).await;
    assert_eq!(bare.code().await, (400, -32602));
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused_with_those_that_are() {
    let host = Host::start().await;
    let client = Client::of(&host);
    for version in ["v999", "2025-11-25"] {
        let params = modern_params(json!({"_meta": {"io.modelcontextprotocol/protocolVersion": version}}));
        let headers = [("mcp-protocol-version", version), ("mcp-method", "tools/list")];
        let answer = client.post(&headers, &request(1, "tools/list", &params)).await;
        assert_eq!(answer.status, 400);
        let error = answer.json().await["error"].clone();
        assert_eq!((&error["code"], &error["data"]["requested"]), (&json!(-32022), &json!(version)));
        let supported = error["data"]["supported"].as_array().expect("a list");
        assert!(supported.contains(&json!(REVISION)) && !supported.contains(&json!(version)), "{error}");
    }
}

#[tokio::test]
async fn headers_that_do_not_repeat_the_body_are_refused() {
    let host = Host::start().await;
    let client = Client::of(&host);
    const V: (&str, &str) = ("mcp-protocol-version", REVISION);
    const LIST: (&str, &str) = ("mcp-method", "tools/list");
    const CALL: (&str, &str) = ("mcp-method", "tools/call");
    const NAME: (&str, &str) = ("mcp-name", "mcpbox_list_servers");
    let call = modern_params(json!({"name": "mcpbox_list_servers", "arguments": {}}));
    for (method, params, headers, good) in [
        ("tools/list", json!({}), &[V, LIST][..], true),
        ("tools/list", json!({}), &[V], false),
        ("tools/list", json!({}), &[LIST], false),
        ("tools/list", json!({}), &[V, CALL], false),
        ("tools/list", json!({}), &[V, ("mcp-method", "TOOLS/LIST")], false),
        ("tools/list", json!({}), &[("mcp-protocol-version", "2025-11-25"), LIST], false),
        ("tools/call", call.clone(), &[V, CALL, NAME], true),
        ("tools/call", call.clone(), &[V, CALL, ("mcp-name", "  mcpbox_list_servers ")], true),
        ("tools/call", call.clone(), &[V, CALL, ("mcp-name", "=?base64?bWNwYm94X2xpc3Rfc2VydmVycw==?=")], true),
        ("tools/call", call.clone(), &[V, CALL], false),
        ("tools/call", call.clone(), &[V, CALL, ("mcp-name", "another")], false),
        ("tools/call", call.clone(), &[V, CALL, NAME, NAME], false),
    ] {
        let answer = client.post(headers, &request(1, method, &modern_params(params))).await;
        let expected = if good { (200, 0) } else { (400, -32020) };
        assert_eq!(answer.code().await, expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn what_the_revision_does_not_have_is_not_found() {
    let host = Host::start().await;
    let client = Client::of(&host);
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list", "nonsense", ""] {
        assert_eq!(client.modern(&[], method, json!({})).await.code().await, (404, -32601), "{method}");
    }
    for method in ["GET", "DELETE"] {
        let answer = client.send(method, &[("accept", "text/event-stream")], "").await;
        assert_eq!((answer.status, answer.headers["allow"].to_str().ok()), (405, Some("POST, OPTIONS")), "{method}");
    }
    let said = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(client.post(&[("mcp-protocol-version", REVISION)], &said).await.status, 202);
    let answered = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    let refused = client.post(&[("mcp-protocol-version", REVISION)], &answered).await;
    assert_eq!(refused.status, 400);
    let refused = refused.json().await;
    assert!(
        refused["error"]["code"] == -32600 && refused.get("id").is_none(),
        "it is no answer to anything: {refused}"
    );
    // A session header means nothing here.
    assert_eq!(client.modern(&[("mcp-session-id", "x")], "tools/list", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_guest_is_listed_called_and_its_failure_is_a_result() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO), ("fails", FAILS)]).await;
    let client = Client::of(&host);
    let listed = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert_eq!((&listed["resultType"], &listed["cacheScope"]), (&json!("complete"), &json!("private")));
    let names: Vec<&str> =
        listed["tools"].as_array().expect("tools").iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.ends_with(&["s__echo", "s__fails"]), "{names:?}");

    let call = json!({"name": "s__echo", "arguments": {"text": "a\nb"}});
    let result = client.modern(&[], "tools/call", call).await.result().await;
    assert_eq!((&result["structuredContent"], &result["isError"]), (&json!({"text": "a\nb"}), &json!(false)));
    assert_eq!(result["resultType"], "complete");
    let execution = &result["_meta"]["mcpbox/execution"];
    assert_eq!(execution["outcome"], "returned");
    assert!(execution["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{execution}");

    let result = client.modern(&[], "tools/call", json!({"name": "s__fails"})).await.result().await;
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("ValueError: no luck")), "{result}");
    let misfit = json!({"name": "s__echo", "arguments": {"text": 7}});
    let result = client.modern(&[], "tools/call", misfit).await.result().await;
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("/text")), "{result}");

    let answer = client.modern(&[], "tools/call", json!({"name": "s__ecko"})).await;
    assert_eq!(answer.status, 200);
    let error = answer.json().await["error"].clone();
    assert_eq!(error["code"], -32602);
    let message = error["message"].as_str().expect("words");
    assert!(message.contains("tools/list") && message.contains("`s__echo`"), "{message}");
}

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["method"].as_str().unwrap_or("answer")).collect()
}

#[tokio::test]
async fn progress_and_log_lines_come_before_the_answer_and_only_when_asked_for() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("talks", TALKS)]).await;
    let client = Client::of(&host);
    let call = |meta: Value| json!({"name": "s__talks", "_meta": meta});

    let plain = client.modern(&[], "tools/call", call(json!({}))).await.result().await;
    assert_eq!(plain["isError"], false);

    let answer = client.modern(&[], "tools/call", call(json!({"progressToken": "p"}))).await;
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    let messages = answer.messages().await;
    let expected = ["notifications/progress", "notifications/progress", "notifications/progress", "answer"];
    assert_eq!(methods(&messages), expected);
    let told: Vec<f64> = messages.iter().filter_map(|message| message["params"]["progress"].as_f64()).collect();
    assert_eq!(told, [0.0, 50.0, 100.0], "each greater than the one before");
    assert!(messages[..3].iter().all(|message| message["params"]["progressToken"] == "p"));

    let level = json!({"io.modelcontextprotocol/logLevel": "info"});
    let messages = client.modern(&[], "tools/call", call(level)).await.messages().await;
    assert_eq!(messages.len(), 5, "four lines that are serious enough, and the answer");
    assert_eq!(messages[0]["params"]["data"], "at 0");
    assert_eq!((&messages[4]["id"], &messages[4]["result"]["isError"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn closing_the_answer_stops_the_guest() {
    let limits = Limits { calls_at_once: 1, calls_waiting: 0, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("waits", WAITS), ("waits_too", WAITS), ("echo", ECHO)]).await;
    let client = Client::of(&host);

    let mut answer = client.modern(&[], "tools/call", json!({"name": "s__waits", "_meta": {"progressToken": 1}})).await;
    assert_eq!(answer.piece().await.as_deref(), Some(":\n\n"), "the first byte comes at once");
    drop(answer);
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "cancelled");

    // The same when the answer would have been JSON. It runs when it holds the only place.
    let waiting =
        async { while client.modern(&[], "tools/call", json!({"name": "s__waits_too"})).await.status == 503 {} };
    let running = async { while client.modern(&[], "tools/call", json!({"name": "s__echo"})).await.status != 503 {} };
    tokio::select! {
        () = waiting => panic!("the tool waits"),
        () = running => {}
    }
    assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled");
}

/// Holds: sse_keep_alive_s.
#[tokio::test]
async fn a_long_call_becomes_a_stream_before_a_proxy_takes_it_for_dead() {
    let limits = Limits { sse_keep_alive_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("lingers", LINGERS)]).await;
    let client = Client::of(&host);
    let messages = client.modern(&[], "tools/call", json!({"name": "s__lingers"})).await.messages().await;
    assert_eq!((messages.len(), &messages[0]["result"]["isError"]), (1, &json!(false)));
}

/// Fault: 11.pages.
#[tokio::test]
async fn the_list_comes_in_pages() {
    let limits = Limits { page_size_max: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let names: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
    offer(&host, &admin, &names.iter().map(|name| (name.as_str(), ECHO)).collect::<Vec<_>>()).await;
    let listed = host.model().tools().await;
    let own = listed.iter().filter(|name| name.starts_with("mcpbox_")).count();
    assert_eq!(listed[own..], ["s__t0", "s__t1", "s__t2", "s__t3", "s__t4"]);
    let client = Client::of(&host);
    let first = client.modern(&[], "tools/list", json!({})).await.result().await;
    assert_eq!(first["tools"].as_array().map(Vec::len), Some(own + 2));
    assert!(first["nextCursor"].is_string());
    let nonsense = client.modern(&[], "tools/list", json!({"cursor": "nonsense"})).await;
    assert_eq!(nonsense.code().await, (200, -32602));
}
