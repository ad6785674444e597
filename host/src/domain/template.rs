//! Whether a URI can come of a template (RFC 6570). It is only asked whose a URI is, so that a variable takes
//! whatever it could be expanded to, and what it takes is the guest's to judge.

/// A piece of a template.
enum Piece<'t> {
    Literal(&'t str),
    /// `{name}`: no reserved characters, but for the comma between several values.
    Simple,
    /// `{+name}`, `{#name}`, `{/name}`, `{?name}` and the like: anything, or nothing.
    Wide,
}

/// Whether `uri` fits `template`. One that is not well-formed fits nothing. Takes time in proportion to the
/// product of both lengths at most.
pub fn fits(template: &str, uri: &str) -> bool {
    let Some(pieces) = pieces(template) else { return false };
    let length = uri.len();
    // Where in the URI the pieces so far can end.
    let mut ends = vec![false; length + 1];
    ends[0] = true;
    for piece in pieces {
        let mut next = vec![false; length + 1];
        match piece {
            Piece::Literal(text) => {
                for at in (0..=length).filter(|at| ends[*at]) {
                    if uri.as_bytes()[at..].starts_with(text.as_bytes()) {
                        next[at + text.len()] = true;
                    }
                }
            }
            Piece::Simple => {
                // At least one character, and each of them one that an expansion can hold.
                let mut open = false;
                for (at, byte) in uri.bytes().enumerate() {
                    open = (open || ends[at]) && is_plain(byte);
                    next[at + 1] = open;
                }
            }
            Piece::Wide => {
                let mut open = false;
                for at in 0..=length {
                    open |= ends[at];
                    next[at] = open;
                }
            }
        }
        ends = next;
    }
    ends[length]
}

/// Whether a character of a URI can come of a simple expansion.
fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'/' | b'?' | b'#' | b'[' | b']' | b'@' | b'&' | b'=' | b' ')
}

fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, tail)) = rest.split_once('{') {
        let (expression, tail) = tail.split_once('}')?;
        if literal.contains('}') || expression.is_empty() || expression.contains('{') {
            return None;
        }
        pieces.push(Piece::Literal(literal));
        let is_simple = !expression.starts_with(['+', '#', '.', '/', ';', '?', '&']);
        pieces.push(if is_simple { Piece::Simple } else { Piece::Wide });
        rest = tail;
    }
    (!rest.contains('}')).then(|| {
        pieces.push(Piece::Literal(rest));
        pieces
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_fits_what_it_can_come_of() {
        for (template, uri, expected) in [
            ("test://template/{id}/data", "test://template/123/data", true),
            ("test://template/{id}/data", "test://template//data", false),
            ("test://template/{id}/data", "test://template/1/2/data", false),
            ("test://template/{id}/data", "test://template/1/datas", false),
            ("file:///{+path}", "file:///a/b/c", true),
            ("file:///{+path}", "file:///", true),
            ("a:{x}-{y}", "a:1-2-3", true),
            ("a:{x}-{y}", "a:1", false),
            ("search:/q{?term,page}", "search:/q?term=a&page=2", true),
            ("search:/q{?term,page}", "search:/q", true),
            ("a:{x", "a:1", false),
            ("a:x}", "a:x}", false),
            ("a:{}", "a:1", false),
            ("a:b", "a:b", true),
            ("a:{x}", "a:ä", true),
        ] {
            assert_eq!(fits(template, uri), expected, "{template} {uri}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(template: String, uri: String) {
            fits(&template, &uri);
        }

        #[test]
        fn what_was_put_in_fits(head in "[a-z:/]{0,8}", value in "[a-zA-Z0-9_.~%-]{1,12}", tail in "[a-z/]{0,8}") {
            prop_assert!(fits(&format!("{head}{{x}}{tail}"), &format!("{head}{value}{tail}")), "{} {} {}", head, value, tail);
        }
    }
}
