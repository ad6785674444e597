//! The database: SQLite by default, PostgreSQL by `DATABASE_URL`, with the same tables and queries.
//!
//! The only home of sea_orm. One file per table: its row as a plain struct, finders that start from
//! the owner, and writes. A read takes any [`Conn`]; a write takes a [`Tx`], so that a change and
//! its audit row are committed together or not at all. Identifiers and times are made by the
//! caller. A row that is not there is `None` or `false`, never an error. A row is never serialised:
//! it carries hashes, sealed secrets and what else the doors must not show.
//!
//! Nothing here loads without a bound: lists come as pages, and what has no page is bounded by what
//! one call of one tool needs.

pub mod activity_logs;
pub mod admin_sessions;
pub mod admins;
pub mod api_keys;
pub mod audit;
pub mod blobs;
mod column;
mod connection;
mod counts;
mod decision;
mod error;
pub mod execution_durations;
pub mod execution_logs;
pub mod execution_scope_durations;
pub mod execution_statistics;
pub mod external_mcp_sources;
pub mod external_mcp_tools;
mod location;
pub mod marks;
pub mod mcp_sessions;
pub mod migrate;
pub mod module_requests;
pub mod network_requests;
pub mod package_failures;
pub mod package_sets;
mod page;
pub mod profiles;
mod rows;
mod search;
pub mod secrets;
pub mod servers;
pub mod settings;
pub mod signing_keys;
pub mod stream_tickets;
pub mod tasks;
#[cfg(test)]
pub(crate) mod testing;
pub mod tool_folders;
pub mod tool_names;
pub mod tools;
pub mod versions;

pub use column::{Address, Distributions, Exports, Port, Texts, Whole};
pub use connection::{Conn, Database, Lock, Tx};
pub use decision::Decision;
pub use error::DbError;
pub use location::{Location, LocationError};
pub use page::{Page, PageRequest};
pub use rows::Appending;
pub use search::Search;
