//! The borders between the rooms of `host/src`, which crates would give elsewhere.
//!
//! The tables below are the architecture: who may name whom, and which crate has its home where.
//! The tests read the sources as words; each rule has a planted violation that it must find.

use crate::source::{Source, sources, words};

/// The floor: anyone may name these.
const FLOOR: &[&str] = &["limits", "clock", "telemetry"];

/// Each room, and whom it may name beside the floor and itself. A room that is not here may not
/// exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("clock", &[]),
    ("telemetry", &[]),
    ("domain", &[]),
    ("crypto", &["domain"]),
    ("egress", &["domain"]),
    ("db", &["domain"]),
    ("events", &["domain", "db"]),
    ("sandbox", &["domain", "egress"]),
    ("packages", &["domain", "egress"]),
    ("executor", &["domain", "sandbox", "egress"]),
    ("upstream", &["domain", "egress"]),
    ("remote", &["domain", "egress"]),
    ("service", &["domain", "crypto", "egress", "executor", "packages", "db", "events", "upstream", "remote"]),
    ("auth", &["domain", "crypto", "egress", "service"]),
    ("mcp", &["domain", "auth", "service", "events"]),
    ("api", &["domain", "auth", "service", "events"]),
    ("jobs", &["domain", "service"]),
    ("config", &[ANY]),
    ("app", &[ANY, "config"]),
    ("cli", &[ANY, "config", "app"]),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Every room but those that put the others together: `config`, `app`, `cli`.
const ANY: &str = "*";
const ASSEMBLY: &[&str] = &["config", "app", "cli"];

/// Crates that only the named rooms may use.
const HOMES: &[(&str, &[&str])] = &[
    ("aes_siv", &["crypto"]),
    ("sea_orm", &["db"]),
    ("sea_query", &["db"]),
    ("rmcp", &["upstream"]),
    ("sse_stream", &["upstream"]),
    ("wasmtime", &["sandbox"]),
    ("wasmtime_wasi", &["sandbox"]),
    ("wasmtime_wasi_http", &["sandbox"]),
    ("anyhow", &["cli", "main"]),
    // Types say what they look like where they stand; the document is the API's.
    ("utoipa", &["limits", "domain", "service", "api"]),
    ("utoipa_swagger_ui", &["api"]),
];

/// A file with more lines wants splitting.
const LINES: usize = 500;

/// What `path` of the host must not name, one sentence each.
fn border_faults(path: &str, code: &str) -> Vec<String> {
    let module = module(path);
    let room = module.first().map_or_else(|| file_stem(path), String::as_str);
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}: there is no room `{room}`")];
    };
    let words = words(code);
    let may_name = |other: &str| {
        let any = allowed.contains(&ANY) && !ASSEMBLY.contains(&other);
        other == room || FLOOR.contains(&other) || allowed.contains(&other) || any
    };
    let mut faults = Vec::new();
    for other in named(&words, &module) {
        if other == ROOT {
            faults.push(format!("{path}: `{room}` must not name the whole crate"));
        } else if ROOMS.iter().any(|(name, _)| *name == other) && !may_name(&other) {
            faults.push(format!("{path}: `{room}` must not name `{other}`"));
        }
    }
    for (name, homes) in HOMES {
        if !homes.contains(&room) && uses_crate(&words, name) {
            faults.push(format!("{path}: `{room}` must not use the crate `{name}`"));
        }
    }
    faults.dedup();
    faults
}

/// The module of a file: `host/src/a/b.rs` and `host/src/a/b/mod.rs` are `a::b`; the library and the
/// executable are the root.
fn module(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("host/src/").trim_end_matches(".rs");
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || inner == "lib" || inner == "main" {
        module.pop();
    }
    module
}

