//! Servers and tools leave one host as a file and come to another, whole or not at all, and nothing is
//! approved on the way.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};

const SOURCE: &str = "async def main(city: str, days: int = 1) -> dict:\n    return {'city': city, 'days': days}\n";

/// Sends a file to be imported; answers status and answer.
pub async fn import(admin: &Admin<'_>, query: &str, file: &Value) -> (StatusCode, Value) {
    let headers = [("content-type", "application/json")];
    let path = format!("/api/export/import?{query}");
    admin.host.send_bytes(Method::POST, &path, &admin.token, &headers, file.to_string().into_bytes()).await
}

async fn imported(admin: &Admin<'_>, query: &str, file: &Value) -> Value {
    let (status, report) = import(admin, query, file).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    report
}

pub async fn export(admin: &Admin<'_>, query: &str) -> Value {
    admin.ask(Method::GET, &format!("/api/export/servers?{query}"), None).await
}

pub fn trust(file: &Value) -> String {
    format!("trust={}", file["signature"]["fingerprint"].as_str().expect("a fingerprint"))
}

/// A host with something of everything: a Python tool with a time limit, two versions and a host, a component
/// with a tool switched off, a secret with a value and one that is bound, a host of the whole server.
async fn furnished() -> Host {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (server, tool) = admin.tool("weather", "forecast", SOURCE).await;
    let path = format!("/api/servers/{server}");
    admin.ask(Method::PATCH, &path, Some(json!({"description": "Outside.", "default_timeout_ms": 20_000}))).await;
    admin.allow(&server, "radar.example:8443").await;
    admin.secret(&server, "TOKEN", "hunter22 of ada").await;
    let bound = json!({"key_name": "KEY", "value": "hunter23 of ada", "description": "from your account",
                       "binding": {"host": "api.example.com", "header": "x-api-key"}});
    admin.ask(Method::POST, &format!("{path}/secrets"), Some(bound)).await;
    let ask = json!({"tool_id": tool, "host": "api.example.com", "justification": "the forecast is there"});
    host.model().done("mcpbox_request_network_access", ask).await;
    admin.ask(Method::PATCH, &format!("/api/tools/{tool}"), Some(json!({"timeout_ms": 4_500}))).await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    let pair = made["id"].as_str().expect("an id").to_owned();
    admin.ask(Method::PATCH, &format!("/api/tools/{pair}"), Some(json!({"disabled_tools": ["two"]}))).await;
    admin.approve(&pair).await;
    host
}

