//! What plain components may reach: hosts by `wasi:http`, and folders, both only as far as granted.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use mcpbox::domain::budget::Budget;
use mcpbox::domain::client::Nobody;
use mcpbox::domain::component::Capability;
use mcpbox::domain::grant::{FolderAccess, FolderGrant, Grants};
use mcpbox::domain::outcome::{Bound, Outcome};
use mcpbox::egress::MappedNetwork;
use mcpbox::limits::Limits;
use mcpbox::sandbox::{Job, Sandbox};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fixtures;
use crate::internet::Site;
use crate::plain::{budget, inspect, program, raised, run_with, sandbox};
use crate::sandbox::{python, sandbox_with, text};

fn granted(host: &str) -> Grants {
    Grants { hosts: vec![host.parse().expect("a host")], ..Grants::default() }
}

async fn internet() -> (MappedNetwork, Site) {
    let network = MappedNetwork::default();
    let page = Router::new()
        .route("/small", get(async || "hello"))
        .route("/echo", post(async |body: String| body))
        .route("/large", get(async || "x".repeat(300_000)))
        .route("/moved", get(async || (StatusCode::FOUND, [("location", "http://other.test/")], "elsewhere")));
    let site = Site::open(&network, "fixture.test", "93.184.216.34", page).await;
    (network, site)
}

