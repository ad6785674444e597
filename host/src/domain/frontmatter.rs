//! The head of a `SKILL.md`, which is YAML, as JSON.
//!
//! A part of YAML is read: mappings, lists of single values, texts in one line or as a block. What is read here
//! means the same to every reader of YAML; what they read differently (dates, `yes`, `0x1f`), and what a head has no
//! use for (anchors, tags), is refused with a word on how to write it. So clients that compare what they were told
//! of a skill with the file itself find the same.

use serde_json::{Map, Number, Value};

/// Bytes of a head.
const BYTES_MAX: usize = 16 << 10;
/// Mappings within mappings.
const DEPTH_MAX: usize = 8;

/// What stands before and after a head.
const FENCE: &str = "---";

/// Why a head cannot be read, with its line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct FrontmatterError {
    pub line: usize,
    pub fault: String,
}

type Read<T> = Result<T, FrontmatterError>;

/// A line of the head.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// In the file, from 1.
    number: usize,
    indent: usize,
    /// Without what it is indented by.
    text: &'a str,
}

impl Line<'_> {
    fn fault<T>(&self, fault: impl Into<String>) -> Read<T> {
        Err(FrontmatterError { line: self.number, fault: fault.into() })
    }

    fn says_nothing(&self) -> bool {
        self.text.trim_matches([' ', '\t']).is_empty()
    }

    fn is_comment(&self) -> bool {
        self.text.starts_with('#')
    }
}

/// The fields of the head of a file.
///
/// # Errors
/// When the file does not begin with a head, or with one that is not read here.
pub fn read(file: &str) -> Read<Map<String, Value>> {
    let fault = |line, fault: &str| Err(FrontmatterError { line, fault: fault.to_owned() });
    let mut lines = file.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1..);
    if lines.next().is_none_or(|(first, _)| first != FENCE) {
        return fault(1, "the file does not begin with a line `---`");
    }
    let (mut head, mut bytes) = (Vec::new(), 0);
    for (text, number) in lines {
        if text.trim_end_matches([' ', '\t']) == FENCE {
            let mut reader = Reader { lines: &head, at: 0 };
            let fields = reader.mapping(0, 1)?;
            return match reader.next() {
                Some(line) => {
                    line.fault("it is indented otherwise than the lines before; put a text of several lines after `>`")
                }
                None => Ok(fields),
            };
        }
        bytes += text.len();
        if bytes > BYTES_MAX {
            return fault(number, &format!("the head has more than {BYTES_MAX} bytes"));
        }
        if text.contains(|c: char| (c.is_control() && c != '\t') || "\u{2028}\u{2029}\u{feff}".contains(c)) {
            return fault(number, "it has a control character");
        }
        let rest = text.trim_start_matches(' ');
        head.push(Line { number, indent: text.len() - rest.len(), text: rest });
    }
    fault(1, "the head has no end: a second line `---`")
}

