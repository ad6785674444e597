//! What clients hear of that they listen for: lists and resources that change, and tasks.

use mcpbox::events::{KEPT, Notice};
use mcpbox::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::desk;
use crate::harness::{Host, Wishes};
use crate::mcp_client::{Answer, Client, ECHO, initialize, request};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn message(stream: &mut Answer) -> Value {
    loop {
        let event = stream.event().await.expect("an event");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| !data.is_empty()));
        if let Some(data) = data {
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

async fn change(client: &Client) {
    let told = client.modern(&[], "tools/call", json!({"name": "changed", "arguments": {}})).await.result().await;
    assert_eq!(told["isError"], false, "{told}");
}

#[tokio::test]
async fn a_modern_client_hears_of_what_it_asked_for_and_of_nothing_else() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let listen =
        async |filter: Value| client.modern(&[], "subscriptions/listen", json!({"notifications": filter})).await;
    let wanted = json!({"resourceSubscriptions": ["notes://1"], "promptsListChanged": true, "newsOfTheWorld": true});
    let mut all = listen(wanted).await;
    let acknowledged = message(&mut all).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    let honoured = json!({"resourceSubscriptions": ["notes://1"], "promptsListChanged": true});
    assert_eq!(acknowledged["params"]["notifications"], honoured, "{acknowledged}");
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], 1);
    let mut tools = listen(json!({"toolsListChanged": true})).await;
    message(&mut tools).await;

    change(&client).await;
    let prompts = message(&mut all).await;
    assert_eq!(
        (&prompts["method"], &prompts["params"]["_meta"][SUBSCRIPTION]),
        (&json!("notifications/prompts/list_changed"), &json!(1))
    );
    let updated = message(&mut all).await;
    assert_eq!(
        (&updated["method"], &updated["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("notes://1"))
    );
    // The other stream has heard nothing of that: what comes first is the change of the tools.
    let off = json!({"disabled_tools": ["task"]});
    admin.ask(Method::PATCH, &format!("/api/tools/{tool}"), Some(off)).await;
    assert_eq!(message(&mut tools).await["method"], "notifications/tools/list_changed");
    let too_much: Vec<String> = (0..10_000).map(|number| format!("notes://{number}")).collect();
    let refused = listen(json!({"resourceSubscriptions": too_much})).await;
    let refused: Vec<Value> = refused.messages().await;
    assert_eq!(refused[0]["error"]["code"], -32602);
}

#[tokio::test]
async fn a_subscription_ends_with_its_result_when_the_host_stops() {
    let mut host = Host::start().await;
    let client = Client::of(&host);
    let mut stream = client.modern(&[], "subscriptions/listen", json!({"notifications": {}})).await;
    assert_eq!(message(&mut stream).await["params"]["notifications"], json!({}));
    host.stop().await;
    let ended = message(&mut stream).await;
    assert_eq!((&ended["id"], &ended["result"]["resultType"]), (&json!(1), &json!("complete")), "{ended}");
    assert_eq!(ended["result"]["_meta"][SUBSCRIPTION], 1);
    assert!(stream.event().await.is_none());
}

#[tokio::test]
async fn a_client_that_follows_a_task_hears_how_it_goes() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let meta = json!({CAPABILITIES: {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let call = json!({"name": "task", "arguments": desk::form("who?"), "_meta": meta});
    let made = client.modern(&[], "tools/call", call).await.result().await;
    let task = made["taskId"].as_str().expect("a task").to_owned();
    let params = json!({"notifications": {"taskIds": [task]}});
    let refused = client.modern(&[], "subscriptions/listen", params).await.messages().await;
    let [refused] = refused.as_slice() else { panic!("it did not say that it follows tasks: {refused:?}") };
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    let required = &refused["error"]["data"]["requiredCapabilities"]["extensions"];
    assert_eq!(required, &json!({"io.modelcontextprotocol/tasks": {}}));
    let params = json!({"notifications": {"taskIds": [task]}, "_meta": meta});
    let mut stream = client.modern(&[], "subscriptions/listen", params).await;
    assert_eq!(message(&mut stream).await["params"]["notifications"]["taskIds"], json!([task]));
    let cancel = json!({"taskId": task, "_meta": meta});
    client.modern(&[("mcp-name", &task)], "tasks/cancel", cancel).await.result().await;
    loop {
        let told = message(&mut stream).await;
        assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!("notifications/tasks"), &json!(task)));
        if told["params"]["status"] == "cancelled" {
            break;
        }
    }
}

#[tokio::test]
async fn a_legacy_client_hears_of_the_resources_that_it_subscribed_to() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let (session, _) = client.open("2025-06-18").await;
    let ask = async |method: &str, uri: &str| client.ask(&session, method, json!({"uri": uri})).await;
    assert_eq!(ask("resources/subscribe", "notes://1").await.result().await, json!({}));
    assert_eq!(ask("resources/subscribe", "other:1").await.code().await, (200, -32002));
    let mut stream = client.listen(&session, &[]).await;
    change(&client).await;
    assert_eq!(message(&mut stream).await["method"], "notifications/prompts/list_changed");
    assert_eq!(message(&mut stream).await["params"], json!({"uri": "notes://1"}));
    assert_eq!(ask("resources/unsubscribe", "notes://1").await.result().await, json!({}));
    change(&client).await;
    change(&client).await;
    for _ in 0..2 {
        assert_eq!(
            message(&mut stream).await["method"],
            "notifications/prompts/list_changed",
            "nothing of the resource"
        );
    }
}

