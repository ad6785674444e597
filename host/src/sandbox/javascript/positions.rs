//! From positions in the code that runs to positions in what its author wrote, and the lines around
//! them.

use serde::{Deserialize, Serialize};

use crate::domain::outcome::Exception;

/// How the interpreter names a tool's module in stacks.
const MODULE: &str = "<tool>:";
/// Lines that an excerpt shows before and after the one that failed.
const AROUND: usize = 2;
/// Characters of a line that an excerpt shows.
const WIDTH: usize = 300;

/// A place in a text: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Where the parts of generated code come from, in the order of the generated code. Empty when the
/// code is the author's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origins(Vec<(Position, Position)>);

impl Origins {
    pub(super) fn new(mut pairs: Vec<(Position, Position)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup_by_key(|(generated, _)| *generated);
        Self(pairs)
    }

    /// The author's position of a generated one: that of the last part which begins at or before it on
    /// its line, or else of the first one on that line.
    pub(super) fn of(&self, generated: Position) -> Option<Position> {
        if self.0.is_empty() {
            return Some(generated);
        }
        let after = self.0.partition_point(|(known, _)| *known <= generated);
        let before = after.checked_sub(1).and_then(|at| self.0.get(at));
        [before, self.0.get(after)]
            .into_iter()
            .flatten()
            .find(|(known, _)| known.line == generated.line)
            .map(|(_, original)| *original)
    }

    pub(super) fn size_bytes(&self) -> usize {
        size_of_val(self.0.as_slice())
    }
}

/// An exception of the interpreter as the author of `source` should read it.
pub(super) fn told(exception: Exception, origins: &Origins, source: &str) -> Exception {
    let mut first = None;
    let mut traceback = String::with_capacity(exception.traceback.len());
    for line in exception.traceback.split_inclusive('\n') {
        match frame(line) {
            Some((start, end, generated)) => {
                let original = origins.of(generated).unwrap_or(generated);
                first.get_or_insert(original);
                traceback.push_str(&line[..start]);
                traceback.push_str(&format!("{}:{}", original.line, original.column));
                traceback.push_str(&line[end..]);
            }
            None => traceback.push_str(line),
        }
    }
    // An exception without a line of its own may have a cause that has one; that is not its line.
    let position = exception.line.and(first);
    let excerpt = position.map(|position| excerpt(source, position)).unwrap_or_default();
    Exception { line: position.map(|position| position.line), traceback, excerpt, ..exception }
}

/// Of a line of a stack: where its position begins and ends, and the position.
fn frame(line: &str) -> Option<(usize, usize, Position)> {
    if !line.trim_start().starts_with("at ") {
        return None;
    }
    let start = line.rfind(MODULE)? + MODULE.len();
    let rest = &line[start..];
    let length = rest.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(rest.len());
    let (line, column) = rest[..length].split_once(':')?;
    Some((start, start + length, Position { line: line.parse().ok()?, column: column.parse().ok()? }))
}

/// The lines around a position, with a mark below it.
pub(super) fn excerpt(source: &str, position: Position) -> String {
    let line = position.line as usize;
    let first = line.saturating_sub(AROUND).max(1);
    let width = (line + AROUND).to_string().len();
    let mut shown = Vec::new();
    for (number, text) in source.lines().enumerate().map(|(at, text)| (at + 1, text)).skip(first - 1) {
        if number > line + AROUND {
            break;
        }
        let text: String = text.chars().take(WIDTH).map(|c| if c == '\t' { ' ' } else { c }).collect();
        let mark = if number == line { '>' } else { ' ' };
        shown.push(format!("{mark} {number:>width$} | {text}").trim_end().to_owned());
        if number == line {
            let column = (position.column as usize).clamp(1, WIDTH);
            shown.push(format!("  {:width$} | {:column$}^", "", "", column = column - 1));
        }
    }
    if shown.iter().any(|line| line.starts_with('>')) { shown.join("\n") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn a_position_is_that_of_the_part_before_it_on_its_line() {
        let origins = Origins::new(vec![(at(2, 5), at(7, 3)), (at(1, 1), at(1, 1)), (at(2, 9), at(7, 20))]);
        assert_eq!(origins.of(at(2, 8)), Some(at(7, 3)));
        assert_eq!(origins.of(at(2, 9)), Some(at(7, 20)));
        assert_eq!(origins.of(at(2, 1)), Some(at(7, 3)));
        assert_eq!(origins.of(at(3, 1)), None);
        assert_eq!(Origins::default().of(at(3, 1)), Some(at(3, 1)));
    }

    #[test]
    fn a_stack_is_told_in_the_lines_of_its_author() {
        let origins = Origins::new(vec![(at(1, 1), at(4, 2))]);
        let exception = Exception {
            kind: "TypeError".into(),
            message: "at <tool>:1:1".into(),
            line: Some(1),
            traceback: "TypeError: at <tool>:1:1\n    at main (<tool>:1:7)\n    at <tool>:1:1".into(),
            excerpt: String::new(),
        };
        let told = told(exception, &origins, "a\nb\nc\n\tdé\ne");
        assert_eq!(told.line, Some(4));
        assert_eq!(told.traceback, "TypeError: at <tool>:1:1\n    at main (<tool>:4:2)\n    at <tool>:4:2");
        assert_eq!(told.excerpt, "  2 | b\n  3 | c\n> 4 |  dé\n    |  ^\n  5 | e");
    }

    proptest! {
        #[test]
        fn no_traceback_and_no_source_makes_the_host_panic(
            traceback in "(    at [a-z]* ?\\(?<tool>:[0-9]{0,12}:?[0-9]{0,12}\\)?\n|\\PC{0,20}\n){0,6}",
            source in "(\\PC{0,12}\n){0,6}",
            line in any::<Option<u32>>(),
            pairs in proptest::collection::vec(((0_u32..9, 0_u32..9), (any::<u32>(), any::<u32>())), 0..9),
        ) {
            let pairs = pairs.into_iter().map(|((a, b), (c, d))| (at(a, b), at(c, d))).collect();
            let exception = Exception { line, traceback, ..Exception::default() };
            told(exception, &Origins::new(pairs), &source);
        }
    }
}
