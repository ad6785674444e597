//! The schema of MCPbox: the list of changes, one file for each, each with a real way back.
//!
//! A change is a list of statements in the dialect of the database at hand. The same list is what a
//! migration executes and what a dry run prints, so the two cannot differ. A change that was
//! released is never edited: a new one follows it.

mod change;

pub use sea_orm_migration::{MigratorTrait, seaql_migrations};

use change::Step;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

macro_rules! changes {
    ($($module:ident,)*) => {
        $(mod $module;)*

        /// Every change, oldest first. The name of a change is the name of its file.
        const CHANGES: &[Step] = &[$(Step { name: stringify!($module), up: $module::up, down: $module::down },)*];
    };
}

changes! {
    m0001_servers,
    m0002_blobs,
    m0003_tools,
    m0004_tool_versions,
    m0005_server_secrets,
    m0006_network_access_requests,
    m0007_module_requests,
    m0008_tool_execution_logs,
    m0009_audit,
    m0010_admin_users,
    m0011_admin_sessions,
    m0012_api_keys,
    m0013_settings,
    m0014_tool_names,
    m0015_tool_folders,
    m0020_admin_sessions,
    m0021_submitted_by,
    m0024_tool_execution_logs,
    m0025_execution_statistics,
    m0026_audit,
    m0027_execution_durations,
    m0030_package_sets,
    m0033_external_mcp_sources,
    m0034_external_mcp_tools,
    m0036_activity_logs,
    m0037_stream_tickets,
    m0038_execution_scope_durations,
    m0039_secret_bindings,
    m0040_mcp_sessions,
    m0041_tasks,
    m0042_profiles,
    m0044_package_failures,
    m0045_signing_keys,
    m0046_folder_sizes,
    m0047_log_indexes,
    m0048_activity_server_index,
    m0049_mcp_sessions,
    m0051_activity_type_index,
}

/// Applies the changes and takes them back; which ones were applied is kept in `seaql_migrations`.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        CHANGES.iter().map(|step| Box::new(*step) as Box<dyn MigrationTrait>).collect()
    }
}

/// The names of all changes, oldest first.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHANGES.iter().map(|step| step.name)
}

/// The statements that applying a change executes, or none when there is no such change.
pub fn statements(name: &str, database: DbBackend) -> Option<Vec<String>> {
    CHANGES.iter().find(|step| step.name == name).map(|step| step.forward(database))
}
