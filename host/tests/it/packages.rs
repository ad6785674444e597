//! Packages of Python tools: what is shown of one, how it is installed, and what is refused.

use std::path::Path;

use axum::extract::Path as UrlPath;
use axum::routing::{get, post};
use axum::{Json, Router};
use mcpbox::config::Packaging;
use mcpbox::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Admin, Host, Model, Wishes};
use crate::internet::Site;
use crate::sandbox::cache_dir;
use crate::wheels::{Index, Wheel, uv};

const GREETS: &str = "import greeter\ndef main() -> list:\n    return [greeter.hello('you'), greeter.__version__]\n";
const GREETED: &str = r#"{"result":["hei you","1.0"]}"#;

fn greeter(version: &'static str) -> Wheel {
    let source =
        format!("import wordy, os\n__version__ = '{version}'\ndef hello(name): return wordy.WORD + ' ' + name\n");
    Wheel::new("greeter", version, &[("greeter/__init__.py", &source)]).requiring(&["wordy>=1"])
}

fn wordy() -> Wheel {
    let source = "from importlib import resources\nWORD = resources.files('wordy').joinpath('word.txt').read_text()\n";
    Wheel::new("wordy", "1.5", &[("wordy/__init__.py", source), ("wordy/word.txt", "hei")])
}

/// A host that installs from an index of its own.
async fn host_of(index: &Index, limits: Limits) -> Host {
    let packaging = Packaging { uv: Some(uv()), package_index: index.open().await, ..Wishes::default().packaging };
    Host::with(Wishes { packaging, limits, ..Wishes::default() }).await
}

async fn host_with(index: &Index) -> Host {
    host_of(index, Wishes::default().limits).await
}

/// Asks for a module for a tool and has it approved; answers the request's path.
async fn granted(model: &Model<'_>, admin: &Admin<'_>, tool: &str, module: &str) -> String {
    let ask = json!({"tool_id": tool, "module_name": module, "justification": "it is needed for the job"});
    let asked = model.done("mcpbox_request_module", ask).await;
    let path = format!("/api/approvals/modules/{}", asked["requests"][0]["id"].as_str().expect("an id"));
    admin.ask(Method::POST, &format!("{path}/action"), Some(json!({"action": "approve"}))).await;
    path
}

async fn install(admin: &Admin<'_>, module: &str) -> Value {
    admin.ask(Method::POST, &format!("/api/settings/modules/{module}/install"), None).await
}

