//! Which name or URI a model probably meant, and what it is told when there is no such thing.

use super::error::shorten;
use crate::service::offered::parts_of_uri;

/// What a model reads when it asks for what is not there: its list, which `list` answers, is old, or it slipped.
pub fn not_there(what: &str, asked: &str, list: &str, near: Option<&str>) -> String {
    let asked = shorten(asked);
    let mut message = format!("there is no {what} `{asked}`; call {list} again, the list may have changed");
    if let Some(near) = near {
        message.push_str(&format!("; did you mean `{near}`?"));
    }
    message
}

/// The name in `known` that is nearest to `asked`, if one is near enough to be a slip: at most a
/// third of its letters differ, or only what stands before `__` does. Of equals, the first.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_by(asked, known, |name| name.rsplit_once("__").map_or(name, |(_, tool)| tool))
}

/// The URI in `known` that is nearest to `asked`, by the same measure; what stands before a URI of many servers is
/// its server.
pub fn nearest_uri<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_by(asked, known, |uri| parts_of_uri(uri).map_or(uri, |(_, own)| own))
}

/// `own` is what of a name its server calls it.
fn nearest_by<'a>(
    asked: &str,
    known: impl IntoIterator<Item = &'a str>,
    own: impl Fn(&str) -> &str,
) -> Option<&'a str> {
    /// Names are at most 64 letters, URIs that people write seldom more; what is far longer was no slip of one.
    const LONGEST: usize = 128;
    if asked.is_empty() || asked.len() > LONGEST {
        return None;
    }
    let asked = asked.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in known.into_iter().filter(|name| name.len() <= 2 * LONGEST) {
        let lower = name.to_lowercase();
        let same = own(&lower) == own(&asked);
        let distance = if same { 1 } else { edit_distance(&asked, &lower) };
        let near_enough = same || distance * 3 <= asked.chars().count().max(lower.chars().count());
        if near_enough && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a` (optimal string
/// alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &right) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(left != right);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] =
        ["mcpbox_create_tool", "mcpbox_get_tool", "weather__forecast", "weather__history", "mail__send"];

    #[test]
    fn slips_find_their_tool() {
        for (asked, meant) in [
            ("weather__forcast", Some("weather__forecast")),
            ("weather_forecast", Some("weather__forecast")),
            ("Weather__Forecast", Some("weather__forecast")),
            ("forecast", Some("weather__forecast")),
            ("wether__forecast", Some("weather__forecast")),
            ("post__send", Some("mail__send")),
            ("send", Some("mail__send")),
            ("mcpbox__mcpbox_get_tool", Some("mcpbox_get_tool")),
            ("mcpbox_creat_tool", Some("mcpbox_create_tool")),
            ("mcpbox_get_tools", Some("mcpbox_get_tool")),
            ("translate", None),
            ("", None),
        ] {
            assert_eq!(nearest(asked, KNOWN), meant, "{asked}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), KNOWN), None);
    }

    #[test]
    fn slips_find_their_resource() {
        let known = ["mcpbox+desk:notes://1", "mcpbox+desk:notes://today", "mcpbox+mail:box://in__a"];
        for (asked, meant) in [
            ("notes://1", Some(known[0])),
            ("mcpbox+desc:notes://1", Some(known[0])),
            ("mcpbox+desk:notes://tody", Some(known[1])),
            ("mcpbox+desk:NOTES://today", Some(known[1])),
            ("other://a", None),
            ("https://example.com/", None),
        ] {
            assert_eq!(nearest_uri(asked, known), meant, "{asked}");
        }
        assert_eq!(nearest_uri("note://1", ["notes://1"]), Some("notes://1"));
        assert_eq!(nearest_uri("a", [&*"a".repeat(100_000)]), None);
    }

    #[test]
    fn distances_count_each_kind_of_slip_once() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }
}
