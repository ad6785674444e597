//! How the database fails.

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

use super::location::Location;

/// What a query or a connection failed on. A row that is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A name or another key that may occur once is taken.
    #[error("{what} exists already")]
    Conflict { what: &'static str },
    /// The row's owner was deleted meanwhile.
    #[error("the {owner} that this belongs to is gone")]
    OwnerGone { owner: &'static str },
    /// PostgreSQL keeps no U+0000 in text.
    #[error("the text holds a character that the database cannot keep (U+0000)")]
    Unstorable,
    /// No connection, or no turn to write, in time.
    #[error("the database was not available to {doing}")]
    Unavailable {
        doing: &'static str,
        #[source]
        source: DbErr,
    },
    #[error("the database could not {doing}")]
    Query {
        doing: &'static str,
        #[source]
        source: DbErr,
    },
    #[error("the database could not be opened ({location})")]
    Open {
        location: Box<Location>,
        #[source]
        source: DbErr,
    },
    /// A text with characters that it does not know could never be kept.
    #[error(
        "the database {location} keeps text as {encoding}, and texts are in every language; make one with \
         `CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0` and name that in DATABASE_URL"
    )]
    Encoding { location: Box<Location>, encoding: String },
    #[error("the database file could not be made ({location})")]
    File {
        location: Box<Location>,
        #[source]
        source: std::io::Error,
    },
}

impl DbError {
    /// Whether the fault lies in what was to be written: the same will be refused again, and other rows need not be.
    pub fn is_of_rows(&self) -> bool {
        match self {
            Self::Conflict { .. } | Self::OwnerGone { .. } | Self::Unstorable => true,
            Self::Query { source, .. } => refuses_rows(source),
            Self::Unavailable { .. } | Self::Open { .. } | Self::Encoding { .. } | Self::File { .. } => false,
        }
    }
}

/// Turns an error of sea_orm into ours.
pub(super) trait Doing<T> {
    /// `doing` is what we were at, as a verb: "read a server".
    fn doing(self, doing: &'static str) -> Result<T, DbError>;
    /// For a write: `what` is taken when a key occurs twice, `owner` is gone when its row is not
    /// there.
    fn writing(self, doing: &'static str, what: &'static str, owner: &'static str) -> Result<T, DbError>;
}

impl<T> Doing<T> for Result<T, DbErr> {
    fn doing(self, doing: &'static str) -> Result<T, DbError> {
        self.map_err(|source| translate(source, doing))
    }

    fn writing(self, doing: &'static str, what: &'static str, owner: &'static str) -> Result<T, DbError> {
        self.map_err(|source| match source.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => DbError::Conflict { what },
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => DbError::OwnerGone { owner },
            _ => translate(source, doing),
        })
    }
}

/// A full disk, a lost right or a missing table is no fault of a row.
fn refuses_rows(source: &DbErr) -> bool {
    let driver = match source {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => error,
        DbErr::Type(_) => return true,
        _ => return false,
    };
    match &**driver {
        SqlxError::Encode(_) => true,
        SqlxError::Database(error) => error.code().is_some_and(|code| is_of_rows(&code)),
        _ => false,
    }
}

fn is_of_rows(code: &str) -> bool {
    match code.parse::<u32>() {
        // The result codes of SQLite TOOBIG, CONSTRAINT, MISMATCH and RANGE; the low byte, because the others say more.
        Ok(number) if code.len() != 5 => matches!(number & 0xff, 18 | 19 | 20 | 25),
        // PostgreSQL, appendix A: data exceptions, broken constraints, limits of the program such as an index's.
        _ => ["22", "23", "54"].iter().any(|class| code.starts_with(class)),
    }
}

fn translate(source: DbErr, doing: &'static str) -> DbError {
    let driver = match &source {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return DbError::Unavailable { doing, source },
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => error,
        _ => return DbError::Query { doing, source },
    };
    match &**driver {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => DbError::Unavailable { doing, source },
        SqlxError::Database(error) => match error.code().as_deref() {
            // character_not_in_repertoire (PostgreSQL, appendix A).
            Some("22021") => DbError::Unstorable,
            // Class 57P, the server is stopping; class 08, connections.
            Some(code) if code.starts_with("57P") || code.starts_with("08") => DbError::Unavailable { doing, source },
            // SQLITE_BUSY, and its forms that no waiting helps against: RECOVERY, SNAPSHOT, TIMEOUT.
            Some("5" | "261" | "517" | "773") => DbError::Unavailable { doing, source },
            _ => DbError::Query { doing, source },
        },
        _ => DbError::Query { doing, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_fault_of_a_row() {
        // Of SQLite: too big, three constraints; full, read only, disk, locked. Of PostgreSQL: a character without
        // an equivalent, null where nothing may be null, an index's limit; disk full, no right, no table, read only.
        for (code, is) in [
            ("18", true),
            ("19", true),
            ("1299", true),
            ("1555", true),
            ("13", false),
            ("8", false),
            ("778", false),
            ("6", false),
            ("22P05", true),
            ("22021", true),
            ("23502", true),
            ("54000", true),
            ("53100", false),
            ("42501", false),
            ("42P01", false),
            ("25006", false),
            ("XX000", false),
        ] {
            assert_eq!(is_of_rows(code), is, "{code}");
        }
    }
}
