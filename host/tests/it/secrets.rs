//! A secret goes into the request that needs it, and nowhere else.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcpbox::egress::MappedNetwork;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};
use crate::internet::Site;

/// With characters that every encoding writes in another way.
const VALUE: &str = "s3cr+t/va=lue \"näh\" &c";

const REDACTED: &str = "[redacted]";

/// Every way in which the value could be read back by somebody who knows the encoding.
fn forms() -> Vec<String> {
    let json = serde_json::to_string(VALUE).expect("JSON");
    let url: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
    vec![
        VALUE.to_owned(),
        json.trim_matches('"').to_owned(),
        STANDARD.encode(VALUE),
        STANDARD.encode(format!("user:{VALUE}")),
        url.replace('+', "%20"),
        url,
        VALUE.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ]
}

fn assert_clean(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{what} holds {form}: {text}");
    }
}

/// A host with a tool on a server that has the secret.
async fn with_tool(host: &Host, source: &str) -> (String, String) {
    let admin = host.admin().await;
    // For standard error.
    admin.open_modules(&["sys"]).await;
    let (server, tool) = admin.tool("vault", "open", source).await;
    admin.secret(&server, "TOKEN", VALUE).await;
    (server, tool)
}

#[tokio::test]
async fn a_secret_arrives_where_it_is_sent_and_is_blotted_out_of_what_comes_back() {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let echo = get(|headers: axum::http::HeaderMap| async move {
        headers
            .get("authorization")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    });
    let site = Site::open(&network, "api.example.com", "93.184.215.14", Router::new().route("/", echo)).await;
    let source = "\
async def main() -> dict:
    plain = await http.get('http://api.example.com/', headers={'authorization': 'Bearer ' + secrets['TOKEN']})
    basic = await http.get('http://api.example.com/', headers={'authorization': http.basic_auth('user', secrets['TOKEN'])})
    return {'plain': plain.text, 'basic': basic.text}
";
    let admin = host.admin().await;
    let (server, tool) = admin.tool("vault", "open", source).await;
    admin.secret(&server, "TOKEN", VALUE).await;
    admin.allow(&server, "api.example.com").await;
    let result = host.model().call("vault__open", json!({})).await;
    let sent: Vec<Vec<u8>> = site.got().iter().map(|headers| headers["authorization"].as_bytes().to_vec()).collect();
    assert_eq!(sent[0], format!("Bearer {VALUE}").into_bytes());
    assert_eq!(sent[1], format!("Basic {}", STANDARD.encode(format!("user:{VALUE}"))).into_bytes());
    assert_eq!(result["structuredContent"]["plain"], json!(format!("Bearer {REDACTED}")), "{result}");
    assert_clean("the answer", &result.to_string());
    assert!(!tool.is_empty());
}

#[tokio::test]
async fn no_form_of_a_secret_leaves_in_a_result() {
    let host = Host::start().await;
    let source = "\
import base64, json
from urllib.parse import quote, quote_plus
async def main(how: str):
    value = secrets['TOKEN']
    return {
        'text': lambda: value,
        'list': lambda: ['before', value, {'deep': [value]}],
        'key': lambda: {value: 1},
        'json': lambda: json.dumps({'a': value}),
        'base64': lambda: base64.b64encode(value.encode()).decode(),
        'basic': lambda: base64.b64encode(('user:' + value).encode()).decode(),
        'url': lambda: 'https://x.example/?q=' + quote(value, safe=''),
        'form': lambda: quote_plus(value),
        'hex': lambda: value.encode().hex(),
        'bytes': lambda: value.encode(),
        'argument': lambda: dict(arguments),
    }[how]()
";
    with_tool(&host, source).await;
    for how in ["text", "list", "key", "json", "base64", "basic", "url", "form", "hex", "bytes", "argument"] {
        let result = host.model().call("vault__open", json!({"how": how})).await;
        assert_eq!(result["isError"], json!(false), "{how}: {result}");
        assert_clean(how, &result.to_string());
        assert_eq!(result.to_string().contains(REDACTED), how != "argument", "{how}: {result}");
    }
}

