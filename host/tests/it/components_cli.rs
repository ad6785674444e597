//! Components and sources at the command line: started, looked into, run, brought to a host, approved.

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
async fn a_source_that_was_written_by_hand_goes_from_a_file_to_a_call() {
    let host = Host::start().await;
    let admin = host.admin().await;
    admin.server("sums").await;
    let password = format!("{PASSWORD}\n");
    let write = |name: &str, source: &str| std::fs::write(host.data_dir().join(name), source).expect("written");
    write("Add-Up.py", "import os\n\ndef main(a: int, b: int = 1) -> int:\n    \"Adds up.\"\n    return a + b\n");
    let push = ["tool", "push", "Add-Up.py", "--server", "sums", "-u", "ada"];
    let draft = beside(&host, &[&push[..], &["--draft"]].concat(), &password).await.done();
    for words in [
        "Arguments: {\"",
        "Result: {\"",
        "Asks for modules: os\n",
        "Nobody requested so far: os\n",
        "Version 1 of sums__add_up.",
        "It is a draft",
        "Digest: ",
    ] {
        assert!(draft.contains(words), "{words}: {draft}");
    }
    write("Add-Up.py", "def main(a: int, b: int = 1) -> int:\n    \"Adds two numbers.\"\n    return a + b\n");
    let pushed = beside(&host, &push, &password).await.done();
    let waits = "It waits for a person: mcpbox tool approve sums__add_up";
    for words in ["Asks for modules: none\n", "Version 2 of sums__add_up.", waits] {
        assert!(pushed.contains(words), "{words}: {pushed}");
    }
    assert!(!pushed.contains("Nobody requested"), "{pushed}");
    let approve = ["tool", "approve", "sums__add_up", "-u", "ada", "--yes"];
    let approved = beside(&host, &approve, &password).await.done();
    assert!(approved.contains("Adds two numbers."), "the comment of the source describes it: {approved}");
    assert_eq!(beside(&host, &["call", "sums__add_up", "a=2", "b=3"], "").await.done(), "5\n");

    let same = beside(&host, &push, &password).await.done();
    assert!(same.contains("Nothing has changed since version 2.") && same.contains("It is approved."), "{same}");
    write("add_up.ts", "/** Adds more. */\nexport function main({ a }: { a: number }): number { return a + 100 }\n");
    let line = ["tool", "push", "add_up.ts", "--server", "sums", "-u", "ada", "--timeout-ms", "2000"];
    let next = beside(&host, &[&line[..], &["--description", "Adds a hundred."]].concat(), &password).await.done();
    assert!(next.contains("Version 3 of sums__add_up.") && next.contains(waits), "{next}");
    assert_eq!(beside(&host, &["call", "sums__add_up", "a=2"], "").await.done(), "3\n", "what was approved answers");
    let shown = beside(&host, &approve, &password).await.done();
    assert!(shown.contains("Adds a hundred.") && shown.contains("a + 100"), "{shown}");
    assert_eq!(beside(&host, &["call", "sums__add_up", "a=2"], "").await.done(), "102\n");

    let refused = async |file: &str| {
        let said = beside(&host, &["tool", "push", file, "--server", "sums", "-u", "ada"], &password).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        said.stderr
    };
    write("broken.py", "def main(:\n");
    let broken = refused("broken.py").await;
    assert!(broken.contains("SyntaxError") && broken.contains("def main(:"), "with the line: {broken}");
    write("add_up.txt", "def main(): pass\n");
    assert!(refused("add_up.txt").await.contains("ends in .py"));
    std::fs::write(host.data_dir().join("add_up.wasm"), fixtures::component("echo")).expect("written");
    assert!(refused("add_up.wasm").await.contains("add_up"), "a component does not follow a source");
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
        let made = place.run(&["tool", "new", &format!("greeting_{lang}"), "--lang", lang]).await.done();
        assert_eq!(made.contains("cargo add mcpbox-sdk --path"), lang == "rust", "{made}");
        let text = std::fs::read_to_string(place.folder().join(format!("greeting_{lang}/{file}"))).expect("made");
        assert!(text.contains(&format!("greeting_{lang}")) && !text.contains("{{"), "{text}");
    }
    let again = place.run(&["tool", "new", "greeting", "--lang", "python"]).await.refused();
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(place.run(&["tool", "new", "No!", "--lang", "python"]).await.code, Some(2));
}
