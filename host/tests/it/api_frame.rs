//! What holds for every answer of the API: its headers, its problems, its bounds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use mcpbox::limits::Limits;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Client, initialize};

/// Sends text as it stands over a connection of its own; answers the status and the body.
async fn raw(host: &Host, request: String) -> (u16, Value) {
    let address = host.app().address();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    });
    let answer = answer.await.expect("no panic");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (status, serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
}

/// A login with this body, as text.
fn login(content_type: &str, body: &str) -> String {
    format!(
        "POST /auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn every_answer_says_its_request_and_what_a_browser_may_do_with_it() {
    let host = Host::start().await;
    for path in ["/", "/health", "/api/servers", "/nothing"] {
        let (_, headers, _) = host.send(Method::GET, path, None, &[], None).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        assert_eq!(headers["x-request-id"].len(), 36, "{path}");
    }
    let (_, headers, answer) = host.send(Method::GET, "/nothing", None, &[("x-request-id", "mine-1")], None).await;
    assert_eq!((&headers["x-request-id"], &answer["request_id"]), (&"mine-1".parse().expect("text"), &json!("mine-1")));
    let (_, headers, _) = host.send(Method::GET, "/nothing", None, &[("x-request-id", "no id")], None).await;
    assert_ne!(headers["x-request-id"], "no id");
}

#[tokio::test]
async fn what_does_not_exist_or_fit_is_told_as_a_problem() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let id = uuid::Uuid::now_v7();
    for (method, path, body, status, kind) in [
        (Method::GET, "/nothing", None, 404, "/problems/not-found"),
        (Method::GET, "/api/nothing", None, 404, "/problems/not-found"),
        (Method::GET, "/api/servers/7", None, 404, "/problems/not-found"),
        (Method::GET, &format!("/api/servers/{id}"), None, 404, "/problems/not-found"),
        (Method::GET, &format!("/api/tools/{id}/logs"), None, 404, "/problems/not-found"),
        (Method::PUT, "/api/servers", None, 405, "/problems/method-not-allowed"),
        (Method::DELETE, "/health", None, 405, "/problems/method-not-allowed"),
        (Method::POST, "/api/servers", None, 415, "/problems/unsupported-media-type"),
        (Method::POST, "/api/servers", Some(json!({"name": 1})), 422, "/problems/invalid"),
        (Method::GET, "/api/servers?page=0", None, 422, "/problems/invalid"),
        (Method::GET, "/api/servers?page=x", None, 422, "/problems/invalid"),
        (Method::GET, "/api/servers?pages=1", None, 422, "/problems/invalid"),
        (Method::GET, "/api/audit?object_kind=tool", None, 422, "/problems/invalid"),
        (Method::GET, "/api/execution-logs?success=maybe", None, 422, "/problems/invalid"),
    ] {
        let (answered, headers, problem) =
            host.send(method.clone(), path, Some(&admin.token), &[], body.as_ref()).await;
        assert_eq!((answered.as_u16(), &problem["type"]), (status, &json!(kind)), "{method} {path}: {problem}");
        assert_eq!(headers["content-type"], "application/problem+json", "{method} {path}");
        assert_eq!(problem["status"], json!(status));
        assert_eq!(problem["request_id"], json!(headers["x-request-id"].to_str().expect("text")));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert_eq!(headers.contains_key("allow"), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn wrong_input_is_pointed_at() {
    let host = Host::start().await;
    let admin = host.admin().await;
    for (body, pointer) in [
        (json!({"name": "Weather"}), "/name"),
        (json!({"name": 1}), "/name"),
        (json!({}), ""),
        (json!({"name": "weather", "colour": "red"}), "/colour"),
        (json!({"name": "weather", "description": "x".repeat(2_001)}), "/description"),
        (json!("weather"), ""),
    ] {
        let (status, problem) = admin.refused(Method::POST, "/api/servers", Some(body.clone())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["pointer"], json!(pointer), "{problem}");
        assert!(problem["errors"][0]["detail"].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let host = Host::start().await;
    for (content_type, body, status, kind) in [
        ("application/json", "{", 400, "/problems/malformed"),
        ("application/json", "", 400, "/problems/malformed"),
        ("application/json", "{\"username\": \"ada\", \"password\": \"x\"} {}", 400, "/problems/malformed"),
        ("application/json; charset=utf-8", "{}", 422, "/problems/invalid"),
        ("text/plain", "{}", 415, "/problems/unsupported-media-type"),
        ("application/x-www-form-urlencoded", "username=ada", 415, "/problems/unsupported-media-type"),
    ] {
        let (answered, problem) = raw(&host, login(content_type, body)).await;
        assert_eq!((answered, &problem["type"]), (status, &json!(kind)), "{content_type} {body}: {problem}");
    }
}

/// Holds: request_body_bytes.
#[tokio::test]
async fn a_body_is_counted_as_it_arrives() {
    let limits = Limits { request_body_bytes: 1_024, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let filled = |length: usize| format!("{{\"username\": \"ada\", \"password\": \"{}\"}}", "x".repeat(length));
    let fits = filled(1_024 - filled(0).len());
    let (status, _) = raw(&host, login("application/json", &fits)).await;
    assert_eq!(status, 401, "it is read");
    let (status, problem) = raw(&host, login("application/json", &format!("{fits} "))).await;
    assert_eq!((status, &problem["type"]), (413, &json!("/problems/too-large")));
    // One that does not say how long it is, and does not end.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1_024));
    let endless = format!(
        "POST /auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{chunk}{chunk}"
    );
    let (status, problem) = raw(&host, endless).await;
    assert_eq!((status, &problem["type"]), (413, &json!("/problems/too-large")));
}

/// Holds: api_requests_per_minute.
/// Fault: 3.rate.
#[tokio::test]
async fn one_address_asks_so_often_in_a_minute() {
    let limits = Limits { api_requests_per_minute: 3, ..Limits::default() };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    for left in ["2", "1", "0"] {
        let (status, headers, _) = host.send(Method::GET, "/auth/status", None, &[], None).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["x-ratelimit-limit"], HeaderValue::from_static("3"));
        assert_eq!(headers["x-ratelimit-remaining"], HeaderValue::from_static(left));
    }
    for path in ["/auth/status", "/api/servers", "/", "/nothing"] {
        let (status, headers, problem) = host.send(Method::GET, path, None, &[], None).await;
        assert_eq!((status.as_u16(), &problem["type"]), (429, &json!("/problems/rate-limited")), "{path}");
        let wait: u64 = headers["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!((1..=20).contains(&wait), "{wait}");
        assert_eq!(headers["x-ratelimit-remaining"], "0");
    }
    let (status, ..) = host.send(Method::GET, "/health", None, &[], None).await;
    assert_eq!(status, StatusCode::OK, "machines may always ask whether it lives");
}

#[tokio::test]
async fn a_name_that_is_not_this_machines_is_not_served() {
    let host = Host::start().await;
    for (name, status) in [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("box.example", 200),
        ("box.example:8443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.nip.io", 421),
    ] {
        let (answered, _, answer) = host.send(Method::GET, "/auth/status", None, &[("host", name)], None).await;
        assert_eq!(answered.as_u16(), status, "{name}: {answer}");
        if status == 421 {
            assert_eq!(answer["type"], json!("/problems/misdirected"));
        }
    }
}

/// What both doors answer a request that dialled this name, without a credential.
async fn dialled(host: &Host, name: &str) -> (u16, u16) {
    let (api, _, answer) = host.send(Method::GET, "/auth/status", None, &[("host", name)], None).await;
    let mcp = Client::of(host).post(&[("host", name)], &initialize("2025-11-25")).await;
    let status = (api.as_u16(), mcp.status);
    for text in [answer.to_string(), mcp.text().await] {
        let refused = matches!(status, (421, 403));
        assert_eq!(text.contains("add it to MCPBOX_ALLOWED_HOSTS"), refused, "{name}: {text}");
    }
    status
}

#[tokio::test]
async fn a_host_for_others_answers_under_its_names_and_addresses() {
    let listen = std::net::Ipv4Addr::UNSPECIFIED.into();
    let listed = Host::with(Wishes { listen, ..Wishes::default() }).await;
    for (name, statuses) in [
        ("localhost", (200, 200)),
        ("127.0.0.1:8000", (200, 200)),
        // These reach it as well; MCP wants a credential of who does not dial a loopback name.
        ("box.example:8443", (200, 401)),
        ("192.168.1.2:8000", (200, 401)),
        ("[fd00::2]", (200, 401)),
        ("evil.example", (421, 403)),
        ("192.168.1.2.nip.io", (421, 403)),
    ] {
        assert_eq!(dialled(&listed, name).await, statuses, "{name}");
    }
    let unlisted = Host::with(Wishes { listen, names: Vec::new(), ..Wishes::default() }).await;
    assert_eq!(dialled(&unlisted, "any.example").await, (200, 401), "who knows how it is called");
}

/// Holds: page_size_max.
#[tokio::test]
async fn a_page_of_a_list_is_bounded() {
    let limits = Limits { page_size_max: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    for name in ["a", "b", "c"] {
        admin.ask(Method::POST, "/api/servers", Some(json!({"name": name}))).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    };
    let page = admin.ask(Method::GET, "/api/servers?page_size=1000", None).await;
    assert_eq!(
        (names(&page), &page["page_size"], &page["pages"]),
        (vec!["a".into(), "b".into()], &json!(2), &json!(2))
    );
    let page = admin.ask(Method::GET, "/api/servers?page=2", None).await;
    assert_eq!((names(&page), &page["total"], &page["page"]), (vec!["c".into()], &json!(3), &json!(2)));
}

#[tokio::test]
async fn a_failure_of_the_host_says_nothing_but_its_request() {
    let host = Host::start().await;
    let admin = host.admin().await;
    host.app().database().close().await.expect("the database closes");
    let (status, headers, problem) = host.send(Method::GET, "/api/servers", Some(&admin.token), &[], None).await;
    assert_eq!((status.as_u16(), &problem["type"]), (500, &json!("/problems/internal")), "{problem}");
    let id = headers["x-request-id"].to_str().expect("text");
    assert_eq!(problem["detail"], json!(format!("internal error; the log of the host tells of request {id}")));
}
