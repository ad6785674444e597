//! A person decides at the command line: about a tool, and about the hosts and modules that it has requested.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use mcpbox::domain::caller::Caller;
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::json;

use crate::commands::{beside, command};
use crate::external_sources::{Furnished, discover, source, usual};
use crate::harness::{Host, PASSWORD, Wishes};
use crate::internet::Site;
use crate::peer::{Era, Peer};
use crate::program::at_a_terminal;

const FETCH: &str = "\
import os
async def main() -> str:
    return (await http.get('http://api.example.com:80/')).text + os.sep
";

/// A host where a model has made the tool `bills__fetch` and asked for all that it needs; and where it fetches
/// from.
async fn asked() -> (Host, Site, String) {
    let network = Arc::new(MappedNetwork::new());
    let host = Host::with(Wishes { network: Arc::clone(&network), ..Wishes::default() }).await;
    let hello = Router::new().route("/", any(|| async { "hello" }));
    let site = Site::open(&network, "api.example.com", "93.184.215.14", hello).await;
    let model = host.model();
    let (_, tool) = model.make("bills", "fetch", FETCH).await;
    let host_wish =
        json!({"tool_id": tool, "host": "api.example.com", "port": 80, "justification": "the prices are there"});
    model.done("mcpbox_request_network_access", host_wish).await;
    let module_wish = json!({"tool_id": tool, "module_name": "os", "justification": "it needs the separator"});
    model.done("mcpbox_request_module", module_wish).await;
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    (host, site, tool)
}

fn password() -> String {
    format!("{PASSWORD}\n")
}

/// Asserts that a text has all the words, in this order.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("`{word}` comes not where it should: {text}"));
        rest = &rest[at + word.len()..];
    }
}

#[tokio::test]
async fn what_a_tool_requested_is_listed_shown_and_approved_with_it() {
    let (host, _site, _) = asked().await;
    host.admin().await;
    let listed = beside(&host, &["tool", "pending", "-u", "ada"], &password()).await.done();
    in_order(
        &listed,
        &[
            "bills__fetch  version 2",
            "bills__fetch  asks for the host api.example.com:80\n",
            "bills__fetch  asks for the module os\n",
        ],
    );

    // A yes to the tool is none to what it reaches.
    let approve = ["tool", "approve", "bills__fetch", "-u", "ada", "--yes"];
    let done = beside(&host, &approve, &password()).await.done();
    in_order(
        &done,
        &[
            "Asks for hosts:\n  api.example.com:80: waits for a decision of its own\n    | the prices are there\n",
            "Asks for modules:\n  os: waits for a decision of its own\n    | it needs the separator\n",
            "Approved bills__fetch.",
            "Still waits: api.example.com:80, os.",
            "mcpbox tool approve bills__fetch",
        ],
    );
    let failed = beside(&host, &["call", "bills__fetch"], "").await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("mcpbox_get_tool_status tells which"), "{failed:?}");

    // What waits of a tool that is approved is listed and decided alone.
    let listed = beside(&host, &["tool", "pending", "-u", "ada"], &password()).await.done();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let unasked = beside(&host, &approve, &password()).await;
    assert_eq!(unasked.code, Some(1), "{unasked:?}");
    assert!(unasked.stderr.contains("--with-requests"), "{unasked:?}");
    let done = beside(&host, &[&approve[..], &["--with-requests"]].concat(), &password()).await.done();
    in_order(
        &done,
        &["| the prices are there", "bills__fetch may reach api.example.com:80.", "bills__fetch may import os."],
    );
    assert_eq!(beside(&host, &["call", "bills__fetch"], "").await.done(), "hello/\n");
    let again = beside(&host, &approve, &password()).await.refused();
    assert!(again.contains("does not wait") && again.contains("mcpbox tool pending"), "{again}");
    let alone = beside(&host, &["tool", "approve", "bills__fetch", "--with-requests"], "").await;
    assert_eq!(alone.code, Some(2), "it is for those who are not asked: {alone:?}");
}

#[tokio::test]
async fn at_a_terminal_a_person_is_asked_about_the_tool_and_about_each_request() {
    let (host, site, tool) = asked().await;
    host.admin().await;
    let approve = command(&host, &["tool", "approve", &tool, "-u", "ada"]);
    let answers = [
        ("Password of ada: ", PASSWORD),
        ("Approve exactly this? [y/N] ", "y"),
        ("Let it reach api.example.com:80? [y/N] ", "n"),
        ("Let it import os? [y/N] ", "y"),
    ];
    let done = at_a_terminal(&approve, &answers).await.done();
    assert!(!done.contains(PASSWORD), "{done}");
    in_order(&done, &["Approved bills__fetch.", "bills__fetch may import os.", "Still waits: api.example.com:80."]);
    let failed = beside(&host, &["call", "bills__fetch"], "").await;
    assert!(failed.stdout.contains("no grant for http://api.example.com:80"), "{failed:?}");

    let reject = ["tool", "reject", "bills__fetch", "--reason", "ask for the archive", "-u", "ada"];
    let done = beside(&host, &reject, &password()).await.done();
    assert_eq!(done, "bills__fetch may not reach api.example.com:80.\n");
    let status = host.model().done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert_eq!(status["network_access_requests"][0]["rejection_reason"], json!("ask for the archive"), "{status}");
    assert_eq!(status["callable"], json!(true), "the tool itself stays approved: {status}");
    assert!(site.got().is_empty());
}

