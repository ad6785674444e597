//! The last good list of each external source, and which tool was imported from which line of it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, integer, text, text_null, timestamp_with_time_zone, uuid, uuid_null};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    let mut imported = ForeignKey::create();
    imported.from_col("tool_id").to("tools", "id").on_delete(ForeignKeyAction::SetNull);
    let table = Table::create()
        .table("external_mcp_tools")
        .col(uuid("source_id"))
        .col(script.name("name"))
        .col(integer("position"))
        .col(boolean("offered"))
        .col(text_null("digest"))
        .col(text("definition"))
        .col(text_null("problem"))
        .col(uuid_null("tool_id"))
        .col(text("description"))
        .col(timestamp_with_time_zone("changed_at"))
        .primary_key(Index::create().col("source_id").col("name"))
        .foreign_key(&mut owned_by("source_id", "external_mcp_sources"))
        .foreign_key(&mut imported)
        .to_owned();
    script.create_table(&table);
    script.unique("external_mcp_tools", &["tool_id"]);
    script.index("external_mcp_tools", &["source_id", "position"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("external_mcp_tools");
}
