//! Forgetting is red: what is declared in a table of the product must be refused to strangers, written
//! down, and owned by a file.

use chrono::TimeDelta;
use mcpbox::api::{Access, ROUTES, Route};
use mcpbox::limits::TABLE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_browser::Browser;
use crate::harness::{Admin, Host, PASSWORD};
use crate::{marks, source};

/// A path of the route table with something in the place of each segment that varies.
fn path(route: &str) -> String {
    route
        .replace("{id}", "01990000-0000-7000-8000-000000000001")
        .replace("{key_name}", "KEY")
        .replace("{name}", "tool")
        .replace("{number}", "1")
        .replace("{file}", "start.js")
}

#[tokio::test]
async fn every_route_for_administrators_is_refused_to_nobody_and_to_strangers() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let token = |answer: &Value, field: &str| answer[field].as_str().expect("a token").to_owned();
    let login = json!({"username": "ada", "password": PASSWORD});
    let (_, _, expired) = host.send(Method::POST, "/auth/login", None, &[], Some(&login)).await;
    host.clock.turn(TimeDelta::days(1));
    let (_, _, ended) = host.send(Method::POST, "/auth/login", None, &[], Some(&login)).await;
    let ended_access = token(&ended, "access_token");
    host.send(Method::POST, "/auth/logout", Some(&ended_access), &[], None).await;
    // In force, and of another kind.
    let admin = Admin { token: host.login("ada").await, ..admin };
    let key = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "ci"}))).await;
    let (_, _, other) = host.send(Method::POST, "/auth/login", None, &[], Some(&login)).await;
    let (browser, ..) = Browser::login(&host, &[]).await;
    let strangers = [
        None,
        Some("nonsense".to_owned()),
        Some(format!("mbx_at_{}", "A".repeat(43))),
        Some(token(&expired, "access_token")),
        Some(ended_access),
        Some(token(&key, "key")),
        Some(token(&other, "refresh_token")),
        Some(browser.cookie("mcpbox_session").to_owned()),
        Some(browser.cookie("mcpbox_csrf").to_owned()),
    ];
    // What is for programs is no cookie, and a cookie of another kind is none of a session.
    let own = token(&other, "access_token");
    let cookies = [&own, browser.cookie("mcpbox_refresh"), browser.cookie("mcpbox_csrf")];
    let cookies = cookies.map(|value| format!("mcpbox_session={value}; mcpbox_csrf={}", browser.cookie("mcpbox_csrf")));
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.access == Access::Admin) {
        let method = || Method::from_bytes(route.method.as_str().as_bytes()).expect("a method");
        for token in &strangers {
            let (status, headers, answer) = host.send(method(), &path(route.path), token.as_deref(), &[], None).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {} {token:?}: {answer}", route.method, route.path);
            assert!(headers.contains_key("www-authenticate"), "{} {}", route.method, route.path);
            asked += 1;
        }
        for cookie in &cookies {
            let headers = [
                ("cookie", cookie.as_str()),
                ("origin", host.base.as_str()),
                ("x-csrf-token", browser.cookie("mcpbox_csrf")),
            ];
            let (status, _, answer) = host.send(method(), &path(route.path), None, &headers, None).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {} {cookie}: {answer}", route.method, route.path);
        }
    }
    assert!(asked > 600, "the table was walked");
    assert_eq!(host.send(Method::GET, "/auth/me", Some(&own), &[], None).await.0, StatusCode::OK, "it is in force");
}

/// The addresses that have routes take no method beside those.
#[tokio::test]
async fn no_route_answers_to_another_method_than_its_own() {
    let host = Host::start().await;
    let mut asked = 0;
    for route in ROUTES {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let known = |route: &Route| route.method.as_str() == method.as_str();
            if ROUTES.iter().any(|other| other.path == route.path && known(other)) {
                continue;
            }
            let (status, _, answer) = host.send(method.clone(), &path(route.path), None, &[], None).await;
            // Another route may take the address with a word in the place of a name.
            let refused = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNAUTHORIZED);
            assert!(refused, "{method} {}: {status} {answer}", route.path);
            asked += 1;
        }
    }
    assert!(asked > 100, "the table was walked");
}

