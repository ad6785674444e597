//! `mcpbox stdio`: the executable as a client starts it.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::desk;
use crate::harness::Host;
use crate::mcp_client::{
    ECHO, PATIENCE, TALKS, WAITS, initialize, modern_params, offer, outcome_of_last_call, request,
};
use crate::program::{Installation, said};

/// A client and the process that it started.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    /// Beside a host that serves the same data.
    fn beside(host: &Host, line: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcpbox"));
        command.arg("stdio").args(line).env_clear().envs(host.environment()).envs(variables.iter().copied());
        Self::start(command)
    }

    fn start(mut command: tokio::process::Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("the executable starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, input, output }
    }

    async fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(text.as_bytes()).await.expect("it reads");
    }

    async fn say(&mut self, message: &Value) {
        self.write(&format!("{message}\n")).await;
    }

    /// The next message; none when it has ended.
    async fn hear(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("a line in time");
        line.expect("text").map(|line| serde_json::from_str(&line).expect("each line is a message"))
    }

    async fn heard(&mut self) -> Value {
        self.hear().await.expect("it goes on")
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.say(message).await;
        self.heard().await
    }

    async fn open(&mut self, version: &str) {
        let answer = self.ask(&initialize(version)).await;
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer}");
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }

    /// Ends its input; everything that it still says, and that it ended well.
    async fn end(mut self) -> Vec<Value> {
        self.input = None;
        let mut rest = Vec::new();
        while let Some(message) = self.hear().await {
            rest.push(message);
        }
        assert_eq!(self.child.wait().await.expect("it ends").code(), Some(0));
        rest
    }
}

#[tokio::test]
async fn a_client_of_either_era_is_served_beside_a_host_on_the_same_data() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO), ("talks", TALKS)]).await;
    let mut talk = Talk::beside(&host, &[], &[]);
    talk.open("2025-11-25").await;
    let listed = talk.ask(&request(1, "tools/list", &json!({}))).await;
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(names.contains(&"s__echo") && names.contains(&"mcpbox_list_servers"), "{names:?}");
    let call = json!({"name": "s__talks", "_meta": {"progressToken": 5}});
    let mut told = vec![talk.ask(&request(2, "tools/call", &call)).await];
    while told.last().is_some_and(|message| message["id"].is_null()) {
        told.push(talk.heard().await);
    }
    assert_eq!(told.len(), 4, "three steps and the answer: {told:?}");
    assert_eq!((&told[3]["id"], &told[3]["result"]["isError"]), (&json!(2), &json!(false)));

    let params = modern_params(json!({"name": "s__echo", "arguments": {"text": "x"}}));
    let answer = talk.ask(&request(3, "tools/call", &params)).await;
    assert_eq!(answer["result"]["structuredContent"], json!({"text": "x"}), "{answer}");
    assert_eq!(answer["result"]["resultType"], "complete");
    let discovered = talk.ask(&request(4, "server/discover", &modern_params(json!({})))).await;
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");

    // Started and stopped elsewhere, told here.
    let servers = host.model().done("mcpbox_list_servers", json!({})).await;
    host.model().done("mcpbox_stop_server", json!({"server_id": servers["servers"][0]["id"]})).await;
    assert_eq!(talk.heard().await["method"], "notifications/tools/list_changed");
    assert!(talk.end().await.is_empty());
}