struct Reader<'a> {
    lines: &'a [Line<'a>],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line that says something.
    fn next(&mut self) -> Option<Line<'a>> {
        while let Some(line) = self.lines.get(self.at) {
            if !line.says_nothing() && !line.is_comment() {
                return Some(*line);
            }
            self.at += 1;
        }
        None
    }

    /// The fields that are indented by `indent`.
    fn mapping(&mut self, indent: usize, depth: usize) -> Read<Map<String, Value>> {
        let mut fields = Map::new();
        while let Some(line) = self.next().filter(|line| line.indent == indent) {
            if depth > DEPTH_MAX {
                return line.fault(format!("it is nested deeper than {DEPTH_MAX} levels"));
            }
            let Some((key, rest)) = line.text.split_once(':') else {
                return line.fault("it is no `field: value`; put a text of several lines after `>` or `|`");
            };
            if !is_key(key) {
                return line.fault("its field is not named by letters, digits, `_`, `-`, `.` and `/`");
            }
            if !rest.is_empty() && !rest.starts_with(' ') {
                return line.fault("there is no space after the colon");
            }
            self.at += 1;
            let value = self.value(line, rest.trim_matches(' '), depth)?;
            if fields.insert(key.to_owned(), value).is_some() {
                return line.fault(format!("the field `{key}` is there twice"));
            }
        }
        Ok(fields)
    }

    /// What stands after a field's colon, or below it.
    fn value(&mut self, line: Line<'a>, rest: &str, depth: usize) -> Read<Value> {
        if let Some(style) = rest.chars().next().filter(|c| "|>".contains(*c)) {
            return self.block(line, style == '>', &rest[1..]);
        }
        if rest.starts_with('[') {
            return flow(line, rest);
        }
        let rest = uncommented(rest);
        if !rest.is_empty() {
            return single(line, rest);
        }
        match self.next() {
            Some(below) if below.indent >= line.indent && is_item(below.text) => self.items(below.indent),
            Some(below) if below.indent > line.indent => self.mapping(below.indent, depth + 1).map(Value::Object),
            _ => Ok(Value::Null),
        }
    }

    /// `- value`, one below the other.
    fn items(&mut self, indent: usize) -> Read<Value> {
        let mut items = Vec::new();
        while let Some(line) = self.next().filter(|line| line.indent == indent && is_item(line.text)) {
            self.at += 1;
            let item = uncommented(line.text[1..].trim_matches(' '));
            if item.is_empty() || item.starts_with(['[', '|', '>', '-']) {
                return line.fault("an item of a list is a single value");
            }
            items.push(single(line, item)?);
        }
        Ok(Value::Array(items))
    }

    /// A text of several lines: `|` keeps their ends, `>` makes spaces of them.
    fn block(&mut self, line: Line<'a>, folds: bool, chomping: &str) -> Read<Value> {
        if !["", "-", "+"].contains(&chomping) {
            return line
                .fault("after `>` or `|` there is nothing but `-` or `+`, and the text begins in the next line");
        }
        let rest = self.lines.get(self.at..).unwrap_or_default();
        let indent = rest.iter().find(|line| !line.says_nothing()).map_or(0, |first| first.indent);
        let (mut text, mut ends, mut is_begun) = (String::new(), 0, false);
        for one in rest {
            let is_empty = one.says_nothing();
            if !is_empty && (one.indent < indent || indent <= line.indent) {
                break;
            }
            self.at += 1;
            if is_empty {
                if one.indent > indent || !one.text.is_empty() {
                    return one.fault("it is empty but for white space; take that away");
                }
                ends += 1;
                continue;
            }
            if folds && (one.indent > indent || one.text.starts_with('\t')) {
                return one.fault("a text after `>` is indented by the same everywhere; write `|` to keep its lines");
            }
            // The end of the line before, and one for each empty line.
            match (is_begun, folds, ends) {
                (true, true, 0) => text.push(' '),
                (true, true, ends) => text.push_str(&"\n".repeat(ends)),
                (true, false, ends) => text.push_str(&"\n".repeat(ends + 1)),
                (false, _, ends) => text.push_str(&"\n".repeat(ends)),
            }
            text.push_str(&" ".repeat(one.indent - indent));
            text.push_str(one.text);
            (ends, is_begun) = (0, true);
        }
        match chomping {
            "+" => text.push_str(&"\n".repeat(ends + usize::from(is_begun))),
            "-" => {}
            _ if is_begun => text.push('\n'),
            _ => {}
        }
        Ok(Value::String(text))
    }
}

fn is_key(key: &str) -> bool {
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let mut letters = key.chars();
    begins && letters.all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c)) && !is_word(key)
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Without a comment at its end. Within quotes `#` is a letter, and a text in quotes is looked at again.
fn uncommented(text: &str) -> &str {
    if text.starts_with(['"', '\'']) {
        return text;
    }
    let end = if text.starts_with('#') { Some(0) } else { text.find(" #") };
    text[..end.unwrap_or(text.len())].trim_end_matches([' ', '\t'])
}

/// A value in one line.
fn single(line: Line<'_>, text: &str) -> Read<Value> {
    let (value, rest) = match text.chars().next() {
        Some('"') => double_quoted(line, text)?,
        Some('\'') => single_quoted(line, text)?,
        _ => return plain(line, text),
    };
    match uncommented(rest.trim_start_matches(' ')) {
        "" if rest.trim().is_empty() || rest.starts_with(' ') => Ok(Value::String(value)),
        _ => line.fault("something follows the closing quote"),
    }
}

