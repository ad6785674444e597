//! The socket that tells of activity as it happens: who may open it, what it tells, and when it closes.

use futures_util::{SinkExt as _, StreamExt as _};
use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::api_browser::Browser;
use crate::harness::{Door, Host, Wishes};
use crate::mcp_client::{Client, ECHO, PATIENCE};

/// A socket that is open, as its client hears it.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one; answers it, or the status with which that was refused.
    async fn open(host: &Door, query: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let url = format!("{}/api/activity/stream?{query}", host.base.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn of(host: &Door, token: &str, query: &str) -> Self {
        let mut socket = Self::open(host, query, &[("authorization", &bearer(token))]).await.expect("it opens");
        let first = socket.next().await.expect("a message");
        assert_eq!(first["type"], "connected", "{first}");
        socket
    }

    /// What comes next; the code when it is a farewell.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match message.expect("a farewell before the end").expect("no break") {
                Message::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => return Err(frame.expect("a code").code.into()),
                _ => {}
            }
        }
    }

    /// The next row.
    async fn log(&mut self) -> Value {
        let message = self.next().await.expect("a message");
        assert_eq!(message["type"], "log", "{message}");
        message["data"].clone()
    }

    async fn say(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.expect("it is sent");
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Fault: 7.stream.
#[tokio::test]
async fn the_socket_hears_of_calls_through_every_door() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("s", "echo", ECHO).await;
    let mut socket = Socket::of(&host, &admin.token, &format!("server_id={server}&log_types=mcp_response")).await;
    host.model().done("s__echo", json!({"text": "x"})).await;
    let row = socket.log().await;
    assert_eq!((&row["kind"], &row["message"]), (&json!("activity"), &json!("tools/call s__echo: answered")));
    let client = Client::of(&host);
    let (session, _) = client.open("2025-06-18").await;
    client.ask(&session, "tools/call", json!({"name": "s__echo", "arguments": {"text": 7}})).await.result().await;
    assert_eq!(socket.log().await["level"], json!("warning"));
    let id = row["activity_id"].as_str().expect("an id");
    let kept = admin.ask(Method::GET, &format!("/api/activity/logs/{id}"), None).await;
    assert_eq!(kept["request_id"], row["request_id"], "what is told is in the database");
}

#[tokio::test]
async fn a_client_asks_for_signs_of_life_and_for_other_rows() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let mut socket = Socket::of(&host, &admin.token, "log_types=alert").await;
    socket.say(r#"{"type":"ping"}"#).await;
    assert_eq!(socket.next().await, Ok(json!({"type": "pong"})));
    socket.say(r#"{"type":"filter","log_types":["mcp_response"],"levels":["info"]}"#).await;
    let filter = json!({"server_id": null, "log_types": ["mcp_response"], "levels": ["info"]});
    assert_eq!(socket.next().await, Ok(json!({"type": "filter_updated", "filter": filter})));
    host.model().tools().await;
    assert_eq!(socket.log().await["method"], json!("tools/list"));
}

#[tokio::test]
async fn a_socket_is_for_administrators_and_for_pages_of_this_host() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (browser, ..) = Browser::login(&host, &[]).await;
    let cookie = format!("mcpbox_session={}", browser.cookie("mcpbox_session"));
    let own = host.base.clone();
    let wrong = bearer("mbx_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for (query, headers) in [
        ("", vec![]),
        ("", vec![("authorization", wrong.as_str())]),
        ("ticket=nonsense", vec![]),
        ("", vec![("cookie", cookie.as_str())]),
        ("", vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")]),
        ("", vec![("cookie", cookie.as_str()), ("origin", own.as_str()), ("sec-fetch-site", "same-site")]),
    ] {
        let mut socket = Socket::open(&host, query, &headers).await.expect("it opens, to be told why not");
        assert_eq!(socket.next().await, Err(4001), "{query} {headers:?}");
    }
    let page = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let mut socket = Socket::open(&host, "", &page).await.expect("it opens");
    assert_eq!(socket.next().await.map(|told| told["type"].clone()), Ok(json!("connected")));
    // A token in the address would stand in somebody's log: it is no parameter.
    assert_eq!(Socket::open(&host, &format!("token={}", admin.token), &[]).await.err(), Some(422));
    let (status, ..) = host.send(Method::GET, "/api/activity/stream", Some(&admin.token), &[], None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "without an upgrade");
}

#[tokio::test]
async fn a_ticket_opens_one_socket() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let made = admin.ask(Method::POST, "/api/activity/ticket", None).await;
    assert_eq!(made["expires_in"], json!(30));
    let query = format!("ticket={}", made["ticket"].as_str().expect("a ticket"));
    let mut socket = Socket::open(&host, &query, &[]).await.expect("it opens");
    assert_eq!(socket.next().await.map(|told| told["type"].clone()), Ok(json!("connected")));
    let mut again = Socket::open(&host, &query, &[]).await.expect("it opens, to be told why not");
    assert_eq!(again.next().await, Err(4001));
    let ticket = made["ticket"].as_str().expect("a ticket");
    let (status, ..) = host.send(Method::GET, "/api/servers", Some(ticket), &[], None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "it opens nothing else");
}

