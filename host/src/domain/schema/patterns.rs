//! The patterns of a schema: which are taken, what each takes in memory, and what a search costs.
//!
//! That is read from what a pattern is compiled to, not from its length: `[ab]{3000}` is short. A search takes a
//! step for some bytes of the text where the machine for it is small; otherwise one for some bytes and each part
//! of it. A pattern that looks around or back is run by going back, so often at most, and each time anew.

use std::collections::HashMap;

use jsonschema_regex::{search_form, split_leading_lookaheads, to_rust_regex};
use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{AssertionKind, Ast, RepetitionKind, RepetitionRange};
use regex_syntax::hir::Hir;
use regex_syntax::hir::translate::Translator;

use super::{
    BACKTRACKS, PATTERN_BYTES_MAX, PATTERN_MEMORY_BYTES, PATTERNS_MAX, PATTERNS_MEMORY_MAX, SchemaError, shorten,
};

/// Memory for the whole machine of a quick pattern: so little that the one which is made while it runs, and
/// remembers how it came to each state, stays within [`PATTERN_MEMORY_BYTES`].
const QUICK_BYTES: usize = PATTERN_MEMORY_BYTES / 4;
/// What any pattern takes.
const BESIDE_BYTES: usize = 8 << 10;
/// What a pattern remembers while it runs where the library has a bound of its own: each way, and of each part of
/// one that begins by looking ahead.
const UNSET_BYTES: usize = 2 << 20;
/// The table that the library makes for patterns with groups: for each state, and at most.
const TABLE_BYTES: usize = 256;
const TABLE_BYTES_MAX: usize = 1 << 20;

/// What one byte of a text costs where the machine is small, in parts of a step: see [`PARTS`].
const QUICK: u64 = 2;
/// What it costs for each state otherwise, and where states are gone through one by one.
const EACH_STATE: u64 = 4;
const EACH_VISIT: u64 = 1;
/// Parts of a step.
const PARTS: u64 = 16;

/// Stands where a pattern looks around or back, in what is compiled to learn of the rest.
const LOOK: &str = "(?:)";

/// What a pattern is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Texts,
    /// Names of members.
    Names,
}

/// The patterns of one schema.
#[derive(Default)]
pub(super) struct Patterns {
    texts: HashMap<String, Pattern>,
    names: HashMap<String, Pattern>,
    /// Each place counts.
    pub(super) count: usize,
    /// What they take in memory, compiled and in use, at most.
    pub(super) size_bytes: usize,
}

impl Patterns {
    /// # Errors
    /// When it is none of JSON Schema's, or when they are too many or too large together.
    pub(super) fn add(&mut self, of: Of, pattern: &str) -> Result<(), SchemaError> {
        self.count += 1;
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(SchemaError(format!("a pattern has more than {PATTERN_BYTES_MAX} bytes; make it shorter")));
        }
        if self.count > PATTERNS_MAX {
            return Err(SchemaError(format!("it has more than {PATTERNS_MAX} patterns; use fewer")));
        }
        let known = match of {
            Of::Texts => &mut self.texts,
            Of::Names => &mut self.names,
        };
        if !known.contains_key(pattern) {
            let read = Pattern::read(of, pattern)?;
            self.size_bytes += read.size_bytes;
            known.insert(pattern.to_owned(), read);
        }
        if self.size_bytes > PATTERNS_MEMORY_MAX {
            return Err(SchemaError(format!(
                "its patterns take more than {PATTERNS_MEMORY_MAX} bytes when they are compiled; use fewer, or repeat less \
                 in them"
            )));
        }
        Ok(())
    }

    /// Whether each takes the same time for each byte, whatever the text.
    pub(super) fn are_quick(&self) -> bool {
        self.texts.values().chain(self.names.values()).all(|pattern| pattern.looks == 0 && pattern.rate == QUICK)
    }

    /// What one of them costs in this text.
    pub(super) fn search(&self, of: Of, pattern: &str, text: &str) -> Search {
        let known = match of {
            Of::Texts => &self.texts,
            Of::Names => &self.names,
        };
        known.get(pattern).map_or(Search { steps: 1, goes_back: false }, |pattern| pattern.search(text))
    }
}

