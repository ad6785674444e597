//! How slowly a request may arrive, over real connections that send slowly; and that nothing of this cuts an
//! answer short.

use std::time::{Duration, Instant};

use mcpbox::limits::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, ECHO, LINGERS, PATIENCE, offer, request};

/// A host with these times, in milliseconds.
async fn host_within(head: u64, body: u64) -> Host {
    let limits = Limits { request_head_ms: head, request_body_ms: body, ..Wishes::default().limits };
    Host::with(Wishes { limits, ..Wishes::default() }).await
}

/// Opens a connection and sends the beginning of something.
async fn begun(host: &Host, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.app().address()).await.expect("the host listens");
    stream.write_all(beginning.as_bytes()).await.expect("sent");
    stream
}

/// Everything that comes until the host closes the connection: status and body. None: it says nothing.
async fn told(stream: &mut TcpStream) -> Option<(u16, Value)> {
    let mut answer = String::new();
    let heard = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    heard.expect("the host closes it").expect("text");
    let status = answer.split(' ').nth(1)?.parse().expect("a status");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    Some((status, serde_json::from_str(body).expect("JSON")))
}

/// Sends a byte again and again until the host closes the connection.
async fn drip(mut stream: TcpStream, piece: &str) -> Option<(u16, Value)> {
    let (mut read, mut write) = stream.split();
    let mut answer = String::new();
    let dripping = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while write.write_all(piece.as_bytes()).await.is_ok() {
            tick.tick().await;
        }
    };
    // What was sent after the answer may make the end a reset.
    let (_, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(read.read_to_string(&mut answer), dripping) })
        .await
        .expect("the host does not let it drip");
    let status = answer.split(' ').nth(1)?.parse().expect("a status");
    Some((status, serde_json::from_str(answer.split_once("\r\n\r\n")?.1).unwrap_or(Value::Null)))
}

const LOGIN: &str =
    "POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
const MCP: &str = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                   accept: application/json\r\ncontent-length: 1000\r\n\r\n{";

/// Holds: request_head_ms.
#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_refused() {
    let host = host_within(300, 60_000).await;
    let began = Instant::now();
    let (status, problem) = told(&mut begun(&host, "GET /health HTTP/1.1\r\nhost: loc").await).await.expect("told");
    assert_eq!((status, &problem["type"]), (408, &json!("/problems/too-slow")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("MCPBOX_REQUEST_HEAD_MS")), "{problem}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    // Nor does it help to go on, byte by byte.
    let dripped = drip(begun(&host, "GET /health HTTP/1.1\r\nx: ").await, "x").await;
    assert!(dripped.is_none_or(|(status, _)| status == 408));
    // Who has said nothing is told nothing.
    assert_eq!(told(&mut begun(&host, "").await).await, None);
}

/// Holds: request_head_ms.
#[tokio::test]
async fn a_connection_that_rests_after_its_answer_is_closed_without_a_word() {
    let host = host_within(300, 60_000).await;
    let mut stream = begun(&host, "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(told(&mut stream).await, Some((200, json!({"status": "alive"}))), "one answer and the end");
}

/// Holds: request_body_ms.
#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused_by_both_doors() {
    let host = host_within(60_000, 300).await;
    let began = Instant::now();
    let (status, problem) = told(&mut begun(&host, LOGIN).await).await.expect("told");
    assert_eq!((status, &problem["type"]), (408, &json!("/problems/too-slow")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("MCPBOX_REQUEST_BODY_MS")), "{problem}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    let (status, error) = told(&mut begun(&host, MCP).await).await.expect("told");
    assert_eq!((status, &error["error"]["code"]), (408, &json!(-32600)), "{error}");
    assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("MCPBOX_REQUEST_BODY_MS")), "{error}");
    for beginning in [LOGIN, MCP] {
        let dripped = drip(begun(&host, beginning).await, " ").await;
        assert!(dripped.is_none_or(|(status, _)| status == 408));
    }
}

#[tokio::test]
async fn answers_take_longer_than_requests_may() {
    let host = host_within(1_000, 1_000).await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("lingers", LINGERS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut open = client.listen(&session, &[]).await;
    assert!(open.event().await.is_some_and(|primer| primer.ends_with("data: \n\n")));
    // A plain answer and a stream both take longer than a head or a body may.
    let plain = [("content-type", "application/json"), ("accept", "application/json"), ("mcp-session-id", &*session)];
    let call = request(8, "tools/call", &json!({"name": "s__lingers"}));
    let answer = client.send("POST", &plain, call.to_string()).await;
    assert_eq!(answer.json().await["result"]["isError"], json!(false));
    let progress = json!({"name": "s__lingers", "_meta": {"progressToken": 1}});
    let streamed = client.ask(&session, "tools/call", progress).await.messages().await;
    assert_eq!(streamed[0]["result"]["isError"], json!(false), "{streamed:?}");
    // The stream that was opened before is open still, and hears of a change.
    admin.tool("more", "echo", ECHO).await;
    assert!(open.event().await.is_some_and(|event| event.contains("list_changed")));
}
