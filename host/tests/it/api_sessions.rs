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
    assert_eq!(answer["refresh_expires_in"], json!(604_800));
    assert!(answer.get("csrf_token").is_none(), "{answer}");
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

/// Exchanges a refresh token.
async fn refresh(host: &Host, token: &Value) -> (StatusCode, Value) {
    let body = json!({"refresh_token": token});
    let (status, headers, answer) = host.send(Method::POST, "/auth/refresh", None, &[], Some(&body)).await;
    assert!(!headers.contains_key("set-cookie"), "{headers:?}");
    (status, answer)
}

fn access(answer: &Value) -> &str {
    answer["access_token"].as_str().expect("a token")
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_once_and_outlives_the_access_token_and_a_restart() {
    let mut host = Host::start().await;
    host.admin().await;
    let (_, first) = try_login(&host, "ada", PASSWORD).await;
    host.clock.turn(chrono::TimeDelta::days(6));
    assert!(!opens(&host, access(&first)).await);
    assert!(!opens(&host, first["refresh_token"].as_str().expect("a token")).await, "it opens nothing itself");
    host.restart().await;
    let (status, second) = refresh(&host, &first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    assert!(opens(&host, access(&second)).await);
    let (status, problem) = refresh(&host, &first["refresh_token"]).await;
    assert_eq!((status.as_u16(), &problem["type"]), (401, &json!("/problems/unauthenticated")));
    assert!(!opens(&host, access(&second)).await, "two had the token");
    assert_eq!(refresh(&host, &second["refresh_token"]).await.0, StatusCode::UNAUTHORIZED);
    let admin = host.login("ada").await;
    let (_, _, rows) = host.send(Method::GET, "/api/audit", Some(&admin), &[], None).await;
    let acts: Vec<_> = rows["items"].as_array().expect("rows").iter().map(|row| row["action"].clone()).collect();
    assert!(acts.contains(&json!("session.refresh_reused")), "{acts:?}");
}

#[tokio::test]
async fn a_refresh_token_ends_with_its_time_its_logout_and_its_password() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (_, old) = try_login(&host, "ada", PASSWORD).await;
    host.clock.turn(chrono::TimeDelta::days(7));
    assert_eq!(refresh(&host, &old["refresh_token"]).await.0, StatusCode::UNAUTHORIZED);
    let (_, out) = try_login(&host, "ada", PASSWORD).await;
    let (status, ..) = host.send(Method::POST, "/auth/logout", Some(access(&out)), &[], None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(refresh(&host, &out["refresh_token"]).await.0, StatusCode::UNAUTHORIZED);
    let (_, changed) = try_login(&host, "ada", PASSWORD).await;
    let change = json!({"current_password": PASSWORD, "new_password": "a new long password"});
    let (status, _, fresh) =
        host.send(Method::POST, "/auth/change-password", Some(access(&changed)), &[], Some(&change)).await;
    assert_eq!(status, StatusCode::OK, "{fresh}");
    assert_eq!(refresh(&host, &changed["refresh_token"]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&host, &fresh["refresh_token"]).await.0, StatusCode::OK);
    drop(admin);
}

/// Fault: 4.sessions.
#[tokio::test]
async fn what_one_process_ends_no_other_opens() {
    let host = Host::start().await;
    host.admin().await;
    let other = host.beside().await;
    let (_, tokens) = try_login(&host, "ada", PASSWORD).await;
    let seen = async |token: &str| other.send(Method::GET, "/auth/me", Some(token), &[], None).await.0;
    assert_eq!(seen(access(&tokens)).await, StatusCode::OK);
    let (_, next) = refresh(&host, &tokens["refresh_token"]).await;
    assert_eq!(seen(access(&tokens)).await, StatusCode::UNAUTHORIZED, "it was exchanged");
    assert_eq!(seen(access(&next)).await, StatusCode::OK);
    host.send(Method::POST, "/auth/logout", Some(access(&next)), &[], None).await;
    assert_eq!(seen(access(&next)).await, StatusCode::UNAUTHORIZED, "it was logged out");
    let body = json!({"refresh_token": next["refresh_token"]});
    let (status, ..) = other.send(Method::POST, "/auth/refresh", None, &[], Some(&body)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    other.stop().await;
}

#[tokio::test]
async fn a_person_lists_and_ends_sessions() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let agent = [("user-agent", "a script")];
    let login = json!({"username": "ada", "password": PASSWORD});
    let (_, _, lost) = host.send(Method::POST, "/auth/login", None, &agent, Some(&login)).await;
    let listed = admin.ask(Method::GET, "/auth/sessions", None).await;
    assert_eq!(listed["total"], json!(2));
    let view = &listed["items"][0];
    assert_eq!(
        (&view["user_agent"], &view["current"], &view["kind"]),
        (&json!("a script"), &json!(false), &json!("bearer"))
    );
    assert_eq!(view["from_address"], json!("127.0.0.1"));
    let path = format!("/auth/sessions/{}", view["id"].as_str().expect("an id"));
    admin.ask(Method::DELETE, &path, None).await;
    assert!(!opens(&host, access(&lost)).await && opens(&host, &admin.token).await);
    assert_eq!(admin.refused(Method::DELETE, &path, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(refresh(&host, &lost["refresh_token"]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn after_five_failures_an_address_may_try_nothing_and_a_name_is_tried_by_nobody() {
    let wishes = Wishes { proxies: "127.0.0.1", ..Wishes::default() };
    let host = Host::with(wishes).await;
    host.admin().await;
    let (_, tokens) = try_login(&host, "ada", PASSWORD).await;
    let (here, there) = ([("x-forwarded-for", "203.0.113.7")], [("x-forwarded-for", "203.0.113.8")]);
    let post = async |path: &str, from: &[(&str, &str)], body: Value| {
        let (status, headers, _) = host.send(Method::POST, path, None, from, Some(&body)).await;
        assert_eq!(headers.contains_key("retry-after"), status == StatusCode::TOO_MANY_REQUESTS);
        status.as_u16()
    };
    let login = |name: &str, password: &str| json!({"username": name, "password": password});
    assert_eq!(post("/auth/refresh", &here, json!({"refresh_token": "guessed"})).await, 401);
    for _ in 0..4 {
        assert_eq!(post("/auth/login", &here, login("ada", "something else")).await, 401);
    }
    assert_eq!(post("/auth/login", &here, login("grace", PASSWORD)).await, 429);
    assert_eq!(post("/auth/refresh", &here, json!({"refresh_token": tokens["refresh_token"]})).await, 429);
    assert_eq!(post("/auth/login", &there, login("ada", "something else")).await, 401, "the fifth of the name");
    assert_eq!(post("/auth/login", &there, login("ada", PASSWORD)).await, 429);
    assert_eq!(post("/auth/refresh", &there, json!({"refresh_token": tokens["refresh_token"]})).await, 200);
    host.clock.turn(chrono::TimeDelta::minutes(1));
    assert_eq!(post("/auth/login", &here, login("ada", PASSWORD)).await, 200);
    let admin = host.login("ada").await;
    let (_, _, rows) = host.send(Method::GET, "/api/audit", Some(&admin), &[], None).await;
    assert!(rows.to_string().contains("203.0.113.8"), "the client stands there, not its proxy");
}

#[tokio::test]
async fn a_stranger_does_not_choose_the_address_that_is_counted() {
    let limits = Limits { logins_per_minute: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    host.admin().await;
    let body = json!({"username": "eve", "password": "something else"});
    let from = async |address: &str| {
        host.send(Method::POST, "/auth/login", None, &[("x-forwarded-for", address)], Some(&body)).await.0
    };
    assert_eq!(from("203.0.113.7").await, StatusCode::UNAUTHORIZED);
    assert_eq!(from("203.0.113.8").await, StatusCode::TOO_MANY_REQUESTS);
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

/// Fault: 10.audit.
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
