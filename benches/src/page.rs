//! Tables in Markdown, and the page that holds the last ones.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

/// The tables stand between these lines of the page.
const BEGIN: &str = "<!-- The last run. -->";
const END: &str = "<!-- End of the last run. -->";

/// One table with what is to be said below it.
pub struct Table {
    title: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    pub note: String,
}

impl Table {
    pub fn new(title: &str, heads: &[&str], rows: Vec<Vec<String>>) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Self { title: title.to_owned(), heads, rows, note: String::new() }
    }

    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n{}", self.title, line(&self.heads));
        text.push_str(&line(&vec!["---".to_owned(); self.heads.len()]));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        if !self.note.is_empty() {
            let _ = write!(text, "\n{}\n", self.note);
        }
        text
    }
}

/// Puts `text` in the place of the last run.
///
/// # Errors
/// When the page is not there, or has lost its marks.
pub fn write(page: &Path, text: &str) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
    std::fs::write(page, replaced(&old, text).context("the page has lost its marks")?)?;
    Ok(())
}

fn replaced(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_the_place_of_the_last_one() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&page, "new\n").expect("marks");
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new\n"), Some(once));
        assert_eq!(replaced("no marks", "new"), None);
    }

    #[test]
    fn a_table_is_markdown() {
        let table = Table::new("T", &["a", "b"], vec![vec!["1".to_owned(), "2".to_owned()]]);
        assert_eq!(table.markdown(), "### T\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
