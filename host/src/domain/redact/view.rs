//! Text with its escapes undone, where every byte still knows where in the text it came from.

use std::borrow::Cow;
use std::ops::Range;

/// Bytes to search in, and their places in the text that will be cut.
pub(super) struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// For every byte the place in the text where it, or the escape that stands for it, begins; at
    /// last the length of the text. None for the text itself.
    places: Option<Vec<usize>>,
}

impl<'t> View<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { bytes: Cow::Borrowed(text.as_bytes()), places: None }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The part of the text that a range of the bytes came from. It starts and ends between two
    /// characters when the bytes of the range are whole characters, because an escape is ASCII and
    /// characters that are not escaped are taken over whole.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        self.place(range.start)..self.place(range.end)
    }

    fn place(&self, at: usize) -> usize {
        self.places.as_ref().map_or(at, |places| places[at])
    }

    /// With `%41` and the like undone (RFC 3986, section 2.1); none when there is nothing to undo.
    pub(super) fn without_percents(&self) -> Option<View<'static>> {
        self.undo(b'%', |rest| Some((Unescaped::Byte(hex(rest.get(1..3)?)?), 3)))
    }

    /// With backslash escapes undone, as JSON, Python, JavaScript and Rust write them; none when
    /// there is nothing to undo.
    pub(super) fn without_backslashes(&self) -> Option<View<'static>> {
        self.undo(b'\\', |rest| backslash(rest).map(|(c, length)| (Unescaped::Char(c), length)))
    }

    /// `read` gets the bytes from `mark` on and says what the escape stands for and how long it is.
    fn undo(&self, mark: u8, read: impl Fn(&[u8]) -> Option<(Unescaped, usize)>) -> Option<View<'static>> {
        if !self.bytes.contains(&mark) {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
        let (mut at, mut changed) = (0, false);
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let escape = if rest[0] == mark { read(rest) } else { None };
            changed |= escape.is_some();
            let (unescaped, length) = escape.unwrap_or((Unescaped::Byte(rest[0]), 1));
            match unescaped {
                Unescaped::Byte(byte) => bytes.push(byte),
                Unescaped::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            places.resize(bytes.len(), self.place(at));
            at += length;
        }
        places.push(self.place(at));
        changed.then_some(View { bytes: Cow::Owned(bytes), places: Some(places) })
    }
}

enum Unescaped {
    Byte(u8),
    Char(char),
}

/// The character that a backslash escape at the start of `rest` stands for, and the escape's length.
fn backslash(rest: &[u8]) -> Option<(char, usize)> {
    let plain = match rest.get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'v' => '\u{b}',
        b'0' => '\0',
        byte @ (b'"' | b'\'' | b'\\' | b'/') => char::from(*byte),
        b'x' => return byte_escape(rest),
        b'u' if rest.get(2) == Some(&b'{') => {
            let digits = rest.iter().skip(3).take(7).position(|byte| *byte == b'}')?;
            return Some((char::from_u32(hex(&rest[3..3 + digits])?)?, digits + 4));
        }
        b'u' => return utf16_escape(rest),
        b'U' => return Some((char::from_u32(hex(rest.get(2..10)?)?)?, 10)),
        _ => return None,
    };
    Some((plain, 2))
}

/// `\u00e9`, or the two of a surrogate pair.
fn utf16_escape(rest: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| rest.get(at..at + 6).filter(|it| it.starts_with(b"\\u")).and_then(|it| hex::<u16>(&it[2..]));
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, 6));
    }
    let c = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((c, 12))
}

/// `\xe9`: a byte of UTF-8 where it and its followers are that (`repr` of Python's bytes), otherwise
/// a code point (`ascii` of Python's strings).
fn byte_escape(rest: &[u8]) -> Option<(char, usize)> {
    let byte = |at: usize| rest.get(at..at + 4).filter(|it| it.starts_with(b"\\x")).and_then(|it| hex::<u8>(&it[2..]));
    let mut utf8 = [byte(0)?, 0, 0, 0];
    for length in 1..=4 {
        if let Some(c) = std::str::from_utf8(&utf8[..length]).ok().and_then(|text| text.chars().next()) {
            return Some((c, length * 4));
        }
        match byte(length * 4) {
            Some(next) if length < 4 => utf8[length] = next,
            _ => break,
        }
    }
    Some((char::from(utf8[0]), 4))
}

/// The number that hexadecimal digits write; none when there is no digit or something else.
fn hex<N: TryFrom<u32>>(digits: &[u8]) -> Option<N> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(view: Option<View<'_>>) -> Option<String> {
        view.map(|view| String::from_utf8_lossy(view.bytes()).into_owned())
    }

    #[test]
    fn percents_are_undone_and_what_is_no_escape_stays() {
        let cases = [
            ("%41b%2f%2F", Some("Ab//")),
            ("%C3%a9", Some("é")),
            ("100%%41", Some("100%A")),
            ("%4", None),
            ("%+1%zz", None),
            ("plain", None),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(View::of(text).without_percents()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn backslashes_are_undone_as_json_python_javascript_and_rust_write_them() {
        let cases = [
            (r#"a\"b\\c\/d\n"#, Some("a\"b\\c/d\n")),
            (r"\u00e9\u00E9", Some("éé")),
            (r"\ud83d\ude00", Some("😀")),
            (r"\ud83d", None),
            (r"\ud83d\u0041", Some(r"\ud83dA")),
            (r"\U0001f600\u{1f600}\u{e9}", Some("😀😀é")),
            (r"\u{110000}\u{}\u{1234567}", None),
            (r"\xc3\xa9\xe9\x41", Some("ééA")),
            (r"\xc3", Some("Ã")),
            (r"\u+123\x+1", None),
            (r"\q\", None),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(View::of(text).without_backslashes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn places_lead_back_to_the_text() {
        let text = r"x\u0025C3%A9y";
        let inner = View::of(text).without_backslashes().expect("an escape");
        let view = inner.without_percents().expect("an escape");
        assert_eq!(view.bytes(), "xéy".as_bytes());
        assert_eq!(&text[view.origin(1..3)], r"\u0025C3%A9");
        assert_eq!(view.origin(0..4), 0..text.len());
    }
}