/// A search in a text, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) steps: u64,
    /// Whether it may be given up.
    pub(super) goes_back: bool,
}

/// What is known of a pattern.
struct Pattern {
    /// Of one byte, in parts of a step.
    rate: u64,
    /// Of what it is compiled to.
    states: u64,
    /// How often it looks around or back each time that it goes on; 0: it never goes back.
    looks: u64,
    size_bytes: usize,
}

impl Pattern {
    fn read(of: Of, pattern: &str) -> Result<Self, SchemaError> {
        if let Some(translated) = plain(pattern) {
            let (machine, _) = Machine::of(pattern, &searched(pattern, translated))?;
            return Ok(Self::of(&[machine], 0));
        }
        // Where a text is held to it, the library makes a pattern of each look ahead at the beginning.
        let parts = split_leading_lookaheads(pattern).filter(|_| of == Of::Texts);
        if let Some(parts) = parts.and_then(|parts| {
            parts.into_iter().map(|part| Some(searched(&part, plain(&part)?))).collect::<Option<Vec<String>>>()
        }) {
            let machines = parts.iter().map(|part| Machine::of(pattern, part).map(|(machine, _)| machine));
            let machines = machines.collect::<Result<Vec<Machine>, SchemaError>>()?;
            let slow = machines.iter().filter(|machine| !machine.is_quick).count();
            let mut read = Self::of(&machines, 0);
            read.size_bytes += slow * 2 * UNSET_BYTES;
            return Ok(read);
        }
        Self::going_back(pattern)
    }

    fn of(machines: &[Machine], looks: u64) -> Self {
        let states = machines.iter().map(|machine| machine.states).sum::<u64>();
        let size_bytes = machines.iter().map(|machine| machine.size_bytes).sum::<usize>();
        let of_one = |machine: &Machine| if machine.is_quick { QUICK } else { machine.states * EACH_STATE };
        let is_quick = machines.iter().all(|machine| machine.is_quick);
        // They are run one after the other.
        let rate = if is_quick { QUICK } else { machines.iter().map(of_one).sum() };
        Self { rate, states, looks, size_bytes }
    }

    /// One that looks around or back: apart from that, and what it looks for, each by itself.
    fn going_back(pattern: &str) -> Result<Self, SchemaError> {
        let apart = Apart::of(pattern)?;
        let mut looks = 0;
        let mut machines = Vec::new();
        for (place, text) in std::iter::once(&apart.rest).chain(&apart.looks).enumerate() {
            let translated = plain(text).ok_or_else(|| unknown(pattern))?;
            let (machine, found) = Machine::of(pattern, &translated)?;
            if place > 0 && found.repeats_look {
                return Err(SchemaError(format!(
                    "the pattern `{}` refers back again and again where it looks around; refer back outside of that",
                    shorten(pattern)
                )));
            }
            // What is looked for refers back by comparing, which is no search.
            looks += if place == 0 { found.looks } else { 0 };
            machines.push(machine);
        }
        let mut read = Self::of(&machines, looks.max(1));
        if apart.refers_back {
            // These are gone through one by one.
            read.rate = read.rate.max(read.states * EACH_VISIT);
        }
        read.size_bytes += PATTERN_MEMORY_BYTES / 4;
        Ok(read)
    }

    fn search(&self, text: &str) -> Search {
        let length = text.len() as u64;
        let once = length.saturating_mul(self.rate) / PARTS;
        if self.looks == 0 {
            return Search { steps: 8 + once, goes_back: false };
        }
        // Each time that it goes back, and once for each byte: what it may do until it goes back again.
        let each = once.saturating_mul(self.looks).saturating_add(2 + self.states / PARTS);
        Search { steps: each.saturating_mul(BACKTRACKS as u64 + length), goes_back: true }
    }
}

/// What a pattern, or a part of one, is compiled to.
struct Machine {
    states: u64,
    /// Whether it goes over a text with the same work for each byte, whatever the text.
    is_quick: bool,
    size_bytes: usize,
}