#[tokio::test]
async fn mcp_answers_to_nobody_from_afar_and_to_no_stranger() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let key = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "ci"}))).await;
    let path = format!("/api/api-keys/{}", key["id"].as_str().expect("an id"));
    admin.ask(Method::DELETE, &path, None).await;
    let (browser, ..) = Browser::login(&host, &[]).await;
    let revoked = key["key"].as_str().expect("a key");
    // A person's token opens MCP too, until it is taken back.
    host.send(Method::POST, "/auth/logout", Some(&admin.token), &[], None).await;
    let strangers = [
        "nonsense",
        &format!("mbx_key_{}", "A".repeat(43)),
        revoked,
        &admin.token,
        browser.cookie("mcpbox_session"),
        browser.cookie("mcpbox_csrf"),
    ];
    let through = [("x-forwarded-for", "192.0.2.7"), ("accept", "application/json, text/event-stream")];
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let body = (method == Method::POST).then_some(&body);
        for (token, headers) in
            strangers.map(|token| (Some(token), &through[1..])).into_iter().chain([(None, &through[..])])
        {
            let (status, ..) = host.send(method.clone(), "/mcp", token, headers, body).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {token:?}");
        }
    }
}

#[tokio::test]
async fn every_route_that_changes_something_is_refused_to_a_cookie_of_a_strangers_page() {
    let host = Host::start().await;
    host.admin().await;
    let (mut browser, ..) = Browser::login(&host, &[]).await;
    let csrf = browser.cookie("mcpbox_csrf").to_owned();
    let own = host.base.clone();
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.access == Access::Admin && !route.method.is_safe()) {
        for headers in [
            &[][..],
            &[("origin", own.as_str())],
            &[("x-csrf-token", csrf.as_str())],
            &[("origin", "https://evil.example"), ("x-csrf-token", csrf.as_str())],
        ] {
            let method = Method::from_bytes(route.method.as_str().as_bytes()).expect("a method");
            let (status, problem) = browser.send(method, &path(route.path), headers, None).await;
            let told = (status.as_u16(), &problem["type"]);
            assert_eq!(told, (403, &json!("/problems/cross-site")), "{} {} {headers:?}", route.method, route.path);
            asked += 1;
        }
    }
    assert!(asked > 60, "the table was walked");
    assert_eq!(browser.ask(Method::GET, "/auth/me", None).await.0, StatusCode::OK, "the session goes on");
}

#[tokio::test]
async fn every_open_route_answers_without_a_server_error() {
    let host = Host::start().await;
    for route in ROUTES.iter().filter(|route| route.access != Access::Admin) {
        let method = Method::from_bytes(route.method.as_str().as_bytes()).expect("a method");
        let (status, _, answer) = host.send(method, &path(route.path), None, &[], None).await;
        assert!(!status.is_server_error() && status != StatusCode::NOT_FOUND, "{}: {status} {answer}", route.path);
    }
}

#[tokio::test]
async fn every_limit_is_told_with_the_value_in_force() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let told = admin.ask(Method::GET, "/api/limits", None).await.to_string();
    for limit in TABLE {
        assert!(told.contains(&format!("\"{}\"", limit.name)), "{}", limit.name);
    }
}

#[test]
fn every_limit_has_a_test_that_goes_past_it() {
    let limits: Vec<&str> = TABLE.iter().map(|limit| limit.name).collect();
    let faults = marks::faults("/// Holds: ", "limit", &limits, &marks::files());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_table_of_the_database_has_its_owner_and_its_change() {
    let files = source::paths();
    let changes: Vec<&str> = files
        .iter()
        // One that makes no table changes those of others.
        .filter(|path| std::fs::read_to_string(source::file(path)).is_ok_and(|text| text.contains("create_table")))
        .filter_map(|path| path.strip_prefix("migrations/src/m")?.strip_suffix(".rs"))
        .filter_map(|name| name.split_once('_').map(|(_, table)| table))
        .collect();
    assert!(changes.len() >= 15, "{changes:?}");
    for table in changes {
        let short = table.trim_start_matches("tool_").trim_start_matches("server_").replace("access_", "");
        let owners = [table, &short, "admins", "versions"].map(|name| format!("host/src/db/{name}.rs"));
        let own = owners[..2].iter().any(|path| files.contains(path));
        let known = matches!(table, "admin_users") && files.contains(&owners[2]);
        assert!(own || known, "the table {table} has no file in host/src/db");
    }
}
