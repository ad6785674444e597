//! The way out as a whole, against servers on this machine behind invented names and addresses.

mod bounds;
mod connections;
mod named;
mod server;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use self::server::Server;
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn settings(time: Duration) -> EgressSettings {
    EgressSettings { body_bytes: 64 << 10, header_bytes: 4 << 10, time }
}

/// A public address of nobody in particular.
fn public(last: u8) -> IpAddr {
    IpAddr::from([5, 5, 5, last])
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn grants(hosts: &[&str]) -> Grants {
    Grants { hosts: hosts.iter().map(|host| host.parse().expect("a grant")).collect(), ..Grants::default() }
}

fn get(url: &str) -> OutboundRequest {
    OutboundRequest { method: "GET".into(), url: url.into(), ..OutboundRequest::default() }
}

/// A way out that is patient enough for a busy machine, and its network.
fn egress() -> (Egress, Arc<MappedNetwork>) {
    egress_within(Duration::from_secs(30))
}

fn egress_within(time: Duration) -> (Egress, Arc<MappedNetwork>) {
    let network = Arc::new(MappedNetwork::new());
    (Egress::new(settings(time), Arc::clone(&network) as _), network)
}

#[tokio::test]
async fn a_granted_host_answers_with_status_headers_and_body_as_sent() {
    let answer: &[u8] = b"HTTP/1.1 404 Not Found\r\nX-One: 1\r\nSet-Cookie: a\r\nContent-Encoding: gzip\r\n\
        set-cookie: b\r\nX-Bytes: \xff!\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00";
    let server = Server::answering(answer).await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    let request = OutboundRequest {
        method: "POST".into(),
        url: "http://API.example.com.:8080/v1/x?key=1#part".into(),
        headers: vec![("X-Own".into(), "yes".into())],
        body: Some(Bytes::from_static(b"{\"a\":1}")),
        timeout: None,
    };
    let response = egress.send(&grants(&["api.example.com"]), request).await.expect("a response");
    assert_eq!((response.status, response.body.as_slice()), (404, &b"\x1f\x8b\x08\x00"[..]));
    let headers: Vec<(&str, &str)> =
        response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("x-one", "1"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
            ("content-encoding", "gzip"),
            ("x-bytes", "\u{fffd}!"),
            ("content-length", "4")
        ]
    );
    assert_eq!(
        server.requests(),
        [format!(
            "POST /v1/x?key=1 HTTP/1.1\r\nx-own: yes\r\nhost: api.example.com:8080\r\nuser-agent: mcpbox/{}\r\n\
             accept: */*\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}",
            env!("CARGO_PKG_VERSION")
        )]
    );
    assert_eq!(network.resolved(), ["api.example.com"]);
    assert_eq!(network.dialled(), [SocketAddr::new(public(1), 8080)]);
}

#[tokio::test]
async fn what_is_not_granted_is_neither_looked_up_nor_dialled() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.serve("other.example.com", public(1), server.address);
    network.route(address("192.168.1.5"), server.address);
    network.route(address("127.0.0.1"), server.address);
    let grants = grants(&["api.example.com", "other.example.com:8443", "127.0.0.1", "localhost"]);
    for url in
        ["http://other.example.com/", "http://192.168.1.5/", "http://127.0.0.1/", "http://localhost/", "http://0x7f.1/"]
    {
        assert!(matches!(egress.send(&grants, get(url)).await, Err(SendError::Denied(_))), "{url}");
        assert!(matches!(egress.judge(&grants, url), Err(SendError::Denied(_))), "{url}");
    }
    assert_eq!((network.resolved(), network.dialled(), server.requests()), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn a_name_that_leads_to_a_closed_address_is_denied_and_not_dialled() {
    let (egress, network) = egress();
    for (closed, word) in [
        ("10.0.0.1", "private address"),
        ("fd00::1", "private address"),
        ("::ffff:192.168.0.1", "private address"),
        ("127.0.0.1", "never"),
        ("169.254.169.254", "never"),
        ("::1", "never"),
        ("64:ff9b::7f00:1", "never"),
    ] {
        network.answer("api.example.com", &[address(closed)]);
        // Neither does a grant for the address open it to a name.
        let literal = if closed.contains(':') { format!("[{closed}]") } else { closed.to_owned() };
        let grants = grants(&["api.example.com", &literal]);
        match egress.send(&grants, get("http://api.example.com/")).await {
            Err(SendError::Denied(text)) => assert!(text.contains(word) && !text.contains(closed), "{text}"),
            other => panic!("{closed} {other:?}"),
        }
    }
    assert_eq!(network.dialled(), []);
}

#[tokio::test]
async fn an_answer_that_changes_to_a_closed_address_is_denied_the_next_time() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.answer_in_turn("api.example.com", &[&[public(1)], &[address("127.0.0.1")]]);
    network.route(public(1), server.address);
    network.route(address("127.0.0.1"), server.address);
    let grants = grants(&["api.example.com"]);
    assert!(egress.send(&grants, get("http://api.example.com/")).await.is_ok());
    assert!(matches!(egress.send(&grants, get("http://api.example.com/")).await, Err(SendError::Denied(_))));
    assert_eq!(network.dialled(), [SocketAddr::new(public(1), 80)]);
}