#[tokio::test]
async fn one_server_is_served_alone_under_its_own_names() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let mut talk = Talk::beside(&host, &["--server", "s"], &[]);
    talk.open("2025-06-18").await;
    let listed = talk.ask(&request(1, "tools/list", &json!({}))).await;
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(1), "{listed}");
    let answer = talk.ask(&request(2, "tools/call", &json!({"name": "echo", "arguments": {"text": "x"}}))).await;
    assert_eq!(answer["result"]["structuredContent"], json!({"text": "x"}), "{answer}");
    talk.end().await;

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcpbox"));
    command.args(["stdio", "--server", "nobody"]).env_clear().envs(host.environment()).env("LOG_LEVEL", "off");
    assert!(said(command, "").await.refused().contains("`nobody`"));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_so_and_the_next_line_is_served() {
    let host = Host::start().await;
    let mut talk = Talk::beside(&host, &[], &[("MCPBOX_REQUEST_BODY_BYTES", "1024")]);
    let ping = request(1, "ping", &json!({}));
    let code = |answer: &Value| answer["error"]["code"].as_i64().unwrap_or(0);
    let early = talk.ask(&ping).await;
    assert_eq!((code(&early), &early["id"]), (-32600, &json!(1)), "there is no session yet");
    talk.write("{oops\n").await;
    let answer = talk.heard().await;
    assert_eq!((code(&answer), answer.get("id")), (-32700, None), "{answer}");
    talk.write(&format!("{}\n", "x".repeat(5_000))).await;
    let answer = talk.heard().await;
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("1024 bytes")), "{answer}");
    talk.write("\n   \r\n").await;
    talk.open("2025-11-25").await;
    assert_eq!(talk.ask(&ping).await["result"], json!({}));
    assert_eq!(code(&talk.ask(&initialize("2025-11-25")).await), -32600, "there is a session");
    assert_eq!(code(&talk.ask(&json!([ping.clone()])).await), -32600, "this version has no batches");
    assert_eq!(code(&talk.ask(&request(2, "nonsense", &json!({}))).await), -32601);
    // Nobody asked, nobody minds.
    talk.say(&json!({"jsonrpc": "2.0", "id": "x", "result": {}})).await;
    talk.say(&json!({"jsonrpc": "2.0", "method": "notifications/nonsense"})).await;
    assert_eq!(talk.ask(&ping).await["result"], json!({}));
    talk.end().await;

    let mut talk = Talk::beside(&host, &[], &[]);
    talk.open("2025-03-26").await;
    let answers = talk.ask(&json!([ping, request(2, "nonsense", &json!({}))])).await;
    assert_eq!((&answers[0]["result"], code(&answers[1])), (&json!({}), -32601), "{answers}");
    talk.end().await;
}

/// Holds: connection_requests.
#[tokio::test]
async fn requests_are_answered_side_by_side_and_stopped_when_they_are_cancelled() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("waits", WAITS), ("waits_too", WAITS), ("echo", ECHO)]).await;
    let mut talk = Talk::beside(&host, &[], &[("MCPBOX_CONNECTION_REQUESTS", "2")]);
    talk.open("2025-11-25").await;
    let wait = |id: u64, params: Value| request(id, "tools/call", &params);
    talk.say(&wait(1, json!({"name": "s__waits"}))).await;
    let echo = json!({"name": "s__echo", "arguments": {"text": "x"}});
    let answer = talk.ask(&wait(2, echo.clone())).await;
    assert_eq!(answer["id"], 2, "the first is not waited for: {answer}");
    let taken = talk.ask(&wait(1, echo.clone())).await;
    assert_eq!(taken["error"]["code"], -32600, "a request of this id is running");
    talk.say(&wait(3, modern_params(json!({"name": "s__waits_too"})))).await;
    let refused = talk.ask(&wait(4, echo.clone())).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(4), &json!(503)), "{refused}");
    for (id, tool) in [(1, &tools[0]), (3, &tools[1])] {
        talk.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
        assert_eq!(outcome_of_last_call(&host, tool).await, "cancelled");
    }
    assert_eq!(talk.ask(&wait(5, echo)).await["id"], 5, "there is room again, and no answer to what was cancelled");
    talk.end().await;
}

