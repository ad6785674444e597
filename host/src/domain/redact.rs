//! Blots secret values out of text, however a tool came to write them there.
//!
//! A value is found as it is, without the white space at its ends, percent-encoded, with backslash
//! escapes, in hexadecimal digits, in base64, and in these one inside the other (a JSON text in a
//! JSON string, base64 in a URL) two deep.
//!
//! What it does not do: this is against accidents. A tool that may read a secret can always write it
//! in a way that nobody recognises; grants decide where that could go. Not found are values of less
//! than four characters and `true`, `false` and `null`, because too much would be blotted out by
//! chance; values whose encoding is broken by line breaks; and an escaped value that directly follows
//! a stray `%` or `\`, with which its first character reads as another escape.

mod view;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use view::View;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Values with fewer characters are not looked for.
pub const MIN_CHARACTERS: usize = 4;

/// The shortest piece of base64 that is taken for a secret. Six characters are 36 bits: in a million
/// characters of an encoded picture they occur by chance once in 70,000 times; five, once in a
/// thousand. So a value of four bytes is found only where its base64 stands alone.
const MIN_BASE64_CHARACTERS: usize = 6;

/// Encodings inside encodings that are undone.
const DEPTH: usize = 2;

/// Finds the values of one server's secrets. Making one for five keys takes a fifth of a millisecond,
/// a hundred times a short search: keep it as long as the secrets do not change. It holds the values,
/// unwiped, and shows nothing of them in `Debug`.
pub struct Redactor {
    patterns: Option<AhoCorasick>,
    /// The values that are JSON objects or arrays, which a tool may return with other spaces or in
    /// another order.
    documents: Vec<Value>,
}

impl Redactor {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = BTreeSet::new();
        let mut documents = Vec::new();
        for value in values {
            let parsed = serde_json::from_str::<Value>(value).ok();
            documents.extend(parsed.filter(|it| (it.is_object() || it.is_array()) && is_looked_for(&it.to_string())));
            for value in [value, value.trim()].into_iter().filter(|value| is_looked_for(value)) {
                add_forms(&mut patterns, value);
            }
        }
        if patterns.is_empty() {
            return Self { patterns: None, documents };
        }
        #[expect(clippy::expect_used, reason = "it fails only past two thousand million bytes of patterns")]
        let patterns = AhoCorasick::builder()
            // Neither the memory of a DFA nor its time to build are worth it for long keys.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .expect("patterns of bounded size");
        Self { patterns: Some(patterns), documents }
    }

    /// About how much memory it takes.
    pub fn size_bytes(&self) -> usize {
        let documents: usize = self.documents.iter().map(|document| document.to_string().len()).sum();
        self.patterns.as_ref().map_or(0, AhoCorasick::memory_usage) + documents * 4
    }

    /// The text with every value blotted out; the text itself when it holds none.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let ranges = self.find(text);
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for range in ranges {
            out.push_str(&text[from..range.start]);
            out.push_str(REDACTED);
            from = range.end;
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }

    /// Whether there is nothing to be found, whatever the text.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_none() && self.documents.is_empty()
    }

    /// As [`Self::apply`], without a copy of a text that holds none.
    pub fn apply_owned(&self, text: String) -> String {
        let redacted = match self.apply(&text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(redacted) => Some(redacted),
        };
        redacted.unwrap_or(text)
    }

    /// Blots values out of strings and keys; a number that holds one becomes a string. Says whether
    /// anything was changed.
    pub fn apply_json(&self, value: &mut Value) -> bool {
        if self.documents.contains(value) {
            *value = REDACTED.into();
            return true;
        }
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => {
                let found = matches!(self.apply(&number.to_string()), Cow::Owned(_));
                if found {
                    *value = REDACTED.into();
                }
                found
            }
            Value::String(text) => match self.apply(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(redacted) => {
                    *text = redacted;
                    true
                }
            },
            Value::Array(items) => items.iter_mut().fold(false, |changed, item| self.apply_json(item) | changed),
            Value::Object(map) => self.apply_json_map(map),
        }
    }

    fn apply_json_map(&self, map: &mut Map<String, Value>) -> bool {
        let changed = map.values_mut().fold(false, |changed, item| self.apply_json(item) | changed);
        if !map.keys().any(|key| matches!(self.apply(key), Cow::Owned(_))) {
            return changed;
        }
        for (key, item) in std::mem::take(map) {
            let redacted = self.apply(&key).into_owned();
            let mut free = redacted.clone();
            // Two keys that are equal now keep both their values.
            for number in 2.. {
                if !map.contains_key(&free) {
                    break;
                }
                free = format!("{redacted} {number}");
            }
            map.insert(free, item);
        }
        true
    }

    /// As [`Self::apply_json`], for JSON that is still text: what was valid JSON stays valid JSON,
    /// and keeps its bytes when it holds no value. Other text is treated by [`Self::apply`].
    pub fn apply_json_text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let Ok(mut value) = serde_json::from_str::<Value>(text) else { return self.apply(text).into_owned() };
        let changed = self.apply_json(&mut value);
        if !changed && matches!(self.apply(text), Cow::Borrowed(_)) {
            return text.to_owned();
        }
        let out = value.to_string();
        match self.apply(&out) {
            Cow::Borrowed(_) => out,
            // The value is a piece of JSON, such as the end of one member and the start of the next.
            Cow::Owned(redacted) => match serde_json::from_str::<serde::de::IgnoredAny>(&redacted) {
                Ok(_) => redacted,
                Err(_) => Value::String(redacted).to_string(),
            },
        }
    }

    /// The parts of the text to blot out, in order; none touches the inside of another.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let Some(patterns) = &self.patterns else { return Vec::new() };
        let mut found = Vec::new();
        search(patterns, &View::of(text), DEPTH, &mut found);
        found.sort_unstable_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in found {
            match apart.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        apart
    }
}