#[tokio::test]
async fn a_host_that_is_asked_for_a_whole_server_is_decided_by_the_servers_name() {
    let host = Host::start().await;
    let ada = host.admin().await;
    host.app().service().admin_create(&Caller::operator(), "bob", PASSWORD).await.expect("an account");
    let server = ada.server("bills").await;
    ada.ask(Method::PATCH, "/api/settings/security-policy", Some(json!({"four_eyes": "on"}))).await;
    ada.allow(&server, "api.example.com").await;
    let approve = ["tool", "approve", "bills", "--yes", "--with-requests"];
    let own = beside(&host, &[&approve[..], &["-u", "ada"]].concat(), &password()).await;
    assert!(own.code == Some(1) && own.stderr.contains("another person"), "{own:?}");
    let done = beside(&host, &[&approve[..], &["-u", "bob"]].concat(), &password()).await.done();
    in_order(&done, &["asks for the host api.example.com  for all of its tools", "bills may reach api.example.com."]);
    let hosts = ada.ask(Method::GET, &format!("/api/servers/{server}"), None).await;
    assert_eq!(hosts["allowed_hosts"], json!(["api.example.com"]), "{hosts}");
}

#[tokio::test]
async fn what_waits_is_listed_and_found_on_every_page() {
    let limits = Limits { page_size_max: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let (_admin, model) = (host.admin().await, host.model());
    for name in ["a", "b", "c", "d", "e"] {
        let (_, tool) = model.make(name, "one", "def main(): pass\n").await;
        let wish = json!({"tool_id": tool, "host": "api.example.com", "justification": "the prices are there"});
        model.done("mcpbox_request_network_access", wish).await;
        model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    }
    let listed = beside(&host, &["tool", "pending", "-u", "ada"], &password()).await.done();
    assert_eq!(listed.lines().count(), 10, "{listed}");
    let line = ["tool", "approve", "e__one", "-u", "ada", "--yes", "--with-requests"];
    let done = beside(&host, &line, &password()).await.done();
    in_order(&done, &["Approved e__one.", "e__one may reach api.example.com."]);
    let line = ["tool", "reject", "d__one", "--reason", "not needed", "-u", "ada"];
    let done = beside(&host, &line, &password()).await.done();
    in_order(&done, &["Rejected d__one.", "Still waits: api.example.com."]);
}

#[tokio::test]
async fn all_that_an_approval_covers_is_shown_with_the_secrets_that_the_tool_would_get() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, tool) = model.make("bills", "count", "def main(x: int) -> int:\n    return x\n").await;
    admin.secret(&server, "API_KEY", "the value of it").await;
    let secrets = format!("/api/servers/{server}/secrets");
    let bound = json!({"key_name": "BOUND", "binding": {"host": "api.example.com", "header": "Authorization"}});
    admin.ask(Method::POST, &secrets, Some(bound)).await;
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "timeout_ms": 1234})).await;
    let notes = "Only for the shop.\nAsk Bob.";
    model.done("mcpbox_request_publish", json!({"tool_id": tool, "notes": notes})).await;

    let item = admin.ask(Method::GET, "/api/approvals/tools", None).await["items"][0].clone();
    assert_eq!(item["secrets"][0]["key_name"], json!("API_KEY"), "{item}");
    assert_eq!((&item["secrets"][0]["has_value"], &item["secrets"][1]["has_value"]), (&json!(true), &json!(false)));
    let shown = beside(&host, &["tool", "approve", "bills__count", "-u", "ada", "--yes"], &password()).await.done();
    assert!(!format!("{item} {shown}").contains("the value of it"), "{item} {shown}");
    in_order(
        &shown,
        &[
            "The author says:\n  | Only for the shop.\n  | Ask Bob.\n",
            "Asks for hosts: none\n",
            "Asks for modules: none\n",
            "API_KEY: the tool reads it\n",
            "BOUND: the host adds it to requests to api.example.com, the tool does not see it  (when ",
            "Time limit: 1234 ms\n",
            "Arguments: {",
            "Result: {",
            "\"integer\"",
            "return x",
        ],
    );
}

#[tokio::test]
async fn of_a_tool_of_an_external_source_is_shown_where_it_is_called_and_what_lets_us_in() {
    let peer = Peer::start(Era::Modern).await;
    let with = Furnished::of(&peer, usual()).await;
    let admin = with.admin();
    let server = source(&admin, &with.source).await["server_id"].as_str().expect("an id").to_owned();
    for name in ["TOKEN", "OTHER"] {
        admin.secret(&server, name, "the value of it").await;
    }
    let path = format!("/api/external-sources/sources/{}", with.source);
    admin.ask(Method::PUT, &path, Some(json!({"auth_type": "bearer", "auth_secret_name": "TOKEN"}))).await;
    peer.redefine("echo", "Does something else.");
    discover(&admin, &with.source).await;
    let approve = ["tool", "approve", "ext__peer_echo", "-u", "ada", "--yes"];
    let shown = beside(&with.host, &approve, &password()).await.done();
    in_order(
        &shown,
        &[
            "Secrets that it gets, of its server:\n  TOKEN: lets us in at the external source\n",
            &format!("Is called at the external source peer: {}  (active)", peer.url()),
        ],
    );
    assert!(!shown.contains("OTHER") && !shown.contains("the value of it"), "{shown}");
}
