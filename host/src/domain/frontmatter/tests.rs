use proptest::prelude::*;
use serde_json::json;

use super::*;

fn head(lines: &str) -> Read<Value> {
    read(&format!("---\n{lines}\n---\n# Text\n")).map(Value::Object)
}

fn fault(lines: &str) -> String {
    head(lines).expect_err(lines).to_string()
}

#[test]
fn what_heads_are_made_of_is_read() {
    let text = "name: pdf-processing # what it is called
description: Fills forms (see https://a.example/x#y), it's easy
# a comment

license: \"Apache \\\"2.0\\\" \\u00e9\"   # another
compatibility: 'it''s # here'
metadata:
  version: 2.1.0
  io.example/rank: 3

  deeper:
    is-it: true
    of: ~
allowed-tools:
- Read
- \"Bash(git:*)\"
tags: [a, 'b, c', \"d #\", 1.5, -2, ]
none: []
empty:
";
    let expected = json!({
        "name": "pdf-processing",
        "description": "Fills forms (see https://a.example/x#y), it's easy",
        "license": "Apache \"2.0\" é",
        "compatibility": "it's # here",
        "metadata": {"version": "2.1.0", "io.example/rank": 3, "deeper": {"is-it": true, "of": null}},
        "allowed-tools": ["Read", "Bash(git:*)"],
        "tags": ["a", "b, c", "d #", 1.5, -2],
        "none": [],
        "empty": null,
    });
    assert_eq!(head(text), Ok(expected.clone()));
    assert_eq!(head(&text.replace('\n', "\r\n")), Ok(expected));
}

#[test]
fn texts_of_several_lines_are_folded_or_kept() {
    for (text, expected) in [
        ("a: >\n  one\n  two\n\n  three\n\n\n  four\nb: 1", json!({"a": "one two\nthree\n\nfour\n", "b": 1})),
        ("a: |\n  one\n    two\n\n  # three\n\nb: 1", json!({"a": "one\n  two\n\n# three\n", "b": 1})),
        ("a: >-\n  one\n  two\n\n", json!({"a": "one two"})),
        ("a: |+\n  one\n\nb: 1", json!({"a": "one\n\n", "b": 1})),
        ("a: |-\n\n  one: 1\n  - two", json!({"a": "\none: 1\n- two"})),
        ("a: >\nb: 1", json!({"a": "", "b": 1})),
        ("a:\n  b: |\n    c\n  d: e", json!({"a": {"b": "c\n", "d": "e"}})),
    ] {
        assert_eq!(head(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_readers_of_yaml_understand_in_several_ways_has_to_be_in_quotes() {
    for value in [
        "yes",
        "No",
        "ON",
        "y",
        "True",
        "NULL",
        "2024-01-01",
        "12:30:45",
        "0x1f",
        "0o17",
        "017",
        "1_000",
        "1e3",
        "+1",
        ".5",
        ".inf",
        "-.INF",
        "-0",
        "1.",
        "=",
        "9999999999999999",
    ] {
        assert!(fault(&format!("a: {value}")).contains("put the text in quotes"), "{value}");
        assert_eq!(head(&format!("a: '{value}'")), Ok(json!({ "a": value })));
    }
    for value in ["3rd party", "1.2.3", "v1", "nope", "a, b", "1 of 2", "x: y".trim_end_matches(": y")] {
        assert_eq!(head(&format!("a: {value}")), Ok(json!({ "a": value })), "{value}");
    }
}

#[test]
fn what_is_not_read_is_refused_with_its_line() {
    for (text, line, words) in [
        ("a: 1\nb", 3, "no `field: value`"),
        ("a: b\n  c", 3, "after `>`"),
        ("a:b", 2, "no space after the colon"),
        ("\"a\": b", 2, "its field is not named"),
        ("a: b: c", 2, "put the text in quotes"),
        ("a: &x b", 2, "put the text in quotes"),
        ("a: !!str b", 2, "put the text in quotes"),
        ("a: {b: c}", 2, "put the text in quotes"),
        ("a: \"b", 2, "no closing quote"),
        ("a: 'b' c", 2, "follows the closing quote"),
        ("a: \"\\q\"", 2, "`\\`"),
        ("a: \"\\ud800\"", 2, "`\\`"),
        ("a: [b", 2, "in brackets"),
        ("a: [b: c]", 2, "put the text in quotes"),
        ("a: [[b]]", 2, "is missing"),
        ("a: []b", 2, "follows the `]`"),
        ("- a", 2, "no `field: value`"),
        ("a:\n  - - b", 3, "single value"),
        ("a:\n  - b: c", 3, "put the text in quotes"),
        ("a: >2\n  b", 2, "nothing but"),
        ("a: >\n  b\n    c", 4, "write `|`"),
        ("a: |\n  b\n     \n  c", 4, "white space"),
        ("a: 1\na: 2", 3, "there twice"),
        ("a:\n    b: 1\n  c: 2", 4, "indented otherwise"),
        ("a: \u{7}", 2, "control character"),
        ("a: b\u{2028}c", 2, "control character"),
        ("\ta: b", 2, "its field is not named"),
        ("yes: a", 2, "its field is not named"),
    ] {
        let told = fault(text);
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(words), "{text}: {told}");
    }
    let deep: String = (0..9).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(fault(&format!("{deep}{}a: b", " ".repeat(9))).contains("deeper than 8"));
    assert!(fault(&format!("a: {}", "b".repeat(BYTES_MAX))).contains("more than 16384 bytes"));
    for (file, words) in [("", "does not begin"), ("name: a\n", "does not begin"), ("---\na: b\n", "no end")] {
        assert!(read(file).is_err_and(|error| error.fault.contains(words)), "{file}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_breaks_the_reader(text in "(\\PC|[\n\t :#'\"\\[\\]|>-]){0,200}") {
        let _ = head(&text);
    }

    #[test]
    fn a_text_in_quotes_reads_back(text in "[^\\p{C}\u{2028}\u{2029}]{0,40}") {
        let single = text.replace('\'', "''");
        let double = serde_json::to_string(&text).expect("JSON");
        prop_assert_eq!(head(&format!("a: '{single}'\nb: {double}")), Ok(json!({"a": &text, "b": &text})));
        prop_assert_eq!(head(&format!("a: ['{single}', {double}]")), Ok(json!({"a": [&text, &text]})));
    }

    /// A plain value is what stands there, or it is refused.
    #[test]
    fn a_text_without_quotes_is_itself_or_refused(text in "[a-zA-Z0-9][a-zA-Z0-9 .,:#_+-]{0,20}[a-z]") {
        if let Ok(Value::Object(fields)) = head(&format!("a: {text}"))
            && let Some(Value::String(read)) = fields.get("a")
        {
            prop_assert!(text.starts_with(read.as_str()));
        }
    }
}