/// Everything that a client listens by with a credential, open: a session's stream, a subscription, and a stream of the
/// oldest revision.
async fn listen_by(client: &Client, host: &Host, bearer: &str) -> [Answer; 3] {
    let by = ("authorization", bearer);
    let opened = client.post(&[by], &initialize("2025-11-25")).await;
    let session = opened.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
    let mut legacy = client.listen(&session, &[by]).await;
    assert!(legacy.event().await.is_some_and(|primer| primer.starts_with("id: session-")));
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut modern = client.modern(&[by], "subscriptions/listen", wanted).await;
    assert_eq!(message(&mut modern).await["method"], "notifications/subscriptions/acknowledged");
    let accept = ("accept", "text/event-stream");
    let mut oldest = Client::of(host).at("/sse").send("GET", &[by, accept], "").await;
    assert!(oldest.event().await.is_some_and(|endpoint| endpoint.contains("/messages?sessionId=")));
    [legacy, modern, oldest]
}

/// Whatever else a stream says, it is no news.
async fn ends_without_news(streams: [Answer; 3]) {
    for mut stream in streams {
        while let Some(event) = stream.event().await {
            assert!(!event.contains("list_changed"), "{event}");
        }
    }
}

/// A live stream is never open longer than what opened it is in force.
#[tokio::test]
async fn who_listens_with_a_key_or_a_login_hears_nothing_once_it_has_ended() {
    let host = Host::with(Wishes { legacy_sse: true, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("s", "echo", ECHO).await;
    let client = Client::of(&host);
    let key = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "claude"}))).await;
    let by_key = listen_by(&client, &host, &format!("Bearer {}", key["key"].as_str().expect("a key"))).await;
    let login = host.login("ada").await;
    let by_login = listen_by(&client, &host, &format!("Bearer {login}")).await;
    let mut others = listen_by(&client, &host, &format!("Bearer {}", admin.token)).await;
    let sessions = || host.read("SELECT count(*) FROM mcp_sessions WHERE owner LIKE 'key:%'");
    assert_eq!(sessions(), "1");

    admin.ask(Method::DELETE, &format!("/api/api-keys/{}", key["id"].as_str().expect("an id")), None).await;
    assert_eq!(host.send(Method::POST, "/auth/logout", Some(&login), &[], None).await.0.as_u16(), 204);
    admin.another_tool(&server, "more", ECHO).await;
    ends_without_news(by_key).await;
    ends_without_news(by_login).await;
    assert_eq!(sessions(), "0", "the sessions of a key end with it");
    for stream in &mut others[..2] {
        assert_eq!(message(stream).await["method"], "notifications/tools/list_changed", "others go on");
    }
}

