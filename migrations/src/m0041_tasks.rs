//! Calls of MCP clients that became tasks, so that what came of them can be fetched later, also after a restart
//! and from another process. Their owners are callers, which need no row of their own, so there is no foreign
//! key.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{blob, text, timestamp_with_time_zone, uuid};

use crate::change::Script;

const TABLE: &str = "tasks";

pub(crate) fn up(script: &mut Script) {
    script.create_table(
        Table::create()
            .table(TABLE)
            .col(uuid("id").primary_key())
            .col(text("owner"))
            .col(text("tool_name"))
            .col(text("status"))
            .col(blob("content"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .col(timestamp_with_time_zone("alive_until"))
            .col(timestamp_with_time_zone("expires_at")),
    );
    script.index(TABLE, &["owner", "expires_at"]);
    script.index(TABLE, &["expires_at"]);
}

pub(crate) fn down(script: &mut Script) {
    script.drop_table(TABLE);
}
