//! What the functions of a component are called as tools.
//!
//! A function of the root has its own name, one of an interface the interface's before it:
//! `weather_get_forecast`. The package stands before that only for interfaces of the same name in one
//! component. So a name does not depend on what else the component exports, but for those.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

/// Length of a name, in bytes; what MCP clients take.
const NAME_MAX: usize = 64;

/// The words that stand before the functions of each exported interface, by the interface's name as
/// the component has it.
pub(super) fn prefixes<'a>(interfaces: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let mut by_short: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for interface in interfaces {
        by_short.entry(prefix(interface, 1)).or_default().push(interface);
    }
    let mut prefixes = BTreeMap::new();
    for (_, same) in by_short {
        // As few words as keep them apart: the interface, its package, its namespace, its version.
        let words = (1..=4).find(|&words| {
            let distinct: BTreeSet<String> = same.iter().map(|name| prefix(name, words)).collect();
            distinct.len() == same.len()
        });
        prefixes.extend(same.into_iter().map(|name| (name, prefix(name, words.unwrap_or(4)))));
    }
    prefixes
}

/// The last `words` words of `namespace:package/interface`, then the version if all are not enough.
fn prefix(interface: &str, words: usize) -> String {
    let (path, version) = interface.split_once('@').unwrap_or((interface, ""));
    let parts: Vec<&str> = path.split([':', '/']).collect();
    let skipped = parts.len().saturating_sub(words);
    let mut text = parts[skipped..].join("-");
    if words > 3 {
        text = format!("{text}-{version}");
    }
    snake(&text)
}

/// The tool's name for a function.
pub(super) fn tool(prefix: Option<&str>, function: &str) -> String {
    let function = snake(function);
    let full = match prefix {
        Some(prefix) => format!("{prefix}_{function}"),
        None => function,
    };
    if full.len() <= NAME_MAX {
        return full;
    }
    // Two long names that begin alike stay apart.
    let digest = hex::encode(&Sha256::digest(full.as_bytes())[..4]);
    format!("{}_{digest}", &full[..NAME_MAX - 9])
}

/// WIT's names are letters, digits and dashes; whatever else a component may hold becomes an
/// underscore too.
fn snake(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(interfaces: &[&str]) -> Vec<String> {
        let prefixes = prefixes(interfaces.iter().copied());
        interfaces.iter().map(|name| tool(Some(&prefixes[name]), "get-It")).collect()
    }

    #[test]
    fn a_function_is_named_after_itself_and_its_interface() {
        assert_eq!(tool(None, "do-it"), "do_it");
        assert_eq!(named(&["ns:pkg/weather@1.0.0", "times"]), ["weather_get_it", "times_get_it"]);
    }

    #[test]
    fn interfaces_of_one_name_are_told_apart_by_as_little_as_needed() {
        assert_eq!(named(&["a:x/api", "a:y/api", "a:x/other"]), ["x_api_get_it", "y_api_get_it", "other_get_it"]);
        assert_eq!(named(&["a:x/api", "b:x/api"]), ["a_x_api_get_it", "b_x_api_get_it"]);
        assert_eq!(named(&["a:x/api@1.0.0", "a:x/api@2.0.0"]), ["a_x_api_1_0_0_get_it", "a_x_api_2_0_0_get_it"]);
        assert_eq!(named(&["api", "a:x/api"]), ["api_get_it", "x_api_get_it"]);
    }

    #[test]
    fn a_long_name_is_cut_and_stays_its_own() {
        let one = tool(Some("interface"), &"a-".repeat(40));
        let two = tool(Some("interface"), &format!("{}b", "a-".repeat(40)));
        assert!(one.len() == NAME_MAX && two.len() == NAME_MAX && one != two, "{one} {two}");
    }
}
