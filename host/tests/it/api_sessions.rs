//! Setting up, logging in and out, over HTTP.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Host, PASSWORD, Wishes};

async fn try_login(host: &Host, username: &str, password: &str) -> (StatusCode, Value) {
    let body = json!({"username": username, "password": password});
    let (status, headers, answer) = host.send(Method::POST, "/auth/login", None, &[], Some(&body)).await;
    assert_eq!(headers.contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    assert_eq!(headers.contains_key("retry-after"), status == StatusCode::TOO_MANY_REQUESTS);
    (status, answer)
}

async fn opens(host: &Host, token: &str) -> bool {
    let (status, _, answer) = host.send(Method::GET, "/auth/me", Some(token), &[], None).await;
    assert!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&status), "{answer}");
    status == StatusCode::OK
}

#[tokio::test]
async fn the_first_start_is_set_up_once() {
    let host = Host::start().await;
    let status = || host.send(Method::GET, "/auth/status", None, &[], None);
    assert_eq!(status().await.2, json!({"setup_required": true}));
    assert!(host.data_dir().join("setup-code").exists());
    let admin = host.admin().await;
    assert_eq!(status().await.2, json!({"setup_required": false}));
    assert!(!host.data_dir().join("setup-code").exists());
    let again = json!({"username": "eve", "password": PASSWORD, "setup_code": "AAAA-AAAA-AAAA-AAAA"});
    let (refused, _, problem) = host.send(Method::POST, "/auth/setup", None, &[], Some(&again)).await;
    assert_eq!((refused.as_u16(), &problem["type"]), (409, &json!("/problems/conflict")));
    let me = admin.ask(Method::GET, "/auth/me", None).await;
    assert_eq!(me["username"], json!("ada"));
    assert!(me["last_login_at"].is_string() && me.get("password_hash").is_none(), "{me}");
}

/// Holds: access_token_s.
#[tokio::test]
async fn a_token_opens_until_its_end() {
    let limits = Limits { access_token_s: 600, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    host.admin().await;
    let (status, answer) = try_login(&host, "ada", PASSWORD).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(600)));
    let token = answer["access_token"].as_str().expect("a token");
    assert!(opens(&host, token).await);
    host.clock.turn(chrono::TimeDelta::seconds(600));
    assert!(!opens(&host, token).await);
}

#[tokio::test]
async fn a_token_outlives_a_restart_and_ends_with_its_logout() {
    let mut host = Host::start().await;
    host.admin().await;
    let (token, other) = (host.login("ada").await, host.login("ada").await);
    host.restart().await;
    assert!(opens(&host, &token).await);
    let (status, ..) = host.send(Method::POST, "/auth/logout", Some(&token), &[], None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(!opens(&host, &token).await);
    assert!(opens(&host, &other).await);
    host.restart().await;
    assert!(!opens(&host, &token).await);
}

#[tokio::test]
async fn a_new_password_leaves_one_session() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let other = host.login("ada").await;
    let wrong = json!({"current_password": "something else", "new_password": "a new long password"});
    let (status, problem) = admin.refused(Method::POST, "/auth/change-password", Some(wrong)).await;
    assert_eq!((status.as_u16(), &problem["type"]), (403, &json!("/problems/forbidden")));
    let short = json!({"current_password": PASSWORD, "new_password": "short"});
    let (_, problem) = admin.refused(Method::POST, "/auth/change-password", Some(short)).await;
    assert_eq!(problem["errors"][0]["pointer"], json!("/new_password"));
    let change = json!({"current_password": PASSWORD, "new_password": "a new long password"});
    let fresh = admin.ask(Method::POST, "/auth/change-password", Some(change)).await;
    assert!(!opens(&host, &admin.token).await && !opens(&host, &other).await);
    assert!(opens(&host, fresh["access_token"].as_str().expect("a token")).await);
    assert_eq!(try_login(&host, "ada", PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(try_login(&host, "ada", "a new long password").await.0, StatusCode::OK);
}

/// Holds: logins_per_minute.
#[tokio::test]
async fn guessing_is_slow() {
    let limits = Limits { logins_per_minute: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    host.admin().await;
    let (_, unknown) = try_login(&host, "eve", PASSWORD).await;
    let (_, wrong) = try_login(&host, "ada", "something else").await;
    assert_eq!(unknown["detail"], wrong["detail"]);
    let (status, problem) = try_login(&host, "ada", PASSWORD).await;
    assert_eq!((status.as_u16(), &problem["type"]), (429, &json!("/problems/rate-limited")), "{problem}");
    host.clock.turn(chrono::TimeDelta::minutes(1));
    assert_eq!(try_login(&host, "ada", PASSWORD).await.0, StatusCode::OK);
}

#[tokio::test]
async fn logins_leave_their_rows() {
    let host = Host::start().await;
    let admin = host.admin().await;
    try_login(&host, "ada", "something else").await;
    let rows = admin.ask(Method::GET, "/api/audit", None).await;
    let acts: Vec<_> = rows["items"].as_array().expect("rows").iter().map(|row| row["action"].clone()).collect();
    assert_eq!(acts, ["admin.login_refused", "admin.login", "admin.setup"]);
    assert_eq!(rows["items"][0]["from_address"], json!("127.0.0.1"));
    assert!(!rows.to_string().contains("something else"));
}
