//! What a sandbox of Python in Python gets wrong, each as a test through the real door: escapes,
//! calls that hold up everybody, secrets that leak, ordinary Python that does not work, and tools
//! that run without an approval.

use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Wishes};

/// What a source returns, as an approved tool.
async fn returned(source: &str) -> Value {
    let host = Host::start().await;
    host.admin().await.tool("probe", "run", source).await;
    host.model().done("probe__run", json!({})).await["result"].clone()
}

/// Fault: A.
#[tokio::test]
async fn no_process_can_be_started() {
    let source = "\
import asyncio, os, subprocess
async def main() -> list[str]:
    async def exec(): await asyncio.create_subprocess_exec('id')
    async def shell(): await asyncio.create_subprocess_shell('id')
    ways = [lambda: os.system('id'), lambda: os.popen('id').read(), lambda: os.fork(), lambda: os.execv('/bin/id', ['id']),
            lambda: os.posix_spawn('/bin/id', ['id'], {}), lambda: subprocess.run(['id']), lambda: subprocess.check_output('id', shell=True)]
    reached = []
    for way in (exec, shell):
        try:
            await way()
            reached.append(way.__name__)
        except Exception:
            pass
    for number, way in enumerate(ways):
        try:
            reached.append(f'{number}: {way()}')
        except (AttributeError, OSError, NotImplementedError):
            pass
    return reached
";
    assert_eq!(returned(source).await, json!([]));
}

/// Fault: B.
#[tokio::test]
async fn walking_through_attributes_finds_nothing_of_the_host() {
    let source = "\
import os, sys
def main() -> dict:
    walked = []
    for name in ('__class__', '__init__', '__glo' + 'bals__', '__dict__'):
        for start in (http, secrets, log, print):
            try:
                walked.append(('{0.' + name + '}').format(start))
            except AttributeError:
                pass
    modules = [str(vars(module)) for module in list(sys.modules.values())]
    found = [text for text in walked + modules if 'CARGO' + '_' in text or 'mcpbox.' + 'db' in text]
    return {'environment': dict(os.environ), 'found': found}
";
    let host = Host::start().await;
    host.admin().await.tool("probe", "run", source).await;
    let found = host.model().done("probe__run", json!({})).await;
    let inherited: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    let seen = found["environment"].as_object().expect("a mapping");
    for name in ["PATH", "HOME", "CARGO_MANIFEST_DIR"] {
        assert!(inherited.iter().any(|own| own == name), "{name} is set where the host runs");
        assert!(!seen.contains_key(name), "{found}");
    }
    assert_eq!(found["found"], json!([]));
}

/// Fault: C.
#[tokio::test]
async fn reaching_every_class_gives_no_file_and_no_socket() {
    let source = "\
import operator, os
try:
    import socket
except ImportError:
    socket = None

def main() -> dict:
    root = operator.attrgetter('__cla' + 'ss__.__ba' + 'se__')(1)
    opened = []
    for path in ('/etc/passwd', '/proc/self/environ', '/', '.', '/packages', '/tmp'):
        for way in (open, os.listdir, os.stat, lambda path: os.open(path, os.O_RDONLY)):
            try:
                way(path)
                opened.append(path)
            except OSError:
                pass
    try:
        open('/tmp/x', 'w')
        opened.append('written')
    except OSError:
        pass
    for kind in (1, 2) if socket else ():
        try:
            socket.socket(socket.AF_INET, kind).connect(('127.0.0.1', 9))
            opened.append('socket')
        except (OSError, AttributeError, NotImplementedError):
            pass
    return {'root': root.__name__, 'classes': len(root.__subclasses__()) > 100, 'opened': opened}
";
    let host = Host::start().await;
    host.admin().await.tool("probe", "run", source).await;
    let found = host.model().done("probe__run", json!({})).await;
    assert_eq!(found, json!({"root": "object", "classes": true, "opened": []}));
}