#[tokio::test]
async fn no_secret_leaves_in_an_exception_or_in_what_is_printed() {
    let host = Host::start().await;
    let source = "\
import sys
async def main(how: str):
    value = secrets['TOKEN']
    print('printed', value)
    print('complained', value, file=sys.stderr)
    if how == 'cause':
        try:
            {}[value]
        except KeyError as error:
            raise RuntimeError('wrapped') from error
    if how == 'name':
        raise type(value, (Exception,), {})('named')
    raise ValueError('bad: ' + value)
";
    let (_, tool) = with_tool(&host, source).await;
    for how in ["value", "cause", "name"] {
        let result = host.model().call("vault__open", json!({"how": how})).await;
        assert_eq!(result["isError"], json!(true), "{how}: {result}");
        assert!(result.to_string().contains(&format!("printed {REDACTED}")), "{how}: {result}");
        assert_clean(how, &result.to_string());
        let tested = host.model().call("mcpbox_test_code", json!({"tool_id": tool, "arguments": {"how": how}})).await;
        assert_clean("a test", &tested.to_string());
        assert!(tested.to_string().contains(REDACTED), "{tested}");
    }
}

#[tokio::test]
async fn no_secret_leaves_in_what_is_told_during_the_call() {
    let host = Host::start().await;
    let source = "\
async def main():
    progress(1, 2, 'at ' + secrets['TOKEN'])
    log.error('with %s', secrets['TOKEN'])
    progress(2, 2, 'done')
";
    with_tool(&host, source).await;
    let model = host.model();
    let params = json!({"name": "vault__open", "arguments": {}, "_meta": {
        "progressToken": "it", "io.modelcontextprotocol/logLevel": "debug",
    }});
    let mut calling = model.calling_with(params).await;
    let mut told = String::new();
    while let Some(message) = calling.next().await {
        told.push_str(&message.to_string());
    }
    assert!(told.contains("at [redacted]") && told.contains("with [redacted]"), "{told}");
    assert_clean("what is told", &told);
}

#[tokio::test]
async fn no_form_of_a_secret_leaves_from_javascript() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("vault").await;
    admin.secret(&server, "TOKEN", VALUE).await;
    let source = "\
const bytes = text => [...new TextEncoder().encode(text)]
export function main({ how }: { how: string }): any {
  const value = secrets.TOKEN
  console.log('printed', value)
  const forms: Record<string, () => unknown> = {
    text: () => value,
    list: () => ['before', value, { deep: [value] }],
    key: () => ({ [value]: 1 }),
    json: () => JSON.stringify({ a: value }),
    url: () => 'https://x.example/?q=' + encodeURIComponent(value),
    form: () => new URLSearchParams({ q: value }).toString(),
    hex: () => bytes(value).map(byte => byte.toString(16).padStart(2, '0')).join(''),
    thrown: () => { throw new Error('bad: ' + value) },
    cause: () => { throw new Error('wrapped', { cause: new TypeError(value) }) },
  }
  return forms[how]()
}
";
    let body = json!({"name": "open", "language": "javascript", "code": source});
    let made = admin.ask(Method::POST, &format!("/api/servers/{server}/tools"), Some(body)).await;
    admin.approve(made["id"].as_str().expect("an id")).await;
    for how in ["text", "list", "key", "json", "url", "form", "hex", "thrown", "cause"] {
        let result = host.model().call("vault__open", json!({"how": how})).await;
        assert_eq!(result["isError"], json!(how == "thrown" || how == "cause"), "{how}: {result}");
        assert!(result.to_string().contains(&format!("printed {REDACTED}")), "{how}: {result}");
        assert_clean(how, &result.to_string());
    }
}

#[tokio::test]
async fn no_secret_leaves_from_a_component() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("vault").await;
    admin.secret(&server, "TOKEN", VALUE).await;
    // Four characters are enough to be looked for.
    admin.secret(&server, "PIN", "7351").await;
    for (name, bytes) in [("contract", fixtures::component("echo")), ("plain", fixtures::plain("shapes"))] {
        let made = admin.component(&server, name, bytes).await;
        admin.approve(made["id"].as_str().expect("an id")).await;
    }
    let said = json!({"text": format!("{VALUE} and 7351")});
    for tool in ["vault__echo", "vault__say_it_again"] {
        let result = host.model().call(tool, said.clone()).await;
        assert!(result.to_string().contains(&format!("{REDACTED} and {REDACTED}")), "{tool}: {result}");
        assert_clean(tool, &result.to_string());
        assert!(!result.to_string().contains("7351"), "{tool}: {result}");
    }
}

