//! What was wrong with the MCPbox that came before this one, and the tests that show it absent here. The
//! letters are faults that running it showed, the numbers such that its code showed.

use mcpbox::domain::caller::Caller;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Admin, Host};
use crate::marks;

/// Each fault: the name that marks at tests give it, and what it was.
const FAULTS: &[(&str, &str)] = &[
    ("A", "a tool started a process of the host"),
    ("B", "a tool walked through attributes to the environment and the keys in it"),
    ("C", "a tool reached every class by names that it put together"),
    ("D", "a loop held up everybody and did not end at its time limit"),
    ("E", "a secret in a list or an exception was not blotted out, and in a test none was"),
    ("F", "the global `arguments` was missing in production"),
    ("G", "a tool could not define a class"),
    ("H", "modules lacked some of their names"),
    ("J", "submodules could not be imported"),
    ("K", "a result was Python's notation and not JSON"),
    ("P", "each call paid for a new HTTP client"),
    ("1", "starting a server made tools callable that nobody had approved"),
    ("2.network", "the policy on hosts was stored and changed nothing"),
    ("2.modules", "the policy on modules was stored and changed nothing"),
    ("2.redaction", "the policy on redaction was stored and changed nothing"),
    ("3.retention", "old rows were never deleted"),
    ("3.rate", "the variable of the rate limit was read by nobody"),
    ("3.variables", "variables never reached the program"),
    ("4.sessions", "sessions lived in the memory of one of several processes"),
    ("4.lists", "clients on this machine never heard that the list of tools changed"),
    ("5", "a restart lost all tools"),
    ("6.rows", "a log row was given to another tool of the same name"),
    ("6.names", "names of servers were neither unique nor fit for MCP"),
    ("7.counts", "requests per server were always zero"),
    ("7.stream", "the live stream saw one process only"),
    ("7.periods", "charts left out most of their period"),
    ("8", "of a server's tools the first fifty were offered"),
    ("9", "time limits of tools and servers were ignored"),
    ("9.import", "an import lost time limits"),
    ("10.who", "what models asked for and made was nobody's"),
    ("10.audit", "logins, approvals and secrets left no row"),
    ("11.versions", "versions were not negotiated and a ping was not answered"),
    ("11.pages", "the list of tools came in one piece"),
    ("11.strangers", "pages of strangers were answered"),
    ("12", "access from afar closed the door to clients on this machine"),
    ("13", "a source's failure was told as a success"),
    ("14", "the standard module `secrets` hid the secrets of a tool"),
    ("15", "an approved host was reached on one port only, and never without TLS"),
    ("16", "documents and code told different things"),
];

/// Faults of what this product has not got, with the reason why no test shows them.
const BESIDE: &[(&str, &str)] = &[
    ("3.containers", "its variables did not reach several containers; this is one program"),
    ("15.squid", "its proxy had rules of its own; here the host itself is the only way out"),
];

#[test]
fn every_fault_of_the_first_mcpbox_has_a_test_that_shows_it_absent() {
    let names: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
    let faults = marks::faults("/// Fault: ", "fault", &names, &marks::files());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    for (name, words) in FAULTS.iter().chain(BESIDE) {
        assert!(!words.is_empty() && !words.ends_with('.'), "{name}");
        assert!(BESIDE.iter().all(|(beside, _)| names.iter().all(|name| name != beside)), "{name}");
    }
}

/// Fault: 5.
#[tokio::test]
async fn after_a_restart_every_approved_tool_answers() {
    let mut host = Host::start().await;
    let token = {
        let admin = host.admin().await;
        let (server, _) = admin.tool("first", "one", "def main() -> int:\n    return 1\n").await;
        admin.another_tool(&server, "two", "def main() -> int:\n    return 2\n").await;
        admin.token
    };
    host.restart().await;
    let model = host.model();
    assert_eq!(model.done("first__one", json!({})).await, json!({"result": 1}));
    assert_eq!(model.done("first__two", json!({})).await, json!({"result": 2}));
    let admin = Admin { host: &host, token };
    assert_eq!(admin.ask(Method::GET, "/api/servers", None).await["items"][0]["status"], json!("running"));
}

/// Fault: 4.sessions.
#[tokio::test]
async fn a_second_process_answers_the_same_clients() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.tool("first", "one", "def main() -> int:\n    return 1\n").await;
    let beside = host.beside().await;
    assert_eq!(beside.model().done("first__one", json!({})).await, json!({"result": 1}));
    let other = Admin { host: &beside, token: admin.token.clone() };
    other.ask(Method::POST, "/auth/logout", None).await;
    drop(other);
    beside.stop().await;
    let (status, _) = admin.refused(Method::GET, "/auth/me", None).await;
    assert_eq!(status.as_u16(), 401);
}

/// Fault: 10.who, 10.audit.
#[tokio::test]
async fn what_a_model_makes_and_asks_for_is_told_with_its_name() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let model = host.model();
    let (server, tool) = model.make("first", "one", "import wave\n\ndef main() -> int:\n    return 1\n").await;
    let because = "it is needed for the test";
    let asked = json!({"tool_id": tool, "host": "example.com", "justification": because});
    model.done("mcpbox_request_network_access", asked).await;
    model.done("mcpbox_create_server_secret", json!({"server_id": server, "key": "KEY"})).await;
    model.done("mcpbox_request_publish", json!({"tool_id": tool})).await;
    let first = async |path: &str| admin.ask(Method::GET, path, None).await["items"][0].clone();
    assert_eq!(first("/api/approvals/network").await["requested_by"], json!("local"));
    assert_eq!(first("/api/approvals/tools").await["version"]["created_by"], json!("local"));
    assert_eq!(first(&format!("/api/servers/{server}/secrets")).await["created_by"], json!("local"));
    admin.approve(&tool).await;
    host.app().service().api_key_create(&Caller::operator(), "ci").await.expect("a key");
    let rows = admin.ask(Method::GET, "/api/audit", None).await;
    let acts: Vec<(&Value, &Value)> =
        rows["items"].as_array().expect("rows").iter().map(|row| (&row["action"], &row["actor"])).collect();
    for (action, actor) in [
        ("tool.create", "local"),
        ("secret.create", "local"),
        ("tool.submit", "local"),
        ("tool.approve", "admin:ada"),
        ("api_key.create", "operator"),
        ("admin.login", "admin:ada"),
    ] {
        assert!(acts.contains(&(&json!(action), &json!(actor))), "{action} by {actor}: {acts:?}");
    }
}
