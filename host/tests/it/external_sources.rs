//! External sources through the doors: added, allowed, discovered, imported and called, in every era.

use chrono::TimeDelta;
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};
use crate::internet::ip;
use crate::mcp_client::outcome_of_last_call;
use crate::peer::{Era, Peer, TOOLS, tool};

/// A host on whose own machine this peer is.
pub async fn host_near(peer: &Peer, limits: Limits) -> Host {
    let wishes = Wishes { limits, ..Wishes::default() };
    wishes.network.route(ip("127.0.0.1"), peer.address);
    wishes.network.serve("mcp.example.com", ip("5.5.5.5"), peer.address);
    Host::with(wishes).await
}

pub fn usual() -> Limits {
    Wishes::default().limits
}

/// Adds a source; answers its id.
pub async fn added(admin: &Admin<'_>, server: &str, name: &str, url: &str, more: Value) -> String {
    let mut body = json!({"name": name, "url": url});
    for (member, value) in more.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    let made = admin.ask(Method::POST, &format!("/api/external-sources/servers/{server}/sources"), Some(body)).await;
    made["id"].as_str().expect("an id").to_owned()
}

pub async fn discover(admin: &Admin<'_>, source: &str) -> Value {
    admin.ask(Method::POST, &format!("/api/external-sources/sources/{source}/discover"), None).await
}

/// Imports tools; answers what became of each.
pub async fn import(admin: &Admin<'_>, source: &str, names: &[&str]) -> Vec<Value> {
    let path = format!("/api/external-sources/sources/{source}/import");
    let answer = admin.ask(Method::POST, &path, Some(json!({"tool_names": names}))).await;
    answer["results"].as_array().expect("results").clone()
}

pub async fn source(admin: &Admin<'_>, id: &str) -> Value {
    admin.ask(Method::GET, &format!("/api/external-sources/sources/{id}"), None).await
}

/// A host with a server `ext`, a source `peer` and all of its tools as `ext__peer_*`.
pub struct Furnished {
    pub host: Host,
    pub token: String,
    pub source: String,
}

impl Furnished {
    pub async fn with(peer: &Peer, limits: Limits, url: &str, more: Value) -> Self {
        let host = host_near(peer, limits).await;
        let admin = host.admin().await;
        let server = admin.server("ext").await;
        let source = added(&admin, &server, "peer", url, more).await;
        discover(&admin, &source).await;
        for result in import(&admin, &source, &TOOLS).await {
            assert_eq!(result["outcome"], "imported", "{result}");
        }
        let token = admin.token.clone();
        Self { host, token, source }
    }

    pub async fn of(peer: &Peer, limits: Limits) -> Self {
        Self::with(peer, limits, &peer.url(), json!({})).await
    }

    pub fn admin(&self) -> Admin<'_> {
        Admin { host: &self.host, token: self.token.clone() }
    }

    /// The id of an imported tool.
    pub async fn tool(&self, name: &str) -> String {
        let path = format!("/api/external-sources/sources/{}/cached-tools?page_size=100", self.source);
        let tools = self.admin().ask(Method::GET, &path, None).await;
        let found = tools["items"].as_array().expect("tools").iter().find(|tool| tool["name"] == name).cloned();
        found.expect("it is offered")["tool_id"].as_str().expect("it was imported").to_owned()
    }
}

#[tokio::test]
async fn a_source_of_every_era_is_discovered_imported_and_called() {
    for (era, more) in
        [(Era::Modern, json!({})), (Era::Legacy, json!({})), (Era::Legacy, json!({"transport_type": "sse"}))]
    {
        let is_sse = more["transport_type"] == "sse";
        let peer = Peer::start(era).await;
        let url = if is_sse { peer.url().replace("/mcp", "/sse") } else { peer.url() };
        let with = Furnished::with(&peer, usual(), &url, more).await;
        let (host, admin) = (&with.host, with.admin());
        let model = host.model();
        assert!(model.tools().await.contains(&"ext__peer_echo".to_owned()));
        let (_, listed) = model.request("tools/list", json!({})).await;
        let all = listed["result"]["tools"].as_array().expect("tools");
        let echo = all.iter().find(|tool| tool["name"] == "ext__peer_echo").expect("it is listed");
        assert_eq!((&echo["title"], &echo["annotations"]["readOnlyHint"]), (&json!("A tool"), &json!(true)), "{echo}");
        for word in ["hi", "there"] {
            let said = model.done("ext__peer_echo", json!({"text": word})).await;
            assert_eq!(said, json!({"said": word, "n": 1.5}), "{era:?}");
        }
        let methods = peer.methods();
        let count = |method: &str| methods.iter().filter(|one| *one == method).count();
        match (era, is_sse) {
            // Once to discover, once for both calls.
            (Era::Modern, _) => assert_eq!((count("server/discover"), count("initialize")), (2, 0), "{methods:?}"),
            (Era::Legacy, false) => assert_eq!(count("initialize"), 2, "{methods:?}"),
            (Era::Legacy, true) => assert_eq!((count("initialize"), count("server/discover")), (3, 0), "{methods:?}"),
        }
        let told = source(&admin, &with.source).await;
        assert_eq!((&told["status"], &told["tool_count"]), (&json!("active"), &json!(TOOLS.len())), "{told}");
        let health = format!("/api/external-sources/sources/{}/health", with.source);
        let health = admin.ask(Method::POST, &health, None).await;
        assert_eq!((&health["healthy"], &health["server_name"]), (&json!(true), &json!("peer")), "{health}");
        let version = match (era, is_sse) {
            (Era::Modern, _) => "2026-07-28",
            (_, false) => "2025-11-25",
            (_, true) => "2024-11-05",
        };
        assert_eq!(health["protocol_version"], version);
    }
}