/// `[a, b]`.
fn flow(line: Line<'_>, text: &str) -> Read<Value> {
    let mut rest = text[1..].trim_start_matches(' ');
    let mut items = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return match uncommented(after.trim_start_matches(' ')) {
                "" => Ok(Value::Array(items)),
                _ => line.fault("something follows the `]` of the list"),
            };
        }
        let quoted = match rest.chars().next() {
            Some('"') => Some(double_quoted(line, rest)?),
            Some('\'') => Some(single_quoted(line, rest)?),
            _ => None,
        };
        let (item, after) = match quoted {
            Some((text, after)) => (Value::String(text), after),
            None => {
                let end = rest.find([',', '[', ']', '{', '}']).unwrap_or(rest.len());
                let item = rest[..end].trim_matches(' ');
                if item.contains([':', '#']) {
                    return line.fault("a value of a list in brackets has a `:` or `#`; put the text in quotes");
                }
                (plain(line, item)?, &rest[end..])
            }
        };
        items.push(item);
        let after = after.trim_start_matches(' ');
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start_matches(' '),
            None if after.starts_with(']') => after,
            None => return line.fault("a list in brackets holds single values with commas between them, in one line"),
        };
    }
}

/// The text, and what follows it.
fn double_quoted<'a>(line: Line<'_>, text: &'a str) -> Read<(String, &'a str)> {
    let mut value = String::new();
    let mut letters = text[1..].chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok((value, letters.as_str())),
            '\\' => match letters.next().and_then(|escape| escaped(escape, &mut letters)) {
                Some(letter) => value.push(letter),
                None => return line.fault("it has a `\\` that is none of \\\" \\\\ \\/ \\n \\t \\r \\xXX and \\uXXXX"),
            },
            letter => value.push(letter),
        }
    }
    line.fault("its text has no closing quote in the same line")
}

/// What an escape stands for: what YAML and JSON have in common, and `\x`.
fn escaped(escape: char, letters: &mut std::str::Chars<'_>) -> Option<char> {
    let digits = match escape {
        '"' | '\\' | '/' => return Some(escape),
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'x' => 2,
        'u' => 4,
        _ => return None,
    };
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + letters.next()?.to_digit(16)?;
    }
    // One half of a pair is no letter.
    char::from_u32(code)
}

fn single_quoted<'a>(line: Line<'_>, text: &'a str) -> Read<(String, &'a str)> {
    let mut value = String::new();
    let mut letters = text[1..].chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.as_str().starts_with('\'') => {
                letters.next();
                value.push('\'');
            }
            '\'' => return Ok((value, letters.as_str())),
            letter => value.push(letter),
        }
    }
    line.fault("its text has no closing quote in the same line")
}

/// A value without quotes.
fn plain(line: Line<'_>, text: &str) -> Read<Value> {
    let quote = |why: &str| line.fault(format!("{why}; put the text in quotes"));
    match text {
        "" => return line.fault("a value is missing"),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        "null" | "~" => return Ok(Value::Null),
        _ => {}
    }
    if let Some(number) = number(text) {
        return Ok(Value::Number(number));
    }
    if text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`=".contains(c)) {
        return quote("it begins with a character that means something in YAML");
    }
    if text.contains(": ") || text.contains(":\t") || text.ends_with(':') || text.contains("\t#") {
        return quote("it has a colon with white space after it, or a `#` after a tab");
    }
    if is_word(text) || is_almost_a_number(text) {
        return quote("readers of YAML understand it in several ways");
    }
    Ok(Value::String(text.to_owned()))
}

/// Words that are not texts to every reader.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A number that is one to every reader.
fn number(text: &str) -> Option<Number> {
    let digits = |text: &str| (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
    if !digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || fraction.is_some_and(|rest| !digits(rest)) {
        return None;
    }
    match fraction {
        // There is no zero below zero among whole numbers.
        None if whole == "0" => (unsigned.len() == text.len()).then(|| 0.into()),
        None => text.parse::<i64>().ok().map(Number::from),
        Some(_) => text.parse().ok().and_then(Number::from_f64),
    }
}

/// Whether a text could be a number, a date or a time to somebody.
fn is_almost_a_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '.']);
    let special = [".inf", ".nan", "+.inf"].iter().any(|word| text.eq_ignore_ascii_case(word));
    let begins = digits.starts_with(|c: char| c.is_ascii_digit());
    let is_version = text.split('.').count() > 2
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let made_of = |c: char| c.is_ascii_hexdigit() || "xXoOtTzZ_+-.: ".contains(c);
    special || (begins && !is_version && digits.chars().all(made_of))
}

#[cfg(test)]
mod tests;
