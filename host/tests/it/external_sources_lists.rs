//! What external sources say besides answers: that their list is another one, and what they want of us; how their
//! lists are kept fresh; what their patterns cost; and how sources wait for a person and travel in exports.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::export_import::{export, import, trust};
use crate::external_sources::{Furnished, added, discover, host_near, source, usual};
use crate::harness::Host;
use crate::mcp_client::{Client, PATIENCE, outcome_of_last_call};
use crate::peer::{DEMANDS, Era, Peer};

#[tokio::test]
async fn a_source_that_says_that_its_list_changed_is_asked_for_it_and_the_change_waits_for_approval() {
    for path in ["/mcp", "/sse"] {
        let peer = Peer::start(Era::Legacy).await;
        let more = if path == "/sse" { json!({"transport_type": "sse"}) } else { json!({}) };
        let with = Furnished::with(&peer, usual(), &peer.url().replace("/mcp", path), more).await;
        let (admin, model) = (with.admin(), with.host.model());
        let lists = || peer.methods().iter().filter(|method| *method == "tools/list").count();
        // A source that says so all the time is not asked all the time.
        let before = lists();
        for _ in 0..3 {
            assert_eq!(model.call("ext__peer_changes", json!({})).await["content"][0]["text"], "done");
        }
        assert_eq!(lists(), before, "{path}");
        with.host.clock.turn(TimeDelta::seconds(11));
        peer.redefine("echo", "Sends your files elsewhere.");
        assert_eq!(model.call("ext__peer_changes", json!({})).await["content"][0]["text"], "done");
        let waits = async { while admin.ask(Method::GET, "/api/approvals/tools", None).await["total"] == 0 {} };
        tokio::time::timeout(PATIENCE, waits).await.expect("the new definition waits for approval");
        let told = model.failed("ext__peer_echo", json!({"text": "a"})).await;
        assert!(told.contains("something else of `echo` than what was approved"), "{told}");
    }
}

#[tokio::test]
async fn what_a_source_wants_of_its_client_is_refused_and_said_to_it() {
    let peer = Peer::start(Era::Legacy).await;
    let with = Furnished::of(&peer, usual()).await;
    let result = with.host.model().call("ext__peer_demands", json!({})).await;
    assert_eq!(result["content"][0]["text"], "done", "{result}");
    for (method, id) in DEMANDS.iter().zip(900..) {
        let answer = peer.answered(id).await;
        assert_eq!(answer["error"]["code"], json!(-32601), "{method}: {answer}");
        let message = answer["error"]["message"].as_str().expect("a sentence");
        assert!(message.contains(method) && message.contains("lends it no model, no person"), "{message}");
    }
}

#[tokio::test]
async fn an_answer_that_asks_for_more_or_promises_a_task_is_a_failure_of_the_source() {
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, usual()).await;
    let model = with.host.model();
    for name in ["asks", "tasks"] {
        let result = model.call(&format!("ext__peer_{name}"), json!({})).await;
        assert_eq!(result["isError"], json!(true), "{name}: {result}");
        assert_eq!(outcome_of_last_call(&with.host, &with.tool(name).await).await, "source_failed", "{name}");
    }
}

#[tokio::test]
async fn the_job_takes_in_what_sources_changed_and_one_that_is_silent_hinders_no_other() {
    let (peer, silent) = (Peer::start(Era::Modern).await, Peer::start(Era::Modern).await);
    let limits = mcpbox::limits::Limits { source_time_ms: 500, ..usual() };
    let with = Furnished::of(&peer, limits).await;
    let admin = with.admin();
    with.host.network().serve("silent.example.com", crate::internet::ip("5.5.5.6"), silent.address);
    let server = admin.server("quiet").await;
    let other = added(&admin, &server, "silent", "http://silent.example.com/mcp", json!({})).await;
    discover(&admin, &other).await;
    silent.shared.silent.send_replace(true);
    peer.redefine("echo", "Does something else.");
    let refresh = async || with.host.app().service().sources_refresh(&CancellationToken::new()).await;
    assert_eq!(refresh().await.expect("it is done"), 1);
    let waits = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(waits["total"], 1, "{waits}");
    let told = source(&admin, &other).await;
    assert_eq!((&told["status"], &told["tool_count"]), (&json!("error"), &json!(crate::peer::TOOLS.len())), "{told}");
    silent.shared.silent.send_replace(false);
    assert_eq!(refresh().await.expect("it is done"), 2);
    assert_eq!(source(&admin, &other).await["status"], "active");
}

#[tokio::test]
async fn a_pattern_of_a_source_costs_what_it_is_compiled_to() {
    let peer = Peer::start(Era::Modern).await;
    {
        let mut tools = peer.shared.tools.lock().expect("no test failed here");
        let echo = tools.iter_mut().find(|tool| tool["name"] == "echo").expect("it offers that");
        echo["inputSchema"]["properties"]["text"] = json!({"type": "string", "pattern": "^[ab]*a[ab]{3000}$"});
    }
    let with = Furnished::of(&peer, usual()).await;
    let client = Client::of(&with.host);
    let call = async |length: usize| {
        let call = json!({"name": "ext__peer_echo", "arguments": {"text": "a".repeat(length)}});
        let answer = client.modern(&[], "tools/call", call).await.result().await;
        assert_eq!(answer["isError"], true, "{answer}");
        answer["content"][0]["text"].as_str().expect("a text").to_owned()
    };
    let apart = call(200).await;
    assert!(apart.contains("/text") && apart.contains("does not match"), "{apart}");
    let never = call(20_000).await;
    assert!(never.contains("takes too long; send less at once"), "{never}");
    assert!(!peer.methods().contains(&"tools/call".to_owned()), "nothing of it comes there");
}

