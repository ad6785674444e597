//! Rows of logs, appended many at a time.
//!
//! A statement is prepared once for a number of rows and kept by its connection, so rows go in groups of a
//! few sizes: what a statement costs to write and to prepare is shared by all that use it.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement, Value};

use super::error::Doing as _;
use super::{DbError, Tx};

/// Rows in one statement. PostgreSQL takes 65,535 values in one, SQLite 32,766, and the widest table has 26.
const GROUPS: [usize; 5] = [256, 64, 16, 4, 1];

/// A table to whose end rows are appended.
pub(super) struct Append<const COLUMNS: usize> {
    pub(super) table: &'static str,
    pub(super) columns: [&'static str; COLUMNS],
    /// What is being done, what a row is and what it refers to, in the words of an error.
    pub(super) words: [&'static str; 3],
}

impl<const COLUMNS: usize> Append<COLUMNS> {
    /// # Errors
    /// [`DbError::Conflict`] when one of the rows is there already; the transaction is of no use then.
    pub(super) async fn rows(
        &self,
        tx: &Tx,
        rows: impl ExactSizeIterator<Item = [Value; COLUMNS]> + Send,
    ) -> Result<(), DbError> {
        let [doing, what, parent] = self.words;
        let database = tx.inner().get_database_backend();
        let (mut left, mut rows) = (rows.len(), rows);
        for group in GROUPS {
            while left >= group {
                let values: Vec<Value> = rows.by_ref().take(group).flatten().collect();
                let statement = Statement::from_sql_and_values(database, self.statement(database, group), values);
                tx.inner().execute_raw(statement).await.map(drop).writing(doing, what, parent)?;
                left -= group;
            }
        }
        Ok(())
    }

    fn statement(&self, database: DbBackend, rows: usize) -> String {
        // Whoever meets a row that is there already gives up the whole transaction. So SQLite need not be able
        // to take back a statement alone, for which it would copy each page that it changes.
        let insert = if database == DbBackend::Sqlite { "INSERT OR FAIL" } else { "INSERT" };
        let mut sql = format!("{insert} INTO \"{}\" (\"{}\") VALUES ", self.table, self.columns.join("\", \""));
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { "), (" });
            for column in 0..COLUMNS {
                if column > 0 {
                    sql.push(',');
                }
                if database == DbBackend::Postgres {
                    sql.push('$');
                    sql.push_str(&(row * COLUMNS + column + 1).to_string());
                } else {
                    sql.push('?');
                }
            }
        }
        sql.push(')');
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_a_place_for_each_value_of_each_row() {
        let append = Append { table: "t", columns: ["a", "b"], words: ["", "", ""] };
        assert_eq!(append.statement(DbBackend::Sqlite, 2), r#"INSERT OR FAIL INTO "t" ("a", "b") VALUES (?,?), (?,?)"#);
        assert_eq!(append.statement(DbBackend::Postgres, 2), r#"INSERT INTO "t" ("a", "b") VALUES ($1,$2), ($3,$4)"#);
    }

    #[test]
    fn any_number_of_rows_fits_into_the_groups() {
        assert_eq!(GROUPS.last(), Some(&1));
        assert!(GROUPS.is_sorted_by(|one, next| one > next));
    }
}
