//! What is blotted out, and what is left as it was.

use std::fmt::Write as _;

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn redactor(value: &str) -> Redactor {
    Redactor::new([value])
}

/// Every way in which the tests write a value, by another hand than the redactor's.
fn spellings(value: &str) -> Vec<(&'static str, String)> {
    let each = |write: &dyn Fn(&mut String, char)| {
        value.chars().fold(String::new(), |mut out, c| {
            write(&mut out, c);
            out
        })
    };
    let bytes = |format: fn(u8) -> String| value.bytes().map(format).collect::<String>();
    let json = serde_json::to_string(value).expect("a string");
    let json = json[1..json.len() - 1].to_owned();
    let utf16 = |out: &mut String, c: char| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    };
    let ascii = |out: &mut String, c: char| if c.is_ascii() { out.push(c) } else { utf16(out, c) };
    let python = |out: &mut String, c: char| match c {
        '\\' | '\'' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        ' '..='~' => out.push(c),
        '\0'..='\u{ff}' => _ = write!(out, "\\x{:02x}", u32::from(c)),
        '\u{100}'..='\u{ffff}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
        _ => _ = write!(out, "\\U{:08x}", u32::from(c)),
    };
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    vec![
        ("raw", value.to_owned()),
        ("percent, all, upper", bytes(|b| format!("%{b:02X}"))),
        ("percent, all, lower", bytes(|b| format!("%{b:02x}"))),
        ("form", form.clone()),
        ("percent, reserved", form.replace('+', "%20")),
        ("percent, twice", form.replace('%', "%25")),
        ("form in JSON", serde_json::to_string(&form).expect("a string")),
        ("JSON in a form", url::form_urlencoded::byte_serialize(json.as_bytes()).collect()),
        ("JSON in JSON", serde_json::to_string(&json).expect("a string")),
        ("JSON with slashes", json.replace('/', "\\/")),
        ("JSON", json),
        ("JSON, all escaped", each(&utf16)),
        ("Python bytes", bytes(|b| format!("\\x{b:02x}"))),
        ("Rust", format!("{value:?}")),
        ("Rust, ASCII", value.escape_default().to_string()),
        ("hex, lower", hex::encode(value)),
        ("hex, upper", hex::encode_upper(value)),
        ("base64", STANDARD.encode(value)),
        ("base64, URL-safe", URL_SAFE.encode(value)),
        ("base64, no padding", STANDARD_NO_PAD.encode(value)),
        ("base64 in a URL", STANDARD.encode(value).replace('+', "%2B").replace('/', "%2f").replace('=', "%3D")),
        ("JSON, ASCII", if value.contains(['"', '\\', '\n']) { each(&utf16) } else { each(&ascii) }),
        ("Python", each(&python)),
    ]
}

/// Printable and not, of one to four bytes of UTF-8, without the brackets of the marker.
fn secret() -> impl Strategy<Value = String> {
    "[ -Z^-~éßñ€中😀\n\\\\]{4,40}".prop_filter("no piece of the marker, no literal", |value| {
        [value.as_str(), value.trim()].iter().all(|value| !REDACTED.contains(value))
            && !["true", "false", "null"].contains(&value.trim())
    })
}

/// What may stand beside a value without becoming one escape with it.
fn beside() -> impl Strategy<Value = String> {
    "[ -$&-Z^-~é€\n]{0,12}"
}

