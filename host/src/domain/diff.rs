//! How two texts differ, line by line, as a unified diff. Bounded: texts that have too little in common
//! are shown as one text taken away and another one added, and what is longer than the bound is cut.

use std::collections::HashMap;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Lines that may differ before the texts count as two different ones: the work grows with the square.
const EDITS: usize = 1_000;

/// A unified diff.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Empty: the texts are the same.
    pub text: String,
    /// Whether there is more of it.
    pub cut: bool,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Keep,
    Delete,
    Insert,
}

/// The diff from `before` to `after`, of at most about `bound_bytes`.
pub fn unified(before: &str, after: &str, bound_bytes: usize) -> Diff {
    if before == after {
        return Diff::default();
    }
    // With their ends, so that another end of a line is a difference too.
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let edits = edits(&old, &new);
    let mut diff = Diff::default();
    for hunk in hunks(&edits) {
        let mut text = hunk.head();
        let (mut at_old, mut at_new) = (hunk.old, hunk.new);
        for edit in &edits[hunk.first..hunk.last] {
            let (mark, line) = match edit {
                Edit::Keep | Edit::Delete => (if *edit == Edit::Keep { ' ' } else { '-' }, old[at_old]),
                Edit::Insert => ('+', new[at_new]),
            };
            at_old += usize::from(*edit != Edit::Insert);
            at_new += usize::from(*edit != Edit::Delete);
            text.push(mark);
            text.push_str(line);
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
        if diff.text.len() + text.len() > bound_bytes {
            let left = bound_bytes.saturating_sub(diff.text.len());
            let end = (0..=left.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            diff.text.push_str(&text[..end]);
            diff.cut = true;
            break;
        }
        diff.text.push_str(&text);
    }
    diff
}

/// Some edits that are shown together.
struct Hunk {
    /// Into the edits.
    first: usize,
    last: usize,
    /// Lines before it.
    old: usize,
    new: usize,
    old_lines: usize,
    new_lines: usize,
}

impl Hunk {
    fn head(&self) -> String {
        // Where there are no lines, the number is that of the line before (POSIX diff -u).
        let from = |before: usize, lines: usize| if lines == 0 { before } else { before + 1 };
        let (old, new) = (from(self.old, self.old_lines), from(self.new, self.new_lines));
        format!("@@ -{old},{} +{new},{} @@\n", self.old_lines, self.new_lines)
    }
}

fn hunks(edits: &[Edit]) -> Vec<Hunk> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (at, _) in edits.iter().enumerate().filter(|(_, edit)| **edit != Edit::Keep) {
        let (first, last) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(edits.len()));
        match ranges.last_mut() {
            Some(range) if first <= range.1 => range.1 = last,
            _ => ranges.push((first, last)),
        }
    }
    let (mut at, mut old, mut new) = (0, 0, 0);
    let mut hunks = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        let lines = |range: &[Edit], not: Edit| range.iter().filter(|edit| **edit != not).count();
        old += lines(&edits[at..first], Edit::Insert);
        new += lines(&edits[at..first], Edit::Delete);
        let (old_lines, new_lines) =
            (lines(&edits[first..last], Edit::Insert), lines(&edits[first..last], Edit::Delete));
        hunks.push(Hunk { first, last, old, new, old_lines, new_lines });
        (at, old, new) = (last, old + old_lines, new + new_lines);
    }
    hunks
}

fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let same_head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same_head..], &new[same_head..]);
    let same_tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - same_tail], &new[..new.len() - same_tail]);
    let mut edits = vec![Edit::Keep; same_head];
    match shortest(&numbered(old, new)) {
        Some(middle) => edits.extend(middle),
        None => {
            edits.extend(std::iter::repeat_n(Edit::Delete, old.len()));
            edits.extend(std::iter::repeat_n(Edit::Insert, new.len()));
        }
    }
    edits.extend(std::iter::repeat_n(Edit::Keep, same_tail));
    edits
}

/// The lines as numbers, equal lines as equal ones, so that long lines are compared once.
fn numbered(old: &[&str], new: &[&str]) -> [Vec<usize>; 2] {
    let mut known = HashMap::new();
    [old, new].map(|lines| {
        let number = |line: &&str| {
            let next = known.len();
            *known.entry((*line).to_owned()).or_insert(next)
        };
        lines.iter().map(number).collect()
    })
}