fn file_stem(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Stands in the answer of [`named`] for a path that ends at the root: `use super::*` in a room, or
/// the crate under another name, either of which would hide what is named later.
const ROOT: &str = "crate";

/// The first names below the root of all paths that begin with `crate`, `self` or `super`, or with
/// `mcpbox`, as the executable calls the library.
fn named(words: &[String], module: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut here = module.to_vec();
    // For each open brace, whether it is the body of a module.
    let mut braces = Vec::new();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let mut at = 0;
    while at < words.len() {
        let is_middle = at > 0 && matches!(word(at - 1), "::" | ".");
        let start = match word(at) {
            "crate" | "mcpbox" => Some(Vec::new()),
            "self" => Some(here.clone()),
            "super" => Some(parent(&here)),
            "{" => {
                braces.push(at >= 2 && word(at - 2) == "mod");
                if braces.last() == Some(&true) {
                    here.push(word(at - 1).to_owned());
                }
                None
            }
            "}" => {
                if braces.pop() == Some(true) {
                    here.pop();
                }
                None
            }
            _ => None,
        };
        at += 1;
        if let Some(start) = start.filter(|_| !is_middle && matches!(word(at), "::" | "as")) {
            at = tree(words, at, start, &mut found);
        }
    }
    found
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default()
}

/// Follows a path from the word behind one of its names, through the groups of a `use`; answers
/// where it ends.
fn tree(words: &[String], mut at: usize, mut path: Vec<String>, found: &mut Vec<String>) -> usize {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    while word(at) == "::" {
        match word(at + 1) {
            "{" => return group(words, at + 2, &path, found),
            "*" => {
                found.push(path.into_iter().next().unwrap_or_else(|| ROOT.to_owned()));
                return at + 2;
            }
            name => path = child(path, name),
        }
        at += 2;
    }
    match path.into_iter().next() {
        Some(first) => found.push(first),
        None if word(at) == "as" => found.push(ROOT.to_owned()),
        None => {}
    }
    at
}

/// Follows what stands in the braces of a `use`, from the word behind the first.
fn group(words: &[String], mut at: usize, path: &[String], found: &mut Vec<String>) -> usize {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    loop {
        match word(at) {
            "" => return at,
            "}" => return at + 1,
            "," => at += 1,
            "*" => {
                found.push(path.first().cloned().unwrap_or_else(|| ROOT.to_owned()));
                at += 1;
            }
            "as" => at += 2,
            name => at = tree(words, at + 1, child(path.to_vec(), name), found),
        }
    }
}

/// The path one name further.
fn child(mut path: Vec<String>, name: &str) -> Vec<String> {
    match name {
        "self" => {}
        "super" => _ = path.pop(),
        name => path.push(name.to_owned()),
    }
    path
}

/// Whether the crate `name` begins a path or is imported whole.
fn uses_crate(words: &[String], name: &str) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).map_or("", |at| words[at].as_str());
        // A path may begin with `::`; a name before that makes it the middle of one.
        let inside = before == "." || (before == "::" && at >= 2 && is_name(&words[at - 2]));
        let after = words.get(at + 1).map_or("", String::as_str);
        word == name && !inside && (after == "::" || matches!(before, "use" | "crate"))
    })
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphanumeric() || c == '_') && word != "use"
}

/// What is wrong with a file whatever room it belongs to.
fn form_faults(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut faults = Vec::new();
    // What a generator writes has the form that its generator gives it.
    let is_generated = text.starts_with("// Generated by `wit-bindgen`");
    if source.has_extension(&["rs"]) && !is_generated && !text.starts_with("//!") {
        faults.push(format!("{path}: does not begin with `//!` and its promise"));
    }
    let is_code = source.has_extension(&["rs", "py", "sh", "ts", "tsx", "js", "mjs"]) || text.starts_with("#!/");
    let lines = text.lines().count();
    if is_code && !is_generated && lines > LINES {
        faults.push(format!("{path}: has {lines} lines; split it at {LINES}"));
    }
    // Put together here, because this file must pass too.
    for folder in ["root", "work"] {
        let folder = format!("/{folder}/");
        let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}/~*".contains(c));
        if text.match_indices(&folder).any(|(at, _)| begins(at)) {
            faults.push(format!("{path}: names {folder}, a folder of somebody's machine"));
        }
    }
    faults
}

