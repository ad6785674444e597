//! Skills over MCP, as hosts of models take them: listed with their digests, had one by one, looked into, read; at
//! the address of everything and at that of one server.

use mcpbox::domain::digest::Digest;
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};
use crate::mcp_client::{Client, PATIENCE};
use crate::skill_component::{Given, Reads, main_file, named};

/// Uploads and approves a component on a server; answers the tool's id.
async fn offer(admin: &Admin<'_>, server: &str, name: &str, skills: &[Given<'_>], reads: Reads) -> String {
    let made = admin.component(server, name, named(name, skills, reads)).await;
    let id = made["id"].as_str().expect("an id").to_owned();
    admin.approve(&id).await;
    id
}

async fn ask(client: &Client, method: &str, params: Value) -> Value {
    client.modern(&[], method, params).await.json().await
}

async fn read(client: &Client, uri: &str) -> Value {
    client.modern(&[("mcp-name", uri)], "resources/read", json!({ "uri": uri })).await.json().await
}

async fn skills(client: &Client) -> Vec<String> {
    let listed = ask(client, "skills/list", json!({})).await;
    let skills = listed["result"]["skills"].as_array().expect("skills").clone();
    skills.iter().map(|skill| skill["uri"].as_str().expect("a URI").to_owned()).collect()
}

