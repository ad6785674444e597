//! Calls that become tasks: how a client follows, answers and cancels them, and what is left of them later.

use chrono::TimeDelta;
use mcpbox::domain::caller::Caller;
use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::desk;
use crate::executable::admin;
use crate::harness::{Host, Wishes};
use crate::mcp_asking::assert_in_order;
use crate::mcp_client::{Client, ECHO, PATIENCE, WAITS, offer, outcome_of_last_call};
use crate::program::Installation;

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The `_meta` of a client that follows tasks and answers forms.
fn follows() -> Value {
    json!({CAPABILITIES: {"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}})
}

pub async fn call(client: &Client, name: &str, arguments: Value) -> Value {
    let params = json!({"name": name, "arguments": arguments, "_meta": follows()});
    client.modern(&[], "tools/call", params).await.result().await
}

/// A request about a task.
pub async fn about(client: &Client, method: &str, task: &str, more: Value) -> Value {
    let mut params = more;
    params["taskId"] = json!(task);
    params["_meta"] = follows();
    client.modern(&[("mcp-name", task)], method, params).await.json().await
}

/// Waits until the task stands so.
pub async fn until(client: &Client, task: &str, status: &str) -> Value {
    let found = async {
        loop {
            let seen = about(client, "tasks/get", task, json!({})).await["result"].clone();
            if seen["status"] == status {
                return seen;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("the task is not {status}"))
}

/// A host on which calls that last become tasks at once.
async fn quick() -> Host {
    let limits = Limits { task_after_ms: 10, tasks_per_caller: 2, ..Wishes::default().limits };
    Host::with(Wishes { limits, ..Wishes::default() }).await
}

pub fn id(task: &Value) -> String {
    task["taskId"].as_str().unwrap_or_else(|| panic!("no task: {task}")).to_owned()
}

/// Holds: task_after_ms.
/// Holds: tasks_per_caller.
#[tokio::test]
async fn a_call_that_lasts_becomes_a_task_of_a_client_that_follows_them() {
    let host = quick().await;
    let admin = host.admin().await;
    let lasts = "import asyncio\n\nasync def main(seconds: float) -> str:\n    await asyncio.sleep(seconds)\n    return 'done'\n";
    let tools = offer(&host, &admin, &[("lasts", lasts), ("waits", WAITS)]).await;
    let client = Client::of(&host);
    let made = call(&client, "s__lasts", json!({"seconds": 1})).await;
    assert_eq!((&made["resultType"], &made["status"]), (&json!("task"), &json!("working")), "{made}");
    assert!(made["ttlMs"].as_u64() == Some(3_630_000) && made["pollIntervalMs"].as_u64().is_some(), "{made}");
    assert!(made.get("requestState").is_none() && made.get("task").is_none(), "{made}");
    let done = until(&client, &id(&made), "completed").await;
    assert_eq!((&done["resultType"], &done["result"]["isError"]), (&json!("complete"), &json!(false)), "{done}");
    assert_eq!(done["result"]["content"][0]["text"], "done");
    assert!(made.get("statusMessage").is_none() && done.get("statusMessage").is_none(), "{made} {done}");
    let ack = about(&client, "tasks/cancel", &id(&made), json!({})).await["result"].clone();
    assert_eq!(ack["resultType"], "complete", "of one that is over nothing changes: {ack}");
    assert_eq!(until(&client, &id(&made), "completed").await["result"], done["result"]);

    let waits = call(&client, "s__waits", json!({})).await;
    about(&client, "tasks/cancel", &id(&waits), json!({})).await;
    let gone = until(&client, &id(&waits), "cancelled").await;
    assert!(gone.get("result").is_none() && gone.get("error").is_none(), "{gone}");
    assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled", "the guest is stopped");
    // There are as many as may be: the next stays a call.
    let told = call(&client, "s__lasts", json!({"seconds": 0.1})).await;
    assert_eq!(told["resultType"], "complete", "{told}");
}

#[tokio::test]
async fn tasks_are_for_clients_that_follow_them_and_for_their_callers() {
    let host = quick().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("waits", WAITS), ("echo", ECHO)]).await;
    let client = Client::of(&host);
    let discovered = client.modern(&[], "server/discover", json!({})).await.result().await;
    assert_eq!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"], json!({}));
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({"taskId": "x", "inputResponses": {}});
        let refused = client.modern(&[("mcp-name", "x")], method, params.clone()).await;
        assert_eq!(refused.status, 400, "{method}");
        let refused = refused.json().await;
        assert_eq!(refused["error"]["code"], -32021);
        let required = &refused["error"]["data"]["requiredCapabilities"]["extensions"];
        assert_eq!(required, &json!({"io.modelcontextprotocol/tasks": {}}));
        let unknown = about(&client, method, "01990000-0000-7000-8000-000000000002", params).await;
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
        let (session, _) = client.open("2025-11-25").await;
        assert_eq!(client.ask(&session, method, json!({"taskId": "x"})).await.code().await, (200, -32601));
    }
    for method in ["tasks/list", "tasks/result"] {
        assert_eq!(about(&client, method, "x", json!({})).await["error"]["code"], -32601);
    }
    let made = id(&call(&client, "s__waits", json!({})).await);
    let key = host.app().service().api_key_create(&Caller::operator(), "other").await.expect("a key").key;
    let bearer = format!("Bearer {key}");
    let params = json!({"taskId": made, "_meta": follows()});
    let headers = [("mcp-name", made.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(client.modern(&headers, "tasks/get", params).await.code().await, (200, -32602), "of another caller");
    let mismatch = client.modern(&[("mcp-name", "x")], "tasks/get", json!({"taskId": made, "_meta": follows()})).await;
    assert_eq!(mismatch.code().await, (400, -32020));
}

#[tokio::test]
async fn the_guest_of_a_task_asks_and_goes_on_with_the_answers() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let made = id(&call(&client, "task", desk::form("who?")).await);
    let asks = until(&client, &made, "input_required").await;
    assert_eq!(asks["inputRequests"]["who"]["params"]["message"], "who?", "{asks}");
    for (responses, status) in [
        (json!({"other": {"action": "accept"}, "who": {"action": "perhaps"}}), "input_required"),
        (json!({"who": {"action": "accept", "content": {"name": "Ada"}}}), "completed"),
    ] {
        let ack = about(&client, "tasks/update", &made, json!({"inputResponses": responses})).await["result"].clone();
        assert_eq!(ack["resultType"], "complete", "{ack}");
        let seen = until(&client, &made, status).await;
        if status == "completed" {
            assert!(seen["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{seen}");
        }
    }
}

/// Holds: task_ttl_s.
#[tokio::test]
async fn a_task_outlives_a_restart_until_it_expires() {
    let mut host = quick().await;
    let admin = host.admin().await;
    let lasts = "import time\n\ndef main() -> str:\n    time.sleep(0.3)\n    return 'done'\n";
    offer(&host, &admin, &[("lasts", lasts), ("waits", WAITS)]).await;
    let client = Client::of(&host);
    let done = id(&call(&client, "s__lasts", json!({})).await);
    until(&client, &done, "completed").await;
    let running = id(&call(&client, "s__waits", json!({})).await);
    host.restart().await;
    let client = Client::of(&host);
    assert_eq!(until(&client, &done, "completed").await["result"]["content"][0]["text"], "done");
    let failed = until(&client, &running, "failed").await;
    assert_eq!(failed["error"]["code"], -32603, "{failed}");
    assert!(failed["error"]["message"].as_str().is_some_and(|text| text.contains("again")), "{failed}");
    assert_eq!(failed["statusMessage"], failed["error"]["message"]);
    host.clock.turn(TimeDelta::seconds(3_631));
    for task in [&done, &running] {
        assert_eq!(about(&client, "tasks/get", task, json!({})).await["error"]["code"], -32602);
    }
    let stop = tokio_util::sync::CancellationToken::new();
    assert_eq!(host.app().service().tasks_prune(&stop).await.expect("the database answers"), 2);
}

/// How long what has not ended yet is kept at least, counted from its beginning.
async fn ttl_ms(client: &Client, task: &str) -> Option<u64> {
    about(client, "tasks/get", task, json!({})).await["result"]["ttlMs"].as_u64()
}

/// A host with a guest that asks as a task, one minute of keeping what came of it, and an hour of belief in whoever
/// runs it; the task.
async fn forgetful() -> (Host, String, String) {
    let limits = Limits { task_ttl_s: 60, task_lease_s: 3_600, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let made = id(&call(&client, "task", desk::form("who?")).await);
    until(&client, &made, "input_required").await;
    (host, tool, made)
}

/// Holds: task_ttl_s.
#[tokio::test]
async fn a_task_is_there_for_as_long_as_it_runs_and_what_came_of_it_for_a_while_longer() {
    let (host, _, made) = forgetful().await;
    let client = Client::of(&host).at(desk::ALONE);
    for _ in 0..3 {
        let before = ttl_ms(&client, &made).await;
        assert!(before >= Some(3_660_000), "{before:?}");
        host.clock.turn(TimeDelta::seconds(2_000));
        let renewed = async { while ttl_ms(&client, &made).await == before {} };
        tokio::time::timeout(PATIENCE, renewed).await.expect("whoever runs it says so");
    }
    let answers = json!({"inputResponses": {"who": {"action": "accept", "content": {"name": "Ada"}}}});
    about(&client, "tasks/update", &made, answers).await;
    let done = until(&client, &made, "completed").await;
    assert!(done["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{done}");
    host.clock.turn(TimeDelta::seconds(59));
    assert_eq!(until(&client, &made, "completed").await["result"], done["result"]);
    host.clock.turn(TimeDelta::seconds(3_660));
    assert_eq!(about(&client, "tasks/get", &made, json!({})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_guest_of_a_task_that_is_not_there_any_more_is_stopped() {
    let (host, tool, made) = forgetful().await;
    let client = Client::of(&host).at(desk::ALONE);
    // As when nothing could be written for so long.
    host.clock.turn(TimeDelta::seconds(3_661));
    for method in ["tasks/get", "tasks/cancel"] {
        assert_eq!(about(&client, method, &made, json!({})).await["error"]["code"], -32602, "{method}");
    }
    assert_eq!(outcome_of_last_call(&host, &tool).await, "cancelled");
}

#[tokio::test]
async fn the_guest_of_a_task_that_was_given_up_is_stopped() {
    let (host, tool, made) = forgetful().await;
    let client = Client::of(&host).at(desk::ALONE);
    let given_up = async {
        loop {
            // Whoever runs it may say so between the two: then it is believed for another hour.
            host.clock.turn(TimeDelta::seconds(3_650));
            let seen = about(&client, "tasks/get", &made, json!({})).await["result"].clone();
            if seen["status"] == "failed" {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.expect("nobody said in time that it runs");
    assert_eq!(outcome_of_last_call(&host, &tool).await, "cancelled");
    host.clock.turn(TimeDelta::seconds(50));
    until(&client, &made, "failed").await;
}

#[tokio::test]
async fn a_task_whose_guest_waits_for_answers_is_cancelled_as_any_other() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let client = Client::of(&host).at(desk::ALONE);
    let made = id(&call(&client, "task", desk::form("who?")).await);
    until(&client, &made, "input_required").await;
    let ack = about(&client, "tasks/cancel", &made, json!({})).await["result"].clone();
    assert_eq!(ack["resultType"], "complete", "{ack}");
    let gone = until(&client, &made, "cancelled").await;
    assert!(gone.get("inputRequests").is_none(), "nobody is asked any more: {gone}");
    assert_eq!(outcome_of_last_call(&host, &tool).await, "cancelled", "the guest is stopped");
    let late = json!({"inputResponses": {"who": {"action": "accept", "content": {"name": "Ada"}}}});
    about(&client, "tasks/update", &made, late).await;
    until(&client, &made, "cancelled").await;
}

#[tokio::test]
async fn what_a_guest_wrote_of_a_task_stays_in_its_order() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let asks = "async def main() -> dict:\n    ctx.become_task()\n    \
                await ctx.elicit('?', {'kind': str, 'day': str, 'n': int})\n    return {'kind': 1, 'day': 2, 'n': 3}\n";
    offer(&host, &admin, &[("asks", asks)]).await;
    let client = Client::of(&host);
    let made = id(&call(&client, "s__asks", json!({})).await);
    let asked = until(&client, &made, "input_required").await;
    let text = async || {
        let params = json!({"taskId": made, "_meta": follows()});
        client.modern(&[("mcp-name", &made)], "tasks/get", params).await.text().await
    };
    assert_in_order(&text().await, &["\"kind\":", "\"day\":", "\"n\":"]);
    let key = asked["inputRequests"].as_object().and_then(|asked| asked.keys().next()).expect("a question");
    let content = json!({"kind": "a", "day": "b", "n": 1});
    let answers = json!({"inputResponses": {key: {"action": "accept", "content": content}}});
    about(&client, "tasks/update", &made, answers).await;
    until(&client, &made, "completed").await;
    let done = text().await;
    let (_, structured) = done.split_once("\"structuredContent\"").expect("a result");
    assert_in_order(structured, &["\"kind\":", "\"day\":", "\"n\":"]);
}

/// Asks, and goes on for long when nobody answers.
const ASKS_AND_GOES_ON: &str = "import asyncio

async def main() -> str:
    ctx.become_task()
    try:
        await ctx.elicit('Who?', {'name': str})
    except ctx.ClientError:
        pass
    await asyncio.sleep(300)
";

#[tokio::test]
async fn a_task_whose_guest_waits_no_longer_asks_nobody() {
    let limits = Limits { answer_wait_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("asks", ASKS_AND_GOES_ON)]).await;
    let client = Client::of(&host);
    let made = id(&call(&client, "s__asks", json!({})).await);
    let goes_on = async {
        loop {
            let seen = until(&client, &made, "working").await;
            // It was something else in between.
            if seen["lastUpdatedAt"] != seen["createdAt"] {
                return seen;
            }
        }
    };
    let goes_on = tokio::time::timeout(PATIENCE, goes_on).await.expect("nobody answers");
    assert!(goes_on.get("inputRequests").is_none(), "{goes_on}");
    about(&client, "tasks/cancel", &made, json!({})).await;
    until(&client, &made, "cancelled").await;
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "cancelled");
}

#[tokio::test]
async fn every_process_on_the_database_tells_of_a_task_takes_answers_and_cancels() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tool = desk::offer(&admin).await;
    let beside = host.beside().await;
    let (here, there) = (Client::of(&host).at(desk::ALONE), Client::of(&beside).at(desk::ALONE));
    let asked = desk::form("who?");

    let made = id(&call(&here, "task", asked.clone()).await);
    let asks = until(&there, &made, "input_required").await;
    assert_eq!(asks["inputRequests"]["who"]["params"]["message"], "who?", "{asks}");
    let answers = json!({"inputResponses": {"who": {"action": "accept", "content": {"name": "Ada"}}}});
    about(&there, "tasks/update", &made, answers).await;
    let done = until(&there, &made, "completed").await;
    assert!(done["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("Ada")), "{done}");
    assert_eq!(until(&here, &made, "completed").await["result"], done["result"]);

    let made = id(&call(&here, "task", asked).await);
    until(&there, &made, "input_required").await;
    about(&there, "tasks/cancel", &made, json!({})).await;
    until(&here, &made, "cancelled").await;
    let logged = async { while outcome_of_last_call(&host, &tool).await != "cancelled" {} };
    tokio::time::timeout(PATIENCE, logged).await.expect("the guest is stopped where it runs");
    beside.stop().await;
}

/// Holds: task_lease_s.
#[tokio::test]
async fn the_task_of_a_process_that_was_killed_has_failed_when_nobody_says_any_more_that_it_runs() {
    let place = Installation::new().await;
    let quick = |lease| {
        [("MCPBOX_TASK_AFTER_MS", "10"), ("MCPBOX_TASK_LEASE_S", lease), ("MCPBOX_MCP_REQUESTS_PER_MINUTE", "100000")]
    };
    let mut serving = place.serve(&quick("3600")).await;
    admin(&mut serving).await.tool("s", "waits", WAITS).await;
    let believed = id(&call(&Client::of(&serving.door), "s__waits", json!({})).await);
    until(&Client::of(&serving.door), &believed, "working").await;
    serving.kill().await;
    let serving = place.serve(&quick("4")).await;
    let made = id(&call(&Client::of(&serving.door), "s__waits", json!({})).await);
    serving.kill().await;
    let serving = place.serve(&quick("4")).await;
    let client = Client::of(&serving.door);
    for _ in 0..2 {
        let failed = until(&client, &made, "failed").await;
        assert_eq!(failed["error"]["code"], -32603, "{failed}");
        assert!(
            failed["error"]["message"].as_str().is_some_and(|text| text.contains("call the tool again")),
            "{failed}"
        );
    }
    assert_eq!(place.read("SELECT count(*) FROM tasks WHERE status = 'failed'"), "1", "it is written down");
    until(&client, &believed, "working").await;
    // One that runs here is there for longer than a lease.
    let made = id(&call(&client, "s__waits", json!({})).await);
    let alive = || place.read("SELECT alive_until FROM tasks ORDER BY created_at DESC LIMIT 1");
    let begun = alive();
    let renewed = async {
        while alive() == begun {
            until(&client, &made, "working").await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("whoever runs it says so");
    serving.stop().await;
}