#[tokio::test]
async fn a_server_comes_back_on_another_host_and_waits_for_a_person() {
    let (here, there) = (furnished().await, Host::start().await);
    let admin = Admin { host: &here, token: here.login("ada").await };
    let file = export(&admin, "versions=all").await;
    assert!(!file.to_string().contains("hunter2"), "no value leaves");
    let other = there.admin().await;
    let report = imported(&other, &trust(&file), &file).await;
    assert_eq!((&report["origin"], &report["dry_run"]), (&json!("trusted"), &json!(false)));
    let server = &report["servers"][0];
    assert_eq!(server["secrets"], json!(["KEY", "TOKEN"]));
    assert_eq!(server["hosts"], json!(["radar.example:8443"]));
    assert!(there.model().tools().await.iter().all(|name| name.starts_with("mcpbox_")), "nothing is offered");

    let id = server["id"].as_str().expect("an id");
    let shown = other.ask(Method::GET, &format!("/api/servers/{id}"), None).await;
    assert_eq!((&shown["default_timeout_ms"], &shown["allowed_hosts"]), (&json!(20_000), &json!([])));
    let tools = other.ask(Method::GET, &format!("/api/servers/{id}/tools"), None).await;
    let find = |name: &str| tools["items"].as_array().into_iter().flatten().find(|tool| tool["name"] == name).cloned();
    let forecast = find("forecast").expect("the tool");
    assert_eq!((&forecast["timeout_ms"], &forecast["approval_status"]), (&json!(4_500), &json!("pending_review")));
    let pair = find("pair").expect("the component");
    assert_eq!(pair["exports"][1]["enabled"], json!(false));
    let forecast_id = forecast["id"].as_str().expect("an id");
    let versions = other.ask(Method::GET, &format!("/api/tools/{forecast_id}/versions"), None).await;
    assert_eq!(versions["total"], json!(3), "{versions}");
    let first = &versions["items"][2];
    assert_eq!((&first["change_source"], &first["approval_status"]), (&json!("import"), &json!("draft")));
    let secrets = other.ask(Method::GET, &format!("/api/servers/{id}/secrets"), None).await;
    assert_eq!(secrets["items"][0]["binding"]["header"], json!("x-api-key"), "{secrets}");
    assert!(secrets["items"].as_array().expect("secrets").iter().all(|secret| secret["has_value"] == json!(false)));
    let hosts = other.ask(Method::GET, "/api/approvals/network", None).await;
    assert_eq!(hosts["total"], json!(2), "{hosts}");
    assert!(hosts["items"].as_array().expect("hosts").iter().all(|host| host["status"] == json!("pending")));
    let audit = other.ask(Method::GET, "/api/audit?action=import.run", None).await;
    assert_eq!(audit["items"][0]["object_id"], file["signature"]["fingerprint"], "{audit}");

    other.approve(forecast_id).await;
    other.approve(pair["id"].as_str().expect("an id")).await;
    let called = there.model().done("weather__forecast", json!({"city": "Oslo"})).await;
    assert_eq!(called, json!({"city": "Oslo", "days": 1}));
    let (status, answer) = there.model().request("tools/call", json!({"name": "weather__two", "arguments": {}})).await;
    assert!(answer["error"].is_object(), "it is switched off: {status} {answer}");
    assert!(there.model().call("weather__one", json!({})).await["isError"] != json!(true));
    // What was exported there is the same again, but for what waits.
    let again = export(&other, "versions=all").await;
    assert_eq!(again["components"], file["components"]);
    let digests = |file: &Value| file["servers"][0]["tools"][0]["versions"][2]["digest"].clone();
    assert_eq!(digests(&again), digests(&file), "an approval would cover the same");
}

#[tokio::test]
async fn a_file_that_was_changed_or_that_nobody_vouches_for_is_refused() {
    let (here, there) = (furnished().await, Host::start().await);
    let admin = Admin { host: &here, token: here.login("ada").await };
    let file = export(&admin, "").await;
    let other = there.admin().await;
    let (status, unknown) = import(&other, "", &file).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let fingerprint = file["signature"]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert!(unknown["detail"].as_str().is_some_and(|text| text.contains(&fingerprint)), "{unknown}");
    let own = export(&other, "").await["signature"]["fingerprint"].as_str().expect("one").to_owned();
    for (trust, expected) in [(own.as_str(), 403), ("nonsense", 422), ("", 422)] {
        assert_eq!(import(&other, &format!("trust={trust}"), &file).await.0.as_u16(), expected, "{trust}");
    }
    let mut changed = file.clone();
    changed["servers"][0]["tools"][0]["versions"][0]["code"] = json!("async def main():\n    return 1\n");
    let mut resigned = changed.clone();
    resigned["signature"]["public_key"] = export(&other, "").await["signature"]["public_key"].clone();
    let mut unsigned = file.clone();
    unsigned.as_object_mut().expect("an object").remove("signature");
    let mut renamed = file.clone();
    renamed["extra"] = json!(1);
    for broken in [changed, resigned, unsigned, renamed] {
        for query in [trust(&file), format!("dry_run=true&{}", trust(&file))] {
            let (status, answer) = import(&other, &query, &broken).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
            assert_eq!(answer["errors"][0]["pointer"], json!("/signature"), "{answer}");
        }
    }
    assert_eq!(other.ask(Method::GET, "/api/servers", None).await["total"], json!(0));
    // Where it was made it needs nobody's word, and indenting it changes nothing.
    let report = imported(&admin, "clashes=rename", &file).await;
    assert_eq!((&report["origin"], &report["servers"][0]["name"]), (&json!("own"), &json!("weather_2")));
}

