//! The description of the API: whole, true, and where people can read it.

use std::collections::BTreeSet;

use mcpbox::api::{Access, ROUTES, openapi};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::conforms::{resolved, template};
use crate::fixtures::plain;
use crate::harness::Host;

fn operation(method: &str, path: &str) -> &'static Value {
    &openapi::document()["paths"][path][method.to_lowercase()]
}

#[test]
fn the_document_does_not_contradict_itself() {
    assert_eq!(openapi::faults(), [""; 0]);
    let meta = jsonschema::draft202012::meta::validator();
    for (name, schema) in openapi::document()["components"]["schemas"].as_object().expect("schemas") {
        assert!(meta.is_valid(schema), "{name}: {schema}");
    }
}

#[test]
fn every_route_says_what_it_takes_and_answers_and_what_may_go_wrong() {
    let mut ids = BTreeSet::new();
    for route in ROUTES {
        let operation = operation(route.method.as_str(), route.path);
        let at = format!("{} {}", route.method, route.path);
        assert_eq!(operation["summary"], route.summary(), "{at}");
        assert!(!route.summary().contains("]("), "{at}");
        let id = operation["operationId"].as_str().expect("an id");
        let noun = operation["tags"][0].as_str().expect("a tag");
        assert!(id.starts_with(&format!("{noun}.")) && ids.insert(id), "{at}: {id}");
        let named = |place: &str| -> BTreeSet<&str> {
            let all = operation["parameters"].as_array().into_iter().flatten();
            all.filter(|one| one["in"] == place).filter_map(|one| one["name"].as_str()).collect()
        };
        let in_path: BTreeSet<&str> =
            route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(named("path"), in_path, "{at}");
        let responses = operation["responses"].as_object().expect("answers");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let contents = resolved(response)["content"].as_object().expect("content");
            let problem = &contents.get("application/problem+json").map_or(&Value::Null, |it| &it["schema"]["$ref"]);
            // A probe that says no says it in its own form.
            let is_probe = status == "503" && route.access == Access::Probe;
            assert!(is_probe || *problem == "#/components/schemas/Problem", "{at} {status}");
        }
        let security = &operation["security"];
        match (route.access, route.method.is_safe()) {
            (Access::Admin, true) => assert_eq!(*security, json!([{"bearer": []}, {"cookie": []}]), "{at}"),
            (Access::Admin, false) => {
                assert_eq!(*security, json!([{"bearer": []}, {"cookie": [], "csrf": []}]), "{at}");
            }
            _ => assert!(security.as_array().is_none_or(Vec::is_empty), "{at}"),
        }
    }
    let paths = openapi::document()["paths"].as_object().expect("paths");
    let described: usize = paths.values().map(|item| item.as_object().map_or(0, serde_json::Map::len)).sum();
    assert_eq!(described, ROUTES.len(), "nothing is described that is no route");
}

#[test]
fn every_list_has_the_one_shape() {
    let schemas = openapi::document()["components"]["schemas"].as_object().expect("schemas");
    let mut lists = 0;
    for (name, schema) in schemas.iter().filter(|(_, schema)| schema["properties"]["total"].is_object()) {
        if !schema["properties"]["items"].is_object() {
            continue;
        }
        let names: BTreeSet<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        let expected = ["items", "page", "page_size", "pages", "total"].map(str::to_owned);
        assert_eq!(names, expected.iter().collect(), "{name}");
        assert_eq!(schema["required"].as_array().map(Vec::len), Some(5), "{name}");
        lists += 1;
    }
    assert!(lists > 8, "{lists}");
}

#[test]
fn an_address_is_found_in_the_document_by_its_words_first() {
    for (path, expected) in [
        ("/api/servers", Some("/api/servers")),
        ("/api/servers/x?page=1", Some("/api/servers/{id}")),
        ("/api/tools/x/versions/compare?from=1&to=2", Some("/api/tools/{id}/versions/compare")),
        ("/api/tools/x/versions/2", Some("/api/tools/{id}/versions/{number}")),
        ("/mcp", None),
        ("/api/servers/", None),
    ] {
        assert_eq!(template(path), expected, "{path}");
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_by_this_host_alone() {
    let host = Host::start().await;
    let (status, _, document) = host.send(Method::GET, "/api/openapi.json", None, &[], None).await;
    assert_eq!((status, &document), (StatusCode::OK, openapi::document()));
    let (status, headers, page) = host.send(Method::GET, "/api/docs", None, &[], None).await;
    let page = page.as_str().expect("a page").to_owned();
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().expect("text"))
    );
    let policy = headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!page.contains("//") && !page.contains("<style") && !page.contains(" style="), "{page}");
    let files: Vec<&str> = page.split(['"']).filter_map(|part| part.strip_prefix("docs/")).collect();
    assert_eq!(files.len(), 4, "{page}");
    for file in files {
        let answer = host.begin(Method::GET, &format!("/api/docs/{file}"), None, &[], None).await;
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let bytes = answer.bytes().await.expect("a body");
        let begins: (&str, &[u8]) = match file.rsplit('.').next() {
            Some("js") if file == "start.js" => ("text/javascript", b"// Starts"),
            Some("js") => ("text/javascript", b"/*!"),
            Some("css") => ("text/css", b"."),
            _ => ("image/png", b"\x89PNG"),
        };
        assert_eq!(kind, begins.0, "{file}");
        assert!(bytes.starts_with(begins.1), "{file}: {:?}", &bytes[..bytes.len().min(40)]);
    }
    for other in ["index.html", "swagger-initializer.js", "..", "%2e%2e%2fopenapi.json"] {
        let (status, ..) = host.send(Method::GET, &format!("/api/docs/{other}"), None, &[], None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{other}");
    }
}

#[tokio::test]
async fn a_tool_has_the_same_schema_at_both_doors() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let source = "def main(city: str, days: int = 2) -> list[int]:\n    return [days]\n";
    let (server, python) = admin.tool("both", "typed", source).await;
    let made = admin.component(&server, "plain", plain("shapes")).await;
    admin.approve(made["id"].as_str().expect("an id")).await;
    let (_, listed) = host.model().request("tools/list", json!({})).await;
    let of = |name: &str| {
        let tools = listed["result"]["tools"].as_array().expect("tools");
        tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name}: {listed}")).clone()
    };
    let view = admin.ask(Method::GET, &format!("/api/tools/{python}"), None).await;
    assert_eq!(view["input_schema"], of("both__typed")["inputSchema"]);
    let view = admin.ask(Method::GET, &format!("/api/tools/{}", made["id"].as_str().expect("an id")), None).await;
    let exports = view["exports"].as_array().expect("exports");
    assert!(exports.len() > 1, "{view}");
    for export in exports {
        let tool = of(export["gateway_name"].as_str().expect("a name"));
        assert_eq!(export["input_schema"], tool["inputSchema"], "{export}");
    }
}
