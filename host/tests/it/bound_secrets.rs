//! A bound secret goes into the requests that it is bound to, and no guest ever sees it.
//!
//! The sites of these tests speak plain http, so their bindings say that they may; that this is refused
//! otherwise is tested here, and that https works beside the way out itself.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::uri::Uri;
use axum::routing::get;
use mcpbox::egress::MappedNetwork;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};
use crate::internet::Site;

const VALUE: &str = "s3cr+t/va=lue";
const BEARER: &str = "Bearer s3cr+t/va=lue";

/// A host beside a site that repeats what it was sent: in the body, in a header, and in a redirect.
async fn with_site() -> (Host, Site) {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let echo = |headers: HeaderMap, uri: Uri| async move {
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        ([("x-echo", sent.clone())], format!("{sent} {uri}"))
    };
    let moved = |uri: Uri| async move {
        let query = uri.query().unwrap_or_default();
        (StatusCode::FOUND, [("location", format!("/echo?{query}"))], "elsewhere")
    };
    let router = Router::new().route("/echo", get(echo)).route("/moved", get(moved));
    let site = Site::open(&network, "api.example.com", "93.184.215.14", router.clone()).await;
    network.serve("other.example.com", crate::internet::ip("93.184.215.15"), site.address());
    (host, site)
}

fn in_header() -> Value {
    json!({"host": "api.example.com", "header": "Authorization", "template": "Bearer {secret}", "plain_http": true})
}

fn in_query() -> Value {
    json!({"host": "api.example.com", "query": "api_key", "plain_http": true})
}

/// A server that reaches both names, with a secret that is bound.
async fn vault(admin: &Admin<'_>, binding: Value) -> String {
    let server = admin.server("vault").await;
    for host in ["api.example.com", "other.example.com"] {
        admin.allow(&server, host).await;
    }
    let body = json!({"key_name": "TOKEN", "value": VALUE, "binding": binding});
    admin.ask(Method::POST, &format!("/api/servers/{server}/secrets"), Some(body)).await;
    server
}

const PYTHON: &str = "\
async def main(url: str, own: str = '') -> dict:
    try:
        answer = await http.get(url, headers={'authorization': own} if own else {})
    except Exception as error:
        return {'error': str(error)}
    seen = {'names': list(secrets), 'found': secrets.get('TOKEN')}
    return {'text': answer.text, 'echo': answer.headers.get('x-echo'), 'characters': len(answer.text), **seen}
";

const JAVASCRIPT: &str = "\
export async function main({ url }: { url: string }) {
  const answer = await fetch(url)
  const text = await answer.text()
  return { text, echo: answer.headers.get('x-echo'), characters: text.length, names: Object.keys(secrets) }
}
";

#[tokio::test]
async fn a_bound_secret_is_sent_by_the_host_and_seen_by_no_python_tool() {
    let (host, site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, in_header()).await;
    admin.another_tool(&server, "look", PYTHON).await;
    let seen = host.model().done("vault__look", json!({"url": "http://api.example.com/echo"})).await;
    assert_eq!(site.got()[0]["authorization"], BEARER);
    // Its length, which no redaction after the call could change, says that the tool saw no value either.
    let text = "Bearer [redacted] /echo";
    let expected =
        json!({"text": text, "echo": "Bearer [redacted]", "characters": text.len(), "names": [], "found": null});
    assert_eq!(seen, expected);

    let elsewhere = host.model().done("vault__look", json!({"url": "http://other.example.com/echo"})).await;
    assert_eq!(elsewhere["text"], json!(" /echo"));
    assert!(!site.got()[1].contains_key("authorization"));
    let own = json!({"url": "http://api.example.com/echo", "own": "Bearer mine"});
    let refused = host.model().done("vault__look", own).await;
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("leave it out")), "{refused}");
    assert_eq!(site.got().len(), 2);
}

#[tokio::test]
async fn a_bound_secret_follows_a_redirect_only_where_it_is_bound() {
    let (host, site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, in_query()).await;
    let body = json!({"name": "look", "code": JAVASCRIPT, "language": "javascript"});
    let made = admin.ask(Method::POST, &format!("/api/servers/{server}/tools"), Some(body)).await;
    admin.approve(made["id"].as_str().expect("an id")).await;
    let seen = host.model().done("vault__look", json!({"url": "http://api.example.com/moved?page=2"})).await;
    let text = " /echo?page=2&api_key=[redacted]";
    assert_eq!(seen, json!({"text": text, "echo": "", "characters": text.len(), "names": []}));
    assert_eq!(site.got().len(), 2);
}

#[tokio::test]
async fn a_bound_secret_is_sent_for_wasi_http_too() {
    let (host, site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, in_header()).await;
    let made = admin.component(&server, "web", fixtures::plain("http_get")).await;
    admin.approve(made["id"].as_str().expect("an id")).await;
    let ask = json!({"authority": "api.example.com", "path": "/echo", "times": 1});
    let result = host.model().call("vault__web_get", ask).await;
    assert_eq!(site.got()[0]["authorization"], BEARER);
    // `Bearer [redacted] /echo` in base64, with its length.
    assert!(result.to_string().contains("QmVhcmVyIFtyZWRhY3RlZF0gL2VjaG8="), "{result}");
    assert!(result.to_string().contains("23"), "{result}");
}

