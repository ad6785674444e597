//! The commands beside `serve`: the schema, accounts and keys, calls, and the author's own runs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Host, PASSWORD, REVISION};
use crate::program::{Installation, Said, said};

const DOUBLE: &str =
    "def main(x: int) -> int:\n    \"\"\"Doubles a number.\"\"\"\n    print('seen', x)\n    return 2 * x\n";

/// A command beside a host.
pub fn command(host: &Host, line: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpbox"));
    command.args(line).current_dir(host.data_dir()).env_clear().envs(host.environment());
    command
}

/// Runs a command beside a host.
pub async fn beside(host: &Host, line: &[&str], input: &str) -> Said {
    said(command(host, line), input).await
}

#[tokio::test]
async fn the_schema_goes_forward_and_back() {
    let names: Vec<&str> = mcpbox_migrations::names().collect();
    let (count, last) = (names.len(), names[names.len() - 1]);
    let place = Installation::new().await;
    let planned = place.run(&["migrate", "up", "--dry-run"]).await.done();
    assert!(planned.contains("-- m0001_servers") && planned.to_uppercase().contains("CREATE TABLE"), "{planned}");
    let status = place.run(&["migrate", "status"]).await;
    assert_eq!(status.code, Some(1), "{status:?}");
    assert!(
        status.stdout.contains(&format!("lacks {count} changes")) && status.stdout.contains("mcpbox migrate up"),
        "{status:?}"
    );

    let applied = place.run(&["migrate", "up"]).await.done();
    assert_eq!(applied.lines().count(), count, "a plan changes nothing: {applied}");
    assert!(applied.starts_with("applied m0001_servers\n"), "{applied}");
    assert_eq!(place.run(&["migrate", "up"]).await.done(), "The schema is current.\n");
    assert!(place.run(&["migrate", "status"]).await.done().contains("The schema is current."));

    assert_eq!(place.run(&["migrate", "down"]).await.done(), format!("took back {last}\n"));
    let history = place.run(&["migrate", "history"]).await.done();
    let not_applied: Vec<&str> = history.lines().filter(|line| line.starts_with("not applied")).collect();
    assert_eq!(history.lines().count(), count, "{history}");
    assert!(not_applied.len() == 1 && not_applied[0].ends_with(last), "{history}");
    let line = place.run(&["serve"]).await.refused();
    assert!(line.contains("lacks 1 change") && line.contains("mcpbox migrate up"), "{line}");
    assert_eq!(place.run(&["migrate", "up"]).await.done(), format!("applied {last}\n"));
    place.serve(&[]).await.stop().await;

    assert_eq!(place.run(&["migrate", "down", "m0003_tools"]).await.done().lines().count(), count - 3);
    assert_eq!(place.run(&["migrate", "down", "all"]).await.done().lines().count(), 3);
    let line = place.run(&["migrate", "down", "m0099_none"]).await.refused();
    assert!(line.contains("m0099_none") && line.contains("mcpbox migrate history"), "{line}");
    assert_eq!(place.run(&["migrate", "up"]).await.done().lines().count(), count);
}

#[tokio::test]
async fn what_looks_at_an_installation_makes_none() {
    let place = Installation::new().await;
    let file = place.data_dir().join("elsewhere.db");
    let url = format!("sqlite://{}", file.display());
    for line in [
        &["admin", "create", "bob"][..],
        &["admin", "key", "create", "ci"],
        &["admin", "key", "list"],
        &["admin", "key", "revoke", "ci"],
        &["migrate", "status"],
        &["migrate", "history"],
        &["migrate", "down", "all"],
    ] {
        // On a file in any case: a PostgreSQL database is made by whoever runs its server.
        for variable in [None, Some(("DATABASE_URL", url.as_str()))] {
            let mut command = place.command(line);
            command.env_remove("DATABASE_URL").envs(variable);
            let told = said(command, &format!("{PASSWORD}\n")).await.refused();
            let named = if variable.is_some() { file.clone() } else { place.data_dir().join("mcpbox.db") };
            assert!(told.contains(&named.display().to_string()), "{line:?}: {told}");
            assert!(told.contains("mcpbox serve") && told.contains("MCPBOX_DATA_DIR"), "{line:?}: {told}");
            assert!(!place.data_dir().exists(), "{line:?}");
        }
    }
}

