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
    #[error("the database file could not be made ({location})")]
    File {
        location: Box<Location>,
        #[source]
        source: std::io::Error,
    },
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