#[tokio::test]
async fn a_bound_secret_never_goes_over_plain_http_unless_a_person_said_so() {
    let (host, site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, json!({"host": "api.example.com", "header": "x-api-key"})).await;
    admin.another_tool(&server, "look", PYTHON).await;
    let seen = host.model().done("vault__look", json!({"url": "http://api.example.com/echo"})).await;
    assert!(seen["error"].as_str().is_some_and(|text| text.contains("only over https")), "{seen}");
    assert_eq!(site.got().len(), 0);
}

#[tokio::test]
async fn a_model_proposes_a_binding_and_the_value_decides_it() {
    let (host, site) = with_site().await;
    let admin = host.admin().await;
    let server = admin.server("vault").await;
    admin.allow(&server, "api.example.com").await;
    let model = host.model();
    let mut proposed = json!({"server_id": server, "key": "TOKEN", "binding": in_header()});
    let refused = model.failed("mcpbox_create_server_secret", proposed.clone()).await;
    assert!(refused.contains("plain_http"), "{refused}");
    proposed["binding"] = json!({"host": "api.example.com", "header": "Host"});
    assert!(model.failed("mcpbox_create_server_secret", proposed.clone()).await.contains("/binding/header"));
    proposed["binding"] = json!({"host": "api.example.com", "header": "authorization", "template": "Bearer {secret}"});
    let made = model.done("mcpbox_create_server_secret", proposed.clone()).await;
    assert_eq!(made["binding"], proposed["binding"]);
    let path = format!("/api/servers/{server}/secrets");
    let shown = admin.ask(Method::GET, &path, None).await;
    assert_eq!((&shown["items"][0]["binding"], &shown["items"][0]["has_value"]), (&proposed["binding"], &json!(false)));

    // The person changes what was proposed, and sets the value with it.
    let path = format!("{path}/TOKEN");
    let set = admin.ask(Method::PUT, &path, Some(json!({"value": VALUE, "binding": in_header()}))).await;
    assert_eq!(set["binding"]["plain_http"], json!(true), "{set}");
    admin.another_tool(&server, "look", PYTHON).await;
    let url = json!({"url": "http://api.example.com/echo"});
    assert_eq!(model.done("vault__look", url.clone()).await["found"], Value::Null);
    assert_eq!(site.got()[0]["authorization"], BEARER);

    // Unbound, it is a secret like others; and bound again without its value being given.
    admin.ask(Method::PUT, &path, Some(json!({"binding": null}))).await;
    assert_eq!(model.done("vault__look", url.clone()).await["names"], json!(["TOKEN"]));
    assert!(!site.got()[1].contains_key("authorization"));
    admin.ask(Method::PUT, &path, Some(json!({"binding": in_header()}))).await;
    assert_eq!(model.done("vault__look", url).await["names"], json!([]));
    assert_eq!(site.got()[2]["authorization"], BEARER);
    let audit = admin.ask(Method::GET, "/api/audit?action=secret.bind", None).await;
    assert_eq!(audit["total"], json!(2), "{audit}");
    assert_eq!(audit["items"][0]["before"]["binding"], Value::Null);
    assert_eq!(audit["items"][0]["after"]["binding"]["header"], json!("authorization"));
    assert!(!audit.to_string().contains("s3cr"), "{audit}");
}

#[tokio::test]
async fn a_binding_that_cannot_hold_is_refused_and_nothing_is_kept() {
    let (host, _site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, in_header()).await;
    let path = format!("/api/servers/{server}/secrets");
    for (body, status, words) in [
        (json!({"key_name": "B", "value": "abc", "binding": in_query()}), 422, "at least 4 characters"),
        (
            json!({"key_name": "B", "value": "abcd\nx", "binding": {"host": "x.example", "header": "x"}}),
            422,
            "line break",
        ),
        (json!({"key_name": "B", "value": "abcd", "binding": {"host": "x.example"}}), 422, "`header` or in a `query`"),
        (json!({"key_name": "B", "value": "abcd", "binding": in_header()}), 409, "`TOKEN` is bound to the same"),
        (json!({"key_name": "B", "binding": {"host": "x.example", "cookie": "x"}}), 422, "cookie"),
    ] {
        let (given, answer) = admin.refused(Method::POST, &path, Some(body.clone())).await;
        assert_eq!(given.as_u16(), status, "{body} {answer}");
        assert!(answer.to_string().contains(words), "{body} {answer}");
    }
    let (status, _) = admin.refused(Method::PUT, &format!("{path}/TOKEN"), Some(json!({}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = admin.refused(Method::PUT, &format!("{path}/TOKEN"), Some(json!({"value": "abc"}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let listed = admin.ask(Method::GET, &path, None).await;
    assert_eq!(listed["total"], json!(1), "{listed}");
}

#[tokio::test]
async fn no_policy_shows_what_no_tool_saw() {
    let (host, _site) = with_site().await;
    let admin = host.admin().await;
    let server = vault(&admin, in_header()).await;
    admin.another_tool(&server, "say", "def main(what: str):\n    return what\n").await;
    let policy = json!({"redact_secrets_in_output": false});
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policy)).await;
    let said = host.model().call("vault__say", json!({"what": VALUE})).await;
    assert!(!said.to_string().contains(VALUE), "{said}");
}