/// All matches, also those that overlap: what is left beside a match must not be most of another.
fn search(patterns: &AhoCorasick, view: &View<'_>, depth: usize, found: &mut Vec<Range<usize>>) {
    let first = found.len();
    for hit in patterns.find_overlapping_iter(view.bytes()) {
        let range = view.origin(hit.range());
        // Hits come in the order of their ends; a run of overlapping ones is kept as one.
        match found[first..].last_mut() {
            Some(last) if range.start < last.end => *last = last.start.min(range.start)..range.end,
            _ => found.push(range),
        }
    }
    if depth > 0 {
        for inner in [view.without_percents(), view.without_backslashes()].into_iter().flatten() {
            search(patterns, &inner, depth - 1, found);
        }
    }
}

fn is_looked_for(value: &str) -> bool {
    value.chars().count() >= MIN_CHARACTERS && !value.trim().is_empty() && !["true", "false", "null"].contains(&value)
}

/// The spellings of a value that undoing escapes does not lead back to the value.
fn add_forms(patterns: &mut BTreeSet<String>, value: &str) {
    patterns.insert(value.to_owned());
    // In the query of a URL, where a plus sign itself is written %2B.
    patterns.insert(value.replace(' ', "+"));
    patterns.insert(hex::encode(value));
    patterns.insert(hex::encode_upper(value));
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        patterns.insert(engine.encode(value));
        for before in 0..3 {
            patterns.extend(base64_inside(&engine, value, before));
        }
    }
}

/// The characters of base64 that this value alone decides when it follows `before` other bytes
/// (modulo three); the characters at both ends share their bits with the neighbours.
fn base64_inside(engine: &impl base64::Engine, value: &str, before: usize) -> Option<String> {
    let encoded = engine.encode([&[0; 2][..before], value.as_bytes()].concat());
    let inside = (before * 8).div_ceil(6)..(before + value.len()) * 8 / 6;
    (inside.len() >= MIN_BASE64_CHARACTERS).then(|| encoded[inside].to_owned())
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

/// Blots out, at any depth, the arguments whose names say that they are secret, for logs.
pub fn redact_arguments(arguments: &mut Value) {
    match arguments {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if names_a_secret(key) {
                    *value = REDACTED.into();
                } else {
                    redact_arguments(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_arguments),
        _ => {}
    }
}

/// Whether a key holds one of these words, in any spelling: `api_key`, `apiKey`, `X-Api-Key`.
fn names_a_secret(key: &str) -> bool {
    const WORDS: [&str; 11] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "credential",
        "privatekey",
        "bearer",
        "session",
        "cookie",
    ];
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // Of the words with `author` only those of authorization.
    let is_auth = |(at, _): (usize, &str)| match key[at..].strip_prefix("author") {
        Some(rest) => rest.starts_with("iz") || rest.starts_with("is"),
        None => true,
    };
    WORDS.iter().any(|word| key.contains(word)) || key.match_indices("auth").any(is_auth)
}

#[cfg(test)]
mod tests;
