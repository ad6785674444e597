//! A database that answers and takes no write: the host says so, and can be stopped.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::mcp_client::PATIENCE;
use crate::program::{Installation, Serving};

/// Leaves a row of the activity log on its way.
async fn ask(serving: &Serving) {
    serving.door.model().tools().await;
}

async fn until_unready(serving: &Serving) {
    let ready = async || serving.door.send(Method::GET, "/health/ready", None, &[], None).await.0 == StatusCode::OK;
    let unready = async { while ready().await {} };
    tokio::time::timeout(PATIENCE, unready).await.expect("it is not ready for ever");
}

/// Holds: stop_write_s.
#[tokio::test]
async fn a_host_whose_rows_do_not_get_through_is_not_ready_and_stops_all_the_same() {
    let place = Installation::new().await;
    let serving = place.serve(&[("MCPBOX_STOP_WRITE_S", "1"), ("MCPBOX_LOG_QUEUE_ROWS", "2")]).await;
    let held = place.hold_writes().await;
    ask(&serving).await;
    until_unready(&serving).await;
    serving.terminate();
    let told = serving.failed().await;
    assert!(told.contains("rows of the logs are lost"), "{told}");
    drop(held);
    place.serve(&[]).await.stop().await;
}

#[tokio::test]
async fn a_third_order_to_stop_ends_the_process_whatever_it_waits_for() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[("MCPBOX_STOP_WRITE_S", "3600")]).await;
    let _held = place.hold_writes().await;
    ask(&serving).await;
    for words in ["a second signal ends them", "a third signal ends the process"] {
        serving.terminate();
        serving.logs(words).await;
    }
    serving.terminate();
    let told = serving.failed().await;
    assert!(told.contains("rows of its logs may be lost"), "{told}");
}

#[tokio::test]
async fn a_log_line_tells_what_is_behind_an_error() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[]).await;
    place.read("ALTER TABLE activity_logs RENAME TO gone");
    ask(&serving).await;
    let line = serving.logs("log rows could not be written").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let error = line["error"].as_str().expect("a text");
    let (ours, cause) = ("the database could not append to the activity log: ", ["no such table", "does not exist"]);
    assert!(error.starts_with(ours) && cause.iter().any(|words| error.contains(words)), "{error}");
    serving.kill().await;
}