/// 2026-07-28, "stdio": a modern client is asked by the answer to its call, never by a request; a legacy one by a
/// request, once it has said that it is ready.
#[tokio::test]
async fn each_era_is_asked_in_its_own_way_over_one_connection() {
    let host = Host::start().await;
    let admin = host.admin().await;
    desk::offer(&admin).await;
    let mut talk = Talk::beside(&host, &["--server", "desk"], &[]);
    let mut hello = initialize("2025-11-25");
    hello["params"]["capabilities"] = json!({"elicitation": {}});
    talk.ask(&hello).await;
    let ask = json!({"name": "ask", "arguments": desk::form("who?")});
    talk.say(&request(1, "tools/call", &ask)).await;
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let mut modern = ask.clone();
    modern["_meta"] = meta;
    let asked = talk.ask(&request(2, "tools/call", &modern_params(modern.clone()))).await;
    assert_eq!((&asked["id"], &asked["result"]["resultType"]), (&json!(2), &json!("input_required")), "{asked}");
    talk.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let question = talk.heard().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    let told = talk.ask(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    assert!(told["id"] == 1 && told["result"].to_string().contains("Ada"), "{told}");
    modern["inputResponses"] = json!({"who": answer});
    modern["requestState"] = asked["result"]["requestState"].clone();
    let told = talk.ask(&request(3, "tools/call", &modern_params(modern))).await;
    assert!(told["id"] == 3 && told["result"].to_string().contains("Ada"), "{told}");
    assert!(talk.end().await.is_empty());
}

/// 2026-07-28, "stdio": of a request that was cancelled nothing more is said. 2025-11-25, "Cancellation": why it was
/// is in the log.
#[tokio::test]
async fn of_a_cancelled_request_nothing_more_is_said_and_the_log_says_why() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let chatters = "def main():\n    for step in range(1, 1_000_000_000):\n        progress(step)\n";
    let tools = offer(&host, &admin, &[("chatters", chatters)]).await;
    let mut talk = Talk::beside(&host, &[], &[]);
    talk.open("2025-11-25").await;
    for (id, params) in [(1, json!({})), (2, modern_params(json!({})))] {
        let mut params = params;
        params["name"] = json!("s__chatters");
        params["_meta"]["progressToken"] = json!(id);
        let first = talk.ask(&request(id, "tools/call", &params)).await;
        assert_eq!(first["method"], "notifications/progress", "{first}");
        talk.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
        talk.say(&request(100 + id, "ping", &json!({}))).await;
        while talk.heard().await["id"] != 100 + id {}
        let logged = async { while outcome_of_last_call(&host, &tools[0]).await != "cancelled" {} };
        tokio::time::timeout(PATIENCE, logged).await.expect("the guest is stopped");
        assert_eq!(talk.ask(&request(200 + id, "ping", &json!({}))).await["id"], 200 + id, "nothing came after it");
    }
    talk.end().await;

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcpbox"));
    command.arg("stdio").env_clear().envs(host.environment()).env("LOG_LEVEL", "debug");
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 7, "reason": "the person changed her mind"}});
    let whole = said(command, &format!("{}\n{cancel}\n", initialize("2025-11-25"))).await;
    assert!(whole.stderr.contains("the person changed her mind"), "{}", whole.stderr);
}

/// 2026-07-28, "stdio": a server exits promptly when its input is closed.
#[tokio::test]
async fn a_call_does_not_hold_up_the_end_for_longer_than_any_stop() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("waits", WAITS)]).await;
    let mut talk = Talk::beside(&host, &[], &[("MCPBOX_STOP_GRACE_S", "1")]);
    talk.open("2025-11-25").await;
    talk.say(&request(1, "tools/call", &json!({"name": "s__waits"}))).await;
    talk.ask(&request(2, "ping", &json!({}))).await;
    assert!(talk.end().await.is_empty(), "nothing is said of a call that was ended");
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "cancelled");
}

/// Nothing that a client does keeps the process: neither the end of its input nor a signal waits for it to read.
#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for() {
    let place = Installation::new().await;
    for by_signal in [false, true] {
        let mut command = place.command(&["stdio"]);
        command.env("MCPBOX_STOP_GRACE_S", "1");
        let mut talk = Talk::start(command);
        talk.open("2025-11-25").await;
        let list = request(1, "tools/list", &json!({}));
        talk.ask(&list).await;
        for _ in 0..400 {
            talk.say(&list).await;
        }
        let pid = talk.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        match by_signal {
            true => kill_process(pid, Signal::TERM).expect("a signal is sent"),
            false => talk.input = None,
        }
        let ended = tokio::time::timeout(PATIENCE, talk.child.wait()).await.expect("it ends in time");
        assert_eq!(ended.expect("it ends").code(), Some(0), "{by_signal}");
    }
}

