//! Marks at tests: a line of a test's documentation that names what the test shows. What has no mark, a mark
//! that names nothing, and a mark that stands at no test are red.

use std::collections::BTreeSet;

use crate::source::{self, Source};

/// The files in which marks may stand.
pub fn files() -> Vec<Source> {
    let mut files = source::sources();
    files.retain(|file| file.path.starts_with("host/") && file.has_extension(&["rs"]));
    files
}

/// What is wrong with the marks of these sources. `mark` is how the line begins, `what` what each of the
/// `names` is.
pub fn faults(mark: &str, what: &str, names: &[&str], files: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut shown = BTreeSet::new();
    for Source { path, text } in files {
        let mut lines = text.lines().map(str::trim_start);
        while let Some(line) = lines.next() {
            let Some(marked) = line.strip_prefix(mark) else { continue };
            let below = lines.clone().find(|line| !line.starts_with("///")).unwrap_or_default();
            if !below.starts_with("#[test]") && !below.starts_with("#[tokio::test") {
                faults.push(format!("{path}: `{line}` stands at no test"));
                continue;
            }
            for name in marked.trim_end_matches('.').split(", ") {
                if names.contains(&name) {
                    shown.insert(name);
                } else {
                    faults.push(format!("{path}: there is no {what} `{name}`"));
                }
            }
        }
    }
    let forgotten = names.iter().filter(|name| !shown.contains(**name));
    faults.extend(forgotten.map(|name| format!("no test shows the {what} `{name}`: mark one with `{mark}{name}.`")));
    faults
}

#[test]
fn a_planted_name_that_no_test_shows_is_found() {
    let mark = "/// Shows: ";
    let marked = |names: &str, below: &str| format!("    {mark}{names}.\n    /// More.\n    {below}\n");
    let text = [
        marked("one_ms, two_bytes", "#[test]"),
        marked("three", "#[tokio::test(flavor = \"multi_thread\")]"),
        marked("unknown", "#[tokio::test]"),
        marked("four", "fn no_test() {}"),
    ];
    let files = [Source { path: "host/x.rs".to_owned(), text: text.concat() }];
    assert_eq!(
        faults(mark, "bound", &["one_ms", "two_bytes", "three", "four"], &files),
        [
            "host/x.rs: there is no bound `unknown`",
            "host/x.rs: `/// Shows: four.` stands at no test",
            "no test shows the bound `four`: mark one with `/// Shows: four.`",
        ]
    );
}