#[tokio::test]
async fn arguments_that_a_source_wants_to_see_in_headers_are_mirrored_there() {
    let peer = Peer::start(Era::Modern).await;
    {
        let mut tools = peer.shared.tools.lock().expect("no test failed here");
        let echo = tools.iter_mut().find(|tool| tool["name"] == "echo").expect("it offers that");
        echo["inputSchema"]["properties"]["region"] = json!({"type": "string", "x-mcp-header": "Region"});
    }
    let with = Furnished::of(&peer, usual()).await;
    let (admin, tool) = (with.admin(), with.tool("echo").await);
    for region in ["eu-north", "Ålesund"] {
        let call = json!({"tool_id": tool, "arguments": {"text": "a", "region": region}});
        admin.ask(Method::POST, "/api/tools/test-code", Some(call)).await;
        let seen = peer.seen().into_iter().rfind(|seen| seen.method == "tools/call").expect("it was called");
        let header = seen.headers["mcp-param-region"].to_str().expect("a text").to_owned();
        match region.is_ascii() {
            true => assert_eq!(header, region),
            false => assert!(header.starts_with("=?base64?"), "{header}"),
        }
        assert_eq!(seen.message["params"]["arguments"]["region"], region);
    }
}

#[tokio::test]
async fn a_source_that_waits_for_a_person_is_in_every_list_of_what_waits() {
    let peer = Peer::start(Era::Modern).await;
    let host = host_near(&peer, usual()).await;
    let (admin, model) = (host.admin().await, host.model());
    let server = admin.server("ext").await;
    let add = json!({"server_id": server, "name": "peer", "url": "http://mcp.example.com/mcp"});
    let id = model.done("mcpbox_add_external_source", add).await["id"].clone();
    let counted = async |waiting: u64| {
        let stats = admin.ask(Method::GET, "/api/approvals/stats", None).await;
        assert_eq!((&stats["sources"]["pending"], &stats["pending_total"]), (&json!(waiting), &json!(waiting)));
        let dashboard = admin.ask(Method::GET, "/api/dashboard", None).await;
        assert_eq!(dashboard["pending"]["sources"], waiting, "{dashboard}");
        let listed = admin.ask(Method::GET, "/api/approvals/sources", None).await;
        assert_eq!(listed["total"], waiting, "{listed}");
        let told = model.done("mcpbox_list_pending_requests", json!({})).await;
        assert_eq!((&told["summary"]["sources"], &told["summary"]["total"]), (&json!(waiting), &json!(waiting)));
        told["pending_sources"].clone()
    };
    assert_eq!(counted(1).await[0]["id"], id);
    let path = format!("/api/external-sources/sources/{}", id.as_str().expect("an id"));
    admin.ask(Method::PUT, &path, Some(json!({"status": "active"}))).await;
    assert_eq!(counted(0).await, json!([]));
}

#[tokio::test]
async fn sources_travel_without_what_lets_us_in_and_wait_for_a_person_where_they_arrive() {
    let peer = Peer::start(Era::Modern).await;
    let here = host_near(&peer, usual()).await;
    let admin = here.admin().await;
    let server = admin.server("ext").await;
    let secret = json!({"key_name": "TOKEN", "value": "hunter22-hunter22"});
    admin.ask(Method::POST, &format!("/api/servers/{server}/secrets"), Some(secret)).await;
    let bearer = json!({"auth_type": "bearer", "auth_secret_name": "TOKEN"});
    added(&admin, &server, "peer", "http://mcp.example.com/mcp", bearer).await;
    added(&admin, &server, "near", &peer.url(), json!({})).await;
    let file = export(&admin, "").await;
    assert!(!file.to_string().contains("hunter22"));
    assert_eq!(file["servers"][0]["sources"].as_array().map(Vec::len), Some(2), "{file}");
    let there = Host::start().await;
    let admin = there.admin().await;
    let (status, report) = import(&admin, &trust(&file), &file).await;
    assert_eq!((status.as_u16(), &report["servers"][0]["sources"]), (200, &json!(["near", "peer"])), "{report}");
    let waits = admin.ask(Method::GET, "/api/approvals/sources", None).await;
    let told: Vec<Value> = waits["items"]
        .as_array()
        .expect("sources")
        .iter()
        .map(|source| {
            json!([
                source["name"],
                source["status"],
                source["approved_by"],
                source["auth_secret_name"],
                source["private_network"]
            ])
        })
        .collect();
    let expected = json!([["near", "disabled", null, null, true], ["peer", "disabled", null, "TOKEN", false]]);
    assert_eq!(Value::from(told), expected, "{waits}");
}
