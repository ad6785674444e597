//! Prompts, resources and completions, in both eras: listed, had, and refused when they are not there.

use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::Client;

async fn read(client: &Client, uri: &str) -> Value {
    let headers = [("mcp-name", uri)];
    client.modern(&headers, "resources/read", json!({"uri": uri})).await.json().await
}

#[tokio::test]
async fn what_a_component_offers_is_listed_and_had_under_the_names_of_each_address() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    for (path, prompt, uri, template) in [
        ("/mcp", "desk__greet", "mcpbox+desk:notes://1", "mcpbox+desk:notes://{day}"),
        (desk::ALONE, "greet", "notes://1", "notes://{day}"),
    ] {
        let client = Client::of(&host).at(path);
        let listed = client.modern(&[], "prompts/list", json!({})).await.result().await;
        assert_eq!(listed["prompts"][0]["name"], prompt, "{listed}");
        assert_eq!(listed["prompts"][0]["arguments"], json!([{"name": "who", "required": true}]), "{listed}");
        assert_eq!((&listed["cacheScope"], &listed["resultType"]), (&json!("private"), &json!("complete")));
        assert!(listed["ttlMs"].as_u64().is_some() && listed.get("nextCursor").is_none(), "{listed}");
        let listed = client.modern(&[], "resources/list", json!({})).await.result().await;
        assert_eq!(listed["resources"][0]["uri"], uri, "{listed}");
        let listed = client.modern(&[], "resources/templates/list", json!({})).await.result().await;
        assert_eq!(listed["resourceTemplates"][0]["uriTemplate"], template, "{listed}");

        let get = json!({"name": prompt, "arguments": {"who": "you"}});
        let got = client.modern(&[], "prompts/get", get.clone()).await.result().await;
        assert_eq!(got["messages"], json!([{"role": "user", "content": {"type": "text", "text": "you"}}]), "{got}");
        for uri in [uri, &template.replace("{day}", "7")] {
            let contents = &read(&client, uri).await["result"]["contents"];
            assert_eq!(contents[0]["uri"], uri, "{contents}");
            assert!(uri.ends_with(contents[0]["text"].as_str().expect("text")), "{contents}");
        }
        for (uri, code) in [("notes:/1/2", -32602), ("mcpbox+other:notes://1", -32602), ("", -32602)] {
            let refused = read(&client, uri).await;
            assert_eq!((&refused["error"]["code"], &refused["error"]["data"]["uri"]), (&json!(code), &json!(uri)));
        }
        // Of what is gone, or was written wrong, the nearest is named.
        for (wrong, near) in [(uri.replace("notes", "nodes"), Some(uri)), ("notes:/none/of/them".to_owned(), None)] {
            let refused = read(&client, &wrong).await;
            let words = refused["error"]["message"].as_str().expect("words");
            assert!(words.contains("call resources/list again"), "{words}");
            let meant = words.split_once("did you mean `").and_then(|(_, rest)| rest.split('`').next());
            assert_eq!(meant, near, "{words}");
        }
        for (params, words) in [
            (json!({"name": prompt}), "who"),
            (json!({"name": format!("{prompt}s"), "arguments": {}}), "did you mean"),
            (json!({"name": prompt, "arguments": {"who": 7}}), "params"),
        ] {
            let refused = client.modern(&[], "prompts/get", params).await.json().await;
            assert_eq!(refused["error"]["code"], -32602, "{refused}");
            assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains(words)), "{refused}");
        }
        // It suggests nothing, so that no guest is asked.
        let complete =
            json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": "who", "value": "y"}});
        let completed = client.modern(&[], "completion/complete", complete).await.result().await;
        assert_eq!(completed["completion"], json!({"values": [], "hasMore": false}), "{completed}");
        let slip = format!("{prompt}s");
        let complete = json!({"ref": {"type": "ref/prompt", "name": slip}, "argument": {"name": "who", "value": "y"}});
        let refused = client.modern(&[], "completion/complete", complete).await.json().await;
        let words = refused["error"]["message"].as_str().expect("words");
        assert!(words.contains(&format!("`{slip}`")) && words.contains("did you mean"), "{refused}");

        let (session, opened) = client.open("2025-11-25").await;
        assert_eq!(opened["capabilities"]["resources"], json!({"subscribe": true, "listChanged": true}));
        let got = client.ask(&session, "prompts/get", get).await.result().await;
        assert_eq!(got["messages"][0]["content"]["text"], "you");
        let contents = client.ask(&session, "resources/read", json!({"uri": uri})).await.result().await;
        assert_eq!(contents["contents"][0]["uri"], uri);
        assert!(contents.get("ttlMs").is_none() && contents.get("resultType").is_none(), "{contents}");
        assert_eq!(client.ask(&session, "resources/read", json!({"uri": "x:1"})).await.code().await, (200, -32002));
    }

    let tools = Client::of(&host).at(desk::ALONE).modern(&[], "tools/list", json!({})).await.result().await;
    let icons =
        tools["tools"].as_array().expect("tools").iter().find(|tool| tool["name"] == "ask").expect("it")["icons"]
            .clone();
    assert_eq!(icons[0]["src"], "data:image/png;base64,AAAA");
    // What ran is in the log, as what it was.
    let token = admin.token.clone();
    let mut host = host;
    host.restart().await;
    let admin = crate::harness::Admin { host: &host, token };
    let logs = admin.ask(reqwest::Method::GET, &format!("/api/tools/{tool}/logs"), None).await;
    let rows = logs["items"].as_array().expect("rows");
    for name in ["desk__prompt:greet", "desk__resource:notes://1"] {
        assert!(rows.iter().any(|row| row["tool_name"] == name), "{name}: {logs}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let limits = Limits { page_size_max: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let other = admin.server("another").await;
    let made = admin.component(&other, "desk", desk::component()).await;
    admin.approve(made["id"].as_str().expect("an id")).await;
    let client = Client::of(&host);
    for (method, member, name) in [
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ] {
        let first = client.modern(&[], method, json!({})).await.result().await;
        let cursor = first["nextCursor"].as_str().expect("another page");
        let second = client.modern(&[], method, json!({"cursor": cursor})).await.result().await;
        assert!(second.get("nextCursor").is_none(), "{second}");
        let names = [&first, &second].map(|page| page[member][0][name].as_str().expect("a name").to_owned());
        assert!(names[0].contains("another") && names[1].contains("desk"), "{names:?}");
        assert_eq!(client.modern(&[], method, json!({"cursor": "?"})).await.code().await, (200, -32602));
    }
}

#[tokio::test]
async fn what_is_switched_off_is_offered_no_more() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    admin.ask(reqwest::Method::PATCH, &format!("/api/tools/{tool}"), Some(json!({"enabled": false}))).await;
    let listed = client.modern(&[], "prompts/list", json!({})).await.result().await;
    assert_eq!(listed["prompts"], json!([]));
    let get = json!({"name": "greet", "arguments": {"who": "you"}});
    assert_eq!(client.modern(&[], "prompts/get", get).await.code().await, (200, -32602));
    assert_eq!(read(&client, "notes://1").await["error"]["code"], -32602);
}
