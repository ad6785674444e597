//! URI templates (RFC 6570) of levels 1 and 2: `{name}`, `{+name}` and `{#name}`. They are read, and
//! asked whether a URI is one of theirs; nothing is expanded here.

/// Length of a URI or a template, in bytes.
pub const URI_BYTES: usize = 2_048;
/// Variables of one template. Matching takes time with each.
const VARIABLES_MAX: usize = 16;

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// What an expansion may contain depends on its operator.
    Variable {
        name: String,
        reserved: bool,
    },
}

/// Whether a text is a URI with a scheme of its own, such as `test://a` or `urn:a:b`.
pub fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && uri.len() <= URI_BYTES
        && rest.chars().all(|c| is_reserved_or_unreserved(c) || c == '%')
}

/// RFC 3986's `reserved` and `unreserved`, and what lies beyond ASCII, as IRIs have it.
fn is_reserved_or_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=".contains(c) || (!c.is_ascii() && !c.is_control())
}

impl UriTemplate {
    /// # Errors
    /// What is wrong with the template, in words that follow "the template".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > URI_BYTES {
            return Err("is longer than 2,048 bytes");
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let Some((expression, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
                return Err("has a brace that is not closed, or not opened");
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(variable(expression)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let variables = parts.iter().filter(|part| matches!(part, Part::Variable { .. })).count();
        if variables > VARIABLES_MAX {
            return Err("has more than 16 variables");
        }
        // What its variables could become is no part of the scheme.
        match parts.first() {
            Some(Part::Text(text)) if is_absolute(&format!("{text}x")) => {}
            _ => return Err("does not begin with the scheme of its URIs, such as `notes://`"),
        }
        let is_text = |part: &Part| match part {
            Part::Text(text) => text.chars().all(|c| is_reserved_or_unreserved(c) || c == '%'),
            Part::Variable { .. } => true,
        };
        if !parts.iter().all(is_text) {
            return Err("has a character that no URI has");
        }
        Ok(Self(parts))
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Whether a URI is an expansion of this template. A variable stands for one character or more.
    pub fn matches(&self, uri: &str) -> bool {
        if uri.len() > URI_BYTES {
            return false;
        }
        // The ends, in the URI, of everything that the parts so far can stand for; so that no pair of part
        // and place is looked at twice.
        let mut ends = vec![false; uri.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            let mut next = vec![false; uri.len() + 1];
            match part {
                Part::Text(text) => {
                    for at in (0..=uri.len()).filter(|at| ends[*at] && uri.is_char_boundary(*at)) {
                        if uri[at..].starts_with(text.as_str()) {
                            next[at + text.len()] = true;
                        }
                    }
                }
                Part::Variable { reserved, .. } => {
                    let mut within = false;
                    for (at, c) in uri.char_indices() {
                        within = (within || ends[at]) && may_be_expanded(c, *reserved);
                        next[at + c.len_utf8()] = within;
                    }
                }
            }
            ends = next;
        }
        ends[uri.len()]
    }
}

/// An expansion of `{name}` has no reserved characters: they are percent-encoded.
fn may_be_expanded(c: char, reserved: bool) -> bool {
    let unreserved = c.is_ascii_alphanumeric() || "-._~%".contains(c) || (!c.is_ascii() && !c.is_control());
    unreserved || (reserved && is_reserved_or_unreserved(c))
}

fn variable(expression: &str) -> Result<Part, &'static str> {
    let (reserved, name) = match expression.strip_prefix(['+', '#']) {
        Some(name) => (true, name),
        None => (false, expression),
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_letter) {
        return Err("has an expression that is none of `{name}`, `{+name}` and `{#name}`");
    }
    Ok(Part::Variable { name: name.to_owned(), reserved })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(template: &str, uri: &str) -> bool {
        UriTemplate::parse(template).unwrap_or_else(|why| panic!("{template}: {why}")).matches(uri)
    }

    #[test]
    fn a_variable_stands_for_one_segment_and_a_reserved_one_for_several() {
        assert!(matches("test://template/{id}/data", "test://template/7/data"));
        assert!(matches("test://template/{id}/data", "test://template/a%2Fb/data"));
        for other in ["test://template/7/8/data", "test://template//data", "test://template/7/date", "test://x"] {
            assert!(!matches("test://template/{id}/data", other), "{other}");
        }
        assert!(matches("file:///{+path}", "file:///a/b.txt"));
        assert!(!matches("file:///{path}", "file:///a/b.txt"));
        assert!(matches("db:{table}{#row}", "db:a#1"));
        assert!(matches("t:{a}-{b}-c", "t:x-y-z-c"), "all ways are tried");
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_reason() {
        for (template, reason) in [
            ("test://{", "not closed"),
            ("test://}", "not opened"),
            ("test://{a,b}", "expression"),
            ("test://{?a}", "expression"),
            ("test://{}", "expression"),
            ("{a}", "scheme"),
            ("{scheme}://a", "scheme"),
            ("/a/{b}", "scheme"),
            ("test://a b/{c}", "scheme"),
            ("test://{c}/a b", "character"),
        ] {
            let why = UriTemplate::parse(template).err().unwrap_or("nothing");
            assert!(why.contains(reason), "{template}: {why}");
        }
        assert!(UriTemplate::parse(&format!("t:{}", "{a}".repeat(17))).is_err());
        assert!(UriTemplate::parse(&format!("t:{}", "a".repeat(3_000))).is_err());
    }

    #[test]
    fn an_absolute_uri_has_a_scheme_and_something_after_it() {
        for good in ["test://static-text", "urn:a:b", "https://a.test/b?c#d", "x:ä"] {
            assert!(is_absolute(good), "{good}");
        }
        for bad in ["", "a", "/a", ":a", "1a:b", "a:", "a: b", "a:\u{7}b", "a:{b}", "a b:c"] {
            assert!(!is_absolute(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_it_and_long_ones_take_little_time(template in ".{0,200}", uri in ".{0,200}") {
            if let Ok(template) = UriTemplate::parse(&template) {
                template.matches(&uri);
            }
        }

        #[test]
        fn an_expansion_matches(id in "[a-zA-Z0-9._~-]{1,20}", rest in "[a-z/]{1,20}") {
            let matched = matches("x://{id}/{+rest}", &format!("x://{}/{}", id, rest));
            prop_assert!(matched);
        }
    }
}