#[tokio::test]
async fn the_oldest_ticket_makes_room_for_one_too_many() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let mut tickets = Vec::new();
    for _ in 0..21 {
        host.clock.turn(chrono::TimeDelta::milliseconds(1));
        let made = admin.ask(Method::POST, "/api/activity/ticket", None).await;
        tickets.push(format!("ticket={}", made["ticket"].as_str().expect("a ticket")));
    }
    let mut first = Socket::open(&host, &tickets[0], &[]).await.expect("it opens, to be told why not");
    assert_eq!(first.next().await, Err(4001));
    let mut second = Socket::open(&host, &tickets[1], &[]).await.expect("it opens");
    assert_eq!(second.next().await.map(|told| told["type"].clone()), Ok(json!("connected")));
}

#[tokio::test]
async fn every_end_of_a_session_closes_its_sockets_and_no_others() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (leaves, stays) = (host.login("ada").await, host.login("ada").await);
    let mut gone = Socket::of(&host, &leaves, "log_types=alert").await;
    let mut open = Socket::of(&host, &stays, "log_types=alert").await;
    let (status, ..) = host.send(Method::POST, "/auth/logout", Some(&leaves), &[], None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(gone.next().await, Err(4001), "a logout");
    open.say(r#"{"type":"ping"}"#).await;
    assert_eq!(open.next().await, Ok(json!({"type": "pong"})));
    let change = json!({"current_password": crate::harness::PASSWORD, "new_password": "a new long password"});
    admin.ask(Method::POST, "/auth/change-password", Some(change)).await;
    assert_eq!(open.next().await, Err(4001), "another password");
}

#[tokio::test]
async fn a_session_that_ends_elsewhere_or_expires_closes_its_sockets_too() {
    let limits = Limits { sse_keep_alive_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    host.admin().await;
    let token = host.login("ada").await;
    let mut socket = Socket::of(&host, &token, "").await;
    let beside = host.beside().await;
    let (status, ..) = beside.send(Method::POST, "/auth/logout", Some(&token), &[], None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    while socket.next().await.map_err(|code| assert_eq!(code, 4001)).is_ok() {}
    beside.stop().await;
    let token = host.login("ada").await;
    let mut socket = Socket::of(&host, &token, "").await;
    host.clock.turn(chrono::TimeDelta::minutes(16));
    while socket.next().await.map_err(|code| assert_eq!(code, 4001)).is_ok() {}
}

#[tokio::test]
async fn what_is_no_message_of_ours_closes_the_socket() {
    let host = Host::start().await;
    let admin = host.admin().await;
    for (said, code) in [("ping".to_owned(), 1008), (r#"{"type":"all"}"#.to_owned(), 1008), ("x".repeat(4_097), 1009)] {
        let mut socket = Socket::of(&host, &admin.token, "log_types=alert").await;
        socket.say(said).await;
        assert_eq!(socket.next().await, Err(code));
    }
}

/// Holds: live_streams.
#[tokio::test]
async fn the_stream_over_the_limit_is_refused_with_the_reason() {
    let limits = Limits { live_streams: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let shown = bearer(&admin.token);
    let socket = Socket::of(&host, &admin.token, "").await;
    let events = host.begin(Method::GET, "/api/events", Some(&admin.token), &[], None).await;
    assert_eq!(events.status(), StatusCode::OK);
    assert_eq!(Socket::open(&host, "", &[("authorization", &shown)]).await.err(), Some(503));
    let (status, problem) = admin.refused(Method::GET, "/api/events", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("MCPBOX_LIVE_STREAMS")), "{problem}");
    // A place comes free when a stream is closed.
    drop(socket);
    let opened = async { while Socket::open(&host, "", &[("authorization", &shown)]).await.is_err() {} };
    tokio::time::timeout(PATIENCE, opened).await.expect("a place comes free");
}

#[tokio::test]
async fn a_stopping_host_says_farewell() {
    let mut host = Host::start().await;
    let token = host.admin().await.token;
    let mut socket = Socket::of(&host, &token, "log_types=alert").await;
    let (told, ()) = tokio::join!(socket.next(), host.stop());
    assert_eq!(told, Err(1001));
}