#[tokio::test]
async fn wasi_http_goes_where_the_grants_let_it_and_nowhere_else() {
    let (network, site) = internet().await;
    let sandbox = sandbox_with(&Limits::default(), network);
    let bytes = fixtures::plain("http_get");
    let found = inspect(&bytes).await;
    assert_eq!(found.capabilities, [Capability::Http]);
    let ask = |path: &str| json!({"authority": "fixture.test", "path": path, "times": 1});

    let report = run_with(&sandbox, &bytes, "web_get", ask("/small"), granted("fixture.test"), budget()).await;
    assert_eq!(text(&report), r#"{"status":200,"body":"aGVsbG8=","total":5}"#);
    assert_eq!((report.usage.http_requests, report.usage.http_received_bytes), (1, 5));
    assert_eq!(site.got().len(), 1);
    assert_eq!(site.got()[0]["host"], "fixture.test");

    let report = run_with(&sandbox, &bytes, "web_get", ask("/moved"), granted("fixture.test"), budget()).await;
    assert!(text(&report).contains(r#""status":302"#), "a redirect is answered, not followed: {}", text(&report));

    for host in ["other.test", "127.0.0.1", "169.254.169.254"] {
        let ask = json!({"authority": host, "path": "/", "times": 1});
        let report = run_with(&sandbox, &bytes, "web_get", ask, granted("fixture.test"), budget()).await;
        let failure: Value = serde_json::from_str(&raised(&report)).expect("JSON");
        assert_eq!(failure["code"], 38, "an internal error is the only code with a text");
        let told = failure["text"].as_str().expect("a text");
        assert!(told.contains(host), "{told}");
        assert_eq!(report.log.len(), 1, "{:?}", report.log);
        assert_eq!(report.log[0].message, told);
    }
    let report = run_with(&sandbox, &bytes, "web_get", ask("/small"), Grants::default(), budget()).await;
    assert!(raised(&report).contains("mcpbox_request_network_access"), "{}", raised(&report));
    assert_eq!(site.got().len(), 2, "nothing else left the host");
}

#[tokio::test]
async fn wasi_http_has_the_bounds_of_every_request() {
    let (network, _site) = internet().await;
    let bytes = fixtures::plain("http_get");
    let sandbox = sandbox_with(&Limits::default(), network);
    let ask = |path: &str, times: u32| json!({"authority": "fixture.test", "path": path, "times": times});
    let run = async |sandbox: &Sandbox, arguments: Value, budget: Budget| {
        run_with(sandbox, &bytes, "web_get", arguments, granted("fixture.test"), budget).await
    };
    let report = run(&sandbox, ask("/large", 1), budget()).await;
    assert!(text(&report).ends_with(r#""total":300000}"#));

    let send = |times: u32| {
        let path = "/echo";
        json!({"authority": "fixture.test", "path": path, "content": "YWJj", "times": times})
    };
    let post = async |sandbox: &Sandbox, arguments: Value, budget: Budget| {
        run_with(sandbox, &bytes, "web_post", arguments, granted("fixture.test"), budget).await
    };
    let report = post(&sandbox, send(2), budget()).await;
    assert_eq!(text(&report), r#"{"status":200,"body":"YWJjYWJj","total":6}"#);
    assert_eq!((report.usage.http_sent_bytes, report.usage.http_received_bytes), (6, 6));
    let report = post(&sandbox, send(1_000), Budget { http_body_bytes: 1_000, ..budget() }).await;
    assert!(raised(&report).starts_with(r#"{"code":17"#), "a body that is too large: {}", raised(&report));
    assert_eq!(report.usage.http_sent_bytes, 0, "none of it is sent");

    let report = run(&sandbox, ask("/small", 4), Budget { http_requests: 3, ..budget() }).await;
    assert!(raised(&report).contains("one call may start 3 requests"), "{}", raised(&report));
    assert_eq!(report.usage.http_requests, 3);

    let report = run(&sandbox, ask("/small", 100), Budget { handles: 16, ..budget() }).await;
    assert!(matches!(report.outcome, Outcome::Stopped(Bound::Handles)), "{:?}", report.outcome);

    let small = Limits { http_body_bytes: 1_000, ..Limits::default() };
    let sandbox = sandbox_with(&small, internet().await.0);
    let report = run(&sandbox, ask("/large", 1), Budget::new(&small, None)).await;
    assert!(raised(&report).contains("larger than 1000 bytes"), "{}", raised(&report));

    // Responses that nobody reads keep their places: the guest waits for itself, until its time is over.
    let sandbox = sandbox_with(&Limits::default(), internet().await.0);
    let waiting = Budget { http_in_flight: 2, time: Duration::from_secs(2), ..budget() };
    let report = run(&sandbox, ask("/small", 4), waiting).await;
    assert!(matches!(report.outcome, Outcome::Stopped(Bound::Time)), "{:?}", report.outcome);
}

#[tokio::test]
async fn files_are_reached_only_through_granted_folders() {
    let bytes = fixtures::plain("files");
    assert_eq!(inspect(&bytes).await.capabilities, [Capability::Files]);
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), "outside").expect("a file");
    let inside = tempfile::tempdir().expect("a folder");
    std::fs::write(inside.path().join("note"), "inside").expect("a file");
    std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("link")).expect("a link");
    std::os::unix::fs::symlink(outside.path(), inside.path().join("door")).expect("a link");
    std::os::unix::fs::symlink("note", inside.path().join("same")).expect("a link");
    let grants = |access| Grants {
        folders: vec![FolderGrant { host: inside.path().to_owned(), guest: "/data".to_owned(), access }],
        ..Grants::default()
    };
    let run = async |tool: &str, arguments: Value, grants: Grants| {
        run_with(&sandbox(), &bytes, tool, arguments, grants, budget()).await
    };
    let read = |path: &str| json!({"path": path});
    let write = |path: &str| json!({"path": path, "content": "bmV3"});
    let (read_only, read_write) = (|| grants(FolderAccess::ReadOnly), || grants(FolderAccess::ReadWrite));

    assert_eq!(text(&run("files_folders", json!({}), Grants::default()).await), "[]");
    assert_eq!(raised(&run("files_read", read("note"), Grants::default()).await), "255");
    assert_eq!(text(&run("files_folders", json!({}), read_only()).await), r#"["/data"]"#);
    assert_eq!(text(&run("files_read", read("note"), read_only()).await), "aW5zaWRl");
    assert_eq!(text(&run("files_read", read("same"), read_only()).await), "aW5zaWRl");

    let way_out = format!("../{}/secret", outside.path().file_name().expect("a name").to_string_lossy());
    let absolute = outside.path().join("secret").to_string_lossy().into_owned();
    for path in ["link", "door/secret", &way_out, &absolute, "../../etc/passwd", "/etc/passwd"] {
        for grants in [read_only(), read_write()] {
            let report = run("files_read", read(path), grants).await;
            assert!(matches!(report.outcome, Outcome::Raised(_)), "{path}: {:?}", report.outcome);
        }
        let report = run("files_write", write(path), read_write()).await;
        assert!(matches!(report.outcome, Outcome::Raised(_)), "{path}: {:?}", report.outcome);
    }
    assert_eq!(std::fs::read_to_string(outside.path().join("secret")).expect("a file"), "outside");

    for path in ["note", "new"] {
        let report = run("files_write", write(path), read_only()).await;
        assert!(matches!(report.outcome, Outcome::Raised(_)), "{path}: {:?}", report.outcome);
        assert_eq!(text(&run("files_write", write(path), read_write()).await), "3");
        assert_eq!(std::fs::read_to_string(inside.path().join(path)).expect("a file"), "new");
    }
}

fn in_folder(folder: &std::path::Path) -> Grants {
    let folder = FolderGrant { host: folder.to_owned(), guest: "/data".to_owned(), access: FolderAccess::ReadWrite };
    Grants { folders: vec![folder], ..Grants::default() }
}

#[tokio::test]
async fn pipes_sockets_and_devices_in_a_granted_folder_are_not_opened() {
    let bytes = fixtures::plain("files");
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
    std::os::unix::fs::symlink("pipe", folder.path().join("link")).expect("a link");
    let device = folder.path().join("null");
    let number = rustix::fs::makedev(1, 3);
    // Only root makes devices; where this runs as somebody else, the others have to do.
    let made =
        rustix::fs::mknodat(rustix::fs::CWD, &device, rustix::fs::FileType::CharacterDevice, 0o600.into(), number);
    let names = ["pipe", "socket", "link"].into_iter().chain(made.is_ok().then_some("null"));
    for name in names {
        for (tool, arguments) in
            [("files_read", json!({"path": name})), ("files_write", json!({"path": name, "content": "bmV3"}))]
        {
            let report = run_with(&sandbox(), &bytes, tool, arguments, in_folder(folder.path()), budget()).await;
            // `not-permitted` of `wasi:filesystem`; nobody reads the other end, so opening it would wait.
            assert_eq!(raised(&report), "31", "{tool} {name}");
        }
    }
}

/// Holds: call_written_bytes, folder_free_bytes.
#[tokio::test]
async fn a_call_writes_so_many_bytes_and_leaves_the_file_system_room() {
    let bytes = fixtures::plain("files");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| json!({"path": name, "content": "bmV3"});
    let bounded = Budget { written_bytes: 3, ..budget() };
    let run = async |name: &str, budget: Budget| {
        run_with(&sandbox(), &bytes, "files_write", write(name), in_folder(folder.path()), budget).await
    };
    assert_eq!(text(&run("fits", bounded.clone()).await), "3");
    for budget in [
        Budget { written_bytes: 2, ..budget() },
        Budget { folder_free_bytes: 1 << 60, ..budget() },
        Budget::new(&Limits { call_written_bytes: 2, ..Limits::default() }, None),
        Budget::new(&Limits { folder_free_bytes: 1 << 60, ..Limits::default() }, None),
    ] {
        let report = run("full", budget).await;
        // `insufficient-space` of `wasi:filesystem`.
        assert_eq!(raised(&report), "23");
        assert_eq!(std::fs::metadata(folder.path().join("full")).map(|file| file.len()).ok(), Some(0));
    }
    let source = "\
def main(how: str):
    with open('/data/file', 'wb' if how != 'append' else 'ab') as file:
        if how == 'long':
            file.truncate(2_000_000)
        for _ in range(200):
            file.write(b'x' * 10_000)
            file.flush()
";
    for (how, most) in [("write", 1_000_000), ("append", 1_000_000), ("long", 0)] {
        let _ = std::fs::remove_file(folder.path().join("file"));
        let job = Job {
            program: python(source),
            arguments: json!({"how": how}).to_string(),
            bound: Arc::default(),
            secrets: Arc::default(),
            grants: Arc::new(in_folder(folder.path())),
            budget: Budget { written_bytes: 1_000_000, ..budget() },
            client: Arc::new(Nobody),
        };
        let report = sandbox().run(job, CancellationToken::new(), None).await.expect("the host is sound");
        let Outcome::Raised(exception) = &report.outcome else { panic!("{how}: {:?}", report.outcome) };
        assert_eq!(exception.kind, "OSError", "{how}: {exception:?}");
        let size = std::fs::metadata(folder.path().join("file")).expect("a file").len();
        assert!(size <= most && (most == 0 || size > 900_000), "{how}: {size}");
    }
}

#[tokio::test]
async fn a_python_tool_sees_its_granted_folders_too() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("note"), "inside").expect("a file");
    let source = "def main(path: str):\n    try:\n        return open(path).read()\n    except OSError as error:\n        return type(error).__name__";
    let sandbox = sandbox();
    let folders =
        [FolderGrant { host: folder.path().to_owned(), guest: "/data".to_owned(), access: FolderAccess::ReadOnly }];
    // By turns, so that a spare is there for the call that must not take it.
    for _ in 0..3 {
        for (folders, expected) in [(&[][..], "FileNotFoundError"), (&folders[..], "inside")] {
            let job = Job {
                program: python(source),
                arguments: json!({"path": "/data/note"}).to_string(),
                bound: Arc::default(),
                secrets: Arc::default(),
                grants: Arc::new(Grants { folders: folders.to_vec(), ..Grants::default() }),
                budget: budget(),
                client: Arc::new(Nobody),
            };
            let report = sandbox.run(job, CancellationToken::new(), None).await.expect("the host is sound");
            assert_eq!(text(&report), expected);
        }
    }
}

#[tokio::test]
async fn a_granted_folder_that_is_gone_is_said_so() {
    let bytes = fixtures::plain("files");
    let gone =
        FolderGrant { host: "/no/such/folder".into(), guest: "/data".to_owned(), access: FolderAccess::ReadOnly };
    let job = Job {
        program: program(&bytes, "files_folders"),
        arguments: "{}".to_owned(),
        bound: Arc::default(),
        secrets: Arc::default(),
        grants: Arc::new(Grants { folders: vec![gone], ..Grants::default() }),
        budget: budget(),
        client: Arc::new(Nobody),
    };
    let failed = sandbox().run(job, CancellationToken::new(), None).await.expect_err("no folder").to_string();
    assert!(failed.contains("/data") && !failed.contains("/no/such"), "{failed}");
}
