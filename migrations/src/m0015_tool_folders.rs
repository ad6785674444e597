//! Folders of the host's machine that a person gave to a tool.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, timestamp_with_time_zone, uuid};

use crate::change::{Script, owned_by};

pub(crate) fn up(script: &mut Script) {
    let table = Table::create()
        .table("tool_folders")
        .col(uuid("tool_id"))
        .col(script.name("guest_path"))
        .col(text("host_path"))
        .col(text("access"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .primary_key(Index::create().col("tool_id").col("guest_path"))
        .foreign_key(&mut owned_by("tool_id", "tools"))
        .to_owned();
    script.create_table(&table);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table("tool_folders");
}