impl Machine {
    /// `text` is what is compiled of the pattern.
    fn of(pattern: &str, text: &str) -> Result<(Self, Found), SchemaError> {
        let ast = Parser::new().parse(text).map_err(|_| unknown(pattern))?;
        let mut found = Found::default();
        found.walk(&ast, 1, false).ok_or_else(|| unknown(pattern))?;
        let hir = Translator::new().translate(text, &ast).map_err(|_| unknown(pattern))?;
        let (forward, backward) = (nfa(pattern, &hir, false)?, nfa(pattern, &hir, true)?);
        let states = forward.states().len().max(backward.states().len());
        let quick_bytes = whole(&forward).and_then(|bytes| Some(bytes + whole(&backward)?));
        let run_bytes = quick_bytes.map_or(3 * PATTERN_MEMORY_BYTES, |bytes| 4 * bytes);
        let table_bytes = states.saturating_mul(TABLE_BYTES).min(TABLE_BYTES_MAX);
        let size_bytes = BESIDE_BYTES + forward.memory_usage() + backward.memory_usage() + run_bytes + table_bytes;
        Ok((Self { states: states as u64, is_quick: quick_bytes.is_some(), size_bytes }, found))
    }
}

fn nfa(pattern: &str, hir: &Hir, reverse: bool) -> Result<NFA, SchemaError> {
    let config = thompson::Config::new()
        .reverse(reverse)
        .nfa_size_limit(Some(PATTERN_MEMORY_BYTES))
        .which_captures(WhichCaptures::None);
    thompson::Compiler::new().configure(config).build_from_hir(hir).map_err(|_| {
        SchemaError(format!(
            "the pattern `{}` takes more than {PATTERN_MEMORY_BYTES} bytes when it is compiled; repeat less in it",
            shorten(pattern)
        ))
    })
}

/// Bytes of the machine with all the states that there can be; none when it would be too large.
fn whole(nfa: &NFA) -> Option<usize> {
    let config = dense::Config::new()
        .start_kind(if nfa.is_reverse() { StartKind::Anchored } else { StartKind::Unanchored })
        .dfa_size_limit(Some(QUICK_BYTES))
        .determinize_size_limit(Some(QUICK_BYTES));
    dense::Builder::new().configure(config).build_from_nfa(nfa).ok().map(|dfa| dfa.memory_usage())
}

/// A pattern in the words of the library, if it neither looks around nor back.
fn plain(pattern: &str) -> Option<String> {
    let translated = to_rust_regex(pattern).ok()?;
    Parser::new().parse(&translated).is_ok().then(|| translated.into_owned())
}

/// What of a pattern is searched for: a count at its edges is not.
fn searched(pattern: &str, translated: String) -> String {
    match search_form(pattern, &translated) {
        // One that is only counted.
        Some(jsonschema_regex::Search::RepeatedClass(_)) => String::new(),
        Some(jsonschema_regex::Search::Collapsed(text)) => text,
        None => translated,
    }
}

fn unknown(pattern: &str) -> SchemaError {
    SchemaError(format!(
        "the pattern `{}` is no regular expression of JSON Schema, or looks around within a look around; write it \
         otherwise",
        shorten(pattern)
    ))
}

/// What stands in a pattern.
#[derive(Default)]
struct Found {
    /// Places where it looks around or back, as often as they are repeated in any case.
    looks: u64,
    /// Whether one of them is repeated.
    repeats_look: bool,
}