#[tokio::test]
async fn of_a_mixed_answer_only_the_public_addresses_are_dialled_in_order() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    let answer = [address("10.0.0.1"), public(1), address("::1"), public(2), address("169.254.169.254")];
    network.answer("api.example.com", &answer);
    for closed in ["10.0.0.1", "::1", "169.254.169.254"] {
        network.route(address(closed), server.address);
    }
    network.route(public(2), server.address);
    let sent = egress.send(&grants(&["api.example.com"]), get("http://api.example.com/")).await;
    assert_eq!(sent.map(|response| response.status), Ok(200));
    assert_eq!(network.dialled(), [SocketAddr::new(public(1), 80), SocketAddr::new(public(2), 80)]);
}

#[tokio::test]
async fn a_private_address_answers_when_it_was_approved_by_address() {
    let server = Server::answering(OK).await;
    let (egress, network) = egress();
    network.route(address("192.168.1.5"), server.address);
    network.route(address("fd00::5"), server.address);
    let grants = grants(&["192.168.1.5:8123", "[fd00::5]"]);
    for url in ["http://192.168.1.5:8123/", "http://0xc0a80105:8123/", "http://[fd00::5]:9000/"] {
        assert!(egress.send(&grants, get(url)).await.is_ok(), "{url}");
    }
    assert!(matches!(egress.send(&grants, get("http://192.168.1.5/")).await, Err(SendError::Denied(_))));
    assert_eq!(network.dialled().len(), 3);
    assert_eq!(network.resolved(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_answered_and_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/admin\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(answer).await;
    let (egress, network) = egress();
    network.serve("api.example.com", public(1), server.address);
    network.route(address("127.0.0.1"), server.address);
    let response =
        egress.send(&grants(&["api.example.com"]), get("http://api.example.com/")).await.expect("a response");
    assert_eq!((response.status, response.headers[0].1.as_str()), (302, "http://127.0.0.1/admin"));
    assert_eq!((network.dialled().len(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_name_without_an_address_and_an_address_without_a_server_are_unreachable() {
    let (egress, network) = egress();
    network.answer("empty.example.com", &[]);
    network.answer("refused.example.com", &[public(1), public(2)]);
    let grants = grants(&["*.example.com"]);
    for (name, word) in [("unknown", "no address"), ("empty", "no address"), ("refused", "connection refused")] {
        match egress.send(&grants, get(&format!("http://{name}.example.com/"))).await {
            Err(SendError::Unreachable(text)) => assert!(text.contains(word), "{text}"),
            other => panic!("{name} {other:?}"),
        }
    }
    assert_eq!(network.dialled().len(), 2);
}

#[tokio::test]
async fn no_error_repeats_what_may_be_secret() {
    let server = Server::stalling("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhidden").await;
    let (egress, network) = egress_within(Duration::from_millis(150));
    network.serve("slow.example.com", public(1), server.address);
    network.answer("refused.example.com", &[public(2)]);
    network.answer("private.example.com", &[address("10.1.2.3")]);
    let grants = grants(&["*.example.com"]);
    for host in
        ["slow.example.com", "refused.example.com", "private.example.com", "unknown.example.com", "other.example"]
    {
        for url in [format!("http://{host}/hidden?hidden=hidden#hidden"), format!("http://hidden:hidden@{host}/")] {
            let request = OutboundRequest {
                headers: vec![("authorization".into(), "hidden".into())],
                body: Some(Bytes::from_static(b"hidden")),
                ..get(&url)
            };
            let error = egress.send(&grants, request).await.expect_err(&url);
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
        }
    }
}