#[test]
fn values_are_found_wherever_and_however_they_stand() {
    let redactor = Redactor::new(["hunter2/+ é", "sk-abcdef"]);
    let cases = [
        ("the key is sk-abcdef.", "the key is [redacted]."),
        ("sk-abcdefsk-abcdef", "[redacted][redacted]"),
        ("/?k=hunter2%2F%2b+%C3%A9&x", "/?k=[redacted]&x"),
        ("/?k=hunter2/%2B%20%c3%a9&x", "/?k=[redacted]&x"),
        (r#"{"k":"hunter2\/+ \u00e9"}"#, r#"{"k":"[redacted]"}"#),
        (r"'hunter2/+ \xe9'", "'[redacted]'"),
        (r"b'hunter2/+ \xc3\xa9'", "b'[redacted]'"),
        ("Basic dXNlcjpzay1hYmNkZWY=", "Basic dXNlcjp[redacted]Y="),
        ("736b2d616263646566", "[redacted]"),
        ("sk-abcde", "sk-abcde"),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(redactor.apply(text), expected);
    }
}

#[test]
fn overlapping_values_leave_nothing_of_each_other() {
    let redactor = Redactor::new(["abcd", "bcdefgh", "gh-longer"]);
    assert_eq!(redactor.apply("xabcdefgh-longery"), "x[redacted]y");
    assert_eq!(redactor.apply("bcdefg abcde"), "bcdefg [redacted]e");
    assert_eq!(Redactor::new(["aaaa"]).apply("baaaaaaab"), "b[redacted]b");
}

#[test]
fn a_value_is_found_without_the_white_space_around_it() {
    assert_eq!(redactor(" my-token\n").apply("Bearer my-token"), "Bearer [redacted]");
}

#[test]
fn short_values_and_literals_are_left_alone() {
    let redactor = Redactor::new(["", "abc", "ääß", "true", "null", " x\n", "{}", "[  ]", "     "]);
    let text = r#"{"abc": true, "ääß": null, " x\n": {},     "[]": []}"#;
    assert!(matches!(redactor.apply(text), Cow::Borrowed(_)));
    assert_eq!(redactor.apply_json_text(text), text);
}

#[test]
fn four_bytes_are_found_in_base64_only_alone() {
    let redactor = redactor("test");
    assert_eq!(redactor.apply("x dGVzdA== y"), "x [redacted]== y");
    let inside = STANDARD.encode("a test of it");
    assert_eq!(redactor.apply(&inside), inside);
}

#[test]
fn json_keeps_its_form_and_loses_the_value() {
    let redactor = Redactor::new(["123456", "key-1", "key-2"]);
    let mut value = json!({"pin": 123456, "list": [91234567, 7, "a key-1"], "key-1": 1, "key-2": {"key-1": null}});
    assert!(redactor.apply_json(&mut value));
    let expected = json!({
        "pin": REDACTED, "list": [REDACTED, 7, "a [redacted]"],
        REDACTED: 1, "[redacted] 2": {REDACTED: null},
    });
    assert_eq!(value, expected);
    assert!(!redactor.apply_json(&mut value));
}

#[test]
fn json_text_without_a_value_keeps_its_bytes() {
    let text = r#"{ "z": 1.50, "a": 123456789012345678901234567890, "a": "\u0041" }"#;
    assert_eq!(redactor("secret").apply_json_text(text), text);
}

#[test]
fn a_value_that_a_later_key_hides_is_found() {
    let out = redactor("sk-abcdef").apply_json_text(r#"{"a":"sk-abcdef","a":"x"}"#);
    assert_eq!(out, r#"{"a":"x"}"#);
}

#[test]
fn a_value_that_is_json_itself_is_found_in_any_order() {
    let redactor = redactor(r#"{"kind":"account","id":7}"#);
    let cases = [
        (r#"{"config":{"kind":"account","id":7}}"#, r#"{"config":"[redacted]"}"#),
        (r#"[1, { "id": 7, "kind": "account" }]"#, r#"[1,"[redacted]"]"#),
        (r#"{"kind":"account","id":7}"#, r#""[redacted]""#),
        (r#"{"kind":"account","id":8}"#, r#"{"kind":"account","id":8}"#),
        (r#"cut: {"kind":"account","id":7}, {"#, "cut: [redacted], {"),
    ];
    for (text, expected) in cases {
        assert_eq!(redactor.apply_json_text(text), expected);
    }
}

#[test]
fn a_value_that_is_a_piece_of_json_leaves_valid_json() {
    let out = redactor(r#"1,"b":2"#).apply_json_text(r#"{"a":1,"b":2}"#);
    assert_eq!(out, r#""{\"a\":[redacted]}""#);
}

#[test]
fn a_redactor_does_not_print_what_it_holds() {
    assert_eq!(format!("{:?}", redactor("sk-abcdef")), "Redactor(…)");
}

#[test]
fn arguments_are_redacted_by_their_names() {
    let names = "password db_passwd secret client-secret access_token apiKey X-Api-Key Authorization auth oauth_code \
        authentication credentials private_key bearer sessionId Set-Cookie authorisation";
    for name in names.split_whitespace() {
        let mut arguments = json!({"list": [{name: {"any": "thing"}, "other": 1}]});
        redact_arguments(&mut arguments);
        assert_eq!(arguments, json!({"list": [{name: REDACTED, "other": 1}]}), "{name}");
    }
    for name in ["author", "authors", "author_id", "key", "monkey", "city", "pass", ""] {
        assert!(!names_a_secret(name), "{name}");
    }
}

proptest! {
    #[test]
    fn a_value_survives_in_no_spelling(value in secret(), before in beside(), after in beside()) {
        let redactor = redactor(&value);
        for (how, spelled) in spellings(&value) {
            let out = redactor.apply(&format!("{before}{spelled}{after}")).into_owned();
            prop_assert!(out.contains(REDACTED), "{how}: {spelled} -> {out}");
            prop_assert!(!out.contains(&spelled) && !out.contains(&value), "{how}: {spelled} -> {out}");
            prop_assert!(matches!(redactor.apply(&out), Cow::Borrowed(_)), "{how}: {spelled} -> {out}");
        }
    }

    #[test]
    fn a_value_survives_at_no_place_of_base64(
        value in secret().prop_filter("five bytes", |value| value.trim().len() > 4),
        before in prop::collection::vec(any::<u8>(), 0..6), after in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let bytes = [&before, value.as_bytes(), &after].concat();
        for encoded in [STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            let out = redactor(&value).apply(&encoded).into_owned();
            let kept: usize = out.split(REDACTED).map(str::len).sum();
            // No more than the bits that the characters at both ends share with the neighbours.
            prop_assert!(6 * (encoded.len() - kept) + 10 >= 8 * value.len(), "{encoded} -> {out}");
        }
    }

    #[test]
    fn a_value_survives_nowhere_in_json(value in secret(), other in secret(), before in beside(), after in beside()) {
        let inside = format!("{before}{value}{after}");
        let document = json!({&inside: [1, {"deep": &inside, "json": json!({&inside: &inside}).to_string()}], "o": &other});
        for text in [document.to_string(), format!("{document:#}")] {
            let out = redactor(&value).apply_json_text(&text);
            let parsed = serde_json::from_str::<Value>(&out);
            prop_assert!(parsed.is_ok(), "{out}");
            prop_assert!(!out.contains(&value) && !parsed.expect("valid").to_string().contains(&value), "{out}");
            prop_assert_eq!(&redactor(&value).apply_json_text(&out), &out);
        }
    }

    #[test]
    fn text_without_a_value_is_not_touched(value in "[Q-Z]{5,20}", text in "[g-p .,%\\\\\"]{0,200}") {
        prop_assert!(matches!(redactor(&value).apply(&text), Cow::Borrowed(_)));
        let quoted = Value::String(text).to_string();
        prop_assert_eq!(redactor(&value).apply_json_text(&quoted), quoted);
    }

    #[test]
    fn no_text_is_too_odd(text in "[%\\\\uxU{}dD0-9a-fé€\"]{4,60}", at: prop::sample::Index, more: Vec<String>) {
        // A piece of the text is the value, so that escapes begin before it and end behind it.
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let first = at.index(places.len() - 4);
        let value = &text[places[first]..places[first + 4]];
        let redactor = Redactor::new(more.iter().map(String::as_str).chain([value]));
        let out = redactor.apply(&text);
        prop_assert!(out.contains(REDACTED) && !out.contains(value), "{value} in {text} -> {out}");
        let json = Value::String(text.clone()).to_string();
        prop_assert!(serde_json::from_str::<String>(&redactor.apply_json_text(&json)).is_ok());
    }
}
