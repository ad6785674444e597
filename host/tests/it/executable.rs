//! The executable as a service: it starts, says where it is, keeps what it answered through orders to
//! stop and through kill -9, and says in one line why it does not start.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Door, PASSWORD};
use crate::program::{Installation, Serving};

/// Reports progress, so that a test knows that it runs, and then works for a while.
const SLOW: &str = "\
import asyncio
async def main() -> int:
    progress(1)
    print('begun', flush=True)
    await asyncio.sleep(0.5)
    return 42
";

const ENDLESS: &str = "\
def main() -> int:
    progress(1)
    print('begun', flush=True)
    while True: pass
";

/// The first administrator.
pub async fn admin(serving: &mut Serving) -> Admin<'_> {
    let code = setup_code(serving).await;
    serving.door.setup(&code).await
}

/// The setup code that the host prints.
async fn setup_code(serving: &mut Serving) -> String {
    serving.hear("No administrator yet").await;
    serving.hear("with this code").await;
    serving.hear("/auth/setup").await.lines().next().expect("a line").trim().to_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The last row of a tool's log, as the host tells it.
async fn last_call(door: &Door, tool: &str) -> Value {
    let logs = door.model().done("mcpbox_get_tool_logs", json!({"tool_id": tool})).await;
    assert_eq!(logs["logs"].as_array().map(Vec::len), Some(1), "{logs}");
    logs["logs"][0].clone()
}

#[tokio::test]
async fn it_says_first_where_it_listens_and_then_how_to_begin() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[]).await;
    let port = serving.first.strip_prefix("http://127.0.0.1:").expect("an address on loopback");
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{}", serving.first);
    let (status, _, answer) = serving.door.send(Method::GET, "/health", None, &[], None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let code = setup_code(&mut serving).await;
    let kept = std::fs::read_to_string(place.data_dir().join("setup-code")).expect("the code is kept in a file");
    assert_eq!(kept.trim(), code);
    let rest = serving.hear("mcpbox tool approve").await;
    let configuration =
        format!("{{\"mcpServers\": {{\"mcpbox\": {{\"type\": \"http\", \"url\": \"{}/mcp\"}}}}}}", serving.first);
    assert!(rest.contains(&configuration), "{rest}");
    serving.stop().await;
}

#[tokio::test]
async fn its_data_is_for_nobody_else_and_the_same_at_the_second_start() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[]).await;
    admin(&mut serving).await;
    let made = serving.door.model().done("mcpbox_create_server", json!({"name": "kept"})).await;
    assert_eq!(mode(&place.data_dir()), 0o700);
    let mut files: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(place.data_dir()).expect("a folder") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files.push(path.file_name().expect("a name").to_string_lossy().into_owned());
    }
    assert!(files.contains(&"encryption-key".to_owned()), "{files:?}");
    assert_eq!(files.contains(&"mcpbox.db".to_owned()), place.is_sqlite(), "{files:?}");
    let key = std::fs::read_to_string(place.data_dir().join("encryption-key")).expect("a key");
    serving.stop().await;

    let mut serving = place.serve(&[]).await;
    let said = serving.hear("mcpbox tool approve").await;
    assert!(!said.contains("No administrator yet"), "{said}");
    assert!(!place.data_dir().join("setup-code").exists(), "it has done its work");
    let again = std::fs::read_to_string(place.data_dir().join("encryption-key")).expect("a key");
    assert_eq!(again, key);
    let found = serving.door.model().done("mcpbox_get_server", json!({"server_id": made["id"]})).await;
    assert_eq!(found["name"], json!("kept"));
    serving.door.login("ada").await;
    serving.stop().await;
}

#[tokio::test]
async fn an_order_to_stop_lets_a_running_call_finish_and_keeps_its_row() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[("MCPBOX_STOP_GRACE_S", "60")]).await;
    let (_, tool) = admin(&mut serving).await.tool("slow", "work", SLOW).await;
    let calling = serving.door.model().calling("slow__work", json!({})).await;
    serving.terminate();
    serving.logs("stopping").await;
    let result = calling.result().await;
    assert_eq!(result["structuredContent"], json!({"result": 42}), "{result}");
    serving.ended().await;

    let serving = place.serve(&[]).await;
    let row = last_call(&serving.door, &tool).await;
    assert_eq!((&row["outcome"], &row["stdout"]), (&json!("returned"), &json!("begun\n")), "{row}");
    serving.stop().await;
}

