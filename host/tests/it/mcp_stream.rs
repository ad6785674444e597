//! The stream of a session, and the bound on open streams.

use mcpbox::limits::Limits;
use serde_json::json;

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, ECHO, PATIENCE, WAITS, offer};

/// Fault: 4.lists.
#[tokio::test]
async fn a_change_of_the_tools_reaches_open_streams_and_those_who_come_back() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut open = client.listen(&session, &[]).await;
    assert_eq!((open.status, open.headers["content-type"].to_str().ok()), (200, Some("text/event-stream")));
    assert_eq!(open.piece().await.as_deref(), Some(":\n\n"), "the first byte comes at once");
    let primer = open.event().await.expect("a primer");
    assert!(primer.starts_with("id: session-") && primer.ends_with("\ndata: \n\n"), "{primer}");
    let id = primer.lines().next().and_then(|line| line.strip_prefix("id: ")).expect("an id").to_owned();

    offer(&host, &admin, &[("echo", ECHO)]).await;
    let told = open.event().await.expect("an event");
    assert!(told.contains(r#""method":"notifications/tools/list_changed""#), "{told}");

    // Away while it happened: told on return. Nothing happened: nothing is told.
    let mut back = client.listen(&session, &[("last-event-id", &id)]).await;
    assert!(back.event().await.is_some_and(|told| told.contains("list_changed")));
    assert_eq!(open.event().await, None, "the newer stream takes the place of the older");
    let (quiet, _) = client.open("2025-11-25").await;
    let mut open = client.listen(&quiet, &[]).await;
    let id_of =
        |event: Option<String>| event.and_then(|event| Some(event.strip_prefix("id: ")?.lines().next()?.to_owned()));
    let first = id_of(open.event().await).expect("an id");
    let mut back = client.listen(&quiet, &[("last-event-id", &first)]).await;
    let primer = back.event().await.expect("a primer");
    assert!(primer.starts_with("id: session-") && primer.ends_with("\ndata: \n\n"), "nothing to say: {primer}");
    let elsewhere = client.listen(&session, &[("last-event-id", "another-stream-7")]).await;
    assert_eq!(elsewhere.status, 405);
}

/// Holds: sse_connections.
#[tokio::test]
async fn the_stream_over_the_limit_is_told_why_and_calls_go_on() {
    let limits = Limits { sse_connections: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let open = client.listen(&session, &[]).await;
    assert_eq!(open.status, 200);
    let (other, _) = client.open("2025-11-25").await;
    let refused = client.listen(&other, &[]).await;
    assert_eq!((refused.status, refused.headers.contains_key("retry-after")), (503, true));
    assert!(refused.text().await.contains("MCPBOX_SSE_CONNECTIONS"));
    let call = json!({"name": "mcpbox_list_servers", "_meta": {"progressToken": 1}});
    assert_eq!(client.ask(&other, "tools/call", call).await.result().await["isError"], false);
    // A place comes free when the stream is closed.
    drop(open);
    let opened = async { while client.listen(&other, &[]).await.status != 200 {} };
    tokio::time::timeout(PATIENCE, opened).await.expect("a place comes free");
}

#[tokio::test]
async fn a_stream_needs_a_session_and_a_client_that_reads_streams() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    assert_eq!(client.listen("unknown", &[]).await.status, 404);
    let json_only = [("accept", "application/json"), ("mcp-session-id", session.as_str())];
    // 2025-11-25, "Listening for Messages from the Server": a stream or 405, nothing else.
    assert_eq!(client.send("GET", &json_only, "").await.status, 405);
    let stream = [("accept", "text/event-stream"), ("mcp-session-id", session.as_str())];
    assert_eq!(client.send("HEAD", &stream, "").await.status, 405);
}

#[tokio::test]
async fn a_stopping_host_ends_its_streams() {
    let mut host = Host::start().await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-06-18").await;
    let mut open = client.listen(&session, &[]).await;
    assert_eq!(open.piece().await.as_deref(), Some(":\n\n"));
    let (newer, _) = client.open("2025-11-25").await;
    let mut polled = client.listen(&newer, &[]).await;
    assert!(polled.event().await.is_some_and(|primer| primer.starts_with("id: session-")));
    let ((ended, last), ()) = tokio::join!(async { (open.event().await, polled.event().await) }, host.stop());
    assert_eq!(ended, None);
    assert_eq!(last.as_deref(), Some("retry: 1000\n\n"), "the session goes on: this client comes back for it");
    assert_eq!(polled.event().await, None);
}

#[tokio::test]
async fn comments_keep_a_stream_open_that_has_nothing_to_say() {
    let limits = Limits { sse_keep_alive_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("waits", WAITS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let call = json!({"name": "s__waits", "_meta": {"progressToken": 1}});
    for (stream, events) in [
        (client.listen(&session, &[]).await, 1),
        (client.ask(&session, "tools/call", call.clone()).await, 1),
        (client.modern(&[], "tools/call", call).await, 0),
        (client.modern(&[], "subscriptions/listen", json!({"notifications": {}})).await, 1),
    ] {
        let mut stream = stream;
        let mut seen = Vec::new();
        for _ in 0..3 + events {
            seen.push(stream.piece().await.expect("it stays open"));
        }
        let comments = seen.iter().filter(|piece| *piece == ":\n\n").count();
        assert_eq!((seen[0].as_str(), comments), (":\n\n", 3), "one at once, and one a second: {seen:?}");
    }
}
