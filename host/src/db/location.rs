//! Where the database is: the words of `DATABASE_URL`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// Which database, and how to reach it. Printing it never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of ours; it is made, readable only by this user, when it is absent.
    Sqlite(PathBuf),
    /// A PostgreSQL address as libpq knows it.
    Postgres(Url),
}

/// A `DATABASE_URL` that names no database. The message never quotes the address: it may hold a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("DATABASE_URL begins with `{scheme}:`; give sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME")]
    Scheme { scheme: String },
    #[error("DATABASE_URL is no address: {0}")]
    Malformed(#[from] url::ParseError),
    #[error("DATABASE_URL names no file; a database in memory would be another one for each connection")]
    NoFile,
    #[error("DATABASE_URL has `?{0}`; for SQLite only ?mode=rwc is understood")]
    Option(String),
}

impl FromStr for Location {
    type Err = LocationError;

    /// Accepts `sqlite:PATH` and `sqlite://PATH` (the path is taken as it stands), `postgres://` and
    /// `postgresql://`, also with the name of a driver (`postgresql+asyncpg://`), as the
    /// environment files of other hosts have it.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme.split('+').next() {
            Some("sqlite") => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let (path, option) = path.split_once('?').unwrap_or((path, "mode=rwc"));
                if option != "mode=rwc" {
                    return Err(LocationError::Option(option.chars().take(64).collect()));
                }
                if path.is_empty() || path == ":memory:" {
                    return Err(LocationError::NoFile);
                }
                Ok(Self::Sqlite(path.into()))
            }
            Some("postgres" | "postgresql") => Ok(Self::Postgres(Url::parse(&format!("postgres:{rest}"))?)),
            _ => Err(LocationError::Scheme { scheme: scheme.chars().take(32).collect() }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite in {}", path.display()),
            Self::Postgres(url) => {
                write!(f, "PostgreSQL at {}", url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost"))?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(url.path())
            }
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_database_and_hides_its_password() {
        for (text, shown) in [
            ("sqlite://data/mcpbox.db", "SQLite in data/mcpbox.db"),
            ("sqlite:///var/lib/mcpbox.db?mode=rwc", "SQLite in /var/lib/mcpbox.db"),
            ("sqlite:a b.db", "SQLite in a b.db"),
            ("postgres://me:hunter2@db.example:5433/box", "PostgreSQL at db.example:5433/box"),
            ("postgresql+asyncpg://me:hunter2@db/box", "PostgreSQL at db/box"),
            ("postgres:///box?host=/run/postgresql", "PostgreSQL at localhost/box"),
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), shown);
            assert!(!format!("{location:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_names_no_database_is_refused_without_quoting_it() {
        for (text, error) in [
            ("mysql://me:hunter2@db/box", "begins with `mysql:`"),
            ("hunter2", "begins with `:`"),
            ("sqlite::memory:", "names no file"),
            ("sqlite://", "names no file"),
            ("sqlite://x.db?mode=memory", "only ?mode=rwc"),
            ("postgres://me:hunter2@[::1/box", "is no address"),
        ] {
            let message = text.parse::<Location>().expect_err(text).to_string();
            assert!(message.contains(error), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