/// The shortest list of edits, by the greedy algorithm of E. Myers ("An O(ND) Difference Algorithm and Its
/// Variations", 1986); none when it is longer than [`EDITS`]. `reach[k]` is how far down the old text one
/// gets on diagonal `k`, counted from `centre`.
fn shortest([old, new]: &[Vec<usize>; 2]) -> Option<Vec<Edit>> {
    let most = (old.len() + new.len()).min(EDITS);
    let centre = most + 1;
    let mut reach = vec![0_usize; 2 * most + 3];
    let mut trace = Vec::new();
    for count in 0..=most {
        // Only what the way back looks at.
        trace.push(reach[centre - count - 1..=centre + count + 1].to_vec());
        for diagonal in (centre - count..=centre + count).step_by(2) {
            let down = goes_down(&reach, diagonal, centre, count);
            let mut x = if down { reach[diagonal + 1] } else { reach[diagonal - 1] + 1 };
            // y = x - (diagonal - centre), which is never negative where it matters.
            let mut y = (x + centre).saturating_sub(diagonal);
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            reach[diagonal] = x;
            if x >= old.len() && y >= new.len() {
                return Some(way_back(&trace, old.len(), new.len()));
            }
        }
    }
    None
}

/// Whether the best way onto a diagonal inserts a line.
fn goes_down(reach: &[usize], diagonal: usize, centre: usize, count: usize) -> bool {
    diagonal == centre - count || (diagonal != centre + count && reach[diagonal - 1] < reach[diagonal + 1])
}

fn way_back(trace: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (count, reach) in trace.iter().enumerate().rev() {
        let centre = count + 1;
        let diagonal = centre + x - y;
        if count == 0 {
            edits.extend(std::iter::repeat_n(Edit::Keep, x));
            break;
        }
        let down = goes_down(reach, diagonal, centre, count);
        let before = if down { diagonal + 1 } else { diagonal - 1 };
        let from_x = reach[before];
        let kept = x - if down { from_x } else { from_x + 1 };
        edits.extend(std::iter::repeat_n(Edit::Keep, kept));
        (x, y) = (x - kept, y - kept);
        if down {
            edits.push(Edit::Insert);
            y -= 1;
        } else {
            edits.push(Edit::Delete);
            x -= 1;
        }
    }
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(before: &str, edits: &[Edit], after: &str) -> (String, String) {
        let mut old = before.split_inclusive('\n');
        let mut new = after.split_inclusive('\n');
        let (mut was, mut is) = (String::new(), String::new());
        for edit in edits {
            if *edit != Edit::Insert {
                let line = old.next().expect("an old line");
                was.push_str(line);
                if *edit == Edit::Keep {
                    assert_eq!(new.next(), Some(line));
                    is.push_str(line);
                }
            } else {
                is.push_str(new.next().expect("a new line"));
            }
        }
        (was, is)
    }

    fn lines(text: &str) -> Vec<&str> {
        text.split_inclusive('\n').collect()
    }

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10";
        let expected = "@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n\\ No newline at end of file\n";
        assert_eq!(unified(before, after, 1_000), Diff { text: expected.to_owned(), cut: false });
        assert_eq!(unified("", "a\n", 1_000).text, "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified("a\n", "a\n", 1_000), Diff::default());
    }

    #[test]
    fn changes_far_apart_are_hunks_of_their_own() {
        let before: String = (0..40).map(|n| format!("{n}\n")).collect();
        let after = before.replace("\n5\n", "\nfive\n").replace("\n30\n", "\n");
        let text = unified(&before, &after, 10_000).text;
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(heads, ["@@ -3,7 +3,7 @@", "@@ -28,7 +28,6 @@"]);
    }

    #[test]
    fn another_end_of_a_line_is_a_difference() {
        assert_eq!(unified("a\r\n", "a\n", 1_000).text, "@@ -1,1 +1,1 @@\n-a\r\n+a\n");
        assert!(!unified("a\n", "a", 1_000).text.is_empty());
    }

    #[test]
    fn what_is_longer_than_the_bound_is_cut_at_a_character() {
        let diff = unified("", &"é".repeat(1_000), 100);
        assert!(diff.cut && diff.text.len() <= 100, "{}", diff.text.len());
    }

    #[test]
    fn texts_without_anything_in_common_are_replaced() {
        let text = |word: &str| (0..2 * EDITS).map(|n| format!("{word}{n}\n")).collect::<String>();
        let (before, after) = (text("a"), text("b"));
        let edits = edits(&lines(&before), &lines(&after));
        assert_eq!(apply(&before, &edits, &after), (before, after));
    }

    proptest! {
        #[test]
        fn the_edits_lead_from_one_text_to_the_other(before in "[abc\n]{0,60}", after in "[abc\n]{0,60}") {
            let edits = edits(&lines(&before), &lines(&after));
            prop_assert_eq!(apply(&before, &edits, &after), (before, after));
        }
    }
}