#[tokio::test]
async fn nobody_reads_a_secret_back() {
    let mut host = Host::start().await;
    let source =
        "async def main(given: str = ''):\n    print(secrets['TOKEN'])\n    return [secrets['TOKEN'], given]\n";
    let (server, tool) = with_tool(&host, source).await;
    host.model().done("vault__open", json!({"given": VALUE})).await;
    let token = host.login("ada").await;
    // The row of the call is written when the host has stopped.
    host.restart().await;
    let admin = Admin { host: &host, token };
    let listed = admin.ask(Method::GET, &format!("/api/servers/{server}/secrets"), None).await;
    assert_eq!(listed["items"][0]["key_name"], json!("TOKEN"), "{listed}");
    assert_eq!(listed["items"][0]["has_value"], json!(true), "{listed}");
    let changed = "another value altogether";
    let path = format!("/api/servers/{server}/secrets/TOKEN");
    let set = admin.ask(Method::PUT, &path, Some(json!({"value": changed}))).await;
    let audit = admin.ask(Method::GET, "/api/audit?page_size=100", None).await;
    assert!(audit.to_string().contains("TOKEN"), "that a secret was set is told: {audit}");
    let logs = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    assert!(logs["items"][0]["stdout"].as_str().is_some_and(|text| text.contains(REDACTED)), "{logs}");
    assert!(logs["items"][0]["arguments"]["given"] == json!(REDACTED), "{logs}");
    let model = host.model();
    let told = model.done("mcpbox_get_tool_logs", json!({"tool_id": tool})).await;
    let executions = admin.ask(Method::GET, "/api/execution-logs", None).await;
    let everything: [(&str, &Value); 6] = [
        ("the list", &listed),
        ("the answer", &set),
        ("the audit log", &audit),
        ("the log", &logs),
        ("the model's log", &told),
        ("all calls", &executions),
    ];
    for (what, answer) in everything {
        assert_clean(what, &answer.to_string());
        assert!(!answer.to_string().contains(changed), "{what}: {answer}");
    }
}

#[tokio::test]
async fn a_model_makes_no_secret_and_a_tool_sees_only_those_of_its_server() {
    let host = Host::start().await;
    let source = "async def main() -> dict:\n    return {'names': list(secrets), 'found': 'TOKEN' in secrets}\n";
    let (server, _) = with_tool(&host, source).await;
    let path = format!("/api/servers/{server}/secrets");
    let body = json!({"key_name": "OTHER", "value": "x"});
    let (status, _, answer) = host.send(Method::POST, &path, None, &[], Some(&body)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    let admin = Admin { host: &host, token: host.login("ada").await };
    admin.tool("other", "look", source).await;
    assert_eq!(host.model().done("vault__open", json!({})).await, json!({"names": ["TOKEN"], "found": true}));
    assert_eq!(host.model().done("other__look", json!({})).await, json!({"names": [], "found": false}));
}

#[tokio::test]
async fn a_sealed_value_that_was_moved_does_not_open() {
    let host = Host::start().await;
    let source = "async def main():\n    return len(secrets['TOKEN'])\n";
    let (server, _) = with_tool(&host, source).await;
    let admin = Admin { host: &host, token: host.login("ada").await };
    admin.secret(&server, "OTHER", "another value").await;
    host.tamper(
        "UPDATE server_secrets SET sealed = (SELECT sealed FROM server_secrets WHERE key_name = 'OTHER') \
         WHERE key_name = 'TOKEN'",
    )
    .await;
    let (_, answer) = host.model().request("tools/call", json!({"name": "vault__open", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32603), "{answer}");
    assert_clean("the answer", &answer.to_string());
}

#[tokio::test]
async fn what_the_test_of_a_draft_says_of_a_secret_is_blotted_out_too() {
    let mut host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let source = "def main(note: str) -> str:\n    print(note)\n    return note\n";
    let (server, tool) = model.make("vault", "open", source).await;
    admin.secret(&server, "TOKEN", VALUE).await;
    let allowed = json!({"draft_tests": "no_secrets_no_network"});
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(allowed)).await;
    // The author knows the value from elsewhere.
    let test = json!({"tool_id": tool, "arguments": {"note": format!("it is {VALUE}")}});
    let by_model = model.call("mcpbox_test_code", test.clone()).await;
    let by_person = admin.ask(Method::POST, "/api/tools/test-code", Some(test)).await;
    let token = admin.token;
    // The rows are written when the host has stopped.
    host.restart().await;
    let admin = Admin { host: &host, token };
    let logs = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    assert_eq!(
        (&logs["total"], &logs["items"][0]["stdout"]),
        (&json!(2), &json!(format!("it is {REDACTED}\n"))),
        "{logs}"
    );
    for (what, answer) in [("the model's answer", by_model), ("the person's answer", by_person), ("the log", logs)] {
        assert_clean(what, &answer.to_string());
        assert!(answer.to_string().contains(REDACTED), "{what}: {answer}");
    }
}
