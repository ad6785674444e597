//! Components at the command line: started, looked into, run, brought to a host, approved.

use serde_json::{Value, json};

use crate::commands::beside;
use crate::fixtures;
use crate::harness::{Host, PASSWORD};
use crate::program::{Installation, Said, said};

#[tokio::test]
async fn a_component_goes_from_a_file_to_a_call() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.server("lab").await;
    std::fs::write(host.data_dir().join("Two-Tools.wasm"), fixtures::component("many_tools")).expect("written");
    let password = format!("{PASSWORD}\n");
    let push = ["tool", "push", "Two-Tools.wasm", "--server", "lab", "-u", "ada"];
    let pushed = beside(&host, &push, &password).await;
    assert!(pushed.stderr.contains("it has 2 tools") && pushed.stderr.contains("it is stored"), "{pushed:?}");
    let told = pushed.done();
    for words in
        ["lab__one", "lab__two", "Version 1 of lab__two_tools", "mcpbox tool approve lab__two_tools", "Digest: "]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let approve = ["tool", "approve", "lab__two_tools", "-u", "ada", "--yes"];
    let approved = beside(&host, &approve, &password).await.done();
    assert!(approved.contains("Could use, when it is granted:") && approved.contains("  two\n"), "{approved}");
    assert_eq!(beside(&host, &["call", "lab__two", "{}"], "").await.done(), "two\n");

    assert!(beside(&host, &push, &password).await.done().contains("Nothing has changed since version 1."));
    std::fs::write(host.data_dir().join("Two-Tools.wasm"), fixtures::component("echo")).expect("written");
    let pushed = beside(&host, &push, &password).await.done();
    assert!(pushed.contains("Version 2 of") && pushed.contains("It waits for a person"), "{pushed}");
    // What is told on the way comes before the one line that says what is wrong.
    let refused =
        |said: &Said| (said.code == Some(1)).then(|| said.stderr.lines().last().unwrap_or_default().to_owned());
    let nowhere = beside(&host, &["tool", "push", "Two-Tools.wasm", "--server", "none", "-u", "ada"], &password).await;
    assert!(nowhere.refused().contains("there is no server `none`"));
    std::fs::write(host.data_dir().join("bad.wasm"), fixtures::component("bad_import")).expect("written");
    let push = ["tool", "push", "bad.wasm", "--server", "lab", "-u", "ada"];
    let said = beside(&host, &push, &password).await;
    assert!(refused(&said).is_some_and(|line| line.contains("evil:host/shell")), "{said:?}");
    std::fs::write(host.data_dir().join("bad.wasm"), b"no component").expect("written");
    let said = beside(&host, &push, &password).await;
    assert!(refused(&said).is_some_and(|line| line.contains("no WebAssembly")), "{said:?}");
}