/// The first MCPbox told every answer of an external tool as a success, and took `sse` without speaking it.
/// Fault: 13.
#[tokio::test]
async fn fault_13_a_failure_of_an_external_tool_is_told_as_one_over_every_transport() {
    for (path, more) in [("/mcp", json!({})), ("/sse", json!({"transport_type": "sse"}))] {
        let peer = Peer::start(Era::Legacy).await;
        let with = Furnished::with(&peer, usual(), &peer.url().replace("/mcp", path), more).await;
        let result = with.host.model().call("ext__peer_fails", json!({})).await;
        assert_eq!(result["isError"], json!(true), "{result}");
        assert_eq!(result["structuredContent"], json!({"code": 7}));
        assert_eq!(result["content"][0]["text"], "it is broken");
        assert_eq!(result["content"][1], json!({"type": "image", "data": "aGk=", "mimeType": "image/png"}));
        assert_eq!(result["content"][2]["uri"], "file:///x");
        assert!(result["content"][3]["text"].as_str().is_some_and(|text| text.contains("hologram")), "{result}");
        assert_eq!(outcome_of_last_call(&with.host, &with.tool("fails").await).await, "returned_error");
    }
}

#[tokio::test]
async fn what_a_source_says_during_a_call_is_passed_on_in_order() {
    for (era, path) in [(Era::Modern, "/mcp"), (Era::Legacy, "/mcp"), (Era::Legacy, "/sse")] {
        let peer = Peer::start(era).await;
        let more = if path == "/sse" { json!({"transport_type": "sse"}) } else { json!({}) };
        let with = Furnished::with(&peer, usual(), &peer.url().replace("/mcp", path), more).await;
        let params = json!({"name": "ext__peer_progress", "arguments": {}, "_meta": {
            "progressToken": "mine", "io.modelcontextprotocol/logLevel": "info"}});
        let mut calling = with.host.model().calling_with(params).await;
        let mut told = Vec::new();
        let result = loop {
            let message = calling.next().await.expect("the answer comes");
            if message["id"].is_number() {
                break message["result"].clone();
            }
            match message["method"].as_str() {
                Some("notifications/progress") => {
                    assert_eq!(message["params"]["progressToken"], "mine");
                    told.push(message["params"]["message"].as_str().unwrap_or_default().to_owned());
                }
                _ => told.push(message["params"]["data"].as_str().unwrap_or_default().to_owned()),
            }
        };
        assert_eq!(told, ["step 1", "mind", "step 2", "step 3"], "{era:?} {path}");
        assert_eq!(result["content"][0]["text"], "done");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_the_call_at_the_source() {
    for era in [Era::Modern, Era::Legacy] {
        let peer = Peer::start(era).await;
        let with = Furnished::of(&peer, usual()).await;
        let calling = with.host.model().calling("ext__peer_hangs", json!({})).await;
        peer.waiting(1).await;
        drop(calling);
        if era == Era::Legacy {
            let told = peer.told("notifications/cancelled").await;
            assert!(told.message["params"]["requestId"].is_number(), "{}", told.message);
        }
        peer.waiting(0).await;
        assert_eq!(outcome_of_last_call(&with.host, &with.tool("hangs").await).await, "cancelled");
    }
}

#[tokio::test]
async fn what_a_model_adds_is_asked_nothing_before_a_person_has_allowed_it() {
    let peer = Peer::start(Era::Modern).await;
    let host = host_near(&peer, usual()).await;
    let (admin, model) = (host.admin().await, host.model());
    let server = admin.server("ext").await;
    let near = json!({"server_id": server, "name": "near", "url": peer.url()});
    assert!(model.failed("mcpbox_add_external_source", near).await.contains("only a person"));
    let public = json!({"server_id": server, "name": "peer", "url": "http://mcp.example.com/mcp"});
    let made = model.done("mcpbox_add_external_source", public).await;
    assert_eq!((&made["status"], &made["awaits_approval"]), (&json!("disabled"), &json!(true)), "{made}");
    let id = made["id"].clone();
    let told = model.failed("mcpbox_discover_external_tools", json!({"source_id": id})).await;
    assert!(told.contains("a person has to allow"), "{told}");
    assert_eq!(peer.served(), 0, "nothing was asked");

    let path = format!("/api/external-sources/sources/{}", id.as_str().expect("an id"));
    let allowed = admin.ask(Method::PUT, &path, Some(json!({"status": "active"}))).await;
    assert_eq!((&allowed["awaits_approval"], &allowed["approved_by"]), (&json!(false), &json!("admin:ada")));
    let found = model.done("mcpbox_discover_external_tools", json!({"source_id": id})).await;
    assert_eq!(found["tool_count"], json!(TOOLS.len()));
    let listed = model.done("mcpbox_list_external_sources", json!({"server_id": server})).await;
    assert_eq!(listed["sources"][0]["name"], "peer");
    let done =
        model.done("mcpbox_import_external_tools", json!({"source_id": id, "tool_names": ["echo", "absent"]})).await;
    assert_eq!(
        (&done["results"][0]["outcome"], &done["results"][1]["outcome"]),
        (&json!("imported"), &json!("failed"))
    );
    let imported = &done["results"][0]["tool"];
    assert_eq!((&imported["approval_status"], &imported["kind"]), (&json!("draft"), &json!("mcp_passthrough")));
    assert!(!model.tools().await.contains(&"ext__peer_echo".to_owned()));
    let tested = model.failed("mcpbox_test_code", json!({"tool_id": imported["id"]})).await;
    assert!(tested.contains("approved"), "{tested}");

    model.done("mcpbox_request_publish", json!({"tool_id": imported["id"]})).await;
    admin.approve(imported["id"].as_str().expect("an id")).await;
    assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");

    admin.ask(Method::PUT, &path, Some(json!({"status": "disabled"}))).await;
    assert!(model.failed("ext__peer_echo", json!({})).await.contains("switched off"));
    let (status, problem) = admin.refused(Method::DELETE, &path, None).await;
    assert_eq!(status.as_u16(), 409, "{problem}");
    admin.ask(Method::DELETE, &format!("/api/tools/{}", imported["id"].as_str().expect("an id")), None).await;
    admin.ask(Method::DELETE, &path, None).await;
    let acts = admin.ask(Method::GET, "/api/audit?page_size=100", None).await.to_string();
    for act in ["source.create", "source.update", "source.discover", "tool.import", "source.delete"] {
        assert!(acts.contains(&format!("\"{act}\"")), "{act}");
    }
}

#[tokio::test]
async fn a_tool_that_is_defined_differently_waits_for_approval_with_its_diff() {
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, usual()).await;
    let (admin, model) = (with.admin(), with.host.model());
    let tool = with.tool("echo").await;
    peer.redefine("echo", "Sends your files elsewhere.");
    let found = discover(&admin, &with.source).await;
    assert_eq!(found["changed_tools"], json!([tool]), "{found}");
    let told = model.failed("ext__peer_echo", json!({"text": "a"})).await;
    assert!(told.contains("something else of `echo` than what was approved"), "{told}");
    assert_eq!(model.done("ext__peer_progress", json!({})).await, Value::Null, "its neighbours are as they were");

    let path = format!("/api/tools/{tool}/versions/compare?from=live&to=latest");
    let compared = admin.ask(Method::GET, &path, None).await;
    let diff = compared["texts"][0]["diff"].as_str().expect("a diff");
    assert!(diff.contains("-Does as it is called.") && diff.contains("+Sends your files elsewhere."), "{compared}");
    let waits = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!((&waits["total"], &waits["items"][0]["tool_id"]), (&json!(1), &json!(tool)), "{waits}");
    assert_eq!(waits["items"][0]["version"]["created_by"], "source:peer");
    admin.approve(&tool).await;
    assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");

    let policy = json!({"on_tool_edit": "take_down"});
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policy)).await;
    peer.redefine("echo", "Does as it is called.");
    discover(&admin, &with.source).await;
    assert!(!model.tools().await.contains(&"ext__peer_echo".to_owned()), "it was taken down");

    peer.shared.tools.lock().expect("lock").retain(|tool| tool["name"] != "fails");
    let gone = discover(&admin, &with.source).await;
    assert_eq!(gone["gone_tools"].as_array().map(Vec::len), Some(1), "{gone}");
    assert!(model.failed("ext__peer_fails", json!({})).await.contains("no longer"));
}

