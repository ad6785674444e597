//! What changes, as server-sent events: told when it is done, taken up again after a break, ended with the
//! session.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Door, Host, Wishes};
use crate::mcp_client::{ECHO, PATIENCE};

/// An open stream of events.
struct Stream {
    response: reqwest::Response,
    heard: String,
}

/// One event, or a comment.
#[derive(Debug)]
struct Piece {
    id: Option<String>,
    kind: String,
    data: Value,
}

impl Stream {
    async fn open(host: &Door, token: &str, headers: &[(&str, &str)]) -> Self {
        let response = host.begin(Method::GET, "/api/events", Some(token), headers, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut stream = Self { response, heard: String::new() };
        assert_eq!(stream.piece().await.expect("the first byte").kind, "", "a comment comes at once");
        stream
    }

    /// What comes next; none when the stream has ended.
    async fn piece(&mut self) -> Option<Piece> {
        loop {
            if let Some((text, rest)) = self.heard.split_once("\n\n") {
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let data = field("data: ").map_or(Value::Null, |data| serde_json::from_str(&data).expect("JSON"));
                let piece = Piece { id: field("id: "), kind: field("event: ").unwrap_or_default(), data };
                self.heard = rest.to_owned();
                return Some(piece);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("a piece in time");
            self.heard.push_str(std::str::from_utf8(&chunk.ok()??).expect("a text"));
        }
    }

    /// The next event that is one of these kinds.
    async fn next(&mut self, kinds: &[&str]) -> Piece {
        loop {
            let piece = self.piece().await.expect("an event");
            if kinds.contains(&piece.kind.as_str()) {
                return piece;
            }
        }
    }
}

const ACTS: &[&str] = &["approval_requested", "approval_decided", "changed", "catalogue_changed"];

#[tokio::test]
async fn everything_that_changes_is_told_when_it_is_done() {
    let host = Host::start().await;
    let (model, admin) = (host.model(), host.admin().await);
    let mut stream = Stream::open(&host, &admin.token, &[]).await;
    let (server, tool) = model.make("s", "echo", ECHO).await;
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    admin.approve(&tool).await;
    admin.secret(&server, "API_KEY", "hunter2 of ada").await;
    model.done("s__echo", json!({"text": "hunter2 of ada"})).await;
    for (kind, action) in [
        ("changed", json!("server.create")),
        ("changed", json!("tool.create")),
        ("approval_requested", json!("tool.submit")),
        ("approval_decided", json!("tool.approve")),
        ("catalogue_changed", Value::Null),
        ("changed", json!("secret.create")),
    ] {
        let told = stream.next(ACTS).await;
        assert_eq!((told.kind.as_str(), &told.data["action"], &told.data["kind"]), (kind, &action, &json!(kind)));
        assert_eq!(told.id.as_deref(), told.data["id"].as_str());
        assert!(!told.data.to_string().contains("hunter2"), "{told:?}");
    }
    let call = stream.next(&["execution"]).await.data;
    assert_eq!((&call["tool_name"], &call["outcome"]), (&json!("s__echo"), &json!("returned")));
    let call_id = call["call_id"].as_str().expect("an id");
    assert_eq!(admin.ask(Method::GET, &format!("/api/logs/{call_id}"), None).await["id"], call["call_id"]);
}

#[tokio::test]
async fn who_comes_back_hears_what_happened_meanwhile() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let mut stream = Stream::open(&host, &admin.token, &[]).await;
    admin.server("first").await;
    let id = stream.next(&["changed"]).await.id.expect("an id");
    drop(stream);
    admin.server("second").await;
    let mut back = Stream::open(&host, &admin.token, &[("last-event-id", &id)]).await;
    let told = back.next(&["changed", "missed"]).await;
    assert_eq!((told.kind.as_str(), &told.data["action"]), ("changed", &json!("server.create")));
    let stranger = [("last-event-id", "01990000-0000-7000-8000-000000000001")];
    let mut stranger = Stream::open(&host, &admin.token, &stranger).await;
    let told = stranger.piece().await.expect("an event");
    assert_eq!((told.kind.as_str(), told.id, &told.data["events"]), ("missed", None, &Value::Null));
    let headers = [("last-event-id", "17")];
    let (status, ..) = host.send(Method::GET, "/api/events", Some(&admin.token), &headers, None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_ends_with_its_session() {
    let limits = Limits { sse_keep_alive_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    host.admin().await;
    let token = host.login("ada").await;
    let mut stream = Stream::open(&host, &token, &[]).await;
    // Rows of before may still be told; then only comments follow.
    while !stream.piece().await.expect("a comment").kind.is_empty() {}
    host.send(Method::POST, "/auth/logout", Some(&token), &[], None).await;
    let over = stream.next(&["over"]).await;
    assert_eq!(over.data["reason"], json!("session"));
    assert!(stream.piece().await.is_none());
}

#[tokio::test]
async fn a_stopping_host_says_so_and_ends_its_streams() {
    let mut host = Host::start().await;
    let token = host.admin().await.token;
    let mut stream = Stream::open(&host, &token, &[]).await;
    let (over, ()) = tokio::join!(stream.next(&["over"]), host.stop());
    assert_eq!(over.data["reason"], json!("stopping"));
}
