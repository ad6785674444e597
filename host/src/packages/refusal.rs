//! Why a package is not taken: what `uv` says of it is read for the package that is the cause, so that a person
//! reads its name and one reason and not the search of a resolver. Texts of strangers: names are checked to be
//! names, and there is an end to how many are told.

use std::fmt::{self, Display, Formatter};

use super::install::InstallError;
use crate::domain::package::normalized;

/// What makes a package none for tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has wheels, and each has code for some machine.
    Native,
    /// This file of it is code for some machine.
    Holds(String),
    /// It has no wheels at all.
    SourceOnly,
    /// One of the two.
    NoPureWheel,
}

impl Display for Unfit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("has native code, and tools run pure Python"),
            Self::Holds(file) => write!(f, "has native code (`{file}`), and tools run pure Python"),
            Self::SourceOnly => {
                f.write_str("is offered as source only, and only wheels are taken: nothing is built here")
            }
            Self::NoPureWheel => f.write_str(
                "has no wheel of pure Python: it has native code, or is offered as source only; tools run pure \
                 Python, and nothing is built here",
            ),
        }
    }
}

/// The words in which uv says that there are wheels, but none without machine code, behind the name.
const NO_WHEEL: &[&str] =
    &["has no usable wheels", "have no usable wheels", "has no wheels with", "have no wheels with"];
/// The words in which it says that one package needs another, between their names.
const NEEDS: &[&str] = &["depends on", "depend on"];

/// What of it is told when it is about something else.
const TOLD_CHARS: usize = 1_000;
/// Names of packages that need the one that is refused.
const NEEDING: usize = 3;

/// Reads what uv said when it found no solution.
pub(super) fn read(said: &str) -> InstallError {
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let lacking = before(&words, NO_WHEEL);
    let needing = before(&words, NEEDS);
    // Old versions of a package may have no wheel, too, where others of it only need one that has none.
    let cause = lacking.iter().find(|name| !needing.contains(name)).or(lacking.first());
    match cause {
        Some(package) => {
            let by = NEEDS.iter().flat_map(|needs| who_needs(&words, needs, package)).fold(Vec::new(), added);
            let by = by.into_iter().take(NEEDING).collect();
            InstallError::Unfit { package: package.clone(), by, why: Unfit::NoPureWheel }
        }
        None => InstallError::Refused(words.chars().take(TOLD_CHARS).collect()),
    }
}

/// The packages that are named right before one of some words, each once.
fn before(words: &str, signs: &[&str]) -> Vec<String> {
    let places = signs.iter().flat_map(|sign| words.match_indices(sign).map(|(at, _)| at));
    places.filter_map(|at| name(words[..at].trim_end().rsplit(' ').next()?)).fold(Vec::new(), added)
}

/// The packages that are said to need this one.
fn who_needs(words: &str, needs: &str, package: &str) -> Vec<String> {
    let said = words.match_indices(needs).filter_map(|(at, _)| {
        let needed = name(words[at + needs.len()..].split_whitespace().next()?)?;
        (needed == package).then(|| name(words[..at].trim_end().rsplit(' ').next()?)).flatten()
    });
    said.collect()
}

fn added(mut names: Vec<String>, name: String) -> Vec<String> {
    if !names.contains(&name) {
        names.push(name);
    }
    names
}

/// The name at the start of a requirement such as `markupsafe>=2.0`.
fn name(requirement: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = requirement.find(|c| !is_part(c)).unwrap_or(requirement.len());
    let name = normalized(&requirement[..end]);
    (!name.is_empty() && name.len() <= 100).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_package_with_native_code_is_named_with_those_that_need_it() {
        // As uv 0.13 puts it: old versions of the package that is asked for are offered as source only.
        let said = "error: No solution found when resolving dependencies
             cause: Because jinja2==2.0rc1 has no usable wheels and only jinja2>=2.0rc1 is available, we can conclude
             that jinja2<=2.0rc1 cannot be used. (1) Because markupsafe>=2.0.0 has no usable wheels and jinja2>=3.0.1
             depends on markupsafe>=2.0, we can conclude that all versions of jinja2 cannot be used.
             hint: Wheels are required for `jinja2` because building from source is disabled for all packages";
        let expected =
            InstallError::Unfit { package: "markupsafe".into(), by: vec!["jinja2".into()], why: Unfit::NoPureWheel };
        assert_eq!(read(said).to_string(), expected.to_string());
        let told = expected.to_string();
        assert!(
            told.starts_with("the package `markupsafe`, which `jinja2` needs, has no wheel of pure Python"),
            "{told}"
        );
    }

    #[test]
    fn a_list_of_versions_without_wheels_is_about_one_package() {
        let said = "Because all of: pyyaml<=5.1b5 pyyaml>=5.1 have no usable wheels and only the following versions of
            pyyaml are available: pyyaml<=5.1b5 pyyaml==5.1b7 we can conclude that And because pyyaml==5.1b7 has no
            wheels with a matching Python implementation tag (e.g., `cp314`) and you require pyyaml";
        assert!(
            read(said).to_string().starts_with("the package `pyyaml` has no wheel of pure Python"),
            "{}",
            read(said)
        );
        let said = "Because all versions of docopt have no usable wheels and you require docopt";
        assert!(read(said).to_string().starts_with("the package `docopt` has no wheel"), "{}", read(said));
    }

    #[test]
    fn what_is_about_something_else_is_told_as_it_was_said() {
        let said = "error: nonsense was not found\n  in the registry";
        assert!(
            matches!(read(said), InstallError::Refused(told) if told == "error: nonsense was not found in the registry")
        );
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read_and_bounded(
            said in proptest::collection::vec(prop_oneof![
                Just("has no usable wheels".to_owned()), Just("depends on".to_owned()), "\\PC{0,40}"
            ], 0..60)
        ) {
            prop_assert!(read(&said.join(" ")).to_string().chars().count() < 2 * TOLD_CHARS);
        }
    }
}
