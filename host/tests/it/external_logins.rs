//! Logging in at external sources by OAuth, from the login page to the token that is taken back.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::external_sources::{added, discover, host_near, import, source, usual};
use crate::harness::Admin;
use crate::peer::{Era, Peer};

async fn start(admin: &Admin<'_>, id: &str, more: Value) -> (String, String) {
    let mut body = json!({"redirect_uri": "https://box.example/oauth/callback"});
    for (member, value) in more.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    let path = format!("/api/external-sources/sources/{id}/oauth/start");
    let begun = admin.ask(Method::POST, &path, Some(body)).await;
    let text = |member: &str| begun[member].as_str().expect("a text").to_owned();
    (text("authorization_url"), text("state"))
}

const EXCHANGE: &str = "/api/external-sources/oauth/exchange";

#[tokio::test]
async fn a_person_logs_in_once_and_tokens_are_renewed_until_they_are_taken_back() {
    let peer = Peer::start(Era::Modern).await;
    let login = &peer.shared.login;
    *login.required.lock().expect("lock") = true;
    let host = host_near(&peer, usual()).await;
    let (admin, model) = (host.admin().await, host.model());
    let server = admin.server("ext").await;
    let id = added(&admin, &server, "peer", &peer.url(), json!({"auth_type": "oauth"})).await;
    let path = format!("/api/external-sources/sources/{id}/discover");
    let (status, problem) = admin.refused(Method::POST, &path, None).await;
    assert_eq!(status.as_u16(), 424, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("nobody has logged in")), "{problem}");

    let (page, state) = start(&admin, &id, json!({})).await;
    let registered = login.asked.lock().expect("lock")[0].clone();
    assert_eq!((&registered["client_name"], &registered["application_type"]), (&json!("MCPbox"), &json!("web")));
    let code = login.agree(&page);
    let body = |state: &str| Some(json!({"state": state, "code": code}));
    let (status, _) = admin.refused(Method::POST, EXCHANGE, body("another state")).await;
    assert_eq!(status.as_u16(), 404);
    let done = admin.ask(Method::POST, EXCHANGE, body(&state)).await;
    assert_eq!((&done["oauth_connected"], &done["status"]), (&json!(true), &json!("active")), "{done}");
    let (status, _) = admin.refused(Method::POST, EXCHANGE, body(&state)).await;
    assert_eq!(status.as_u16(), 404, "a login ends once");

    discover(&admin, &id).await;
    import(&admin, &id, &["echo", "reveals"]).await;
    assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");
    let grants = || {
        let asked = login.asked.lock().expect("lock");
        asked.iter().filter(|form| form["grant_type"] == "refresh_token").count()
    };
    assert_eq!(grants(), 0);
    // Ten minutes are almost over.
    host.clock.turn(TimeDelta::seconds(590));
    assert_eq!(model.done("ext__peer_echo", json!({"text": "a"})).await["said"], "a");
    assert_eq!(grants(), 1, "it was renewed in time");
    login.expire();
    assert_eq!(model.done("ext__peer_echo", json!({"text": "b"})).await["said"], "b");
    assert_eq!(grants(), 2, "it was renewed when it was refused");

    let revealed = model.call("ext__peer_reveals", json!({})).await.to_string();
    let mut texts = vec![revealed, source(&admin, &id).await.to_string()];
    for path in ["/api/audit?page_size=100", "/api/execution-logs"] {
        texts.push(admin.ask(Method::GET, path, None).await.to_string());
    }
    let tokens = login.tokens();
    assert!(!tokens.is_empty());
    for text in &texts {
        let leaks = |secret: &str| text.contains(secret);
        assert!(!tokens.iter().any(|token| leaks(token)) && !leaks("refresh-token") && !leaks(&code), "{text}");
    }

    login.revoke();
    let told = model.failed("ext__peer_echo", json!({"text": "c"})).await;
    assert!(told.contains("log in there again"), "{told}");
    assert_eq!(source(&admin, &id).await["status"], "error");
    let (page, state) = start(&admin, &id, json!({})).await;
    let again = json!({"state": state, "code": login.agree(&page)});
    admin.ask(Method::POST, EXCHANGE, Some(again)).await;
    assert_eq!(model.done("ext__peer_echo", json!({"text": "d"})).await["said"], "d");
}

#[tokio::test]
async fn an_id_that_is_a_document_needs_no_registration_and_a_late_login_is_none() {
    let peer = Peer::start(Era::Modern).await;
    let login = &peer.shared.login;
    *login.required.lock().expect("lock") = true;
    *login.documents.lock().expect("lock") = true;
    let host = host_near(&peer, usual()).await;
    let admin = host.admin().await;
    let server = admin.server("ext").await;
    let id = added(&admin, &server, "peer", &peer.url(), json!({"auth_type": "oauth"})).await;
    let document = "https://box.example/client.json";
    let (page, state) = start(&admin, &id, json!({"client_metadata_url": document, "scopes": ["tools"]})).await;
    let given: std::collections::HashMap<String, String> =
        url::Url::parse(&page).expect("an address").query_pairs().into_owned().collect();
    assert_eq!((given["client_id"].as_str(), given["scope"].as_str()), (document, "tools"), "{page}");
    assert!(login.asked.lock().expect("lock").is_empty(), "nobody was registered");
    let code = login.agree(&page);
    host.clock.turn(TimeDelta::minutes(16));
    let admin = Admin { host: &host, token: host.login("ada").await };
    let (status, problem) = admin.refused(Method::POST, EXCHANGE, Some(json!({"state": state, "code": code}))).await;
    assert_eq!(status.as_u16(), 404, "{problem}");

    let (page, state) = start(&admin, &id, json!({"client_id": "known-there", "client_secret": "of-the-client"})).await;
    assert!(page.contains("client_id=known-there"), "{page}");
    let body = json!({"state": state, "code": login.agree(&page)});
    let done = admin.ask(Method::POST, EXCHANGE, Some(body)).await;
    assert_eq!(done["oauth_client_id"], "known-there");
    assert!(!done.to_string().contains("of-the-client"));
    let wrong = json!({"state": start(&admin, &id, json!({})).await.1, "code": "guessed-code-of-nobody"});
    let (status, problem) = admin.refused(Method::POST, EXCHANGE, Some(wrong)).await;
    assert_eq!(status.as_u16(), 424, "{problem}");
    assert!(!problem.to_string().contains("guessed-code"), "{problem}");
    let none = added(&admin, &server, "open", &peer.url(), json!({})).await;
    let path = format!("/api/external-sources/sources/{none}/oauth/start");
    let body = json!({"redirect_uri": "https://box.example/oauth/callback"});
    assert_eq!(admin.refused(Method::POST, &path, Some(body)).await.0.as_u16(), 409);
}