#[tokio::test]
async fn a_skill_is_listed_had_looked_into_and_read_at_each_address() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    let (pdf, refunds) = (main_file("pdf", "Fill."), main_file("refunds", "Pay."));
    let files: &[(&str, &[u8])] = &[("SKILL.md", &pdf), ("forms/a.bin", &[0xff, 0]), ("forms/eu/b.md", b"b")];
    offer(&admin, &server, "skilled", &[("pdf", files), ("acme/refunds", &[("SKILL.md", &refunds)])], Reads::Honestly)
        .await;
    for (path, root) in [("/mcp", "skill://office/"), ("/mcp/servers/office", "skill://")] {
        let client = Client::of(&host).at(path);
        let discovered = ask(&client, "server/discover", json!({})).await;
        let declared = &discovered["result"]["capabilities"]["extensions"]["io.modelcontextprotocol/skills"];
        assert_eq!(*declared, json!({"directoryRead": true}));

        let listed = ask(&client, "skills/list", json!({})).await["result"].clone();
        assert_eq!((&listed["cacheScope"], &listed["resultType"]), (&json!("private"), &json!("complete")));
        assert!(listed["ttlMs"].as_u64().is_some() && listed.get("nextCursor").is_none(), "{listed}");
        let file = |path: &str, bytes: &[u8]| {
            let (uri, digest) = (format!("{root}pdf/{path}"), format!("sha256:{}", Digest::of(bytes)));
            json!({"uri": uri, "digest": digest, "size": bytes.len()})
        };
        let entry = json!({
            "uri": format!("{root}pdf/SKILL.md"),
            "frontmatter": {"name": "pdf", "description": "What pdf is for."},
            "resources": [file("SKILL.md", &pdf), file("forms/a.bin", &[0xff, 0]), file("forms/eu/b.md", b"b")],
        });
        assert_eq!(listed["skills"][1], entry);
        assert_eq!(listed["skills"][0]["uri"], format!("{root}acme/refunds/SKILL.md"));
        let got = ask(&client, "skills/get", json!({ "uri": entry["uri"] })).await["result"].clone();
        assert_eq!((&got["skill"], &got["resultType"]), (&entry, &json!("complete")));
        assert!(got["ttlMs"].as_u64().is_some() && got["cacheScope"] == json!("private"), "{got}");

        // The main files are resources like any other; the rest is found through the skill.
        let resources = ask(&client, "resources/list", json!({})).await["result"]["resources"].clone();
        let main = json!({
            "uri": format!("{root}pdf/SKILL.md"), "name": "pdf", "description": "What pdf is for.",
            "mimeType": "text/markdown", "size": pdf.len(),
        });
        assert_eq!((resources.as_array().map(Vec::len), &resources[1]), (Some(2), &main));
        for one in entry["resources"].as_array().expect("files") {
            let uri = one["uri"].as_str().expect("a URI");
            let contents = &read(&client, uri).await["result"]["contents"];
            assert_eq!(contents[0]["uri"], uri, "{contents}");
        }
        let binary = read(&client, &format!("{root}pdf/forms/a.bin")).await;
        assert_eq!(binary["result"]["contents"][0]["blob"], json!("/wA="), "{binary}");

        for (folder, children) in [
            ("pdf", json!([main, {"uri": format!("{root}pdf/forms"), "name": "forms", "mimeType": "inode/directory"}])),
            (
                "pdf/forms",
                json!([
                    {"uri": format!("{root}pdf/forms/a.bin"), "name": "a.bin", "size": 2},
                    {"uri": format!("{root}pdf/forms/eu"), "name": "eu", "mimeType": "inode/directory"},
                ]),
            ),
            ("acme", json!([{"uri": format!("{root}acme/refunds"), "name": "refunds", "mimeType": "inode/directory"}])),
        ] {
            let uri = format!("{root}{folder}");
            let result = ask(&client, "resources/directory/read", json!({ "uri": uri })).await["result"].clone();
            assert_eq!(result["resources"], children, "{uri}");
            assert_eq!(result["resultType"], "complete");
        }
        for uri in ["pdf/SKILL.md", "pdf/", "nothing", "pdf/nothing"].map(|path| format!("{root}{path}")) {
            let refused = ask(&client, "resources/directory/read", json!({ "uri": uri })).await;
            let told = (&refused["error"]["code"], &refused["error"]["data"]["uri"]);
            assert_eq!(told, (&json!(-32602), &json!(uri)), "{refused}");
        }
        for uri in ["pdf", "pdf/forms/a.bin", "nothing/SKILL.md"].map(|path| format!("{root}{path}")) {
            let refused = ask(&client, "skills/get", json!({ "uri": uri })).await;
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
        }
        let near = ask(&client, "skills/get", json!({ "uri": format!("{root}pfd/SKILL.md") })).await;
        let words = near["error"]["message"].as_str().expect("words");
        assert!(words.contains(&format!("did you mean `{root}pdf/SKILL.md`")), "{words}");
        for uri in ["pdf/other.md", "pdf", "acme/SKILL.md"].map(|path| format!("{root}{path}")) {
            assert_eq!(read(&client, &uri).await["error"]["code"], -32602, "{uri}");
        }
        for method in ["skills/get", "resources/directory/read"] {
            assert_eq!(ask(&client, method, json!({"uri": 1})).await["error"]["code"], -32602);
            assert_eq!(ask(&client, method, json!({})).await["error"]["code"], -32602);
        }

        // Sessions know of no extension; to them they are resources.
        let (session, opened) = client.open("2025-11-25").await;
        assert!(opened["capabilities"].get("extensions").is_none(), "{opened}");
        assert_eq!(client.ask(&session, "skills/list", json!({})).await.code().await.1, -32601);
        let uri = json!({"uri": format!("{root}pdf/SKILL.md")});
        let contents = client.ask(&session, "resources/read", uri).await.result().await;
        assert!(contents["contents"][0]["text"].as_str().is_some_and(|text| text.ends_with("Fill.\n")), "{contents}");
    }
    // One thing has one name.
    assert_eq!(read(&Client::of(&host), "mcpbox+office:skill://pdf/SKILL.md").await["error"]["code"], -32602);
    let told = async {
        loop {
            let page = admin.ask(Method::GET, "/api/activity/logs?search=skills/get&levels=info", None).await;
            if page["total"].as_u64() >= Some(2) {
                return page["items"].to_string();
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("the rows come");
    assert!(told.contains("skills/get: answered") && !told.contains("skill://"), "{told}");
}

#[tokio::test]
async fn skills_and_folders_come_in_pages_and_no_skill_is_split() {
    let limits = Limits { page_size_max: 2, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    let mains = ["a", "b", "c"].map(|name| main_file(name, ""));
    let given =
        |at: usize| -> [(&str, &[u8]); 4] { [("SKILL.md", &mains[at]), ("1", b"1"), ("2", b"2"), ("3/4", b"4")] };
    let files = [given(0), given(1), given(2)];
    offer(&admin, &server, "skilled", &[("a", &files[0]), ("b", &files[1]), ("c", &files[2])], Reads::Honestly).await;
    let client = Client::of(&host).at("/mcp/servers/office");
    for (method, member, params, expected) in [
        ("skills/list", "skills", json!({}), vec!["skill://a/SKILL.md", "skill://b/SKILL.md", "skill://c/SKILL.md"]),
        (
            "resources/directory/read",
            "resources",
            json!({"uri": "skill://b"}),
            vec!["skill://b/1", "skill://b/2", "skill://b/3", "skill://b/SKILL.md"],
        ),
    ] {
        let (mut found, mut params) = (Vec::new(), params);
        loop {
            let page = ask(&client, method, params.clone()).await["result"].clone();
            let things = page[member].as_array().expect("a list");
            assert!((1..=2).contains(&things.len()), "{page}");
            assert!(member != "skills" || things.iter().all(|skill| skill["resources"][3].is_object()), "{page}");
            found.extend(things.iter().map(|thing| thing["uri"].as_str().expect("a URI").to_owned()));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            params["cursor"] = cursor.into();
        }
        assert_eq!(found, expected);
        params["cursor"] = "?".into();
        assert_eq!(ask(&client, method, params).await["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn a_page_ends_where_it_is_large_enough() {
    let limits = Limits { component_skills: 1_000, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    // A skill whose list is about 150 KiB long.
    let main = main_file("a", "");
    let names: Vec<String> = (0..500).map(|n| format!("{}/{n}", "long".repeat(45))).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(|name| (name.as_str(), &b"x"[..])).chain([("SKILL.md", &main[..])]).collect();
    let paths: Vec<String> = (0..10).map(|n| format!("{n}/a")).collect();
    let skills: Vec<Given<'_>> = paths.iter().map(|path| (path.as_str(), &files[..])).collect();
    offer(&admin, &server, "skilled", &skills, Reads::Honestly).await;
    let client = Client::of(&host);
    let first = ask(&client, "skills/list", json!({})).await["result"].clone();
    let count = first["skills"].as_array().expect("skills").len();
    assert!((2..10).contains(&count), "{count} on the first page");
    let rest = ask(&client, "skills/list", json!({ "cursor": first["nextCursor"] })).await["result"].clone();
    assert_eq!(rest["skills"].as_array().expect("skills").len(), 10 - count);
    assert!(rest.get("nextCursor").is_none());
}

#[tokio::test]
async fn only_what_is_approved_switched_on_and_shown_to_the_caller_is_there() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (office, lab) = (admin.server("office").await, admin.server("lab").await);
    let main = main_file("a", "");
    let files: &[(&str, &[u8])] = &[("SKILL.md", &main)];
    let tool = offer(&admin, &office, "skilled", &[("a", files)], Reads::Honestly).await;
    offer(&admin, &lab, "skilled", &[("a", files)], Reads::Honestly).await;
    admin.component(&office, "draft", named("draft", &[("draft/a", files)], Reads::Honestly)).await;
    let client = Client::of(&host);
    let (of_lab, of_office) = ("skill://lab/a/SKILL.md".to_owned(), "skill://office/a/SKILL.md".to_owned());
    assert_eq!(skills(&client).await, [of_lab.clone(), of_office.clone()], "and no draft");

    let profile = json!({"servers": [lab], "management": true});
    admin.ask(Method::PUT, "/api/mcp/profiles/local", Some(profile)).await;
    assert_eq!(skills(&client).await, std::slice::from_ref(&of_lab));
    let hidden = ask(&client, "skills/get", json!({ "uri": of_office })).await;
    assert_eq!(hidden["error"]["code"], -32602, "{hidden}");
    let words = hidden["error"]["message"].as_str().expect("words");
    assert!(words.ends_with(&format!("did you mean `{of_lab}`?")), "what is hidden is not named: {words}");
    let folder = json!({"uri": "skill://office/a"});
    assert_eq!(ask(&client, "resources/directory/read", folder.clone()).await["error"]["code"], -32602);
    assert_eq!(read(&client, &of_office).await["error"]["code"], -32602);
    let everything = json!({"servers": null, "management": true});
    admin.ask(Method::PUT, "/api/mcp/profiles/local", Some(everything)).await;
    assert!(ask(&client, "resources/directory/read", folder).await["result"].is_object());

    admin.ask(Method::PATCH, &format!("/api/tools/{tool}"), Some(json!({"enabled": false}))).await;
    assert_eq!(skills(&client).await, [of_lab]);
    assert_eq!(read(&client, &of_office).await["error"]["code"], -32602);
    host.model().done("mcpbox_stop_server", json!({ "server_id": lab })).await;
    assert!(skills(&client).await.is_empty());
}

#[tokio::test]
async fn of_two_components_of_a_server_one_has_a_folder_whole() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    let (mine, theirs, inner) = (main_file("a", "mine"), main_file("a", "theirs"), main_file("inner", ""));
    offer(&admin, &server, "first", &[("a", &[("SKILL.md", &mine)])], Reads::Honestly).await;
    let second: &[Given<'_>] = &[
        ("a", &[("SKILL.md", &theirs), ("more.md", b""), ("inner/SKILL.md", &inner)]),
        ("a/inner", &[("SKILL.md", &inner)]),
    ];
    offer(&admin, &server, "second", second, Reads::Honestly).await;
    let client = Client::of(&host).at("/mcp/servers/office");
    assert_eq!(skills(&client).await, ["skill://a/SKILL.md"]);
    let text = read(&client, "skill://a/SKILL.md").await["result"]["contents"][0]["text"].clone();
    assert!(text.as_str().is_some_and(|text| text.ends_with("mine\n")), "{text}");
    for uri in ["skill://a/more.md", "skill://a/inner/SKILL.md"] {
        assert_eq!(read(&client, uri).await["error"]["code"], -32602, "{uri}");
    }
}

#[tokio::test]
async fn a_component_that_answers_other_than_what_was_approved_has_failed() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let server = admin.server("office").await;
    let main = main_file("a", "");
    let tool = offer(&admin, &server, "sly", &[("a", &[("SKILL.md", &main)])], Reads::OtherwiseLater).await;
    let client = Client::of(&host);
    let uri = "skill://office/a/SKILL.md";
    assert_eq!(read(&client, uri).await["result"]["contents"][0]["uri"], uri);
    admin.secret(&server, "TOKEN", "hunter2").await;
    let refused = read(&client, uri).await;
    assert_eq!(refused["error"]["code"], -32603, "{refused}");
    let words = refused["error"]["message"].as_str().expect("words");
    assert!(words.contains("nobody approved that"), "{words}");
    let rows = async {
        loop {
            let page = admin.ask(Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
            if page["total"].as_u64() >= Some(2) {
                return page["items"].clone();
            }
        }
    };
    let rows = tokio::time::timeout(PATIENCE, rows).await.expect("the rows come");
    assert!(rows.to_string().contains("nobody approved that"), "{rows}");
}
