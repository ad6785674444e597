//! Components through the API and MCP: uploaded, looked at, approved, called, replaced, switched off;
//! refused when they cannot be; and gone when nothing names them.

use std::path::Path;

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fixtures;
use crate::harness::{Admin, Host, Wishes};

fn id(view: &Value) -> &str {
    view["id"].as_str().expect("an id")
}

fn names(exports: &Value) -> Vec<&str> {
    exports.as_array().expect("exports").iter().filter_map(|export| export["name"].as_str()).collect()
}

/// The tools that guests offer, without those of the host.
async fn offered(host: &Host) -> Vec<String> {
    let mut names = host.model().tools().await;
    names.retain(|name| !name.starts_with("mcpbox_"));
    names
}

async fn text(host: &Host, tool: &str) -> Value {
    host.model().call(tool, json!({})).await["content"][0]["text"].clone()
}

#[tokio::test]
async fn a_component_is_looked_at_approved_once_and_each_of_its_tools_called() {
    let mut host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    assert_eq!((&made["kind"], &made["approval_status"]), (&json!("component"), &json!("draft")), "{made}");
    assert_eq!((&made["changed"], &made["current_version"]), (&json!(true), &json!(1)));
    assert_eq!(made["size_bytes"], json!(fixtures::component("many_tools").len()));
    assert_eq!(made["component_digest"].as_str().map(str::len), Some(64));
    assert_eq!(names(&made["exports"]), ["one", "two"]);
    assert_eq!(made["exports"][0]["gateway_name"], json!("lab__one"));
    assert_eq!(made["exports"][0]["input_schema"]["type"], json!("object"));
    assert_eq!(made["component"]["world"], json!("contract"), "{made}");
    assert_eq!(offered(&host).await, [""; 0], "nobody has approved it");

    let tool = id(&made);
    admin.ask(Method::POST, &format!("/api/approvals/tools/{tool}/action"), Some(json!({"action": "submit"}))).await;
    let waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    let version = &waiting["items"][0]["version"];
    assert_eq!(names(&version["exports"]), ["one", "two"], "{waiting}");
    assert_eq!((version.get("code"), &version["component"]["world"]), (None, &json!("contract")));
    admin.approve(tool).await;

    assert_eq!(offered(&host).await, ["lab__one", "lab__two"]);
    assert_eq!((text(&host, "lab__one").await, text(&host, "lab__two").await), (json!("one"), json!("two")));
    let (_, unknown) = host.model().request("tools/call", json!({"name": "lab__pair", "arguments": {}})).await;
    assert!(unknown["error"]["message"].as_str().is_some_and(|why| why.contains("lab__pair")), "{unknown}");
    let test = |export: Value| json!({"tool_id": tool, "export": export, "arguments": {}});
    let tried = admin.ask(Method::POST, "/api/tools/test-code", Some(test(json!("two")))).await;
    assert_eq!(tried["result"]["content"][0]["text"], json!("two"), "{tried}");
    for (export, words) in [(json!(null), "one, two"), (json!("three"), "no tool `three`")] {
        let (status, refused) = admin.refused(Method::POST, "/api/tools/test-code", Some(test(export))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let seen = host.model().done("mcpbox_get_tool", json!({"tool_id": tool})).await;
    assert_eq!((names(&seen["exports"]), &seen["kind"]), (vec!["one", "two"], &json!("component")));
    let tested = host.model().done("mcpbox_test_code", json!({"tool_id": tool, "export": "one"})).await;
    assert_eq!(tested["content"][0]["text"], json!("one"));
    let listed = host.model().done("mcpbox_list_tools", json!({"server_id": server})).await;
    assert_eq!(listed["tools"][0]["exports"][1]["name"], json!("two"), "{listed}");
    assert!(listed["tools"][0]["exports"][1].get("input_schema").is_none(), "lists are short: {listed}");

    let (tool, token) = (tool.to_owned(), admin.token.clone());
    // Every row is written when a host has stopped.
    host.restart().await;
    let admin = Admin { host: &host, token };
    let logs = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    let mut called: Vec<&str> =
        logs["items"].as_array().expect("rows").iter().filter_map(|row| row["tool_name"].as_str()).collect();
    called.sort_unstable();
    assert_eq!(called, ["lab__one", "lab__one", "lab__two", "lab__two"], "a row names the export: {logs}");
}

#[tokio::test]
async fn one_tool_of_a_component_is_switched_off_and_on() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    let tool = format!("/api/tools/{}", id(&made));
    admin.approve(id(&made)).await;
    let off = admin.ask(Method::PATCH, &tool, Some(json!({"disabled_tools": ["one"]}))).await;
    assert_eq!((&off["current_version"], &off["exports"][0]["enabled"]), (&json!(1), &json!(false)), "{off}");
    assert_eq!(offered(&host).await, ["lab__two"]);
    let (_, refused) = host.model().request("tools/call", json!({"name": "lab__one", "arguments": {}})).await;
    assert!(refused["error"].is_object(), "{refused}");
    assert_eq!(text(&host, "lab__two").await, json!("two"));
    let audit = admin.ask(Method::GET, "/api/audit", None).await;
    assert_eq!(audit["items"][0]["after"]["disabled_tools"], json!(["one"]), "{audit}");
    let (status, refused) = admin.refused(Method::PATCH, &tool, Some(json!({"disabled_tools": ["three"]}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    admin.ask(Method::PATCH, &tool, Some(json!({"disabled_tools": []}))).await;
    assert_eq!(offered(&host).await, ["lab__one", "lab__two"]);
    admin.ask(Method::PATCH, &tool, Some(json!({"enabled": false}))).await;
    assert_eq!(offered(&host).await, [""; 0]);
    let (status, refused) = admin.refused(Method::PATCH, &tool, Some(json!({"code": "x"}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused.to_string().contains("component"), "{refused}");
}

#[tokio::test]
async fn a_new_version_waits_while_the_old_one_answers() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    admin.approve(id(&made)).await;
    let path = format!("/api/servers/{server}/components/pair");
    let (status, same) = admin.upload(Method::PUT, &path, fixtures::component("many_tools")).await;
    assert_eq!(
        (status, &same["changed"], &same["current_version"]),
        (StatusCode::OK, &json!(false), &json!(1)),
        "{same}"
    );

    let (status, next) = admin.upload(Method::PUT, &path, fixtures::component("echo")).await;
    assert_eq!((status, &next["current_version"]), (StatusCode::OK, &json!(2)), "{next}");
    assert_eq!((&next["approval_status"], &next["live_version"]), (&json!("pending_review"), &json!(1)));
    let versions = admin.ask(Method::GET, &format!("/api/tools/{}/versions", id(&made)), None).await;
    let change = versions["items"][0]["change_summary"].as_str().expect("a text").to_owned();
    assert_eq!(change, "changed the component; adds the tools echo; drops the tools one, two");
    assert_eq!(offered(&host).await, ["lab__one", "lab__two"]);
    assert_eq!(text(&host, "lab__one").await, json!("one"));
    let (_, early) = host.model().request("tools/call", json!({"name": "lab__echo", "arguments": {}})).await;
    assert!(early["error"].is_object(), "{early}");

    admin.approve(id(&made)).await;
    assert_eq!(offered(&host).await, ["lab__echo"]);
    assert_eq!(text(&host, "lab__echo").await, json!("{}"));
    let renamed = admin.ask(Method::PATCH, &format!("/api/tools/{}", id(&made)), Some(json!({"name": "sole"}))).await;
    assert_eq!((&renamed["current_version"], names(&renamed["exports"])), (&json!(3), vec!["echo"]), "{renamed}");
    assert_eq!(renamed["component"]["world"], json!("contract"), "{renamed}");
    let (status, missing) = admin.upload(Method::PUT, &format!("{path}x"), fixtures::component("echo")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
}

#[tokio::test]
async fn names_are_unique_over_sources_and_exports() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let tools = format!("/api/servers/{server}/tools");
    let source = |name: &str| Some(json!({"name": name, "python_code": "def main() -> str:\n    return 'a source'\n"}));
    admin.ask(Method::POST, &tools, source("two")).await;
    let path = format!("/api/servers/{server}/components?name=pair");
    let (status, taken) = admin.upload(Method::POST, &path, fixtures::component("many_tools")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(taken["detail"].as_str().is_some_and(|why| why.contains("exports `two`")), "{taken}");
    assert_eq!(host.read("SELECT count(*) FROM tool_versions WHERE kind = 'component'"), "0");

    admin.component(&server, "echoes", fixtures::component("echo")).await;
    let (status, taken) = admin.refused(Method::POST, &tools, source("echo")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(taken["detail"].as_str().is_some_and(|why| why.contains("belongs to `echoes`")), "{taken}");
    let path = format!("/api/servers/{server}/components?name=echoes");
    let (status, taken) = admin.upload(Method::POST, &path, fixtures::component("noop")).await;
    assert_eq!(status, StatusCode::CONFLICT, "{taken}");
    let path = format!("/api/servers/{server}/components/two");
    let (status, taken) = admin.upload(Method::PUT, &path, fixtures::component("noop")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(taken["detail"].as_str().is_some_and(|why| why.contains("not a component")), "{taken}");
    let other = admin.server("elsewhere").await;
    admin.component(&other, "pair", fixtures::component("many_tools")).await;
}

#[tokio::test]
async fn what_cannot_be_a_component_is_refused_with_its_reason_and_leaves_nothing() {
    let limits = Limits { component_bytes: 1 << 20, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let path = format!("/api/servers/{server}/components?name=bad");
    let module = wat::parse_str("(module)").expect("a module");
    let broken: [(&str, Vec<u8>, StatusCode, &str); 10] = [
        ("empty", Vec::new(), StatusCode::UNPROCESSABLE_ENTITY, "empty"),
        ("text", b"hello".to_vec(), StatusCode::UNPROCESSABLE_ENTITY, "no WebAssembly"),
        ("module", module, StatusCode::UNPROCESSABLE_ENTITY, "core WebAssembly module"),
        ("malformed", fixtures::malformed(), StatusCode::UNPROCESSABLE_ENTITY, "not a component that can run here"),
        ("truncated", fixtures::truncated(), StatusCode::UNPROCESSABLE_ENTITY, "not a component that can run here"),
        ("bad_import", fixtures::component("bad_import"), StatusCode::UNPROCESSABLE_ENTITY, "evil:host/shell"),
        ("big_at_birth", fixtures::component("big_at_birth"), StatusCode::UNPROCESSABLE_ENTITY, "memory"),
        ("deep_schema", fixtures::component("deep_schema"), StatusCode::UNPROCESSABLE_ENTITY, "deep_schema"),
        ("spin_in_list", fixtures::component("spin_in_list"), StatusCode::UNPROCESSABLE_ENTITY, "limit"),
        ("enormous", fixtures::enormous(2 << 20), StatusCode::PAYLOAD_TOO_LARGE, "1048576"),
    ];
    for (name, bytes, expected, words) in broken {
        let (status, problem) = admin.upload(Method::POST, &path, bytes).await;
        assert_eq!(status, expected, "{name}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|why| why.contains(words)), "{name}: {problem}");
    }
    let send = async |path: &str, kind: &str| {
        let bytes = fixtures::component("noop");
        host.send_bytes(Method::POST, path, &admin.token, &[("content-type", kind)], bytes).await
    };
    let (status, problem) = send(&path, "application/json").await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("/problems/unsupported-media-type"))
    );
    let (status, problem) = send(&format!("/api/servers/{server}/components"), "application/wasm").await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/name")));
    let (status, _) = send(&format!("/api/servers/{server}/components?name=No!"), "application/wasm").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let nowhere = "/api/servers/01990000-0000-7000-8000-000000000001/components?name=noop";
    assert_eq!(send(nowhere, "application/wasm").await.0, StatusCode::NOT_FOUND);
    for table in ["tools", "tool_versions", "tool_names", "blobs"] {
        assert_eq!(host.read(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
}

#[tokio::test]
async fn a_form_brings_a_component_too() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let path = format!("/api/servers/{server}/components");
    let form = async |fields: &[(&str, &[u8])]| {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes());
            body.extend_from_slice(value);
            body.extend(b"\r\n");
        }
        body.extend(b"--x--\r\n");
        let kind = [("content-type", "multipart/form-data; boundary=x")];
        host.send_bytes(Method::POST, &path, &admin.token, &kind, body).await
    };
    let bytes = fixtures::enormous(3 << 20);
    let fields: [(&str, &[u8]); 4] =
        [("name", b"noop"), ("description", "Größe".as_bytes()), ("timeout_ms", b"1500"), ("file", &bytes)];
    let (status, made) = form(&fields).await;
    assert_eq!(status, StatusCode::CREATED, "larger than other bodies may be: {made}");
    assert_eq!((&made["description"], &made["timeout_ms"]), (&json!("Größe"), &json!(1500)));
    for (fields, pointer) in [
        (&fields[..3], "/file"),
        (&[("name", &b"a"[..]), ("timeout_ms", b"soon"), ("file", b"")][..], "/timeout_ms"),
        (&[("colour", &b"red"[..])][..], ""),
        (&[("file", &fixtures::component("echo")[..])][..], "/name"),
    ] {
        let (status, problem) = form(fields).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{problem}"
        );
    }
    let kind = [("content-type", "multipart/form-data")];
    let (status, problem) = host.send_bytes(Method::POST, &path, &admin.token, &kind, b"--x".to_vec()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[tokio::test]
async fn whoever_asks_for_events_hears_each_step() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let path = format!("/api/servers/{server}/components?name=noop");
    let headers = [("content-type", "application/wasm"), ("accept", "text/event-stream")];
    // Bytes that nobody has compiled yet.
    let mut bytes = fixtures::enormous(5 << 20);
    bytes.extend([0, 17, 0]);
    bytes.extend(uuid::Uuid::now_v7().as_bytes());
    let (status, told) = host.send_bytes(Method::POST, &path, &admin.token, &headers, bytes).await;
    assert_eq!(status, StatusCode::OK);
    let told = told.as_str().expect("a stream");
    let places: Vec<usize> = ["received", "compiling", "inspected", "stored", "event: result"]
        .into_iter()
        .map(|word| told.find(word).unwrap_or_else(|| panic!("no {word} in {told}")))
        .collect();
    assert!(places.is_sorted(), "{told}");
    assert!(told.contains("\"gateway_name\":\"lab__noop\""), "{told}");
    let (_, told) = host.send_bytes(Method::POST, &path, &admin.token, &headers, b"hello".to_vec()).await;
    let told = told.as_str().expect("a stream");
    assert!(told.contains("event: problem") && told.contains("/problems/conflict"), "{told}");
}

/// Begins an upload and answers when the host has begun to read its body.
async fn beginning(admin: &Admin<'_>, server: &str) -> tokio::net::TcpStream {
    let address = admin.host.base.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /api/servers/{server}/components?name=slow HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/wasm\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
        admin.token
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Holds: uploads_at_once.
#[tokio::test]
async fn a_slow_upload_is_ended_and_too_many_at_once_are_refused() {
    let limits = Limits { uploads_at_once: 1, request_body_ms: 1_000, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let mut slow = beginning(&admin, &server).await;
    let path = format!("/api/servers/{server}/components?name=noop");
    let (status, busy) = admin.upload(Method::POST, &path, fixtures::component("noop")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{busy}");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("a text");
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("/problems/too-slow"), "{answer}");
    admin.component(&server, "noop", fixtures::component("noop")).await;
}

#[tokio::test]
async fn equal_bytes_are_kept_once_and_go_with_the_last_that_names_them() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (one, two) = (admin.server("one").await, admin.server("two").await);
    let first = admin.component(&one, "noop", fixtures::component("noop")).await;
    admin.component(&two, "noop", fixtures::component("noop")).await;
    assert_eq!(host.read("SELECT count(*) FROM blobs"), "1");
    admin.ask(Method::DELETE, &format!("/api/tools/{}", id(&first)), None).await;
    assert_eq!(host.read("SELECT count(*) FROM blobs"), "1");
    admin.ask(Method::DELETE, &format!("/api/servers/{two}"), None).await;
    assert_eq!(host.read("SELECT count(*) FROM blobs"), "0");
    admin.component(&one, "noop", fixtures::component("noop")).await;
}

#[tokio::test]
async fn a_component_that_was_changed_in_the_database_does_not_run() {
    let cache = tempfile::tempdir().expect("a folder");
    let wishes = Wishes { cache_dir: Some(cache.path().to_owned()), ..Wishes::default() };
    let mut host = Host::with(wishes).await;
    let digest = {
        let admin = host.admin().await;
        let server = admin.server("lab").await;
        let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
        admin.component(&server, "noop", fixtures::component("noop")).await;
        admin.approve(id(&made)).await;
        made["component_digest"].as_str().expect("a digest").to_owned()
    };
    assert_eq!(text(&host, "lab__one").await, json!("one"));
    host.tamper(&format!(
        "UPDATE blobs SET bytes = (SELECT bytes FROM blobs AS other WHERE other.digest <> '{digest}') WHERE digest = '{digest}'"
    )).await;
    host.restart().await;
    assert_eq!(text(&host, "lab__one").await, json!("one"), "compiled code is at hand, the blob is not read");
    host.stop_and_forget(cache.path()).await;
    let refused = host.model().failed("lab__one", json!({})).await;
    assert!(refused.contains("`pair` does not run") && refused.contains("digest"), "{refused}");
    // What it says of its tools is covered by the approval, too.
    host.tamper("UPDATE tool_versions SET exports = replace(exports, 'two', 'too') WHERE name = 'pair'").await;
    // What was read last counts no more when this host writes.
    Admin { host: &host, token: host.login("ada").await }.server("other").await;
    let (_, refused) = host.model().request("tools/call", json!({"name": "lab__one", "arguments": {}})).await;
    assert!(refused.to_string().contains("not what was approved"), "{refused}");
}

#[tokio::test]
async fn arguments_are_held_to_the_schema_of_the_tool_that_is_called() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "pair", fixtures::component("many_tools")).await;
    admin.approve(id(&made)).await;
    let large = "x".repeat(usize::try_from(Limits::default().arguments_bytes).expect("a size"));
    let (_, refused) = host.model().request("tools/call", json!({"name": "lab__one", "arguments": {"a": large}})).await;
    assert!(refused.get("error").is_some() || refused["result"]["isError"] == json!(true), "{refused}");
    let (_, refused) = host.model().request("tools/call", json!({"name": "lab__one", "arguments": [1]})).await;
    assert!(refused["error"]["message"].as_str().is_some_and(|why| why.contains("object")), "{refused}");
}

#[tokio::test]
async fn a_plain_component_reads_the_folder_that_it_was_given_and_no_longer_when_it_left_the_roots() {
    let root = tempfile::tempdir().expect("a folder");
    let inside = root.path().join("tables");
    std::fs::create_dir(&inside).expect("made");
    std::fs::write(inside.join("a.csv"), "x").expect("written");
    let host = Host::with(Wishes { folder_roots: vec![root.path().to_owned()], ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "files", fixtures::plain("files")).await;
    assert_eq!(names(&made["exports"]), ["files_folders", "files_read", "files_write"], "{made}");
    assert_eq!((&made["component"]["world"], &made["component"]["capabilities"]), (&json!("plain"), &json!(["files"])));
    admin.approve(id(&made)).await;
    let read = json!({"path": "a.csv"});
    assert!(host.model().failed("lab__files_read", read.clone()).await.contains("255"), "no folder is given");
    let folder = json!({"host_path": inside, "guest_path": "/data", "access": "read_only"});
    admin.ask(Method::POST, &format!("/api/tools/{}/folders", id(&made)), Some(folder)).await;
    assert_eq!(host.model().call("lab__files_read", read.clone()).await["content"][0]["text"], json!("eA=="));
    let wrong = host.model().failed("lab__files_read", json!({"path": 1})).await;
    assert!(wrong.contains("/path"), "the schema of the function: {wrong}");
    // Somebody puts a link in its place.
    std::fs::rename(&inside, root.path().join("moved")).expect("moved");
    std::os::unix::fs::symlink("/etc", &inside).expect("linked");
    let refused = host.model().failed("lab__files_read", read).await;
    assert!(refused.contains("`/data`") && refused.contains("MCPBOX_FOLDER_ROOTS"), "{refused}");
}

#[tokio::test]
async fn a_component_with_more_functions_than_may_be_is_refused_whole() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let path = format!("/api/servers/{server}/components?name=many");
    for (count, most) in [(300, "256"), (3_000, "1000")] {
        let functions: String = (0..count).map(|n| format!("(export \"f{n}\" (func $f))")).collect();
        let text = format!(
            "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) \
             (func $f (canon lift (core func $i \"f\"))) {functions})"
        );
        let bytes = wat::parse_str(&text).expect("a component");
        let (status, refused) = admin.upload(Method::POST, &path, bytes).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
        let why = refused["detail"].as_str().expect("a text");
        assert!(why.contains(&count.to_string()) && why.contains(most), "{why}");
    }
}

#[tokio::test]
async fn folders_are_given_by_people_below_the_operators_roots() {
    let root = tempfile::tempdir().expect("a folder");
    let inside = root.path().join("tables");
    std::fs::create_dir(&inside).expect("made");
    std::os::unix::fs::symlink("/", root.path().join("all")).expect("linked");
    let host = Host::with(Wishes { folder_roots: vec![root.path().to_owned()], ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "noop", fixtures::component("noop")).await;
    let folders = format!("/api/tools/{}/folders", id(&made));
    let give = |host: &Path, guest: &str| Some(json!({"host_path": host, "guest_path": guest, "access": "read_only"}));
    for (path, words) in [
        (root.path().join("all/etc"), "below none"),
        (root.path().join("absent"), "No such file"),
        ("/etc".into(), "below none"),
        ("tables".into(), "absolute"),
    ] {
        let (status, refused) = admin.refused(Method::POST, &folders, give(&path, "/data")).await;
        assert_eq!(
            (status, &refused["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/host_path"))
        );
        assert!(refused["detail"].as_str().is_some_and(|why| why.contains(words)), "{refused}");
    }
    assert_eq!(admin.refused(Method::POST, &folders, give(&inside, "data")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let given = admin.ask(Method::POST, &folders, give(&inside, "/data")).await;
    assert_eq!((&given["total"], &given["items"][0]["guest_path"]), (&json!(1), &json!("/data")), "{given}");
    assert_eq!(admin.refused(Method::POST, &folders, give(&inside, "/data")).await.0, StatusCode::CONFLICT);
    let seen = admin.ask(Method::GET, &format!("/api/tools/{}", id(&made)), None).await;
    assert_eq!(seen["folders"][0]["access"], json!("read_only"), "{seen}");
    let model = host.model().done("mcpbox_get_tool", json!({"tool_id": id(&made)})).await;
    assert!(model.get("folders").is_none(), "paths tell about the machine: {model}");
    host.model().done("mcpbox_request_publish", json!({"tool_id": id(&made)})).await;
    let waiting = admin.ask(Method::GET, "/api/approvals/tools", None).await;
    assert_eq!(waiting["items"][0]["folders"][0]["guest_path"], json!("/data"), "{waiting}");
    let audit = admin.ask(Method::GET, "/api/audit", None).await.to_string();
    assert!(audit.contains("tool.folder_add"), "{audit}");
    assert_eq!(admin.ask(Method::DELETE, &format!("{folders}?guest_path=/data"), None).await["total"], json!(0));
    assert_eq!(
        admin.refused(Method::DELETE, &format!("{folders}?guest_path=/data"), None).await.0,
        StatusCode::NOT_FOUND
    );

    let closed = Host::start().await;
    let admin = closed.admin().await;
    let server = admin.server("lab").await;
    let made = admin.component(&server, "noop", fixtures::component("noop")).await;
    let folders = format!("/api/tools/{}/folders", id(&made));
    let (_, refused) = admin.refused(Method::POST, &folders, give(&inside, "/data")).await;
    assert!(refused["detail"].as_str().is_some_and(|why| why.contains("MCPBOX_FOLDER_ROOTS")), "{refused}");
}
