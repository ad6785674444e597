//! What machines ask of a host.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Host, Wishes};

#[tokio::test]
async fn a_healthy_host_says_so() {
    let host = Host::start().await;
    let healthy = json!({
        "status": "healthy",
        "version": env!("CARGO_PKG_VERSION"),
        "database": "connected",
        "sandbox": "connected",
    });
    for (path, expected) in [
        ("/health", healthy.clone()),
        ("/health/detail", healthy),
        ("/health/live", json!({"status": "alive"})),
        ("/health/ready", json!({"status": "ready"})),
    ] {
        let (status, _, answer) = host.send(Method::GET, path, None, &[], None).await;
        assert_eq!((status, answer), (StatusCode::OK, expected), "{path}");
    }
}

#[tokio::test]
async fn without_its_database_a_host_is_unhealthy_and_alive() {
    let host = Host::start().await;
    host.send(Method::GET, "/health", None, &[], None).await;
    host.app().database().close().await.expect("the database closes");
    // A sign of life is believed for a second.
    host.clock.turn(chrono::TimeDelta::seconds(1));
    for (path, status, part) in [
        ("/health", 503, json!({"status": "unhealthy", "database": "disconnected", "sandbox": "connected"})),
        ("/health/ready", 503, json!({"status": "unhealthy"})),
        ("/health/live", 200, json!({"status": "alive"})),
    ] {
        let (answered, _, answer) = host.send(Method::GET, path, None, &[], None).await;
        assert_eq!(answered.as_u16(), status, "{path}: {answer}");
        for (name, value) in part.as_object().expect("an object") {
            assert_eq!(&answer[name], value, "{path}");
        }
    }
}

#[tokio::test]
async fn metrics_are_for_direct_peers_of_the_own_network() {
    let host = Host::start().await;
    host.send(Method::GET, "/health", None, &[], None).await;
    let (status, headers, text) = host.send(Method::GET, "/metrics", None, &[], None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = text.as_str().expect("text");
    for part in [
        "http_requests_total{method=\"GET\",handler=\"/health\",status=\"2xx\"}",
        "http_request_duration_seconds_bucket{method=\"GET\",handler=\"/health\"",
        "http_response_size_bytes_bucket{handler=\"/health\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for header in [("x-forwarded-for", "192.0.2.7"), ("cf-ray", "1"), ("forwarded", "for=192.0.2.7")] {
        let (status, ..) = host.send(Method::GET, "/metrics", None, &[header], None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{header:?}");
    }
}

#[tokio::test]
async fn an_address_that_does_not_exist_makes_no_metric_of_its_own() {
    let host = Host::start().await;
    host.send(Method::GET, "/planted-address", None, &[], None).await;
    let (.., text) = host.send(Method::GET, "/metrics", None, &[], None).await;
    assert!(!text.as_str().expect("text").contains("planted"), "{text}");
}

#[tokio::test]
async fn metrics_can_be_turned_off() {
    let host = Host::with(Wishes { metrics: false, ..Wishes::default() }).await;
    let (status, ..) = host.send(Method::GET, "/metrics", None, &[], None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_front_page_says_where_things_are() {
    let host = Host::start().await;
    let (status, headers, text) = host.send(Method::GET, "/", None, &[], None).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"text/plain; charset=utf-8".parse().expect("text"))
    );
    for part in ["MCPbox", "/mcp", "/api", "/health"] {
        assert!(text.as_str().expect("text").contains(part), "{part}: {text}");
    }
}
