//! Rows of logs: many at a time, and without a copy of any text.
//!
//! A statement is prepared once for a number of rows and kept by its connection, so rows go in groups of a
//! few sizes: what a statement costs to write and to prepare is shared by all that use it. To SQLite values go
//! past sea_orm, which copies each of them twice.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{self, Arguments as _, AssertSqlSafe, Sqlite};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, RuntimeErr, Statement, Value};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::error::Doing as _;
use super::{Address, DbError, Texts, Tx, Whole};
use crate::domain::text::Text;

/// Rows in one statement. PostgreSQL takes 65,535 values in one, SQLite 32,766, and the widest table has 26.
const GROUPS: [usize; 5] = [256, 64, 16, 4, 1];

/// What stands in one column of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(Option<Text>),
    Address(Option<Address>),
    Id(Option<Uuid>),
    Number(Option<i64>),
    Small(i32),
    Flag(bool),
    Time(DateTime<Utc>),
}

/// A transaction that writes rows of logs and nothing else. Dropped without [`Appending::commit`], nothing of
/// it has happened.
pub struct Appending {
    inner: Inner,
    /// Given back after it: fields are dropped in order.
    turn: Option<OwnedSemaphorePermit>,
}

enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(Box<Tx>),
}

/// Writes many rows of a table in a statement.
pub(super) struct Many<const COLUMNS: usize> {
    table: &'static str,
    /// The first is the key.
    columns: [&'static str; COLUMNS],
    how: How<COLUMNS>,
    /// What is being done, what a row is and what it refers to, in the words of an error.
    words: [&'static str; 3],
    /// For each of the groups, as SQLite takes it.
    sqlite: [OnceLock<Arc<str>>; GROUPS.len()],
}

enum How<const COLUMNS: usize> {
    Append,
    /// Over what the rows say; PostgreSQL wants to be told what the columns are.
    Over([&'static str; COLUMNS]),
}

impl<const COLUMNS: usize> Many<COLUMNS> {
    /// Appends rows to the end of a table.
    pub(super) const fn appended(
        table: &'static str,
        columns: [&'static str; COLUMNS],
        words: [&'static str; 3],
    ) -> Self {
        Self { table, columns, how: How::Append, words, sqlite: [const { OnceLock::new() }; GROUPS.len()] }
    }

    /// Writes over columns, of these types in PostgreSQL, of the rows that have the same first one. Rows that are
    /// gone stay so.
    pub(super) const fn over(
        table: &'static str,
        columns: [&'static str; COLUMNS],
        types: [&'static str; COLUMNS],
        words: [&'static str; 3],
    ) -> Self {
        Self { table, columns, how: How::Over(types), words, sqlite: [const { OnceLock::new() }; GROUPS.len()] }
    }

    /// # Errors
    /// [`DbError::Conflict`] when one of the rows to append is there already; the transaction is of no use then.
    pub(super) async fn rows(
        &self,
        to: &mut Appending,
        rows: impl ExactSizeIterator<Item = [Cell; COLUMNS]> + Send,
    ) -> Result<(), DbError> {
        let [doing, what, parent] = self.words;
        let (mut left, mut rows) = (rows.len(), rows);
        for (place, group) in GROUPS.into_iter().enumerate() {
            while left >= group {
                let cells = rows.by_ref().take(group).flatten();
                let done = match &mut to.inner {
                    Inner::Sqlite(tx) => {
                        let sql = self.sqlite[place].get_or_init(|| self.statement(DbBackend::Sqlite, group).into());
                        on_sqlite(tx, Arc::clone(sql), cells).await
                    }
                    Inner::Postgres(tx) => {
                        let (postgres, values) = (DbBackend::Postgres, cells.map(Value::from));
                        let statement =
                            Statement::from_sql_and_values(postgres, self.statement(postgres, group), values);
                        tx.inner().execute_raw(statement).await.map(drop)
                    }
                };
                done.writing(doing, what, parent)?;
                left -= group;
            }
        }
        Ok(())
    }

    fn statement(&self, database: DbBackend, rows: usize) -> String {
        let (table, values) = (self.table, self.values(database, rows));
        match &self.how {
            How::Append => {
                // Whoever meets a row that is there already gives up the whole transaction. So SQLite need not be
                // able to take back a statement alone, for which it would copy each page that it changes.
                let insert = if database == DbBackend::Sqlite { "INSERT OR FAIL" } else { "INSERT" };
                format!("{insert} INTO \"{table}\" (\"{}\") VALUES {values}", self.columns.join("\", \""))
            }
            How::Over(_) => {
                let (key, columns) = (self.columns[0], self.columns.iter().zip(1..).skip(1));
                let over: Vec<_> = columns.map(|(column, place)| format!("\"{column}\" = v.column{place}")).collect();
                // Both databases call the columns of values so.
                format!(
                    "UPDATE \"{table}\" SET {} FROM (VALUES {values}) AS v WHERE \"{table}\".\"{key}\" = v.column1",
                    over.join(", ")
                )
            }
        }
    }

    /// A place for each value of each row.
    fn values(&self, database: DbBackend, rows: usize) -> String {
        let mut sql = String::new();
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { "), (" });
            for column in 0..COLUMNS {
                if column > 0 {
                    sql.push(',');
                }
                if database == DbBackend::Postgres {
                    sql.push('$');
                    sql.push_str(&(row * COLUMNS + column + 1).to_string());
                    // The first row says it for all.
                    if let (0, How::Over(types)) = (row, &self.how) {
                        sql.push_str("::");
                        sql.push_str(types[column]);
                    }
                } else {
                    sql.push('?');
                }
            }
        }
        sql.push(')');
        sql
    }
}

impl Appending {
    pub(super) fn on_sqlite(tx: sqlx::Transaction<'static, Sqlite>, turn: OwnedSemaphorePermit) -> Self {
        Self { inner: Inner::Sqlite(tx), turn: Some(turn) }
    }

    pub(super) fn on_postgres(tx: Tx) -> Self {
        Self { inner: Inner::Postgres(Box::new(tx)), turn: None }
    }

    /// Runs one statement, whose values are of the kinds that a [`Cell`] has.
    pub(super) async fn run(&mut self, doing: &'static str, statement: Statement) -> Result<(), DbError> {
        let done = match &mut self.inner {
            Inner::Sqlite(tx) => {
                let values = statement.values.map(|values| values.0).unwrap_or_default();
                let cells: Result<Vec<_>, _> = values.into_iter().map(Cell::try_from).collect();
                on_sqlite(tx, statement.sql.into(), cells.doing(doing)?.into_iter()).await
            }
            Inner::Postgres(tx) => tx.inner().execute_raw(statement).await.map(drop),
        };
        done.doing(doing)
    }

    pub(super) fn backend(&self) -> DbBackend {
        match &self.inner {
            Inner::Sqlite(_) => DbBackend::Sqlite,
            Inner::Postgres(_) => DbBackend::Postgres,
        }
    }

    /// Makes everything visible and durable, or nothing.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, turn } = self;
        match inner {
            Inner::Sqlite(tx) => tx.commit().await.map_err(of_driver).doing("commit a transaction")?,
            Inner::Postgres(tx) => tx.commit().await?,
        }
        drop(turn);
        Ok(())
    }
}

async fn on_sqlite(
    tx: &mut sqlx::Transaction<'static, Sqlite>,
    sql: Arc<str>,
    cells: impl Iterator<Item = Cell>,
) -> Result<(), DbErr> {
    let mut arguments = SqliteArguments::default();
    let mut words = Words::default();
    for cell in cells {
        bind(&mut arguments, &mut words, cell).map_err(|error| of_driver(sqlx::Error::Encode(error)))?;
    }
    sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut **tx).await.map(drop).map_err(of_driver)
}

pub(super) fn of_driver(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

/// Texts that many rows of a statement have in common, made once for all of them.
#[derive(Default)]
struct Words {
    known: Vec<(&'static str, Arc<str>)>,
    address: Option<(Address, Arc<str>)>,
}

impl Words {
    fn word(&mut self, word: &'static str) -> Arc<str> {
        if let Some((_, shared)) = self.known.iter().find(|(known, _)| *known == word) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = word.into();
        self.known.push((word, Arc::clone(&shared)));
        shared
    }

    fn address(&mut self, address: Address) -> Arc<str> {
        match &self.address {
            Some((last, shared)) if *last == address => Arc::clone(shared),
            _ => {
                let shared: Arc<str> = address.to_string().into();
                self.address = Some((address, Arc::clone(&shared)));
                shared
            }
        }
    }
}

fn bind(arguments: &mut SqliteArguments, words: &mut Words, cell: Cell) -> Result<(), sqlx::error::BoxDynError> {
    match cell {
        Cell::Text(Some(Text::Word(word))) => arguments.add(words.word(word)),
        Cell::Text(Some(Text::Shared(text))) => arguments.add(text),
        Cell::Text(None) => arguments.add(None::<String>),
        Cell::Address(address) => arguments.add(address.map(|address| words.address(address))),
        Cell::Id(id) => arguments.add(id),
        Cell::Number(number) => arguments.add(number),
        Cell::Small(number) => arguments.add(number),
        Cell::Flag(flag) => arguments.add(flag),
        Cell::Time(time) => arguments.add(time),
    }
}

impl From<Cell> for Value {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Text(text) => text.into(),
            Cell::Address(address) => address.into(),
            Cell::Id(id) => id.into(),
            Cell::Number(number) => number.into(),
            Cell::Small(number) => number.into(),
            Cell::Flag(flag) => flag.into(),
            Cell::Time(time) => time.into(),
        }
    }
}

/// The other way, for the kinds of values that are of a cell's kinds.
impl TryFrom<Value> for Cell {
    type Error = DbErr;
    fn try_from(value: Value) -> Result<Self, DbErr> {
        Ok(match value {
            Value::String(text) => Self::Text(text.map(Text::from)),
            Value::Uuid(id) => Self::Id(id),
            Value::BigInt(number) => Self::Number(number),
            Value::Int(Some(number)) => Self::Small(number),
            Value::Bool(Some(flag)) => Self::Flag(flag),
            Value::ChronoDateTimeUtc(Some(time)) => Self::Time(time),
            other => return Err(DbErr::Type(format!("{other:?} is of no kind that rows of logs hold"))),
        })
    }
}

impl From<&Text> for Cell {
    fn from(text: &Text) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<Whole> for Cell {
    fn from(whole: Whole) -> Self {
        Self::Number(Some(whole.stored()))
    }
}

impl From<&Texts> for Cell {
    fn from(texts: &Texts) -> Self {
        Self::Text(Some(if texts.0.is_empty() { "[]".into() } else { texts.to_json().into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::on::On as _;
    use super::super::testing::fresh;
    use super::*;

    #[test]
    fn a_statement_has_a_place_for_each_value_of_each_row() {
        let append = Many::appended("t", ["a", "b"], ["", "", ""]);
        assert_eq!(append.statement(DbBackend::Sqlite, 2), r#"INSERT OR FAIL INTO "t" ("a", "b") VALUES (?,?), (?,?)"#);
        assert_eq!(append.statement(DbBackend::Postgres, 2), r#"INSERT INTO "t" ("a", "b") VALUES ($1,$2), ($3,$4)"#);
        let over = Many::over("t", ["a", "b", "c"], ["uuid", "text", "bigint"], ["", "", ""]);
        let (set, on) =
            (r#"UPDATE "t" SET "b" = v.column2, "c" = v.column3 FROM (VALUES "#, r#") AS v WHERE "t"."a" = v.column1"#);
        assert_eq!(over.statement(DbBackend::Sqlite, 2), format!("{set}(?,?,?), (?,?,?){on}"));
        assert_eq!(
            over.statement(DbBackend::Postgres, 2),
            format!("{set}($1::uuid,$2::text,$3::bigint), ($4,$5,$6){on}")
        );
    }

    #[tokio::test]
    async fn rows_that_are_written_over_are_found_by_their_key() -> Result<(), DbError> {
        let db = fresh().await;
        if db.backend() == DbBackend::Postgres {
            // It decides by what is in its tables.
            return Ok(());
        }
        let over = Many::over("activity_logs", ["id", "level"], ["uuid", "text"], ["", "", ""]);
        let asked = format!("EXPLAIN QUERY PLAN {}", over.statement(DbBackend::Sqlite, 256));
        let steps = db.on().query_all_raw(Statement::from_string(DbBackend::Sqlite, asked)).await.doing("plan")?;
        let steps: Vec<_> = steps.iter().map(|step| step.try_get::<String>("", "detail").expect("a detail")).collect();
        assert!(steps.iter().any(|step| step.starts_with("SEARCH activity_logs USING")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN activity_logs")), "{steps:?}");
        Ok(())
    }

    #[test]
    fn any_number_of_rows_fits_into_the_groups() {
        assert_eq!(GROUPS.last(), Some(&1));
        assert!(GROUPS.is_sorted_by(|one, next| one > next));
    }

    #[test]
    fn a_text_that_rows_have_in_common_is_made_once() {
        let mut words = Words::default();
        let (one, other) = (Address([192, 0, 2, 7].into()), Address("::ffff:192.0.2.8".parse().expect("an address")));
        assert!(Arc::ptr_eq(&words.word("info"), &words.word("info")));
        assert!(Arc::ptr_eq(&words.address(one), &words.address(one)));
        assert_eq!((&*words.word("error"), &*words.address(other)), ("error", "192.0.2.8"));
        assert_eq!(&*words.address(one), "192.0.2.7");
    }
}
