//! Sizes and times: whatever a server does, a request ends at its bound.

use super::*;

/// Sends one request to a server at `http://api.example.com/`.
async fn send_to(server: &Server, request: OutboundRequest) -> Result<OutboundResponse, SendError> {
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    egress.send(&grants(&["api.example.com"]), request).await
}

fn url() -> OutboundRequest {
    get("http://api.example.com/")
}

#[tokio::test]
async fn http_body_bytes_bounds_a_response_however_its_length_is_told() {
    for (head, more) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "x"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "3\r\nxxx\r\n"),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "x"),
    ] {
        // The server writes without end: only giving up ends the request.
        let server = Server::flooding(head, more).await;
        match send_to(&server, url()).await {
            Err(SendError::TooLarge(text)) => assert!(text.contains("65536 bytes"), "{text}"),
            other => panic!("{head} {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_announced_length_over_the_bound_is_refused_before_a_byte_of_it_comes() {
    let server = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 65537\r\n\r\n").await;
    assert!(matches!(send_to(&server, url()).await, Err(SendError::TooLarge(_))));
}

#[tokio::test]
async fn a_body_at_the_bound_is_whole() {
    let server =
        Server::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n{}", "x".repeat(65_536))).await;
    assert_eq!(send_to(&server, url()).await.map(|response| response.body.len()), Ok(65_536));
}

#[tokio::test]
async fn http_body_bytes_bounds_a_request_before_anything_is_looked_up() {
    let (egress, network) = egress();
    let request = OutboundRequest { body: Some(Bytes::from(vec![0; 65_537])), ..url() };
    assert!(matches!(egress.send(&grants(&["api.example.com"]), request).await, Err(SendError::TooLarge(_))));
    assert_eq!(network.resolved(), [""; 0]);
}

#[tokio::test]
async fn http_header_bytes_bounds_a_head_of_many_headers_of_long_ones_and_of_endless_ones() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(513));
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(4 << 10));
    for server in [
        Server::stalling(many).await,
        Server::stalling(long).await,
        Server::flooding("HTTP/1.1 200 OK\r\n", "a: b\r\n").await,
        Server::flooding("HTTP/1.1 200 OK\r\na: ", "x").await,
        Server::flooding("HTTP/1.1 200 ", "x").await,
        Server::flooding("", "HTTP/1.1 102 \r\n\r\n").await,
    ] {
        match send_to(&server, url()).await {
            Err(SendError::TooLarge(text)) => assert!(text.contains("4096 bytes"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_response_without_a_body_is_judged_by_what_comes_not_by_what_it_says() {
    let server = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
    let sent = send_to(&server, OutboundRequest { method: "HEAD".into(), ..url() }).await;
    assert_eq!(sent.map(|response| (response.status, response.body)), Ok((200, vec![])));
}

#[tokio::test]
async fn a_broken_answer_is_unreachable() {
    for (answer, word) in [
        ("", "before the answer was whole"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", "before the answer was whole"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", "before the answer was whole"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nhello", "not HTTP"),
    ] {
        let server = Server::start(move |mut visit| async move {
            visit.request().await;
            visit.write(answer.as_bytes()).await;
        })
        .await;
        match send_to(&server, url()).await {
            Err(SendError::Unreachable(text)) => assert!(text.contains(word), "{answer} {text}"),
            other => panic!("{answer} {other:?}"),
        }
    }
}

#[tokio::test]
async fn http_time_ms_bounds_each_step_of_a_request() {
    let server = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
    let mute = Server::stalling("").await;
    let (egress, network) = egress_within(Duration::from_millis(150));
    network.silence_name("look-up.example.com");
    network.answer("connect.example.com", &[public(1)]);
    network.silence(public(1));
    network.serve("head.example.com", public(2), mute.address);
    network.serve("body.example.com", public(3), server.address);
    let grants = grants(&["*.example.com"]);
    for url in [
        "http://look-up.example.com/",
        "http://connect.example.com/",
        "https://head.example.com/",
        "http://head.example.com/",
        "http://body.example.com/",
    ] {
        let before = Instant::now();
        match egress.send(&grants, get(url)).await {
            Err(SendError::TimedOut(text)) => assert!(text.contains("within 150 ms"), "{text}"),
            other => panic!("{url} {other:?}"),
        }
        assert!(before.elapsed() >= Duration::from_millis(150), "{url}");
    }
}

#[tokio::test]
async fn a_guest_may_shorten_its_time_but_not_lengthen_it() {
    let (egress, network) = egress_within(Duration::from_millis(150));
    network.silence_name("api.example.com");
    for (asked, kept) in [(Duration::from_millis(20), "within 20 ms"), (Duration::from_secs(600), "within 150 ms")] {
        let request = OutboundRequest { timeout: Some(asked), ..url() };
        match egress.send(&grants(&["api.example.com"]), request).await {
            Err(SendError::TimedOut(text)) => assert!(text.contains(kept), "{text}"),
            other => panic!("{asked:?} {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_silent_address_leaves_time_for_the_next_one() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress_within(Duration::from_secs(2));
    network.answer("api.example.com", &[public(1), public(2)]);
    network.silence(public(1));
    network.route(public(2), server.address);
    let sent = egress.send(&grants(&["api.example.com"]), url()).await;
    assert_eq!(sent.map(|response| response.status), Ok(200));
}