/// Fault: D.
#[tokio::test]
async fn an_endless_loop_holds_up_nobody_and_ends() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("probe", "noop", "def main() -> int:\n    return 1\n").await;
    let spin = "def main():\n    progress(1)\n    while True: pass\n";
    let model = host.model();
    let made = json!({"server_id": server, "name": "spin", "python_code": spin, "timeout_ms": 3_000});
    let tool = model.done("mcpbox_create_tool", made).await;
    admin.approve(tool["id"].as_str().expect("an id")).await;
    let mut loops = Vec::new();
    for _ in 0..4 {
        loops.push(model.calling("probe__spin", json!({})).await);
    }
    // All run now. Whether the host answers meanwhile is not a matter of time: the loops are heard last.
    for _ in 0..10 {
        let (status, _, answer) = host.send(Method::GET, "/health", None, &[], None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    assert_eq!(model.done("probe__noop", json!({})).await, json!({"result": 1}));
    let logs = admin.ask(Method::GET, &format!("/api/tools/{}/logs", tool["id"].as_str().expect("an id")), None).await;
    assert_eq!(logs["total"], json!(0), "they still run: {logs}");
    for endless in loops {
        let result = endless.result().await;
        assert!(
            result["content"][0]["text"].as_str().is_some_and(|text| text.contains("longer than its 3.0 s")),
            "{result}"
        );
    }
}

/// Fault: E.
#[tokio::test]
async fn a_secret_in_a_list_or_an_exception_is_blotted_out_in_tests_too() {
    let host = Host::start().await;
    let source = "def main(fail: bool):\n    if fail: raise ValueError(secrets['KEY'])\n    return [secrets['KEY']]\n";
    let admin = host.admin().await;
    let (server, tool) = admin.tool("probe", "run", source).await;
    admin.secret(&server, "KEY", "hunter22-hunter22").await;
    for fail in [false, true] {
        let arguments = json!({"fail": fail});
        let called = host.model().call("probe__run", arguments.clone()).await;
        let tested = host.model().call("mcpbox_test_code", json!({"tool_id": tool, "arguments": arguments})).await;
        let body = json!({"tool_id": tool, "arguments": arguments});
        let tried = admin.ask(Method::POST, "/api/tools/test-code", Some(body)).await;
        for answer in [called, tested, tried] {
            let text = answer.to_string();
            assert!(text.contains("[redacted]") && !text.contains("hunter22"), "{text}");
        }
    }
}

/// Fault: F.
#[tokio::test]
async fn arguments_are_there_as_a_global() {
    let host = Host::start().await;
    host.admin().await.tool("probe", "run", "def main(city: str) -> dict:\n    return dict(arguments)\n").await;
    assert_eq!(host.model().done("probe__run", json!({"city": "Oslo"})).await, json!({"city": "Oslo"}));
}

/// Fault: G.
#[tokio::test]
async fn a_tool_may_have_classes() {
    let source = "class A:\n    def __init__(self): self.x = 7\n\ndef main() -> int:\n    return A().x\n";
    assert_eq!(returned(source).await, json!(7));
}

/// Fault: H, J.
#[tokio::test]
async fn modules_have_all_their_names() {
    let source = "\
import re
import urllib.parse
import collections.abc, os.path, xml.etree.ElementTree
def main() -> list:
    found = re.compile('a  b', re.VERBOSE).match('ab')
    return [found.group(), urllib.parse.quote('a b/ü'), os.path.join('a', 'b'), isinstance([], collections.abc.Sequence),
            xml.etree.ElementTree.fromstring('<a>x</a>').text]
";
    assert_eq!(returned(source).await, json!(["ab", "a%20b/%C3%BC", "a/b", true, "x"]));
}

/// Fault: K.
#[tokio::test]
async fn a_mapping_is_answered_as_json() {
    let host = Host::start().await;
    host.admin().await.tool("probe", "run", "def main():\n    return {'a': True, 'b': None, 'c': \"it's\"}\n").await;
    let result = host.model().call("probe__run", json!({})).await;
    let text = result["content"][0]["text"].as_str().expect("a text");
    let parsed: Value = serde_json::from_str(text).expect("JSON, not what Python prints");
    assert_eq!(parsed, json!({"a": true, "b": null, "c": "it's"}));
}

/// Fault: P.
#[tokio::test]
async fn a_tool_that_does_nothing_answers_again_and_again() {
    let host = Host::start().await;
    host.admin().await.tool("probe", "noop", "def main():\n    pass\n").await;
    for _ in 0..50 {
        assert_eq!(host.model().call("probe__noop", json!({})).await["isError"], json!(false));
    }
}

/// Calling by name answers that there is no such tool.
async fn assert_unknown(host: &Host, name: &str) {
    let (_, answer) = host.model().request("tools/call", json!({"name": name, "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], json!(-32602), "{name}: {answer}");
    assert!(!host.model().tools().await.contains(&name.to_owned()), "{name} is not offered");
}

/// Fault: 1.
#[tokio::test]
async fn starting_a_server_makes_nothing_callable_that_nobody_approved() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let (model, source) = (host.model(), "def main() -> int:\n    return 1\n");
    let (server, approved) = admin.tool("gate", "approved", source).await;
    let create = async |name: &str| {
        let made =
            model.done("mcpbox_create_tool", json!({"server_id": server, "name": name, "python_code": source})).await;
        made["id"].as_str().expect("an id").to_owned()
    };
    create("draft").await;
    let pending = create("pending").await;
    model.done("mcpbox_request_publish", json!({"tool_id": pending})).await;
    let rejected = create("rejected").await;
    model.done("mcpbox_request_publish", json!({"tool_id": rejected})).await;
    let path = format!("/api/approvals/tools/{rejected}/action");
    admin.ask(Method::POST, &path, Some(json!({"action": "reject", "reason": "no"}))).await;
    let disabled = create("disabled").await;
    admin.approve(&disabled).await;
    admin.ask(Method::PATCH, &format!("/api/tools/{disabled}"), Some(json!({"enabled": false}))).await;

    admin.ask(Method::POST, &format!("/api/sandbox/servers/{server}/stop"), None).await;
    assert_unknown(&host, "gate__approved").await;
    admin.ask(Method::POST, &format!("/api/sandbox/servers/{server}/start"), None).await;
    for name in ["gate__draft", "gate__pending", "gate__rejected", "gate__disabled"] {
        assert_unknown(&host, name).await;
    }
    assert_eq!(model.done("gate__approved", json!({})).await, json!({"result": 1}));
    admin.ask(Method::PATCH, &format!("/api/tools/{disabled}"), Some(json!({"enabled": true}))).await;
    assert_eq!(model.done("gate__disabled", json!({})).await, json!({"result": 1}));
    admin.ask(Method::DELETE, &format!("/api/tools/{approved}"), None).await;
    assert_unknown(&host, "gate__approved").await;
}

/// Fault: 6.rows.
#[tokio::test]
async fn a_log_row_belongs_to_the_server_that_was_called() {
    let mut host = Host::start().await;
    let (one, two) = {
        let admin = host.admin().await;
        let (_, one) = admin.tool("one", "same", "def main() -> int:\n    return 1\n").await;
        let (_, two) = admin.tool("two", "same", "def main() -> int:\n    return 2\n").await;
        (one, two)
    };
    assert_eq!(host.model().done("two__same", json!({})).await, json!({"result": 2}));
    host.restart().await;
    let logs =
        async |tool: &str| host.model().done("mcpbox_get_tool_logs", json!({"tool_id": tool})).await["logs"].clone();
    assert_eq!(logs(&one).await, json!([]));
    assert_eq!(logs(&two).await[0]["tool_name"], json!("two__same"));
}

/// Fault: 6.names.
#[tokio::test]
async fn names_of_servers_are_unique_and_fit_into_names_of_tools() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let create = async |name: &str| {
        host.send(Method::POST, "/api/servers", Some(&admin.token), &[], Some(&json!({"name": name}))).await.0
    };
    assert_eq!(create("weather").await, StatusCode::CREATED);
    assert_eq!(create("weather").await, StatusCode::CONFLICT);
    for name in ["my weather", "Weather", "a__b", "", "1st", "wetter-für-alle"] {
        assert_eq!(create(name).await, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
}

/// Fault: 8.
#[tokio::test]
async fn more_than_fifty_tools_are_listed_and_callable() {
    let limits = Limits { page_size_max: 20, ..Wishes::default().limits };
    let host = Host::with(Wishes { limits, ..Wishes::default() }).await;
    let admin = host.admin().await;
    let (server, _) = admin.tool("many", "t0", "def main() -> int:\n    return 0\n").await;
    for number in 1..55 {
        admin.another_tool(&server, &format!("t{number}"), &format!("def main() -> int:\n    return {number}\n")).await;
    }
    let names = host.model().tools().await;
    let own: Vec<&String> = names.iter().filter(|name| name.starts_with("many__")).collect();
    assert_eq!(own.len(), 55, "{names:?}");
    for number in [0, 49, 50, 54] {
        let result = host.model().done(&format!("many__t{number}"), json!({})).await;
        assert_eq!(result, json!({"result": number}));
    }
}

/// Fault: 9.
#[tokio::test]
async fn time_limits_are_kept_and_count() {
    let host = Host::start().await;
    let admin = host.admin().await;
    let spin = "def main():\n    while True: pass\n";
    let made = admin.ask(Method::POST, "/api/servers", Some(json!({"name": "slow"}))).await;
    let server = made["id"].as_str().expect("an id");
    let path = format!("/api/servers/{server}/tools");
    let tool =
        admin.ask(Method::POST, &path, Some(json!({"name": "own", "python_code": spin, "timeout_ms": 250}))).await;
    assert_eq!(tool["timeout_ms"], json!(250), "{tool}");
    admin.approve(tool["id"].as_str().expect("an id")).await;
    admin.ask(Method::PATCH, &format!("/api/servers/{server}"), Some(json!({"default_timeout_ms": 150}))).await;
    admin.another_tool(server, "servers", spin).await;
    assert!(host.model().failed("slow__own", json!({})).await.contains("longer than its 0.2 s"));
    assert!(host.model().failed("slow__servers", json!({})).await.contains("longer than its 0.1 s"));
}

/// An `initialize` of the legacy era; answers the version agreed on and the session.
async fn initialize(host: &Host, version: &str) -> (Value, String) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "it", "version": "1"},
    }});
    let headers = [("accept", "application/json, text/event-stream")];
    let (status, headers, answer) = host.send(Method::POST, "/mcp", None, &headers, Some(&body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let session = headers["mcp-session-id"].to_str().expect("a text").to_owned();
    (answer["result"]["protocolVersion"].clone(), session)
}

/// Fault: 11.versions.
#[tokio::test]
async fn versions_are_negotiated_and_a_ping_is_answered() {
    let host = Host::start().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (agreed, session) = initialize(&host, version).await;
        assert_eq!(agreed, json!(version));
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", &session),
            ("mcp-protocol-version", version),
        ];
        let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
        let (_, _, answer) = host.send(Method::POST, "/mcp", None, &headers, Some(&ping)).await;
        assert_eq!(answer["result"], json!({}), "{version}: {answer}");
    }
    assert_eq!(initialize(&host, "1999-01-01").await.0, json!("2025-11-25"), "an unknown one gets our newest");
}