impl Found {
    /// None: something that has no place in a pattern of JSON Schema, and that the library would go back for.
    fn walk(&mut self, ast: &Ast, times: u64, is_repeated: bool) -> Option<()> {
        match ast {
            Ast::Repetition(repetition) => {
                if matches!(*repetition.ast, Ast::Repetition(_)) {
                    return None;
                }
                let least = match &repetition.op.kind {
                    RepetitionKind::Range(
                        RepetitionRange::Exactly(least)
                        | RepetitionRange::AtLeast(least)
                        | RepetitionRange::Bounded(least, _),
                    ) => *least,
                    _ => 1,
                };
                let is_repeated = is_repeated || !matches!(repetition.op.kind, RepetitionKind::ZeroOrOne);
                self.walk(&repetition.ast, times.saturating_mul(u64::from(least.max(1))), is_repeated)
            }
            Ast::Group(group) => {
                if matches!(*group.ast, Ast::Empty(_)) {
                    self.looks = self.looks.saturating_add(times);
                    self.repeats_look |= is_repeated;
                }
                self.walk(&group.ast, times, is_repeated)
            }
            Ast::Alternation(any) => any.asts.iter().try_for_each(|one| self.walk(one, times, is_repeated)),
            Ast::Concat(all) => all.asts.iter().try_for_each(|one| self.walk(one, times, is_repeated)),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Some(()),
                _ => None,
            },
            _ => Some(()),
        }
    }
}

/// A pattern without what it looks for around, and each of that.
#[derive(Default)]
struct Apart {
    rest: String,
    looks: Vec<String>,
    refers_back: bool,
}