#[tokio::test]
async fn names_that_clash_are_refused_renamed_or_left_out() {
    let host = furnished().await;
    let admin = Admin { host: &host, token: host.login("ada").await };
    let file = export(&admin, "").await;
    let (status, refused) = import(&admin, "", &file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["errors"][0]["pointer"], json!("/servers/0/name"), "{refused}");
    let told = imported(&admin, "dry_run=true", &file).await;
    assert_eq!(told["problems"][0]["pointer"], json!("/servers/0/name"), "{told}");
    let skipped = imported(&admin, "clashes=skip", &file).await;
    assert_eq!((&skipped["servers"], skipped["left_out"].as_array().map(Vec::len)), (&json!([]), Some(1)));
    for name in ["weather_2", "weather_3"] {
        let report = imported(&admin, "clashes=rename", &file).await;
        assert_eq!(report["servers"][0]["name"], json!(name));
        assert_eq!(report["servers"][0]["original_name"], json!("weather"));
    }
    assert_eq!(admin.ask(Method::GET, "/api/servers", None).await["total"], json!(3));
}

/// A file as this host would sign it, with other servers in it: exported from a host whose database was
/// changed behind its back.
async fn with_broken_source(host: &Host) -> Value {
    let admin = Admin { host, token: host.login("ada").await };
    admin.another_tool(&admin.server("later").await, "zzz", "def main():\n    return 'fine'\n").await;
    host.tamper("UPDATE tool_versions SET timeout_ms = 1 WHERE name = 'zzz'").await;
    export(&admin, "").await
}

