//! What `/metrics` shows of a product that is used: everything that is declared, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use mcpbox::telemetry::metrics::TABLE;
use reqwest::Method;
use serde_json::json;

use crate::external_sources::{added, discover, import};
use crate::harness::Door;
use crate::mcp_client::{ECHO, FAILS, PATIENCE};
use crate::peer::{Era, Peer};
use crate::program::Installation;

/// What a text says: the kind of each metric that it describes, and the labels of each that has numbers.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    kinds: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn shown(text: &str) -> Shown {
    let mut shown = Shown::default();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            shown.kinds.insert(name.to_owned(), kind.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap_or_default(), ""));
            let parts = ["_bucket", "_sum", "_count"].into_iter().filter_map(|part| name.strip_suffix(part));
            let name = parts.into_iter().find(|name| shown.kinds.contains_key(*name)).unwrap_or(name);
            let keys = labels.rsplit_once('}').map_or("", |(labels, _)| labels).split("\",");
            let keys = keys.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).filter(|key| key != "le");
            shown.labels.entry(name.to_owned()).or_default().extend(keys);
        }
    }
    shown
}

/// What the table declares, in the same form.
fn declared() -> Shown {
    let mut declared = Shown::default();
    for row in TABLE {
        declared.kinds.insert(row.name.to_owned(), row.kind.word().to_owned());
        declared.labels.insert(row.name.to_owned(), row.labels.iter().map(|label| (*label).to_owned()).collect());
    }
    declared
}

async fn read(door: &Door) -> Shown {
    let (.., text) = door.send(Method::GET, "/metrics", None, &[], None).await;
    shown(text.as_str().expect("text"))
}

/// Uses every part of the product that counts something.
async fn walk(door: &Door, code: &str) {
    let admin = door.setup(code).await;
    let fetch = "async def main():\n    await http.get('http://nowhere.example/')\n";
    let waits = "import asyncio\n\nasync def main():\n    progress(1)\n    await asyncio.sleep(300)\n";
    let (server, _) = admin.tool("s", "echo", ECHO).await;
    for (name, source) in [("fails", FAILS), ("fetch", fetch), ("waits", waits)] {
        admin.another_tool(&server, name, source).await;
    }
    let model = door.model();
    model.done("s__echo", json!({"text": "x"})).await;
    model.failed("s__fails", json!({})).await;
    model.failed("s__fetch", json!({})).await;
    // A source on this machine.
    let peer = Peer::start(Era::Modern).await;
    let source = added(&admin, &server, "peer", &peer.url(), json!({})).await;
    discover(&admin, &source).await;
    import(&admin, &source, &["echo"]).await;
    model.done("s__peer_echo", json!({"text": "x"})).await;
    // The one place is taken: a further call waits for it, in vain.
    let running = model.calling("s__waits", json!({})).await;
    let (status, answer) = model.request("tools/call", json!({"name": "s__echo", "arguments": {}})).await;
    assert_eq!(status.as_u16(), 503, "{answer}");
    drop(running);
    // A session of an older client.
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello});
    let accept = [("accept", "application/json, text/event-stream")];
    let (status, ..) = door.send(Method::POST, "/mcp", None, &accept, Some(&body)).await;
    assert_eq!(status.as_u16(), 200);
}

#[tokio::test]
async fn everything_that_is_declared_is_seen_and_everything_seen_is_declared() {
    let installation = Installation::new().await;
    // A process of its own: the other tests of this one count too.
    let serving = installation.serve(&[("MCPBOX_CALLS_AT_ONCE", "1"), ("MCPBOX_CALL_WAIT_MS", "100")]).await;
    let code = std::fs::read_to_string(installation.data_dir().join("setup-code")).expect("a setup code");
    walk(&serving.door, code.trim()).await;
    let mut last = Shown::default();
    // Rows of calls are written, and instances prepared, in the background.
    let complete = async {
        while last.labels != declared().labels {
            last = read(&serving.door).await;
        }
    };
    let all_there = tokio::time::timeout(PATIENCE, complete).await.is_ok();
    let lacking: Vec<_> = declared().labels.into_keys().filter(|name| !last.labels.contains_key(name)).collect();
    assert!(all_there, "never seen: {lacking:?}; seen: {last:?}");
    assert_eq!(last, declared());
    serving.stop().await;
}

#[test]
fn a_text_is_read_as_it_is_written() {
    let text = "# HELP a_total Some.\n# TYPE a_total counter\na_total{x=\"1\",y=\"a=b\"} 3\n\n# TYPE b histogram\n\
                b_bucket{x=\"1\",le=\"0.5\"} 1\nb_sum{x=\"1\"} 0.1\nb_count{x=\"1\"} 1\n# TYPE c gauge\nc 0\nd_sum 4\n";
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
    let shown = shown(text);
    let labels = [("a_total", set(&["x", "y"])), ("b", set(&["x"])), ("c", set(&[])), ("d_sum", set(&[]))];
    assert_eq!(shown.labels, labels.map(|(name, keys)| (name.to_owned(), keys)).into());
    let kinds = [("a_total", "counter"), ("b", "histogram"), ("c", "gauge")];
    assert_eq!(shown.kinds, kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).into());
}