/// Fault: 11.strangers.
#[tokio::test]
async fn a_page_of_a_stranger_is_refused() {
    let host = Host::start().await;
    let ask = async |headers: &[(&str, &str)]| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "it", "version": "1"},
        }});
        let headers = [&[("accept", "application/json, text/event-stream")], headers].concat();
        host.send(Method::POST, "/mcp", None, &headers, Some(&body)).await.0
    };
    assert_eq!(ask(&[]).await, StatusCode::OK);
    assert_eq!(ask(&[("origin", "https://evil.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&[("host", "evil.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&[("origin", "http://localhost:3000")]).await, StatusCode::OK);
    let (status, _, _) = host.send(Method::GET, "/auth/status", None, &[("host", "evil.example")], None).await;
    assert!(status.is_client_error(), "the API is no better for such a page: {status}");
}

/// Fault: 12.
#[tokio::test]
async fn access_from_afar_takes_nothing_from_clients_on_this_machine() {
    let host = Host::start().await;
    let made = host.app().service().api_key_create(&mcpbox::domain::caller::Caller::operator(), "far").await;
    assert!(made.is_ok());
    host.model().tools().await;
}

/// Fault: 14.
#[tokio::test]
async fn the_standard_module_secrets_hides_no_secret() {
    let host = Host::start().await;
    let source = "import secrets\ndef main() -> list:\n    return [len(secrets['KEY']), len(secrets.token_hex(4))]\n";
    let admin: Admin<'_> = host.admin().await;
    let (server, _) = admin.tool("probe", "run", source).await;
    admin.secret(&server, "KEY", "12345").await;
    assert_eq!(host.model().done("probe__run", json!({})).await, json!({"result": [5, 8]}));
}