/// Holds: stop_grace_s.
#[tokio::test]
async fn an_endless_call_is_ended_after_the_grace_and_keeps_its_row() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[("MCPBOX_STOP_GRACE_S", "1")]).await;
    let (_, tool) = admin(&mut serving).await.tool("loops", "spin", ENDLESS).await;
    let calling = serving.door.model().calling("loops__spin", json!({})).await;
    serving.terminate();
    let result = calling.result().await;
    assert_eq!(result["isError"], json!(true), "{result}");
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("cancelled")), "{result}");
    serving.ended().await;

    let serving = place.serve(&[]).await;
    let row = last_call(&serving.door, &tool).await;
    assert_eq!((&row["outcome"], &row["stdout"]), (&json!("cancelled"), &json!("begun\n")), "{row}");
    serving.stop().await;
}

#[tokio::test]
async fn a_second_order_to_stop_ends_running_calls_at_once() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[("MCPBOX_STOP_GRACE_S", "600")]).await;
    admin(&mut serving).await.tool("loops", "spin", ENDLESS).await;
    let calling = serving.door.model().calling("loops__spin", json!({})).await;
    serving.terminate();
    serving.logs("stopping").await;
    serving.terminate();
    let result = calling.result().await;
    assert_eq!(result["isError"], json!(true), "{result}");
    serving.ended().await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_kill_9() {
    let place = Installation::new().await;
    let answered: RefCell<Vec<(String, String)>> = RefCell::default();
    for round in 0..4 {
        let serving = place.serve(&[]).await;
        let before = answered.borrow().clone();
        check(&serving.door, &before).await;
        let write = async |writer: &str, many: usize| {
            for number in 0..many {
                let name = format!("{writer}{round}n{number}");
                let (server, _) = serving.door.model().make(&name, "tool", "def main(): pass").await;
                answered.borrow_mut().push((server, name));
            }
        };
        // The second writer is in the middle of something when the first is done and the end comes.
        tokio::select! {
            () = write("a", 5) => {}
            () = write("b", usize::MAX) => {}
        }
        serving.kill().await;
    }
    let answered = answered.into_inner();
    assert!(answered.len() >= 20);
    let serving = place.serve(&[]).await;
    check(&serving.door, &answered).await;
    serving.stop().await;
    if place.is_sqlite() {
        assert_eq!(place.read("PRAGMA integrity_check"), "ok");
    }
}

