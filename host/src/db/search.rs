//! Looking for a text within columns: ASCII letters of either case, every other character as it is.

use sea_orm::Condition;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, IntoColumnRef, LikeExpr};

/// A text to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search(String);

impl Search {
    pub fn new(text: &str) -> Self {
        let mut pattern = String::from("%");
        for character in text.chars().map(|c| c.to_ascii_lowercase()) {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        Self(pattern)
    }

    /// Whether the column holds it.
    pub(super) fn within(&self, column: impl IntoColumnRef) -> Expr {
        let lower = Expr::expr(Func::lower(Expr::col(column)));
        lower.like(LikeExpr::new(self.0.clone()).escape('\\'))
    }

    /// Whether one of several conditions holds.
    pub(super) fn any(conditions: impl IntoIterator<Item = Expr>) -> Condition {
        conditions.into_iter().fold(Condition::any(), Condition::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_pattern_is_taken_as_it_stands() {
        assert_eq!(Search::new(r"50%_Of\X"), Search(r"%50\%\_of\\x%".to_owned()));
    }
}