#[tokio::test]
async fn an_administrator_is_made_with_a_password_from_standard_input() {
    let host = Host::start().await;
    let short = beside(&host, &["admin", "create", "ada"], "short\n").await.refused();
    assert!(short.contains("12"), "{short}");
    let made = beside(&host, &["admin", "create", "ada"], &format!("{PASSWORD}\n")).await.done();
    assert!(made.contains("ada"), "{made}");
    host.login("ada").await;
    let again = beside(&host, &["admin", "create", "ada"], &format!("{PASSWORD}\n")).await.refused();
    assert!(again.contains("exists already"), "{again}");
    let nothing = beside(&host, &["admin", "create", "bob"], "").await.refused();
    assert!(nothing.contains("Password"), "{nothing}");
}

/// Asks for the tools as a client behind a proxy does.
async fn from_afar(host: &Host, key: Option<&str>) -> StatusCode {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let headers = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", REVISION),
        ("mcp-method", "tools/list"),
        ("x-forwarded-for", "198.51.100.7"),
    ];
    host.send(Method::POST, "/mcp", key, &headers, Some(&body)).await.0
}

#[tokio::test]
async fn a_key_opens_mcp_from_afar_until_it_is_revoked() {
    let host = Host::start().await;
    assert_eq!(from_afar(&host, None).await, StatusCode::UNAUTHORIZED);
    let made = beside(&host, &["admin", "key", "create", "ci"], "").await;
    let key = made.done();
    let key = key.trim();
    assert_eq!(key.lines().count(), 1, "the key alone");
    assert_eq!(from_afar(&host, Some(key)).await, StatusCode::OK);
    assert_eq!(from_afar(&host, Some(&format!("{key}x"))).await, StatusCode::UNAUTHORIZED);
    let listed = beside(&host, &["admin", "key", "list"], "").await.done();
    assert!(listed.contains("ci") && listed.contains("last used") && !listed.contains(key), "{listed}");

    let twice = beside(&host, &["admin", "key", "create", "ci"], "").await.refused();
    assert!(twice.contains("exists already"), "{twice}");
    beside(&host, &["admin", "key", "revoke", "ci"], "").await.done();
    assert_eq!(from_afar(&host, Some(key)).await, StatusCode::UNAUTHORIZED);
    assert!(beside(&host, &["admin", "key", "list"], "").await.done().contains("revoked"));
    let none = beside(&host, &["admin", "key", "revoke", "none"], "").await.refused();
    assert!(none.contains("none"), "{none}");
    assert_eq!(from_afar(&host, None).await, StatusCode::UNAUTHORIZED);
    host.model().tools().await;
}