/// Holds: source_fresh_s.
#[tokio::test]
async fn a_call_notices_another_definition_when_the_list_is_too_old() {
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, Limits { source_fresh_s: 60, ..usual() }).await;
    let model = with.host.model();
    peer.redefine("echo", "Does something else.");
    with.host.clock.turn(TimeDelta::seconds(59));
    assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");
    with.host.clock.turn(TimeDelta::seconds(2));
    let told = model.failed("ext__peer_echo", json!({"text": "a"})).await;
    assert!(told.contains("something else of `echo`"), "{told}");
}

#[tokio::test]
async fn a_secret_lets_us_in_and_is_said_back_to_nobody() {
    const VALUE: &str = "correct-horse-token";
    for (more, header, value) in [
        (json!({"auth_type": "bearer", "auth_secret_name": "TOKEN"}), "authorization", format!("Bearer {VALUE}")),
        (
            json!({"auth_type": "header", "auth_secret_name": "TOKEN", "auth_header_name": "X-API-Key"}),
            "x-api-key",
            VALUE.to_owned(),
        ),
    ] {
        let peer = Peer::start(Era::Modern).await;
        *peer.shared.wanted.lock().expect("lock") = Some((header.to_owned(), value));
        let host = host_near(&peer, usual()).await;
        let admin = host.admin().await;
        let server = admin.server("ext").await;
        let id = added(&admin, &server, "peer", &peer.url(), more).await;
        let path = format!("/api/external-sources/sources/{id}/discover");
        let (status, problem) = admin.refused(Method::POST, &path, None).await;
        assert_eq!(status.as_u16(), 409, "{problem}");
        admin.secret(&server, "TOKEN", "wrong-token").await;
        let (status, problem) = admin.refused(Method::POST, &path, None).await;
        assert_eq!((status.as_u16(), &problem["type"]), (424, &json!("/problems/source-failed")), "{problem}");
        let set = format!("/api/servers/{server}/secrets/TOKEN");
        admin.ask(Method::PUT, &set, Some(json!({"value": VALUE}))).await;
        discover(&admin, &id).await;
        import(&admin, &id, &["reveals"]).await;
        let result = host.model().call("ext__peer_reveals", json!({})).await;
        assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains(header)), "{result}");
        for text in [
            result.to_string(),
            source(&admin, &id).await.to_string(),
            admin.ask(Method::GET, "/api/audit?page_size=100", None).await.to_string(),
            admin.ask(Method::GET, "/api/execution-logs", None).await.to_string(),
        ] {
            assert!(!text.contains(VALUE) && !text.contains("wrong-token"), "{text}");
        }
    }
}

