//! Forgetting is red: what is declared in a table of the product must be refused to strangers, written
//! down, and owned by a file.

use std::collections::BTreeSet;

use mcpbox::api::{Access, ROUTES, Route};
use mcpbox::limits::TABLE;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::api_browser::Browser;
use crate::harness::Host;
use crate::source::{self, Source};

/// A path of the route table with something in the place of each segment that varies.
fn path(route: &str) -> String {
    route
        .replace("{id}", "01990000-0000-7000-8000-000000000001")
        .replace("{key_name}", "KEY")
        .replace("{request_id}", "r1")
        .replace("{name}", "tool")
        .replace("{number}", "1")
}

#[tokio::test]
async fn every_route_for_administrators_is_refused_to_nobody_and_to_strangers() {
    let host = Host::start().await;
    let strangers = [None, Some("nonsense"), Some("mbx_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    let mut asked = 0;
    let wanted = |route: &&Route| matches!(route.access, Access::Admin | Access::Socket);
    for route in ROUTES.iter().filter(wanted) {
        for token in strangers {
            let method = Method::from_bytes(route.method.as_str().as_bytes()).expect("a method");
            let (status, headers, answer) = host.send(method, &path(route.path), token, &[], None).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {} {token:?}: {answer}", route.method, route.path);
            assert!(headers.contains_key("www-authenticate"), "{} {}", route.method, route.path);
            asked += 1;
        }
    }
    assert!(asked > 60, "the table was walked");
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

/// Marks a test that goes past a limit: a line of its documentation, with the limits' names.
const MARK: &str = "/// Holds: ";

/// What is wrong with the marks of these sources: a limit without one, a name that is no limit, a mark that
/// stands at no test.
fn mark_faults(limits: &[&str], files: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut held = BTreeSet::new();
    for Source { path, text } in files {
        let mut lines = text.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            let Some(names) = line.strip_prefix(MARK) else { continue };
            let below = lines.clone().find(|line| !line.starts_with("///")).unwrap_or_default();
            if !below.starts_with("#[test]") && !below.starts_with("#[tokio::test") {
                faults.push(format!("{path}: `{line}` stands at no test"));
                continue;
            }
            for name in names.trim_end_matches('.').split(", ") {
                if limits.contains(&name) {
                    held.insert(name);
                } else {
                    faults.push(format!("{path}: there is no limit `{name}`"));
                }
            }
        }
    }
    let forgotten = limits.iter().filter(|name| !held.contains(**name));
    faults.extend(forgotten.map(|name| format!("no test goes past `{name}`: mark one with `{MARK}{name}.`")));
    faults
}

#[test]
fn every_limit_has_a_test_that_goes_past_it() {
    let limits: Vec<&str> = TABLE.iter().map(|limit| limit.name).collect();
    let mut files = source::sources();
    files.retain(|file| file.path.starts_with("host/") && file.has_extension(&["rs"]));
    let faults = mark_faults(&limits, &files);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_planted_limit_that_no_test_holds_is_found() {
    let mark = |names: &str, below: &str| format!("    {MARK}{names}.\n    /// More.\n    {below}\n");
    let text = [
        mark("one_ms, two_bytes", "#[test]"),
        mark("three", "#[tokio::test(flavor = \"multi_thread\")]"),
        mark("unknown", "#[tokio::test]"),
        mark("four", "fn no_test() {}"),
    ];
    let files = [Source { path: "host/x.rs".to_owned(), text: text.concat() }];
    assert_eq!(
        mark_faults(&["one_ms", "two_bytes", "three", "four"], &files),
        [
            "host/x.rs: there is no limit `unknown`",
            "host/x.rs: `/// Holds: four.` stands at no test",
            "no test goes past `four`: mark one with `/// Holds: four.`",
        ]
    );
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
