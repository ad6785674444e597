//! The repository as text: its files, and Rust as words without comments and literals.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One file of the repository that is text.
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn has_extension(&self, extensions: &[&str]) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// The paths that a commit of everything would have, sorted: what git tracks and what it does not
/// ignore.
pub fn paths() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let mut paths: Vec<String> =
        listed.split('\0').filter(|path| !path.is_empty() && file(path).is_file()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Each file of the repository that is text.
pub fn sources() -> Vec<Source> {
    let text = |path: String| Some(Source { text: std::fs::read_to_string(file(&path)).ok()?, path });
    paths().into_iter().filter_map(text).collect()
}

pub fn file(path: &str) -> PathBuf {
    root().join(path)
}

/// The words of Rust code in order: identifiers, `::`, and every other visible character by itself.
/// Comments, strings, characters and lifetimes are left out.
pub fn words(code: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = literal(rest) {
            rest = &rest[length..];
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                words.push(rest[..length].to_owned());
            }
            rest = &rest[length..];
        }
    }
    words
}

/// Length of the comment, string, character or lifetime at the start of `code`, if there is one.
fn literal(code: &str) -> Option<usize> {
    if code.starts_with("//") {
        return Some(code.find('\n').unwrap_or(code.len()));
    }
    if code.starts_with("/*") {
        return Some(block_comment(code));
    }
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        let rest = code.strip_prefix(prefix).unwrap_or_default();
        let raw = prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"');
        raw || rest.starts_with('"') || (*prefix == "b" && rest.starts_with('\''))
    });
    let prefix = prefix.unwrap_or_default();
    let rest = &code[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let body = &rest[hashes + 1..];
        let end = body.find(&close).map_or(body.len(), |end| end + close.len());
        return Some(prefix.len() + hashes + 1 + end);
    }
    match rest.chars().next()? {
        '"' => Some(prefix.len() + quoted(rest, '"')),
        '\'' => Some(prefix.len() + character(rest)),
        _ => None,
    }
}

/// Length of a block comment; they nest.
fn block_comment(code: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < code.len() {
        if code[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if code[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += code[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    code.len()
}

/// Length of a literal between two `quote`s, with escapes.
fn quoted(code: &str, quote: char) -> usize {
    let mut characters = code.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => _ = characters.next(),
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Length of a character literal, or of a lifetime: a quote and a name with no quote behind it.
fn character(code: &str) -> usize {
    let name = &code[1..];
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    if end > 0 && !name[end..].starts_with('\'') { 1 + end } else { quoted(code, '\'') }
}

#[test]
fn the_files_of_the_repository_are_found() {
    let paths = paths();
    for expected in ["Cargo.toml", "host/src/lib.rs", "host/tests/it/source.rs", "components/fixtures/noop.wat"] {
        assert!(paths.iter().any(|path| path == expected), "{expected}");
    }
    assert!(!paths.iter().any(|path| path.starts_with("target/")));
}

#[test]
fn words_leave_out_comments_and_literals() {
    let cases: &[(&str, &[&str])] = &[
        ("use a::b; // c::d\ne", &["use", "a", "::", "b", ";", "e"]),
        ("a /* b /* c */ d */ e", &["a", "e"]),
        (r#"f("x::y \" z", w)"#, &["f", "(", ",", "w", ")"]),
        (r###"f(r#"x " y"#, br"z", w)"###, &["f", "(", ",", ",", "w", ")"]),
        (r"f('x', '\'', '\u{41}', b'y', w)", &["f", "(", ",", ",", ",", ",", "w", ")"]),
        (
            "fn f<'a>(x: &'a str) -> &'static str",
            &["fn", "f", "<", ">", "(", "x", ":", "&", "str", ")", "-", ">", "&", "str"],
        ),
        ("'é' + \"é\" + é", &["+", "+", "é"]),
        ("r#type + breath + crab", &["r", "#", "type", "+", "breath", "+", "crab"]),
        ("'label: loop {}", &[":", "loop", "{", "}"]),
        ("an \"unclosed string", &["an"]),
        ("/* unclosed", &[]),
    ];
    for (code, expected) in cases {
        assert_eq!(&words(code), expected, "{code}");
    }
}