impl Apart {
    /// # Errors
    /// When it looks around where it looks around.
    fn of(pattern: &str) -> Result<Self, SchemaError> {
        let mut apart = Self::default();
        // What is looked for, and the groups that were open before it.
        let mut looked_for: Option<(String, usize)> = None;
        let (mut open, mut in_class) = (0_usize, false);
        let mut left = pattern;
        while let Some(first) = left.chars().next() {
            let is_looking = looked_for.is_some();
            let out = looked_for.as_mut().map_or(&mut apart.rest, |(text, _)| text);
            let mut taken = first.len_utf8();
            match first {
                '\\' => {
                    let escaped = left[1..].chars().next();
                    taken += escaped.map_or(0, char::len_utf8);
                    match escaped {
                        Some('0'..='9') => {
                            taken = 1 + left[1..].bytes().take_while(u8::is_ascii_digit).count();
                            apart.refers_back = true;
                            // In a class it is a character, whichever.
                            out.push_str(if in_class { "0" } else { LOOK });
                        }
                        Some('k') => {
                            taken = left.find('>').ok_or_else(|| unknown(pattern))? + 1;
                            apart.refers_back = true;
                            out.push_str(LOOK);
                        }
                        _ => out.push_str(&left[..taken]),
                    }
                }
                '[' if !in_class => {
                    in_class = true;
                    out.push('[');
                }
                ']' if in_class => {
                    in_class = false;
                    out.push(']');
                }
                '(' if !in_class => {
                    let ahead = ["(?<=", "(?<!", "(?=", "(?!"].into_iter().find(|look| left.starts_with(look));
                    match ahead {
                        Some(_) if is_looking => return Err(unknown(pattern)),
                        Some(look) => {
                            taken = look.len();
                            apart.rest.push_str(LOOK);
                            looked_for = Some((String::new(), open));
                        }
                        None => out.push('('),
                    }
                    open += 1;
                }
                ')' if !in_class => {
                    open = open.checked_sub(1).ok_or_else(|| unknown(pattern))?;
                    match looked_for.take() {
                        Some((text, before)) if before == open => apart.looks.push(text),
                        still => {
                            looked_for = still;
                            looked_for.as_mut().map_or(&mut apart.rest, |(text, _)| text).push(')');
                        }
                    }
                }
                other => out.push(other),
            }
            left = &left[taken..];
        }
        if looked_for.is_some() { Err(unknown(pattern)) } else { Ok(apart) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(pattern: &str, length: usize) -> u64 {
        let read = Pattern::read(Of::Texts, pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        read.search(&"a".repeat(length)).steps
    }

    fn goes_back(pattern: &str) -> bool {
        Pattern::read(Of::Texts, pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).search("a").goes_back
    }

    #[test]
    fn what_people_write_costs_little() {
        for pattern in [
            r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$",
            r"^[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}$",
            r"^https?://[^\s/$.?#].[^\s]*$",
            r"^(?:https?|ftp)://",
            r"^.{1,4096}$",
            r"^\S+$",
            r"^[\p{L}\p{N} ]{1,128}$",
            r"(?i)^bearer .+$",
            r"^(?=.*[A-Z])(?=.*\d).{8,}$",
        ] {
            assert!(cost(pattern, 64) <= 24, "{pattern}: {}", cost(pattern, 64));
            assert!(!goes_back(pattern), "{pattern}");
        }
        for pattern in [
            r"^(?!-)[a-z0-9-]{1,63}(?<!-)$",
            r"^(?!-)(?:(?!--)[a-z0-9-]){1,63}$",
            r"^(?!.*\.\.)[\w.]+$",
            r"^(?!.*(.)\1)[a-z]+$",
            r"^(a|b)\1$",
        ] {
            assert!((1..1_000_000).contains(&cost(pattern, 63)), "{pattern}: {}", cost(pattern, 63));
            assert!(goes_back(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_is_compiled_to_much_costs_much() {
        // A machine that remembers every way through it would have 2^3000 states.
        assert!(cost("^[ab]*a[ab]{3000}$", 1 << 10) > 500_000);
        assert!(cost("^[ab]*a[ab]{60}$", 1 << 20) > 10_000_000, "also a short one");
        assert!(cost("[ab]{60}a[ab]*$", 1 << 20) > 10_000_000, "also from its end");
        assert!(cost("^(?=[ab]*a[ab]{3000}$)a", 1 << 10) > 500_000, "also where it is split");
        assert!(cost("^(?=$x)(?=[ab]*a[ab]{3000}$)a", 1 << 10) > 500_000, "also in a part that is not come to first");
        // As often as it goes back, it looks over the whole again.
        assert!(cost("^(?:(?=.*)a)+b$", 1 << 14) > 1_000_000);
        assert!(cost("^(?:(?=a)a|(?=a)aa)+$", 16) > 1_000);
        assert!(cost("^(?:x?){20}(?:(?=.*)a){900}b", 64) > 1_000_000);
    }

    #[test]
    fn what_nothing_bounds_is_refused_in_words() {
        for (pattern, words) in [
            ("((a{1000}){1000}){1000}", "repeat less"),
            (r"(?=\p{L}{1000})(a)\1", "repeat less"),
            ("^(?=[ab]{100000})a", "repeat less"),
            ("a++", "write it otherwise"),
            ("(?>a+)b", "write it otherwise"),
            ("(?=a)(?>a+)b", "write it otherwise"),
            ("(?=(?=a)a)a", "write it otherwise"),
            (r"(?=(?:a\1)*b)(a)", "outside of that"),
            (r"\b{start-half}a", "write it otherwise"),
            ("(?=a", "write it otherwise"),
            ("[", "write it otherwise"),
            ("(?x)#[\n(?=a)", "write it otherwise"),
        ] {
            let refused = Pattern::read(Of::Texts, pattern).err().map(|error| error.to_string());
            assert!(refused.as_ref().is_some_and(|refused| refused.contains(words)), "{pattern}: {refused:?}");
        }
    }

    #[test]
    fn patterns_are_bounded_together() {
        let mut patterns = Patterns::default();
        let heavy = |number: usize| format!("^[ab]*a[ab]{{{}}}$", 2_000 + number);
        let refused = (0..PATTERNS_MAX).find_map(|number| patterns.add(Of::Texts, &heavy(number)).err());
        assert!(refused.is_some_and(|refused| refused.to_string().contains("use fewer")), "{}", patterns.count);
        assert!(patterns.count < 32);
        let mut patterns = Patterns::default();
        for number in 0..PATTERNS_MAX {
            patterns.add(Of::Texts, &format!("^[0-9a-f]{{8}}-[0-9a-f]{{4}}-{number}$")).expect("they are small");
        }
        assert!(patterns.are_quick());
        let mut patterns = Patterns::default();
        for _ in 0..PATTERNS_MAX {
            patterns.add(Of::Names, &heavy(0)).expect("it is one");
        }
        assert!(!patterns.are_quick());
    }
}
