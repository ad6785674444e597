//! Who and what is let in at `/mcp`.

use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::json;

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, initialize, request};

#[tokio::test]
async fn pages_and_names_of_strangers_are_refused() {
    let host = Host::start().await;
    let client = Client::of(&host);
    for (headers, status) in [
        (&[][..], 200),
        (&[("host", "127.0.0.1:8000")], 200),
        (&[("host", "evil.example")], 403),
        (&[("host", "127.0.0.1.nip.io")], 403),
        (&[("origin", "http://localhost:6274")], 200),
        (&[("origin", "https://claude.ai")], 200),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
    ] {
        assert_eq!(client.post(headers, &initialize("2025-11-25")).await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn an_allowed_page_may_ask_and_read() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let asked = [
        ("origin", "https://claude.ai"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,mcp-protocol-version"),
    ];
    let flight = client.send("OPTIONS", &asked, "").await;
    assert_eq!(flight.status, 204);
    assert_eq!(flight.headers["access-control-allow-origin"], "https://claude.ai");
    assert_eq!(flight.headers["access-control-allow-headers"], "authorization,mcp-protocol-version");
    let answer = client.post(&[("origin", "https://claude.ai")], &initialize("2025-11-25")).await;
    let exposed = answer.headers["access-control-expose-headers"].to_str().expect("text");
    assert!(exposed.contains("Mcp-Session-Id"), "{exposed}");
    assert_eq!(client.send("OPTIONS", &[("origin", "https://evil.example")], "").await.status, 403);
    assert_eq!(client.send("OPTIONS", &[], "").await.status, 405);
}

#[tokio::test]
async fn who_is_not_on_this_machine_shows_a_key() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let service = host.app().service();
    let key = service.api_key_create(&Caller::operator(), "ci").await.expect("a key").key;
    let (good, bad) = (format!("Bearer {key}"), format!("Bearer {key}x"));
    let through = ("x-forwarded-for", "192.0.2.7");
    for (headers, status) in [
        (&[through][..], 401),
        (&[through, ("authorization", &good)], 200),
        (&[through, ("authorization", &bad)], 401),
        (&[("authorization", &bad)], 401),
        (&[("authorization", "Basic eDp5")], 401),
    ] {
        let answer = client.post(headers, &initialize("2025-11-25")).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 401 {
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            let error = answer.json().await;
            assert!(error["error"]["message"].is_string() && error.get("id").is_none(), "{error}");
        }
    }
    service.api_key_revoke_named(&Caller::operator(), "ci").await.expect("revoked");
    assert_eq!(client.post(&[("authorization", &good)], &initialize("2025-11-25")).await.status, 401);
}

#[tokio::test]
async fn an_address_that_is_no_text_is_looked_at_after_all_that_comes_before() {
    let host = Host::start().await;
    let client = Client::of(&host).at("/mcp/servers/%ff");
    for (headers, status) in
        [(&[("origin", "https://evil.example")][..], 403), (&[("x-forwarded-for", "192.0.2.7")], 401), (&[], 404)]
    {
        let answer = client.post(headers, &initialize("2025-11-25")).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.json().await["error"]["message"].is_string(), "{headers:?}");
        assert_eq!(client.send("GET", headers, "").await.status, status, "{headers:?}");
    }
}

/// Holds: request_body_bytes.
#[tokio::test]
async fn a_body_is_json_of_a_bounded_size_and_depth() {
    let limits = Limits { request_body_bytes: 4_096, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let json_body = [("content-type", "application/json")];
    let large = json!({"text": "x".repeat(5_000)});
    let refused = client.post(&[], &request(1, "ping", &large)).await;
    assert_eq!(refused.status, 413);
    assert!(refused.text().await.contains("4096 bytes"));
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    for (headers, body, code) in [
        (&json_body[..], "{oops".to_owned(), (400, -32700)),
        (&json_body, String::new(), (400, -32700)),
        (&json_body, "{}".to_owned(), (400, -32600)),
        (&json_body, deep, (400, -32600)),
        (&json_body, r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(), (400, -32600)),
        (&[("content-type", "text/plain")], "{}".to_owned(), (415, -32600)),
        (&[], "{}".to_owned(), (415, -32600)),
        (&[("content-type", "application/json"), ("accept", "text/html")], "{}".to_owned(), (406, -32600)),
    ] {
        let answer = client.send("POST", headers, body.clone()).await;
        assert_eq!(answer.code().await, code, "{headers:?} {body:.20}");
    }
    let not_utf8 = client.send("POST", &json_body, vec![b'{', 0xff, b'}']).await;
    assert_eq!(not_utf8.code().await, (400, -32700));
}

#[tokio::test]
async fn a_client_that_reads_only_streams_gets_one() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let messages = client.send("POST", &headers, initialize("2025-11-25").to_string()).await.messages().await;
    assert_eq!(messages[0]["result"]["protocolVersion"], "2025-11-25");
}

/// Holds: mcp_requests_per_minute.
#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_back() {
    let limits = Limits { mcp_requests_per_minute: 10, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let client = Client::of(&host);
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(client.modern(&[], "tools/list", json!({})).await.status);
    }
    assert_eq!((statuses[..10].iter().all(|status| *status == 200), statuses[10]), (true, 429), "{statuses:?}");
    let refused = client.modern(&[], "tools/list", json!({})).await;
    let wait: u64 = refused.headers["retry-after"].to_str().ok().and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.code().await, (429, 429));
}

#[tokio::test]
async fn an_answer_carries_the_id_of_its_request() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let answer = client.post(&[("x-request-id", "mine-1")], &initialize("2025-11-25")).await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    let refused = client.post(&[("host", "evil.example")], &initialize("2025-11-25")).await;
    assert!(refused.headers.contains_key("x-request-id"));
    let health = host.send(reqwest::Method::GET, "/mcp/health", None, &[], None).await;
    assert_eq!((health.0.as_u16(), &health.2), (200, &json!({"status": "ok", "sandbox": "healthy"})));
}
