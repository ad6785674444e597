//! What callers give, checked: texts held to a length, time limits held to the limits.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Error;
use crate::db::Search;
use crate::domain::ids::ToolId;
use crate::domain::tool::ApprovalAction;
use crate::limits::Limits;

/// Lengths of texts, in characters.
pub(super) const SERVER_DESCRIPTION: RangeInclusive<usize> = 0..=2_000;
pub(super) const TOOL_DESCRIPTION: RangeInclusive<usize> = 0..=10_000;
pub(super) const TITLE: RangeInclusive<usize> = 0..=200;
pub(super) const SECRET_DESCRIPTION: RangeInclusive<usize> = 0..=1_000;
pub(super) const SECRET_VALUE: RangeInclusive<usize> = 1..=10_000;
pub(super) const NOTES: RangeInclusive<usize> = 0..=2_000;
pub(super) const REASON: RangeInclusive<usize> = 1..=2_000;
pub(super) const JUSTIFICATION: RangeInclusive<usize> = 10..=2_000;

/// Hosts that one tool asks for, or that are open to one server.
pub(super) const HOSTS_OF_ONE: usize = 100;
/// Secrets of one server: each of its calls opens them all.
pub(super) const SECRETS_OF_ONE: usize = 100;

/// Tools that one request names.
const TOOLS_AT_ONCE: usize = 50;

/// The longest text that is looked for.
const SEARCH: RangeInclusive<usize> = 0..=200;

/// The shortest time limit of a tool, in milliseconds: enough to start a guest and hear from it.
const TIMEOUT_MIN_MS: u64 = 100;

/// A text without the white space around it, if it has the right length.
///
/// # Errors
/// [`Error::Invalid`] at `pointer`.
pub(super) fn text(pointer: &str, text: &str, length: RangeInclusive<usize>) -> Result<String, Error> {
    let text = text.trim();
    measured(pointer, text, length)?;
    Ok(text.to_owned())
}

/// The description that was given, or else what the docstring says.
pub(super) fn description(given: &str, summary: &str) -> Result<String, Error> {
    let chosen = if given.trim().is_empty() { summary } else { given };
    text("/description", chosen, TOOL_DESCRIPTION)
}

/// Checks a text that is taken as it is.
///
/// # Errors
/// [`Error::Invalid`] at `pointer`.
pub(super) fn measured(pointer: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Error> {
    let (min, max) = length.into_inner();
    let given = text.chars().count();
    if given < min || given > max {
        return Err(Error::invalid(pointer, format!("give {min} to {max} characters; these are {given}")));
    }
    if text.contains('\0') {
        return Err(Error::invalid(pointer, "the character U+0000 cannot be kept"));
    }
    Ok(())
}

/// The tools that ask together, each once and in one order, so that two who ask at once do not wait for each
/// other.
///
/// # Errors
/// [`Error::Invalid`] when there are none or too many.
pub(super) fn tools(ids: Vec<ToolId>) -> Result<BTreeSet<ToolId>, Error> {
    let ids: BTreeSet<ToolId> = ids.into_iter().collect();
    if ids.is_empty() || ids.len() > TOOLS_AT_ONCE {
        return Err(Error::invalid("/tool_ids", format!("give 1 to {TOOLS_AT_ONCE} tools")));
    }
    Ok(ids)
}

/// A text to look for; none when it is blank.
///
/// # Errors
/// [`Error::Invalid`] when it is too long.
pub(super) fn search(given: Option<&str>) -> Result<Option<Search>, Error> {
    let given = text("/search", given.unwrap_or_default(), SEARCH)?;
    Ok((!given.is_empty()).then(|| Search::new(&given)))
}

/// A time limit for the calls of a tool or of a server's tools.
///
/// # Errors
/// [`Error::Invalid`] at `pointer`.
pub(super) fn timeout(pointer: &str, ms: Option<u64>, limits: &Limits) -> Result<Option<u64>, Error> {
    let allowed = TIMEOUT_MIN_MS..=limits.call_time_max_ms;
    match ms {
        Some(ms) if !allowed.contains(&ms) => {
            let max = limits.call_time_max_ms;
            Err(Error::invalid(pointer, format!("give {TIMEOUT_MIN_MS} to {max} ms; this is {ms}")))
        }
        _ => Ok(ms),
    }
}

/// The reason of a decision, which a refusal needs.
///
/// # Errors
/// [`Error::Invalid`] when a refusal has none, or the action is not a person's.
pub(super) fn reason(action: ApprovalAction, reason: Option<&str>) -> Result<Option<String>, Error> {
    let given = reason.map(str::trim).filter(|reason| !reason.is_empty());
    match (action, given) {
        (ApprovalAction::Submit, _) => Err(Error::invalid("/action", "give approve, reject or revoke")),
        (ApprovalAction::Reject | ApprovalAction::Revoke, None) => {
            Err(Error::invalid("/reason", "say why, so that the author can do better"))
        }
        (_, Some(given)) => text("/reason", given, REASON).map(Some),
        (ApprovalAction::Approve, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_trimmed_before_it_is_measured() {
        assert_eq!(text("/reason", "  ok \n", REASON).ok().as_deref(), Some("ok"));
        assert!(text("/reason", "   ", REASON).is_err());
    }

    #[test]
    fn the_length_of_a_text_counts_characters() {
        assert!(text("/d", &"é".repeat(2_000), SERVER_DESCRIPTION).is_ok());
        let Err(Error::Invalid { problems }) = text("/d", &"é".repeat(2_001), SERVER_DESCRIPTION) else {
            panic!("it is too long");
        };
        assert_eq!(problems[0].pointer, "/d");
        assert!(problems[0].message.contains("2001"), "{}", problems[0].message);
    }

    #[test]
    fn a_text_that_postgresql_cannot_keep_is_refused() {
        assert!(text("/d", "a\0b", SERVER_DESCRIPTION).is_err());
    }

    #[test]
    fn a_time_limit_lies_within_the_limits() {
        let limits = Limits { call_time_max_ms: 5_000, ..Limits::default() };
        for (ms, fits) in
            [(None, true), (Some(99), false), (Some(100), true), (Some(5_000), true), (Some(5_001), false)]
        {
            assert_eq!(timeout("/timeout_ms", ms, &limits).is_ok(), fits, "{ms:?}");
        }
    }

    #[test]
    fn a_refusal_needs_a_reason() {
        use ApprovalAction::{Approve, Reject, Revoke, Submit};
        for (action, given, fits) in [
            (Approve, None, true),
            (Approve, Some("fine"), true),
            (Reject, None, false),
            (Reject, Some("  "), false),
            (Reject, Some("leaks"), true),
            (Revoke, None, false),
            (Revoke, Some("leaks"), true),
            (Submit, Some("please"), false),
        ] {
            assert_eq!(reason(action, given).is_ok(), fits, "{action:?} {given:?}");
        }
    }

    #[test]
    fn a_blank_description_is_what_the_docstring_says() {
        assert_eq!(description(" \n", "Tells the weather.").ok().as_deref(), Some("Tells the weather."));
        assert_eq!(description("Mine.", "Tells the weather.").ok().as_deref(), Some("Mine."));
        assert!(description("", &"x".repeat(10_001)).is_err());
    }
}