/// Each server is there with its tool.
async fn check(door: &Door, answered: &[(String, String)]) {
    for (id, name) in answered {
        let tools = door.model().done("mcpbox_list_tools", json!({"server_id": id})).await;
        assert_eq!(tools["tools"][0]["name"], json!("tool"), "{name}: {tools}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_in_one_line() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let place = Installation::new().await;
    let line = place.run(&["serve", "--port", &port]).await.refused();
    assert!(line.contains(&port) && line.contains("MCPBOX_BACKEND_PORT"), "{line}");
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_told_in_one_line() {
    let place = Installation::new().await;
    let zero = "0".repeat(64);
    for (variable, value, words) in [
        ("MCPBOX_ENCRYPTION_KEY", "abc", "64 hexadecimal"),
        ("MCPBOX_ENCRYPTION_KEY", &zero, "all zero"),
        ("MCPBOX_CALL_TIME_MS", "1", "MCPBOX_CALL_TIME_MS=1 is outside 100 to 300000"),
        ("MCPBOX_CALL_TIME_MS", "soon", "MCPBOX_CALL_TIME_MS=soon is not a whole number"),
        ("DATABASE_URL", "mysql://me:hunter22@host/db", "DATABASE_URL begins with `mysql:`"),
        ("DATABASE_URL", "sqlite::memory:", "names no file"),
        ("DATABASE_URL", "postgres://me:hunter22@127.0.0.1:1/none", "127.0.0.1:1/none"),
        ("LOG_LEVEL", "loud=very", "LOG_LEVEL"),
    ] {
        let mut command = place.command(&["serve"]);
        command.env("DB_POOL_TIMEOUT", "1").env(variable, value);
        let line = crate::program::said(command, "").await.refused();
        assert!(line.contains(words), "{variable}={value}: {line}");
        assert!(!line.contains("hunter22"), "{line}");
    }
}

#[tokio::test]
async fn a_data_folder_that_others_may_enter_is_refused() {
    let place = Installation::new().await;
    std::fs::create_dir(place.data_dir()).expect("a folder");
    std::fs::set_permissions(place.data_dir(), std::fs::Permissions::from_mode(0o750)).expect("opened");
    let line = place.run(&["serve"]).await.refused();
    assert!(line.contains(&format!("chmod 700 {}", place.data_dir().display())), "{line}");
    let said = place.run(&["admin", "key", "list"]).await.refused();
    assert!(said.contains("chmod 700"), "{said}");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let place = Installation::new().await;
    place.serve(&[]).await.stop().await;
    let key = place.data_dir().join("encryption-key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("opened");
    let line = place.run(&["serve"]).await.refused();
    assert!(line.contains("chmod 600") && line.contains("encryption-key"), "{line}");
}

/// Fault: 3.variables.
#[tokio::test]
async fn a_file_of_settings_counts_where_the_environment_says_nothing() {
    let place = Installation::new().await;
    std::fs::write(place.folder().join(".env"), "MCPBOX_CALL_TIME_MS=7777\nMCPBOX_CALL_CPU_S=9\n").expect("written");
    let mut serving = place.serve(&[("MCPBOX_CALL_CPU_S", "11")]).await;
    let admin = admin(&mut serving).await;
    let limits = admin.ask(Method::GET, "/api/limits", None).await;
    let in_force = |name: &str| {
        let rows = limits["items"].as_array().or(limits.as_array()).expect("rows");
        rows.iter().find(|row| row["name"] == name).map(|row| row["value"].clone())
    };
    assert_eq!(in_force("call_time_ms"), Some(json!(7777)), "{limits}");
    assert_eq!(in_force("call_cpu_s"), Some(json!(11)), "{limits}");
    serving.stop().await;
}

#[tokio::test]
async fn a_file_of_settings_in_a_folder_above_counts_for_nothing() {
    let place = Installation::new().await;
    std::fs::write(place.folder().join(".env"), "MCPBOX_CALL_TIME_MS=1\nMCPBOX_UV=/bin/false\n").expect("written");
    let below = place.folder().join("below");
    std::fs::create_dir(&below).expect("a folder");
    let list = ["tool", "run", "tool.py"];
    std::fs::write(below.join("tool.py"), "def main() -> int:\n    return 1\n").expect("written");
    let run = async || {
        let mut command = place.command(&list);
        command.current_dir(&below);
        crate::program::said(command, "").await
    };
    assert_eq!(run().await.done(), "1\n");
    // A folder of this name is no file of settings, and a file in the working folder is one.
    std::fs::create_dir(below.join(".env")).expect("a folder");
    assert_eq!(run().await.done(), "1\n");
    std::fs::remove_dir(below.join(".env")).expect("removed");
    std::fs::copy(place.folder().join(".env"), below.join(".env")).expect("copied");
    assert!(run().await.refused().contains("MCPBOX_CALL_TIME_MS=1 is outside"));
    std::fs::write(below.join(".env"), "no settings at all\n").expect("written");
    assert!(run().await.refused().contains(".env cannot be read"));
}

#[tokio::test]
async fn it_says_what_to_type_in_any_folder() {
    let place = Installation::new().await;
    let mut serving = place.serve(&[]).await;
    let said = serving.hear("mcpbox tool approve").await;
    let data_dir = place.data_dir().display().to_string();
    assert!(said.contains(&format!("mcpbox admin create NAME --data-dir {data_dir}")), "{said}");
    assert!(said.contains(&format!("mcpbox tool pending --url {}\n", serving.first)), "{said}");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut command = place.command(&["admin", "create", "bob", "--data-dir", &data_dir]);
    command.env_remove("MCPBOX_DATA_DIR").current_dir(elsewhere.path());
    let made = crate::program::said(command, &format!("{PASSWORD}\n")).await.done();
    assert!(made.contains("Made the administrator bob"), "{made}");
    if place.is_sqlite() {
        assert!(made.contains(&format!("{data_dir}/mcpbox.db")), "{made}");
    }
    serving.door.login("bob").await;
    serving.stop().await;
}