#[tokio::test]
async fn a_client_that_says_in_a_batch_that_it_is_ready_hears_of_changes() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let mut talk = Talk::beside(&host, &[], &[("MCPBOX_SSE_KEEP_ALIVE_S", "1")]);
    talk.ask(&initialize("2025-03-26")).await;
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answers = talk.ask(&json!([ready, request(1, "ping", &json!({}))])).await;
    assert_eq!(answers[0]["result"], json!({}), "{answers}");
    talk.ask(&request(2, "tools/list", &json!({}))).await;
    let servers = host.model().done("mcpbox_list_servers", json!({})).await;
    host.model().done("mcpbox_stop_server", json!({"server_id": servers["servers"][0]["id"]})).await;
    assert_eq!(talk.heard().await["method"], "notifications/tools/list_changed");
    talk.end().await;
}

/// 2026-07-28, "Graceful Closure": a subscription ends with its result when the host stops.
#[tokio::test]
async fn a_subscription_is_told_its_end_before_the_process_stops() {
    let place = Installation::new().await;
    let mut talk = Talk::start(place.command(&["stdio"]));
    let listen = modern_params(json!({"notifications": {"toolsListChanged": true}}));
    let acknowledged = talk.ask(&request(7, "subscriptions/listen", &listen)).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    let pid = talk.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
    kill_process(pid, Signal::TERM).expect("a signal is sent");
    let ended = talk.heard().await;
    assert_eq!((&ended["id"], &ended["result"]["resultType"]), (&json!(7), &json!("complete")), "{ended}");
    assert_eq!(talk.hear().await, None);
    assert_eq!(talk.child.wait().await.expect("it ends").code(), Some(0));
}

#[tokio::test]
async fn the_end_of_its_input_waits_for_what_runs() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let mut talk = Talk::beside(&host, &[], &[]);
    talk.open("2025-11-25").await;
    for id in 1..=5 {
        talk.say(&request(id, "tools/call", &json!({"name": "s__echo", "arguments": {"text": "x"}}))).await;
    }
    // What only listens does not hold it up.
    let listen = modern_params(json!({"notifications": {"toolsListChanged": true}}));
    talk.say(&request(9, "subscriptions/listen", &listen)).await;
    let mut ids: Vec<u64> = talk.end().await.iter().filter_map(|answer| answer["id"].as_u64()).collect();
    ids.retain(|id| *id != 9);
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn it_starts_on_an_empty_folder_and_stops_in_order() {
    let place = Installation::new().await;
    let mut talk = Talk::start(place.command(&["stdio"]));
    talk.open("2025-11-25").await;
    let create = json!({"name": "mcpbox_create_server", "arguments": {"name": "kept"}});
    let made = talk.ask(&request(1, "tools/call", &create)).await;
    assert_eq!(made["result"]["isError"], false);
    let id = talk.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
    kill_process(id, Signal::TERM).expect("a signal is sent");
    assert_eq!(talk.hear().await, None);
    assert_eq!(talk.child.wait().await.expect("it ends").code(), Some(0));
    assert_eq!(place.read("SELECT count(*) FROM servers"), "1");
}

#[tokio::test]
async fn it_shows_what_clients_of_this_machine_are_shown_and_lists_what_was_wished() {
    let host = Host::start().await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("echo", ECHO)]).await;
    let list = request(1, "tools/list", &json!({}));
    let call = request(2, "tools/call", &json!({"name": "s__echo", "arguments": {"text": "x"}}));
    let mut talk = Talk::beside(&host, &["--tools", "search"], &[]);
    talk.open("2025-11-25").await;
    let listed = talk.ask(&list).await["result"]["tools"].clone();
    let names: Vec<&str> = listed.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(names.ends_with(&["mcpbox_search_tools", "mcpbox_call_tool"]), "{names:?}");
    assert_eq!(talk.ask(&call).await["result"]["structuredContent"], json!({"text": "x"}));
    talk.end().await;

    let nothing = json!({"servers": [], "management": false});
    admin.ask(reqwest::Method::PUT, "/api/mcp/profiles/local", Some(nothing)).await;
    let mut talk = Talk::beside(&host, &[], &[]);
    talk.open("2025-11-25").await;
    assert_eq!(talk.ask(&list).await["result"]["tools"], json!([]));
    assert_eq!(talk.ask(&call).await["error"]["code"], -32602);
    talk.end().await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_mcpbox"));
    command.args(["stdio", "--server", "s"]).env_clear().envs(host.environment()).env("LOG_LEVEL", "off");
    assert!(said(command, "").await.refused().contains("`s`"), "what is not shown is not there");
}