#[test]
fn no_room_names_what_it_must_not() {
    let mut files = 0;
    let mut faults = Vec::new();
    for source in
        sources().iter().filter(|source| source.path.starts_with("host/src/") && source.has_extension(&["rs"]))
    {
        files += 1;
        faults.extend(border_faults(&source.path, &source.text));
    }
    assert!(files > 10, "only {files} files");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_file_has_its_form() {
    let faults: Vec<String> = sources().iter().flat_map(form_faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_tables_name_only_rooms() {
    let is_room = |name: &str| ROOMS.iter().any(|(room, _)| *room == name);
    for (room, others) in ROOMS {
        for other in *others {
            assert!(*other == ANY || is_room(other), "{room} may name {other}, which is no room");
        }
    }
    for name in FLOOR.iter().chain(ASSEMBLY).chain(HOMES.iter().flat_map(|(_, homes)| *homes)) {
        assert!(is_room(name), "{name}");
    }
}

#[test]
fn a_planted_name_of_a_forbidden_room_is_found() {
    let cases: &[(&str, &str, &[&str])] = &[
        // A plain path, in code, in types and behind a macro's `$`.
        ("host/src/domain/tool.rs", "use crate::db::page;", &["db"]),
        ("host/src/domain/tool.rs", "fn f() -> crate::egress::Guard { crate::db::x() }", &["egress", "db"]),
        ("host/src/crypto/vault.rs", "macro_rules! m { () => { $crate::sandbox::x } }", &["sandbox"]),
        ("host/src/mcp/mod.rs", "pub use crate::api;", &["api"]),
        ("host/src/api/tools.rs", "use crate::mcp::bindings::{mcpbox::guest};", &["mcp"]),
        // Groups, nested and renamed.
        ("host/src/mcp/transport.rs", "use crate::{domain::ids, service::{calls, tools}, db::page as p};", &["db"]),
        ("host/src/mcp/transport.rs", "use crate::{domain::{ids, names}, sandbox, api};", &["sandbox", "api"]),
        ("host/src/api/mod.rs", "use {crate::db::x, crate::sandbox::y};", &["db", "sandbox"]),
        // By way of `super`, from a file, from `mod.rs`, and from a module inside a file.
        ("host/src/sandbox/engine.rs", "use super::super::db::page;", &["db"]),
        ("host/src/sandbox/mod.rs", "use super::db;", &["db"]),
        ("host/src/sandbox/engine.rs", "use super::{super::{db, egress}, fetch};", &["db"]),
        ("host/src/sandbox/mod.rs", "use self::super::db;", &["db"]),
        ("host/src/domain/ids.rs", "mod tests { fn f() { super::super::super::db::x() } }", &["db"]),
        ("host/src/domain/ids.rs", "mod tests { mod more {} }\nuse super::super::db;", &["db"]),
        // Those that put the others together.
        ("host/src/service/calls.rs", "use crate::config::Settings;", &["config"]),
        ("host/src/config.rs", "use crate::app::App;", &["app"]),
        ("host/src/app.rs", "use crate::cli;", &["cli"]),
        ("host/src/main.rs", "fn main() { mcpbox::app::run() }", &["app"]),
    ];
    for (path, code, expected) in cases {
        let room = module(path).first().cloned().unwrap_or_else(|| "main".to_owned());
        let expected: Vec<String> =
            expected.iter().map(|other| format!("{path}: `{room}` must not name `{other}`")).collect();
        assert_eq!(border_faults(path, code), expected, "{code}");
    }
}

#[test]
fn allowed_names_are_let_pass() {
    let cases = [
        ("host/src/domain/tool.rs", "use super::names; use crate::{clock::Clock, limits::{self, Limits}};"),
        ("host/src/domain/tool.rs", "// crate::db\nconst X: &str = \"crate::db\"; pub(crate) fn f(db: u8) {}"),
        ("host/src/domain/tool.rs", "mod tests { use super::*; use super::super::names; } pub(super) fn f() {}"),
        ("host/src/domain/mod.rs", "pub mod db_names; fn f(&self) { self.db() } fn g() { other::crate_db() }"),
        ("host/src/sandbox/fetch.rs", "use crate::egress::{Guard, request::Request as R, *};"),
        ("host/src/service/calls.rs", "use crate::{db, executor::Executor}; fn f() { super::tools::g() }"),
        ("host/src/config.rs", "use crate::{db, sandbox, api, limits};"),
        ("host/src/cli.rs", "use crate::{app, config}; fn f() -> anyhow::Result<()> { app::run() }"),
        ("host/src/lib.rs", "pub mod api; pub mod db;"),
        ("host/src/main.rs", "fn main() -> anyhow::Result<()> { mcpbox::cli::main() }"),
        ("host/src/cli/call.rs", "use anyhow::Context as _;"),
        ("host/src/db/page.rs", "use sea_orm::{entity::prelude::*, sea_query::Expr};"),
        ("host/src/mcp/mod.rs", "struct V { wasmtime: String } fn f(v: V) { v.wasmtime.len() }"),
    ];
    for (path, code) in cases {
        assert_eq!(border_faults(path, code), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn the_whole_crate_under_a_name_is_found() {
    for (path, code) in [
        ("host/src/domain/mod.rs", "use super::*;"),
        ("host/src/domain/ids.rs", "use crate::*;"),
        ("host/src/domain/ids.rs", "use crate as root;"),
        ("host/src/domain/ids.rs", "use super::super as root;"),
        ("host/src/domain/ids.rs", "use crate::{self as root};"),
        ("host/src/domain/mod.rs", "use super::{domain::ids, *};"),
    ] {
        let expected = vec![format!("{path}: `domain` must not name the whole crate")];
        assert_eq!(border_faults(path, code), expected, "{code}");
    }
}

#[test]
fn an_unknown_room_is_found() {
    for path in ["host/src/helpers.rs", "host/src/helpers/mod.rs", "host/src/helpers/text.rs"] {
        assert_eq!(border_faults(path, ""), [format!("{path}: there is no room `helpers`")]);
    }
}

#[test]
fn a_planted_use_of_a_crate_outside_its_home_is_found() {
    for (code, name) in [
        ("use wasmtime::Engine;", "wasmtime"),
        ("use wasmtime;", "wasmtime"),
        ("use {std::io, wasmtime::Engine};", "wasmtime"),
        ("fn f(x: &::sea_orm::DbErr) {}", "sea_orm"),
        ("extern crate aes_siv;", "aes_siv"),
        ("fn f() -> anyhow::Result<()> {}", "anyhow"),
        ("use wasmtime_wasi::WasiCtx;", "wasmtime_wasi"),
        ("#[derive(sea_query::Iden)] struct S;", "sea_query"),
    ] {
        let expected = format!("host/src/executor/local.rs: `executor` must not use the crate `{name}`");
        assert_eq!(border_faults("host/src/executor/local.rs", code), [expected], "{code}");
    }
}

#[test]
fn a_planted_fault_of_form_is_found() {
    let fault = |path: &str, text: String| {
        let faults = form_faults(&Source { path: path.to_owned(), text });
        faults.first().map(|fault| fault.trim_start_matches(path).trim_start_matches(": ").to_owned())
    };
    let home = format!("/{}/", "root");
    let found = [
        fault("migrations/src/a.rs", "use x;".to_owned()),
        fault("scripts/a.sh", "x\n".repeat(501)),
        fault("run", format!("#!/bin/sh\n{}", "x\n".repeat(500))),
        fault("docs/a.md", format!("cd {home}x")),
        fault("docs/a.md", format!("cd `{home}`")),
    ];
    assert_eq!(
        found.map(Option::unwrap_or_default),
        [
            "does not begin with `//!` and its promise".to_owned(),
            "has 501 lines; split it at 500".to_owned(),
            "has 501 lines; split it at 500".to_owned(),
            format!("names {home}, a folder of somebody's machine"),
            format!("names {home}, a folder of somebody's machine"),
        ]
    );
    let good = [
        fault("host/src/a.rs", "//! A promise.\n".to_owned()),
        fault("docs/a.md", "x\n".repeat(501)),
        fault("scripts/a.py", "x\n".repeat(500)),
        fault("docs/a.md", format!("https://example.com{home}x and a{home}x")),
    ];
    assert_eq!(good, [None, None, None, None]);
}
