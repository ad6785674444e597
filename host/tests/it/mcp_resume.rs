//! Streams of calls that broke or were closed, and go on where they stopped.

use mcpbox::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Host, Wishes};
use crate::mcp_client::{Answer, Client, WAITS, offer, outcome_of_last_call};

/// Says something, works on, says something again.
const STEPS: &str = "import asyncio\n\nasync def main() -> str:\n    progress(1)\n    await asyncio.sleep(1.2)\n    \
                     progress(2)\n    return 'done'\n";

/// Says nothing for longer than two streams are open.
const SILENT: &str = "import asyncio\n\nasync def main() -> str:\n    await asyncio.sleep(2.6)\n    return 'done'\n";

fn call() -> Value {
    json!({"name": "s__steps", "_meta": {"progressToken": "p"}})
}

/// The id of an event, and its message; none in one that has no data.
fn read(event: &str) -> (String, Option<Value>) {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").filter(|data| !data.is_empty());
    (field("id: ").unwrap_or_default().to_owned(), data.map(|data| serde_json::from_str(data).expect("JSON")))
}

/// Everything to the end of a stream: of each message its kind.
async fn rest(mut stream: Answer) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(event) = stream.event().await {
        if let (_, Some(message)) = read(&event) {
            let kind = match message["method"].as_str() {
                Some(method) => format!("{method} {}", message["params"]["progress"]),
                None => format!("answer {}", message["result"]["structuredContent"]["result"]),
            };
            said.push(kind);
        }
    }
    said
}

#[tokio::test]
async fn a_client_whose_connection_broke_reads_on_where_it_stopped() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("steps", STEPS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut broken = client.ask(&session, "tools/call", call()).await;
    assert_eq!(broken.piece().await.as_deref(), Some(":\n\n"), "the first byte comes at once");
    let primer = broken.event().await.expect("a primer");
    assert!(primer.starts_with("id: call-") && primer.ends_with("\nretry: 1000\ndata: \n\n"), "{primer}");
    let (start, _) = read(&primer);
    let (first, message) = read(&broken.event().await.expect("an event"));
    assert_eq!(message.expect("a message")["params"]["progress"], 1.0);
    drop(broken);

    // While it runs, and after its end, from any event on, as often as a client likes.
    let resumed = client.listen(&session, &[("last-event-id", &first)]).await;
    assert_eq!((resumed.status, resumed.headers["x-accel-buffering"].to_str().ok()), (200, Some("no")));
    assert_eq!(rest(resumed).await, ["notifications/progress 2.0", "answer \"done\""]);
    assert_eq!(outcome_of_last_call(&host, &tools[0]).await, "returned", "it ran once, to its end");
    let whole = client.listen(&session, &[("last-event-id", &start)]).await;
    assert_eq!(rest(whole).await, ["notifications/progress 1.0", "notifications/progress 2.0", "answer \"done\""]);

    let (other, _) = client.open("2025-11-25").await;
    for (session, event, status) in
        [(&other, first.as_str(), 405), (&session, &format!("{start}9"), 405), (&session, "call-0-0", 405)]
    {
        assert_eq!(client.listen(session, &[("last-event-id", event)]).await.status, status, "{event}");
    }
}

/// Clients of the official SDK take a stream up again that ended with an error, or with nothing: only 405 tells them
/// that there is no more.
#[tokio::test]
async fn a_stream_that_was_read_to_its_end_is_not_taken_up_again() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let tools = offer(&host, &admin, &[("steps", STEPS), ("waits", WAITS)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let whole = async |mut stream: Answer| {
        let mut last = String::new();
        while let Some(event) = stream.event().await {
            let (id, _) = read(&event);
            last = if id.is_empty() { last } else { id };
        }
        last
    };
    let answered = whole(client.ask(&session, "tools/call", call()).await).await;
    let waits = json!({"name": "s__waits", "_meta": {"progressToken": "p"}});
    let mut cancelled = client.ask(&session, "tools/call", waits).await;
    let (start, _) = read(&cancelled.event().await.expect("a primer"));
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(client.post(&[("mcp-session-id", &session)], &cancel).await.status, 202);
    assert_eq!(whole(cancelled).await, "", "nothing more is said");
    assert_eq!(outcome_of_last_call(&host, &tools[1]).await, "cancelled");
    for last in [answered, start] {
        assert_eq!(client.listen(&session, &[("last-event-id", &last)]).await.status, 405, "{last}");
    }
}

/// Holds: stream_poll_s.
#[tokio::test]
async fn a_long_stream_is_closed_and_the_client_comes_back_for_the_answer() {
    let limits = Limits { stream_poll_s: 1, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    offer(&host, &admin, &[("steps", STEPS), ("silent", SILENT)]).await;
    let client = Client::of(&host);
    let (session, _) = client.open("2025-11-25").await;
    let mut stream = client.ask(&session, "tools/call", call()).await;
    let mut events = Vec::new();
    while let Some(event) = stream.event().await {
        events.push(event);
    }
    assert_eq!(events.last().map(String::as_str), Some("retry: 1000\n\n"), "{events:?}");
    let (last, _) = read(&events[events.len() - 2]);
    let said = rest(client.listen(&session, &[("last-event-id", &last)]).await).await;
    assert_eq!(said, ["notifications/progress 2.0", "answer \"done\""]);

    // While nothing is said there is still a place to come back to, on each stream anew.
    let mut stream =
        client.ask(&session, "tools/call", json!({"name": "s__silent", "_meta": {"progressToken": 1}})).await;
    let mut streams = 1;
    let answer = loop {
        let mut last = String::new();
        let mut answer = None;
        while let Some(event) = stream.event().await {
            let (id, message) = read(&event);
            last = if id.is_empty() { last } else { id };
            answer = answer.or(message);
        }
        match answer {
            Some(answer) => break answer,
            None => stream = client.listen(&session, &[("last-event-id", &last)]).await,
        }
        streams += 1;
    };
    assert!(streams > 2 && answer["result"]["structuredContent"]["result"] == "done", "{streams}: {answer}");

    // A client of before does not come back: its stream stays.
    let (older, _) = client.open("2025-06-18").await;
    let mut stream = client.ask(&older, "tools/call", call()).await;
    let (first, message) = read(&stream.event().await.expect("an event"));
    assert!(message.is_some() && first.starts_with("call-"), "no primer, but an id");
    assert_eq!(rest(stream).await, ["notifications/progress 2.0", "answer \"done\""]);
}

#[tokio::test]
async fn a_client_that_can_be_asked_gets_a_stream_and_others_do_not() {
    let host = Host::start().await;
    let client = Client::of(&host);
    let call = json!({"name": "mcpbox_list_servers"});
    for (capabilities, kind) in [
        (json!({}), "application/json"),
        (json!({"experimental": {}}), "application/json"),
        (json!({"elicitation": {}}), "text/event-stream"),
        (json!({"roots": {"listChanged": true}}), "text/event-stream"),
    ] {
        let mut hello = crate::mcp_client::initialize("2025-06-18");
        hello["params"]["capabilities"] = capabilities.clone();
        let answer = client.post(&[], &hello).await;
        let session = answer.headers["mcp-session-id"].to_str().expect("text").to_owned();
        let answer = client.ask(&session, "tools/call", call.clone()).await;
        assert_eq!(answer.headers["content-type"], kind, "{capabilities}");
    }
}
