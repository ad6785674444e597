//! Which name a model probably meant.

/// The name in `known` that is nearest to `asked`, if one is near enough to be a slip: at most a
/// third of its letters differ, or only what stands before `__` does. Of equals, the first.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Names are at most 64 letters; what is far longer was no slip of one.
    const LONGEST: usize = 128;
    if asked.is_empty() || asked.len() > LONGEST {
        return None;
    }
    let asked = asked.to_lowercase();
    let tool = |name: &str| name.rsplit_once("__").map(|(_, tool)| tool.to_owned());
    let asked_tool = tool(&asked).unwrap_or_else(|| asked.clone());
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let lower = name.to_lowercase();
        let same_tool = tool(&lower).unwrap_or_else(|| lower.clone()) == asked_tool;
        let distance = if same_tool { 1 } else { edit_distance(&asked, &lower) };
        let near_enough = same_tool || distance * 3 <= asked.chars().count().max(lower.chars().count());
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
