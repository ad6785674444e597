//! Sessions of legacy clients outlive the process that opened them, and are the same in all of them.

use chrono::TimeDelta;
use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::json;

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, ECHO, PATIENCE, TALKS, offer};

#[tokio::test]
async fn a_session_goes_on_after_a_restart_with_all_that_was_agreed_on() {
    let mut host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO), ("talks", TALKS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    assert_eq!(client.ask(&session, "logging/setLevel", json!({"level": "info"})).await.status, 200);
    host.restart().await;

    let client = Client::of(&host);
    let call = json!({"name": "s__echo", "arguments": {"text": "here"}});
    let messages = client.ask(&session, "tools/call", call).await.messages().await;
    assert_eq!(messages[0]["result"]["structuredContent"], json!({"text": "here"}));
    // The level is known: this client hears log lines.
    let messages = client.ask(&session, "tools/call", json!({"name": "s__talks"})).await.messages().await;
    assert_eq!(messages[0]["params"]["data"], "at 0");
    let mut stream = client.listen(&session, &[]).await;
    assert!(stream.event().await.is_some_and(|primer| primer.starts_with("id: session-")), "2025-11-25 was agreed on");
    let servers = host.model().done("mcpbox_list_servers", json!({})).await;
    host.model().done("mcpbox_stop_server", json!({"server_id": servers["servers"][0]["id"]})).await;
    assert!(stream.event().await.is_some_and(|told| told.contains("list_changed")));
}

#[tokio::test]
async fn after_a_restart_a_session_is_still_nobody_elses_and_an_ended_one_is_gone() {
    let mut host = Host::start().await;
    let key = host.app().service().api_key_create(&Caller::operator(), "ci").await.expect("a key").key;
    let with_key = format!("Bearer {key}");
    let client = Client::of(&host);
    let (open, _) = client.open("2025-11-25").await;
    let (ended, _) = client.open("2025-11-25").await;
    assert_eq!(client.send("DELETE", &[("mcp-session-id", &ended)], "").await.status, 204);
    host.restart().await;

    let client = Client::of(&host);
    let ping = crate::mcp_client::request(1, "ping", &json!({}));
    for (session, more, status) in [
        (open.as_str(), &[][..], 200),
        (&open, &[("authorization", with_key.as_str())], 404),
        (&ended, &[], 404),
        ("unknown", &[], 404),
        ("", &[], 404),
    ] {
        let mut headers = vec![("mcp-session-id", session)];
        headers.extend_from_slice(more);
        assert_eq!(client.post(&headers, &ping).await.status, status, "{session} {more:?}");
    }
    let said = client.ask("unknown", "ping", json!({})).await.text().await;
    assert!(said.contains("initialize"), "{said}");
    let rows = host.read("SELECT count(*) FROM mcp_sessions");
    assert_eq!(rows, "1");
    assert_eq!(host.read(&format!("SELECT count(*) FROM mcp_sessions WHERE id_hash = '{open}'")), "0", "only digests");
}

#[tokio::test]
async fn processes_on_one_database_share_sessions_and_hear_of_their_end() {
    let host = Host::start().await;
    let beside = host.beside().await;
    let (here, there) = (Client::of(&host), Client::of(&beside));
    let (session, _) = here.open("2025-06-18").await;
    assert_eq!(there.ask(&session, "ping", json!({})).await.status, 200);
    assert_eq!(there.ask(&session, "logging/setLevel", json!({"level": "error"})).await.status, 200);
    host.clock.turn(TimeDelta::seconds(61));
    assert_eq!(here.ask(&session, "ping", json!({})).await.status, 200);
    assert_eq!(there.send("DELETE", &[("mcp-session-id", &session)], "").await.status, 204);
    host.clock.turn(TimeDelta::seconds(61));
    assert_eq!(here.ask(&session, "ping", json!({})).await.status, 404);
    beside.stop().await;
}

/// Once in a while a request asks the database for its session; whatever it read there, it forgets nothing that was
/// answered meanwhile.
#[tokio::test]
async fn a_wish_that_was_answered_is_not_forgotten() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("talks", TALKS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-06-18").await;
    for level in ["info", "error"].repeat(5) {
        host.clock.turn(TimeDelta::seconds(61));
        let ping = async || assert_eq!(client.ask(&session, "ping", json!({})).await.status, 200);
        let set = async || {
            assert_eq!(client.ask(&session, "logging/setLevel", json!({"level": level})).await.status, 200);
        };
        tokio::join!(ping(), ping(), set(), ping(), ping(), ping());
        let messages = client.ask(&session, "tools/call", json!({"name": "s__talks"})).await;
        let logs = messages.headers["content-type"] == "text/event-stream";
        let logs = logs && messages.text().await.contains("at 50");
        assert_eq!(logs, level == "info", "{level}");
    }
}

#[tokio::test]
async fn processes_on_one_database_keep_what_was_wished_of_each() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let beside = host.beside().await;
    let (here, there) = (Client::of(&host).at(desk::ALONE), Client::of(&beside).at(desk::ALONE));
    let (session, _) = here.open("2025-06-18").await;
    assert_eq!(there.ask(&session, "ping", json!({})).await.status, 200);
    let subscribed = here.ask(&session, "resources/subscribe", json!({"uri": "notes://1"})).await;
    assert_eq!(subscribed.result().await, json!({}));
    assert_eq!(there.ask(&session, "logging/setLevel", json!({"level": "error"})).await.status, 200);
    assert_eq!(host.read("SELECT subscriptions FROM mcp_sessions"), r#"["notes://1"]"#);
    assert_eq!(host.read("SELECT log_level FROM mcp_sessions"), "error");
    beside.stop().await;
}

/// Its use is noted while it is at work, and often enough for how soon a session ends that nobody uses.
#[tokio::test]
async fn a_session_that_is_at_work_does_not_end_however_short_the_time_for_idle_ones() {
    let limits = Limits { session_idle_s: 60, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut stream = client.listen(&session, &[]).await;
    assert!(stream.event().await.is_some(), "it is open");
    let used = || host.read("SELECT used_at FROM mcp_sessions");
    for _ in 0..2 {
        let before = used();
        host.clock.turn(TimeDelta::seconds(40));
        let noted = async {
            while used() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, noted).await.expect("its use is noted");
    }
    assert_eq!(client.ask(&session, "ping", json!({})).await.status, 200);
}

#[tokio::test]
async fn sessions_that_nobody_uses_are_deleted() {
    let limits = Limits { session_idle_s: 600, ..Wishes::default().limits };
    let mut host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let (idle, _) = client.open("2025-11-25").await;
    host.clock.turn(TimeDelta::seconds(300));
    let (used, _) = client.open("2025-11-25").await;
    host.clock.turn(TimeDelta::seconds(301));
    let pruned = host.app().service().sessions_prune(&tokio_util::sync::CancellationToken::new()).await;
    assert_eq!(pruned.expect("pruned"), 1);
    host.restart().await;
    let client = Client::of(&host);
    assert_eq!(client.ask(&idle, "ping", json!({})).await.status, 404);
    assert_eq!(client.ask(&used, "ping", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_client_that_says_too_much_of_itself_is_refused() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let mut message = crate::mcp_client::initialize("2025-11-25");
    message["params"]["capabilities"] = json!({"experimental": {"x": "y".repeat(20_000)}});
    assert_eq!(client.post(&[], &message).await.code().await, (200, -32602));
}