#[tokio::test]
async fn a_tool_is_called_from_the_command_line() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.tool("sums", "double", DOUBLE).await;
    assert_eq!(beside(&host, &["call", "sums__double", r#"{"x": 21}"#], "").await.done(), "42\n");
    let json = beside(&host, &["call", "sums__double", r#"{"x": 21}"#, "--json"], "").await.done();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["structuredContent"], json!({"result": 42}), "{json}");

    let failed = beside(&host, &["call", "sums__double", r#"{"x": "many"}"#], "").await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("/x: the value is not of type \"integer\""), "{failed:?}");
    let unknown = beside(&host, &["call", "sums__duoble"], "").await.refused();
    assert!(unknown.contains("there is no tool `sums__duoble`") && unknown.contains("sums__double"), "{unknown}");
    let garbled = beside(&host, &["call", "sums__double", "{"], "").await.refused();
    assert!(garbled.contains("not JSON"), "{garbled}");
    let nobody = beside(&host, &["call", "sums__double", "--url", "http://127.0.0.1:1"], "").await.refused();
    assert!(nobody.contains("no host answers at http://127.0.0.1:1") && nobody.contains("mcpbox serve"), "{nobody}");
}

#[tokio::test]
async fn a_person_decides_from_the_command_line() {
    let host = Host::start().await;
    let (_admin, model) = (host.admin().await, host.model());
    let (_, tool) = model.make("sums", "double", DOUBLE).await;
    let password = format!("{PASSWORD}\n");
    let pending = ["tool", "pending", "-u", "ada"];
    assert!(beside(&host, &pending, &password).await.done().contains("No tool waits"));
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    let listed = beside(&host, &pending, &password).await.done();
    assert!(listed.contains("sums__double") && listed.contains("Doubles a number."), "{listed}");

    let approve = ["tool", "approve", "sums__double", "-u", "ada"];
    let wrong = beside(&host, &[&approve[..], &["--yes"]].concat(), "not this at all\n").await.refused();
    assert!(!wrong.contains("not this at all"), "{wrong}");
    let unasked = beside(&host, &approve, &password).await;
    assert_eq!(unasked.code, Some(1), "without a terminal nobody has said yes: {unasked:?}");
    assert!(unasked.stdout.contains("print('seen', x)"), "all of the source is shown: {unasked:?}");
    assert!(!model.tools().await.contains(&"sums__double".to_owned()));
    let done = beside(&host, &[&approve[..], &["--yes"]].concat(), &password).await.done();
    assert!(done.contains("Approved sums__double."), "{done}");
    assert_eq!(model.done("sums__double", json!({"x": 4})).await, json!({"result": 8}));

    let edited = DOUBLE.replace("2 * x", "3 * x");
    model.done("mcpbox_update_tool", json!({"tool_id": tool, "python_code": edited})).await;
    // A change of what was approved waits without being handed in.
    let line = ["tool", "reject", "sums__double", "--reason", "not three times", "-u", "ada"];
    assert!(beside(&host, &line, &password).await.done().contains("Rejected sums__double."));
    let seen = model.done("mcpbox_get_tool", json!({"tool_id": tool})).await;
    assert!(seen.to_string().contains("not three times"), "{seen}");
    let again = beside(&host, &line, &password).await.refused();
    assert!(again.contains("mcpbox tool pending"), "nothing waits any more: {again}");
    assert_eq!(model.done("sums__double", json!({"x": 4})).await, json!({"result": 8}), "what was approved goes on");
}

/// Runs a source as its author does.
async fn run(place: &Installation, source: &str, line: &[&str], variables: &[(&str, &str)]) -> Said {
    std::fs::write(place.folder().join("tool.py"), source).expect("written");
    let mut command = place.command(&[&["tool", "run", "tool.py"], line].concat());
    command.envs(variables.iter().copied());
    said(command, "").await
}

#[tokio::test]
async fn an_author_runs_a_source_without_a_host() {
    let place = Installation::new().await;
    let done = run(&place, DOUBLE, &[r#"{"x": 21}"#], &[]).await;
    assert_eq!(done.stdout, "42\n", "the result alone: {done:?}");
    assert!(done.stderr.contains("seen 21") && done.code == Some(0), "{done:?}");
    let stats = run(&place, DOUBLE, &["x=21", "--stats"], &[]).await;
    assert_eq!(stats.stdout, "42\n", "arguments by name are the same: {stats:?}");
    assert!(stats.stderr.contains(" fuel, "), "{stats:?}");

    let raised = run(&place, "def main():\n    return 1 // 0", &[], &[]).await;
    assert_eq!((raised.code, raised.stdout.as_str()), (Some(1), ""), "{raised:?}");
    assert!(raised.stderr.contains("line 2") && raised.stderr.contains("ZeroDivisionError"), "{raised:?}");
    let broken = run(&place, "def main(:\n", &[], &[]).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.stderr.contains("SyntaxError"), "{broken:?}");
    let endless = run(&place, "def main():\n    while True: pass", &["--timeout-ms", "200"], &[]).await;
    assert_eq!(endless.code, Some(1), "{endless:?}");
    assert!(endless.stderr.contains("stopped"), "{endless:?}");
    let long = run(&place, &format!("# {}", "x".repeat(2000)), &[], &[("MCPBOX_SOURCE_BYTES", "1024")]).await;
    assert!(long.refused().contains("more than 1024 bytes"));
    assert!(run(&place, DOUBLE, &["[1]"], &[]).await.refused().contains("JSON object"));
    assert!(!place.data_dir().exists(), "it needs no data folder");
}

#[tokio::test]
async fn an_author_runs_javascript_and_typescript_by_the_end_of_the_name() {
    let place = Installation::new().await;
    for (name, source) in [
        ("tool.js", "export function main({ x }) { return x * 2 }"),
        ("tool.mjs", "export default ({ x }) => x * 2"),
        ("tool.ts", "export function main({ x }: { x: number }): number { return x * 2 }"),
    ] {
        std::fs::write(place.folder().join(name), source).expect("written");
        let done = said(place.command(&["tool", "run", name, r#"{"x": 21}"#]), "").await;
        assert_eq!((done.stdout.as_str(), done.code), ("42\n", Some(0)), "{name}: {done:?}");
    }
    std::fs::write(place.folder().join("tool.rb"), "").expect("written");
    assert!(said(place.command(&["tool", "run", "tool.rb"]), "").await.refused().contains(".ts"));
}

#[tokio::test]
async fn arguments_and_results_of_an_author_are_held_to_the_schemas_as_on_a_host() {
    let place = Installation::new().await;
    let python = "from typing import Literal\n\ndef main(x: int, how: Literal['up', 'down'] = 'up') -> int:\n    return 'x' if x == 0 else x\n";
    let typescript = "export function main({ x, how = 'up' }: { x: number; how?: 'up' | 'down' }): number {\n  return (x === 0 ? 'x' : x) as number;\n}\n";
    for (name, source, number) in [("tool.py", python, "integer"), ("tool.ts", typescript, "number")] {
        std::fs::write(place.folder().join(name), source).expect("written");
        let run = async |line: &[&str]| said(place.command(&[&["tool", "run", name], line].concat()), "").await;
        assert_eq!(run(&["x=2", "how=down"]).await.done(), "2\n", "{name}");
        for (line, words) in [
            (&["x=abc"][..], format!("/x: the value is not of type \"{number}\"")),
            (&["x=1", "how=across"], "/how: the value is not one of \"up\" or \"down\"".to_owned()),
            (&["x=1", "y=2"], "'y' was unexpected".to_owned()),
            (&[], "\"x\" is a required property".to_owned()),
        ] {
            let told = run(line).await.refused();
            assert!(told.contains("the arguments do not fit: ") && told.contains(&words), "{name} {line:?}: {told}");
        }
        let wrong = run(&["x=0"]).await.refused();
        let words =
            format!("does not fit the output schema of the tool: /result: the value is not of type \"{number}\"");
        assert!(wrong.contains(&words), "{name}: {wrong}");
    }
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.tool("held", "tool", python).await;
    let said = beside(&host, &["call", "held__tool", "x=abc"], "").await;
    let words = "the arguments do not fit: /x: the value is not of type \"integer\"";
    assert!(said.stdout.contains(words) || said.stderr.contains(words), "a host says the same: {said:?}");
}

#[tokio::test]
async fn an_author_grants_hosts_and_secrets_by_name() {
    let place = Installation::new().await;
    let source = "async def main(url: str):\n    await http.get(url)\n";
    let asked = [r#"{"url": "https://api.example.com/v1"}"#];
    let denied = run(&place, source, &asked, &[]).await;
    assert_eq!(denied.code, Some(1), "{denied:?}");
    assert!(denied.stderr.contains("no grant for https://api.example.com:443"), "{denied:?}");
    // This machine is never reached; the word about it is another one than that of a missing grant.
    let granted = [r#"{"url": "http://127.0.0.1:9/"}"#, "--allow-host", "127.0.0.1:9"];
    let never = run(&place, source, &granted, &[]).await;
    assert!(never.stderr.contains("never reaches") && !never.stderr.contains("no grant"), "{never:?}");
    // A granted name is looked up; this one nobody has (RFC 6761).
    let granted = [r#"{"url": "http://api.invalid/"}"#, "--allow-host", "api.invalid"];
    let unanswered = run(&place, source, &granted, &[("MCPBOX_HTTP_TIME_MS", "1000")]).await;
    assert_eq!(unanswered.code, Some(1), "{unanswered:?}");
    assert!(unanswered.stderr.contains("api.invalid") && !unanswered.stderr.contains("no grant"), "{unanswered:?}");
    let bad = run(&place, source, &["--allow-host", "https://x.example/"], &[]).await;
    assert_eq!(bad.code, Some(2), "{bad:?}");
    assert!(bad.stderr.contains("is not a host"), "{bad:?}");

    let source = "def main() -> int:\n    return len(secrets['TOKEN'])\n";
    assert_eq!(run(&place, source, &["--secret", "TOKEN"], &[("TOKEN", "12345")]).await.done(), "5\n");
    let missing = run(&place, source, &["--secret", "TOKEN"], &[]).await.refused();
    assert!(missing.contains("TOKEN is not set"), "{missing}");
    let ungranted = run(&place, source, &[], &[("TOKEN", "12345")]).await;
    assert!(ungranted.code == Some(1) && ungranted.stderr.contains("TOKEN"), "{ungranted:?}");
}
