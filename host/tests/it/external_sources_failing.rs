//! Sources that hang, die and flood hurt only themselves.

use chrono::TimeDelta;
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::external_sources::{Furnished, added, discover, import, source, usual};
use crate::mcp_client::outcome_of_last_call;
use crate::peer::{Era, Peer, TOOLS, tool};

/// Holds: source_answer_bytes.
#[tokio::test]
async fn a_source_that_hangs_dies_floods_or_talks_nonsense_hurts_only_its_own_calls() {
    let limits = Limits { call_time_ms: 3_000, source_answer_bytes: 3 << 20, ..usual() };
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, limits).await;
    let model = with.host.model();
    for (name, words, outcome) in [
        ("hangs", "longer than its 3.0 s", "stopped_time"),
        ("dies", "before", "source_failed"),
        ("floods", "more than 3145728 bytes in one answer", "source_failed"),
        ("large", "larger than 1048576 bytes", "stopped_result_size"),
        ("asks", "further input", "source_failed"),
        ("unknown", "there is no such tool here", "source_failed"),
    ] {
        let told = model.failed(&format!("ext__peer_{name}"), json!({})).await;
        assert!(told.contains(words), "{name}: {told}");
        assert_eq!(outcome_of_last_call(&with.host, &with.tool(name).await).await, outcome, "{name}");
        assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a", "after {name}");
    }
    peer.waiting(0).await;
}

#[tokio::test]
async fn a_source_that_is_silent_leaves_the_others_and_its_list_alone() {
    let (silent, well) = (Peer::start(Era::Modern).await, Peer::start(Era::Legacy).await);
    let with = Furnished::of(&silent, Limits { call_time_ms: 2_000, source_time_ms: 5_000, ..usual() }).await;
    let admin = with.admin();
    let server = admin.server("other").await;
    let url = "http://127.0.0.2/mcp";
    let id = added(&admin, &server, "well", url, json!({})).await;
    with.host.network().route(crate::internet::ip("127.0.0.2"), well.address);
    discover(&admin, &id).await;
    import(&admin, &id, &["echo"]).await;
    silent.shared.silent.send_replace(true);
    let model = with.host.model();
    let (hung, done) = tokio::join!(
        model.failed("ext__peer_echo", json!({"text": "a"})),
        model.done("other__well_echo", json!({"text": "b"}))
    );
    assert!(hung.contains("longer than"), "{hung}");
    assert_eq!(done["said"], "b");
    let path = format!("/api/external-sources/sources/{}/discover", with.source);
    let (status, problem) = admin.refused(Method::POST, &path, None).await;
    assert_eq!(status.as_u16(), 424, "{problem}");
    let told = source(&admin, &with.source).await;
    assert_eq!((&told["status"], &told["tool_count"]), (&json!("error"), &json!(TOOLS.len())), "{told}");
    assert_eq!(source(&admin, &id).await["status"], "active");
}

/// Holds: circuit_failures, circuit_open_s, circuit_successes.
#[tokio::test]
async fn a_source_that_fails_too_often_is_left_alone_for_a_while() {
    let limits = Limits { circuit_failures: 2, circuit_open_s: 30, circuit_successes: 2, ..usual() };
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, limits).await;
    let (admin, model) = (with.admin(), with.host.model());
    let echo = || model.request("tools/call", json!({"name": "ext__peer_echo", "arguments": {"text": "a"}}));
    let state = async |expected: &str| {
        let told = admin.ask(Method::GET, "/health/circuits", None).await;
        assert_eq!(told["circuits"]["ext.peer"]["state"], json!(expected), "{told}");
    };
    state("closed").await;
    for _ in 0..2 {
        model.failed("ext__peer_dies", json!({})).await;
    }
    state("open").await;
    let before = peer.served();
    let (status, answer) = echo().await;
    assert_eq!(status.as_u16(), 503, "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("left alone")), "{answer}");
    assert_eq!(peer.served(), before, "it was not asked");
    with.host.clock.turn(TimeDelta::seconds(31));
    state("half_open").await;
    assert_eq!(echo().await.0.as_u16(), 200);
    state("half_open").await;
    assert_eq!(echo().await.0.as_u16(), 200);
    state("closed").await;

    for path in ["/health/circuits/ext.peer/reset", "/health/circuits/reset"] {
        for _ in 0..2 {
            model.failed("ext__peer_dies", json!({})).await;
        }
        state("open").await;
        admin.ask(Method::POST, path, None).await;
        state("closed").await;
        assert_eq!(echo().await.0.as_u16(), 200);
    }
    let (status, problem) = admin.refused(Method::POST, "/health/circuits/nobody/reset", None).await;
    assert_eq!(status.as_u16(), 404, "{problem}");
}

/// Holds: source_calls_at_once.
#[tokio::test]
async fn nobody_queues_before_a_source_that_has_enough_to_do() {
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, Limits { source_calls_at_once: 1, ..usual() }).await;
    let model = with.host.model();
    let hanging = model.calling("ext__peer_hangs", json!({})).await;
    peer.waiting(1).await;
    let call = json!({"name": "ext__peer_echo", "arguments": {"text": "a"}});
    let (status, answer) = model.request("tools/call", call).await;
    assert_eq!(status.as_u16(), 503, "{answer}");
    assert!(answer.to_string().contains("MCPBOX_SOURCE_CALLS_AT_ONCE"), "{answer}");
    drop(hanging);
    peer.waiting(0).await;
}

/// Holds: source_tools, source_time_ms.
#[tokio::test]
async fn a_list_that_is_too_long_or_too_slow_leaves_the_last_good_one() {
    let peer = Peer::start(Era::Legacy).await;
    let with =
        Furnished::of(&peer, Limits { source_tools: TOOLS.len() as u64, source_time_ms: 3_000, ..usual() }).await;
    let admin = with.admin();
    let path = format!("/api/external-sources/sources/{}/discover", with.source);
    let failing = async |words: &str| {
        let (status, problem) = admin.refused(Method::POST, &path, None).await;
        assert_eq!(status.as_u16(), 424, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(words)), "{problem}");
        let list = format!("/api/external-sources/sources/{}/cached-tools?page_size=4&page=2", with.source);
        let kept: Value = admin.ask(Method::GET, &list, None).await;
        assert_eq!((&kept["total"], &kept["pages"]), (&json!(TOOLS.len()), &json!(TOOLS.len().div_ceil(4))));
        assert!(source(&admin, &with.source).await["problem"].as_str().is_some_and(|text| text.contains(words)));
    };
    peer.shared.tools.lock().expect("lock").push(tool("one_more", "Is too much."));
    failing(&format!("more than {} tools", TOOLS.len())).await;
    peer.shared.tools.lock().expect("lock").pop();
    peer.shared.silent.send_replace(true);
    failing("within 3000 ms").await;
    peer.shared.silent.send_replace(false);
    discover(&admin, &with.source).await;
    let told = source(&admin, &with.source).await;
    assert_eq!((&told["status"], &told["problem"]), (&json!("active"), &Value::Null), "{told}");
}