#[tokio::test]
async fn one_bad_tool_hides_no_other() {
    let peer = Peer::start(Era::Modern).await;
    let mut bad = tool("bad", "Has no schema.");
    bad["inputSchema"] = json!({"type": "object", "required": 7});
    let mut worse = tool("worse", "Is none.");
    worse["inputSchema"] = json!("nonsense");
    *peer.shared.tools.lock().expect("lock") = vec![bad, worse, json!({"nonsense": 1}), tool("echo", "Says it.")];
    let host = host_near(&peer, usual()).await;
    let admin = host.admin().await;
    let server = admin.server("ext").await;
    let id = added(&admin, &server, "peer", &peer.url(), json!({})).await;
    let found = discover(&admin, &id).await;
    assert_eq!(found["tool_count"], json!(4), "{found}");
    let problems: Vec<bool> =
        found["tools"].as_array().expect("tools").iter().map(|tool| tool["problem"].is_string()).collect();
    assert_eq!(problems, [true, true, true, false], "{found}");
    let results = import(&admin, &id, &["bad", "echo"]).await;
    assert!(results[0]["message"].as_str().is_some_and(|text| text.contains("no JSON Schema")), "{results:?}");
    assert_eq!(results[1]["outcome"], "imported");
    assert_eq!(import(&admin, &id, &["echo"]).await[0]["outcome"], "unchanged");
    assert_eq!(host.model().done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");
}