#[tokio::test]
async fn what_is_broken_leaves_nothing_half_done_or_is_left_out() {
    let (here, there) = (furnished().await, Host::start().await);
    let file = with_broken_source(&here).await;
    let other = there.admin().await;
    let trusted = trust(&file);
    let (status, refused) = import(&other, &trusted, &file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["errors"][0]["pointer"], json!("/servers/0/tools/0/versions/0/timeout_ms"), "{refused}");
    let told = imported(&other, &format!("dry_run=true&{trusted}"), &file).await;
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["servers"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["servers"][1]["id"], Value::Null);
    for (what, path) in [
        ("servers", "/api/servers"),
        ("requests", "/api/approvals/network"),
        ("acts", "/api/audit?action=server.create"),
    ] {
        assert_eq!(other.ask(Method::GET, path, None).await["total"], json!(0), "no {what}");
    }
    assert_eq!(there.read("SELECT count(*) FROM blobs"), "0");
    let report = imported(&other, &format!("broken=skip&{trusted}"), &file).await;
    assert_eq!(report["left_out"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["servers"][0]["tools"], json!([]));
    assert_eq!(report["servers"][1]["tools"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn two_imports_of_one_file_at_once_make_one_server() {
    let (here, there) = (furnished().await, Host::start().await);
    let file = export(&Admin { host: &here, token: here.login("ada").await }, "").await;
    let other = there.admin().await;
    let trusted = trust(&file);
    let answers = tokio::join!(import(&other, &trusted, &file), import(&other, &trusted, &file));
    let mut statuses = [answers.0.0.as_u16(), answers.1.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{answers:?}");
    assert!([409, 422].contains(&statuses[1]), "{answers:?}");
    assert_eq!(other.ask(Method::GET, "/api/servers", None).await["total"], json!(1));
}

#[tokio::test]
async fn policies_are_taken_over_only_when_a_person_says_so() {
    let (here, there) = (Host::start().await, Host::start().await);
    let admin = here.admin().await;
    let policies = json!({"on_tool_edit": "take_down", "log_retention_days": 7, "mcp_rate_limit_rpm": 900});
    admin.ask(Method::PATCH, "/api/settings/security-policy", Some(policies.clone())).await;
    let file = export(&admin, "").await;
    assert_eq!(file["settings"], policies);
    let other = there.admin().await;
    let trusted = trust(&file);
    assert_eq!(imported(&other, &trusted, &file).await["settings"], json!([]));
    let before = other.ask(Method::GET, "/api/settings/security-policy", None).await;
    assert_eq!(before["log_retention_days"], json!(30));
    let report = imported(&other, &format!("settings=true&{trusted}"), &file).await;
    assert_eq!(report["settings"], json!(["log_retention_days", "mcp_rate_limit_rpm", "on_tool_edit"]));
    let after = other.ask(Method::GET, "/api/settings/security-policy", None).await;
    assert_eq!((&after["on_tool_edit"], &after["mcp_rate_limit_rpm"]), (&json!("take_down"), &json!(900)));
}

#[tokio::test]
async fn components_may_travel_by_digest_to_a_host_that_has_them() {
    let (here, there) = (furnished().await, Host::start().await);
    let file = export(&Admin { host: &here, token: here.login("ada").await }, "components=digests").await;
    assert!(!file.to_string().contains("\"bytes\""), "none of the bytes");
    let other = there.admin().await;
    let trusted = trust(&file);
    let (status, refused) = import(&other, &trusted, &file).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.to_string().contains("components=include"), "{refused}");
    let server = other.server("elsewhere").await;
    other.component(&server, "pair", fixtures::component("many_tools")).await;
    let report = imported(&other, &trusted, &file).await;
    assert_eq!(report["servers"][0]["tools"].as_array().map(Vec::len), Some(2), "{report}");
}

#[tokio::test]
async fn one_server_leaves_alone_and_a_download_has_a_name() {
    let host = furnished().await;
    let admin = Admin { host: &host, token: host.login("ada").await };
    let other = admin.server("other").await;
    let one = admin.ask(Method::GET, &format!("/api/export/servers/{other}"), None).await;
    assert_eq!((one["servers"][0]["name"].clone(), one["servers"].as_array().map(Vec::len)), (json!("other"), Some(1)));
    let path = "/api/export/download/servers";
    let (status, headers, file) = host.send(Method::GET, path, Some(&admin.token), &[], None).await;
    assert_eq!((status, file["servers"].as_array().map(Vec::len)), (StatusCode::OK, Some(2)));
    let name = headers["content-disposition"].to_str().expect("a text");
    assert!(name.starts_with("attachment; filename=\"mcpbox-export-20") && name.ends_with(".json\""), "{name}");
    let path = "/api/export/servers/01990000-0000-7000-8000-000000000001";
    assert_eq!(admin.refused(Method::GET, path, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(admin.refused(Method::GET, "/api/export/servers?versions=some", None).await.0.as_u16(), 422);
}

/// The fingerprint of a file that nobody signed, as a refusal tells it.
async fn told_fingerprint(admin: &Admin<'_>, file: &Value) -> String {
    let (status, refused) = import(admin, "", file).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{refused}");
    let detail = refused["detail"].as_str().expect("a sentence");
    detail.split("trust=").nth(1).and_then(|rest| rest.get(..64)).expect("a fingerprint").to_owned()
}

#[tokio::test]
async fn files_of_the_first_mcpbox_are_taken_over() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");

    let file = read(include_str!("originals/1.0.json"));
    let trusted = told_fingerprint(&admin, &file).await;
    let mut other = file.clone();
    other["servers"][0]["description"] = json!("changed");
    assert_eq!(import(&admin, &format!("trust={trusted}"), &other).await.0, StatusCode::FORBIDDEN, "another file");
    let report = imported(&admin, &format!("trust={trusted}"), &file).await;
    assert_eq!(report["servers"][0]["name"], json!("home_weather"));
    assert_eq!(report["servers"][0]["tools"][0]["name"], json!("forecast_today"));
    assert_eq!(report["left_out"].as_array().map(Vec::len), Some(2), "{report}");
    admin.approve(report["servers"][0]["tools"][0]["id"].as_str().expect("an id")).await;
    let called = host.model().call("home_weather__forecast_today", json!({"city": "Oslo"})).await;
    assert_eq!(called["content"][0]["text"], json!("sunny in Oslo"));

    let file = read(include_str!("originals/1.1.json"));
    let trusted = format!("trust={}", told_fingerprint(&admin, &file).await);
    let (status, refused) = import(&admin, &trusted, &file).await;
    assert_eq!(
        (status.as_u16(), &refused["errors"][0]["pointer"]),
        (422, &json!("/servers/0/tools/1/versions/0/code"))
    );
    let report = imported(&admin, &format!("broken=skip&{trusted}"), &file).await;
    assert_eq!(report["servers"][0]["hosts"], json!(["api.weather.example", "radar.example:8443"]));
    let tool = report["servers"][0]["tools"][0]["id"].as_str().expect("an id");
    let tool = admin.ask(Method::GET, &format!("/api/tools/{tool}"), None).await;
    assert_eq!((&tool["timeout_ms"], &tool["enabled"]), (&json!(4_500), &json!(false)), "a time limit is kept");
    assert_eq!(
        (&tool["description"], &tool["approval_status"]),
        (&json!("Looks out of the window."), &json!("pending_review"))
    );

    let file = read(include_str!("originals/1.2.json"));
    let trusted = format!("trust={}", told_fingerprint(&admin, &file).await);
    let report = imported(&admin, &trusted, &file).await;
    assert_eq!(report["servers"][0]["hosts"], json!(["notes.example"]));
    assert!(report["left_out"].to_string().contains("yaml"), "{report}");
    let tool = report["servers"][0]["tools"][0]["id"].as_str().expect("an id");
    let status = host.model().done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    let hosts = status["network_access_requests"].as_array().expect("requests");
    let of = |host: &str| hosts.iter().find(|row| row["host"] == host).map(|row| row["status"].clone());
    assert_eq!(of("sync.notes.example"), Some(json!("pending")));
    assert_eq!(of("ads.example"), Some(json!("rejected")));
    assert_eq!(status["module_requests"].as_array().map(Vec::len), Some(1), "{status}");
}

/// Holds: export_bytes, export_items.
#[tokio::test]
async fn a_file_has_a_size_and_holds_so_many_things() {
    let here = furnished().await;
    let file = export(&Admin { host: &here, token: here.login("ada").await }, "").await;
    let size = file.to_string().len() as u64;
    for (limits, words) in [
        (Limits { export_bytes: size - 1, ..Wishes::default().limits }, "MCPBOX_EXPORT_BYTES"),
        (Limits { export_items: 5, ..Wishes::default().limits }, "MCPBOX_EXPORT_ITEMS"),
    ] {
        let there = Host::with(Wishes { limits, ..Wishes::default() }).await;
        let other = there.admin().await;
        let (status, refused) = import(&other, &trust(&file), &file).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{refused}");
        let server = other.server("own").await;
        if words == "MCPBOX_EXPORT_ITEMS" {
            assert!(refused.to_string().contains(words), "{refused}");
            for number in 0..5 {
                other.secret(&server, &format!("KEY_{number}"), "value").await;
            }
        } else {
            let source = format!("def main():\n    return 1\n# {}", "x".repeat(usize::try_from(size).expect("small")));
            let body = json!({"name": "large", "python_code": source});
            other.ask(Method::POST, &format!("/api/servers/{server}/tools"), Some(body)).await;
        }
        let (status, refused) = other.refused(Method::GET, "/api/export/servers", None).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let admin = Admin { host: &here, token: here.login("ada").await };
    let headers = [("content-type", "application/json")];
    for text in [deep.as_str(), "[]", "{", ""] {
        let body = text.as_bytes().to_vec();
        let (status, answer) = here.send_bytes(Method::POST, "/api/export/import", &admin.token, &headers, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
}