#[tokio::test]
async fn an_author_looks_into_a_component_and_runs_it_without_a_host() {
    let place = Installation::new().await;
    std::fs::write(place.folder().join("pair.wasm"), fixtures::component("many_tools")).expect("written");
    let shown = place.run(&["tool", "inspect", "pair.wasm"]).await.done();
    assert!(shown.contains("Tools:\n  one\n") && shown.contains("Digest of the component: "), "{shown}");
    let json = place.run(&["tool", "inspect", "pair.wasm", "--json"]).await.done();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["exports"][1]["name"], json!("two"), "{json}");
    assert_eq!(json["component"]["world"], json!("contract"), "{json}");

    assert_eq!(place.run(&["tool", "run", "pair.wasm", "--tool", "two"]).await.done(), "two\n");
    let unsaid = place.run(&["tool", "run", "pair.wasm"]).await.refused();
    assert!(unsaid.contains("--tool: one, two"), "{unsaid}");
    let unknown = place.run(&["tool", "run", "pair.wasm", "--tool", "three"]).await.refused();
    assert!(unknown.contains("no tool `three`"), "{unknown}");
    std::fs::write(place.folder().join("echo.wasm"), fixtures::component("echo")).expect("written");
    assert_eq!(place.run(&["tool", "run", "echo.wasm", r#"{"a": 1}"#]).await.done(), "{\"a\":1}\n");
    std::fs::write(place.folder().join("files.wasm"), fixtures::plain("files")).expect("written");
    std::fs::create_dir(place.folder().join("tables")).expect("made");
    std::fs::write(place.folder().join("tables/a.csv"), "x").expect("written");
    let read = ["tool", "run", "files.wasm", "--tool", "files_read", r#"{"path": "a.csv"}"#];
    assert_eq!(place.run(&read).await.code, Some(1), "no folder is given");
    let given = place.run(&[&read[..], &["--dir", "tables::/data"]].concat()).await.done();
    assert_eq!(given, "eA==\n", "bytes as base64");
    let write = r#"{"path": "b.csv", "content": "eXk="}"#;
    let write = ["tool", "run", "files.wasm", "--tool", "files_write", write, "--dir"];
    assert_eq!(place.run(&[&write[..], &["tables::/data"]].concat()).await.code, Some(1), "it is given to read");
    place.run(&[&write[..], &["tables::/data:rw"]].concat()).await.done();
    assert_eq!(std::fs::read_to_string(place.folder().join("tables/b.csv")).expect("it is there"), "yy");
    std::fs::write(place.folder().join("bad.wasm"), fixtures::truncated()).expect("written");
    let said = place.run(&["tool", "inspect", "bad.wasm"]).await;
    assert!(said.code == Some(1) && said.stderr.contains("not a component that can run here"), "{said:?}");
    let other = place.run(&["tool", "run", "tool.txt"]).await.refused();
    assert!(other.contains(".wasm"), "{other}");
    assert!(!place.data_dir().exists(), "it needs no data folder");
}

#[tokio::test]
async fn a_new_tool_works_as_it_is() {
    let place = Installation::new().await;
    let made = place.run(&["tool", "new", "greeting", "--lang", "python"]).await.done();
    assert!(made.contains("cd greeting") && made.contains("mcpbox tool run main.py"), "{made}");
    let text = std::fs::read_to_string(place.folder().join("greeting/main.py")).expect("it is there");
    assert!(text.contains("greeting") && !text.contains("{{"), "{text}");
    let types = std::fs::read_to_string(place.folder().join("greeting/__builtins__.pyi"));
    assert!(types.is_ok_and(|types| types.contains("ctx: Context")), "an editor knows the globals");
    let line = ["tool", "run", "greeting/main.py", r#"{"name": "Ada"}"#];
    assert_eq!(said(place.command(&line), "").await.done(), "Hello, Ada!\n");
    for (lang, file) in [("javascript", "main.js"), ("typescript", "main.ts")] {
        place.run(&["tool", "new", &format!("greeting_{lang}"), "--lang", lang]).await.done();
        let file = format!("greeting_{lang}/{file}");
        let line = ["tool", "run", &file, r#"{"name": "Ada"}"#];
        assert_eq!(said(place.command(&line), "").await.done(), "Hello, Ada!\n", "{lang}");
        let types = std::fs::read_to_string(place.folder().join(format!("greeting_{lang}/mcpbox.d.ts")));
        assert!(
            types.is_ok_and(|types| types.contains("declare const ctx: Context;")),
            "{lang}: an editor knows the globals"
        );
    }
    for (lang, file) in [("rust", "Cargo.toml"), ("c", "Makefile")] {
        place.run(&["tool", "new", &format!("greeting_{lang}"), "--lang", lang]).await.done();
        let text = std::fs::read_to_string(place.folder().join(format!("greeting_{lang}/{file}"))).expect("made");
        assert!(text.contains(&format!("greeting_{lang}")) && !text.contains("{{"), "{text}");
    }
    let again = place.run(&["tool", "new", "greeting", "--lang", "python"]).await.refused();
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(place.run(&["tool", "new", "No!", "--lang", "python"]).await.code, Some(2));
}