/// Why a package is not installed.
async fn refused(admin: &Admin<'_>, module: &str) -> String {
    let (status, told) = admin.refused(Method::POST, &format!("/api/settings/modules/{module}/install"), None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{told}");
    told["detail"].as_str().expect("a sentence").to_owned()
}

fn names(set: &Value) -> Vec<String> {
    let each = set["distributions"].as_array().expect("a list").iter();
    each.map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn an_approved_package_is_installed_and_imported_by_the_tools_that_may() {
    let index = Index::default();
    index.offer(&greeter("1.0"));
    index.offer(&wordy());
    let host = host_with(&index).await;
    let (admin, model) = (host.admin().await, host.model());
    let (server, tool) = admin.tool("greets", "greet", GREETS).await;
    let told = model.failed("greets__greet", json!({})).await;
    assert!(told.contains("module_name \"greeter\""), "{told}");
    let request = granted(&model, &admin, &tool, "greeter").await;
    let set = install(&admin, "greeter").await;
    assert_eq!(names(&set), ["greeter 1.0", "wordy 1.5"], "{set}");
    assert_eq!((&set["distributions"][0]["modules"], &set["missing"]), (&json!(["greeter"]), &json!([])), "{set}");
    for _ in 0..3 {
        assert_eq!(model.done("greets__greet", json!({})).await.to_string(), GREETED);
    }
    // What a package brings along is not the tool's to import, and no other tool imports anything.
    let source = "import wordy\ndef main(): return wordy.WORD\n";
    admin.another_tool(&server, "word", source).await;
    admin.another_tool(&server, "greet_too", GREETS).await;
    for name in ["greets__word", "greets__greet_too"] {
        assert!(model.failed(name, json!({})).await.contains("ModuleNotAllowed"));
    }
    let listed = admin.ask(Method::GET, "/api/approvals/modules?status=approved", None).await;
    let package = &listed["items"][0]["package"];
    assert_eq!(
        (&package["distribution"], &package["installed_version"]),
        (&json!("greeter"), &json!("1.0")),
        "{listed}"
    );
    let audited = admin.ask(Method::GET, "/api/audit?action=packages.install", None).await;
    assert_eq!(audited["items"][0]["after"]["packages"], json!(["greeter 1.0", "wordy 1.5"]), "{audited}");
    admin.ask(Method::POST, &format!("{request}/revoke"), Some(json!({"reason": "no more"}))).await;
    model.failed("greets__greet", json!({})).await;
}

#[tokio::test]
async fn a_set_that_was_lost_or_changed_on_this_machine_is_made_again() {
    let index = Index::default();
    // Of its own: the folder of sets is that of all tests.
    index.offer(&Wheel::new("lonely", "1.0", &[("lonely.py", "A = 'alone'\n")]));
    let mut host = host_with(&index).await;
    let set = {
        let (admin, model) = (host.admin().await, host.model());
        let (_, tool) = admin.tool("tells", "tell", "import lonely\ndef main() -> str: return lonely.A\n").await;
        granted(&model, &admin, &tool, "lonely").await;
        let set = install(&admin, "lonely").await;
        assert_eq!(model.done("tells__tell", json!({})).await, json!({"result": "alone"}));
        let digest = set["digest"].as_str().expect("a digest").to_owned();
        cache_dir().join("packages/sets").join(digest).join("set")
    };
    for spoil in [|set: &Path| std::fs::write(set, "spoilt"), |set: &Path| std::fs::remove_file(set)] {
        spoil(&set).expect("the file is spoilt");
        host.restart().await;
        assert_eq!(host.model().done("tells__tell", json!({})).await, json!({"result": "alone"}));
    }
}

#[tokio::test]
async fn what_cannot_be_installed_is_refused_with_its_reason_and_changes_nothing() {
    let index = Index::default();
    index.offer(&greeter("1.0"));
    index.offer(&wordy());
    let none = &[("fast/__init__.py", "")][..];
    index.offer(&Wheel::new("fast", "1.0", none).tagged("cp314-cp314-manylinux_2_17_x86_64"));
    index.offer(&Wheel::new("sly", "1.0", &[("sly/__init__.py", ""), ("sly/_speed.so", "\u{7f}ELF")]));
    index.offer(&Wheel::new("markup", "3.0", none).tagged("cp314-cp314-manylinux_2_17_x86_64"));
    index.offer(&Wheel::new("templates", "3.1", &[("templates.py", "")]).requiring(&["markup>=2"]));
    index.offer_falsely(&Wheel::new("forged", "1.0", &[("forged/__init__.py", "")]));
    index.offer(&Wheel::new("needy", "1.0", &[("needy/__init__.py", "")]).requiring(&["absent"]));
    let host = host_with(&index).await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("greets", "greet", GREETS).await;
    granted(&model, &admin, &tool, "greeter").await;
    install(&admin, "greeter").await;
    for (module, words) in [
        ("fast", "native code"),
        ("sly", "the package `sly` has native code (`sly/_speed.so`), and tools run pure Python"),
        ("templates", "the package `markup`, which `templates` needs, has no wheel of pure Python"),
        ("forged", "ash mismatch"),
        ("needy", "absent"),
        ("nonsense", "nonsense"),
        ("json", "standard library"),
        ("ssl", "needs a system around it"),
    ] {
        let told = refused(&admin, module).await;
        assert!(told.contains(words), "{module}: {told}");
    }
    assert_eq!(model.done("greets__greet", json!({})).await.to_string(), GREETED, "what was there is there still");
}

#[tokio::test]
async fn a_new_version_comes_when_it_is_installed_again_and_sync_removes_what_nobody_may_import() {
    let index = Index::default();
    index.offer(&greeter("1.0"));
    index.offer(&wordy());
    index.offer(&Wheel::new("other", "3.0", &[("other.py", "A = 1\n")]));
    let host = host_with(&index).await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("greets", "greet", GREETS).await;
    let request = granted(&model, &admin, &tool, "greeter").await;
    install(&admin, "greeter").await;
    index.offer(&greeter("2.0"));
    // Something else is installed: what is there stays as it is.
    assert_eq!(names(&install(&admin, "other").await), ["greeter 1.0", "other 3.0", "wordy 1.5"]);
    assert_eq!(names(&install(&admin, "greeter").await), ["greeter 2.0", "other 3.0", "wordy 1.5"]);
    assert_eq!(model.done("greets__greet", json!({})).await, json!({"result": ["hei you", "2.0"]}));
    let sync = async || admin.ask(Method::POST, "/api/settings/modules/sync", None).await;
    assert_eq!(names(&sync().await), ["greeter 2.0", "wordy 1.5"]);
    admin.ask(Method::POST, &format!("{request}/revoke"), Some(json!({"reason": "no more"}))).await;
    let none = sync().await;
    assert_eq!((&none["digest"], &none["distributions"]), (&Value::Null, &json!([])), "{none}");
}

#[tokio::test]
async fn the_newest_version_that_is_pure_python_is_taken() {
    let index = Index::default();
    index.offer(&Wheel::new("mixed", "1.0", &[("mixed.py", "")]));
    index.offer(&Wheel::new("mixed", "1.1", &[("mixed.py", "")]));
    index.offer(&Wheel::new("mixed", "2.0", &[("mixed.py", "")]).tagged("cp314-cp314-manylinux_2_17_x86_64"));
    let host = host_with(&index).await;
    assert_eq!(names(&install(&host.admin().await, "mixed").await), ["mixed 1.1"]);
}

#[tokio::test]
async fn why_a_package_is_refused_is_known_exactly_where_its_facts_are() {
    let index = Index::default();
    index.offer(&Wheel::new("fast", "1.0", &[]).tagged("cp314-cp314-manylinux_2_17_x86_64"));
    let facts = json!({
        "info": {"version": "1.0"}, "urls": [{"filename": "fast-1.0-cp314-cp314-manylinux_2_17_x86_64.whl"}],
    });
    let pypi = Router::new().route("/pypi/fast/json", get(async move || Json(facts)));
    let mut wishes = Wishes::default();
    wishes.packaging = Packaging {
        uv: Some(uv()),
        package_index: index.open().await,
        pypi_url: "http://pypi.example".to_owned(),
        ..wishes.packaging
    };
    let _pypi = Site::open(&wishes.network, "pypi.example", "93.184.216.41", pypi).await;
    let host = Host::with(wishes).await;
    let told = refused(&host.admin().await, "fast").await;
    assert_eq!(told, "the package `fast` has native code, and tools run pure Python; nothing was installed");
}

#[tokio::test]
async fn why_a_package_is_not_installed_outlives_a_restart_and_is_told_to_the_model() {
    let index = Index::default();
    index.offer(&greeter("1.0"));
    let mut host = host_with(&index).await;
    let tool = {
        let (admin, model) = (host.admin().await, host.model());
        let (_, tool) = admin.tool("greets", "greet", GREETS).await;
        granted(&model, &admin, &tool, "greeter").await;
        // After the one in the background.
        assert!(refused(&admin, "greeter").await.contains("wordy"));
        let audited = admin.ask(Method::GET, "/api/audit?action=packages.fail", None).await;
        assert_eq!(audited["items"][0]["after"]["modules"], json!(["greeter"]), "{audited}");
        tool
    };
    host.restart().await;
    let (admin, model) = (Admin { host: &host, token: host.login("ada").await }, host.model());
    let listed = admin.ask(Method::GET, "/api/approvals/modules?status=approved", None).await;
    let package = &listed["items"][0]["package"];
    assert!(package["install_error"].as_str().is_some_and(|why| why.contains("wordy")), "{package}");
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert!(status["packages_missing"][0]["reason"].as_str().is_some_and(|why| why.contains("wordy")), "{status}");
    assert!(status["waiting"].to_string().contains("see to the package of the module greeter"), "{status}");
    index.offer(&wordy());
    assert_eq!(install(&admin, "greeter").await["missing"], json!([]));
    let status = model.done("mcpbox_get_tool_status", json!({"tool_id": tool})).await;
    assert_eq!((&status["packages_missing"], &status["waiting"]), (&json!([]), &json!([])), "{status}");
}

#[tokio::test]
async fn without_uv_a_request_is_decided_all_the_same() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let (_, tool) = admin.tool("greets", "greet", GREETS).await;
    granted(&model, &admin, &tool, "greeter").await;
    let told = refused(&admin, "greeter").await;
    assert!(told.contains("pip install uv") && told.contains("MCPBOX_UV"), "{told}");
    let told = model.failed("greets__greet", json!({})).await;
    assert!(told.contains("no package that provides it is installed"), "{told}");
    let modules = admin.ask(Method::GET, "/api/settings/modules/enhanced?page_size=100", None).await;
    let line = modules["items"].as_array().expect("lines").iter().find(|line| line["module_name"] == "greeter");
    let package = &line.expect("the module")["package"];
    assert!(package["install_error"].as_str().is_some_and(|why| why.contains("uv")), "{package}");
}

/// Holds: packages.
/// Holds: package_set_files.
/// Holds: package_set_bytes.
#[tokio::test]
async fn packages_that_are_too_many_or_too_large_are_not_installed() {
    let index = Index::default();
    index.offer(&greeter("1.0"));
    let long = format!("TEXT = '{}'\n", "x".repeat(3_000));
    index.offer(&Wheel::new(
        "wordy",
        "1.0",
        &[("wordy/__init__.py", &long), ("wordy/more.py", ""), ("wordy/yet.py", "")],
    ));
    let usual = Wishes::default().limits;
    for (limits, words) in [
        (Limits { packages: 1, ..usual.clone() }, "these are 2 packages"),
        (Limits { package_set_files: 3, ..usual.clone() }, "more than 3 files"),
        (Limits { package_set_bytes: 2_000, ..usual.clone() }, "more than 2000 bytes"),
    ] {
        let host = host_of(&index, limits).await;
        let told = refused(&host.admin().await, "greeter").await;
        assert!(told.contains(words), "{told}");
    }
}

/// Holds: package_install_s.
#[tokio::test]
async fn an_index_that_does_not_answer_is_not_waited_for() {
    let silent = Router::new().route("/simple/{name}/", get(std::future::pending::<String>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::task::spawn(async move { axum::serve(listener, silent).await });
    let usual = Wishes::default();
    let packaging = Packaging { uv: Some(uv()), package_index: format!("http://{address}/simple"), ..usual.packaging };
    let limits = Limits { package_install_s: 1, ..usual.limits };
    let host = Host::with(Wishes { packaging, limits, ..Wishes::default() }).await;
    let told = refused(&host.admin().await, "greeter").await;
    assert!(told.contains("longer than 1 s"), "{told}");
}

/// PyPI, OSV and deps.dev, each under a name of its own.
async fn services(wishes: &mut Wishes) -> [Site; 3] {
    let document = json!({
        "info": {"summary": "Dates, read and written.", "version": "2.9", "license": "BSD", "requires_python": ">=3.3"},
        "urls": [{"filename": "python_dateutil-2.9-py2.py3-none-any.whl", "upload_time_iso_8601": "2026-02-01T10:00:00Z"}],
    });
    let pypi = Router::new().route(
        "/pypi/{name}/json",
        get(async move |UrlPath(name): UrlPath<String>| match name.as_str() {
            "python-dateutil" => Ok(Json(document.clone())),
            _ => Err(StatusCode::NOT_FOUND),
        }),
    );
    let osv = Router::new().route(
        "/v1/query",
        post(async |Json(question): Json<Value>| {
            assert_eq!(question["package"], json!({"name": "python-dateutil", "ecosystem": "PyPI"}));
            assert_eq!(question["version"], json!("2.9"));
            Json(json!({"vulns": [{"id": "GHSA-1", "summary": "Reads too much.", "database_specific": {"severity": "LOW"}}]}))
        }),
    );
    let deps = Router::new().route(
        "/v3/systems/pypi/packages/{name}/versions/{version}",
        get(async || Json(json!({"nodes": [{"relation": "SELF"}, {"relation": "DIRECT"}]}))),
    );
    wishes.packaging.pypi_url = "http://pypi.example".to_owned();
    wishes.packaging.osv_url = "http://osv.example".to_owned();
    wishes.packaging.deps_dev_url = "http://deps.example".to_owned();
    [
        Site::open(&wishes.network, "pypi.example", "93.184.216.41", pypi).await,
        Site::open(&wishes.network, "osv.example", "93.184.216.42", osv).await,
        Site::open(&wishes.network, "deps.example", "93.184.216.43", deps).await,
    ]
}

#[tokio::test]
async fn what_is_known_of_a_package_is_shown_and_kept_for_an_hour() {
    let mut wishes = Wishes::default();
    let [pypi, osv, deps] = services(&mut wishes).await;
    let host = Host::with(wishes).await;
    let admin = host.admin().await;
    let path = "/api/settings/modules/pypi/dateutil";
    let facts = admin.ask(Method::GET, path, None).await;
    let expected = json!({
        "status": "known", "summary": "Dates, read and written.", "latest_version": "2.9", "license": "BSD",
        "home_page": null, "requires_python": ">=3.3", "released_at": "2026-02-01T10:00:00Z", "pure_python": true,
        "native_code": false,
    });
    assert_eq!((&facts["distribution"], &facts["pypi"]), (&json!("python-dateutil"), &expected), "{facts}");
    let listed = json!([{"id": "GHSA-1", "summary": "Reads too much.", "severity": "LOW"}]);
    assert_eq!(facts["vulnerabilities"], json!({"status": "known", "total": 1, "listed": listed}), "{facts}");
    assert_eq!(facts["dependencies"], json!({"status": "known", "direct": 1, "indirect": 0}), "{facts}");
    assert_eq!(admin.ask(Method::GET, path, None).await, facts);
    assert_eq!([pypi.got().len(), osv.got().len(), deps.got().len()], [1; 3]);
    host.clock.turn(chrono::TimeDelta::hours(1));
    // The token was for a quarter of an hour.
    let admin = Admin { token: host.login("ada").await, ..admin };
    admin.ask(Method::GET, path, None).await;
    assert_eq!(pypi.got().len(), 2, "an hour is enough");
    let absent = admin.ask(Method::GET, "/api/settings/modules/pypi/nonsense", None).await;
    assert_eq!(absent["pypi"], json!({"status": "absent"}), "{absent}");
    for (module, words) in [("json", "standard library"), ("ssl", "needs a system")] {
        let (_, told) = admin.refused(Method::GET, &format!("/api/settings/modules/pypi/{module}"), None).await;
        assert!(told.to_string().contains(words), "{told}");
    }
}

#[tokio::test]
async fn services_that_do_not_answer_are_told_as_such_and_hinder_no_decision() {
    let host = Host::start().await;
    let (admin, model) = (host.admin().await, host.model());
    let facts = admin.ask(Method::GET, "/api/settings/modules/pypi/yaml", None).await;
    assert_eq!(facts["distribution"], json!("pyyaml"), "{facts}");
    for service in ["pypi", "vulnerabilities", "dependencies"] {
        assert_eq!(facts[service]["status"], json!("unavailable"), "{facts}");
        assert!(facts[service]["reason"].as_str().is_some_and(|why| why.contains("nowhere.example")), "{facts}");
    }
    let (_, tool) = model.make("greets", "greet", GREETS).await;
    granted(&model, &admin, &tool, "greeter").await;
}