#[tokio::test]
async fn a_stream_ends_soon_when_its_key_is_revoked_in_another_process() {
    let limits = Limits { sse_keep_alive_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, legacy_sse: true, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let key = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "claude"}))).await;
    let streams =
        listen_by(&Client::of(&host), &host, &format!("Bearer {}", key["key"].as_str().expect("a key"))).await;
    let beside = host.beside().await;
    let path = format!("/api/api-keys/{}", key["id"].as_str().expect("an id"));
    let (status, ..) = beside.send(Method::DELETE, &path, Some(&admin.token), &[], None).await;
    assert_eq!(status.as_u16(), 200);
    ends_without_news(streams).await;
    beside.stop().await;
}

/// A burst of news is told whole, however few log lines a call may have.
#[tokio::test]
async fn a_client_that_missed_something_is_told_of_all_that_it_asked_for() {
    let limits = Limits { call_log_lines: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let uris: Vec<String> = (0..8).map(|number| format!("notes://{number}")).collect();
    let wanted = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": uris});
    let mut stream = Client::of(&host).modern(&[], "subscriptions/listen", json!({"notifications": wanted})).await;
    message(&mut stream).await;
    // More than are kept for one who listens.
    let events = host.app().service().events();
    (0..2 * KEPT).for_each(|_| events.notice(Notice::ResourceUpdated { uri: "nobody".to_owned() }));
    let mut told = Vec::new();
    for _ in 0..3 + uris.len() {
        told.push(message(&mut stream).await);
    }
    let updated: Vec<&str> = told.iter().filter_map(|message| message["params"]["uri"].as_str()).collect();
    assert_eq!(updated, uris);
}

#[tokio::test]
async fn news_of_a_server_outside_a_profile_never_reaches_its_caller() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let (shown, _) = admin.tool("s", "echo", ECHO).await;
    let key = admin.ask(Method::POST, "/api/api-keys", Some(json!({"name": "claude"}))).await;
    let profile = format!("/api/mcp/profiles/{}", key["id"].as_str().expect("an id"));
    admin.ask(Method::PUT, &profile, Some(json!({"servers": [shown], "management": false}))).await;
    let bearer = format!("Bearer {}", key["key"].as_str().expect("a key"));
    let by_key = ("authorization", bearer.as_str());
    let client = Client::of(&host);
    let hidden = "mcpbox+desk:notes://1";

    let wanted = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": [hidden]});
    let mut modern = client.modern(&[by_key], "subscriptions/listen", json!({"notifications": wanted})).await;
    assert_eq!(message(&mut modern).await["method"], "notifications/subscriptions/acknowledged");
    let opened = client.post(&[by_key], &initialize("2025-06-18")).await;
    let session = opened.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
    let in_session = [by_key, ("mcp-session-id", session.as_str())];
    let subscribe = request(1, "resources/subscribe", &json!({"uri": hidden}));
    assert_eq!(client.post(&in_session, &subscribe).await.code().await, (200, -32002));
    let mut legacy = client.listen(&session, &[by_key]).await;
    // Whoever is shown everything hears of it, so that it has been told when the next change comes.
    let everything = json!({"notifications": {"promptsListChanged": true, "resourceSubscriptions": [hidden]}});
    let mut local = client.modern(&[], "subscriptions/listen", everything).await;
    message(&mut local).await;

    change(&Client::of(&host).at(desk::ALONE)).await;
    assert_eq!(message(&mut local).await["method"], "notifications/prompts/list_changed");
    assert_eq!(message(&mut local).await["params"]["uri"], hidden);
    admin.another_tool(&shown, "more", ECHO).await;
    for stream in [&mut modern, &mut legacy] {
        let first = message(stream).await;
        assert_eq!(first["method"], "notifications/tools/list_changed", "{first}");
    }
}
