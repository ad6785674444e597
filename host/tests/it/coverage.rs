//! Forgetting is red: what is declared in a table of the product must be refused to strangers, written
//! down, and owned by a file.

use mcpbox::api::{Access, ROUTES};
use mcpbox::limits::TABLE;
use reqwest::{Method, StatusCode};

use crate::harness::Host;
use crate::source;

/// A path of the route table with something in the place of each segment that varies.
fn path(route: &str) -> String {
    route.replace("{id}", "01990000-0000-7000-8000-000000000001").replace("{key_name}", "KEY").replace("{name}", "tool")
}

#[tokio::test]
async fn every_route_for_administrators_is_refused_to_nobody_and_to_strangers() {
    let host = Host::start().await;
    let strangers = [None, Some("nonsense"), Some("mbx_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.access == Access::Admin) {
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
fn every_table_of_the_database_has_its_owner_and_its_change() {
    let files = source::paths();
    let changes: Vec<&str> = files
        .iter()
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
